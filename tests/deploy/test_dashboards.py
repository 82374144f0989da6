"""The dashboards of deploy/grafana: read by Grafana's own typed models, and made the same way."""

import json
import unittest

import chart
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel, RowPanel

FOLDER = chart.ROOT / "deploy/grafana"
KINDS = {"stat", "table", "timeseries"}
VARIABLES = {"datasource", "job"}


def boards():
    return {path.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


class Dashboards(unittest.TestCase):
    def test_grafana_reads_them(self):
        self.assertEqual(list(boards()), ["model-account.json", "money.json", "overview.json"])
        for name, board in boards().items():
            read = Dashboard.from_json(board)
            self.assertEqual(len(read.panels), len(board["panels"]), name)
            for panel in read.panels:
                self.assertIsInstance(panel, (Panel, RowPanel), name)
                self.assertTrue(panel.title, name)

    def test_broken_shapes_are_rejected(self):
        for key, value in [("panels", [7]), ("templating", {"list": [7]}), ("links", [7])]:
            board = boards()["money.json"] | {key: value}
            with self.assertRaises((TypeError, KeyError, AttributeError), msg=key):
                Dashboard.from_json(board)

    def test_they_have_what_they_need(self):
        uids = [board["uid"] for board in boards().values()]
        self.assertEqual(len(set(uids)), len(uids))
        for name, board in boards().items():
            variables = {variable["name"] for variable in board["templating"]["list"]}
            self.assertLessEqual(VARIABLES, variables, name)
            self.assertTrue(board["links"], name)
            panels = [panel for panel in board["panels"] if panel["type"] != "row"]
            ids = [panel["id"] for panel in board["panels"]]
            self.assertEqual(len(set(ids)), len(ids), name)
            for panel in panels:
                self.panel(f"{name}, {panel['title']}", panel, variables)

    def panel(self, place, panel, variables):
        self.assertIn(panel["type"], KINDS, place)
        self.assertTrue(panel["description"].endswith("."), place)
        if panel["type"] != "table":
            self.assertTrue(panel["fieldConfig"]["defaults"]["unit"], place)
        self.assertTrue(panel["fieldConfig"]["defaults"]["thresholds"]["steps"], place)
        for target in panel["targets"]:
            self.assertEqual(target["datasource"]["uid"], "${datasource}", place)
            self.assertIn('job=~"$job"', target["expr"], place)

    def test_no_panel_lies_on_another(self):
        for name, board in boards().items():
            taken = {}
            for panel in board["panels"]:
                at = panel["gridPos"]
                for x in range(at["x"], at["x"] + at["w"]):
                    self.assertLess(x, 24, f"{name}, {panel['title']}")
                    for y in range(at["y"], at["y"] + at["h"]):
                        other = taken.setdefault((x, y), panel["title"])
                        self.assertEqual(other, panel["title"], f"{name} at {x}, {y}")


if __name__ == "__main__":
    unittest.main()
