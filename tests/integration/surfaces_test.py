"""What people and their tools touch: metrics, health, reflection, status, and the commands on a finished run."""

import json
import re
import signal
import urllib.error
import urllib.request

import harness
from harness import overrides

try:
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
    from google.protobuf.descriptor_pool import DescriptorPool
except ImportError as missing:
    harness.missing_package(missing)

REFUSED = 2
FAILED = 1

# The names that dashboards and alerts build on. A renamed metric is a broken dashboard.
EVERYWHERE = {"tpo_build_info", "tpo_process_resident_memory_bytes", "tpo_process_cpu_seconds_total",
              "tpo_process_open_fds", "tpo_process_threads", "tpo_process_start_time_seconds"}
SERVERS = {"tpo_rpcs_total", "tpo_rpc_seconds"}
LEARNER = EVERYWHERE | SERVERS | {
    "tpo_step", "tpo_weight_version", "tpo_loss", "tpo_reward_mean", "tpo_reward_std", "tpo_error", "tpo_grad_norm",
    "tpo_staleness", "tpo_zero_variance_fraction", "tpo_all_fail_fraction", "tpo_target_entropy", "tpo_anchor_entropy",
    "tpo_target_kl", "tpo_target_distance", "tpo_clip_fraction", "tpo_logprob_mismatch", "tpo_groups_in_flight",
    "tpo_checkpoint_step", "tpo_checkpoint_last_success_timestamp_seconds", "tpo_steps_total", "tpo_tokens_total",
    "tpo_forward_nodes_total", "tpo_forward_tokens_total", "tpo_groups_leased_total", "tpo_groups_total",
    "tpo_checkpoints_total", "tpo_checkpoint_failures_total", "tpo_checkpoint_damaged_total",
    "tpo_checkpoint_stall_seconds", "tpo_step_seconds", "tpo_rollout_seconds",
    "tpo_train_seconds", "tpo_checkpoint_seconds",
    "tpo_last_step_timestamp_seconds", "tpo_planned_steps", "tpo_target_policy_kl", "tpo_policy_entropy", "tpo_completion_tokens",
    "tpo_verdicts_total", "tpo_staleness_limit", "tpo_group_staleness", "tpo_groups_under_lease", "tpo_groups_ready",
    "tpo_prompts_leasable", "tpo_oldest_lease_age_seconds", "tpo_workers", "tpo_draining", "tpo_run_info",
    "tpo_weight_publish_seconds", "tpo_learner_activity_seconds_total", "tpo_weights_size_bytes", "tpo_weights_sent_bytes_total",
    "tpo_checkpoint_every_steps", "tpo_evaluating"}
ROLLOUT = EVERYWHERE | {"tpo_rollout_leases_total", "tpo_rollout_groups_total", "tpo_rollout_tokens_total",
                        "tpo_rollout_groups_rejected_total", "tpo_rollout_activity_seconds_total",
                        "tpo_rollout_weight_version", "tpo_weight_sync_seconds", "tpo_weights_received_bytes_total",
                        "tpo_verification_seconds"}
VERIFIER = EVERYWHERE | SERVERS | {"tpo_verifier_requests_total", "tpo_verifier_verdicts_total", "tpo_verifier_seconds",
                                   "tpo_verifier_queue_length", "tpo_verifier_queue_capacity", "tpo_verifier_threads"}

SAMPLE = re.compile(r'([a-z_:][a-z0-9_:]*)(?:\{((?:[a-z_]+="[^"]*",?)*)\})? (\S+)$')


class Scrape:
    """One answer of /metrics, in Prometheus' text format."""

    def __init__(self, address):
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=60) as page:
            assert page.headers["Content-Type"].startswith("text/plain"), page.headers
            text = page.read().decode()
        self.types = {}
        self.help = set()
        self.samples = {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                self.types[name] = kind
            elif line.startswith("# HELP "):
                self.help.add(line.split(" ")[2])
            elif line:
                match = SAMPLE.match(line)
                assert match, line
                self.samples[match[1] + ("{%s}" % match[2] if match[2] else "")] = float(match[3])

    def sum(self, name):
        return sum(value for sample, value in self.samples.items() if sample.split("{")[0] == name)


class ServicesTest(harness.IntegrationTest):
    """One learner, one worker and one verifier, which work until the test ends them."""

    def setUp(self):
        super().setUp()
        serve_metrics = ("--metrics_listen", "127.0.0.1:0")
        self.verifier = self.start_verifier(*serve_metrics)
        self.trained, self.learner = self.start_learner(
            "run", *serve_metrics, "--status_listen", "127.0.0.1:0", *overrides(learner__steps=10**6,
                                              verifiers=f"[{{address: '{self.verifier.address}'}}]"))
        self.worker = self.start_worker(self.learner.address, *serve_metrics)
        self.trained.wait_for_steps(6, self.learner)

    def channel(self, process):
        channel = grpc.insecure_channel(process.address)
        self.addCleanup(channel.close)
        return channel

    def test_metrics(self):
        for process, names in ((self.learner, LEARNER), (self.worker, ROLLOUT), (self.verifier, VERIFIER)):
            with self.subTest(program=process.arguments[:2]):
                scrape = Scrape(process.metrics_address)
                self.assertEqual(names - set(scrape.types), set())
                for name, kind in scrape.types.items():
                    # The HTTP server's own are beside ours.
                    self.assertRegex(name, r"^(tpo|exposer)_")
                    self.assertIn(name, scrape.help)
                    if name.startswith("tpo_"):
                        self.assertEqual(kind == "counter", name.endswith("_total"), name)
        scrape = Scrape(self.learner.metrics_address)
        self.assertEqual(scrape.samples["tpo_groups_leased_total"],
                         scrape.sum("tpo_groups_total") + scrape.samples["tpo_groups_in_flight"])
        self.assertGreaterEqual(scrape.samples["tpo_step"], 6)
        # Written in the background.
        harness.wait_until(lambda: Scrape(self.learner.metrics_address).samples["tpo_checkpoint_step"] >= 5,
                           "a checkpoint")
        self.assertGreater(Scrape(self.worker.metrics_address).samples["tpo_rollout_tokens_total"], 0)
        scrape = Scrape(self.verifier.metrics_address)
        self.assertGreater(scrape.samples['tpo_verifier_verdicts_total{kind="scored"}'], 0)
        with self.assertRaises(urllib.error.HTTPError):
            urllib.request.urlopen(f"http://{self.learner.metrics_address}/nothing", timeout=60)

    def test_metrics_of_one_process_are_those_of_its_roles(self):
        run = harness.Run(self.scratch / "train")
        train = self.start("tpo", "train", harness.SMALL, "--run_dir", run, "--metrics_listen", "127.0.0.1:0",
                           *overrides(learner__steps=10**6, rollout__workers=2))
        run.wait_for_steps(3, train)
        scrape = Scrape(train.metrics_address)
        # It asks no external verifier, and its workers share the learner's weights.
        self.assertEqual((LEARNER | ROLLOUT) - set(scrape.types),
                         {"tpo_verification_seconds", "tpo_weights_sent_bytes_total"})
        self.assertEqual(scrape.samples["tpo_weights_received_bytes_total"], 0)
        self.assertGreaterEqual(scrape.samples["tpo_rollout_groups_total"], 3 * 20)
        self.assertGreaterEqual(scrape.samples["tpo_rollout_weight_version"], 2)
        train.send(signal.SIGTERM)
        self.assert_ended_well(train)

    def test_health(self):
        serving = health_pb2.HealthCheckResponse.SERVING
        for process, services in ((self.learner, ["", "tpo.v1.LearnerService", "tpo.v1.AdminService"]),
                                  (self.verifier, ["", "tpo.v1.VerifierService"])):
            health = health_pb2_grpc.HealthStub(self.channel(process))
            for service in services:
                answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=60)
                self.assertEqual(answer.status, serving, service)
            with self.assertRaises(grpc.RpcError) as unknown:
                health.Check(health_pb2.HealthCheckRequest(service="tpo.v1.NoSuchService"), timeout=60)
            self.assertEqual(unknown.exception.code(), grpc.StatusCode.NOT_FOUND)

    def test_reflection(self):
        wanted = {
            self.learner: {
                "tpo.v1.LearnerService": ["Register", "LeasePrompts", "SubmitGroups", "WatchWeights", "Deregister",
                                          "GetStatus"],
                "tpo.v1.AdminService": ["Checkpoint", "Drain"]},
            self.verifier: {"tpo.v1.VerifierService": ["Verify", "Describe"]}}
        for process, services in wanted.items():
            database = ProtoReflectionDescriptorDatabase(self.channel(process))
            self.assertLessEqual(set(services) | {"grpc.health.v1.Health"}, set(database.get_services()))
            pool = DescriptorPool(database)
            for service, methods in services.items():
                self.assertEqual([method.name for method in pool.FindServiceByName(service).methods], methods)

    def test_status(self):
        status = json.loads(self.run_to_end("tpo", "status", "--learner", self.learner.address, "--json"))
        self.assertGreaterEqual(status["step"], 6)
        self.assertEqual(status["total_steps"], 10**6)
        self.assertEqual(status["workers"], 1)
        self.assertIsInstance(status["error"], float)
        self.assertFalse(status["draining"])
        self.assert_balances(status["ledger"])
        roles = status["roles"]
        self.assertEqual([worker["groups_refused"] for worker in roles["workers"]], [0])
        self.assertEqual([(verifier["backend"], verifier["health"]) for verifier in roles["verifiers"]],
                         [(self.verifier.address, "healthy")])
        self.assertEqual(roles["relays"], [])
        text = self.run_to_end("tpo", "status", "--learner", self.learner.address)
        for name in (*status, *status["ledger"]):
            if name not in ("ledger", "roles"):
                self.assertRegex(text, rf"(?m)^\s*{name}\s+\S+$")

    def page(self, where):
        with urllib.request.urlopen(where, timeout=60) as page:
            return page.read().decode()

    def test_status_page(self):
        where = self.learner.wait_for_output(r"^status page on (http://\S+)")[1]
        with urllib.request.urlopen(where, timeout=60) as page:
            text = page.read().decode()
            self.assertIn("default-src 'none'", page.headers["Content-Security-Policy"])
        status = json.loads(self.run_to_end("tpo", "status", "--learner", self.learner.address, "--json"))
        self.assertIn(status["run_id"], text)
        for word in ("Task error", "Roles", "groups taken in", "Groups of step"):
            self.assertIn(word, text)
        # Which the worker tells the learner, about once a second.
        harness.wait_until(lambda: f"<td>{self.verifier.address}</td><td>healthy</td>" in self.page(where),
                           "what the worker says of its verifier")
        text = self.run_to_end("tpo", "status", "--learner", self.learner.address)
        self.assertRegex(text, rf"(?m)^verifiers .*\n.*{self.verifier.address} +\d+ +0  healthy$")
        with urllib.request.urlopen(where + "healthz", timeout=60) as answer:
            self.assertEqual(answer.read(), b"ok\n")

    def test_status_of_nobody(self):
        port = harness.Reserved()
        self.addCleanup(port.close)
        output = self.run_to_end("tpo", "status", "--learner", port.address, status=FAILED)
        self.assertIn(port.address, output)

    def test_an_operator_asks_for_a_checkpoint_and_for_the_end(self):
        answer = json.loads(self.run_to_end("tpo", "admin", "checkpoint", self.learner.address, "--json"))
        self.assertIn(answer["step"], range(6, 10**6))
        self.assertRegex(answer["path"], r"/checkpoints/step_%08d$" % answer["step"])
        # The learner's thread reports it, like its own.
        harness.wait_until(lambda: Scrape(self.learner.metrics_address).samples["tpo_checkpoint_step"] >= answer["step"],
                           "the operator's checkpoint in the metrics")
        text = self.run_to_end("tpo", "admin", "checkpoint", self.learner.address)
        self.assertRegex(text, r"^checkpoint of step \d+: /\S+/step_\d+\n$")
        self.run_to_end("tpo", "admin", "drain", self.learner.address)
        self.assert_ended_well(self.learner)
        # It would wait for the learner to come back.
        self.worker.send(signal.SIGTERM)
        self.assert_ended_well(self.worker)
        self.assertEqual(self.trained.summary["status"], "drained")
        self.assertEqual(self.trained.checkpoint_steps[-1], len(self.trained.lines))
        self.verifier.send(signal.SIGTERM)
        self.assert_ended_well(self.verifier)


class FinishedRunTest(harness.IntegrationTest):
    def setUp(self):
        super().setUp()
        self.finished = self.copy(self.reference())

    def test_inspect(self):
        text = self.run_to_end("tpo", "inspect", self.finished)
        self.assertIn("prompt", text)
        groups = [json.loads(line) for line in
                  self.run_to_end("tpo", "inspect", self.finished, "--json", "--step", 10, "--groups", 2).splitlines()]
        self.assertEqual([group["step"] for group in groups], [10, 10])
        for group in groups:
            self.assertEqual(len(group["completions"]), 4)
            for probability in ("anchor_probability", "target_probability", "policy_probability"):
                self.assertAlmostEqual(sum(completion[probability] for completion in group["completions"]), 1, places=6)

    def test_a_damaged_checkpoint_is_passed_over_and_counted(self):
        (self.finished.newest_checkpoint / "model.safetensors").write_bytes(b"")
        learner = self.start("tpo", "learner", harness.SMALL, "--run_dir", self.finished, "--resume",
                             "--listen", "127.0.0.1:0", "--metrics_listen", "127.0.0.1:0")
        learner.wait_for_output(r"step_00000020/model.safetensors is damaged: .*; going back to step 15")
        self.assertTrue(learner.address)
        scrape = Scrape(learner.metrics_address)
        self.assertEqual(scrape.samples["tpo_checkpoint_damaged_total"], 1)
        # What the run has come to, and counts and steps of this process only: a crash sets the run's totals back.
        self.assertEqual([scrape.samples[name] for name in ("tpo_step", "tpo_weight_version", "tpo_checkpoint_step")], [15, 15, 15])
        self.assertEqual(scrape.samples["tpo_tokens_total"], 0)
        self.assertEqual(scrape.samples['tpo_groups_total{outcome="trained"}'], 0)
        self.assertNotIn("tpo_reward_mean", scrape.samples)
        self.assert_ended_well(self.start_worker(learner.address), learner)
        self.assert_same_course(self.finished, self.reference())

    def test_report(self):
        (self.finished.directory / "report.html").unlink()
        self.run_to_end("tpo", "report", self.finished)
        page = (self.finished.directory / "report.html").read_text(encoding="utf-8")
        self.assertIn("</html>", page)
        self.assertIn("<svg", page)
        # It can be sent to somebody as it is.
        self.assertEqual(re.findall(r"""(?:src|href)=["'](?!#|data:)[^"']*""", page), [])

    def test_eval(self):
        flags = ("--greedy", "--prompts", 300)
        last = json.loads(self.run_to_end("tpo", "eval", self.finished, *flags))
        self.assertEqual((last["step"], last["prompts"], last["unscored"]), (20, 300, 0))
        self.assertAlmostEqual(last["error"], 1 - last["reward_mean"])
        # One checkpoint in it, either way of naming it.
        named = json.loads(self.run_to_end("tpo", "eval", self.finished, *flags, "--step", 15))
        path = json.loads(self.run_to_end("tpo", "eval", self.finished.checkpoint(15), *flags))
        self.assertEqual(named["step"], 15)
        self.assertEqual(path, named)
        log = (self.finished.directory / "eval.jsonl").read_text(encoding="utf-8")
        self.assertEqual([json.loads(line) for line in log.splitlines()], [last, named, path])

    def test_warnings_are_no_part_of_the_figures(self):
        (self.finished.newest_checkpoint / "model.safetensors").write_bytes(b"")
        command = ("eval", self.finished, "--prompts", 3)
        figures = self.run_to_end("tpo", *command, under=harness.redirected("2>/dev/null"))
        self.assertEqual(json.loads(figures)["step"], 15)
        warnings = self.run_to_end("tpo", *command, under=harness.redirected(">/dev/null"))
        self.assertRegex(warnings, r"\[tpo\] \[warning\] .*step_00000020/model.safetensors is damaged")

    def test_output_that_can_not_be_written_is_a_failure(self):
        for command in (["eval", self.finished, "--prompts", 3], ["generate", self.finished, "--prompts", 3],
                        ["export", self.finished, self.scratch / "exported"]):
            with self.subTest(command=command[0]):
                output = self.run_to_end("tpo", *command, status=FAILED, under=harness.redirected(">/dev/full"))
                self.assertIn("tpo: standard output could not be written", output)
                # What went wrong before that is told instead.
                output = self.run_to_end("tpo", *command, "--step", 7, status=REFUSED,
                                         under=harness.redirected(">/dev/full"))
                self.assertNotIn("standard output", output)

    def test_generate(self):
        flags = ("--prompts", 3, "--samples", 2)
        text = self.run_to_end("tpo", "generate", self.finished, *flags)
        for name, count in (("prompt", 3), ("wanted", 3), ("sampled", 6)):
            self.assertEqual(len(re.findall(rf"^{name}\s+[01]( [01]){{3}}\b", text, re.MULTILINE)), count, text)
        prompts = re.findall(r"^prompt\s+(.*)$", text, re.MULTILINE)
        wanted = re.findall(r"^wanted\s+(.*)$", text, re.MULTILINE)
        self.assertEqual([answer[::-1] for answer in wanted], prompts)
        self.assertEqual(self.run_to_end("tpo", "generate", self.finished, *flags), text)

    def test_export(self):
        directory = self.scratch / "exported" / "model"
        self.run_to_end("tpo", "export", self.finished, directory)
        self.assertEqual(sorted(path.name for path in directory.iterdir()), ["config.json", "model.safetensors"])
        config = json.loads((directory / "config.json").read_text())
        self.assertEqual((config["d_model"], config["layers"], config["heads"]), (32, 2, 2))
        self.assertTrue((directory / "model.safetensors").read_bytes() == self.finished.final_model)
        output = self.run_to_end("tpo", "export", self.finished, directory, status=REFUSED)
        self.assertIn(str(directory), output)

    def test_export_takes_only_an_empty_directory(self):
        directory = self.scratch / "exported"
        directory.mkdir()
        (directory / "notes.txt").write_text("mine")
        output = self.run_to_end("tpo", "export", self.finished, directory, status=REFUSED)
        self.assertIn(f"{directory} is there and not empty", output)
        self.assertEqual([path.name for path in directory.iterdir()], ["notes.txt"])
        (directory / "notes.txt").unlink()
        self.run_to_end("tpo", "export", self.finished, directory)

    def test_export_refuses_a_type_for_what_is_no_language_model(self):
        directory = self.scratch / "exported"
        output = self.run_to_end("tpo", "export", self.finished, directory, "--type", "bfloat16", status=REFUSED)
        self.assertIn("--type: the policy of", output)
        self.assertFalse(directory.exists())

    def test_runs_and_checkpoints_that_are_not_there(self):
        missing = self.scratch / "missing"
        for command in (["inspect", missing], ["report", missing], ["eval", missing], ["generate", missing],
                        ["export", missing, self.scratch / "exported"]):
            self.assertIn(str(missing), self.run_to_end("tpo", *command, status=REFUSED))
            self.assertFalse(missing.exists())
        for command in (["eval", self.finished], ["generate", self.finished],
                        ["export", self.finished, self.scratch / "exported"], ["inspect", self.finished]):
            self.assertRegex(self.run_to_end("tpo", *command, "--step", 7, status=REFUSED), r"\b7\b")
        self.assertFalse((self.scratch / "exported").exists())


class HelpTest(harness.IntegrationTest):
    def test_help_of_every_command(self):
        general = self.run_to_end("tpo", "--help")
        commands = re.findall(r"^  ([a-z]+) {2,}\S", general, re.MULTILINE)
        self.assertLessEqual({"train", "learner", "rollout", "eval", "generate", "inspect", "export", "report",
                              "status", "validate"}, set(commands))
        for command in commands:
            text = self.run_to_end("tpo", command, "--help")
            self.assertIn(f"tpo {command}", text)
            self.assertIn("Example", text)
        self.assertIn("--listen", self.run_to_end("tpo-verifier", "--help"))

    def test_version(self):
        for program in ("tpo", "tpo-verifier"):
            self.assertRegex(self.run_to_end(program, "--version"), rf"^{program} \d+\.\d+\.\d+ \(commit \S+, ")


if __name__ == "__main__":
    harness.main()
