"""Values that the chart must refuse, and that its schema, its defaults and its checks are about the same values."""

import json
import pathlib
import re
import unittest

import chart
import helm_python
import yaml

BAD = yaml.safe_load(pathlib.Path(__file__).with_name("bad_values.yaml").read_text())
SCHEMA = json.loads((chart.CHART / "values.schema.json").read_text())
DEFAULTS = yaml.safe_load((chart.CHART / "values.yaml").read_text())
# A chart around this one may hand these down.
HANDED_DOWN = {"global"}


def merged(values, over):
    """As Helm lays one file of values over another."""
    if not isinstance(values, dict) or not isinstance(over, dict):
        return over
    return values | {key: merged(values.get(key), value) for key, value in over.items()}


class BadValues(unittest.TestCase):
    def test_each_is_refused_with_a_reason(self):
        examples = chart.values_files()
        for bad in BAD:
            with self.subTest(bad["values"]):
                values = merged(examples[bad.get("also", "values.yaml")], bad["values"])
                with self.assertRaises(helm_python.HelmError) as refused:
                    chart.render(values)
                self.assertIn(bad["says"], str(refused.exception))

    def test_each_check_of_the_chart_is_tried(self):
        checks = (chart.CHART / "templates/_checks.tpl").read_text()
        said = [text.split("%")[0] for text in re.findall(r'fail \(?(?:printf )?"([^"]*)"', checks)]
        self.assertGreater(len(said), 10)
        for text in said:
            tried = [bad["says"] for bad in BAD if bad["says"].startswith(text[:20]) or bad["says"] in text]
            self.assertTrue(text == "" or tried, text)


class Schema(unittest.TestCase):
    def test_it_knows_exactly_the_values_that_there_are(self):
        self.compare(SCHEMA, DEFAULTS, "")

    def compare(self, schema, defaults, path):
        if schema.get("additionalProperties") is not False:
            return
        schema_keys = set(schema["properties"]) - (HANDED_DOWN if path == "" else set())
        # A choice of objects has no defaults.
        if defaults == {}:
            return
        self.assertEqual(schema_keys, set(defaults), path)
        for key in defaults:
            self.compare(schema["properties"][key], defaults[key], f"{path}.{key}")

    def test_it_is_strict_wherever_the_chart_knows_the_keys(self):
        for path, schema in self.walk(SCHEMA, ""):
            if schema.get("type") == "object" and "properties" in schema and not path.startswith(".config"):
                self.assertIs(schema.get("additionalProperties"), False, path)

    def walk(self, schema, path):
        yield path, schema
        for key, below in schema.get("properties", {}).items():
            yield from self.walk(below, f"{path}.{key}")


if __name__ == "__main__":
    unittest.main()
