"""A language model small enough for tests: one of the golden models with a tokenizer of bytes, and a dataset for it."""

import json
import os
import pathlib
import shutil

SOURCE = pathlib.Path(os.environ["TPO_SOURCE_DIR"])
GOLDEN = pathlib.Path(os.environ.get("TPO_GOLDEN_DIR") or SOURCE / "tests" / "golden")

SPECIAL_TOKENS = ("<pad>", "<begin>", "<end>")
TEMPLATE = ("{% for message in messages %}<begin>{{ message.role }}:{{ message.content }}<end>{% endfor %}"
            "{% if add_generation_prompt %}<begin>assistant:{% endif %}")


def byte_characters():
    """How byte-level tokenizers write the 256 bytes: printable ones as they are, others as characters from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


def tokenizer():
    """A tokenizer.json whose tokens are the special ones and the bytes."""
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    added = [{"id": index, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True} for index, content in enumerate(SPECIAL_TOKENS)]
    vocabulary = {content: index for index, content in enumerate(SPECIAL_TOKENS)}
    vocabulary |= {character: len(SPECIAL_TOKENS) + index for index, character in enumerate(byte_characters())}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
            "pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level,
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "vocab": vocabulary,
                      "merges": []}}


def make_model(directory, case="tiny_llama"):
    """A Hugging Face directory with a model of tests/golden/hf, whose end token is 2, and the tokenizer."""
    directory = pathlib.Path(directory)
    directory.mkdir()
    for name in ("config.json", "generation_config.json", "model.safetensors"):
        shutil.copy(GOLDEN / "hf" / case / name, directory / name)
    (directory / "tokenizer.json").write_text(json.dumps(tokenizer()), encoding="utf-8")
    (directory / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    return directory


def make_dataset(path, rows=40):
    """Prompts whose answer is a letter."""
    lines = [json.dumps({"prompt": f"letter {row}?", "answer": chr(ord("a") + row % 26), "level": row % 3})
             for row in range(rows)]
    pathlib.Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
