"""Reads a run directory with the tools that people use: TensorBoard's reader, an HTML parser, json.

usage: files_for_other_tools_test.py WRITE_SAMPLE_RUN
"""

import html.parser
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

SKIPPED = 77
STEPS = 200
RESUMED_AT = 100

try:
    from tensorboard.backend.event_processing import event_accumulator
except ImportError as error:
    print(f"{error}: run this with the environment of third_party/test-requirements.txt (./dev test does)")
    sys.exit(1 if os.environ.get("CI") else SKIPPED)

WRITE_SAMPLE_RUN = sys.argv.pop(1)
VOID_ELEMENTS = {"meta", "input", "br"}


class WellFormed(html.parser.HTMLParser):
    """Collects the elements of a page, and complains about any that isn't closed in order."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open = []
        self.seen = []
        self.text = []

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        if tag not in VOID_ELEMENTS:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            raise ValueError(f"</{tag}> closes nothing, at {self.getpos()}")

    def handle_data(self, data):
        self.text.append(data)


class FilesForOtherToolsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.uninterrupted = pathlib.Path(cls.scratch.name, "uninterrupted")
        cls.resumed = pathlib.Path(cls.scratch.name, "resumed")
        subprocess.run([WRITE_SAMPLE_RUN, cls.uninterrupted, str(STEPS), "0"], check=True)
        subprocess.run([WRITE_SAMPLE_RUN, cls.resumed, str(STEPS), str(RESUMED_AT)], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    @staticmethod
    def metrics(run):
        with open(run / "metrics.jsonl", encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    @staticmethod
    def scalars(run):
        events = event_accumulator.EventAccumulator(str(run), size_guidance={"scalars": 0, "tensors": 0})
        events.Reload()
        return events

    def test_tensorboard_reads_every_step(self):
        events = self.scalars(self.uninterrupted)
        lines = self.metrics(self.uninterrupted)
        for tag, field in [("train/loss", "loss"), ("train/error", "error"),
                           ("train/reward_mean", "reward_mean"), ("target/target_kl", "target_kl"),
                           ("seconds/step_seconds", "step_seconds")]:
            with self.subTest(tag=tag):
                read = events.Scalars(tag)
                self.assertEqual([event.step for event in read], list(range(STEPS)))
                for event, line in zip(read, lines):
                    self.assertAlmostEqual(event.value, line[field], delta=1e-6 * abs(line[field]))

    def test_tensorboard_sees_each_step_of_a_resumed_run_once(self):
        read = self.scalars(self.resumed).Scalars("train/loss")
        self.assertEqual([event.step for event in read], list(range(STEPS)))

    def test_a_resumed_run_has_the_lines_of_an_uninterrupted_one(self):
        def reproducible(run):
            text = (run / "metrics.jsonl").read_text(encoding="utf-8")
            return [line.split(',"ledger"')[0] for line in text.splitlines()]
        self.assertEqual(len(reproducible(self.resumed)), STEPS)
        self.assertEqual(reproducible(self.resumed), reproducible(self.uninterrupted))

    def test_the_report_is_well_formed(self):
        page = WellFormed()
        page.feed((self.resumed / "report.html").read_text(encoding="utf-8"))
        page.close()
        self.assertEqual(page.open, [])
        charts = [attributes for tag, attributes in page.seen if tag == "svg"]
        self.assertGreaterEqual(len(charts), 8)
        lines = [attributes for tag, attributes in page.seen if tag == "path"]
        for line in lines:
            self.assertRegex(line["d"], r"^(?:[ML]-?[\d.]+ -?[\d.]+)+$", line["data-name"])
            for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", line["d"]):
                self.assertTrue(0 <= float(x) <= 400 and 0 <= float(y) <= 220, (line["data-name"], x, y))
        self.assertIn("learner.optimizer.muon.learning_rate", page.text)

    def test_the_summary_is_json(self):
        summary = json.loads((self.resumed / "summary.json").read_text(encoding="utf-8"))
        self.assertEqual(summary["status"], "finished")
        self.assertEqual(summary["steps"], STEPS)


if __name__ == "__main__":
    unittest.main()
