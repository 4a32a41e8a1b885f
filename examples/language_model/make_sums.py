#!/usr/bin/env python3
"""Writes a dataset of sums, one JSON object a line, for examples/language_model/sums.yaml.

    examples/language_model/make_sums.py > sums.jsonl
"""

from __future__ import annotations

import argparse
import json
import random


def rows(count: int, least: int, most: int, seed: int) -> list[dict[str, str]]:
    """Different sums of two numbers from `least` to `most`, in random order; all of them for 0."""
    pairs = (most - least + 1) ** 2
    if count > pairs:
        raise SystemExit(f"there are only {pairs} sums of two numbers from {least} to {most}")
    chosen = random.Random(seed).sample(range(pairs), count or pairs)
    sums = [(least + pair // (most - least + 1), least + pair % (most - least + 1)) for pair in chosen]
    return [{"prompt": f"What is {a} + {b}? Answer with the number only.", "answer": str(a + b)} for a, b in sums]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=0, help="how many [all]")
    parser.add_argument("--least", type=int, default=1, help="smallest number [1]")
    parser.add_argument("--most", type=int, default=30, help="largest number [30]")
    parser.add_argument("--seed", type=int, default=0, help="[0]")
    arguments = parser.parse_args()
    for row in rows(arguments.rows, arguments.least, arguments.most, arguments.seed):
        print(json.dumps(row))


if __name__ == "__main__":
    main()
