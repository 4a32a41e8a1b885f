"""The verifier in Go: built by its script, asked, and trained with. Only where Debian's Go packages
are installed.
"""

import atexit
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import package  # First: makes the imports below work.
import harness

try:
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc
    from tpo.v1 import types_pb2, verifier_pb2, verifier_pb2_grpc
except ImportError as missing:
    harness.missing_package(missing)


class GoVerifierTest(harness.IntegrationTest):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(prefix="tpo_go_verifier_")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        cls.program = pathlib.Path(folder) / "first_tokens"
        built = subprocess.run(
            [harness.SOURCE / "examples" / "verifiers" / "go" / "build.sh", cls.program],
            capture_output=True,
            text=True,
        )
        if built.returncode == harness.SKIPPED:
            print(built.stderr, end="")
            # Of the script: not within a test, where unittest takes it for an error.
            sys.exit(harness.SKIPPED)
        if built.returncode != 0:
            raise RuntimeError(built.stderr)

    def setUp(self):
        super().setUp()
        # An absolute path stays as it is below the folder of our programs.
        self.server = self.start(self.program, "--listen", "127.0.0.1:0")

    def test_scores_health_and_drain(self):
        with grpc.insecure_channel(self.server.address) as channel:
            stub = verifier_pb2_grpc.VerifierServiceStub(channel)
            prompt = types_pb2.Prompt(
                task="sequence/copy/terminal", tokens=[1], reference_tokens=[1, 0, 1, 1]
            )
            completions = [
                types_pb2.Completion(tokens=tokens)
                for tokens in ([1, 0, 1, 1], [1, 0, 0, 1], [], [1, 0, 1, 1, 1])
            ]
            request = verifier_pb2.VerifyRequest(prompt=prompt, completions=completions)
            self.assertEqual(
                [verdict.score for verdict in stub.Verify(request).verdicts], [1.0, 0.5, 0.0, 1.0]
            )
            request.prompt.ClearField("reference_tokens")
            self.assertEqual(
                {verdict.kind for verdict in stub.Verify(request).verdicts},
                {types_pb2.VERDICT_KIND_ABSTAINED},
            )
            with self.assertRaises(grpc.RpcError) as caught:
                stub.Verify(verifier_pb2.VerifyRequest(prompt=prompt))
            self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
            self.assertEqual(stub.Describe(verifier_pb2.DescribeRequest()).verifier, "first_tokens")
            health = health_pb2_grpc.HealthStub(channel)
            for name in ("", "tpo.v1.VerifierService"):
                self.assertEqual(
                    health.Check(health_pb2.HealthCheckRequest(service=name)).status,
                    health_pb2.HealthCheckResponse.SERVING,
                )
        self.run_to_end("tpo", "verifier-check", self.server.address)
        # A run of which every score is one of its own.
        run = self.train(
            "run",
            *harness.overrides(
                verifiers=f"[{{address: '{self.server.address}'}}]", learner__steps=30
            ),
        )
        self.assertEqual(run.summary["ledger"]["dropped_unverified"], 0)
        rewards = [record["reward_mean"] for record in run.records]
        self.assertGreater(rewards[-1], rewards[0])
        self.server.send(signal.SIGTERM)
        self.assertEqual(self.server.wait(), 0, str(self.server))


if __name__ == "__main__":
    harness.main()
