"""What the integration tests share: the built programs as processes, and the files of a run.

Every process that a test starts is killed at the test's end, and by the kernel when the test itself dies. Servers
listen on port 0 of 127.0.0.1 and print where. Waits are for a condition, and give up after PATIENCE_SECONDS with what
the process wrote.
"""

import atexit
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

BIN = pathlib.Path(os.environ["TPO_BIN_DIR"])
SOURCE = pathlib.Path(os.environ["TPO_SOURCE_DIR"])
SMALL = str(SOURCE / "tests" / "integration" / "small.yaml")

# Far more than anything takes.
PATIENCE_SECONDS = 100
SKIPPED = 77

# gRPC's Python side has nothing to prepare: what is forked here becomes another program at once.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")


def missing_package(error):
    """Ends a script whose packages aren't there: skipped, but a failure where they have to be."""
    print(f"{error}: run this with the environment of third_party/test-requirements.txt (./dev test does)")
    sys.exit(1 if os.environ.get("CI") else SKIPPED)


def wait_until(condition, what):
    """Polls until condition() is true and returns its value."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > give_up:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(0.002)


class Process:
    """One of the built programs. Reads its output, standard error included, as it comes.

    `under` is a command that becomes the program, such as prlimit with its flags.
    """

    def __init__(self, program, *arguments, under=()):
        self.arguments = [str(BIN / program), *map(str, arguments)]
        self._process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *under, *self.arguments],
                                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                         text=True, errors="replace")
        self._changed = threading.Condition()
        self._lines = []
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def pid(self):
        return self._process.pid

    @property
    def output(self):
        with self._changed:
            return "".join(self._lines)

    def __str__(self):
        return f"{' '.join(self.arguments)}\n{self.output}"

    def running(self):
        return self._process.poll() is None

    def wait_for_output(self, pattern):
        """The match of a regular expression in the output, which may come later."""
        def found():
            return re.search(pattern, "".join(self._lines), re.MULTILINE)
        with self._changed:
            self._changed.wait_for(lambda: found() or self._ended, PATIENCE_SECONDS)
            match = found()
        if not match:
            raise AssertionError(f"no {pattern!r} in the output of {self}")
        return match

    @property
    def address(self):
        """Where it serves gRPC."""
        return self.wait_for_output(r"^listening on (\S+:\d+)$")[1]

    @property
    def metrics_address(self):
        return self.wait_for_output(r"^metrics on (\S+:\d+)$")[1]

    def wait(self):
        """Its exit status; negative when a signal ended it. All its output has been read then."""
        try:
            status = self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"doesn't end: {self}") from None
        self._reader.join(PATIENCE_SECONDS)
        return status

    def send(self, number):
        self._process.send_signal(number)

    def kill(self):
        """kill -9, unless it has ended."""
        if self.running():
            self._process.kill()
        status = self.wait()
        self._process.stdout.close()
        return status


def redirected(where):
    """For `under`: the program becomes one whose streams are as a shell puts them, such as 2>/dev/null."""
    return ["sh", "-c", f'exec "$@" {where}', "sh"]


class Reserved:
    """A port that is free and stays ours until a server that we start listens on it."""

    def __init__(self):
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self._socket.getsockname()[1]

    def close(self):
        self._socket.close()


class SilentServer(Reserved):
    """Accepts connections and never says a word. A client that got here has something to ask, and waits."""

    def __init__(self):
        super().__init__()
        self._socket.listen(64)
        self._socket.settimeout(PATIENCE_SECONDS)
        self._connections = []

    def wait_for_connection(self):
        self._connections.append(self._socket.accept()[0])

    def close(self):
        """Frees the port for another server; the clients will connect anew."""
        super().close()
        while self._connections:
            connection = self._connections.pop()
            # A reset, so that no connection lingers on the port.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()


class Run:
    """The files of a run directory."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)

    def __str__(self):
        return str(self.directory)

    @property
    def lines(self):
        """The whole lines of metrics.jsonl."""
        try:
            text = (self.directory / "metrics.jsonl").read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        return text.split("\n")[:-1]

    @property
    def reproducible_lines(self):
        """What a repeated run must have, bit by bit (docs/metrics.md)."""
        lines = self.lines
        assert all(',"ledger"' in line for line in lines), lines
        return [line.split(',"ledger"')[0] for line in lines]

    @property
    def records(self):
        return [json.loads(line) for line in self.lines]

    @property
    def summary(self):
        return json.loads((self.directory / "summary.json").read_text(encoding="utf-8"))

    @property
    def checkpoint_steps(self):
        return sorted(int(path.name.removeprefix("step_")) for path in self.checkpoints.glob("step_*"))

    @property
    def checkpoints(self):
        return self.directory / "checkpoints"

    def checkpoint(self, step):
        return self.checkpoints / f"step_{step:08d}"

    @property
    def newest_checkpoint(self):
        return self.checkpoint(self.checkpoint_steps[-1])

    @property
    def final_model(self):
        return (self.newest_checkpoint / "model.safetensors").read_bytes()

    def wait_for_end(self, process):
        """Of the training; the learner still stays some seconds for workers that it hasn't heard from of late."""
        wait_until(lambda: (self.directory / "summary.json").exists() or not process.running(), f"the end of {process}")

    def wait_for_steps(self, steps, process):
        wait_until(lambda: len(self.lines) >= steps or not process.running(), f"{steps} steps of {process}")


def overrides(**fields):
    """--set flags; a double underscore stands for a dot: learner__steps=5."""
    flags = []
    for name, value in fields.items():
        flags += ["--set", f"{name.replace('__', '.')}={value}"]
    return flags


class IntegrationTest(unittest.TestCase):
    """Gives each test a scratch directory, and ends what it started."""

    maxDiff = 2000

    def setUp(self):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="tpo_integration_"))
        self.addCleanup(shutil.rmtree, self.scratch, ignore_errors=True)
        self._processes = []
        # Runs before the removal above.
        self.addCleanup(self._end_processes)

    def _end_processes(self):
        for process in self._processes:
            process.kill()

    def start(self, program, *arguments, under=()):
        process = Process(program, *arguments, under=under)
        self._processes.append(process)
        return process

    def run_to_end(self, program, *arguments, status=0, under=()):
        """Runs a program, checks its exit status, and returns what it wrote."""
        process = self.start(program, *arguments, under=under)
        self.assertEqual(process.wait(), status, str(process))
        return process.output

    def train(self, name, *arguments, config=SMALL, status=0, under=()):
        """`tpo train` to the end, in the directory `name`."""
        run = Run(self.scratch / name)
        self.run_to_end("tpo", "train", config, "--run_dir", run, "--quiet", *arguments, status=status,
                        under=under)
        return run

    # By flags: the directory of each run that self.reference() made.
    _references = {}

    def reference(self, *arguments):
        """An uninterrupted `tpo train` with these flags, made once for all tests of a script. Change only a copy()."""
        if arguments not in self._references:
            directory = tempfile.mkdtemp(prefix="tpo_integration_reference_")
            atexit.register(shutil.rmtree, directory, ignore_errors=True)
            self._references[arguments] = self.train(directory, *arguments)
        return self._references[arguments]

    def copy(self, run, name="run"):
        """A copy of a run's directory that the test may change."""
        shutil.copytree(run.directory, self.scratch / name)
        return Run(self.scratch / name)

    def start_learner(self, name, *arguments, listen="127.0.0.1:0", config=SMALL):
        """Returns the run and the learner's process, once it listens."""
        run = Run(self.scratch / name)
        process = self.start("tpo", "learner", config, "--run_dir", run, "--quiet", "--listen", listen, *arguments)
        return run, process

    def start_worker(self, address, *arguments):
        return self.start("tpo", "rollout", "--learner", address, *arguments)

    def start_verifier(self, *arguments, listen="127.0.0.1:0"):
        return self.start("tpo-verifier", "--listen", listen, *arguments)

    def assert_ended_well(self, *processes):
        for process in processes:
            self.assertEqual(process.wait(), 0, str(process))

    def assert_same_course(self, run, reference):
        """The same steps, bit by bit, to the same weights."""
        self.assertEqual(len(run.lines), len(reference.lines), run)
        for mine, other in zip(run.reproducible_lines, reference.reproducible_lines):
            self.assertEqual(mine, other, run)
        self.assertEqual(run.checkpoint_steps[-1], reference.checkpoint_steps[-1])
        self.assertTrue(run.final_model == reference.final_model, f"the final weights of {run} differ")

    def assert_balances(self, ledger):
        ends = ("trained", "dropped_stale", "dropped_unverified", "expired", "in_flight")
        self.assertEqual(ledger["leased"], sum(ledger[end] for end in ends), ledger)

    def assert_ledgers_balance(self, run):
        for record in run.records:
            self.assert_balances(record["ledger"])
        self.assert_balances(run.summary["ledger"])


class FaultTest(IntegrationTest):
    """For runs in which something dies midway."""

    # Some seconds, so that there is a midway.
    STEPS = 60
    PROMPTS_PER_LEASE = 5
    PROMPTS_PER_STEP = 20
    FLAGS = overrides(learner__steps=STEPS)

    def wait_for_a_random_moment(self, run, process, after_step=0):
        """Some steps after the first checkpoint behind `after_step`."""
        run.wait_for_steps(after_step + 5 + random.randrange(10), process)
        self.assertTrue(process.running(), str(process))

    def kill_midway(self, run, process, after_step=0):
        """Returns how many steps it had told."""
        self.wait_for_a_random_moment(run, process, after_step)
        self.assertEqual(process.kill(), -signal.SIGKILL, str(process))
        self.assertLess(len(run.lines), self.STEPS)
        self.assertFalse((run.directory / "summary.json").exists())
        return len(run.lines)

    def check_finished(self, run):
        """As if nothing had happened."""
        self.assert_same_course(run, self.reference(*self.FLAGS))
        self.assert_ledgers_balance(run)
        self.assertEqual(run.summary["status"], "finished")
        self.assertEqual(run.summary["ledger"]["trained"], self.STEPS * self.PROMPTS_PER_STEP)
        self.assertEqual(run.summary["ledger"]["in_flight"], 0)
        self.assertEqual([path.name for path in run.checkpoints.glob(".*")], [])


def main():
    unittest.main(verbosity=2)
