"""Trains cells over seeds, as many at a time as there are cores, and keeps one small result a run.

Layout of a sweep's directory:
    CELL/seedN.json.gz   the result of one finished run: settings, curves, CPU-seconds, commit, machine
    work/CELL/seedN/     the run directory of a run in progress; gone once its result is written

A result is written whole or not at all, finished runs are never repeated, and a killed run goes on from its last
checkpoint. Results of another commit are refused, not mixed in, unless the caller says so.

Each run is a process of one thread: the cores are kept busy by running several at once, which costs less than giving
one run several threads (docs/paper/README.md has the measurement).
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import gzip
import json
import os
import pathlib
import platform
import shutil
import subprocess
import threading
import time

from cells import Cell

ROOT = pathlib.Path(__file__).resolve().parents[2]
BASE_CONFIG = ROOT / "examples/reverse_copy.yaml"
FORMAT = 1
# Fields of metrics.jsonl that become curves, one value a step.
CURVES = ("error", "grad_norm", "zero_variance_fraction", "all_fail_fraction")


class SweepError(Exception):
    """What is wrong, for the user."""


@dataclasses.dataclass(frozen=True)
class Run:
    cell: Cell
    seed: int

    @property
    def name(self) -> str:
        return f"{self.cell.name}/seed{self.seed}"


def read_result(path: pathlib.Path) -> dict:
    """A finished run's result. SweepError: the file isn't one."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            result = json.load(file)
    except (OSError, EOFError, ValueError) as error:
        raise SweepError(f"{path}: not a result of a sweep ({error}); delete it to run it again") from error
    if not isinstance(result, dict) or result.get("format") != FORMAT:
        raise SweepError(f"{path}: a result of another version of the sweep; delete it to run it again")
    return result


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


def rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")


class Sweep:
    """The runs of one directory. One process at a time works in it: a lock file sees to that."""

    def __init__(self, directory: pathlib.Path, tpo: pathlib.Path, curves: tuple[str, ...] = CURVES,
                 checkpoint_every: int = 250):
        """`curves`: fields of metrics.jsonl that are kept. `checkpoint_every` steps; with 0 a killed run starts anew."""
        self.directory = directory
        self.tpo = tpo
        self.curves = curves
        self.checkpoint_every = checkpoint_every
        self.version = self._version()

    def _version(self) -> str:
        try:
            answer = subprocess.run([self.tpo, "--version"], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise SweepError(f"{self.tpo}: can't be run ({error}); build it with `./dev build`") from error
        return answer.stdout.strip()

    def result_path(self, run: Run) -> pathlib.Path:
        return self.directory / run.cell.name / f"seed{run.seed}.json.gz"

    def finished(self, run: Run) -> bool:
        return self.result_path(run).exists()

    def result(self, run: Run) -> dict | None:
        return read_result(self.result_path(run)) if self.finished(run) else None

    def check_commits(self, runs: list[Run]) -> None:
        """SweepError: some finished runs were made by another build than `tpo`."""
        others: dict[str, list[str]] = {}
        for run in runs:
            result = self.result(run)
            if result is not None and result["version"] != self.version:
                others.setdefault(result["version"], []).append(run.name)
        if others:
            found = "\n".join(f"  {version}: {len(names)} runs, e.g. {names[0]}"
                              for version, names in sorted(others.items()))
            raise SweepError(
                f"{self.directory} holds results of other builds than\n  {self.version}\nnamely\n{found}\n"
                "Give --mix_commits to go on (the report names the commits of every figure), or another --out.")

    def train(self, run: Run) -> dict:
        """Trains, or goes on training, one run and writes its result."""
        work = self.directory / "work" / run.name
        command = [str(self.tpo), "train", str(BASE_CONFIG), "--run_dir", str(work), "--quiet", "--resume"]
        settings = run.cell.overrides() | {
            "seed": run.seed, "learner.threads": 1, "rollout.parallel_leases": 1, "output.tensorboard": "false",
            "output.inspect_every_steps": 0, "learner.checkpoint.every_steps": self.checkpoint_every,
            "learner.checkpoint.keep": 1}
        for field, value in settings.items():
            command += ["--set", f"{field}={value}"]
        work.parent.mkdir(parents=True, exist_ok=True)
        finished = subprocess.run(command, capture_output=True, text=True, check=False,
                                  env=os.environ | {"OMP_NUM_THREADS": "1"})
        if finished.returncode != 0:
            raise SweepError(f"{run.name}: tpo ended with status {finished.returncode}: "
                             f"{finished.stderr.strip()[-500:]}")
        result = self._collect(run, work)
        data = gzip.compress(json.dumps(result, separators=(",", ":")).encode(), mtime=0)
        write_atomically(self.result_path(run), data)
        shutil.rmtree(work, ignore_errors=True)
        return result

    def _collect(self, run: Run, work: pathlib.Path) -> dict:
        summary = json.loads((work / "summary.json").read_text(encoding="utf-8"))
        with open(work / "metrics.jsonl", encoding="utf-8") as file:
            records = [json.loads(line) for line in file]
        if summary["status"] != "finished" or len(records) != run.cell.steps:
            raise SweepError(f"{run.name}: {len(records)} of {run.cell.steps} steps, status {summary['status']}; "
                             f"delete {work} to start it again")
        return {
            "format": FORMAT, "cell": run.cell.name, "settings": dataclasses.asdict(run.cell), "seed": run.seed,
            "version": self.version, "commit": summary["commit"],
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, {cpu_name()}",
            "cpu_seconds": round(summary["cpu_seconds"], 3), "wall_seconds": round(summary["wall_seconds"], 3),
            "peak_memory_bytes": summary["peak_memory_bytes"],
            "curves": {name: [rounded(record[name]) for record in records] for name in self.curves},
        }


class Progress:
    """Lines with what was done and how long the rest takes."""

    def __init__(self, runs: list[Run], jobs: int):
        self._left = {run: run.cell.cost() for run in runs}
        self._total = len(runs)
        self._jobs = jobs
        self._guessed = 0.0
        self._measured = 0.0
        self._mutex = threading.Lock()
        self._start = time.monotonic()

    def done(self, run: Run, line: str, wall_seconds: float) -> None:
        with self._mutex:
            self._guessed += self._left.pop(run)
            self._measured += wall_seconds
            count = self._total - len(self._left)
            # Guesses are scaled by what the finished runs took against theirs.
            scale = self._measured / self._guessed if self._guessed else 1.0
            eta = scale * sum(self._left.values()) / self._jobs
            print(f"[{count}/{self._total}] {line}  (ETA {format_seconds(eta)})", flush=True)


def format_seconds(seconds: float) -> str:
    minutes = int(seconds // 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min {int(seconds % 60):02d} s"


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


def run_all(sweep: Sweep, runs: list[Run], jobs: int) -> int:
    """Runs what isn't finished; the number of runs that failed."""
    pending = [run for run in runs if not sweep.finished(run)]
    print(f"{len(runs) - len(pending)} of {len(runs)} runs are finished; {len(pending)} to go, {jobs} at a time",
          flush=True)
    progress = Progress(pending, jobs)
    failures: list[str] = []

    def work(run: Run) -> None:
        start = time.monotonic()
        try:
            result = sweep.train(run)
            error = result["curves"]["error"]
            line = (f"{run.name}: error {100 * sum(error[-50:]) / len(error[-50:]):.2f} % (last 50 steps), "
                    f"{result['cpu_seconds']:.0f} CPU-s")
        except (SweepError, OSError) as problem:
            failures.append(str(problem))
            line = f"FAILED: {problem}"
        progress.done(run, line, time.monotonic() - start)

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        try:
            list(pool.map(work, pending))
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
    for failure in failures:
        print(failure, flush=True)
    return len(failures)
