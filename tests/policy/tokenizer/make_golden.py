"""Writes FAMILY.tokenizer.json and FAMILY.cases.json here: small tokenizers, and what the PyPI package makes of texts.

From the root, with the packages of third_party/tokenizer-requirements.txt:

    python tests/policy/tokenizer/make_golden.py
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "bench" / "tokenizer"))

import corpus  # noqa: E402
import families  # noqa: E402


def case(tokenizer, data: bytes) -> dict:
    text = data.decode("utf-8", "replace")
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    made = {"text": text} if text.encode() == data else {"hex": data.hex()}
    made |= {"ids": ids, "with_special": tokenizer.encode(text).ids}
    made |= {"decoded": tokenizer.decode(ids, skip_special_tokens=False), "skipped": tokenizer.decode(ids)}
    return {key: value for key, value in made.items() if key != "with_special" or value != ids}


def main() -> None:
    for name, make in families.FAMILIES.items():
        tokenizer = make()
        # Compact, for a smaller file.
        definition = json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":"))
        (HERE / f"{name}.tokenizer.json").write_text(definition + "\n", encoding="utf-8")
        texts = [b"", b" ", b"'", b"\xff"] + list(corpus.texts(130, 11, families.spelled_out(tokenizer)))
        cases = [json.dumps(case(tokenizer, text), ensure_ascii=False, separators=(",", ":")) for text in texts]
        (HERE / f"{name}.cases.json").write_text("[\n" + ",\n".join(cases) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
