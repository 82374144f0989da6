"""What a node does for a pod before it starts: the folders that are mounted and the variables that are set, in a folder."""

import functools
import pathlib
import re
import subprocess
import tempfile

# What Secrets hold in these checks; other keys hold a text that is long enough for any key or secret.
POSTGRES_URL = "postgres://filmgate:secret@postgres.example.com:5432/filmgate"
REDIS_URL = "redis://:secret@redis.example.com:6379/0"
SECRET = "a-secret-that-is-long-enough-for-all"


def config(documents, spec):
    """The text of the config file that a pod is given."""
    [name] = [volume["configMap"]["name"] for volume in spec["volumes"] if volume["name"] == "config"]
    [found] = [d for d in documents if d["kind"] == "ConfigMap" and d["metadata"]["name"] == name]
    return found["data"]["filmgate.yaml"]


def prepare(documents, spec, root):
    """Makes below `root` what is mounted into the container, and gives its variables."""
    [container] = spec["containers"]
    text = config(documents, spec)
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    for mount in container["volumeMounts"]:
        folder = pathlib.Path(f"{root}{mount['mountPath']}")
        folder.mkdir(parents=True)
        # A claim of a StatefulSet is no volume of its pod.
        volume = volumes.get(mount["name"], {})
        if mount["name"] == "config":
            (folder / "filmgate.yaml").write_text(text)
        elif "secret" in volume:
            for path, content in _secret(volume["secret"], mount["mountPath"], text).items():
                (folder / path).write_bytes(content)
    return {variable["name"]: variable.get("value", SECRET) for variable in container["env"]}


def _secret(volume, mount_path, text):
    """The files of a mounted Secret. One that is mounted as a whole has the keys that the configuration asks for."""
    if "items" in volume:
        keys = {item["key"]: item["path"] for item in volume["items"]}
    else:
        asked = re.findall(rf"{re.escape(mount_path)}/([-._\w]+)", text)
        keys = {key: key for key in asked}
    certificate, private_key = _certificate()
    known = {"tls.crt": certificate, "tls.key": private_key, "ca.crt": certificate}
    urls = {"/etc/filmgate/postgres": POSTGRES_URL, "/etc/filmgate/redis": REDIS_URL}
    contents = {}
    for key, path in keys.items():
        other = urls[mount_path] if key == "url" else f"{SECRET}-{key}"
        contents[path] = known.get(key) or other.encode()
    return contents


@functools.cache
def _certificate():
    """A certificate that vouches for itself, and its key, as PEM."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=filmgate"
    with tempfile.TemporaryDirectory() as folder:
        out, keyout = pathlib.Path(folder, "tls.crt"), pathlib.Path(folder, "tls.key")
        files = ["-out", str(out), "-keyout", str(keyout)]
        subprocess.run(command.split() + files, check=True, capture_output=True)
        return out.read_bytes(), keyout.read_bytes()
