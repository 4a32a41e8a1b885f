"""Hugging Face `generate` on the work of generation_bench: tokens per second of completions.

    PYTHON bench/generation/transformers_generate.py MODEL [--rows 1 16 128] [--threads 2]
    PYTHON bench/generation/transformers_generate.py qwen3-0.6b --types bfloat16 --rows 1 16

with the PYTHON that `./dev setup transformers` prints, on the same machine, nothing else running. Rows are completions: 128
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


def load(name: str, kind: str) -> transformers.PreTrainedModel:
    dtype = getattr(torch, kind)
    if name != "qwen3-0.6b":
        return transformers.AutoModelForCausalLM.from_pretrained(name, dtype=dtype).eval()
    config = transformers.Qwen3Config(
        vocab_size=151936, hidden_size=1024, num_hidden_layers=28, num_attention_heads=16, num_key_value_heads=8,
        head_dim=128, intermediate_size=3072, max_position_embeddings=40960, rms_norm_eps=1e-6, tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 1000000.0})
    return transformers.AutoModelForCausalLM.from_config(config, dtype=dtype).eval()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", help="a Hugging Face directory, or qwen3-0.6b: that shape with random weights")
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 16, 128])
    parser.add_argument("--types", nargs="+", default=["bfloat16", "float32"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"transformers {transformers.__version__}, torch {torch.__version__}, {arguments.threads} threads")
    for kind in arguments.types:
        model = load(arguments.model, kind)
        for rows in arguments.rows:
            print(f"{kind} {rows} rows: {tokens_per_second(model, rows, arguments.repeats):.1f} tokens/s", flush=True)


if __name__ == "__main__":
    main()
