"""Verifiers that other people write: one that is good, one that lies in every way, one that comes and goes."""

import importlib
import json
import math
import pathlib
import signal
import sys
import tempfile
import threading
import unittest
import urllib.request
from concurrent import futures

import harness
from harness import overrides

try:
    import grpc
    import grpc_tools.protoc
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc
except ImportError as missing:
    harness.missing_package(missing)

PROMPTS_PER_STEP = 20
PROMPTS_PER_LEASE = 5


def setUpModule():
    """Generates the Python code that a verifier's author would, from the protocol's files alone."""
    global types, verifier, verifier_grpc
    generated = tempfile.TemporaryDirectory(prefix="tpo_protocol_")
    unittest.addModuleCleanup(generated.cleanup)
    protocol = harness.SOURCE / "proto"
    wellknown = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    status = grpc_tools.protoc.main(
        ["protoc", f"-I{protocol}", f"-I{wellknown}", f"--python_out={generated.name}",
         f"--grpc_python_out={generated.name}", "tpo/v1/types.proto", "tpo/v1/verifier.proto"])
    assert status == 0
    sys.path.insert(0, generated.name)
    types = importlib.import_module("tpo.v1.types_pb2")
    verifier = importlib.import_module("tpo.v1.verifier_pb2")
    verifier_grpc = importlib.import_module("tpo.v1.verifier_pb2_grpc")


def scored(score):
    return types.Verdict(kind=types.VERDICT_KIND_SCORED, score=score)


class VerifierServer:
    """Serves Verify as the function says that it is given: (request, context) to response."""

    def __init__(self, verify, address="127.0.0.1:0"):
        class Servicer(verifier_grpc.VerifierServiceServicer):
            def Verify(self, request, context):
                return verify(request, context)

            def Describe(self, request, context):
                return verifier.DescribeResponse(verifier="test", verifier_version="1", tasks=["sequence/*"])

        self._server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), options=[("grpc.so_reuseport", 0)])
        verifier_grpc.add_VerifierServiceServicer_to_server(Servicer(), self._server)
        status = health.HealthServicer()
        status.set("", health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(status, self._server)
        port = self._server.add_insecure_port(address)
        self.address = f"127.0.0.1:{port}"
        self._server.start()

    def stop(self):
        self._server.stop(grace=None).wait(harness.PATIENCE_SECONDS)


def exact_match(request, context):
    """The rule of the built-in verifier for terminal rewards."""
    wanted = list(request.prompt.reference_tokens)
    return verifier.VerifyResponse(verdicts=[scored(float(list(completion.tokens) == wanted))
                                             for completion in request.completions])


class Liar:
    """Lies about some prompts, each in another way; gives 1 to everything else."""

    def __init__(self):
        self._lock = threading.Lock()
        self._unscored = set()
        self.ways = [self.nan, self.infinite, self.too_few, self.too_many, self.nothing, self.failed, self.unknown_kind,
                     self.refuses, self.breaks]
        self.hangs_at = {3, 47}

    @property
    def unscored(self):
        """Prompts that can't have had a score."""
        with self._lock:
            return set(self._unscored)

    def verify(self, request, context):
        prompt = request.prompt.id
        # One prompt in three, through all the ways in turn.
        lies = prompt % 3 == 0
        if lies or prompt in self.hangs_at:
            with self._lock:
                self._unscored.add(prompt)
        if prompt in self.hangs_at:
            return self.hangs(request, context)
        if lies:
            return self.ways[prompt // 3 % len(self.ways)](request, context)
        verdicts = [scored(1.0) for _ in request.completions]
        # One of a group alone costs that completion, not the group.
        if prompt % 3 == 1:
            verdicts[prompt % len(verdicts)].score = math.nan
        return verifier.VerifyResponse(verdicts=verdicts)

    @staticmethod
    def response(request, count=None, **fields):
        verdict = types.Verdict(**fields)
        return verifier.VerifyResponse(verdicts=[verdict] * (len(request.completions) if count is None else count))

    def nan(self, request, context):
        return self.response(request, kind=types.VERDICT_KIND_SCORED, score=math.nan)

    def infinite(self, request, context):
        return self.response(request, kind=types.VERDICT_KIND_SCORED, score=math.inf)

    def too_few(self, request, context):
        return self.response(request, len(request.completions) - 1, kind=types.VERDICT_KIND_SCORED, score=5)

    def too_many(self, request, context):
        return self.response(request, len(request.completions) + 1, kind=types.VERDICT_KIND_SCORED, score=5)

    def nothing(self, request, context):
        return verifier.VerifyResponse()

    def failed(self, request, context):
        return self.response(request, kind=types.VERDICT_KIND_FAILED, score=5, reason="the sandbox is gone")

    def unknown_kind(self, request, context):
        return self.response(request, kind=77, score=5)

    def refuses(self, request, context):
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "never heard of such a task")

    def breaks(self, request, context):
        raise RuntimeError("a bug in somebody's verifier")

    def hangs(self, request, context):
        over = threading.Event()
        if context.add_callback(over.set):
            over.wait(harness.PATIENCE_SECONDS)
        return verifier.VerifyResponse()


class VerifierTest(harness.IntegrationTest):
    def serve(self, verify, address="127.0.0.1:0"):
        server = VerifierServer(verify, address)
        self.addCleanup(server.stop)
        return server

    @staticmethod
    def external(address, deadline=20):
        return overrides(verifiers=f"[{{address: '{address}', deadline_seconds: {deadline}}}]")

    def check_only_truth_counts(self, run, liar):
        """Every score that was given is 1: any other number in the metrics were a lie that became a score."""
        for record in run.records:
            self.assertEqual((record["reward_mean"], record["reward_std"], record["all_fail_fraction"]), (1, 0, 0))
        ledger = run.summary["ledger"]
        self.assert_balances(ledger)
        self.assertEqual(ledger["dropped_unverified"], len(liar.unscored))
        return ledger

    def test_lies_are_dropped_and_counted(self):
        liar = Liar()
        server = self.serve(liar.verify)
        run = harness.Run(self.scratch / "run")
        train = self.start("tpo", "train", harness.SMALL, "--run_dir", run, *overrides(learner__steps=8),
                           *self.external(server.address, deadline=1))
        self.assert_ended_well(train)
        self.assertEqual(len(run.lines), 8)
        ledger = self.check_only_truth_counts(run, liar)
        self.assertLess(liar.hangs_at, liar.unscored)
        self.assertGreater(len(liar.unscored), 3 * len(liar.ways))
        self.assertEqual(ledger["trained"], 8 * PROMPTS_PER_STEP)
        self.assertEqual(ledger["expired"], 0)
        # The first lie is told, with its reason.
        train.wait_for_output(r"no score for a completion of prompt \d+ \(sequence/reverse_copy/terminal\): \S+")

    def test_lies_show_in_the_metrics(self):
        liar = Liar()
        liar.hangs_at = set()
        server = self.serve(liar.verify)
        run, learner = self.start_learner("run", "--metrics_listen", "127.0.0.1:0", *overrides(learner__steps=10**6),
                                          *self.external(server.address))
        worker = self.start_worker(learner.address, "--metrics_listen", "127.0.0.1:0")
        harness.wait_until(lambda: self.metric(learner, 'tpo_groups_total{outcome="dropped_unverified"}') >= 20,
                           "drops in the learner's metrics")
        harness.wait_until(lambda: self.metric(worker, "tpo_rollout_groups_rejected_total") >= 20,
                           "drops in the worker's metrics")
        for process in (learner, worker):
            process.send(signal.SIGTERM)
        self.assert_ended_well(learner, worker)
        for record in run.records:
            self.assertEqual((record["reward_mean"], record["reward_std"]), (1, 0))
        self.assert_ledgers_balance(run)

    @staticmethod
    def metric(process, name):
        with urllib.request.urlopen(f"http://{process.metrics_address}/metrics", timeout=60) as page:
            for line in page.read().decode().splitlines():
                if line.startswith(name + " "):
                    return float(line.split()[-1])
        return 0.0

    def test_a_good_verifier_of_ones_own(self):
        # A task that no built-in verifier knows: as many zeros as possible.
        def zeros(request, context):
            return verifier.VerifyResponse(verdicts=[scored(list(completion.tokens).count(0) / len(completion.tokens))
                                                     for completion in request.completions])
        server = self.serve(zeros)
        run = self.train("run", *overrides(learner__steps=40), *self.external(server.address, deadline=2))
        rewards = [record["reward_mean"] for record in run.records]
        self.assertLess(rewards[0], 0.6)
        self.assertGreater(min(rewards[-5:]), 0.9)
        self.assertEqual(run.summary["ledger"]["dropped_unverified"], 0)
        # What the run is measured with, too.
        evaluate = ["tpo", "eval", run.directory, "--prompts", 20]
        self.assertGreater(json.loads(self.run_to_end(*evaluate))["reward_mean"], 0.9)
        server.stop()
        self.assertIn("no completion got a score", self.run_to_end(*evaluate, status=1))

    def test_the_same_rule_gives_the_same_run(self):
        run = self.train("run", *self.external(self.serve(exact_match).address))
        self.assert_same_course(run, self.reference())

    def test_a_verifier_that_comes_late(self):
        port = harness.Reserved()
        self.addCleanup(port.close)
        run = harness.Run(self.scratch / "run")
        train = self.start("tpo", "train", harness.SMALL, "--run_dir", run, *self.external(port.address, deadline=0.5))
        # Whoever waits for the first step learns why there is none.
        train.wait_for_output(rf"no score for a completion.*{port.address}")
        self.serve(exact_match, port.address)
        self.assert_ended_well(train)
        self.assertGreaterEqual(run.summary["ledger"]["dropped_unverified"], PROMPTS_PER_LEASE)
        self.assertEqual(run.summary["ledger"]["trained"], 20 * PROMPTS_PER_STEP)
        self.assert_ledgers_balance(run)

    def test_a_verifier_that_is_killed_and_comes_back(self):
        first = self.start_verifier()
        run = harness.Run(self.scratch / "run")
        train = self.start("tpo", "train", harness.SMALL, "--run_dir", run, *overrides(learner__steps=60),
                           *self.external(first.address))
        run.wait_for_steps(5, train)
        first.kill()
        self.assertTrue(train.running())
        self.start_verifier(listen=first.address)
        self.assert_ended_well(train)
        # What was being judged is judged again: nothing shows of it.
        self.assertEqual(run.summary["ledger"]["dropped_unverified"], 0)
        self.assert_same_course(run, self.reference(*overrides(learner__steps=60)))


if __name__ == "__main__":
    harness.main()
