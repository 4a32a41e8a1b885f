#!/usr/bin/env python3
"""SmolLM2-135M-Instruct learns sums (examples/language_model): TPO and GRPO, TPO's ways to add log-probs, its anchors.

    bench/studies/smollm2_study.py run --out runs/smollm2 --model ~/.cache/tpo/models/smollm2     # resumable
    bench/studies/smollm2_study.py run --out runs/try --model … --steps 3 --methods tpo_mean       # to see how long
    bench/studies/smollm2_study.py report --out runs/smollm2              # a table; adds to docs/results/smollm2.{json,svg}

One run a method and seed: the same prompts, steps and optimizer. A run that was cut off goes on from its last checkpoint; a
finished one is kept, without its checkpoints (1.6 GB) unless --keep_checkpoints is given. Anchors differ only where groups
are stale, so the methods that compare them train on every group exactly STALENESS versions after it was sampled.
"""

from __future__ import annotations

import argparse
import json
import math
import pathlib
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/paper"))

import drawing  # noqa: E402
import sweep  # noqa: E402

CONFIG = ROOT / "examples/language_model/sums.yaml"
MAKE_SUMS = ROOT / "examples/language_model/make_sums.py"

STALENESS = 4
STALE: dict[str, object] = {"learner.max_staleness": STALENESS, "learner.exact_staleness": "true"}
# Overrides of each method, the most telling first.
METHODS: dict[str, dict[str, object]] = {
    "tpo_mean": {"learner.objective": "tpo", "learner.length_exponent": 1},
    "grpo": {"learner.objective": "grpo", "learner.length_exponent": 1},
    "tpo_sum": {"learner.objective": "tpo", "learner.length_exponent": 0},
    "tpo_root": {"learner.objective": "tpo", "learner.length_exponent": 0.5},
    "stale_behavior": STALE | {"learner.objective": "tpo", "learner.anchor": "behavior"},
    "stale_proximal": STALE | {"learner.objective": "tpo", "learner.anchor": "proximal"},
    "stale_ratio": STALE | {"learner.objective": "tpo", "learner.anchor": "ratio"},
    "stale_grpo": STALE | {"learner.objective": "grpo"},
}
LAST_STEPS = 5


def read_jsonl(path: pathlib.Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def make_data(arguments: argparse.Namespace) -> pathlib.Path:
    path = arguments.out / "sums.jsonl"
    if not path.exists():
        arguments.out.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, MAKE_SUMS, "--most", str(arguments.most)]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        path.write_text(text, encoding="utf-8")
    return path


def is_finished(directory: pathlib.Path, steps: int) -> bool:
    evaluations = read_jsonl(directory / "eval.jsonl")
    return bool(evaluations) and evaluations[-1]["step"] >= steps


def run(arguments: argparse.Namespace) -> None:
    data = make_data(arguments)
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        for method in arguments.methods.split(","):
            directory = arguments.out / f"{method}-seed{seed}"
            if is_finished(directory, arguments.steps):
                continue
            fields = METHODS[method] | {
                "seed": seed, "task.dataset.path": data, "model.hf.path": arguments.model.expanduser(),
                "learner.steps": arguments.steps, "evaluation.every_steps": 10,
                "learner.checkpoint.every_steps": 20, "learner.checkpoint.keep": 1}
            fields |= dict(pair.split("=", 1) for pair in arguments.set)
            flags = [part for name, value in fields.items() for part in ("--set", f"{name}={value}")]
            subprocess.run([arguments.tpo, "train", CONFIG, "--run_dir", directory, "--resume", *flags], check=True)
            if not is_finished(directory, arguments.steps):
                sys.exit(f"{directory} was stopped; the same command goes on with it")
            if not arguments.keep_checkpoints:
                shutil.rmtree(directory / "checkpoints")


def record_of(directory: pathlib.Path) -> dict[str, object] | None:
    """What the results keep of a finished run; None: it isn't one."""
    steps, evaluations = read_jsonl(directory / "metrics.jsonl"), read_jsonl(directory / "eval.jsonl")
    summary = directory / "summary.json"
    if not steps or not summary.exists() or not is_finished(directory, len(steps)):
        return None
    # Of steps that waited for their groups: others found them sampled while the run was evaluated.
    waited = [(after["tokens_total"] - before["tokens_total"]) / after["rollout_seconds"]
              for before, after in zip(steps, steps[1:]) if after["rollout_seconds"] > 0.1]
    return {"run": directory.name, "commit": json.loads(summary.read_text())["commit"], "processor": sweep.cpu_name(),
            "evaluations": [[record["step"], record["pass_at_1"], round(record["reward_mean"], 3)] for record in evaluations],
            "reward_mean": [round(record["reward_mean"], 4) for record in steps],
            "anchor_entropy": [round(record["anchor_entropy"], 3) for record in steps],
            "completion_tokens_mean": [round(record["completion_tokens_mean"], 2) for record in steps],
            "logprob_mismatch": [record["logprob_mismatch"] for record in steps],
            "rollout_seconds": round(statistics.median(record["rollout_seconds"] for record in steps), 2),
            "train_seconds": round(statistics.median(record["train_seconds"] for record in steps), 2),
            "sampled_tokens_per_second": round(statistics.median(waited)) if waited else None,
            "cpu_seconds": round(steps[-1]["cpu_seconds"]),
            "peak_memory_bytes": max(record["peak_memory_bytes"] for record in steps)}


HEADER = ("| method | seeds | steps | held-out pass@1, by seed | mean ± s.e. | held-out reward before | at the end"
          f" | sampled reward, first {LAST_STEPS} steps | last {LAST_STEPS} | anchor entropy, last {LAST_STEPS} | tokens a completion,"
          f" last {LAST_STEPS} | rollout s/step | train s/step | sampled tokens/s | CPU-s a run | peak GB |")


def row_of(method: str, runs: list[dict]) -> str:
    """The runs of a method, of equal length."""
    passed = [run["evaluations"][-1][1] for run in runs]
    error = f"{statistics.stdev(passed) / math.sqrt(len(passed)):.2f}" if len(passed) > 1 else "?"

    def mean(values: Callable[[dict], list[float]]) -> float:
        return statistics.fmean(value for run in runs for value in values(run))

    def typical(field: str) -> float:
        known = [run[field] for run in runs if run[field] is not None]
        return statistics.median(known) if known else math.nan

    return (f"| {method} | {len(runs)} | {len(runs[0]['reward_mean'])} | {' '.join(f'{value:.2f}' for value in passed)}"
            f" | {statistics.fmean(passed):.2f} ± {error}"
            f" | {mean(lambda run: [run['evaluations'][0][2]]):.2f} | {mean(lambda run: [run['evaluations'][-1][2]]):.2f}"
            f" | {mean(lambda run: run['reward_mean'][:LAST_STEPS]):.2f} | {mean(lambda run: run['reward_mean'][-LAST_STEPS:]):.2f}"
            f" | {mean(lambda run: run['anchor_entropy'][-LAST_STEPS:]):.2f}"
            f" | {mean(lambda run: run['completion_tokens_mean'][-LAST_STEPS:]):.1f}"
            f" | {typical('rollout_seconds'):.1f} | {typical('train_seconds'):.1f} | {typical('sampled_tokens_per_second'):.0f}"
            f" | {typical('cpu_seconds'):.0f} | {typical('peak_memory_bytes') / 1e9:.1f} |")


def draw(runs: list[dict], path: pathlib.Path) -> None:
    """A color a method, a line a seed."""
    plt = drawing.pyplot()
    if plt is None:
        return
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
    methods = [method for method in METHODS if any(run["run"].startswith(f"{method}-") for run in runs)]
    drawn = set()
    for run in runs:
        method = run["run"].split("-")[0]
        style = {"color": f"C{methods.index(method)}", "linewidth": 1.2, "label": None if method in drawn else method}
        drawn.add(method)
        rewards = run["reward_mean"]
        means = [statistics.fmean(rewards[max(0, step - LAST_STEPS + 1):step + 1]) for step in range(len(rewards))]
        left.plot(range(1, len(means) + 1), means, **style)
        right.plot(*list(zip(*run["evaluations"]))[:2], marker="o", markersize=3, **style)
    left.set(xlabel="step", title=f"reward of sampled completions, mean of {LAST_STEPS} steps")
    right.set(xlabel="step", title="pass@1 of 100 held-out sums, greedy")
    for axis in (left, right):
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    left.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def report(arguments: argparse.Namespace) -> None:
    """Adds the finished runs to those of the results, which other machines may have made, and prints a row a method."""
    path = arguments.results / "smollm2.json"
    runs = {run["run"]: run for run in (json.loads(path.read_text(encoding="utf-8")) if path.exists() else [])}
    for directory in sorted(path for path in arguments.out.iterdir() if path.is_dir()):
        if record := record_of(directory):
            runs[directory.name] = record
    if not runs:
        return
    methods: dict[str, list[dict]] = {}
    for name in sorted(runs, key=lambda name: (list(METHODS).index(name.split("-")[0]), name)):
        methods.setdefault(name.split("-")[0], []).append(runs[name])
    print(HEADER)
    print("|" + "---|" * HEADER.count(" |"))
    for method, of_method in methods.items():
        print(row_of(method, of_method))
    ordered = [run for of_method in methods.values() for run in of_method]
    arguments.results.mkdir(parents=True, exist_ok=True)
    path.write_text("[\n" + ",\n".join(json.dumps(run) for run in ordered) + "\n]\n", encoding="utf-8")
    draw(ordered, arguments.results / "smollm2.svg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    runner = commands.add_parser("run", help="train what isn't trained yet")
    runner.add_argument("--model", type=pathlib.Path, required=True, help="directory that `./dev model smollm2` made")
    runner.add_argument("--tpo", type=pathlib.Path, default=ROOT / "build/release/bin/tpo")
    runner.add_argument("--methods", default=",".join(METHODS))
    runner.add_argument("--steps", type=int, default=40)
    runner.add_argument("--seeds", type=int, default=1, help="how many seeds [1]")
    runner.add_argument("--first_seed", type=int, default=0, help="[0]")
    runner.add_argument("--most", type=int, default=30, help="largest number that is added [30]")
    runner.add_argument("--keep_checkpoints", action="store_true")
    runner.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="further overrides")
    reporter = commands.add_parser("report", help="what came out, as a table")
    reporter.add_argument("--results", type=pathlib.Path, default=ROOT / "docs/results")
    for command in (runner, reporter):
        command.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    {"run": run, "report": report}[arguments.command](arguments)


if __name__ == "__main__":
    main()
