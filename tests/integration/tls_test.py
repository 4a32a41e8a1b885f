"""Learner, workers and verifiers as processes of their own, with mutual TLS on every hop.

    tls_test.py                      a minute at most: who is refused, and certificates replaced under load
    tls_test.py --seconds 600        replaces certificates for that long
"""

import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import urllib.request

import harness
import tiny_language_model
from harness import overrides

try:
    import grpc
except ImportError as missing:
    harness.missing_package(missing)

# Under AddressSanitizer: what OpenSSL keeps for gRPC's threads is no leak (cmake/sanitizers/lsan_tls.supp says why).
if "LSAN_OPTIONS" in os.environ:
    os.environ["LSAN_OPTIONS"] = os.environ["LSAN_OPTIONS"].replace("/lsan.supp", "/lsan_tls.supp")

LANGUAGE_MODEL = str(harness.SOURCE / "tests" / "integration" / "language_model.yaml")
SECONDS = 12
# Longer than processes take to read a file again.
RELOAD_SECONDS = 6
# Servers ask for new connections this often, and each is a handshake with what is in the files then.
CONNECTION_AGE = ["--max_connection_age", 1]
# Attempts at verifiers that may fail, because they began as their connection ended: two, or one in so many connections.
FAILED_ATTEMPTS = 2
CONNECTIONS_PER_FAILED_ATTEMPT = 1000


class TlsTest(harness.IntegrationTest):
    def setUp(self):
        super().setUp()
        self.rotations = 0
        self.certificates = self.scratch / "certificates"
        self.certificates.symlink_to("certificates.0")
        self.make_certificates("certificates.0")

    def rotate(self):
        """Puts a directory with new certificates in the place of the old one, in one step, as Kubernetes does."""
        self.rotations += 1
        fresh = self.scratch / f"certificates.{self.rotations}"
        shutil.copytree(self.certificates, fresh)  # with the authority
        self.make_certificates(fresh.name)
        link = self.scratch / "certificates.new"
        link.symlink_to(fresh.name)
        link.rename(self.certificates)

    def make_certificates(self, name):
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
        """The counters of a process's metrics whose name is `name`: (labels, value) pairs."""
        with urllib.request.urlopen(f"http://{process.metrics_address}/metrics", timeout=10) as response:
            lines = response.read().decode().splitlines()
        return [(dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value))
                for labels, value in (line.rsplit(" ", 1) for line in lines if line.startswith(name + "{"))]

    def failed_calls(self, process, metric, cancelled=()):
        """What a process counts of calls that didn't end well, other than `cancelled` methods' that were cancelled."""
        return [(labels, count) for labels, count in self.counters(process, metric) if count
                and labels["code"] != "OK" and (labels["code"] != "CANCELLED" or labels["method"] not in cancelled)]

    def failed_attempts(self, worker):
        """A worker's attempts at verifiers that failed, by code. Those that it cancelled itself aren't among them."""
        failed = collections.Counter()
        for labels, count in self.counters(worker, "tpo_verification_attempts_total"):
            if count and labels["code"] not in ("OK", "GIVEN_UP"):
                failed[labels["code"]] += int(count)
        return failed

    @staticmethod
    def connections(process, server):
        """The ports from which a process is connected to a server."""
        port = int(server.address.rsplit(":", 1)[1])
        sockets = set()
        for descriptor in os.listdir(f"/proc/{process.pid}/fd"):
            try:
                sockets.add(os.readlink(f"/proc/{process.pid}/fd/{descriptor}"))
            except FileNotFoundError:
                pass  # closed since it was listed
        established, ports = "01", set()
        for table in ("tcp", "tcp6"):
            for line in pathlib.Path(f"/proc/{process.pid}/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                own, peer = (int(address.rsplit(":", 1)[1], 16) for address in fields[1:3])
                if peer == port and fields[3] == established and f"socket:[{fields[9]}]" in sockets:
                    ports.add(own)
        return ports

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
        with_tls, without = "connections to all backends failing", "failed to connect"
        for flags, words in ((["--tls_ca", self.certificates / "ca.pem"], with_tls), (self.client("operator", strangers), with_tls),
                             ([], without)):
            refused = self.run_to_end("tpo", "status", "--learner", address, *flags, status=1)
            self.assertIn(words, refused)

    def test_a_verifier_counts_whom_it_refuses(self):
        verifier = self.start_verifier(*self.server("verifier"), "--metrics_listen", "127.0.0.1:0")
        files = [(self.certificates / name).read_bytes() for name in ("ca.pem", "relay.key", "relay.pem")]
        with grpc.secure_channel(verifier.address, grpc.ssl_channel_credentials(*files)) as channel:
            with self.assertRaises(grpc.RpcError) as refused:
                channel.unary_unary("/tpo.v1.VerifierService/Describe")(b"", timeout=harness.PATIENCE_SECONDS)
        self.assertEqual(refused.exception.code(), grpc.StatusCode.PERMISSION_DENIED)
        harness.wait_until(lambda: any(labels["code"] == "PERMISSION_DENIED" and count
                                       for labels, count in self.counters(verifier, "tpo_rpcs_total")),
                           "the refused call in the verifier's counters")

    def test_a_learner_evaluates_with_the_verifiers_of_its_workers(self):
        config = self.scratch / "verifier.yaml"
        config.write_text("verifier_service: {verifiers: [{tasks: [dataset], regex: {pattern: '[A-Za-z]'}}]}\n",
                          encoding="utf-8")
        verifier = self.start_verifier("--config", config, *self.server("verifier"))
        model = tiny_language_model.make_model(self.scratch / "model")
        dataset = tiny_language_model.make_dataset(self.scratch / "data.jsonl")
        run, learner = self.start_learner(
            "run", *self.server("learner"), config=LANGUAGE_MODEL,
            *overrides(task__dataset=f"{{path: '{dataset}', held_out_prompts: 6}}", model__hf__path=model,
                       verifiers=f"[{{address: '{verifier.address}', tls: {{}}}}]"))
        worker = self.start_worker(learner.address, *self.client("worker"))
        self.assert_ended_well(learner, worker)
        evaluations = [json.loads(line) for line in
                       (run.directory / "eval.jsonl").read_text(encoding="utf-8").splitlines()]
        self.assertEqual([record["step"] for record in evaluations], [0, 2, 4], str(learner))
        self.assertEqual([record["unscored"] for record in evaluations], [0, 0, 0], str(learner))
        # Whoever measures the run afterwards asks them, too.
        measured = self.run_to_end("tpo", "eval", run.directory, "--prompts", "4", *self.client("operator"))
        self.assertEqual(json.loads(measured)["unscored"], 0)

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
        """Every hop: workers to the learner, to a relay, to verifiers. Counts the calls that failed where they arrive."""
        metrics = ["--metrics_listen", "127.0.0.1:0"]
        verifiers = [self.start_verifier(*self.server("verifier"), *metrics, *CONNECTION_AGE) for _ in range(2)]
        addresses = ", ".join(f"'{verifier.address}'" for verifier in verifiers)
        run, learner = self.start_learner(
            "run", *self.server("learner"), *metrics, *CONNECTION_AGE,
            *overrides(learner__steps=1000000, verifiers=f"[{{addresses: [{addresses}], tls: {{}}}}]"))
        relay = self.start("tpo", "relay", "--learner", learner.address, "--listen", "127.0.0.1:0", *metrics,
                           *self.client("relay"), "--tls_client_ca", self.certificates / "ca.pem", *CONNECTION_AGE)
        workers = [self.start_worker(learner.address, *self.client("worker"), *metrics, *weights)
                   for weights in ([], ["--weights", relay.address])]
        run.wait_for_steps(5, learner)
        connections = {(worker, server): set() for worker in workers for server in (learner, *verifiers)}
        joined, failed_attempts = [], collections.Counter()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            self.rotate()
            # A process that joins makes its handshakes with what is in the files now, or was a moment ago.
            late = self.start_worker(learner.address, *self.client("worker"), "--parallel_leases", 1, *metrics)
            joined.append(late)
            self.assertTrue(late.metrics_address)  # it has begun, and would drain
            steps = len(run.lines)
            run.wait_for_steps(steps + 5, learner)
            reloaded = time.monotonic() + RELOAD_SECONDS
            while time.monotonic() < reloaded:
                for (worker, server), ports in connections.items():
                    ports |= self.connections(worker, server)
                time.sleep(0.1)
            failed_attempts += self.failed_attempts(late)
            late.send(harness.signal.SIGTERM)
            self.assert_ended_well(late)
        output = "\n".join(map(str, (learner, relay, *verifiers, *workers, *joined)))
        for ports in connections.values():
            # Every worker has met every server with each of the certificates, many times.
            self.assertGreater(len(ports), 2 * self.rotations, output)
        # A worker that ends gives up its weight stream. A hedge that is slower than the other call is given up, too.
        streams = [count for labels, count in self.counters(learner, "tpo_rpcs_total")
                   if labels["method"] == "WatchWeights" and labels["code"] == "CANCELLED"]
        self.assertLessEqual(sum(streams), len(joined), output)
        failed_calls = self.failed_calls(learner, "tpo_rpcs_total", cancelled=["WatchWeights"])
        failed_calls += self.failed_calls(relay, "tpo_rpcs_total")
        for verifier in verifiers:
            failed_calls += self.failed_calls(verifier, "tpo_rpcs_total", cancelled=["Verify"])
        self.assertEqual(failed_calls, [], output)
        calls = {}
        for server in (learner, relay, *verifiers):
            for labels, count in self.counters(server, "tpo_rpcs_total"):
                if labels["code"] == "OK":
                    calls[labels["method"]] = calls.get(labels["method"], 0) + int(count)
        for method in ("LeasePrompts", "SubmitGroups", "Verify"):
            self.assertGreater(calls[method], 10, output)
        # An attempt that begins as its connection ends may fail before it gets anywhere, and is repeated.
        for worker in workers:
            failed_attempts += self.failed_attempts(worker)
        self.assertLessEqual(set(failed_attempts), {"UNAVAILABLE", "CANCELLED"}, output)
        connection_count = sum(map(len, connections.values()))
        self.assertLessEqual(sum(failed_attempts.values()),
                             max(FAILED_ATTEMPTS, connection_count // CONNECTIONS_PER_FAILED_ATTEMPT), output)
        for client in (relay, *workers, *joined):
            self.assertNotRegex(client.output, "will try again|submit again|gave up submitting|weight stream broke")
        for process in (learner, *workers):
            process.send(harness.signal.SIGTERM)
        self.assert_ended_well(learner, *workers)
        for process in (relay, *verifiers):
            process.send(harness.signal.SIGTERM)
        self.assert_ended_well(relay, *verifiers)
        self.assert_ledgers_balance(run)
        # What was in flight at the end is not in the last step's ledger.
        for outcome in ("expired", "dropped_unverified"):
            self.assertEqual(run.records[-1]["ledger"][outcome], 0)
        print(json.dumps({"rotations": self.rotations, "steps": len(run.lines), "calls": calls,
                          "calls_failed": sum(int(count) for _, count in failed_calls),
                          "attempts_failed": failed_attempts, "connections": connection_count}))


if __name__ == "__main__":
    if "--seconds" in sys.argv:
        at = sys.argv.index("--seconds")
        SECONDS = float(sys.argv[at + 1])
        del sys.argv[at:at + 2]
    harness.main()
