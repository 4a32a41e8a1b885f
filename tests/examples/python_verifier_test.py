"""The Python package that serves reward functions, as a caller sees it."""

import asyncio
import os
import pathlib
import signal
import subprocess
import sys
import threading
import unittest
import unittest.mock

import package  # First: makes the imports below work.
import harness

try:
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
    from tpo.v1 import types_pb2, verifier_pb2, verifier_pb2_grpc
    from tpo_verifier import server as package_server
    from tpo_verifier import service
    from tpo_verifier.call import Call, Judgement
    from tpo_verifier.function import RewardFunction, Router, verifier
    from tpo_verifier.processes import WorkerProcess
    from tpo_verifier.runners import ThreadRunner
    from tpo_verifier.verdict import of_returned_list
except ImportError as missing:
    harness.missing_package(missing)

SCORED = types_pb2.VERDICT_KIND_SCORED
ABSTAINED = types_pb2.VERDICT_KIND_ABSTAINED
TIMED_OUT = types_pb2.VERDICT_KIND_TIMED_OUT
FAILED = types_pb2.VERDICT_KIND_FAILED
# Of a call that has to be answered before it; everything else has all the time it wants.
SHORT_SECONDS = 3.0


def request(task, *texts, want_token_rewards=False, **prompt):
    completions = [
        types_pb2.Completion(
            text=text, tokens=[5] * len(text), finish_reason=types_pb2.FINISH_REASON_STOP
        )
        for text in texts
    ]
    return verifier_pb2.VerifyRequest(
        prompt=types_pb2.Prompt(task=task, tokens=[1], **prompt),
        completions=completions,
        want_token_rewards=want_token_rewards,
    )


class ServerTest(harness.IntegrationTest):
    def serve(self, function="graders", *arguments, **options):
        server = package.Server(function, *arguments, **options)
        self._processes.append(server)
        channel = grpc.insecure_channel(server.address)
        self.addCleanup(channel.close)
        self.stub = verifier_pb2_grpc.VerifierServiceStub(channel)
        self.channel = channel
        return server

    def verify(self, *arguments, timeout=harness.PATIENCE_SECONDS, **fields):
        return self.stub.Verify(request(*arguments, **fields), timeout=timeout).verdicts

    def kinds(self, *arguments, **fields):
        return [verdict.kind for verdict in self.verify(*arguments, **fields)]

    def assert_refused(self, code, *arguments, **fields):
        with self.assertRaises(grpc.RpcError) as caught:
            self.verify(*arguments, **fields)
        self.assertEqual(caught.exception.code(), code)
        return caught.exception.details()

    def pipe(self, name):
        """A grader with this path begins, says so in PATH.begun, and waits for a line."""
        path = self.scratch / name
        os.mkfifo(path)
        return path

    @staticmethod
    def begun(path):
        return int(
            harness.wait_until(
                lambda: (
                    pathlib.Path(f"{path}.begun").exists()
                    and pathlib.Path(f"{path}.begun").read_text()
                ),
                path,
            )
        )


class VerdictTest(ServerTest):
    """What functions return and raise, and what a caller gets for it."""

    @classmethod
    def setUpClass(cls):
        cls.server = package.Server("graders")
        cls.addClassCleanup(cls.server.kill)

    def setUp(self):
        super().setUp()
        channel = grpc.insecure_channel(self.server.address)
        self.addCleanup(channel.close)
        self.stub = verifier_pb2_grpc.VerifierServiceStub(channel)

    def test_functions_get_the_callers_trace(self):
        traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        response = self.stub.Verify(request("traced", "a"), metadata=[("traceparent", traceparent)])
        self.assertEqual(response.verdicts[0].explanation, traceparent)
        self.assertEqual(self.verify("traced", "a")[0].explanation, "")

    def test_scores_in_order(self):
        response = self.stub.Verify(
            request("length", "abc", "", "日本語です", reference_answer="ab")
        )
        self.assertEqual(
            [(verdict.kind, verdict.score) for verdict in response.verdicts],
            [(SCORED, 1.0), (SCORED, -2.0), (SCORED, 3.0)],
        )
        self.assertEqual((response.verifier, response.verifier_version), ("lengths", "7"))

    def test_as_trl_calls_it(self):
        verdicts = self.verify(
            "columns", "a", "bcd", text="12345", metadata={"level": "100", "answer": "xy"}
        )
        self.assertEqual(
            [verdict.score for verdict in verdicts], [5 + 1 + 100 + 2, 5 + 3 + 100 + 2]
        )

    def test_each_unusable_value_costs_its_completion_alone(self):
        texts = [
            "true",
            "nan",
            "inf",
            "none",
            "text",
            "bad cost",
            "bad part",
            "rich",
            "abstained",
            "failed",
            "object",
            "no kind",
        ]
        verdicts = dict(zip(texts, self.verify("mixed/values", *texts), strict=True))
        self.assertEqual(
            {text for text in texts if verdicts[text].kind == SCORED}, {"true", "rich", "bad cost"}
        )
        self.assertEqual(
            {text for text in texts if verdicts[text].kind == ABSTAINED}, {"none", "abstained"}
        )
        self.assertEqual(
            {text for text in texts if verdicts[text].kind == FAILED},
            {"nan", "inf", "text", "bad part", "failed", "object", "no kind"},
        )
        self.assertEqual((verdicts["true"].score, verdicts["bad cost"].cost), (1.0, 0.0))
        for text, verdict in verdicts.items():
            if verdict.kind != SCORED:
                self.assertEqual(verdict.score, 0.0, text)
                self.assertTrue(verdict.reason, text)
        self.assertEqual(verdicts["nan"].reason, "the score isn't finite (nan)")
        self.assertEqual(verdicts["text"].reason, "the function returned str, not a number")
        self.assertEqual(verdicts["abstained"].reason, "not mine")
        self.assertEqual(verdicts["failed"].reason, "no compiler")
        rich = verdicts["rich"]
        self.assertEqual(
            (rich.score, dict(rich.components), rich.cost), (0.5, {"style": 0.25}, 2.0)
        )
        self.assertEqual(rich.explanation, "because ?")

    def test_long_explanations_are_cut(self):
        self.assertEqual(self.verify("mixed/values", "long")[0].explanation, "é" * 2048)

    def test_a_wrong_count_fails_the_group(self):
        verdicts = self.verify("mixed/count", "a", "b")
        self.assertEqual([verdict.kind for verdict in verdicts], [FAILED, FAILED])
        self.assertEqual(verdicts[0].reason, "the function returned 1 values for 2 completions")
        # One completion, one value.
        self.assertEqual(self.kinds("mixed/count", "a"), [SCORED])
        self.assertEqual(
            self.verify("mixed/no_list", "a")[0].reason, "the function returned float, not a list"
        )

    def test_an_exception_fails_the_group_with_type_and_message(self):
        verdicts = self.verify("raises", "a", "b", metadata={"needed": "oracle"})
        self.assertEqual(
            [(verdict.kind, verdict.reason) for verdict in verdicts],
            [(FAILED, "KeyError: 'no oracle'")] * 2,
        )
        self.assertEqual(self.verify("raises/silent", "a")[0].reason, "SilentError")
        # The traceback is in the log.
        self.server.wait_for_output(r"graders\.py\", line \d+, in raises")

    def test_a_field_that_the_prompt_lacks(self):
        self.assertEqual(
            self.verify("raises", "a")[0].reason, "LookupError: the prompt has no field 'needed'"
        )

    def test_one_by_one_an_exception_costs_its_completion_alone(self):
        verdicts = self.verify("one_by_one", "2", "0", "abstain", "x", "4")
        self.assertEqual(
            [verdict.kind for verdict in verdicts], [SCORED, FAILED, ABSTAINED, FAILED, SCORED]
        )
        self.assertEqual((verdicts[0].score, verdicts[4].score), (0.5, 0.25))
        self.assertEqual(verdicts[1].reason, "ZeroDivisionError: float division by zero")

    def test_what_was_judged_before_the_deadline_counts(self):
        verdicts = self.verify("one_by_one", "2", "hang", "4", timeout=SHORT_SECONDS)
        self.assertEqual([verdict.kind for verdict in verdicts], [SCORED, TIMED_OUT, TIMED_OUT])
        # Coroutines go on side by side.
        self.assertEqual(
            self.kinds("async", "2", "hang", "4", timeout=SHORT_SECONDS),
            [SCORED, TIMED_OUT, SCORED],
        )

    def test_a_timeout_of_the_functions_own(self):
        self.assertEqual(self.kinds("brief", "a", "b"), [TIMED_OUT, TIMED_OUT])

    def test_coroutines(self):
        verdicts = self.verify("async", "2", "x", "exit", "3.5")
        self.assertEqual([verdict.kind for verdict in verdicts], [SCORED, FAILED, FAILED, SCORED])
        self.assertEqual(verdicts[2].reason, "SystemExit: no more")
        self.assertEqual(verdicts[3].score, 3.5)
        (verdict,) = self.verify("async/cancelled", "a")
        self.assertEqual((verdict.kind, verdict.reason), (FAILED, "CancelledError"))

    def test_token_rewards(self):
        self.assertEqual(
            list(self.verify("token_rewards", "abc", want_token_rewards=True)[0].token_rewards),
            [0.5] * 3,
        )
        self.assertEqual(list(self.verify("token_rewards", "abc")[0].token_rewards), [])
        # Beyond what a float holds.
        self.assertEqual(self.kinds("token_rewards", "huge", want_token_rewards=True), [FAILED])
        # A function that doesn't give them can't say that it does.
        self.assertEqual(self.kinds("length", "abc", want_token_rewards=True), [FAILED])

    def test_a_task_of_nobody(self):
        self.assertIn(
            "'unknown' is not one of",
            self.assert_refused(grpc.StatusCode.NOT_FOUND, "unknown", "a"),
        )

    def test_malformed_requests(self):
        self.assertIn(
            "completions", self.assert_refused(grpc.StatusCode.INVALID_ARGUMENT, "length")
        )
        self.assertIn(
            "4097; at most 4096",
            self.assert_refused(grpc.StatusCode.INVALID_ARGUMENT, "length", *["a"] * 4097),
        )
        with self.assertRaises(grpc.RpcError) as caught:
            self.stub.Verify(verifier_pb2.VerifyRequest(completions=[types_pb2.Completion()]))
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)

    def test_describe(self):
        description = self.stub.Describe(verifier_pb2.DescribeRequest())
        self.assertEqual(description.verifier, "tpo_verifier")
        self.assertLess({"length", "mixed/*", "mixed/count"}, set(description.tasks))
        self.assertEqual(
            (description.max_completions, description.max_request_bytes), (4096, 128 << 20)
        )
        # Of some of its functions.
        self.assertTrue(description.token_rewards)


class OperationTest(ServerTest):
    """Health, limits, cancel, processes and the end."""

    def test_health_and_reflection(self):
        self.serve("graders:mixed")
        stub = health_pb2_grpc.HealthStub(self.channel)
        for name in ("", "tpo.v1.VerifierService", "tpo.v1.VerifierService/mixed/*"):
            self.assertEqual(
                stub.Check(health_pb2.HealthCheckRequest(service=name)).status,
                health_pb2.HealthCheckResponse.SERVING,
                name,
            )
        reflection = reflection_pb2_grpc.ServerReflectionStub(self.channel)
        answers = reflection.ServerReflectionInfo(
            iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        )
        names = [service.name for service in next(answers).list_services_response.service]
        self.assertIn("tpo.v1.VerifierService", names)

    def test_overload_is_refused_and_passes(self):
        self.serve("graders:file", "--workers", "1", "--max_queue", "1")
        paths = [self.pipe("first"), self.pipe("second")]
        first = self.stub.Verify.future(request("file", "a", metadata={"path": str(paths[0])}))
        self.begun(paths[0])
        second = self.stub.Verify.future(request("file", "a", metadata={"path": str(paths[1])}))
        # The second waits or is on its way; whichever comes third is one too many.
        third = self.stub.Verify.future(request("file", "a", metadata={"path": str(paths[1])}))
        refused = harness.wait_until(
            lambda: [call for call in (second, third) if call.done()], "a refusal"
        )
        self.assertEqual([call.code() for call in refused], [grpc.StatusCode.RESOURCE_EXHAUSTED])
        paths[0].write_text("1\n")
        paths[1].write_text("2\n")
        (waiting,) = {second, third} - set(refused)
        self.assertEqual([call.result().verdicts[0].score for call in (first, waiting)], [1.0, 2.0])

    def test_a_group_that_never_got_a_worker(self):
        self.serve("graders:one_by_one", "--workers", "1")
        hanging = self.stub.Verify.future(request("one_by_one", "hang"))
        self.addCleanup(hanging.cancel)
        (verdict,) = harness.wait_until(
            lambda: [
                verdict
                for verdict in self.verify("one_by_one", "1", timeout=SHORT_SECONDS)
                if verdict.kind == TIMED_OUT
            ],
            "a group that waits in vain",
        )
        self.assertEqual(verdict.reason, "not begun before the deadline: all workers were busy")

    def test_a_process_that_hangs_is_killed_with_its_children(self):
        self.serve("graders:process", "--processes", "--workers", "1")
        path = self.scratch / "child"
        self.assertEqual(
            self.kinds(
                "process",
                "1",
                "children",
                "2",
                metadata={"path": str(path)},
                timeout=2 * SHORT_SECONDS,
            ),
            [SCORED, TIMED_OUT, TIMED_OUT],
        )
        child = int(path.read_text())
        harness.wait_until(lambda: not running(child), "the end of the grandchild")
        # Another process has taken its place.
        self.assertEqual(self.kinds("process", "1", metadata={"path": ""}), [SCORED])

    def test_a_process_that_dies(self):
        server = self.serve("graders:process", "--processes", "--workers", "1")
        verdicts = self.verify("process", "1", "segfault", "2", metadata={"path": ""})
        self.assertEqual([verdict.kind for verdict in verdicts], [SCORED, FAILED, FAILED])
        self.assertEqual(verdicts[1].reason, "the function's process ended (signal SIGSEGV)")
        verdicts = self.verify("process", "exit", metadata={"path": ""})
        self.assertEqual(verdicts[0].reason, "the function's process ended (status 3)")
        self.assertEqual(self.kinds("process", "1", metadata={"path": ""}), [SCORED])
        self.assertTrue(server.running())

    def test_cancel_frees_a_process(self):
        self.serve("graders:file", "--processes", "--workers", "1", "--max_queue", "0")
        path = self.pipe("pipe")
        call = self.stub.Verify.future(request("file", "a", metadata={"path": str(path)}))
        grader = self.begun(path)
        call.cancel()
        harness.wait_until(lambda: not running(grader), "the end of the grader")
        other = self.pipe("other")

        def judged():
            call = self.stub.Verify.future(request("file", "a", metadata={"path": str(other)}))
            harness.wait_until(
                lambda: call.done() or pathlib.Path(f"{other}.begun").exists(), "an answer"
            )
            if call.done():
                self.assertEqual(call.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
                return None
            other.write_text("4\n")
            return call.result().verdicts

        self.assertEqual(harness.wait_until(judged, "a free place")[0].score, 4.0)

    def test_sigterm_lets_calls_end(self):
        server = self.serve("graders:file")
        path = self.pipe("pipe")
        call = self.stub.Verify.future(request("file", "a", metadata={"path": str(path)}))
        self.begun(path)
        server.send(signal.SIGTERM)
        server.wait_for_output("draining")
        path.write_text("3\n")
        self.assertEqual(call.result().verdicts[0].score, 3.0)
        self.assertEqual(server.wait(), 0, str(server))

    def test_sigterm_leaves_no_process(self):
        server = self.serve("graders:file", "--processes", "--workers", "2", "--drain_seconds", "0")
        path = self.pipe("pipe")
        call = self.stub.Verify.future(request("file", "a", metadata={"path": str(path)}))
        grader = self.begun(path)
        server.send(signal.SIGTERM)
        self.assertEqual(server.wait(), 0, str(server))
        self.assertIsNotNone(call.exception())
        harness.wait_until(lambda: not running(grader), "the end of the grader")

    def test_sigterm_does_not_wait_for_a_process_that_starts(self):
        with unittest.mock.patch.dict(os.environ, {"TPO_TEST_FOLDER": str(self.scratch)}):
            server = self.serve(
                "slow_start:ends", "--processes", "--workers", "1", "--drain_seconds", "0"
            )
        call = self.stub.Verify.future(request("slow_start", "a"))
        self.addCleanup(call.cancel)
        importing = self.scratch / "importing"
        child = int(
            harness.wait_until(lambda: importing.exists() and importing.read_text(), importing)
        )
        server.send(signal.SIGTERM)
        self.assertEqual(server.wait(), 0, str(server))
        harness.wait_until(lambda: not running(child), "the end of the process that starts")

    def test_kill_leaves_no_process(self):
        server = self.serve("graders:file", "--processes", "--workers", "1")
        path = self.pipe("pipe")
        call = self.stub.Verify.future(request("file", "a", metadata={"path": str(path)}))
        grader = self.begun(path)
        server.kill()
        self.assertIsNotNone(call.exception())
        harness.wait_until(lambda: not running(grader), "the end of the grader")

    def test_tls(self):
        key, certificate = self.scratch / "key.pem", self.scratch / "certificate.pem"
        made = subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
                "-keyout",
                key,
                "-out",
                certificate,
            ],
            capture_output=True,
            text=True,
        )
        self.assertEqual(made.returncode, 0, made.stderr)
        server = package.Server(
            "graders:length", "--tls_certificate", certificate, "--tls_key", key
        )
        self._processes.append(server)
        credentials = grpc.ssl_channel_credentials(certificate.read_bytes())
        with grpc.secure_channel(server.address, credentials) as channel:
            stub = verifier_pb2_grpc.VerifierServiceStub(channel)
            self.assertEqual(stub.Verify(request("length", "ab")).verdicts[0].score, 2.0)
        with grpc.insecure_channel(server.address) as channel, self.assertRaises(grpc.RpcError):
            verifier_pb2_grpc.VerifierServiceStub(channel).Verify(request("length", "ab"))

    def test_what_is_refused_at_the_start(self):
        for arguments, message in [
            (("graders", "--listen", "0.0.0.0:0"), "not a loopback address"),
            (("graders", "--listen", "127.0.0.1"), "is not HOST:PORT"),
            (("graders:nothing", "--listen", "127.0.0.1:0"), "no function 'nothing'"),
            (("harness_that_is_not_there", "--listen", "127.0.0.1:0"), "No module named"),
            (("json", "--listen", "127.0.0.1:0"), "no function that is marked"),
            (("graders", "--listen", "127.0.0.1:0", "--tls_key", "k"), "go together"),
            (("graders", "--listen", "127.0.0.1:0", "--workers", "0"), "at least 1"),
        ]:
            with self.subTest(arguments):
                done = subprocess.run(
                    [sys.executable, "-m", "tpo_verifier", *arguments],
                    capture_output=True,
                    text=True,
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(package.PATH)},
                )
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(message, done.stderr)
                self.assertNotIn("Traceback", done.stderr)

    def test_an_address_in_use(self):
        port = harness.SilentServer()
        self.addCleanup(port.close)
        server = package.Server("graders", listen=port.address)
        self._processes.append(server)
        self.assertEqual(server.wait(), 1, str(server))
        server.wait_for_output(f"can't listen on {port.address}")


class SignatureTest(unittest.TestCase):
    def test_signatures_that_cannot_be_served(self):
        for function in (
            lambda prompt: [],
            lambda completion, completions: [],
            lambda completions, /: [],
        ):
            with self.subTest(function), self.assertRaises(TypeError):
                verifier(function)

    def test_the_decorated_function_is_itself(self):
        def reward(completions):
            return [1.0 for _ in completions]

        self.assertIs(verifier(tasks=["x"])(reward), reward)
        self.assertEqual(reward(completions=["a"]), [1.0])

    def test_tasks(self):
        def functions(*patterns):
            return [
                RewardFunction(verifier(tasks=list(names))(lambda completions: []))
                for names in patterns
            ]

        router = Router(functions(["a/*"], ["a/b/*", "c"], ["a/b"], ["*"]))
        self.assertEqual(
            [router.find(task) for task in ("a/x", "a/b/x", "a/b", "c", "d", "")],
            [0, 1, 2, 1, 3, 3],
        )
        self.assertIsNone(Router(functions(["a"])).find("b"))
        with self.assertRaisesRegex(ValueError, "two functions are for the task 'a'"):
            Router(functions(["a"], ["a"]))
        for tasks in ("a", [], [""], [3]):
            with self.subTest(tasks), self.assertRaises(ValueError):
                verifier(tasks=tasks)

    def test_addresses(self):
        self.assertEqual(package_server.parse_address("[::1]:50"), ("::1", 50))
        for address in ("localhost", "a:b", ":5", "::1:5", "[a]:5", "a:70000", "a:-1"):
            with self.subTest(address), self.assertRaises(ValueError):
                package_server.parse_address(address)
        self.assertTrue(all(map(package_server.is_loopback, ("localhost", "127.0.0.9", "::1"))))
        self.assertFalse(
            any(map(package_server.is_loopback, ("0.0.0.0", "example.org", "10.0.0.1")))
        )


class GivenUpTest(unittest.TestCase):
    """Calls that are given up before a worker is at them."""

    QUESTION = service._to_request(request("length", "abc", reference_answer="ab"))

    def judged(self, process, call):
        judgement = Judgement(1)
        process.run(0, self.QUESTION, call, judgement)
        return judgement.finish(None)[0]

    def test_a_process_is_not_killed_for_a_call_that_it_never_got(self):
        import graders

        process = WorkerProcess([RewardFunction(graders.length)])
        self.addCleanup(process.close)
        call = Call()
        call.cancel()
        self.assertIsNone(self.judged(process, call))
        process._kill_if_at_work(call)  # what the timer does that a late cancel sets
        self.assertEqual(self.judged(process, Call()).score, 1.0)

    def test_no_more_is_taken_of_a_generator_than_there_are_completions(self):
        taken = []

        def generator():
            while True:
                taken.append(1.0)
                if len(taken) > 1000:
                    raise RuntimeError("taken to its end")
                yield 1.0

        verdicts = of_returned_list(generator(), 2)
        self.assertEqual(
            [verdict.reason for verdict in verdicts],
            ["the function returned 3 or more values for 2 completions"] * 2,
        )
        self.assertEqual(len(taken), 3)
        self.assertEqual(
            of_returned_list([1.0] * 5, 2)[0].reason,
            "the function returned 5 values for 2 completions",
        )
        self.assertEqual([verdict.score for verdict in of_returned_list(iter((1, 2)), 2)], [1, 2])

    def test_a_log_gets_beginning_and_end_of_a_traceback(self):
        def fails(completions):
            raise ValueError("begin " + "x" * 1_000_000 + " end")

        judgement = Judgement(1)
        with self.assertLogs("tpo_verifier") as logs:
            RewardFunction(fails).judge(self.QUESTION, Call(), judgement)
        self.assertLess(len(logs.output[0]), 10_000)
        for part in ("fails failed", "Traceback", "begin xxx", "characters left out", "xxx end"):
            self.assertIn(part, logs.output[0])

    def test_threads_that_hang_do_not_pile_up_what_waits_for_them(self):
        begun, end = threading.Event(), threading.Event()
        self.addCleanup(end.set)

        def hang(completions):
            begun.set()
            end.wait()

        async def give_up():
            runner = ThreadRunner([RewardFunction(hang)], workers=1, processes=False)
            calls = [
                asyncio.create_task(runner.run(0, self.QUESTION, Call(), Judgement(1)))
                for _ in range(3)
            ]
            await asyncio.to_thread(begun.wait)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            self.assertEqual(list(runner._waiting), [])
            await asyncio.sleep(0)  # for what the calls left to the loop
            self.assertEqual(runner.occupied, 1)

        asyncio.run(give_up())


class ExamplesTest(ServerTest):
    def test_gsm8k(self):
        import gsm8k

        for completion, answer, score in [
            ("so it is 1,234.", "#### 1234", 1),
            ("12 then 13", "13.0", 1),
            ("13 of 12", "13", 0),
            ("-5", "5", 0),
            ("", "7", 0),
            ("it is -.5", "-0.5", 1),
        ]:
            with self.subTest(completion):
                self.assertEqual(gsm8k.reward(completion, answer).score, score)
        self.assertIsNone(gsm8k.reward("12", "").score)
        self.serve("gsm8k")
        self.assertEqual(
            self.kinds("gsm8k", "the answer is 5", "", reference_answer="5"), [SCORED, SCORED]
        )

    def test_sequence(self):
        self.serve("sequence:right_share")
        completions = [
            types_pb2.Completion(tokens=tokens) for tokens in ([1, 0, 1, 1], [1, 0, 0, 0], [])
        ]
        prompt = types_pb2.Prompt(
            task="sequence/reverse_copy/terminal", tokens=[1], reference_tokens=[1, 0, 1, 1]
        )
        verdicts = self.stub.Verify(
            verifier_pb2.VerifyRequest(prompt=prompt, completions=completions)
        ).verdicts
        self.assertEqual([verdict.score for verdict in verdicts], [1.0, 0.5, 0.0])
        self.assertEqual([verdict.components["exact"] for verdict in verdicts], [1.0, 0.0, 0.0])


def running(pid):
    """Whether there is such a process, and not only its remains."""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


if __name__ == "__main__":
    harness.main()
