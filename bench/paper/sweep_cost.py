#!/usr/bin/env python3
"""What a sweep of n seeds costs beside n runs of `tpo train`, one after the other, each with the threads it chooses.

    bench/paper/sweep_cost.py --seeds 4 --steps 300 --repeats 5

Both train the same cell: TPO, Table 3 at H = 7, or with --table1 TPO_token, Table 1 at V = 2. Prints CPU-seconds and wall
seconds of the two and their quotients, once per repetition, and how far the quotients reach. Which of the two is measured
first alternates. Run it on a machine with nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import sweep
from cells import Cell


def single_runs(tpo: pathlib.Path, cell: Cell, seeds: int, folder: pathlib.Path) -> float:
    """CPU-seconds."""
    total = 0.0
    for seed in range(seeds):
        command = [str(tpo), "train", str(sweep.BASE_CONFIG), "--run_dir", str(folder / str(seed)), "--quiet"]
        for field, value in (cell.overrides() | sweep.OUTPUT | {"seed": seed}).items():
            command += ["--set", f"{field}={value}"]
        if subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode != 0:
            raise sweep.SweepError(f"seed {seed} of the single runs failed")
        total += json.loads((folder / str(seed) / "summary.json").read_text(encoding="utf-8"))["cpu_seconds"]
    return total


def sweep_of_seeds(tpo: pathlib.Path, cell: Cell, seeds: int, folder: pathlib.Path, jobs: int) -> float:
    """CPU-seconds."""
    engine = sweep.Sweep(folder, tpo)
    runs = [sweep.Run(cell, seed) for seed in range(seeds)]
    with engine.lock():
        if sweep.run_all(engine, runs, jobs):
            raise sweep.SweepError("the sweep failed")
    return sum(engine.result(run)["cpu_seconds"] for run in runs)


def measure(arguments) -> int:
    cell = (Cell("tpo_token", reward="bag_of_tokens", steps=arguments.steps) if arguments.table1 else
            Cell("tpo", length=7, steps=arguments.steps))
    print(f"{arguments.seeds} seeds of {cell.name}, {arguments.jobs} at a time in the sweep, {sweep.cpu_name()}")
    quotients = []
    for repetition in range(arguments.repeats):
        quotients.append(measure_once(arguments, cell, sweep_first=repetition % 2 == 1))
    for what, values in zip(("CPU", "wall"), zip(*quotients)):
        print(f"sweep / single runs, {what}: {statistics.mean(values):.2f} in the mean, {min(values):.2f} to {max(values):.2f}")
    return 0


def measure_once(arguments, cell: Cell, sweep_first: bool) -> tuple[float, float]:
    """What the sweep takes as a part of what the single runs take: of CPU-seconds, of wall seconds."""
    figures = {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        work = {"single runs": lambda: single_runs(arguments.tpo, cell, arguments.seeds, folder / "single"),
                "sweep": lambda: sweep_of_seeds(arguments.tpo, cell, arguments.seeds, folder / "sweep", arguments.jobs)}
        for what in reversed(work) if sweep_first else work:
            start = time.monotonic()
            figures[what] = (work[what](), time.monotonic() - start)
    (single_cpu, single_wall), (sweep_cpu, sweep_wall) = figures["single runs"], figures["sweep"]
    print(f"single runs {single_cpu:7.1f} CPU-s {single_wall:7.1f} s; sweep {sweep_cpu:7.1f} CPU-s {sweep_wall:7.1f} s; "
          f"sweep / single runs: CPU {sweep_cpu / single_cpu:.2f}, wall {sweep_wall / single_wall:.2f}", flush=True)
    return sweep_cpu / single_cpu, sweep_wall / single_wall


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--table1", action="store_true", help="TPO_token of Table 1 at V = 2")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--tpo", type=pathlib.Path, default=sweep.ROOT / "build/release/bin/tpo")
    arguments = parser.parse_args()
    return sweep.run_command("sweep_cost", lambda: measure(arguments))


if __name__ == "__main__":
    sys.exit(main())
