#!/usr/bin/env python3
"""TRL's GRPOTrainer on the work of tpo_step.py: seconds and memory of a whole training step.

    PYTHON bench/training/trl_step.py ~/.cache/tpo/models/smollm2 [--type bfloat16]
    PYTHON bench/training/trl_step.py --layers 2

A step is 16 prompts of 32 tokens, 8 completions of 32 tokens each, and four epochs over them (`num_iterations`); random
rewards, no reference model. PYTHON is that of an environment with torch, transformers (`./dev setup transformers`), and
`pip install trl==1.16.0 accelerate==1.15.0 datasets==5.2.0`, on the same machine as ours, nothing else running.
With --layers, in place of a directory, the model is a Llama of that shape over bytes, with random weights. --save DIR writes
model and prompts for tpo_step.py and trains nothing.
"""

import argparse
import json
import pathlib
import random
import resource
import tempfile
import time

import datasets
import tokenizers
import torch
import transformers
import trl

PROMPTS, GROUP, PROMPT_TOKENS, NEW_TOKENS, EPOCHS = 16, 8, 32, 32, 4


def byte_tokenizer() -> transformers.PreTrainedTokenizerBase:
    """A token per byte, and the end of a text."""
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    model = tokenizers.models.BPE(vocab={letter: token for token, letter in enumerate(alphabet)}, merges=[])
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", pad_token="<end>")


def prompts(tokenizer: transformers.PreTrainedTokenizerBase, count: int) -> list[str]:
    """Texts of exactly PROMPT_TOKENS tokens."""
    texts = (tokenizer.decode([token]) for token in range(min(6000, len(tokenizer))))
    words = [text for text in texts if text.strip().isalpha() and len(tokenizer.encode(text * 2)) == 2]
    generator = random.Random(1)
    texts = ["".join(generator.choices(words, k=PROMPT_TOKENS)) for _ in range(count * 4)]
    return [text for text in texts if len(tokenizer.encode(text)) == PROMPT_TOKENS][:count]


class Times(transformers.TrainerCallback):
    """When each optimizer step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_begin(self, *_, **__) -> None:
        self.ends.append(time.perf_counter())

    def on_step_end(self, *_, **__) -> None:
        self.ends.append(time.perf_counter())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", nargs="?", help="a Hugging Face directory")
    parser.add_argument("--type", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--steps", type=int, default=1, help="after one that warms up, if there are several")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--layers", type=int)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--save", type=pathlib.Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.layers:
        tokenizer = byte_tokenizer()
        config = transformers.LlamaConfig(vocab_size=len(tokenizer), hidden_size=arguments.width,
                                          intermediate_size=4 * arguments.width, num_hidden_layers=arguments.layers,
                                          num_attention_heads=4, num_key_value_heads=4)
        model = transformers.LlamaForCausalLM(config)
    else:
        tokenizer = transformers.AutoTokenizer.from_pretrained(arguments.model)
        model = transformers.AutoModelForCausalLM.from_pretrained(arguments.model)
    model = model.to(getattr(torch, arguments.type))
    texts = prompts(tokenizer, PROMPTS * arguments.steps)
    if arguments.save:
        model.save_pretrained(arguments.save)
        tokenizer.save_pretrained(arguments.save)
        (arguments.save / "prompts.jsonl").write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts))
        return
    rewards = random.Random(2)
    times = Times()
    with tempfile.TemporaryDirectory() as directory:
        settings = trl.GRPOConfig(
            output_dir=directory, use_cpu=True, report_to="none", save_strategy="no", logging_strategy="no",
            per_device_train_batch_size=PROMPTS * GROUP, num_generations=GROUP, max_completion_length=NEW_TOKENS,
            num_iterations=EPOCHS, gradient_accumulation_steps=1, steps_per_generation=1, beta=0.0, temperature=1.0,
            max_steps=EPOCHS * arguments.steps, learning_rate=1e-6, shuffle_dataset=False, gradient_checkpointing=False,
            generation_kwargs={"min_new_tokens": NEW_TOKENS}, bf16=False, fp16=False)
        trainer = trl.GRPOTrainer(
            model=model, reward_funcs=lambda completions, **_: [rewards.random() for _ in completions], args=settings,
            train_dataset=datasets.Dataset.from_dict({"prompt": texts}), processing_class=tokenizer, callbacks=[times])
        trainer.train()
    whole = [times.ends[(step + 1) * EPOCHS] - times.ends[step * EPOCHS] for step in range(arguments.steps)]
    first = [times.ends[step * EPOCHS + 1] - times.ends[step * EPOCHS] for step in range(arguments.steps)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"trl {trl.__version__}, torch {torch.__version__}, {arguments.type}, {arguments.threads} threads")
    for total, with_generation in zip(whole, first):
        epoch = (total - with_generation) / (EPOCHS - 1)
        print(f"step: {total:.2f} s; generation and first log-probs {with_generation - epoch:.2f} s; "
              f"an epoch {epoch:.2f} s; {PROMPTS * GROUP / total:.3f} completions/s")
    print(f"peak memory {peak:.2f} GiB")


if __name__ == "__main__":
    main()
