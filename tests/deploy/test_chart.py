"""The chart, with each of its examples: what Helm, Kubernetes and the gateway itself say of what it makes."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import chart
import kubelet
import objects
import restricted
import yaml

EXAMPLES = chart.values_files()
FILMGATE = os.environ["FILMGATE_BIN"]
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(\w+)", text).groups()
    return int(number) * UNITS[unit]


class EachExample(unittest.TestCase):
    def each(self, check):
        for name, values in EXAMPLES.items():
            with self.subTest(name):
                check(values, chart.render(values))

    def test_helm_has_nothing_to_say(self):
        self.each(lambda values, _: self.assertEqual(chart.lint(values), []))

    def test_kubernetes_takes_every_object(self):
        def check(_, documents):
            self.assertEqual([problem for document in documents for problem in objects.problems(document)], [])

        self.each(check)

    def test_pods_are_restricted(self):
        def check(_, documents):
            for owner, spec in chart.pods(documents):
                self.assertEqual(restricted.problems(spec), [], owner["kind"])

        self.each(check)

    def test_the_gateway_takes_its_configuration(self):
        def check(_, documents):
            for _, spec in chart.pods(documents):
                self.assertIn(": in order (", gateway_check(documents, spec))
                # It has the command that the pod runs.
                [container] = spec["containers"]
                subprocess.run([FILMGATE, container["args"][0], "--help"], check=True, capture_output=True)

        self.each(check)

    def test_a_pod_is_waited_for_as_long_as_it_needs(self):
        defaults = yaml.safe_load((chart.ROOT / "config/filmgate.reference.yaml").read_text())
        margin = yaml.safe_load((chart.CHART / "values.yaml").read_text())["terminationMarginSeconds"]

        def check(_, documents):
            [(_, spec)] = serving(documents)
            config = yaml.safe_load(kubelet.config(documents, spec))
            wait = lambda section, key: seconds((defaults[section] | config.get(section, {}))[key])
            needed = wait("server", "drain_delay") + wait("server", "drain_timeout") + wait("tasks", "submit_timeout")
            self.assertGreater(wait("server", "drain_delay"), 0)
            self.assertEqual(spec["terminationGracePeriodSeconds"], needed + 5 + margin)

        self.each(check)

    def test_what_is_named_is_there(self):
        def check(values, documents):
            names = {(document["kind"], document["metadata"]["name"]) for document in documents}
            theirs = {values.get(part, {}).get("existingClaim") for part in ("data", "media")}
            theirs |= {volume.get("configMap", {}).get("name") for volume in values.get("extraVolumes", [])}
            for _, spec in chart.pods(documents):
                for volume in spec["volumes"]:
                    claim = volume.get("persistentVolumeClaim", {}).get("claimName")
                    self.assertTrue(not claim or claim in theirs or ("PersistentVolumeClaim", claim) in names, claim)
                    mapped = volume.get("configMap", {}).get("name")
                    self.assertTrue(not mapped or mapped in theirs or ("ConfigMap", mapped) in names, mapped)
            [(owner, _)] = serving(documents)
            pod = owner["spec"]["template"]
            self.assertEqual(names_of_ports(pod["spec"]), {"http", "admin"})
            for selector in selectors(documents):
                self.assertLessEqual(selector.items(), pod["metadata"]["labels"].items())

        self.each(check)

    def test_only_the_admin_service_leads_to_the_operators_port(self):
        def check(_, documents):
            for service in [document for document in documents if document["kind"] == "Service"]:
                targets = {port["targetPort"] for port in service["spec"]["ports"]}
                is_admin = service["metadata"]["name"].endswith("-admin")
                self.assertEqual(targets, {"admin"} if is_admin else {"http"})
                self.assertTrue(not is_admin or service["spec"]["type"] == "ClusterIP")
            public = chart.find([d for d in documents if d["kind"] == "Service"], "Service", "filmgate")
            for route in [d for d in documents if d["kind"] in ("Ingress", "HTTPRoute")]:
                text = yaml.safe_dump(route["spec"])
                self.assertIn(f"name: {public['metadata']['name']}\n", text)
                self.assertNotIn("-admin", text)

        self.each(check)

    def test_probes_ask_the_operators_port(self):
        def check(_, documents):
            [(_, spec)] = serving(documents)
            [container] = spec["containers"]
            config = yaml.safe_load(kubelet.config(documents, spec))
            scheme = "HTTPS" if "admin_tls" in config["server"] else "HTTP"
            paths = {"startupProbe": "/livez", "readinessProbe": "/readyz", "livenessProbe": "/livez"}
            for probe, path in paths.items():
                asked = {"scheme": "HTTP"} | container[probe]["httpGet"]
                self.assertEqual(asked, {"path": path, "port": "admin", "scheme": scheme})

        self.each(check)

    def test_objects_are_told_from_those_of_another_release(self):
        def check(values, documents):
            others = chart.render(values, release="other")
            key = lambda document: (document["kind"], document["metadata"]["name"])
            self.assertFalse(set(map(key, documents)) & set(map(key, others)))

        self.each(check)


class AllExamples(unittest.TestCase):
    def test_every_template_makes_something(self):
        kinds = {document["kind"] for values in EXAMPLES.values() for document in chart.render(values)}
        templates = (chart.CHART / "templates").glob("*.yaml")
        named = {kind for path in templates for kind in re.findall(r"(?m)^kind: (\w+)", path.read_text())}
        self.assertEqual(kinds, named)

    def test_no_secret_is_made(self):
        kinds = {document["kind"] for values in EXAMPLES.values() for document in chart.render(values)}
        self.assertNotIn("Secret", kinds)


class Replicas(unittest.TestCase):
    def test_a_rollout_takes_nobody_away(self):
        documents = chart.render(EXAMPLES["replicas.yaml"])
        spec = chart.find(documents, "Deployment")["spec"]
        self.assertEqual(spec["replicas"], 3)
        self.assertEqual(spec["strategy"]["rollingUpdate"], {"maxUnavailable": 0, "maxSurge": 1})
        self.assertEqual(chart.find(documents, "PodDisruptionBudget")["spec"]["maxUnavailable"], 1)
        spread = [each["topologyKey"] for each in spec["template"]["spec"]["topologySpreadConstraints"]]
        self.assertEqual(spread, ["topology.kubernetes.io/zone", "kubernetes.io/hostname"])

    def test_replicas_share_media_and_limits(self):
        documents = chart.render(EXAMPLES["replicas.yaml"])
        self.assertEqual(chart.find(documents, "PersistentVolumeClaim")["spec"]["accessModes"], ["ReadWriteMany"])
        for name, replicas in (("replicas.yaml", 3), ("keda.yaml", 12)):
            documents = chart.render(EXAMPLES[name])
            [(_, spec)] = serving(documents)
            config = yaml.safe_load(kubelet.config(documents, spec))
            self.assertEqual(config["limits"]["shared"]["replicas"], replicas)

    def test_one_store_has_one_process(self):
        documents = chart.render(EXAMPLES["embedded.yaml"])
        spec = chart.find(documents, "StatefulSet")["spec"]
        self.assertEqual(spec["replicas"], 1)
        [claim] = spec["volumeClaimTemplates"]
        self.assertEqual(claim["spec"]["accessModes"], ["ReadWriteOnce"])
        self.assertEqual(claim["spec"]["resources"]["requests"]["storage"], "10Gi")
        self.assertFalse([d for d in documents if d["kind"] in ("Deployment", "Job", "PodDisruptionBudget")])

    def test_the_schema_is_brought_up_to_date_before_the_pods(self):
        documents = chart.render(EXAMPLES["replicas.yaml"])
        job = chart.find(documents, "Job")
        hooks = job["metadata"]["annotations"]
        self.assertEqual(hooks["helm.sh/hook"], "pre-install,pre-upgrade")
        [container] = job["spec"]["template"]["spec"]["containers"]
        self.assertEqual(container["args"][0], "migrate")
        # What it mounts is there before the release is.
        config = chart.find(documents, "ConfigMap", "-migrate")["metadata"]["annotations"]
        self.assertEqual(config["helm.sh/hook"], hooks["helm.sh/hook"])
        self.assertLess(int(config["helm.sh/hook-weight"]), int(hooks["helm.sh/hook-weight"]))
        volumes = job["spec"]["template"]["spec"]["volumes"]
        self.assertFalse([volume for volume in volumes if "persistentVolumeClaim" in volume])
        # Without the Job, pods do it themselves.
        for name, at_start in (("replicas.yaml", False), ("autoscaling.yaml", True)):
            documents = chart.render(EXAMPLES[name])
            [(_, spec)] = serving(documents)
            postgres = yaml.safe_load(kubelet.config(documents, spec))["store"]["postgres"]
            self.assertEqual(postgres["migrate_at_start"], at_start)

    def test_nobody_fights_over_the_number_of_replicas(self):
        for name, kind in (("autoscaling.yaml", "HorizontalPodAutoscaler"), ("keda.yaml", "ScaledObject")):
            documents = chart.render(EXAMPLES[name])
            deployment = chart.find(documents, "Deployment")
            self.assertNotIn("replicas", deployment["spec"])
            self.assertEqual(chart.find(documents, kind)["spec"]["scaleTargetRef"]["name"], deployment["metadata"]["name"])

    def test_keda_asks_for_the_tasks_that_wait(self):
        documents = chart.render(EXAMPLES["keda.yaml"])
        [trigger] = chart.find(documents, "ScaledObject")["spec"]["triggers"]
        service = chart.find(documents, "Service", "-admin")["metadata"]["name"]
        expected = f'max(filmgate_tasks_live{{state="queued",namespace="{chart.NAMESPACE}",service="{service}"}})'
        self.assertEqual(trigger["metadata"]["query"], expected)

    def test_a_changed_configuration_replaces_the_pods(self):
        def checksum(values):
            [(owner, _)] = serving(chart.render(values))
            return owner["spec"]["template"]["metadata"]["annotations"].get("checksum/config")

        one = {"config": {"log": {"level": "info"}}}
        self.assertEqual(checksum(one), checksum(one))
        self.assertNotEqual(checksum(one), checksum({"config": {"log": {"level": "debug"}}}))
        self.assertIsNone(checksum(one | {"rollOnConfigChange": False}))


class Network(unittest.TestCase):
    def policy(self, name):
        return chart.find(chart.render(EXAMPLES[name]), "NetworkPolicy")["spec"]

    def test_the_operators_port_is_for_the_monitoring_only(self):
        ports = {rule["ports"][0]["port"]: rule.get("from") for rule in self.policy("replicas.yaml")["ingress"]}
        self.assertIsNone(ports["http"])
        monitoring = {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}
        self.assertEqual(ports["admin"], [{"namespaceSelector": monitoring}])
        strict = {rule["ports"][0]["port"]: rule.get("from") for rule in self.policy("network-policy-strict.yaml")["ingress"]}
        self.assertEqual(set(strict), {"http"})
        self.assertEqual(len(strict["http"]), 1)

    def test_pods_reach_what_they_need_and_no_network_inside(self):
        for name, others in (("embedded.yaml", set()), ("replicas.yaml", {5432, 6379}), ("tracing.yaml", {4318})):
            egress = self.policy(name)["egress"]
            ports = [port["port"] for rule in egress for port in rule["ports"]]
            self.assertEqual(set(ports), {53, 443} | others, name)
            [world] = [rule for rule in egress if rule["ports"][0]["port"] == 443]
            inside = {block for peer in world["to"] for block in peer["ipBlock"]["except"]}
            self.assertLessEqual({"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7"}, inside)
            families = {peer["ipBlock"]["cidr"]: peer["ipBlock"]["except"] for peer in world["to"]}
            self.assertTrue(all(":" not in block for block in families["0.0.0.0/0"]))
            self.assertTrue(all(":" in block for block in families["::/0"]))

    def test_the_policy_is_for_all_pods_of_the_release(self):
        for name, values in EXAMPLES.items():
            documents = chart.render(values)
            selector = chart.find(documents, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"]
            for owner, _ in chart.pods(documents):
                labels = owner["spec"]["template"]["metadata"]["labels"]
                self.assertLessEqual(selector.items(), labels.items(), name)


class Watching(unittest.TestCase):
    def test_prometheus_asks_the_admin_service(self):
        for name in ("replicas.yaml", "ingress-tls.yaml"):
            documents = chart.render(EXAMPLES[name])
            monitor = chart.find(documents, "ServiceMonitor")["spec"]
            service = chart.find(documents, "Service", "-admin")
            self.assertLessEqual(monitor["selector"]["matchLabels"].items(), service["metadata"]["labels"].items())
            self.assertEqual(monitor["endpoints"][0]["port"], service["spec"]["ports"][0]["name"])
        [endpoint] = monitor["endpoints"]
        self.assertEqual(endpoint["scheme"], "https")
        name = f"{service['metadata']['name']}.{chart.NAMESPACE}.svc"
        self.assertEqual(endpoint["tlsConfig"]["serverName"], name)

    def test_rules_and_dashboards_are_those_of_this_repository(self):
        documents = chart.render(EXAMPLES["replicas.yaml"])
        files = sorted((chart.ROOT / "deploy/prometheus").glob("*.rules.yaml"))
        groups = [group for path in files for group in yaml.safe_load(path.read_text())["groups"]]
        self.assertTrue(groups)
        self.assertEqual(chart.find(documents, "PrometheusRule")["spec"]["groups"], groups)
        boards = {path.name: path.read_text() for path in (chart.ROOT / "deploy/grafana").glob("*.json")}
        maps = [d for d in documents if d["metadata"]["labels"].get("grafana_dashboard") == "1"]
        self.assertTrue(boards)
        self.assertEqual({key: text.strip() for d in maps for key, text in d["data"].items()},
                         {key: text.strip() for key, text in boards.items()})
        # What Kubernetes takes in one object.
        self.assertTrue(all(len(text) < 900_000 for text in boards.values()))


class Notes(unittest.TestCase):
    def test_an_operator_is_warned(self):
        self.assertIn("config names no routes", chart.notes({}))
        self.assertNotIn("WARNING", chart.notes(EXAMPLES["replicas.yaml"]))
        self.assertIn("gone with the pod", chart.notes({"data": {"persistent": False}}))
        self.assertIn("as\nmany times their limits", chart.notes(EXAMPLES["autoscaling.yaml"]))


def serving(documents):
    """The object whose pods serve, with their specification."""
    return [(owner, spec) for owner, spec in chart.pods(documents) if owner["kind"] != "Job"]


def names_of_ports(spec):
    return {port["name"] for port in spec["containers"][0]["ports"]}


def selectors(documents):
    """What Services, the budget and the spread select pods by."""
    for document in documents:
        if document["kind"] == "Service":
            yield document["spec"]["selector"]
        elif document["kind"] == "PodDisruptionBudget":
            yield document["spec"]["selector"]["matchLabels"]
        elif document["kind"] in ("Deployment", "StatefulSet"):
            yield document["spec"]["selector"]["matchLabels"]
            for spread in document["spec"]["template"]["spec"].get("topologySpreadConstraints", []):
                yield spread["labelSelector"]["matchLabels"]


def gateway_check(documents, spec):
    """What the gateway says of the configuration that a pod is given, with all that is mounted into it."""
    with tempfile.TemporaryDirectory() as root:
        variables = kubelet.prepare(documents, spec, root)
        file = pathlib.Path(f"{root}/etc/filmgate/config/filmgate.yaml")
        file.write_text(file.read_text().replace("/etc/filmgate/", f"{root}/etc/filmgate/"))
        command = [FILMGATE, "check", "--config", str(file)]
        return subprocess.run(command, env=variables, capture_output=True, text=True, check=False).stdout


if __name__ == "__main__":
    unittest.main()
