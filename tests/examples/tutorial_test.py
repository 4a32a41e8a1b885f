"""Runs docs/write_a_verifier.md as a new user would: its files, then its commands, in an empty
directory.

    python3 tests/examples/tutorial_test.py --with_index    installs from the package index
    python3 tests/examples/tutorial_test.py                 takes the packages of this interpreter

The second form is the one of ctest. Both take TPO_BIN_DIR for the programs. The page is run as it
stands, but for the port, which is a free one.
"""

import os
import pathlib
import re
import resource
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))
ROOT = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("TPO_SOURCE_DIR", str(ROOT))
os.environ.setdefault("TPO_BIN_DIR", str(ROOT / "build" / "release" / "bin"))

import harness  # noqa: E402

PAGE = ROOT / "docs" / "write_a_verifier.md"
WITH_INDEX = "--with_index" in sys.argv
MINUTES = 5

# `python3 -m venv DIR` in an environment that finds this interpreter's packages first, so that
# nothing has to be downloaded; pip builds with them as well.
OFFLINE = r"""
export PIP_NO_INDEX=1 PIP_NO_BUILD_ISOLATION=0
python3() {{
  {python} "$@" || return
  if [ "$1 $2" = "-m venv" ]; then
    echo 'import sys; sys.path.insert(0, "{packages}")' \
      > "$(echo "$3"/lib/python*/site-packages)/of_the_tests.pth"
  fi
}}
"""


def blocks(text):
    """The fenced blocks: (language, file name or nothing, content)."""
    for match in re.finditer(r"^```(\w+) ?(\S*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield match[1], match[2], match[3]


class TutorialTest(harness.IntegrationTest):
    def setUp(self):
        super().setUp()
        port = harness.Reserved()
        self.addCleanup(port.close)
        page = PAGE.read_text(encoding="utf-8")
        self.assertIn("127.0.0.1:50052", page)
        self.blocks = list(blocks(page.replace("127.0.0.1:50052", port.address)))
        # What a clone has, without what building the package leaves in it.
        self.clone = self.scratch / "clone"
        for folder in ("proto", "examples/verifiers/python"):
            shutil.copytree(
                ROOT / folder,
                self.clone / folder,
                ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"),
            )
        (self.clone / "build" / "release").mkdir(parents=True)
        (self.clone / "build" / "release" / "bin").symlink_to(harness.BIN.resolve())
        self.empty = self.scratch / "empty"
        self.empty.mkdir()

    def script(self):
        commands = ["set -eu", "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT"]
        if not WITH_INDEX:
            python = shlex.quote(getattr(sys, "_base_executable", sys.executable))
            commands.append(
                OFFLINE.format(python=python, packages=sysconfig.get_paths()["purelib"])
            )
        for language, name, content in self.blocks:
            if name:
                (self.empty / name).write_text(content, encoding="utf-8")
            elif language == "sh":
                commands += ["set -x", content, "{ set +x; } 2> /dev/null"]
        return "\n".join(commands)

    def test_the_page(self):
        script = self.script()
        begin = time.monotonic()
        with open(self.scratch / "output", "w+", encoding="utf-8") as output:
            # A group of its own, so that nothing of it outlives the test.
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "bash", "-c", script],
                cwd=self.empty,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TPO": str(self.clone)},
            )
            status = process.wait()
        wall = time.monotonic() - begin
        written = (self.scratch / "output").read_text(encoding="utf-8")
        log = self.empty / "verifier.log"
        self.assertEqual(
            status, 0, written + (log.read_text(encoding="utf-8") if log.exists() else "")
        )
        run = harness.Run(self.empty / "run")
        self.assertEqual(run.summary["status"], "finished")
        self.assertEqual(run.summary["ledger"]["dropped_unverified"], 0)
        rewards = [record["reward_mean"] for record in run.records]
        # Of half right answers the built-in verifier would see one in 64.
        self.assertGreater(rewards[0], 0.35, written)
        self.assertGreater(sum(rewards[-10:]) / 10, rewards[0] + 0.1, written)
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor = usage.ru_utime + usage.ru_stime
        print(f"the tutorial took {wall:.0f} s, {processor:.0f} s of processor time")
        if WITH_INDEX:
            print(written)
            self.assertLess(wall, 60 * MINUTES)

    def test_every_file_and_command_of_the_page_is_run(self):
        kinds = [(language, bool(name)) for language, name, _ in self.blocks]
        self.assertEqual(kinds.count(("python", True)), 1)
        self.assertEqual(kinds.count(("yaml", True)), 1)
        self.assertGreater(kinds.count(("sh", False)), 4)
        # Each block is one of them, or output to read.
        self.assertLessEqual(
            set(kinds), {("python", True), ("yaml", True), ("sh", False), ("text", False)}
        )
        self.assertEqual(PAGE.read_text(encoding="utf-8").count("```"), 2 * len(self.blocks))


if __name__ == "__main__":
    unittest.main(
        argv=[argument for argument in sys.argv if argument != "--with_index"], verbosity=2
    )
