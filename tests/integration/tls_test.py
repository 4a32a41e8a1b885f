"""Learner, workers and verifiers as processes of their own, with mutual TLS on every hop.

    tls_test.py                      a minute at most: who is refused, and certificates replaced under load
    tls_test.py --seconds 600        replaces certificates for that long
"""

import json
import os
import subprocess
import sys
import time
import urllib.request

import harness
from harness import overrides

# Under AddressSanitizer: what OpenSSL keeps for gRPC's threads is no leak (cmake/sanitizers/lsan_tls.supp says why).
if "LSAN_OPTIONS" in os.environ:
    os.environ["LSAN_OPTIONS"] = os.environ["LSAN_OPTIONS"].replace("/lsan.supp", "/lsan_tls.supp")

SECONDS = 12
# Longer than processes take to read a file again.
RELOAD_SECONDS = 6


class TlsTest(harness.IntegrationTest):
    def setUp(self):
        super().setUp()
        self.certificates = self.scratch / "certificates"
        self.make_certificates()

    def make_certificates(self, name="certificates"):
        subprocess.run([harness.SOURCE / "examples/certificates/make.sh", self.scratch / name, "--days", "2"],
                       check=True, stdout=subprocess.DEVNULL)

    def server(self, role):
        folder = self.certificates
        return ["--tls_certificate", folder / f"{role}.pem", "--tls_key", folder / f"{role}.key",
                "--tls_client_ca", folder / "ca.pem"]

    def client(self, role, folder=None):
        folder = folder or self.certificates
        return ["--tls_certificate", folder / f"{role}.pem", "--tls_key", folder / f"{role}.key",
                "--tls_ca", folder / "ca.pem"]

    def counters(self, process, name):
        """The counters of a process's metrics whose name is `name`, by their labels."""
        with urllib.request.urlopen(f"http://{process.metrics_address}/metrics", timeout=10) as response:
            lines = response.read().decode().splitlines()
        return {line.split(" ")[0]: float(line.split(" ")[1]) for line in lines if line.startswith(name + "{")}

    def test_who_is_refused(self):
        _, learner = self.start_learner("run", *self.server("learner"), *overrides(learner__steps=1000000))
        address = learner.address
        status = self.run_to_end("tpo", "status", "--json", "--learner", address, *self.client("operator"))
        self.assertEqual(json.loads(status)["step"], 0)
        refused = self.run_to_end("tpo", "status", "--learner", address, *self.client("worker"), status=1)
        self.assertIn("the role operator is needed", refused)
        for role in ("operator", "verifier", "learner"):
            refused = self.run_to_end("tpo", "rollout", "--learner", address, *self.client(role), status=1)
            self.assertIn("the role worker is needed", refused)
        # Without a certificate, with one of another authority, without TLS: nobody is there.
        self.make_certificates("strangers")
        strangers = self.scratch / "strangers"
        for flags in (["--tls_ca", self.certificates / "ca.pem"], self.client("operator", strangers), []):
            refused = self.run_to_end("tpo", "status", "--learner", address, *flags, status=1)
            self.assertIn("UNAVAILABLE" if "UNAVAILABLE" in refused else "failed to connect", refused)

    def test_files_that_can_not_work_are_refused_at_the_start(self):
        learner = ["tpo", "learner", harness.SMALL, "--listen", "127.0.0.1:0", "--run_dir", self.scratch / "x"]
        worker = self.certificates / "worker.pem"
        for flags, why in [
                (["--tls_certificate", worker, "--tls_key", self.certificates / "learner.key", "--tls_client_ca",
                  self.certificates / "ca.pem"], "don't belong together"),
                (self.server("worker"), "names no URI spiffe://TRUST-DOMAIN/tpo/learner"),
                (["--tls_certificate", worker, "--tls_key", self.certificates / "worker.key"], "--tls_client_ca"),
                (["--tls_certificate", "none.pem", "--tls_key", "none.key", "--tls_client_ca", "none.pem"], "none.pem")]:
            self.assertIn(why, self.run_to_end(*learner, *flags, status=2))

    def test_no_call_fails_while_certificates_are_replaced(self):
        """Every hop: workers to the learner, workers to verifiers. Counts the calls that failed where they arrive."""
        metrics = ["--metrics_listen", "127.0.0.1:0"]
        verifiers = [self.start_verifier(*self.server("verifier"), *metrics) for _ in range(2)]
        addresses = ", ".join(f"'{verifier.address}'" for verifier in verifiers)
        run, learner = self.start_learner(
            "run", *self.server("learner"), *metrics,
            *overrides(learner__steps=1000000, verifiers=f"[{{addresses: [{addresses}], tls: {{}}}}]"))
        workers = [self.start_worker(learner.address, *self.client("worker"), *metrics) for _ in range(2)]
        run.wait_for_steps(5, learner)
        rotations = 0
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            self.make_certificates()
            rotations += 1
            # A process that joins makes its handshakes with what is in the files now, or was a moment ago.
            late = self.start_worker(learner.address, *self.client("worker"), "--parallel_leases", 1, *metrics)
            self.assertTrue(late.metrics_address)  # it has begun, and would drain
            steps = len(run.lines)
            run.wait_for_steps(steps + 5, learner)
            time.sleep(RELOAD_SECONDS)
            late.send(harness.signal.SIGTERM)
            self.assert_ended_well(late)
        for server in (learner, *verifiers):
            counters = self.counters(server, "tpo_rpcs_total")
            failed = {labels: count for labels, count in counters.items()
                      if count and 'code="OK"' not in labels and 'code="CANCELLED"' not in labels}
            self.assertEqual(failed, {}, "\n".join(map(str, (server, *workers))))
            self.assertGreater(sum(counters.values()), 10)
        for worker in workers:
            attempts = self.counters(worker, "tpo_verification_attempts_total")
            failed = {labels: count for labels, count in attempts.items() if count and 'code="OK"' not in labels}
            # A hedge that was slower is given up, and cancelled.
            self.assertEqual({labels for labels in failed if "CANCELLED" not in labels and "GIVEN_UP" not in labels},
                             set(), worker)
            self.assertNotIn("will try again", worker.output)
        for process in (learner, *workers):
            process.send(harness.signal.SIGTERM)
        self.assert_ended_well(learner, *workers)
        for verifier in verifiers:
            verifier.send(harness.signal.SIGTERM)
        self.assert_ended_well(*verifiers)
        self.assert_ledgers_balance(run)
        # What was in flight at the end is not in the last step's ledger.
        self.assertEqual(run.records[-1]["ledger"]["expired"], 0)
        print(f"{rotations} rotations, {len(run.lines)} steps, no call failed")


if __name__ == "__main__":
    if "--seconds" in sys.argv:
        at = sys.argv.index("--seconds")
        SECONDS = float(sys.argv[at + 1])
        del sys.argv[at:at + 2]
    harness.main()
