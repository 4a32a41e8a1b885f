"""The variants and the sequence study: what they run and what they report. Programs stand in for `tpo` and the verifier."""

import json
import os
import pathlib
import sys
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from unittest import mock

ROOT = pathlib.Path(os.environ["TPO_SOURCE_DIR"])
sys.path[:0] = [str(ROOT / "bench/paper"), str(ROOT / "bench/studies")]

import sequence_study  # noqa: E402
import variants_study  # noqa: E402

# Half of the completions are right; a noisy verifier takes half of its noise away.
STAND_IN = """#!{python}
import json, os, pathlib, sys
if sys.argv[1] == "--version":
    print("tpo 1 (commit abc)")
    sys.exit()
settings = dict(pair.split("=", 1) for pair in sys.argv[5:] if "=" in pair)
directory = pathlib.Path(sys.argv[sys.argv.index("--run_dir") + 1])
with open(os.environ["STAND_IN_CALLS"], "a") as calls:
    calls.write(json.dumps(settings) + "\\n")
directory.mkdir(parents=True, exist_ok=True)
record = {{"error": 0.5 - (0.0005 if "verifiers" in settings else 0), "grad_norm": 1.0, "zero_variance_fraction": 0.25,
           "all_fail_fraction": 0.125, "target_distance": 0.1, "policy_entropy": 2.0}}
(directory / "metrics.jsonl").write_text((json.dumps(record) + "\\n") * int(settings["learner.steps"]))
(directory / "summary.json").write_text(json.dumps(
    {{"status": "finished", "commit": "abc", "cpu_seconds": 1.5, "wall_seconds": 1.0, "peak_memory_bytes": 7}}))
"""
VERIFIER = """#!{python}
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print("listening on unix:here", flush=True)
signal.sigwait([signal.SIGTERM])
"""


class StudyTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.tpo, self.verifier = self.program("tpo", STAND_IN), self.program("noisy_verifier", VERIFIER)
        self.calls_file = self.folder / "calls"
        environment = mock.patch.dict(os.environ, {"STAND_IN_CALLS": str(self.calls_file)})
        environment.start()
        self.addCleanup(environment.stop)

    def program(self, name, text):
        path = self.folder / name
        path.write_text(text.format(python=sys.executable))
        path.chmod(0o755)
        return path

    def study(self, module, action, *arguments):
        command = [module.__name__, action, "--out", str(self.folder / "out"), "--tpo", str(self.tpo), "--results",
                   str(self.folder / "results"), "--steps", "60", *arguments]
        output = StringIO()
        with mock.patch.object(sys, "argv", command), redirect_stdout(output), redirect_stderr(StringIO()):
            self.assertEqual(module.main(), 0, output.getvalue())
        return output.getvalue()

    def calls(self):
        return [json.loads(line) for line in self.calls_file.read_text().splitlines()]

    def variants(self, action, *arguments):
        return self.study(variants_study, action, "--seeds", "1", "--noisy_verifier", str(self.verifier), *arguments)

    def test_variants_of_the_same_settings_are_run_once_and_reported_under_both_names(self):
        self.variants("run")
        calls = self.calls()
        settings = [tuple(sorted(call.items())) for call in calls]
        self.assertEqual(len(set(settings)), 13)
        self.assertEqual(len(settings), 13)
        self.variants("run")
        self.assertEqual(len(self.calls()), 13)
        output = self.variants("report")
        for name in ("exponent_0", "tpo"):
            self.assertIn(f"| {name} | `objective: tpo` | 1 | 50.0 |", output)
        self.assertEqual(len(json.loads((self.folder / "results/variants.json").read_text())["cells"]), 14)

    def test_noise_reaches_the_runs_that_ask_for_it_and_is_taken_out_of_their_error(self):
        self.variants("run", "--only", "noise")
        noisy = [call for call in self.calls() if call.get("verifiers") == "[{address: 'unix:here'}]"]
        self.assertEqual(len(noisy), 4)
        self.assertIn("| tpo_noise | `objective: tpo`; noise 0.001 | 1 | 50.0 | 50.0 |",
                      self.variants("report", "--only", "noise"))

    def test_the_sequence_study_collects_what_it_ran(self):
        self.study(sequence_study, "run")
        calls = self.calls()
        self.assertEqual(len(calls), sum(seeds for _, _, seeds in sequence_study.CELLS))
        dg = [call for call in calls if call["learner.objective"] == "dg"]
        self.assertEqual({(call["rollout.group_size"], call["learner.epochs"]) for call in dg}, {("1", "1")})
        output = self.study(sequence_study, "collect")
        self.assertIn("| tpo | 7 | 10 | 60 | 50.00 % |", output)
        collected = json.loads((self.folder / "results/sequence_study.json").read_text())
        self.assertEqual([cell["name"] for cell in collected["cells"]][:2], ["tpo_h10", "tpo_h7"])


if __name__ == "__main__":
    unittest.main()
