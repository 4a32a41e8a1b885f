"""`tpo verifier-check` against `tpo-verifier` and against a verifier in Python, as users run it."""

import json
import os
import pathlib
import socket
import subprocess
import tempfile
import unittest

BIN = pathlib.Path(os.environ["TPO_BIN_DIR"])


def check(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([BIN / "tpo", "verifier-check", *arguments], capture_output=True, text=True, timeout=100)


class VerifierCheckProgramTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.verifier = subprocess.Popen([BIN / "tpo-verifier", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE,
                                        text=True)
        line = cls.verifier.stdout.readline()
        while line and not line.startswith("listening on "):
            line = cls.verifier.stdout.readline()
        cls.address = line.removeprefix("listening on ").strip()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.verifier.terminate()
        cls.verifier.wait()
        cls.verifier.stdout.close()

    def test_a_verifier_that_passes_exits_0(self) -> None:
        result = check(self.address, "--task", "sequence/copy/bag_of_tokens")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertIn("0 failed", result.stdout)
        self.assertIn("\nok       order", result.stdout)
        self.assertEqual(result.stderr, "")

    def test_json_lists_every_check(self) -> None:
        names = [line.split()[0] for line in check("--list").stdout.splitlines()]
        self.assertIn("oversized_request", names)
        result = check(self.address, "--json", "--task", "sequence/copy/bag_of_tokens")
        report = json.loads(result.stdout)
        self.assertEqual([entry["name"] for entry in report["checks"]], names)
        self.assertEqual(report["failed"], 0)
        self.assertEqual(report["address"], self.address)

    def test_a_verifier_that_fails_exits_1(self) -> None:
        # A prompt that this task refuses.
        with tempfile.NamedTemporaryFile("w", suffix=".json") as example:
            json.dump({"prompt": {"task": "sequence/copy/terminal", "tokens": [1]}, "completions": [{"tokens": [1]}]},
                      example)
            example.flush()
            result = check(self.address, "--example", example.name, "--only", "answers")
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn("FAIL     answers", result.stdout)
        self.assertIn("reference_tokens", result.stdout)
        self.assertIn("mend", result.stdout)

    def test_refusals_exit_2(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            nobody = f"127.0.0.1:{unused.getsockname()[1]}"
            for arguments, text in [((), "ADDRESS is required"),
                                    (("nowhere",), "HOST:PORT"),
                                    (("10.0.0.1:1",), "--insecure"),
                                    ((nobody, "--timeout_seconds", "1"), nobody),
                                    ((self.address, "--only", "ordre"), "did you mean order?"),
                                    ((self.address, "--example", "/no/such.json"), "/no/such.json"),
                                    ((self.address, "--tls_ca", "/no/such.pem"), "/no/such.pem"),
                                    ((self.address, "--tls_certificate", "a.pem"), "--tls_")]:
                with self.subTest(arguments=arguments):
                    result = check(*arguments)
                    self.assertEqual(result.returncode, 2, result.stdout + result.stderr)
                    self.assertIn(text, result.stderr)
                    self.assertEqual(result.stdout, "")


if __name__ == "__main__":
    unittest.main()
