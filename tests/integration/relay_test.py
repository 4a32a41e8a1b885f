"""Workers that get their weights from a relay: what the learner sends, and what happens when one of them restarts."""

import json
import re
import signal
import subprocess
import urllib.request

import harness
from harness import overrides

try:
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc
except ImportError as missing:
    harness.missing_package(missing)

SERVICE = "tpo.v1.LearnerService"


def metric(process, name):
    """The value of a metric without labels; 0 before it is there."""
    with urllib.request.urlopen(f"http://{process.metrics_address}/metrics", timeout=harness.PATIENCE_SECONDS) as page:
        text = page.read().decode()
    match = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    return float(match[1]) if match else 0.0


def health(address):
    with grpc.insecure_channel(address) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(service=SERVICE), timeout=harness.PATIENCE_SECONDS, wait_for_ready=True)
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


class RelayTest(harness.FaultTest):
    def start_relay(self, learner_address, *arguments, listen="127.0.0.1:0"):
        return self.start("tpo", "relay", "--learner", learner_address, "--listen", listen, *arguments)

    def test_the_learner_sends_each_version_once_however_many_workers_there_are(self):
        # It stays, so that its metrics can be asked for when all is over.
        run, learner = self.start_learner("run", *overrides(learner__steps=8), "--keep_serving",
                                          "--metrics_listen", "127.0.0.1:0")
        relay = self.start_relay(learner.address, "--keep_serving", "--metrics_listen", "127.0.0.1:0")
        workers = [self.start_worker(learner.address, "--weights", relay.address) for _ in range(3)]
        self.assert_ended_well(*workers)
        run.wait_for_end(learner)
        size = metric(learner, "tpo_weights_size_bytes")
        versions = 8 + 1
        self.assertGreater(size, 0)
        # A relay may skip versions, as any slow subscriber; no worker got anything from the learner.
        self.assertLessEqual(metric(learner, "tpo_weights_sent_bytes_total"), versions * size)
        self.assertGreaterEqual(metric(relay, "tpo_weights_sent_bytes_total"), len(workers) * size)
        self.assertEqual(metric(relay, "tpo_weights_received_bytes_total"),
                         metric(learner, "tpo_weights_sent_bytes_total"))
        self.assert_same_course(run, self.reference(*overrides(learner__steps=8)))
        learner.send(signal.SIGTERM)
        relay.send(signal.SIGTERM)
        self.assert_ended_well(learner, relay)

    def test_a_relay_serves_once_it_has_weights_and_ends_with_the_run(self):
        gate = harness.Reserved()
        self.addCleanup(gate.close)
        relay = self.start_relay(gate.address)
        self.assertEqual(health(relay.address), "NOT_SERVING")
        gate.close()
        _, learner = self.start_learner("run", *overrides(learner__steps=3), listen=gate.address)
        harness.wait_until(lambda: health(relay.address) == "SERVING", "the first weights")
        self.assert_ended_well(self.start_worker(learner.address, "--weights", relay.address), learner, relay)

    def test_a_relay_that_is_refused_for_good_ends(self):
        _, learner = self.start_learner("run", *overrides(learner__steps=10**6))
        flags = ("--listen", "127.0.0.1:0")
        refused = self.run_to_end("tpo", "relay", "--learner", learner.address, *flags, "--name", "rack\t7", status=2)
        self.assertIn("relay_name: byte 4 is a control character", refused)
        # Nor does it wait for weights from what has none to give.
        verifier = self.start_verifier()
        refused = self.run_to_end("tpo", "relay", "--learner", verifier.address, *flags, status=1)
        self.assertIn(f"--learner: {verifier.address} serves no weights; is it a learner or a relay?", refused)

    def test_relays_show_on_the_status_page_and_in_the_status(self):
        _, learner = self.start_learner("run", *overrides(learner__steps=10**6), "--status_listen", "127.0.0.1:0")
        where = learner.wait_for_output(r"^status page on (http://\S+)")[1]

        def page():
            with urllib.request.urlopen(where, timeout=harness.PATIENCE_SECONDS) as answer:
                return answer.read().decode()

        def status(*flags):
            return self.run_to_end("tpo", "status", "--learner", learner.address, *flags)

        self.assertNotIn("relay", status())
        relay = self.start_relay(learner.address, "--name", "rack-7")
        harness.wait_until(lambda: re.search(r"</span>rack-7</td><td>connected for \d+ s</td><td>\d+</td>", page()),
                           "the relay's first weights")
        self.assertRegex(status(), r"(?m)^  rack-7 +\d+  connected for \d+ s$")
        (seen,) = json.loads(status("--json"))["roles"]["relays"]
        self.assertEqual((seen["name"], seen["connected"]), ("rack-7", True))
        relay.kill()
        harness.wait_until(lambda: re.search(r"dot bad\"></span>rack-7</td><td>gone for \d+ s</td>", page()),
                           "the loss of the relay")
        self.assertRegex(status(), r"(?m)^  rack-7 +\d+  gone for \d+ s$")
        learner.send(signal.SIGTERM)
        self.assert_ended_well(learner)

    def test_over_mutual_tls_a_relay_may_only_pass_weights_on(self):
        folder = self.scratch / "certificates"
        subprocess.run([harness.SOURCE / "examples/certificates/make.sh", folder, "--days", "2"], check=True,
                       stdout=subprocess.DEVNULL)

        def files(role, *authorities):
            return ["--tls_certificate", folder / f"{role}.pem", "--tls_key", folder / f"{role}.key",
                    *(part for flag in authorities for part in (flag, folder / "ca.pem"))]

        run, learner = self.start_learner("run", *files("learner", "--tls_client_ca"), *overrides(learner__steps=3))
        refused = self.run_to_end("tpo", "relay", "--learner", learner.address, "--listen", "127.0.0.1:0",
                                  *files("worker", "--tls_ca", "--tls_client_ca"), status=2)
        self.assertIn("names no URI spiffe://TRUST-DOMAIN/tpo/relay", refused)
        refused = self.run_to_end("tpo", "rollout", "--learner", learner.address, *files("relay", "--tls_ca"), status=1)
        self.assertIn("the role worker is needed", refused)
        relay = self.start_relay(learner.address, *files("relay", "--tls_ca", "--tls_client_ca"))
        worker = self.start_worker(learner.address, "--weights", relay.address, *files("worker", "--tls_ca"))
        self.assert_ended_well(worker, learner, relay)
        self.assertEqual(run.summary["status"], "finished")

    def test_kill_of_the_learner_under_its_relay_and_workers(self):
        run, learner = self.start_learner("run", *self.FLAGS)
        relay = self.start_relay(learner.address)
        workers = [self.start_worker(learner.address, "--weights", relay.address) for _ in range(2)]
        self.kill_midway(run, learner)
        _, learner = self.start_learner("run", *self.FLAGS, "--resume", listen=learner.address)
        self.assert_ended_well(learner, relay, *workers)
        self.check_finished(run)

    def test_kill_of_the_relay_under_its_workers(self):
        run, learner = self.start_learner("run", *self.FLAGS)
        relay = self.start_relay(learner.address)
        workers = [self.start_worker(learner.address, "--weights", relay.address) for _ in range(2)]
        self.wait_for_a_random_moment(run, learner)
        relay.kill()
        relay = self.start_relay(learner.address, listen=relay.address)
        self.assert_ended_well(learner, relay, *workers)
        self.check_finished(run)

    def test_kill_of_a_worker_behind_a_relay(self):
        # No lease expires for as long as the test waits: a lost connection tells that its holder is gone.
        run, learner = self.start_learner("run", *self.FLAGS,
                                          *overrides(learner__lease_seconds=20 * harness.PATIENCE_SECONDS))
        relay = self.start_relay(learner.address)
        victim = self.start_worker(learner.address, "--weights", relay.address, "--parallel_leases", 1)
        self.wait_for_a_random_moment(run, learner)
        victim.kill()
        self.assert_ended_well(self.start_worker(learner.address, "--weights", relay.address), learner, relay)
        self.check_finished(run)


if __name__ == "__main__":
    harness.main()
