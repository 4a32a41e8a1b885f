#!/usr/bin/env python3
"""Runs the sequence tasks over several seeds and methods, and collects the curves.

    bench/studies/sequence_study.py run --out runs/sequence_study      # resumable: finished runs are kept
    bench/studies/sequence_study.py collect --out runs/sequence_study  # docs/results/sequence_study.{json,svg}

The cells are some of those of the paper's tables, so --out may be the directory of a sweep of bench/paper/paper.py too.
`collect` prints the table of docs/results/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/paper"))

import drawing  # noqa: E402
import measures  # noqa: E402
import sweep  # noqa: E402
from cells import SINGLE_SAMPLE, Cell  # noqa: E402

# The paper's final errors, per cent, means over 20 seeds (Table 3; the ablations are all above 99).
PAPER = {("tpo", 7): "6.9", ("grpo", 7): "14.5", ("ppo", 7): "12.0", ("dg", 7): "33.8", ("grpo_no_kl", 7): "66.6",
         ("tpo", 10): "7.4", ("tpo_no_anchor", 10): "> 99", ("group_pg", 10): "> 99", ("grpo_no_kl", 10): "> 99"}
# Objective, length, seeds.
CELLS = [("tpo", 10, 5), ("tpo", 7, 10), ("grpo", 7, 3), ("ppo", 7, 3), ("dg", 7, 3), ("pg", 7, 1), ("grpo_no_kl", 7, 1),
         ("tpo_no_anchor", 10, 1), ("group_pg", 10, 1), ("grpo_no_kl", 10, 1)]
LEVELS = (0.5, 0.1, 0.01)


def cell_of(objective: str, length: int, steps: int) -> Cell:
    """Per-token methods sample once per prompt, as in the paper."""
    group_size = 1 if objective in SINGLE_SAMPLE else 8
    return Cell(objective, length=length, group_size=group_size, epochs=1 if objective == "dg" else 4, steps=steps)


def command_run(arguments) -> int:
    runs = [sweep.Run(cell_of(objective, length, arguments.steps), seed)
            for objective, length, seeds in CELLS for seed in range(seeds)]
    engine = sweep.Sweep(arguments.out, arguments.tpo)
    with engine.lock():
        if not arguments.mix_commits:
            engine.check_commits()
        return 1 if sweep.run_all(engine, runs, arguments.jobs) else 0


def collected(objective: str, length: int, results: list[dict]) -> dict:
    curves = [result["curves"]["error"] for result in results]
    return {
        "name": f"{objective}_h{length}", "objective": objective, "length": length, "seeds": len(curves),
        "steps": len(curves[0]), "commits": sorted({result["commit"] for result in results}),
        "final_error_median_last_50": [statistics.median(curve[-50:]) for curve in curves],
        "steps_to": {str(level): [measures.smoothed_first_below(curve, level) for curve in curves] for level in LEVELS},
        "cpu_seconds_per_step": [round(result["cpu_seconds"] / len(result["curves"]["error"]), 4) for result in results],
        "curves": curves,
    }


def command_collect(arguments) -> int:
    engine = sweep.Sweep(arguments.out, arguments.tpo)
    found, machines = [], set()
    for objective, length, seeds in CELLS:
        results = sweep.finished_results(engine, cell_of(objective, length, arguments.steps), seeds)
        if len(results) < seeds:
            print(f"{objective}, H={length}: {len(results)} of {seeds} seeds are finished", file=sys.stderr)
        if results:
            found.append(collected(objective, length, results))
            machines |= {result["machine"] for result in results}
    if not found:
        raise sweep.SweepError(f"{arguments.out}: no finished run of these settings")
    arguments.results.mkdir(parents=True, exist_ok=True)
    document = {"command": "bench/studies/sequence_study.py run && bench/studies/sequence_study.py collect",
                "machine": "; ".join(sorted(machines)), "cells": found}
    sweep.write_atomically(arguments.results / "sequence_study.json", (json.dumps(document) + "\n").encode())
    print_table(found)
    draw(found, arguments.results / "sequence_study.svg")
    return 0


def print_table(found: list[dict]) -> None:
    print("| method | H | seeds | steps | median error, last 50 steps | per seed | mean | the paper's mean | "
          "steps to 50 % / 10 % / 1 % (median) | CPU-ms a step |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for cell in found:
        finals = cell["final_error_median_last_50"]
        medians = [measures.median_steps(steps) for steps in cell["steps_to"].values()]
        times = " / ".join("never" if steps is None else f"{steps:g}" for steps in medians)
        per_seed = ", ".join(f"{100 * value:.2f}" for value in finals)
        print(f"| {cell['objective']} | {cell['length']} | {cell['seeds']} | {cell['steps']} | "
              f"{100 * statistics.median(finals):.2f} % | {per_seed} | {100 * statistics.fmean(finals):.1f} % | "
              f"{PAPER.get((cell['objective'], cell['length']), '–')} | {times} | "
              f"{1e3 * statistics.fmean(cell['cpu_seconds_per_step']):.0f} |")


def draw(found: list[dict], path: pathlib.Path) -> None:
    plt = drawing.pyplot()
    if plt is None:
        return
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), sharey=True)
    for axis, length in zip(axes, (7, 10)):
        for index, cell in enumerate(cell for cell in found if cell["length"] == length):
            for seed, curve in enumerate(cell["curves"]):
                mean = [statistics.fmean(curve[max(0, i - 19):i + 1]) for i in range(0, len(curve), 5)]
                axis.plot(range(0, len(curve), 5), [max(value, 1e-4) for value in mean], color=f"C{index}",
                          linewidth=0.9, alpha=0.8, label=cell["objective"] if seed == 0 else None)
        axis.set(title=f"reverse copy, terminal reward, V=2, H={length}", xlabel="step", yscale="log")
        axis.grid(alpha=0.3)
        axis.legend(loc="lower left")
    axes[0].set_ylabel("error (mean of 20 steps), one line a seed")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["run", "collect"])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/sequence_study"))
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "docs/results")
    parser.add_argument("--tpo", type=pathlib.Path, default=ROOT / "build/release/bin/tpo")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--mix_commits", action="store_true", help="keep results of other builds")
    arguments = parser.parse_args()
    command = {"run": command_run, "collect": command_collect}[arguments.action]
    return sweep.run_command("sequence_study", lambda: command(arguments))


if __name__ == "__main__":
    sys.exit(main())
