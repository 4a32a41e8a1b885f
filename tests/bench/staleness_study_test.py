"""The staleness study: what it runs, what it keeps, and what its report claims. A program stands in for `tpo`."""

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
sys.path.insert(0, str(ROOT / "bench/studies"))

import staleness_study  # noqa: E402

# The error falls from 1 to what the method and the staleness leave; seeds differ a little.
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
stale = int(settings["learner.max_staleness"])
level = 0.01 * int(settings["seed"]) + (0.05 * stale if settings.get("learner.anchor") == "behavior" else 0.0)
objective = settings["learner.objective"]
records = [{{"error": level, "grad_norm": 1.0, "zero_variance_fraction": 0.25, "all_fail_fraction": 0.125,
             "staleness_mean": min(step, stale), "effective_sample_size": 0.5 if objective == "tpo" else None,
             "gated_fraction": 0.0, "importance_clip_fraction": 0.0, "clip_fraction": 0.0}}
           for step in range(int(settings["learner.steps"]))]
(directory / "metrics.jsonl").write_text("".join(json.dumps(record) + "\\n" for record in records))
(directory / "summary.json").write_text(json.dumps(
    {{"status": "finished", "commit": "abc", "cpu_seconds": 1.5, "wall_seconds": 1.0, "peak_memory_bytes": 7}}))
"""


class StalenessStudyTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.tpo = self.folder / "tpo"
        self.tpo.write_text(STAND_IN.format(python=sys.executable))
        self.tpo.chmod(0o755)
        self.calls_file = self.folder / "calls"
        environment = mock.patch.dict(os.environ, {"STAND_IN_CALLS": str(self.calls_file)})
        environment.start()
        self.addCleanup(environment.stop)

    def study(self, action, *arguments):
        command = ["staleness_study.py", action, "--out", str(self.folder / "out"), "--tpo", str(self.tpo), "--results",
                   str(self.folder / "results"), "--steps", "20", "--seeds", "3", "--jobs", "2", *arguments]
        output = StringIO()
        with mock.patch.object(sys, "argv", command), redirect_stdout(output), redirect_stderr(StringIO()):
            status = staleness_study.main()
        self.assertEqual(status, 0, output.getvalue())
        return output.getvalue()

    def calls(self):
        return [json.loads(line) for line in self.calls_file.read_text().splitlines()]

    def test_every_run_is_at_exactly_its_staleness_and_none_is_repeated(self):
        flags = ["--staleness", "0,4", "--methods", "tpo_ratio,grpo_truncated"]
        self.study("run", *flags)
        calls = self.calls()
        self.assertEqual(len(calls), 12)
        for call in calls:
            self.assertEqual(call["learner.exact_staleness"], "true")
            self.assertEqual(call["learner.checkpoint.every_steps"], "0")
        self.assertEqual(sorted({(call["learner.max_staleness"], call["seed"]) for call in calls}),
                         [(staleness, seed) for staleness in "04" for seed in "012"])
        grpo = [call for call in calls if call["learner.objective"] == "grpo"]
        self.assertEqual({call["learner.importance_correction"] for call in grpo}, {"truncate"})
        self.study("run", *flags)
        self.assertEqual(len(self.calls()), 12)

    def test_the_report_says_what_held(self):
        flags = ["--staleness", "0,4", "--methods", "tpo_behavior,tpo_proximal,grpo,grpo_truncated"]
        self.study("run", *flags)
        output = self.study("report", *flags)
        lines = {line.split("|")[1].split(":")[0].strip() + line.split("|")[2]: line for line in output.splitlines()
                 if line.startswith("|") and "−" in line}
        self.assertIn("| held |", lines["on-policy, behavior and proximal anchors are the same objective 0 "])
        pulls = lines["stale, the behavior anchor pulls back to the stale policy and the proximal one doesn't 4 "]
        self.assertIn("+20.0 ± 0.0 | held", pulls)
        self.assertIn("undecided", lines["correction helps GRPO when stale 4 "])
        self.assertIn("| tpo_behavior | 4 | 3 | 21.0 ± 0.6 | 21.0 ± 0.6 |", output)
        results = json.loads((self.folder / "results/staleness.json").read_text())
        self.assertEqual(len(results["cells"]), 8)

    def test_the_report_averages_over_staleness_seed_by_seed(self):
        flags = ["--staleness", "0,4,8", "--methods", "tpo_behavior,tpo_proximal"]
        self.study("run", *flags)
        output = self.study("report", *flags)
        pooled = [line for line in output.splitlines() if "| all above 0 |" in line]
        self.assertEqual(len(pooled), 1, output)
        self.assertIn("+30.0 ± 0.0 | held", pooled[0])

    def test_what_people_concluded_stays(self):
        flags = ["--staleness", "0,1", "--methods", "grpo"]
        self.study("run", *flags)
        self.study("report", *flags)
        page = self.folder / "results/staleness.md"
        page.write_text(page.read_text().replace("## Figures", "## What follows\n\nNothing yet.\n\n## Figures"))
        self.study("report", *flags)
        self.assertEqual(page.read_text().count("Nothing yet."), 1)
        self.assertEqual(page.read_text().count("## Figures"), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
