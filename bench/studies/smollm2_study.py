#!/usr/bin/env python3
"""SmolLM2-135M-Instruct learns sums (examples/language_model): TPO and GRPO, TPO's ways to add log-probs, its anchors.

    bench/studies/smollm2_study.py run --out runs/smollm2 --model ~/.cache/tpo/models/smollm2     # resumable
    bench/studies/smollm2_study.py run --out runs/try --model … --steps 3 --methods tpo_mean       # to see how long
    bench/studies/smollm2_study.py report --out runs/smollm2              # a table; docs/results/smollm2.{json,svg}

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

import drawing

ROOT = pathlib.Path(__file__).resolve().parents[2]
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


def row_of(directory: pathlib.Path) -> str:
    steps = read_jsonl(directory / "metrics.jsonl")
    evaluations = read_jsonl(directory / "eval.jsonl")
    if not steps or not evaluations:
        return ""
    last = steps[-LAST_STEPS:]

    def mean(field: str, records: list[dict]) -> float:
        return statistics.fmean(record[field] for record in records)

    seconds = [record["rollout_seconds"] for record in steps], [record["train_seconds"] for record in steps]
    # Of steps that waited for their groups: others found them sampled while the run was evaluated.
    waited = [(after["tokens_total"] - before["tokens_total"]) / after["rollout_seconds"]
              for before, after in zip(steps, steps[1:]) if after["rollout_seconds"] > 0.1]
    tokens = statistics.median(waited or [math.nan])
    return (f"| {directory.name} | {len(steps)} | {evaluations[0]['pass_at_1']:.2f} | {evaluations[-1]['pass_at_1']:.2f}"
            f" | {evaluations[0]['reward_mean']:.2f} | {evaluations[-1]['reward_mean']:.2f}"
            f" | {mean('reward_mean', steps[:LAST_STEPS]):.3f} | {mean('reward_mean', last):.3f}"
            f" | {mean('anchor_entropy', last):.2f} | {mean('completion_tokens_mean', last):.1f}"
            f" | {statistics.median(seconds[0]):.1f} | {statistics.median(seconds[1]):.1f} | {tokens:.0f}"
            f" | {steps[-1]['cpu_seconds'] / len(steps):.1f}"
            f" | {max(record['peak_memory_bytes'] for record in steps) / 1e9:.1f} |")


HEADER = ("| run | steps | pass@1 before | at the last evaluation | held-out reward before | at the last evaluation"
          f" | sampled reward, first {LAST_STEPS} steps | last {LAST_STEPS} | anchor entropy | tokens a completion | rollout s/step | train s/step | sampled tok/s | CPU-s a step | peak GB |")


def curves_of(directory: pathlib.Path) -> dict[str, object]:
    steps = read_jsonl(directory / "metrics.jsonl")
    summary = directory / "summary.json"
    return {"run": directory.name, "commit": json.loads(summary.read_text())["commit"] if summary.exists() else None,
            "evaluations": [[record["step"], record["pass_at_1"], round(record["reward_mean"], 3)]
                            for record in read_jsonl(directory / "eval.jsonl")],
            "reward_mean": [round(record["reward_mean"], 4) for record in steps],
            "anchor_entropy": [round(record["anchor_entropy"], 3) for record in steps],
            "logprob_mismatch": [record["logprob_mismatch"] for record in steps]}


def draw(runs: list[dict], path: pathlib.Path) -> None:
    plt = drawing.pyplot()
    if plt is None:
        return
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
    for index, run in enumerate(runs):
        color = f"C{index % 10}"
        rewards = run["reward_mean"]
        means = [statistics.fmean(rewards[max(0, step - LAST_STEPS + 1):step + 1]) for step in range(len(rewards))]
        left.plot(range(1, len(means) + 1), means, color=color, linewidth=1.2, label=run["run"])
        right.plot(*list(zip(*run["evaluations"]))[:2], color=color, marker="o", markersize=3, linewidth=1.2, label=run["run"])
    left.set(xlabel="step", title=f"reward of sampled completions, mean of {LAST_STEPS} steps")
    right.set(xlabel="step", title="pass@1 of 100 held-out sums, greedy")
    for axis in (left, right):
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    left.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def report(arguments: argparse.Namespace) -> None:
    print(HEADER)
    print("|" + "---|" * HEADER.count(" |"))
    runs = []
    for directory in sorted(path for path in arguments.out.iterdir() if path.is_dir()):
        if row := row_of(directory):
            print(row)
            runs.append(curves_of(directory))
    if not runs:
        return
    arguments.results.mkdir(parents=True, exist_ok=True)
    text = "[\n" + ",\n".join(json.dumps(run) for run in runs) + "\n]\n"
    (arguments.results / "smollm2.json").write_text(text, encoding="utf-8")
    draw(runs, arguments.results / "smollm2.svg")


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
