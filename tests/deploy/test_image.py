"""The image, built and run as Kubernetes would run it, by what is on this machine: buildah makes it without a daemon, and
the pods that the chart renders are started from it by hand, with PostgreSQL and Redis beside them. Their root is
read-only, their user has no rights, and nothing but the binary and the C library is in it.

The base images cannot be counted on here, so they are replaced: what runs by the libraries of this machine, and the stage
that compiles by the binary that the other tests use. `cargo xtask image` sets FILMGATE_LONG=1: then the static image is
compiled as well, by the toolchain of this machine, which takes as long as a release build does."""

import glob
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import chart
import kubelet

INSIDE = "FILMGATE_INSIDE"
FILMGATE = os.environ["FILMGATE_BIN"]
# What gcr.io/distroless/cc has.
LIBRARIES = {"ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "libc.so.6", "libm.so.6", "libgcc_s.so.1", "libstdc++.so.6"}
BASE, TOOLCHAIN, IMAGE = "localhost/base", "localhost/toolchain", "localhost/filmgate"
LONG = os.environ.get("FILMGATE_LONG") == "1"
USER = 65532
# Not every user has its folder in the path.
CHROOT = shutil.which("chroot", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") or "chroot"
# How names are found. Where PostgreSQL and Redis are, nobody else is asked.
NAMES = {
    "hosts": "127.0.0.1 localhost postgres.example.com redis.example.com\n",
    "resolv.conf": "nameserver 127.0.0.1\n",
}
# How long anything may take before it counts as never.
PATIENCE = 60


def run(*words, **options):
    done = subprocess.run(words, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise AssertionError(f"{' '.join(map(str, words))}: {done.stderr}")
    return done.stdout


class Builder:
    """buildah, with storage of its own."""

    def __init__(self, folder):
        self.words = ["buildah", "--root", f"{folder}/storage", "--runroot", f"{folder}/run", "--storage-driver", "vfs"]

    def __call__(self, *words):
        return run(*self.words, *words).strip()

    def base(self, libraries):
        """An image that holds these libraries, at their places."""
        container = self("from", "scratch")
        for path in libraries:
            self("copy", container, path, path)
        self("commit", "--rm", container, BASE)

    def toolchain(self):
        """An image for the compiler of this machine, which is mounted when it is used; gives what is to be mounted."""
        container = self("from", "scratch")
        root = pathlib.Path(self("mount", container))
        (root / "tmp").mkdir()
        for name in ("bin", "lib", "lib64", "sbin"):
            (root / name).symlink_to(f"usr/{name}")
        home = {name: os.environ.get(f"{name.upper()}_HOME") or os.path.expanduser(f"~/.{name}") for name in ("cargo", "rustup")}
        path = f"{home['cargo']}/bin:/usr/bin"
        for setting in (f"PATH={path}", f"CARGO_HOME={home['cargo']}", f"RUSTUP_HOME={home['rustup']}"):
            self("config", "--env", setting, container)
        self("commit", "--rm", container, TOOLCHAIN)
        folders = ["/etc", *home.values(), *(f"/usr/{name}" for name in ("bin", "include", "lib", "lib64", "libexec"))]
        return [f"--volume={folder}:{folder}:rw" for folder in folders if os.path.isdir(folder)]

    def image(self, folder):
        """The image of deploy/Dockerfile; `folder` is what its stage `build` would have made."""
        stage = [f"--build-context=build={folder}", f"--build-arg=RUN_IMAGE={BASE}"]
        return self.bud(stage, tempfile.mkdtemp(dir=folder))

    def static_image(self):
        """The static image, from the sources."""
        volumes = self.toolchain()
        return self.bud(["--target=static", f"--build-arg=BUILD_IMAGE={TOOLCHAIN}", *volumes], chart.ROOT)

    def bud(self, options, context):
        dockerfile = chart.ROOT / "deploy/Dockerfile"
        ignore = f"--ignorefile={chart.ROOT}/.dockerignore"
        self("bud", "--isolation=chroot", "--pull=never", ignore, *options, "-f", dockerfile, "-t", IMAGE, context)
        return json.loads(self("inspect", "--type", "image", IMAGE))["OCIv1"]["config"]

    def files(self):
        """A folder with all that the image holds."""
        return pathlib.Path(self("mount", self("from", "--pull=never", IMAGE)))


class Pod:
    """A container of a rendered pod, run by hand."""

    def __init__(self, documents, spec, image, files, folder, claims=None):
        [container] = spec["containers"]
        self.spec, self.container = spec, container
        folder = tempfile.mkdtemp(dir=folder)
        os.chmod(folder, 0o755)
        variables = kubelet.prepare(documents, spec, folder)
        for mount in container["volumeMounts"]:
            if not mount.get("readOnly"):
                os.chown(f"{folder}{mount['mountPath']}", USER, USER)
        self.mount(files, folder, claims or {})
        environment = dict(pair.split("=", 1) for pair in image["Env"]) | variables
        # Only what it takes to become nobody is left, and nobody can come by more.
        nobody = "setpriv --no-new-privs --bounding-set=-all,+sys_chroot,+setuid,+setgid"
        enter = [CHROOT, f"--userspec={USER}:{USER}", str(files)]
        self.output = open(f"{folder}/output", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            nobody.split() + enter + image["Entrypoint"] + container["args"],
            env=environment | {"PATH": os.environ["PATH"]}, stdout=self.output, stderr=subprocess.STDOUT)

    def mount(self, files, folder, claims):
        """What a runtime mounts, and then the root again, read-only. `claims` are folders that outlive the pod."""
        run("mount", "--bind", files, files)
        for name, kind in (("proc", "proc"), ("dev", "tmpfs")):
            (files / name).mkdir(exist_ok=True)
            run("mount", "-t", kind, kind, files / name)
        for device in ("full", "null", "random", "urandom", "zero"):
            (files / "dev" / device).touch()
            run("mount", "--bind", f"/dev/{device}", files / "dev" / device)
        (files / "etc").mkdir(exist_ok=True)
        for name, text in NAMES.items():
            (files / "etc" / name).touch()
            pathlib.Path(folder, name).write_text(text)
            run("mount", "--bind", pathlib.Path(folder, name), files / "etc" / name)
        for mount in self.container["volumeMounts"]:
            target = pathlib.Path(f"{files}{mount['mountPath']}")
            target.mkdir(parents=True, exist_ok=True)
            run("mount", "--bind", claims.get(mount["name"], f"{folder}{mount['mountPath']}"), target)
            if mount.get("readOnly"):
                run("mount", "-o", "remount,bind,ro", target)
        run("mount", "-o", "remount,bind,ro", files)

    def port(self, name):
        [port] = [port["containerPort"] for port in self.container["ports"] if port["name"] == name]
        return port

    def probe(self, name):
        """The status that a probe of the pod sees; nothing if nobody answers."""
        asked = self.container[f"{name}Probe"]["httpGet"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port(asked['port'])}{asked['path']}") as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    def ask(self, key, path, body=None):
        """What the gateway answers to a client, who comes back when it is told that nothing was accepted: on a busy machine
        Redis may need longer than the tenth of a second that it is given, and this chart denies then."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return self.ask_once(key, path, body)
            except urllib.error.HTTPError as error:
                if error.code != 503 or time.monotonic() > end:
                    raise AssertionError(f"{path}: {error.code} {error.read()}") from error
                time.sleep(0.2)

    def ask_once(self, key, path, body):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port('http')}{path}")
        request.add_header("Authorization", f"Bearer {key}")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, json.dumps(body).encode() if body else None) as answer:
            return json.load(answer)

    def said(self):
        self.output.seek(0)
        return self.output.read()

    def until(self, what, holds):
        """Waits until something holds."""
        end = time.monotonic() + PATIENCE
        while not holds():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"{what} never came: {self.process.returncode}, {self.said()}")
            time.sleep(0.05)


class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="filmgate-image-", dir="/var/tmp" if LONG else None)
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        os.chmod(cls.folder, 0o755)
        # Caches of a build go with the rest.
        os.environ["TMPDIR"] = cls.folder
        cls.libraries = needed_libraries()
        cls.builder = Builder(cls.folder)
        cls.builder.base(cls.libraries)
        stage = pathlib.Path(cls.folder, "stage")
        (stage / "out/data").mkdir(parents=True)
        run("strip", "-o", stage / "out/filmgate", FILMGATE)
        cls.image = cls.builder.image(stage)

    def setUp(self):
        self.pods = []

    def tearDown(self):
        for pod in self.pods:
            pod.process.kill()
            pod.process.wait()
            pod.output.close()
        for line in reversed(pathlib.Path("/proc/self/mounts").read_text().splitlines()):
            if self.folder in line.split()[1]:
                run("umount", "--lazy", line.split()[1])

    def start(self, documents, spec, image, files, claims=None):
        """A pod that has just begun."""
        self.pods.append(Pod(documents, spec, image, files, self.folder, claims))
        return self.pods[-1]

    def test_the_pod_with_its_own_store_runs_from_it(self):
        self.assertLessEqual({pathlib.Path(path).name for path in self.libraries}, LIBRARIES)
        self.a_life(self.image, self.builder.files(), {path.removeprefix("/") for path in self.libraries})

    @unittest.skipUnless(LONG, "a release build takes minutes: FILMGATE_LONG=1")
    def test_the_static_image_needs_nothing_but_itself(self):
        builder = Builder(tempfile.mkdtemp(dir=self.folder))
        image = builder.static_image()
        self.a_life(image, builder.files(), set())

    def test_replicas_leave_everything_in_postgresql_and_the_shared_folder(self):
        values = chart.values_files()["replicas.yaml"]
        for key in ("accounts", "routes"):
            del values["config"][key]
        values["config"] |= {"server": {"drain_delay": "1s"}, "sandbox": {"embed": True}}
        documents = chart.render(values)
        key = f"{kubelet.SECRET}-studio-key"
        media = tempfile.mkdtemp(dir=self.folder)
        os.chown(media, USER, USER)
        (_, serve), (_, migrate) = sorted(chart.pods(documents), key=lambda pod: pod[0]["kind"])
        with Servers(self.folder) as servers:
            job = self.start(documents, migrate, self.image, self.builder.files())
            self.assertEqual(job.process.wait(PATIENCE), 0, job.said())

            first = self.start(documents, serve, self.image, self.builder.files(), {"media": media})
            self.ready(first)
            path = self.a_clip(first, key)
            # Liveness is about the process: what it needs may be away.
            servers.stop_postgres()
            first.until("the refusal of the readiness probe", lambda: first.probe("readiness") == 503)
            self.assertEqual(first.probe("liveness"), 200)
            servers.start_postgres()
            first.until("the readiness probe", lambda: first.probe("readiness") == 200)
            self.a_stop(first)

            # Nothing of the first is left but what it has put down.
            second = self.start(documents, serve, self.image, self.builder.files(), {"media": media})
            self.ready(second)
            self.assertEqual(second.ask(key, path)["status"], "SUCCESS")
            self.assert_is_clip(second.ask(key, path))
            self.a_stop(second)

    def a_life(self, image, files, libraries):
        """A pod of the image with its own store, from its start to its end."""
        self.assertEqual(image["User"], f"{USER}:{USER}")
        self.assertEqual(set(image["ExposedPorts"]), {"8080/tcp", "9090/tcp"})
        self.assertEqual(image["Labels"]["org.opencontainers.image.title"], "filmgate")
        held = {str(path.relative_to(files)) for path in files.rglob("*") if path.is_file()}
        self.assertEqual(held, libraries | {"usr/local/bin/filmgate"})

        values = chart.values_files()["embedded.yaml"]
        values["config"]["server"] = {"drain_delay": "1s"}
        documents = chart.render(values)
        [(_, spec)] = chart.pods(documents)
        pod = self.start(documents, spec, image, files)
        self.ready(pod)
        self.assertEqual(pod.probe("liveness"), 200)
        self.nobody(pod, files)
        self.a_clip(pod, kubelet.SECRET)
        self.a_stop(pod)

    def ready(self, pod):
        """The probes of a pod, in the order in which a node asks them."""
        pod.until("the startup probe", lambda: pod.probe("startup") == 200)
        pod.until("the readiness probe", lambda: pod.probe("readiness") == 200)

    def nobody(self, pod, files):
        """The process is nobody, and what it runs from cannot be written to by anybody."""
        status = pathlib.Path(f"/proc/{pod.process.pid}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        self.assertEqual(fields["Uid"].split(), [str(USER)] * 4)
        self.assertEqual(fields["Gid"].split(), [str(USER)] * 4)
        self.assertEqual((int(fields["CapEff"], 16), int(fields["CapPrm"], 16)), (0, 0))
        self.assertEqual(fields["NoNewPrivs"], "1")
        for path in ("", "usr/local/bin", "etc/filmgate/config"):
            with self.assertRaisesRegex(OSError, "Read-only file system"):
                (files / path / "written").write_text("")

    def a_clip(self, pod, key):
        """A client makes one; where its task is."""
        made = pod.ask(key, "/v2/videos/generations", {"prompt": "a cat", "model": "veo3"})
        path = f"/v2/videos/generations/{made['task_id']}"
        pod.until("the end of the task", lambda: pod.ask(key, path)["status"] in ("SUCCESS", "FAILURE"))
        self.assert_is_clip(pod.ask(key, path))
        return path

    def assert_is_clip(self, task):
        self.assertEqual(task["status"], "SUCCESS", task)
        with urllib.request.urlopen(task["data"]["output"]) as clip:
            self.assertEqual(clip.read(8)[4:], b"ftyp")

    def a_stop(self, pod):
        """When it is told to stop, it says so first, and ends in the time that the pod has."""
        pod.process.send_signal(signal.SIGTERM)
        pod.until("the refusal of the readiness probe", lambda: pod.probe("readiness") == 503)
        self.assertEqual(pod.process.wait(pod.spec["terminationGracePeriodSeconds"]), 0, pod.said())


class Servers:
    """PostgreSQL and Redis, where the Secrets say that they are."""

    def __init__(self, folder):
        self.folder = tempfile.mkdtemp(dir=folder)
        [*_, self.programs] = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        self.redis = None

    def __enter__(self):
        shutil.chown(self.folder, "postgres", "postgres")
        password = pathlib.Path(self.folder, "password")
        password.write_text("secret")
        password.chmod(0o644)
        self.postgres("initdb", "--username=filmgate", f"--pwfile={password}", "--auth=scram-sha-256", "--no-sync")
        self.start_postgres()
        here = kubelet.POSTGRES_URL.replace("postgres.example.com", "127.0.0.1")
        run("psql", here.removesuffix("filmgate") + "postgres", "-c", "create database filmgate")
        words = ["redis-server", "--requirepass", "secret", "--save", "", "--dir", self.folder]
        self.redis = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        self.redis.kill()
        self.redis.wait()
        self.stop_postgres()

    def start_postgres(self):
        options = f"-k {self.folder} -c listen_addresses=127.0.0.1"
        self.postgres("pg_ctl", "start", "--wait", "--silent", f"--log={self.folder}/log", "-o", options)

    def stop_postgres(self):
        self.postgres("pg_ctl", "stop", "--wait", "--silent", "--mode=immediate")

    def postgres(self, program, *words):
        """One of its programs, as the user that it insists on."""
        nobody = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        run(*nobody, f"{self.programs}/{program}", f"--pgdata={self.folder}/data", *words, cwd=self.folder)


def needed_libraries():
    """Where this machine has what the binary is linked with."""
    return sorted(re.findall(r"(/\S+\.so[.\d]*) \(0x", run("ldd", FILMGATE)))


if __name__ == "__main__":
    if INSIDE not in os.environ:
        # Mounts, addresses and processes of our own: nothing is left, and no port is taken by somebody else.
        spaces = "unshare --mount --net --pid --fork --mount-proc --kill-child"
        os.execvpe("unshare", [*spaces.split(), sys.executable, "-B", *sys.argv], os.environ | {INSIDE: "yes"})
    run("ip", "link", "set", "lo", "up")
    unittest.main()
