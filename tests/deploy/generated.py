"""What is generated in deploy/: the chart's README and the descriptions in its schema, both from the comments in
values.yaml, and the base of kustomize, from the chart. With --write it is written; `cargo xtask chart` does that."""

import argparse
import json
import re
import sys

import chart
import yaml

VALUES = chart.CHART / "values.yaml"
SCHEMA = chart.CHART / "values.schema.json"
BASE = chart.ROOT / "deploy/kustomize/base"
BY_HAND = "Written by `cargo xtask chart` from values.yaml; do not edit."


class Value:
    """One value of the chart: where it is, what the comment above it says, and under which heading."""

    def __init__(self, path, text, heading):
        self.path, self.text, self.heading = path, text, heading

    def within(self, whole):
        """What is at its place in the defaults."""
        for part in self.path:
            whole = whole[part]
        return whole

    def described_in(self, schema):
        """What the schema says of it; nothing inside of what it takes as a whole."""
        for part in self.path:
            schema = schema.get("properties", {}).get(part, {})
        return schema


def values():
    """Every value, from the lines of values.yaml: two spaces a level, the comment right above."""
    found, comment, heading, path = [], [], "", []
    for line in VALUES.read_text().splitlines():
        key = re.match(r"( *)([A-Za-z]\w*):", line)
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        elif line.strip().startswith("# "):
            comment.append(line.strip().removeprefix("# "))
        elif key and len(key.group(1)) // 2 <= len(path):
            path = path[: len(key.group(1)) // 2] + [key.group(2)]
            found.append(Value(path, " ".join(comment), heading))
        if not line.strip().startswith("# "):
            comment = []
    return found


def readme():
    """The chart's README."""
    defaults, known = yaml.safe_load(VALUES.read_text()), json.loads(SCHEMA.read_text())
    lines = [
        "# The chart of filmgate",
        "",
        f"<!-- {BY_HAND} -->",
        "",
        "How to install, upgrade, scale and watch it is in [the guide](../../../docs/guide/kubernetes.md). Examples that are "
        "checked are in [ci/](ci). `values.schema.json` refuses what is not a value.",
    ]
    heading = ""
    for value in values():
        below = value.described_in(known)
        is_group = below.get("additionalProperties") is False and value.within(defaults) != {}
        if not below or (is_group and not value.text):
            continue
        if value.heading != heading:
            heading = value.heading
            lines += ["", f"## {heading}", "", "| value | default | what |", "|---|---|---|"]
        shown = "" if is_group else f"`{json.dumps(value.within(defaults))}`"
        lines.append(f"| `{'.'.join(value.path)}` | {shown} | {value.text} |")
    return "\n".join(lines) + "\n"


def schema():
    """The schema with what the comments say."""
    whole = json.loads(SCHEMA.read_text())
    for value in values():
        at = value.described_in(whole)
        if value.text and at:
            rest = {key: below for key, below in at.items() if key != "description"}
            at.clear()
            at.update({"description": value.text} | rest)
    return json.dumps(whole, indent=2) + "\n"


def base():
    """The objects of the base, and its configuration: what Helm alone needs is left out."""
    documents = chart.render(yaml.safe_load((BASE.parent / "values.yaml").read_text()), release="filmgate")
    config = chart.find(documents, "ConfigMap")
    objects = [document for document in documents if document is not config]
    for document in objects:
        for metadata in _all_metadata(document):
            for key in ("helm.sh/chart", "app.kubernetes.io/managed-by", "helm.sh/resource-policy", "checksum/config"):
                for place in ("labels", "annotations"):
                    metadata.get(place, {}).pop(key, None)
            if not metadata.get("annotations", True):
                del metadata["annotations"]
    head = "# Written by `cargo xtask chart` from the chart with ../values.yaml; do not edit.\n"
    return {
        BASE / "filmgate.objects.yaml": head + yaml.safe_dump_all(objects, sort_keys=False, width=120),
        BASE / "filmgate.yaml": head + config["data"]["filmgate.yaml"].strip() + "\n",
    }


def _all_metadata(thing):
    """The metadata of an object and of all objects in it."""
    if isinstance(thing, dict):
        if isinstance(thing.get("metadata"), dict):
            yield thing["metadata"]
        for below in thing.values():
            yield from _all_metadata(below)


def files():
    """The text of each generated file."""
    return {chart.CHART / "README.md": readme(), SCHEMA: schema()} | base()


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--write", action="store_true", required=True)
    arguments.parse_args()
    for path, text in files().items():
        path.write_text(text)
        sys.stdout.write(f"wrote {path.relative_to(chart.ROOT)}\n")


if __name__ == "__main__":
    main()
