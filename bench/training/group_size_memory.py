#!/usr/bin/env python3
"""Memory of `tpo train` by the size of a group: it should be the same for 4 completions of a prompt as for 128.

    bench/training/group_size_memory.py MODEL --prompts MODEL/prompts.jsonl [--sizes 4 16 64 128] [--steps 3] [--new_tokens 32] [--runs 1]

MODEL and its prompts as for tpo_step.py. Steps of four prompts of 32 tokens, with completions of --new_tokens; the working
memory of a pass (`learner.micro_batch_tokens`) and of the cache (`rollout.cache_mib`) are bounded to what the smallest group
fills. Two peaks: until the last step was trained, and of the whole process, which then publishes the new weights, has the
worker load them and writes the checkpoint. Both depend on which of these happen at the same time, so that a run by
itself says little: of several --runs the median counts.
"""

import argparse
import json
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
rollout: {{group_size: {size}, max_tokens: {new_tokens}, cache_mib: {cache_mib}}}
learner:
  prompts_per_step: 4
  prompts_per_lease: 1
  epochs: 1
  steps: {steps}
  micro_batch_tokens: 512
  optimizer: {{adamw: {{learning_rate: 1.0e-6}}}}
  checkpoint: {{every_steps: 0}}
"""


def peak_bytes(arguments: argparse.Namespace, size: int) -> tuple[int, int, int]:
    """The peaks, and the tokens that were trained on."""
    with tempfile.TemporaryDirectory() as directory:
        folder = pathlib.Path(directory)
        config = folder / "step.yaml"
        config.write_text(CONFIG.format(prompts=arguments.prompts.resolve(), model=arguments.model.resolve(),
                                        type=arguments.type, size=size,
                                        steps=arguments.steps, new_tokens=arguments.new_tokens,
                                        cache_mib=max(16, arguments.new_tokens // 2)), encoding="utf-8")
        subprocess.run([arguments.tpo, "train", config, "--run_dir", folder / "run", "--quiet"], check=True)
        record = json.loads((folder / "run/metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])
        summary = json.loads((folder / "run/summary.json").read_text(encoding="utf-8"))
    return record["peak_memory_bytes"], summary["peak_memory_bytes"], record["forward_tokens"]


def in_gibibytes(peaks: tuple[int, ...]) -> str:
    """The median, and what there was beside it."""
    text = f"{statistics.median(peaks) / 2**30:.3f} GiB"
    return text if len(peaks) == 1 else f"{text} ({min(peaks) / 2**30:.3f} to {max(peaks) / 2**30:.3f})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--prompts", type=pathlib.Path, required=True)
    parser.add_argument("--type", default="bfloat16", choices=["float32", "bfloat16"])
    parser.add_argument("--sizes", type=int, nargs="+", default=[4, 16, 64, 128])
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--new_tokens", type=int, default=32)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--tpo", type=pathlib.Path, default=ROOT / "build/release/bin/tpo")
    arguments = parser.parse_args()
    peaks = []
    for size in arguments.sizes:
        trained, whole, tokens = zip(*(peak_bytes(arguments, size) for _ in range(arguments.runs)))
        peaks.append((statistics.median(trained), statistics.median(whole)))
        print(f"K = {size}: {in_gibibytes(trained)} until trained, {in_gibibytes(whole)} in all; "
              f"{tokens[-1]} tokens in the batch", flush=True)
    for name, values in zip(("until trained", "in all"), zip(*peaks)):
        print(f"largest over smallest, {name}: {max(values) / min(values):.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
