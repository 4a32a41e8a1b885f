#!/usr/bin/env python3
"""SmolLM2-135M-Instruct learns sums (examples/language_model): TPO and GRPO, and TPO's ways to add log-probs.

    bench/studies/smollm2_study.py run --out runs/smollm2 --model ~/.cache/tpo/models/smollm2     # resumable
    bench/studies/smollm2_study.py run --out runs/try --model … --steps 3 --methods tpo_mean       # to see how long
    bench/studies/smollm2_study.py report --out runs/smollm2                                       # a table, in Markdown

One run a method: the same prompts, seed, steps and optimizer. A run that was cut off goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFIG = ROOT / "examples/language_model/sums.yaml"
MAKE_SUMS = ROOT / "examples/language_model/make_sums.py"

# Overrides of each method.
METHODS: dict[str, dict[str, object]] = {
    "tpo_mean": {"learner.objective": "tpo", "learner.length_exponent": 1},
    "tpo_root": {"learner.objective": "tpo", "learner.length_exponent": 0.5},
    "tpo_sum": {"learner.objective": "tpo", "learner.length_exponent": 0},
    "tpo_proximal": {"learner.objective": "tpo", "learner.length_exponent": 1, "learner.anchor": "proximal"},
    "grpo": {"learner.objective": "grpo", "learner.length_exponent": 1},
}
LAST_STEPS = 20


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


def run(arguments: argparse.Namespace) -> None:
    data = make_data(arguments)
    for method in arguments.methods.split(","):
        fields = METHODS[method] | {"task.dataset.path": data, "model.hf.path": arguments.model.expanduser(),
                                    "learner.steps": arguments.steps}
        fields |= dict(pair.split("=", 1) for pair in arguments.set)
        flags = [part for name, value in fields.items() for part in ("--set", f"{name}={value}")]
        subprocess.run([arguments.tpo, "train", CONFIG, "--run_dir", arguments.out / method, "--resume", *flags],
                       check=True)


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
    return (f"| {directory.name} | {len(steps)} | {evaluations[0]['pass_at_1']:.3f} | {evaluations[-1]['pass_at_1']:.3f}"
            f" | {mean('reward_mean', steps[:LAST_STEPS]):.3f} | {mean('reward_mean', last):.3f}"
            f" | {mean('anchor_entropy', last):.2f} | {mean('completion_tokens_mean', last):.1f}"
            f" | {statistics.median(seconds[0]):.1f} | {statistics.median(seconds[1]):.1f} | {tokens:.0f}"
            f" | {max(record['peak_memory_bytes'] for record in steps) / 1e9:.1f} |")


def report(arguments: argparse.Namespace) -> None:
    print(f"| method | steps | pass@1 before | pass@1 after | reward, first {LAST_STEPS} steps | last {LAST_STEPS}"
          " | anchor entropy | tokens a completion | rollout s/step | train s/step | sampled tok/s | peak GB |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for directory in sorted(path for path in arguments.out.iterdir() if path.is_dir()):
        if row := row_of(directory):
            print(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    runner = commands.add_parser("run", help="train what isn't trained yet")
    runner.add_argument("--model", type=pathlib.Path, required=True, help="directory that `./dev model smollm2` made")
    runner.add_argument("--tpo", type=pathlib.Path, default=ROOT / "build/release/bin/tpo")
    runner.add_argument("--methods", default=",".join(METHODS))
    runner.add_argument("--steps", type=int, default=100)
    runner.add_argument("--most", type=int, default=30, help="largest number that is added [30]")
    runner.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="further overrides")
    reporter = commands.add_parser("report", help="what came out, as a table")
    for command in (runner, reporter):
        command.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    {"run": run, "report": report}[arguments.command](arguments)


if __name__ == "__main__":
    main()
