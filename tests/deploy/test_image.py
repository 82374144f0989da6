"""The image, built and run as Kubernetes would run it, by what is on this machine: buildah makes it without a daemon, and the
pod that the chart renders is started from it by hand. Its root is read-only, its user has no rights, and nothing but the
binary and the C library is in it.

The base images cannot be counted on here, so they are replaced: what runs by the libraries of this machine, and the stage
that compiles by the binary that the other tests use. With FILMGATE_LONG=1 the static image is compiled as well, by the
toolchain of this machine, which takes as long as a release build does."""

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

    def __init__(self, documents, spec, image, files, folder):
        [container] = spec["containers"]
        self.spec, self.container = spec, container
        variables = kubelet.prepare(documents, spec, folder)
        for name in ("data", "tmp"):
            os.chown(f"{folder}/{name}", USER, USER)
        self.mount(files, folder)
        environment = dict(pair.split("=", 1) for pair in image["Env"]) | variables
        # Only what it takes to become nobody is left, and nobody can come by more.
        nobody = "setpriv --no-new-privs --bounding-set=-all,+sys_chroot,+setuid,+setgid"
        enter = ["chroot", f"--userspec={USER}:{USER}", str(files)]
        self.output = open(f"{folder}/output", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            nobody.split() + enter + image["Entrypoint"] + container["args"],
            env=environment | {"PATH": os.environ["PATH"]}, stdout=self.output, stderr=subprocess.STDOUT)

    def mount(self, files, folder):
        """What a runtime mounts, and then the root again, read-only."""
        run("mount", "--bind", files, files)
        for name, kind in (("proc", "proc"), ("dev", "tmpfs")):
            (files / name).mkdir(exist_ok=True)
            run("mount", "-t", kind, kind, files / name)
        for device in ("null", "urandom"):
            (files / "dev" / device).touch()
            run("mount", "--bind", f"/dev/{device}", files / "dev" / device)
        for mount in self.container["volumeMounts"]:
            target = pathlib.Path(f"{files}{mount['mountPath']}")
            target.mkdir(parents=True, exist_ok=True)
            run("mount", "--bind", f"{folder}{mount['mountPath']}", target)
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

    def ask(self, path, body=None):
        """What the gateway answers to a client."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port('http')}{path}")
        request.add_header("Authorization", f"Bearer {kubelet.SECRET}")
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
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="filmgate-image-", dir="/var/tmp" if LONG else None)
        # Caches of a build go with the rest.
        os.environ["TMPDIR"] = self.folder
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.pod = None

    def tearDown(self):
        if self.pod and self.pod.process.poll() is None:
            self.pod.process.kill()
        if self.pod:
            self.pod.process.wait()
            self.pod.output.close()
        for line in reversed(pathlib.Path("/proc/self/mounts").read_text().splitlines()):
            if self.folder in line.split()[1]:
                run("umount", "--lazy", line.split()[1])

    def test_the_pod_of_the_chart_runs_from_it(self):
        libraries = needed_libraries()
        self.assertLessEqual({pathlib.Path(path).name for path in libraries}, LIBRARIES)
        builder = Builder(self.folder)
        builder.base(libraries)
        stage = pathlib.Path(self.folder, "stage")
        (stage / "out/data").mkdir(parents=True)
        run("strip", "-o", stage / "out/filmgate", FILMGATE)
        image = builder.image(stage)
        self.a_life(image, builder.files(), {path.removeprefix("/") for path in libraries})

    @unittest.skipUnless(LONG, "a release build takes minutes: FILMGATE_LONG=1")
    def test_the_static_image_needs_nothing_but_itself(self):
        builder = Builder(self.folder)
        image = builder.static_image()
        self.a_life(image, builder.files(), set())

    def a_life(self, image, files, libraries):
        """A pod of the image from its start to its end."""
        self.assertEqual(image["User"], f"{USER}:{USER}")
        self.assertEqual(set(image["ExposedPorts"]), {"8080/tcp", "9090/tcp"})
        self.assertEqual(image["Labels"]["org.opencontainers.image.title"], "filmgate")
        held = {str(path.relative_to(files)) for path in files.rglob("*") if path.is_file()}
        self.assertEqual(held, libraries | {"usr/local/bin/filmgate"})

        values = chart.values_files()["embedded.yaml"]
        values["config"]["server"] = {"drain_delay": "1s"}
        documents = chart.render(values)
        [(_, spec)] = chart.pods(documents)
        folder = tempfile.mkdtemp(dir=self.folder)
        os.chmod(self.folder, 0o755)
        os.chmod(folder, 0o755)
        pod = self.pod = Pod(documents, spec, image, files, folder)
        pod.until("the startup probe", lambda: pod.probe("startup") == 200)
        pod.until("the readiness probe", lambda: pod.probe("readiness") == 200)
        self.assertEqual(pod.probe("liveness"), 200)
        self.nobody(files)
        self.a_clip()
        self.a_stop()

    def nobody(self, files):
        """The process is nobody, and what it runs from cannot be written to by anybody."""
        status = pathlib.Path(f"/proc/{self.pod.process.pid}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        self.assertEqual(fields["Uid"].split(), [str(USER)] * 4)
        self.assertEqual(fields["Gid"].split(), [str(USER)] * 4)
        self.assertEqual((int(fields["CapEff"], 16), int(fields["CapPrm"], 16)), (0, 0))
        self.assertEqual(fields["NoNewPrivs"], "1")
        for path in ("", "usr/local/bin", "etc/filmgate/config"):
            with self.assertRaisesRegex(OSError, "Read-only file system"):
                (files / path / "written").write_text("")

    def a_clip(self):
        """A client makes one with the key of the Secret."""
        made = self.pod.ask("/v2/videos/generations", {"prompt": "a cat", "model": "veo3"})
        path = f"/v2/videos/generations/{made['task_id']}"
        self.pod.until("the end of the task", lambda: self.pod.ask(path)["status"] in ("SUCCESS", "FAILURE"))
        task = self.pod.ask(path)
        self.assertEqual(task["status"], "SUCCESS", task)
        with urllib.request.urlopen(task["data"]["output"]) as clip:
            self.assertEqual(clip.read(8)[4:], b"ftyp")

    def a_stop(self):
        """When it is told to stop, it says so first, and ends in the time that the pod has."""
        self.pod.process.send_signal(signal.SIGTERM)
        self.pod.until("the refusal of the readiness probe", lambda: self.pod.probe("readiness") == 503)
        self.assertEqual(self.pod.process.wait(self.pod.spec["terminationGracePeriodSeconds"]), 0, self.pod.said())


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
