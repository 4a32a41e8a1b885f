#!/usr/bin/env python3
"""The pods of the manifests run, learn, end in time, and go on where they were (pods.py)."""

import json
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
    import pods
    from kustomize import DEPLOY, named
except ImportError as error:
    harness.missing_package(error)


class PodsTest(unittest.TestCase):
    def start(self, objects, secrets=None):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        cluster = pods.Cluster(objects, scratch.name, secrets)
        self.addCleanup(cluster.kill)
        cluster.start()
        for pod in cluster.pods:
            pod.ready()
        return cluster

    def learner_of(self, cluster):
        (learner,) = cluster.named("tpo-learner")
        return learner, harness.Run(learner.claim("run") / "run")

    def wait_for_steps(self, cluster, run, steps):
        def there():
            cluster.restart_ended()
            return len(run.lines) >= steps
        harness.wait_until(there, f"step {steps} of {', '.join(map(str, cluster.pods))}")

    def assert_ends_well(self, *ended):
        for pod in ended:
            self.assertEqual(pod.terminate(), 0, str(pod))

    def test_the_demo_learns_and_survives_its_learner(self):
        cluster = self.start(kustomize.render(DEPLOY / "overlays/demo"))
        learner, run = self.learner_of(cluster)
        self.wait_for_steps(cluster, run, 5)
        for pod in cluster.pods:
            self.assertTrue(pod.alive(), str(pod))
        for worker in cluster.named("tpo-rollout"):
            self.assertTrue(has_counted(worker, "tpo_rollout_groups_total"), str(worker))
        for verifier in cluster.named("tpo-verifier"):
            self.assertTrue(has_counted(verifier, "tpo_verifier_requests_total"), str(verifier))

        self.assert_ends_well(learner)
        before = len(run.lines)
        # It told its workers to end, which are started again as it is.
        learner.start()
        learner.ready()
        self.wait_for_steps(cluster, run, before + 3)
        steps = [record["step"] for record in run.records]
        self.assertEqual(steps, list(range(len(steps))))
        self.assert_ends_well(*cluster.named("tpo-rollout"), *cluster.named("tpo-verifier"), learner)

    def test_a_finished_run_stays_to_be_looked_at(self):
        objects = json.loads(json.dumps(kustomize.render(DEPLOY / "overlays/demo")))
        (stateful_set,) = named(objects, "StatefulSet")
        stateful_set["spec"]["template"]["spec"]["containers"][0]["args"].append("--set=learner.steps=3")
        cluster = self.start(objects)
        learner, run = self.learner_of(cluster)
        self.wait_for_steps(cluster, run, 3)
        harness.wait_until(lambda: (run.directory / "summary.json").exists(), "the summary")
        self.assertTrue(learner.holds(learner.template.container["readinessProbe"]), str(learner))
        self.assert_ends_well(learner)
        self.assertEqual(run.summary["status"], "finished")

    def test_mutual_tls_as_cert_manager_would_set_it_up(self):
        objects = kustomize.compose("mtls")
        with tempfile.TemporaryDirectory() as directory:
            secrets = make_certificates(objects, pathlib.Path(directory))
        cluster = self.start(objects, secrets)
        learner, run = self.learner_of(cluster)
        self.wait_for_steps(cluster, run, 2)
        for pod in cluster.pods:
            self.assertTrue(pod.alive(), str(pod))
        self.assert_ends_well(*cluster.named("tpo-rollout"), *cluster.named("tpo-verifier"), learner)

    def test_workers_get_their_weights_from_the_relay_over_mutual_tls(self):
        objects = kustomize.compose("relay-mtls")
        with tempfile.TemporaryDirectory() as directory:
            secrets = make_certificates(objects, pathlib.Path(directory))
        cluster = self.start(objects, secrets)
        learner, run = self.learner_of(cluster)
        (relay,) = cluster.named("tpo-relay")
        self.wait_for_steps(cluster, run, 2)
        self.assertTrue(relay.alive(), str(relay))
        self.assertTrue(has_counted(relay, "tpo_weights_sent_bytes_total"), str(relay))
        self.assert_ends_well(*cluster.named("tpo-rollout"), *cluster.named("tpo-verifier"), relay, learner)


def has_counted(pod, metric):
    """Whether a counter of it is above 0."""
    return any(float(value) > 0 for value in re.findall(rf"^{metric}(?:{{.*}})? (\S+)$", pod.metrics(), re.MULTILINE))


def make_certificates(objects, directory):
    """The secrets that cert-manager would make of the Certificates, by their names."""
    authorities = {}
    secrets = {}
    issuers = {issuer["metadata"]["name"]: issuer["spec"] for issuer in named(objects, "Issuer")}
    # Authorities first.
    for certificate in sorted(named(objects, "Certificate"), key=lambda item: not item["spec"].get("isCA", False)):
        spec = certificate["spec"]
        name = certificate["metadata"]["name"]
        issuer = issuers[spec["issuerRef"]["name"]]
        signer = authorities[issuer["ca"]["secretName"]] if "ca" in issuer else None
        files = make_certificate(directory, name, spec, signer)
        if spec.get("isCA"):
            authorities[spec["secretName"]] = directory / name
        authority = signer or directory / name
        secrets[spec["secretName"]] = {**files, "ca.crt": authority.with_suffix(".crt").read_text(encoding="ascii")}
    return secrets


def make_certificate(directory, name, spec, signer):
    path = directory / name
    names = [f"DNS:{value}" for value in spec.get("dnsNames", [])] + [f"URI:{value}" for value in spec.get("uris", [])]
    usages = {"server auth": "serverAuth", "client auth": "clientAuth"}
    extensions = [f"basicConstraints=critical,CA:{'TRUE' if spec.get('isCA') else 'FALSE'}"]
    if names:
        extensions.append(f"subjectAltName={','.join(names)}")
    extended = [usages[usage] for usage in spec.get("usages", []) if usage in usages]
    if extended:
        extensions.append(f"extendedKeyUsage={','.join(extended)}")
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{path}.key",
            "-out", f"{path}.csr", "-subj", f"/CN={spec['commonName']}" if "commonName" in spec else "/O=tpo")
    (directory / f"{name}.ext").write_text("\n".join(extensions) + "\n", encoding="ascii")
    by = ("-signkey", f"{path}.key")
    if signer:
        by = ("-CA", f"{signer}.crt", "-CAkey", f"{signer}.key", "-CAcreateserial")
    openssl("x509", "-req", "-in", f"{path}.csr", "-out", f"{path}.crt", "-days", "1", "-extfile", f"{path}.ext", *by)
    return {"tls.crt": path.with_suffix(".crt").read_text(encoding="ascii"),
            "tls.key": path.with_suffix(".key").read_text(encoding="ascii")}


def openssl(*arguments):
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    reason_to_skip = pods.can_run()
    if reason_to_skip:
        print(f"skipped: {reason_to_skip}")
        sys.exit(harness.SKIPPED)
    harness.main()
