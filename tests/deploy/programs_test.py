#!/usr/bin/env python3
"""Whether manifests and images agree with the programs: a renamed flag, port or config field fails here."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import harness  # noqa: E402

try:
    import kustomize
    import yaml
    from kustomize import DEPLOY, OVERLAYS, SOURCE, named
except ImportError as error:
    harness.missing_package(error)

DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
VERSION = re.search(r"^  VERSION (\S+)$", (SOURCE / "CMakeLists.txt").read_text(encoding="utf-8"), re.MULTILINE)[1]
# How much later than what the programs themselves promise a pod may be killed.
SLACK_SECONDS = 15
VERIFIER_GRACE_SECONDS = 10
GOLDEN = pathlib.Path(os.environ.get("TPO_GOLDEN_DIR", SOURCE / "tests/golden"))
MODEL = min(path.parent for path in GOLDEN.glob("hf/*/config.json"))


def image_stage(name):
    """The lines of a target of the Dockerfile, with those of the target that it begins with."""
    match = re.search(rf"^FROM (\S+) AS {name}\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert match, f"the Dockerfile has no target {name}"
    return match[2] + (image_stage(match[1]) if match[1] != "scratch" else "")


def entry_point(name):
    return re.search(r'^ENTRYPOINT \["/usr/local/bin/(\S+)"\]$', image_stage(name), re.MULTILINE)[1]


def image_of(pod):
    return pod.container["image"].split(":")[0]


def our_pods():
    """Those of all combinations that run an image of the Dockerfile, each kind of container once."""
    found = {}
    for objects in kustomize.combinations().values():
        for pod in kustomize.pods(objects()):
            if pod.ours and image_of(pod) != "tpo-verifier-python":
                found[yaml.safe_dump(pod.container)] = (pod, objects())
    return list(found.values())


def output_of(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def help_of(command):
    status, text = output_of(*command, "--help")
    assert status == 0, text
    return text


def flags_in(text):
    """Flags of a help text, with whether they take a value."""
    return {match[1]: match[2] is not None
            for match in re.finditer(r"^  (?:-\w,)?(--[a-z_]+)( (?!Needs|Excludes)[A-Z]\S*)?", text, re.MULTILINE)}


class FlagsTest(unittest.TestCase):
    def test_every_argument_is_a_flag_of_the_program(self):
        for pod, _ in our_pods():
            program = entry_point(image_of(pod))
            arguments = kustomize.arguments(pod.container)
            command = [str(harness.BIN / program)]
            if program == "tpo":
                command.append(arguments.pop(0))
            flags = flags_in(help_of(command))
            self.assertIn("--listen" if pod.name != "tpo-rollout" else "--learner", flags)
            for argument in arguments:
                if not argument.startswith("--"):
                    continue
                name, equals, value = argument.partition("=")
                with self.subTest(pod=pod.name, argument=argument):
                    self.assertIn(name, flags)
                    self.assertEqual(bool(equals and value), flags[name])

    def test_the_example_of_a_custom_verifier(self):
        """Its program is the SDK's, which isn't installed here."""
        (pod,) = [pod for pod in kustomize.pods(kustomize.compose("custom-verifier")) if pod.name == "tpo-verifier"]
        sdk = (SOURCE / "examples/verifiers/python/src/tpo_verifier/__main__.py").read_text(encoding="utf-8")
        module, *flags = kustomize.arguments(pod.container)
        for flag in flags:
            self.assertIn(f'"{flag.split("=")[0]}"', sdk)
        name, function = module.split(":")
        (config_map,) = [item for item in named(kustomize.compose("custom-verifier"), "ConfigMap")
                         if f"{name}.py" in item["data"]]
        self.assertIn(f"def {function}(", config_map["data"][f"{name}.py"])
        compile(config_map["data"][f"{name}.py"], name, "exec")


class ConfigTest(unittest.TestCase):
    def test_every_run_is_valid(self):
        """As the learner gets it: the file with what its arguments override."""
        for pod, objects in our_pods():
            if pod.name != "tpo-learner":
                continue
            overrides = [argument for argument in kustomize.arguments(pod.container) if argument.startswith("--set=")]
            with self.file_of(pod, objects, "run.yaml") as file:
                validated(file, *overrides)

    def test_models_are_where_runs_look_for_them(self):
        for pod, objects in our_pods():
            if pod.name in ("tpo-learner", "tpo-rollout"):
                path = model_path(objects)
                mounts = [mount["mountPath"] for mount in pod.container["volumeMounts"]]
                self.assertTrue(path is None or path in mounts, f"{pod.name} doesn't mount {path}")

    def test_every_verifier_section_is_valid(self):
        """tpo-verifier reads it before it listens, which an address that isn't this machine's keeps it from."""
        for pod, objects in our_pods():
            if pod.name != "tpo-verifier":
                continue
            with self.file_of(pod, objects, "verifier.yaml") as file:
                status, text = output_of(str(harness.BIN / "tpo-verifier"), "--config", file.name, "--insecure",
                                         "--listen", "192.0.2.1:50052")
                self.assertNotEqual(status, 0, text)
                self.assertIn("can't listen on 192.0.2.1:50052", text)

    def test_workers_may_finish_their_leases(self):
        for pod, objects in our_pods():
            if pod.name == "tpo-rollout":
                drain = int(kustomize.flag(pod.container, "drain_seconds"))
                self.assertGreaterEqual(drain, resolved(objects)["learner"]["lease_seconds"])
                self.assertGreaterEqual(pod.spec["terminationGracePeriodSeconds"], drain + SLACK_SECONDS)

    def test_verifiers_may_finish_their_calls(self):
        for pod, _ in our_pods():
            if pod.name == "tpo-verifier":
                pause = pod.container["lifecycle"]["preStop"]["sleep"]["seconds"]
                self.assertGreaterEqual(pod.spec["terminationGracePeriodSeconds"],
                                        pause + VERIFIER_GRACE_SECONDS + SLACK_SECONDS)

    @staticmethod
    def file_of(pod, objects, name):
        """What the pod finds at /etc/tpo."""
        (volume,) = [volume for volume in pod.spec["volumes"] if volume["name"] == "config"]
        file = tempfile.NamedTemporaryFile("w", suffix=f"_{name}")  # closed by the caller
        file.write(kustomize.config_files(objects, volume["configMap"]["name"])[name])
        file.flush()
        assert f"/etc/tpo/{name}" in " ".join(kustomize.arguments(pod.container)), pod.container
        return file


def run_config(objects):
    (config_map,) = [item for item in named(objects, "ConfigMap") if "run.yaml" in item["data"]]
    return config_map["data"]["run.yaml"]


def model_path(objects):
    return yaml.safe_load(run_config(objects)).get("model", {}).get("hf", {}).get("path")


def resolved(objects):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(run_config(objects))
        file.flush()
        return yaml.safe_load(validated(file, "--resolved"))


def validated(file, *arguments):
    """What `tpo validate` says of a valid run. A volume with a model is stood in for by a small one."""
    with open(file.name, encoding="utf-8") as config:
        if "hf" in yaml.safe_load(config).get("model", {}):
            arguments += (f"--set=model.hf.path={MODEL}",)
    status, text = output_of(str(harness.BIN / "tpo"), "validate", file.name, *arguments)
    assert status == 0, text
    return text


class LeasesTest(unittest.TestCase):
    def test_are_said_where_a_worker_hears_it(self):
        """`tpo rollout` takes its flag; the config's field is for `tpo train`."""
        for pod, objects in our_pods():
            if pod.name == "tpo-rollout":
                self.assertGreater(int(kustomize.flag(pod.container, "parallel_leases")), 0)
                self.assertNotIn("parallel_leases", yaml.safe_load(run_config(objects)).get("rollout", {}))


class AddressTest(unittest.TestCase):
    def test_programs_listen_where_pods_say(self):
        for pod, _ in our_pods():
            for port, flag in (("grpc", "listen"), ("metrics", "metrics_listen")):
                address = kustomize.flag(pod.container, flag)
                if address:
                    self.assertEqual(address, f"0.0.0.0:{pod.port(port)}", pod.name)
            declared = {port["name"] for port in pod.container["ports"]}
            self.assertEqual("grpc" in declared, pod.name != "tpo-rollout", pod.name)
            self.assertIn("metrics", declared)

    def test_images_expose_these_ports(self):
        for pod, _ in our_pods():
            exposed = set(re.search(r"^EXPOSE (.*)$", image_stage(image_of(pod)), re.MULTILINE)[1].split())
            self.assertLessEqual({str(port["containerPort"]) for port in pod.container["ports"]}, exposed)

    def test_probes_ask_for_services_that_exist(self):
        services = set()
        for path in (SOURCE / "proto/tpo/v1").glob("*.proto"):
            services |= {f"tpo.v1.{name}" for name in re.findall(r"^service (\w+)", path.read_text(), re.MULTILINE)}
        for pod, _ in our_pods():
            for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
                probe = pod.container[kind]
                if "grpc" in probe:
                    self.assertEqual(probe["grpc"]["port"], pod.port("grpc"))
                    self.assertIn(probe["grpc"].get("service", "tpo.v1.LearnerService"), services)
                if "httpGet" in probe:
                    self.assertEqual((probe["httpGet"]["path"], probe["httpGet"]["port"]), ("/metrics", "metrics"))

    def test_names_are_services(self):
        """Where workers find learner and verifiers."""
        for pod, objects in our_pods():
            addresses = []
            if pod.name in ("tpo-rollout", "tpo-relay"):
                addresses.append(kustomize.flag(pod.container, "learner"))
            if kustomize.flag(pod.container, "weights"):
                addresses.append(kustomize.flag(pod.container, "weights"))
            if pod.name == "tpo-learner":
                overrides = kustomize.flag(pod.container, "set=verifiers")
                verifiers = yaml.safe_load(overrides) if overrides else resolved(objects).get("verifiers", [])
                addresses += [verifier["address"] for verifier in verifiers]
                self.assertTrue(addresses, "no verifier: the pods of tpo-verifier would have nothing to do")
            for address in addresses:
                name, port = address.rsplit(":", 1)
                (service,) = named(objects, "Service", name)
                self.assertIn(int(port), [entry["port"] for entry in service["spec"]["ports"]])


class ImageTest(unittest.TestCase):
    def test_pods_run_targets_of_the_dockerfile(self):
        for pod, _ in our_pods():
            image_stage(image_of(pod))

    def test_overlays_take_this_version(self):
        for overlay in OVERLAYS:
            for pod in kustomize.pods(kustomize.render(overlay)):
                if pod.ours:
                    self.assertEqual(pod.container["image"].split(":")[1], VERSION)
                    self.assertEqual(pod.owner["metadata"]["labels"]["app.kubernetes.io/version"], VERSION)
        self.assertEqual(set(re.findall(r"^ARG VERSION=(.*)$", DOCKERFILE, re.MULTILINE)), {VERSION})

    def test_pods_run_as_the_user_of_the_image(self):
        for pod, _ in our_pods():
            user = re.search(r"^USER (\d+):(\d+)$", image_stage(image_of(pod)), re.MULTILINE)
            context = pod.spec["securityContext"]
            self.assertEqual((str(context["runAsUser"]), str(context["runAsGroup"])), user.groups())


if __name__ == "__main__":
    os.chdir(SOURCE)
    harness.main()
