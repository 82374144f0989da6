"""The chart as Helm renders it: what all checks of deploy/ begin with."""

import contextlib
import copy
import functools
import json
import os
import pathlib
import sys

import helm_python
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy/helm/filmgate"
RELEASE, NAMESPACE = "media", "production"


def values_files():
    """The examples, and nothing, by name."""
    files = {path.name: yaml.safe_load(path.read_text()) for path in sorted((CHART / "ci").glob("*.yaml"))}
    return {"values.yaml": {}} | files


def render(values, release=RELEASE):
    """The objects that these values make, by their templates; the notes are not among them."""
    # Whoever asks may change them.
    return copy.deepcopy(_rendered(json.dumps(values), release))


@functools.cache
def _rendered(values, release):
    values = json.loads(values)
    with _quiet(), helm_python.Chart.load(CHART) as chart:
        rendered = chart.render(values, name=release, namespace=NAMESPACE)
    templates = {path: text for path, text in rendered.items() if path.endswith(".yaml")}
    return [document for text in templates.values() for document in yaml.safe_load_all(text) if document]


def notes(values):
    """What an operator reads after an installation."""
    with _quiet(), helm_python.Chart.load(CHART) as chart:
        return chart.render(values, name=RELEASE, namespace=NAMESPACE)["filmgate/templates/NOTES.txt"]


def lint(values):
    """What Helm finds wrong: warnings and errors, for the oldest version of Kubernetes that the chart is for."""
    oldest = yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"].removeprefix(">=").split("-")[0]
    with _quiet():
        report = helm_python.lint(CHART, values, strict=True, kube_version=f"v{oldest}")
    warnings = [message["error"] for message in report["messages"] if message["severity"] >= 2]
    return warnings + report["errors"]


def find(documents, kind, suffix=""):
    """The only object of that kind whose name ends so."""
    [found] = [d for d in documents if d["kind"] == kind and d["metadata"]["name"].endswith(suffix)]
    return found


def pods(documents):
    """The specifications of all pods, each with the object that makes it."""
    kinds = ("Deployment", "StatefulSet", "Job")
    return [(document, document["spec"]["template"]["spec"]) for document in documents if document["kind"] in kinds]


@contextlib.contextmanager
def _quiet():
    """Helm says of every linked folder that it was followed, past Python and to the process's own standard error."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
