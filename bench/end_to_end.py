#!/usr/bin/env python3
"""What a whole run costs: CPU seconds, wall time, cores kept busy, peak memory, and time to the first step.

    bench/end_to_end.py [--steps 2000] [--tpo build/release/bin/tpo] [--json FILE]

Each method runs the reverse-copy task (V=2, H=7, B=100) as in the paper: K=8 for the grouped methods, one completion per
prompt for the others. Beside ours stand the figures of the paper's public JAX implementation on this kind of machine with
two threads: CPU seconds a step, plus 20 CPU seconds of compilation.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
COMPILATION_CPU_SECONDS = 20.0
# Method, overrides, CPU seconds a step of the reference (None: not measured).
METHODS = [
    ("tpo", [], 1.65),
    ("grpo", [], 1.65),
    ("tpo, one epoch", ["learner.epochs=1"], 0.9),
    ("ppo", ["learner.objective=ppo", "rollout.group_size=1"], 0.21),
    ("dg", ["learner.objective=dg", "rollout.group_size=1", "learner.epochs=1"], 0.11),
]


def measure(tpo, name, overrides, steps):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="tpo_bench_"))
    run = directory / "run"
    command = [tpo, "train", str(ROOT / "examples/reverse_copy.yaml"), "--run_dir", str(run), "--quiet",
               "--set", f"learner.steps={steps}"]
    if name == "grpo":
        overrides = ["learner.objective=grpo"]
    for value in overrides:
        command += ["--set", value]
    start = time.time()
    subprocess.run(command, check=True)
    summary = json.loads((run / "summary.json").read_text())
    with open(run / "metrics.jsonl", encoding="utf-8") as metrics:
        first = json.loads(metrics.readline())
    shutil.rmtree(directory)
    return {
        "method": name, "steps": steps, "commit": summary["commit"],
        "cpu_seconds": summary["cpu_seconds"], "wall_seconds": summary["wall_seconds"],
        "cpu_seconds_per_step": summary["cpu_seconds"] / steps,
        "cores_busy": summary["cpu_seconds"] / summary["wall_seconds"],
        "peak_memory_mb": summary["peak_memory_bytes"] / 1e6,
        "seconds_to_first_step": first["unix_seconds"] - start,
    }


def start_time(command, repeats=20):
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        best = min(best, time.perf_counter() - start)
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--tpo", default=str(ROOT / "build/release/bin/tpo"))
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()

    results = []
    print("| method | CPU-ms a step | reference | times less over the run | wall s | cores busy | peak MB | first step s |")
    print("|---|---|---|---|---|---|---|---|")
    for name, overrides, reference in METHODS:
        result = measure(arguments.tpo, name, overrides, arguments.steps)
        theirs = reference * arguments.steps + COMPILATION_CPU_SECONDS
        result["reference_cpu_seconds"] = theirs
        result["times_less"] = theirs / result["cpu_seconds"]
        results.append(result)
        print(f"| {name} | {1e3 * result['cpu_seconds_per_step']:.1f} | {1e3 * reference:.0f} | {result['times_less']:.1f} | "
              f"{result['wall_seconds']:.0f} | {result['cores_busy']:.2f} | {result['peak_memory_mb']:.0f} | "
              f"{result['seconds_to_first_step']:.2f} |", flush=True)
    for program in ("tpo", "tpo-verifier"):
        path = pathlib.Path(arguments.tpo).with_name(program)
        print(f"`{program} --help`: {1e3 * start_time([str(path), '--help']):.1f} ms (best of 20)")
    if arguments.json:
        arguments.json.write_text(json.dumps({"cores": os.cpu_count(), "results": results}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
