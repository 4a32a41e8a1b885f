#!/usr/bin/env python3
"""Runs the sequence tasks over several seeds and methods, and collects the curves.

    bench/studies/sequence_study.py run --out runs/study --jobs 2     # resumable: finished runs are kept
    bench/studies/sequence_study.py collect --out runs/study --results docs/results

`run` trains each cell below with `tpo train`, one thread each, `jobs` at a time. `collect` writes
RESULTS/sequence_study.json (all curves) and prints the table of RESULTS/README.md; with matplotlib it also draws
RESULTS/sequence_study.svg.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

import drawing

ROOT = pathlib.Path(__file__).resolve().parents[2]

# The paper's final errors, per cent, means over 20 seeds (Table 3; the ablations are all above 99).
PAPER = {("tpo", 7): "6.9", ("grpo", 7): "14.5", ("ppo", 7): "12.0", ("dg", 7): "33.8", ("grpo_no_kl", 7): "66.6",
         ("tpo", 10): "7.4", ("tpo_no_anchor", 10): "> 99", ("group_pg", 10): "> 99", ("grpo_no_kl", 10): "> 99"}

# (name, objective, length, seeds, steps, further overrides). Per-token methods sample once per prompt, as in the paper.
CELLS = [
    ("tpo_h10", "tpo", 10, 5, 2000, []),
    ("tpo_h7", "tpo", 7, 10, 2000, []),
    ("grpo_h7", "grpo", 7, 3, 2000, []),
    ("ppo_h7", "ppo", 7, 3, 2000, ["rollout.group_size=1"]),
    ("dg_h7", "dg", 7, 3, 2000, ["rollout.group_size=1", "learner.epochs=1"]),
    ("pg_h7", "pg", 7, 1, 2000, ["rollout.group_size=1"]),
    ("grpo_no_kl_h7", "grpo_no_kl", 7, 1, 2000, []),
    ("tpo_no_anchor_h10", "tpo_no_anchor", 10, 1, 2000, []),
    ("group_pg_h10", "group_pg", 10, 1, 2000, []),
    ("grpo_no_kl_h10", "grpo_no_kl", 10, 1, 2000, []),
]


def runs():
    for name, objective, length, seeds, steps, overrides in CELLS:
        for seed in range(seeds):
            yield name, objective, length, seed, steps, overrides


def run_directory(out, name, seed):
    return out / f"{name}_seed{seed}"


def summary_of(directory):
    path = directory / "summary.json"
    return json.loads(path.read_text()) if path.exists() else None


def train(tpo, out, run):
    name, objective, length, seed, steps, overrides = run
    directory = run_directory(out, name, seed)
    summary = summary_of(directory)
    if summary and summary["status"] == "finished" and summary["steps"] == steps:
        return f"{directory.name}: kept"
    sets = [f"seed={seed}", f"learner.objective={objective}", f"task.sequence.length={length}",
            f"learner.steps={steps}", "learner.threads=1", "rollout.parallel_leases=1",
            "output.tensorboard=false", *overrides]
    command = [tpo, "train", str(ROOT / "examples/reverse_copy.yaml"), "--run_dir", str(directory), "--quiet",
               "--resume"]
    for value in sets:
        command += ["--set", value]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        return f"{directory.name}: FAILED ({result.returncode}): {result.stderr.strip()}"
    summary = summary_of(directory)
    return (f"{directory.name}: error {100 * summary['error_median_last_50']:.2f} % (median of the last 50 steps), "
            f"{summary['cpu_seconds'] / steps * 1e3:.1f} CPU-ms a step")


def run_all(arguments):
    arguments.out.mkdir(parents=True, exist_ok=True)
    failed = False
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        futures = [pool.submit(train, arguments.tpo, arguments.out, run) for run in runs()]
        for done, future in enumerate(concurrent.futures.as_completed(futures), 1):
            line = future.result()
            failed = failed or "FAILED" in line
            print(f"[{done}/{len(futures)}] {line}", flush=True)
    return 1 if failed else 0


def first_below(errors, level):
    """First step whose mean over the 20 steps up to it is below `level`; None: never."""
    for step in range(19, len(errors)):
        if statistics.fmean(errors[step - 19:step + 1]) < level:
            return step
    return None


def median_or_never(steps):
    """Median over seeds; runs that never got there count as later than all others."""
    ordered = sorted(steps, key=lambda step: float("inf") if step is None else step)
    middle = len(ordered) // 2
    if len(ordered) % 2 == 1:
        return ordered[middle]
    low, high = ordered[middle - 1], ordered[middle]
    return None if high is None else (low + high) / 2


def collect(arguments):
    cells = []
    for name, objective, length, seeds, steps, _ in CELLS:
        curves, cpu_seconds, commits = [], [], set()
        for seed in range(seeds):
            directory = run_directory(arguments.out, name, seed)
            summary = summary_of(directory)
            if not summary or summary["status"] != "finished":
                print(f"{directory.name} isn't finished; left out", file=sys.stderr)
                continue
            records = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
            curves.append([round(record["error"], 5) for record in records])
            cpu_seconds.append(summary["cpu_seconds"] / len(records))
            commits.add(summary["commit"])
        if not curves:
            continue
        cells.append({
            "name": name, "objective": objective, "length": length, "seeds": len(curves), "steps": steps,
            "commits": sorted(commits),
            "final_error_median_last_50": [statistics.median(curve[-50:]) for curve in curves],
            "steps_to": {str(level): [first_below(curve, level) for curve in curves] for level in (0.5, 0.1, 0.01)},
            "cpu_seconds_per_step": [round(value, 4) for value in cpu_seconds],
            "curves": curves,
        })
    arguments.results.mkdir(parents=True, exist_ok=True)
    document = {"command": "bench/studies/sequence_study.py run && bench/studies/sequence_study.py collect",
                "machine": f"{platform.machine()}, {os.cpu_count()} cores, {cpu_name()}", "cells": cells}
    (arguments.results / "sequence_study.json").write_text(json.dumps(document) + "\n")
    print_table(cells)
    draw(cells, arguments.results / "sequence_study.svg")
    return 0


def cpu_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def print_table(cells):
    show = lambda step: "never" if step is None else f"{step:g}"
    print("| method | H | seeds | steps | median error, last 50 steps | per seed | mean | the paper's mean | steps to 50 % / 10 % / 1 % (median) | CPU-ms a step |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for cell in cells:
        finals = cell["final_error_median_last_50"]
        times = " / ".join(show(median_or_never(cell["steps_to"][level])) for level in ("0.5", "0.1", "0.01"))
        per_seed = ", ".join(f"{100 * value:.2f}" for value in finals)
        print(f"| {cell['objective']} | {cell['length']} | {cell['seeds']} | {cell['steps']} | {100 * statistics.median(finals):.2f} % | "
              f"{per_seed} | {100 * statistics.fmean(finals):.1f} % | {PAPER.get((cell['objective'], cell['length']), '–')} | {times} | {1e3 * statistics.fmean(cell['cpu_seconds_per_step']):.0f} |")


def draw(cells, path):
    plt = drawing.pyplot()
    if plt is None:
        return
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), sharey=True)
    for axis, length in zip(axes, (7, 10)):
        for index, cell in enumerate(cell for cell in cells if cell["length"] == length):
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["run", "collect"])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/sequence_study"))
    parser.add_argument("--results", type=pathlib.Path, default=pathlib.Path("docs/results"))
    parser.add_argument("--tpo", default=str(ROOT / "build/release/bin/tpo"))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    return run_all(arguments) if arguments.action == "run" else collect(arguments)


if __name__ == "__main__":
    sys.exit(main())
