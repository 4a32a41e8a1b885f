#!/usr/bin/env python3
"""What a sweep of n seeds costs beside n runs of `tpo train`, one after the other, each with the threads it chooses.

    bench/paper/sweep_cost.py --seeds 4 --steps 300

Both train the same cell (TPO, Table 3 at H = 7). Prints CPU-seconds and wall seconds of the two, and their quotients.
Run it on a machine with nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
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
    cell = Cell("tpo", length=7, steps=arguments.steps)
    figures = {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for what, work in (("single runs", lambda: single_runs(arguments.tpo, cell, arguments.seeds, folder / "single")),
                           ("sweep", lambda: sweep_of_seeds(arguments.tpo, cell, arguments.seeds, folder / "sweep",
                                                            arguments.jobs))):
            start = time.monotonic()
            figures[what] = (work(), time.monotonic() - start)
    print(f"{arguments.seeds} seeds of {cell.name}, {arguments.jobs} at a time in the sweep, {sweep.cpu_name()}")
    for what, (cpu, wall) in figures.items():
        print(f"{what:12s} {cpu:8.1f} CPU-s {wall:8.1f} s")
    print(f"sweep / single runs: CPU {figures['sweep'][0] / figures['single runs'][0]:.2f}, "
          f"wall {figures['sweep'][1] / figures['single runs'][1]:.2f}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--tpo", type=pathlib.Path, default=sweep.ROOT / "build/release/bin/tpo")
    arguments = parser.parse_args()
    return sweep.run_command("sweep_cost", lambda: measure(arguments))


if __name__ == "__main__":
    sys.exit(main())
