"""The C++ SDK as somebody else uses it: installed, found by find_package(tpo), and talked to over gRPC."""

import importlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["TPO_SOURCE_DIR"])
BINARY = pathlib.Path(os.environ["TPO_BINARY_DIR"])
CMAKE = os.environ.get("TPO_CMAKE", "cmake")

try:
    import grpc
    import grpc_tools.protoc
    from grpc_health.v1 import health_pb2, health_pb2_grpc
except ImportError as missing:
    print(f"{missing}: run this with the environment of third_party/test-requirements.txt (./dev test does)")
    sys.exit(1 if os.environ.get("CI") else 77)


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{command} failed:\n{done.stdout}{done.stderr}")


class InstalledSdkTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(prefix="tpo_sdk_")
        cls.addClassCleanup(scratch.cleanup)
        cls.scratch = pathlib.Path(scratch.name)
        first = cls.scratch / "first"
        run(CMAKE, "--install", BINARY, "--component", "verifier_sdk", "--prefix", first)
        # An installed tree can be moved.
        cls.prefix = first.rename(cls.scratch / "prefix")
        cls.build_example()
        cls.generate_client()

    @classmethod
    def build_example(cls):
        # Out of the source tree, so that nothing of it is found by accident.
        example = shutil.copytree(SOURCE / "examples" / "verifiers" / "cpp", cls.scratch / "example")
        build = cls.scratch / "build"
        flags = os.environ.get("TPO_SANITIZER_FLAGS", "").replace(";", " ")
        launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
        run(CMAKE, "-S", example, "-B", build, "-G", os.environ.get("TPO_GENERATOR", "Ninja"),
            f"-DCMAKE_PREFIX_PATH={cls.prefix}", f"-DCMAKE_CXX_FLAGS={flags}",
            f"-DCMAKE_CXX_COMPILER={os.environ.get('TPO_CXX', 'c++')}", *launcher)
        run(CMAKE, "--build", build)
        cls.program = build / "closeness_verifier"

    @classmethod
    def generate_client(cls):
        """From the protocol's files in the installed tree alone."""
        protocol = cls.prefix / "share" / "tpo" / "proto"
        wellknown = pathlib.Path(grpc_tools.__file__).parent / "_proto"
        generated = cls.scratch / "generated"
        generated.mkdir()
        status = grpc_tools.protoc.main(
            ["protoc", f"-I{protocol}", f"-I{wellknown}", f"--python_out={generated}",
             f"--grpc_python_out={generated}", "tpo/v1/types.proto", "tpo/v1/verifier.proto"])
        assert status == 0
        sys.path.insert(0, str(generated))
        cls.types = importlib.import_module("tpo.v1.types_pb2")
        cls.verifier = importlib.import_module("tpo.v1.verifier_pb2")
        cls.verifier_grpc = importlib.import_module("tpo.v1.verifier_pb2_grpc")

    def start(self):
        process = subprocess.Popen([self.program, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        line = process.stdout.readline()
        self.assertTrue(line.startswith("listening on "), line)
        channel = grpc.insecure_channel(line.removeprefix("listening on ").strip())
        self.addCleanup(channel.close)
        return process, channel

    def test_the_example_scores_groups_and_ends_in_order(self):
        process, channel = self.start()
        request = self.verifier.VerifyRequest()
        request.prompt.task = "sequence/copy/terminal"
        request.prompt.tokens.extend([0, 1, 1, 0])
        request.prompt.reference_tokens.extend([0, 1, 1, 0])
        for tokens in ([0, 1, 1, 0], [0, 1, 0, 1], []):
            request.completions.add(tokens=tokens, behavior_log_probs=[-0.5] * len(tokens),
                                    finish_reason=self.types.FINISH_REASON_LENGTH,
                                    weight_versions=[self.types.WeightVersionSpan()])
        answer = self.verifier_grpc.VerifierServiceStub(channel).Verify(request, timeout=60)
        self.assertEqual([verdict.score for verdict in answer.verdicts], [1.0, 0.5, 0.0])
        self.assertEqual({verdict.kind for verdict in answer.verdicts}, {self.types.VERDICT_KIND_SCORED})
        self.assertEqual((answer.verifier, answer.verifier_version), ("closeness", "1"))

        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", "tpo.v1.VerifierService", "tpo.v1.VerifierService/sequence/*"):
            status = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=60).status
            self.assertEqual(status, health_pb2.HealthCheckResponse.SERVING, service)

        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 0)

    def test_nothing_installed_names_the_tree_it_came_from(self):
        for file in (self.prefix / "lib" / "cmake" / "tpo").iterdir():
            self.assertNotIn(str(SOURCE), file.read_text(encoding="utf-8"), file.name)

    def test_the_sdk_brings_no_libtorch(self):
        libraries = subprocess.run(["ldd", self.program], check=True, capture_output=True, text=True).stdout
        self.assertNotRegex(libraries, "libtorch|libc10")


if __name__ == "__main__":
    unittest.main()
