"""What the tests of the studies share: a folder, a program that stands in for `tpo`, and the study's command line."""

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

# Notes its settings and writes what a finished run's directory holds. RECORD: the record of `step`, a Python expression.
STAND_IN = """#!PYTHON
import json, os, pathlib, sys
if sys.argv[1] == "--version":
    print("tpo 1 (commit abc)")
    sys.exit()
settings = dict(pair.split("=", 1) for pair in sys.argv[5:] if "=" in pair)
directory = pathlib.Path(sys.argv[sys.argv.index("--run_dir") + 1])
with open(os.environ["STAND_IN_CALLS"], "a") as calls:
    calls.write(json.dumps(settings) + "\\n")
directory.mkdir(parents=True, exist_ok=True)
records = [RECORD for step in range(int(settings["learner.steps"]))]
(directory / "metrics.jsonl").write_text("".join(json.dumps(record) + "\\n" for record in records))
(directory / "summary.json").write_text(json.dumps(
    {"status": "finished", "commit": "abc", "cpu_seconds": 1.5, "wall_seconds": 1.0, "peak_memory_bytes": 7}))
"""


class StudyCase(unittest.TestCase):
    RECORD: str  # of STAND_IN

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.tpo = self.program("tpo", STAND_IN.replace("RECORD", self.RECORD))
        self.calls_file = self.folder / "calls"
        environment = mock.patch.dict(os.environ, {"STAND_IN_CALLS": str(self.calls_file)})
        environment.start()
        self.addCleanup(environment.stop)

    def program(self, name, text):
        path = self.folder / name
        path.write_text(text.replace("PYTHON", sys.executable, 1))
        path.chmod(0o755)
        return path

    def study(self, module, action, *arguments):
        """What the study prints."""
        command = [module.__name__, action, "--out", str(self.folder / "out"), "--tpo", str(self.tpo), "--results",
                   str(self.folder / "results"), *arguments]
        output = StringIO()
        with mock.patch.object(sys, "argv", command), redirect_stdout(output), redirect_stderr(StringIO()):
            self.assertEqual(module.main(), 0, output.getvalue())
        return output.getvalue()

    def calls(self):
        """The settings of each run."""
        return [json.loads(line) for line in self.calls_file.read_text().splitlines()]
