#!/usr/bin/env python3
"""What checkpoints cost training: how long a step stands still for one, and how long it takes until it is durable.

    bench/checkpoint_stall.py [--tpo build/release/bin/tpo] [--checkpoints 5] [--models NAME…] [--staleness S]
                              [--directory DIR] [--json FILE]

Runs of `tpo train` on the reverse-copy task with models of several sizes; a checkpoint every second step, more often
than anybody would, so that one is nearly always being written while the next steps are trained. A stall is the time in
which the learner's thread stood still for a checkpoint (`checkpoint_stall_seconds` in metrics.jsonl): beginning it, waiting for
the copy of the optimizer's state before the next update, and for the checkpoint before if the disk is slower than the steps. The last column is a
step of the same run without checkpoints: what writing takes from the cores. Beside it stands what publishing takes of
each step (`publish_seconds`: copying the weights, their checksums, telling the subscribers), which the learner's thread
does itself, too, and with --staleness how long it waits for groups (`rollout_seconds`).
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
EVERY = 2
# Name, width, blocks, prompts a step, epochs, optimizer.
MODELS = [
    ("the paper's", 64, 2, 100, 4, "muon"),
    ("wide", 512, 4, 20, 1, "muon"),
    ("wide, AdamW", 512, 4, 20, 1, "adamw"),
    ("wide, 6 blocks", 512, 6, 20, 1, "muon"),
    ("large", 1024, 8, 10, 1, "muon"),
]


def train(tpo, directory, model, steps, every, staleness):
    _, width, blocks, prompts, epochs, optimizer = model
    run = directory / f"run_{every}"
    values = {
        "learner.steps": steps, "learner.checkpoint.every_steps": every, "learner.checkpoint.keep": 2,
        "learner.prompts_per_step": prompts, "learner.prompts_per_lease": max(1, prompts // 4),
        "learner.max_staleness": staleness, "learner.epochs": epochs,
        "learner.optimizer": f"{{{optimizer}: {{learning_rate: 1.0e-4}}}}",
        "model.transformer.d_model": width, "model.transformer.layers": blocks,
        "output.tensorboard": "false", "output.inspect_every_steps": 0,
    }
    command = [tpo, "train", str(ROOT / "examples/reverse_copy.yaml"), "--run_dir", str(run), "--quiet"]
    for path, value in values.items():
        command += ["--set", f"{path}={value}"]
    subprocess.run(command, check=True)
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    summary = json.loads((run / "summary.json").read_text())
    newest = max((run / "checkpoints").iterdir())
    size = sum(file.stat().st_size for file in newest.iterdir())
    shutil.rmtree(run)
    return records, summary, size


def measure(tpo, directory, model, checkpoints, staleness, compare):
    steps = EVERY * checkpoints + 1
    records, summary, size = train(tpo, directory, model, steps, EVERY, staleness)
    # The first steps warm up.
    step = statistics.mean(record["step_seconds"] for record in records[2:])
    stalls = [record["checkpoint_stall_seconds"] for record in records if record["checkpoint_stall_seconds"] > 0]
    publish = statistics.mean(record["publish_seconds"] for record in records[2:])
    wait = statistics.mean(record["rollout_seconds"] for record in records[2:])
    plain = train(tpo, directory, model, steps, 0, staleness)[0] if compare else []
    return {
        "model": model[0], "commit": summary["commit"], "checkpoint_mb": size / 1e6, "step_ms": 1e3 * step,
        "stall_ms_mean": 1e3 * statistics.mean(stalls), "stall_ms_max": 1e3 * max(stalls),
        "stall_percent_of_a_step": 100 * statistics.mean(stalls) / step,
        "publish_ms_mean": 1e3 * publish, "publish_percent_of_a_step": 100 * publish / step,
        "wait_for_groups_percent_of_a_step": 100 * wait / step, "max_staleness": staleness,
        "step_ms_without_checkpoints":
            1e3 * statistics.mean(record["step_seconds"] for record in plain[2:]) if plain else float("nan"),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tpo", default=str(ROOT / "build/release/bin/tpo"))
    parser.add_argument("--checkpoints", type=int, default=5)
    parser.add_argument("--directory", help="where checkpoints are written; on the disk to be measured")
    parser.add_argument("--models", nargs="+", metavar="NAME", choices=[model[0] for model in MODELS],
                        default=[model[0] for model in MODELS], help="only these")
    parser.add_argument("--staleness", type=int, default=0, help="learner.max_staleness")
    parser.add_argument("--skip_comparison", action="store_true", help="without runs that write no checkpoints")
    parser.add_argument("--json", help="also write the figures there")
    arguments = parser.parse_args()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="tpo_checkpoint_stall_", dir=arguments.directory))
    results = []
    print(f"load {os.getloadavg()[0]:.2f}, {os.cpu_count()} cores")
    print("model             checkpoint     step    stall mean    max   of a step   publish of a step   step without")
    try:
        for model in (model for model in MODELS if model[0] in arguments.models):
            r = measure(arguments.tpo, directory, model, arguments.checkpoints, arguments.staleness,
                        not arguments.skip_comparison)
            results.append(r)
            print(f"{r['model']:<17} {r['checkpoint_mb']:7.1f} MB {r['step_ms']:6.0f} ms {r['stall_ms_mean']:8.2f} ms "
                  f"{r['stall_ms_max']:6.2f} ms {r['stall_percent_of_a_step']:6.2f} % "
                  f"{r['publish_ms_mean']:8.2f} ms {r['publish_percent_of_a_step']:6.2f} % "
                  f"{r['step_ms_without_checkpoints']:8.0f} ms", flush=True)
    finally:
        shutil.rmtree(directory)
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
