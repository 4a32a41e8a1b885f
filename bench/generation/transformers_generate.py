"""Hugging Face `generate` on the work of generation_bench: tokens per second of completions.

    ~/.cache/tpo/venv-…/bin/python bench/generation/transformers_generate.py MODEL [--rows 1 16 128]

with the environment of `./dev setup transformers`, on the same machine, nothing else running. Rows are completions: 128
stands for 16 prompts of 8, which generate computes as 128 prompts.
"""

import argparse
import time

import torch
import transformers

PROMPT_TOKENS = 32
NEW_TOKENS = 64


def tokens_per_second(model: transformers.PreTrainedModel, rows: int, repeats: int) -> float:
    prompts = torch.randint(0, model.config.vocab_size, (rows, PROMPT_TOKENS), generator=torch.Generator().manual_seed(2))
    fastest = float("inf")
    for _ in range(repeats + 1):  # the first warms up
        start = time.perf_counter()
        with torch.inference_mode():
            model.generate(prompts, attention_mask=torch.ones_like(prompts), do_sample=True, top_k=0,
                           min_new_tokens=NEW_TOKENS, max_new_tokens=NEW_TOKENS, pad_token_id=0)
        fastest = min(fastest, time.perf_counter() - start)
    return rows * NEW_TOKENS / fastest


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", help="a Hugging Face directory")
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 16, 128])
    parser.add_argument("--types", nargs="+", default=["bfloat16", "float32"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"transformers {transformers.__version__}, torch {torch.__version__}, {arguments.threads} threads")
    for kind in arguments.types:
        model = transformers.AutoModelForCausalLM.from_pretrained(arguments.model, dtype=getattr(torch, kind)).eval()
        for rows in arguments.rows:
            print(f"{kind} {rows} rows: {tokens_per_second(model, rows, arguments.repeats):.1f} tokens/s", flush=True)


if __name__ == "__main__":
    main()
