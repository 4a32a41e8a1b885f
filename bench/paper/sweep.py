"""Trains cells over seeds, as many at a time as there are cores, and keeps one small result a run.

Layout of a sweep's directory:
    CELL/seedN.json.gz         the result of one finished run: settings, curves, CPU-seconds, commit, machine
    work/CELL/seedN/           the run directory of a run in progress; gone once its result is written
    work/CELL/seedN.version    the build that made it

A result is written whole or not at all, finished runs are never repeated, and a killed run goes on from its last
checkpoint. Results of another build are refused, not mixed in, unless the caller says so: a run directory that another
build began starts anew, and a program that is replaced meanwhile ends the sweep.

Each run is a process of one thread; the cores are kept busy by running several at once. The processes hold the
directory's lock too, so that one that outlives a killed sweep keeps the next sweep out.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import errno
import fcntl
import functools
import gzip
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator

import completion_weights
import measures
from cells import Cell
from progress import Progress

ROOT = pathlib.Path(__file__).resolve().parents[2]
BASE_CONFIG = ROOT / "examples/reverse_copy.yaml"
FORMAT = 1
# Fields of metrics.jsonl that become curves, one value a step.
CURVES = ("error", "grad_norm", "zero_variance_fraction", "all_fail_fraction")
# Of every run: what nobody looks at isn't written.
OUTPUT = {"output.tensorboard": "false", "output.inspect_every_steps": 0}


class SweepError(Exception):
    """What is wrong, for the user."""


class ProgramChanged(SweepError):
    """The program isn't the one that the sweep began with."""


class Interrupted(SweepError):
    """A run was told to end before it was done; it can go on."""


@dataclasses.dataclass(frozen=True)
class Run:
    cell: Cell
    seed: int

    @property
    def name(self) -> str:
        return f"{self.cell.name}/seed{self.seed}"


RESULT_FIELDS = {"cell", "seed", "version", "commit", "machine", "cpu_seconds", "wall_seconds", "curves"}


def read_result(path: pathlib.Path) -> dict:
    """A finished run's result: that of the cell and the seed that the path names. SweepError: the file isn't that."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            result = json.load(file)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise SweepError(f"{path}: not a result of a sweep ({error}); delete it to run it again") from error
    if not isinstance(result, dict) or result.get("format") != FORMAT:
        raise SweepError(f"{path}: a result of another version of the sweep; delete it to run it again")
    if missing := RESULT_FIELDS - set(result):
        raise SweepError(f"{path}: lacks {', '.join(sorted(missing))}; delete it to run it again")
    if not isinstance(result["curves"], dict) or not isinstance(result["curves"].get("error"), list):
        raise SweepError(f"{path}: has no curve of the error; delete it to run it again")
    if result["cell"] != path.parent.name or path.name != f"seed{result['seed']}.json.gz":
        raise SweepError(f"{path}: the result of {result['cell']}, seed {result['seed']}; delete it")
    return result


def check_length(path: pathlib.Path, result: dict, cell: Cell) -> None:
    """SweepError: the result, read from the path, is of fewer or more steps than the cell's."""
    if (steps := len(result["curves"]["error"])) != cell.steps:
        raise SweepError(f"{path}: {steps} of {cell.steps} steps; delete it to run it again")


def write_atomically(path: pathlib.Path, data: bytes) -> None:
    """Whole or not at all, whenever the process dies or the disk is full."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def cpu_name() -> str:
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores, {cpu_name()}"


def rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")


def program_files(tpo: pathlib.Path) -> list[pathlib.Path]:
    """The files that a run executes: `tpo` hands training to `tpo-engine`, at one of these places."""
    candidates = [tpo, tpo.parent.parent / "lib/tpo/tpo-engine", tpo.parent / "tpo-engine"]
    return [path for path in candidates if path.exists()]


def version_of(tpo: pathlib.Path) -> str:
    """Names the build. Two builds of one commit with uncommitted changes are told apart by a checksum."""
    try:
        answer = subprocess.run([tpo, "--version"], capture_output=True, text=True, check=True)
        version = answer.stdout.strip()
        if "-dirty" in version:
            checksum = 0
            for path in program_files(tpo):
                checksum = zlib.crc32(path.read_bytes(), checksum)
            version += f", CRC-32 {checksum:08x}"
        return version
    except (OSError, subprocess.CalledProcessError) as error:
        raise SweepError(f"{tpo}: can't be run ({error}); build it with `./dev build`") from error


class Sweep:
    """The runs of one directory. One process at a time works in it: a lock file sees to that."""

    def __init__(self, directory: pathlib.Path, tpo: pathlib.Path, curves: tuple[str, ...] = CURVES,
                 checkpoint_every: int = 250):
        """`curves`: fields of metrics.jsonl that are kept. `checkpoint_every` steps; with 0 a killed run starts anew."""
        self.directory = directory
        self.tpo = tpo.resolve()
        self.curves = curves
        self.checkpoint_every = checkpoint_every
        self._lock_file = None
        self._mutex = threading.Lock()
        self._processes: set[subprocess.Popen] = set()
        self._stopping = False
        self._finished: dict[Run, float] = {}  # seconds

    @functools.cached_property
    def version(self) -> str:
        self._files = self._fingerprint()
        return version_of(self.tpo)

    @property
    def commit(self) -> str:
        found = re.search(r"commit ([^,) ]+)", self.version)
        return found.group(1) if found else self.version

    def _fingerprint(self) -> list[tuple]:
        stats = [(path, path.stat()) for path in program_files(self.tpo)]
        return [(path, stat.st_ino, stat.st_size, stat.st_mtime_ns) for path, stat in stats]

    def check_program(self) -> None:
        """ProgramChanged: `tpo` isn't the build that the sweep began with."""
        began_with = self.version
        files = self._fingerprint()
        if files == self._files:
            return
        try:
            now = version_of(self.tpo)
        except SweepError as error:
            raise ProgramChanged(str(error)) from error
        if now != began_with:
            raise ProgramChanged(f"{self.tpo} is another build than the sweep began with: {now}, not {began_with}")
        self._files = files

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Held while a sweep, or a run that it left behind, works in the directory."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with open(self.directory / ".lock", "w", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise SweepError(f"{self.directory}: another sweep, or a run that one left behind, is working here"
                                 ) from error
            self._lock_file = file
            try:
                yield
            finally:
                self._lock_file = None

    def result_path(self, run: Run) -> pathlib.Path:
        return self.directory / run.cell.name / f"seed{run.seed}.json.gz"

    def finished(self, run: Run) -> bool:
        """SweepError: there is a file that isn't the run's result."""
        return run in self._finished or self.result(run) is not None

    def seconds(self, run: Run) -> float | None:
        """How long a finished run took, its interruptions left out."""
        return self._finished[run] if self.finished(run) else None

    def result(self, run: Run) -> dict | None:
        path = self.result_path(run)
        if not path.exists():
            return None
        result = read_result(path)
        check_length(path, result, run.cell)
        self._finished[run] = result["wall_seconds"]
        return result

    def check_commits(self) -> None:
        """SweepError: some finished runs of the directory were made by another build than `tpo`."""
        others: dict[str, list[str]] = {}
        version = self.version
        for path in sorted(self.directory.glob("*/seed*.json.gz")):
            if (made_by := read_result(path)["version"]) != version:
                others.setdefault(made_by, []).append(str(path.relative_to(self.directory)))
        if others:
            found = "\n".join(f"  {version}: {len(names)} runs, e.g. {names[0]}"
                              for version, names in sorted(others.items()))
            raise SweepError(
                f"{self.directory} holds results of other builds than\n  {self.version}\nnamely\n{found}\n"
                "Give --mix_commits to go on (the report names the commits of every figure), or another --out.")

    def stop(self) -> None:
        """Tells the runs in progress to write their state and end; no other starts."""
        with self._mutex:
            self._stopping = True
            for process in self._processes:
                process.terminate()

    def train(self, run: Run) -> dict:
        """Trains, or goes on training, one run and writes its result."""
        self.check_program()
        work = self._work_directory(run)
        command = [str(self.tpo), "train", str(BASE_CONFIG), "--run_dir", str(work), "--quiet", "--resume"]
        settings = OUTPUT | run.cell.overrides() | {
            "seed": run.seed, "learner.threads": 1, "rollout.parallel_leases": 1,
            "learner.checkpoint.every_steps": self.checkpoint_every, "learner.checkpoint.keep": 1}
        for field, value in settings.items():
            command += ["--set", f"{field}={value}"]
        status, errors = self._call(command)
        if status != 0:
            if self._stopping:
                raise Interrupted(f"{run.name}: stopped")
            raise SweepError(f"{run.name}: tpo ended with status {status}: {errors.strip()[-500:]}")
        result = self._collect(run, work)
        data = gzip.compress(json.dumps(result, separators=(",", ":")).encode(), mtime=0)
        write_atomically(self.result_path(run), data)
        self._finished[run] = result["wall_seconds"]
        shutil.rmtree(work, ignore_errors=True)
        self._version_file(work).unlink(missing_ok=True)
        return result

    @staticmethod
    def _version_file(work: pathlib.Path) -> pathlib.Path:
        return work.with_name(work.name + ".version")

    def _work_directory(self, run: Run) -> pathlib.Path:
        """Where the run goes on, or begins: what another build left there is removed."""
        work = self.directory / "work" / run.name
        note = self._version_file(work)
        begun_by = note.read_text(encoding="utf-8") if note.exists() else None
        if begun_by != self.version:
            if work.exists():
                print(f"{run.name}: starts anew, {begun_by or 'an unknown build'} began it", flush=True)
                shutil.rmtree(work)
            write_atomically(note, self.version.encode())
        return work

    def _call(self, command: list[str]) -> tuple[int, str]:
        """Exit status and errors of a run. It is in a session of its own: Ctrl-C reaches it through stop() alone, once."""
        keep = () if self._lock_file is None else (self._lock_file.fileno(),)
        with self._mutex:
            if self._stopping:
                raise Interrupted("stopped before it began")
            process = subprocess.Popen(  # pylint: disable=consider-using-with
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                start_new_session=True, pass_fds=keep, env=os.environ | {"OMP_NUM_THREADS": "1"})
            self._processes.add(process)
        try:
            errors = process.communicate()[1]
        finally:
            with self._mutex:
                self._processes.remove(process)
        return process.returncode, errors

    def _collect(self, run: Run, work: pathlib.Path) -> dict:
        summary = json.loads((work / "summary.json").read_text(encoding="utf-8"))
        with open(work / "metrics.jsonl", encoding="utf-8") as file:
            records = [json.loads(line) for line in file]
        if summary["status"] == "drained":
            raise Interrupted(f"{run.name}: told to end after {len(records)} of {run.cell.steps} steps")
        if summary["status"] != "finished" or len(records) != run.cell.steps:
            raise SweepError(f"{run.name}: {len(records)} of {run.cell.steps} steps, status {summary['status']}; "
                             f"delete {work} to start it again")
        if summary["commit"] != self.commit:
            raise ProgramChanged(f"{run.name}: trained by commit {summary['commit']}, the sweep began with {self.commit}")
        if "-dirty" in self.commit:  # The commit says too little.
            self.check_program()
        weights = {name: [rounded(value) for value in curve]
                   for name, curve in completion_weights.read_curves(work, run.cell.steps).items()}
        return {
            "format": FORMAT, "cell": run.cell.name, "settings": dataclasses.asdict(run.cell), "seed": run.seed,
            "version": self.version, "commit": summary["commit"],
            "machine": machine(),
            "cpu_seconds": round(summary["cpu_seconds"], 3), "wall_seconds": round(summary["wall_seconds"], 3),
            "peak_memory_bytes": summary["peak_memory_bytes"],
            "curves": {name: [rounded(record[name]) for record in records] for name in self.curves} | weights,
        }


def runs_of(cells: list[Cell], seeds: int) -> list[Run]:
    """Seed by seed, so that an interrupted sweep has something to show for every cell."""
    return [Run(cell, seed) for seed in range(seeds) for cell in cells]


def finished_results(sweep: Sweep, cell: Cell, seeds: int) -> list[dict]:
    """The results that there are of a cell, in the order of their seeds."""
    results = [sweep.result(Run(cell, seed)) for seed in range(seeds)]
    return [result for result in results if result is not None]


def print_status(sweep: Sweep, cells: list[Cell], seeds: int) -> None:
    for cell in cells:
        done = sum(sweep.finished(Run(cell, seed)) for seed in range(seeds))
        print(f"{cell.name}: {done} of {seeds} seeds")


def stops_all(problem: Exception, failed_before: bool) -> bool:
    """Whether the next run would fail as this one did: what isn't about one run alone."""
    if isinstance(problem, (OSError, ProgramChanged, Interrupted)):
        return True
    return failed_before or os.strerror(errno.ENOSPC).lower() in str(problem).lower()


def run_all(sweep: Sweep, runs: list[Run], jobs: int) -> int:
    """Runs what isn't finished; the number of runs that still aren't. KeyboardInterrupt: after the runs in progress have
    written their state."""
    pending = [run for run in runs if not sweep.finished(run)]
    earlier = {run: seconds for run in runs if (seconds := sweep.seconds(run)) is not None}
    print(f"{len(earlier)} of {len(runs)} runs are finished; {len(pending)} to go, {jobs} at a time", flush=True)
    progress = Progress(pending, earlier, jobs)
    failures: list[str] = []
    failed_last = False
    given_up = threading.Event()

    def work(run: Run) -> None:
        nonlocal failed_last
        if given_up.is_set():
            return
        seconds = None
        try:
            result = sweep.train(run)
            seconds = result["wall_seconds"]
            failed_last = False
            late_error = measures.late_error(result["curves"]["error"])
            line = (f"{run.name}: error {100 * late_error:.2f} % (last {measures.LATE_STEPS} steps), "
                    f"{result['cpu_seconds']:.0f} CPU-s")
        except (SweepError, OSError, ValueError, KeyError, TypeError) as problem:
            reason = str(problem) if isinstance(problem, SweepError) else f"{run.name}: {problem!r}"
            if stops_all(problem, failed_last):
                given_up.set()
            failed_last = True
            if not isinstance(problem, Interrupted):
                failures.append(reason)
            line = reason if isinstance(problem, Interrupted) else f"FAILED: {reason}"
        progress.done(run, line, seconds)

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        try:
            list(pool.map(work, pending))
        except KeyboardInterrupt:
            given_up.set()
            sweep.stop()
            pool.shutdown(cancel_futures=True)
            raise
    for failure in failures:
        print(failure, flush=True)
    left = sum(not sweep.finished(run) for run in pending)
    if given_up.is_set():
        print(f"stopped with {left} runs to go; mend that and start the same command again to go on", flush=True)
    return left


def run_command(name: str, command: Callable[[], int]) -> int:
    """The exit status of a command line: what is wrong goes to stderr, SIGTERM is as good as Ctrl-C."""
    def interrupt(*_):
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        status = command()
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # Whoever reads the output has seen enough, as in `paper.py status | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (SweepError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, previous)
