#!/usr/bin/env python3
"""A whole training step with a language model: seconds, completions a second and memory, beside trl_step.py.

    bench/training/tpo_step.py MODEL --prompts MODEL/prompts.jsonl [--type float32] [--steps 3] [--tpo build/release/bin/tpo]

MODEL and its prompts are those that `trl_step.py --save MODEL` wrote. A step is 16 prompts of 32 tokens, 8 completions of 32
tokens each (fewer where the model ends one), and four epochs over them, by `tpo train` on all cores, or on as many as --threads
says. Scores are the lengths of the texts, so that groups differ. The first step, which warms up, isn't counted when there are several.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFIG = """
task:
  dataset:
    path: {prompts}
    chat: false
    verifier: {{length: {{unit: characters, linear: {{from: 60, to: 200, score_from: 1, score_to: 0}}}}}}
model: {{hf: {{path: {model}, compute_type: {type}}}}}
rollout: {{group_size: 8, max_tokens: 32}}
learner:
  prompts_per_step: 16
  prompts_per_lease: 16
  epochs: 4
  steps: {steps}
  micro_batch_tokens: {micro_batch_tokens}
  optimizer: {{adamw: {{learning_rate: 1.0e-6}}}}
  checkpoint: {{every_steps: 0}}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--prompts", type=pathlib.Path, required=True)
    parser.add_argument("--type", default="bfloat16", choices=["float32", "bfloat16"])
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--micro_batch_tokens", type=int, default=8192)
    parser.add_argument("--threads", type=int, help="cores that it may use; it takes a thread for each [all]")
    parser.add_argument("--tpo", type=pathlib.Path, default=ROOT / "build/release/bin/tpo")
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:arguments.threads]
    os.sched_setaffinity(0, cores)
    with tempfile.TemporaryDirectory() as directory:
        folder = pathlib.Path(directory)
        config = folder / "step.yaml"
        config.write_text(CONFIG.format(
            prompts=arguments.prompts.resolve(), model=arguments.model.resolve(), type=arguments.type,
            steps=arguments.steps, micro_batch_tokens=arguments.micro_batch_tokens), encoding="utf-8")
        done = subprocess.run([arguments.tpo, "train", config, "--run_dir", folder / "run", "--quiet"], check=False)
        if done.returncode != 0:
            return done.returncode
        lines = (folder / "run/metrics.jsonl").read_text(encoding="utf-8").splitlines()
        records = [json.loads(line) for line in lines]
        summary = json.loads((folder / "run/summary.json").read_text(encoding="utf-8"))
    print(f"{summary['version']} {summary['commit']}, {arguments.type}, {len(cores)} cores, "
          f"load {os.getloadavg()[0]:.1f} at the end")
    for record in records[1:] or records:
        print(f"step: {record['step_seconds']:.2f} s; rollout {record['rollout_seconds']:.2f} s; training "
              f"{record['train_seconds']:.2f} s; {128 / record['step_seconds']:.3f} completions/s of "
              f"{record['completion_tokens_mean']:.1f} tokens; log-prob mismatch {record['logprob_mismatch']:.1e}")
    median = statistics.median(record["step_seconds"] for record in records[1:] or records)
    print(f"median {median:.2f} s; peak memory {summary['peak_memory_bytes'] / 2**30:.2f} GiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
