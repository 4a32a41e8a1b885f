"""Bridges from end to end: tpo-verifier before Python reward servers of each kind, with the configs of the examples."""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["TPO_SOURCE_DIR"])
BIN = pathlib.Path(os.environ["TPO_BIN_DIR"])
EXAMPLES = SOURCE / "examples" / "verifiers" / "bridges"
SERVER = pathlib.Path(__file__).parent / "servers" / "reward_server.py"
SKIPPED = 77

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
try:
    import grpc
    import grpc_tools.protoc
    import yaml
except ImportError as error:
    print(f"{error}: run this with the environment of third_party/test-requirements.txt (./dev test does)")
    sys.exit(1 if os.environ.get("CI") else SKIPPED)

GENERATED = tempfile.TemporaryDirectory(prefix="tpo_protocol_")  # pylint: disable=consider-using-with
WELL_KNOWN = pathlib.Path(grpc_tools.__file__).parent / "_proto"
if grpc_tools.protoc.main(["protoc", f"-I{SOURCE / 'proto'}", f"-I{WELL_KNOWN}", f"--python_out={GENERATED.name}",
                           f"--grpc_python_out={GENERATED.name}", "tpo/v1/types.proto", "tpo/v1/verifier.proto"]) != 0:
    sys.exit("protoc refused the protocol")
sys.path.insert(0, GENERATED.name)
from tpo.v1 import types_pb2, verifier_pb2, verifier_pb2_grpc  # pylint: disable=wrong-import-position

SCORED = types_pb2.VERDICT_KIND_SCORED
ABSTAINED = types_pb2.VERDICT_KIND_ABSTAINED
FAILED = types_pb2.VERDICT_KIND_FAILED
SHAPES = {"openrlhf": "/get_reward", "slime": "/", "nemo_gym": "/verify"}


class Program:
    """A process that prints "listening on …" once it serves; killed by the kernel if this one dies."""

    def __init__(self, *command, environment=None):
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *map(str, command)],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, env=os.environ | (environment or {}))
        self.said = []
        self.listening_on = None
        for line in self.process.stdout:
            self.said.append(line)
            found = re.search(r"listening on (\S+)", line)
            if found:
                self.listening_on = found.group(1)
                break

    def end(self):
        """Kills it, and waits."""
        self.process.kill()
        self.process.stdout.close()
        return self.process.wait()


def request(*responses, prompt="2+2=", label="4", **metadata):
    """A group of responses to one prompt."""
    message = verifier_pb2.VerifyRequest()
    message.prompt.task = "math/sum"
    message.prompt.text = prompt
    message.prompt.reference_answer = label
    message.prompt.metadata.update(metadata)
    for response in responses:
        message.completions.add(text=response, tokens=[1], behavior_log_probs=[-1.0],
                                finish_reason=types_pb2.FINISH_REASON_STOP).weight_versions.add()
    return message


class RewardServersTest(unittest.TestCase):

    def reward_server(self, shape, *arguments):
        """A reward server; its port."""
        program = Program(sys.executable, SERVER, shape, *arguments)
        self.addCleanup(program.end)
        self.assertIsNotNone(program.listening_on, program.said)
        return int(program.listening_on)

    def bridge(self, http, environment=None):
        """tpo-verifier with one bridge; a stub of its service."""
        config = {"verifier_service": {"verifiers": [{"tasks": ["math/*"], "http": http}]}}
        program = self.verifier(config, environment)
        self.assertIsNotNone(program.listening_on, program.said)
        channel = grpc.insecure_channel(program.listening_on)
        self.addCleanup(channel.close)
        return verifier_pb2_grpc.VerifierServiceStub(channel)

    def verifier(self, config, environment=None):
        """tpo-verifier with this config, whether it starts or not."""
        with tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False) as file:
            self.addCleanup(os.unlink, file.name)
            yaml.safe_dump(config, file)
        program = Program(BIN / "tpo-verifier", "--listen", "127.0.0.1:0", "--config", file.name,
                          environment=environment)
        self.addCleanup(program.end)
        return program

    def verify(self, stub, message):
        """The verdicts as (kind, score), and their reasons."""
        answer = stub.Verify(message, timeout=60)
        self.assertEqual(len(answer.verdicts), len(message.completions))
        for verdict in answer.verdicts:
            if verdict.kind != SCORED:
                self.assertEqual(verdict.score, 0.0)
                self.assertNotEqual(verdict.reason, "")
        return [(v.kind, v.score) for v in answer.verdicts], [v.reason for v in answer.verdicts]

    def test_every_kind_of_server_judges_right_and_wrong(self):
        for shape, path in SHAPES.items():
            with self.subTest(shape=shape):
                port = self.reward_server(shape)
                stub = self.bridge({"url": f"http://127.0.0.1:{port}{path}", "shape": shape})
                # Several groups at a time, with Unicode, an empty response and one of 10,000 words.
                groups = [(request("4", "5", "", "4" * 10000), [1, 0, 0, 0]),
                          (request("vier 🙂", "4", label="vier 🙂", prompt="zwei plus zwei 🙂? "), [1, 0]),
                          (request("4\n", " 4"), [1, 1])] * 5
                with concurrent.futures.ThreadPoolExecutor(8) as pool:
                    for (_, scores), (verdicts, reasons) in zip(
                            groups, pool.map(lambda group: self.verify(stub, group[0]), groups)):
                        self.assertEqual(verdicts, [(SCORED, score) for score in scores], reasons)
                self.assertEqual(stub.Describe(verifier_pb2.DescribeRequest()).tasks, ["math/*"])

    def test_what_a_server_does_wrong_is_never_a_score(self):
        cases = {
            "openrlhf": [("!null", ABSTAINED, "rewards[1] is null"), ("!text", FAILED, "rewards[1] is a string")],
            "slime": [("!null", FAILED, "is null"), ("!text", FAILED, "is a string"), ("!nan", FAILED, "not JSON"),
                      ("!crash", FAILED, "status 500")],
            "nemo_gym": [("!null", FAILED, "reward is null"), ("!text", FAILED, "reward is a string"),
                         ("!nan", FAILED, "not JSON"), ("!crash", FAILED, "status 500"),
                         ("!judge", FAILED, "judge_failed: no judge")],
        }
        for shape, expected in cases.items():
            port = self.reward_server(shape)
            stub = self.bridge({"url": f"http://127.0.0.1:{port}{SHAPES[shape]}", "shape": shape})
            for response, kind, reason in expected:
                with self.subTest(shape=shape, response=response):
                    verdicts, reasons = self.verify(stub, request("4", response, "5"))
                    self.assertEqual(verdicts, [(SCORED, 1), (kind, 0), (SCORED, 0)])
                    self.assertIn(reason, reasons[1])
            # Busy once: it is asked again.
            with self.subTest(shape=shape, response="!busy"):
                self.assertEqual(self.verify(stub, request(f"!busy {shape}"))[0], [(SCORED, 0.5)])

    def test_an_answer_that_is_not_json_fails_the_group(self):
        port = self.reward_server("openrlhf")
        stub = self.bridge({"url": f"http://127.0.0.1:{port}/get_reward", "shape": "openrlhf"})
        verdicts, reasons = self.verify(stub, request("4", "!nan"))
        self.assertEqual(verdicts, [(FAILED, 0), (FAILED, 0)])
        self.assertIn("NaN", reasons[0])

    def test_a_wrong_url_says_so(self):
        port = self.reward_server("nemo_gym")
        for path, reason in (("/verify/", "a redirect to http://127.0.0.1:"), ("/other", "status 404")):
            stub = self.bridge({"url": f"http://127.0.0.1:{port}{path}", "shape": "nemo_gym"})
            verdicts, reasons = self.verify(stub, request("4"))
            self.assertEqual(verdicts, [(FAILED, 0)])
            self.assertIn(reason, reasons[0])
        # The wrong shape: the server says which field it lacks.
        stub = self.bridge({"url": f"http://127.0.0.1:{port}/verify", "shape": "slime"})
        self.assertIn("responses_create_params: field required", self.verify(stub, request("4"))[1][0])

    def test_a_server_that_is_gone_and_comes_back(self):
        server = Program(sys.executable, SERVER, "slime")
        stub = self.bridge({"url": f"http://127.0.0.1:{server.listening_on}/", "shape": "slime", "retries": 0})
        self.assertEqual(self.verify(stub, request("4"))[0], [(SCORED, 1)])
        server.end()
        verdicts, reasons = self.verify(stub, request("4"))
        self.assertEqual(verdicts, [(FAILED, 0)])
        self.assertIn("onnect", reasons[0])

    def test_a_token_from_the_environment(self):
        port = self.reward_server("slime")
        http = {"url": f"http://127.0.0.1:{port}/", "shape": "slime",
                "headers": [{"name": "Authorization", "environment": "REWARD_TOKEN", "prefix": "Bearer "}]}
        stub = self.bridge(http, {"REWARD_TOKEN": "right"})
        self.assertEqual(self.verify(stub, request("4"))[0], [(SCORED, 1)])
        stub = self.bridge(http, {"REWARD_TOKEN": "wrong"})
        self.assertIn("status 401", self.verify(stub, request("4"))[1][0])
        refused = self.verifier({"verifier_service": {"verifiers": [{"tasks": ["math/*"], "http": http}]}})
        self.assertIsNone(refused.listening_on)
        self.assertIn("REWARD_TOKEN", "".join(refused.said))

    def test_certificates_are_checked(self):
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = f"{folder}/certificate.pem", f"{folder}/key.pem"
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                            "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost",
                            "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
            port = self.reward_server("slime", "--certificate", certificate, "--key", key)
            cases = [({"url": f"https://localhost:{port}/", "certificate_authority": certificate}, None),
                     ({"url": f"https://localhost:{port}/"}, "certificate"),
                     ({"url": f"https://127.0.0.1:{port}/", "certificate_authority": certificate}, "127.0.0.1")]
            for http, reason in cases:
                with self.subTest(http=http):
                    stub = self.bridge(http | {"shape": "slime"})
                    verdicts, reasons = self.verify(stub, request("4"))
                    self.assertEqual(verdicts, [(SCORED, 1)] if reason is None else [(FAILED, 0)], reasons)
                    if reason is not None:
                        self.assertIn(reason, reasons[0].split(": ", 1)[1])

    def test_the_examples_are_what_they_say(self):
        examples = sorted(EXAMPLES.glob("*.yaml"))
        self.assertEqual([path.stem for path in examples], sorted(SHAPES))
        for path in examples:
            with self.subTest(example=path.name):
                config = yaml.safe_load(path.read_text(encoding="utf-8"))
                http = config["verifier_service"]["verifiers"][0]["http"]
                self.assertEqual(http["shape"], path.stem)
                config["verifier_service"]["verifiers"][0]["tasks"] = ["math/*"]
                secrets = {header["environment"]: "right" for header in http.get("headers", ())}
                http["url"] = f"http://127.0.0.1:{self.reward_server(path.stem)}{SHAPES[path.stem]}"
                program = self.verifier(config, secrets)
                self.assertIsNotNone(program.listening_on, program.said)
                with grpc.insecure_channel(program.listening_on) as channel:
                    verdicts, reasons = self.verify(verifier_pb2_grpc.VerifierServiceStub(channel),
                                                    request("4", "5", options="[]"))
                self.assertEqual(verdicts, [(SCORED, 1), (SCORED, 0)], reasons)
                # And as they stand, they start.
                untouched = Program(BIN / "tpo-verifier", "--listen", "127.0.0.1:0", "--config", path,
                                    environment=secrets)
                self.addCleanup(untouched.end)
                self.assertIsNotNone(untouched.listening_on, untouched.said)

    def test_a_config_that_is_wrong_names_the_field(self):
        good = {"url": "http://127.0.0.1:1/", "shape": "slime"}
        for change, message in (({"url": "http://graders.example/"}, "url: "),
                                ({"shape": "verl"}, "openrlhf"),
                                ({"headers": [{"name": "Authorization", "value": "Bearer 1"}]}, "Authorization"),
                                ({"completions_per_request": 4}, "completions_per_request")):
            with self.subTest(change=change):
                program = self.verifier({"verifier_service": {"verifiers": [{"tasks": ["math/*"],
                                                                             "http": good | change}]}})
                self.assertIsNone(program.listening_on)
                self.assertIn(message, "".join(program.said))
                self.assertEqual(program.process.wait(timeout=60), 2)
        program = self.verifier({"verifier_service": {"verifiers": [{"http": good}]}})
        self.assertIn("verifiers[0].tasks: is missing", "".join(program.said))


if __name__ == "__main__":
    unittest.main()
