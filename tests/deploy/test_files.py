"""Files of deploy/ that are read as they are: what is generated is up to date, and the image and the files of compose are
made as they should be."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import chart
import generated
import kubelet
import yaml

DOCKERFILE = chart.ROOT / "deploy/Dockerfile"


class Generated(unittest.TestCase):
    def test_it_is_up_to_date(self):
        for path, text in generated.files().items():
            self.assertEqual(path.read_text(), text, f"{path} is out of date: run `cargo xtask chart`")

    def test_the_readme_has_a_line_for_each_value(self):
        def leaves(values, schema, path):
            for key, value in values.items():
                below = schema["properties"][key]
                if value and below.get("additionalProperties") is False:
                    yield from leaves(value, below, f"{path}{key}.")
                else:
                    yield f"{path}{key}"

        readme = generated.readme()
        defaults = yaml.safe_load(generated.VALUES.read_text())
        whole = generated.json.loads(generated.SCHEMA.read_text())
        named = list(leaves(defaults, whole, ""))
        self.assertGreater(len(named), 100)
        for name in named:
            self.assertEqual(readme.count(f"| `{name}` |"), 1, name)


class Dockerfile(unittest.TestCase):
    def test_hadolint_has_nothing_to_say(self):
        program = pathlib.Path(sys.executable).with_name("hadolint")
        linted = subprocess.run([program, "--no-color", DOCKERFILE], capture_output=True, text=True, check=False)
        self.assertEqual((linted.returncode, linted.stdout + linted.stderr), (0, ""))

    def test_each_image_runs_as_the_charts_user_without_a_shell(self):
        text = DOCKERFILE.read_text()
        user = yaml.safe_load(generated.VALUES.read_text())["runAsUser"]
        finals = [stage for stage in text.split("\nFROM ")[1:] if "ENTRYPOINT" in stage]
        self.assertEqual(len(finals), 2)
        for stage in finals:
            self.assertIn(f"\nUSER {user}:{user}\n", stage)
            self.assertNotIn("\nRUN ", stage)
            self.assertIn('\nENTRYPOINT ["/usr/local/bin/filmgate"]\n', stage)


class Compose(unittest.TestCase):
    def test_services_are_as_confined_as_pods(self):
        for path in sorted((chart.ROOT / "deploy").glob("compose*.yaml")):
            services = yaml.safe_load(path.read_text())["services"]
            gateways = [each for each in services.values() if "build" in each]
            self.assertTrue(gateways, path)
            for service in gateways:
                self.assertIs(service["read_only"], True, path)
                self.assertEqual(service["cap_drop"], ["ALL"], path)
                self.assertEqual(service["security_opt"], ["no-new-privileges:true"], path)
                self.assertGreaterEqual(int(service["stop_grace_period"].removesuffix("s")), 95, path)
                operators = [port for port in service.get("ports", []) if port.endswith(":9090")]
                self.assertTrue(all(port.startswith("127.0.0.1:") for port in operators), path)

    def test_the_gateway_takes_the_configuration_of_replicas(self):
        whole = yaml.safe_load((chart.ROOT / "deploy/compose.replicas.yaml").read_text())
        gateway = whole["services"]["filmgate"]
        config = whole["configs"]["gateway"]["content"]
        self.assertEqual(yaml.safe_load(config)["limits"]["shared"]["replicas"], gateway["deploy"]["replicas"])
        variables = gateway["environment"] | {"POSTGRES_URL": kubelet.POSTGRES_URL}
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(config)
            file.flush()
            command = [os.environ["FILMGATE_BIN"], "check", "--config", file.name]
            checked = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        self.assertIn(": in order (", checked.stdout)


if __name__ == "__main__":
    unittest.main()
