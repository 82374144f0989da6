"""The base of kustomize and the overlays: what kubectl, Kubernetes and the gateway say of them."""

import unittest

import chart
import kubectl
import objects
import restricted
import test_chart
import yaml

FOLDER = chart.ROOT / "deploy/kustomize"
BUILT = {
    str(path.parent.relative_to(FOLDER)): kubectl.kustomize(path.parent)
    for path in sorted(FOLDER.rglob("kustomization.yaml"))
}


class EachKustomization(unittest.TestCase):
    def test_kubernetes_takes_every_object(self):
        for name, documents in BUILT.items():
            with self.subTest(name):
                self.assertEqual([problem for document in documents for problem in objects.problems(document)], [])

    def test_pods_are_restricted_and_their_configuration_is_in_order(self):
        for name, documents in BUILT.items():
            with self.subTest(name):
                [(_, spec)] = chart.pods(documents)
                self.assertEqual(restricted.problems(spec), [])
                self.assertIn(": in order (", test_chart.gateway_check(documents, spec))

    def test_they_are_not_helms(self):
        for documents in BUILT.values():
            self.assertNotIn("elm", yaml.safe_dump_all(documents))


class Overlay(unittest.TestCase):
    def test_it_changes_what_it_says(self):
        documents = BUILT["overlays/example"]
        self.assertEqual({document["metadata"].get("namespace") for document in documents}, {"media"})
        deployment = chart.find(documents, "Deployment")["spec"]
        self.assertEqual(deployment["replicas"], 3)
        [container] = deployment["template"]["spec"]["containers"]
        self.assertTrue(container["image"].startswith("registry.example.com/media/filmgate:"))
        self.assertEqual(chart.find(documents, "PersistentVolumeClaim")["spec"]["storageClassName"], "shared-files")

    def test_a_changed_configuration_has_another_name(self):
        names = {name: chart.find(documents, "ConfigMap")["metadata"]["name"] for name, documents in BUILT.items()}
        self.assertEqual(len(set(names.values())), len(names), names)

    def test_it_keeps_what_the_base_says_of_addresses_and_folders(self):
        configs = {
            name: yaml.safe_load(chart.find(documents, "ConfigMap")["data"]["filmgate.yaml"])
            for name, documents in BUILT.items()
        }
        base = configs.pop("base")
        for name, config in configs.items():
            for key in ("data_dir", "media_dir", "store", "log"):
                self.assertEqual(config[key], base[key], f"{name}: {key}")
            self.assertLessEqual(base["server"].items(), config["server"].items(), name)


if __name__ == "__main__":
    unittest.main()
