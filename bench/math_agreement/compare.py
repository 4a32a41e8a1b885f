"""Compares our verdicts with math-verify's on the corpus that generate.py makes.

    python3 -m venv /tmp/math-verify
    /tmp/math-verify/bin/pip install math-verify==0.9.0 antlr4-python3-runtime==4.13.2
    ninja -C build/release judge_pairs
    /tmp/math-verify/bin/python bench/math_agreement/compare.py build/release/bench/judge_pairs

Prints agreement by class and every pair on which the two differ, and writes with --write
  tests/verifier/math/corpus.jsonl         the pairs with both verdicts: what the C++ test holds us to
  docs/results/math_agreement.{md,json}    the figures
math-verify gets what its users give it: the reference as $reference$, the completion as it is.
"""

import argparse
import collections
import json
import logging
import os
import pathlib
import platform
import subprocess
import sys
import time
from importlib import metadata

import generate

ROOT = pathlib.Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests/verifier/math/corpus.jsonl"
RESULTS = ROOT / "docs/results"


def math_verify_says(pairs):
    import math_verify

    logging.disable(logging.CRITICAL)
    verdicts = []
    for pair in pairs:
        reference = math_verify.parse(f"${pair['reference']}$")
        answer = math_verify.parse(pair["completion"])
        verdicts.append(bool(math_verify.verify(reference, answer)))
    return verdicts


def recorded(pairs):
    """What math-verify said when the corpus was written; refuses a corpus of other pairs."""
    lines = [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()]
    if [(line["reference"], line["completion"]) for line in lines] != [
        (p["reference"], p["completion"]) for p in pairs
    ]:
        sys.exit(f"{CORPUS} holds other pairs: run without --recorded")
    return [line["math_verify"] for line in lines]


def we_say(binary, pairs):
    lines = "".join(json.dumps(pair) + "\n" for pair in pairs)
    output = subprocess.run(
        [binary], input=lines, capture_output=True, text=True, check=True
    ).stdout
    return [json.loads(line) for line in output.splitlines()]


def table(pairs, theirs, ours):
    rows = collections.OrderedDict()
    for pair, their, our in zip(pairs, theirs, ours):
        row = rows.setdefault(
            pair["class"], {"pairs": 0, "equal": 0, "agree": 0, "only_we": 0, "only_they": 0}
        )
        equal = our["judgement"] == "equal"
        row["pairs"] += 1
        row["equal"] += their
        row["agree"] += equal == their
        row["only_we"] += equal and not their
        row["only_they"] += their and not equal
    return rows


def commit():
    head = ["git", "-C", ROOT, "describe", "--always", "--dirty", "--exclude=*"]
    return subprocess.run(head, capture_output=True, text=True, check=False).stdout.strip() or "?"


def write_results(rows, differing, seconds):
    total = {
        key: sum(row[key] for row in rows.values())
        for key in ("pairs", "equal", "agree", "only_we", "only_they")
    }
    figures = {
        "command": "bench/math_agreement/compare.py build/release/bench/judge_pairs --write",
        "commit": commit(),
        **{
            name: metadata.version(name)
            for name in ("math-verify", "sympy", "latex2sympy2_extended")
        },
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs",
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "total": total,
        "classes": rows,
    }
    (RESULTS / "math_agreement.json").write_text(
        json.dumps(figures, indent=1) + "\n", encoding="utf-8"
    )
    their_time = f"; math-verify {seconds['math_verify']:.0f} s" if "math_verify" in seconds else ""
    lines = [
        "# Agreement with math-verify",
        "",
        f"{total['agree']} of {total['pairs']} pairs ({100 * total['agree'] / total['pairs']:.2f} %) are judged alike by the",
        f"built-in math verifier and by math-verify {figures['math-verify']} (sympy {figures['sympy']}); math-verify takes",
        f"{total['equal']} of them to be equal. Pairs that only we accept: {total['only_we']}; that only math-verify accepts:",
        f"{total['only_they']}. Why they differ, class by class: [math_verifier.md](../math_verifier.md).",
        "",
        f"Command: `{figures['command']}` (commit {figures['commit']}). The corpus comes from `bench/math_agreement/generate.py`: our own",
        "templates, so the figure says how the two agree on the forms that they cover, not on any benchmark.",
        f"Time for all pairs on a machine that was busy with other work ({figures['machine']}): ours {seconds['ours']:.2f} s, process",
        f"start included{their_time}.",
        "",
        "| class | pairs | math-verify: equal | agree | only we accept | only math-verify accepts |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        lines.append(
            f"| {name} | {row['pairs']} | {row['equal']} | {row['agree']} | {row['only_we'] or ''} | {row['only_they'] or ''} |"
        )
    lines += [
        "",
        "## Pairs that differ",
        "",
        "| class | reference | completion | math-verify | ours |",
        "|---|---|---|---|---|",
    ]
    for pair, their, our in differing:
        shown = [
            text.replace("\n", " ").replace("|", "&#124;")
            for text in (pair["reference"], pair["completion"])
        ]
        lines.append(
            f"| {pair['class']} | <code>{shown[0]}</code> | <code>{shown[1]}</code> | {'equal' if their else 'different'} | {our['judgement']} |"
        )
    (RESULTS / "math_agreement.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_corpus(pairs, theirs, ours):
    with CORPUS.open("w", encoding="utf-8") as file:
        for pair, their, our in zip(pairs, theirs, ours):
            line = dict(pair, math_verify=their)
            if our["judgement"] != ("equal" if their else "different"):
                line["ours"] = our["judgement"]
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", help="judge_pairs")
    parser.add_argument("--write", action="store_true", help="write the corpus and the results")
    parser.add_argument(
        "--recorded", action="store_true", help="take math-verify's verdicts from the corpus"
    )
    arguments = parser.parse_args()
    pairs = list(generate.pairs())
    start = time.perf_counter()
    theirs = recorded(pairs) if arguments.recorded else math_verify_says(pairs)
    middle = time.perf_counter()
    ours = we_say(arguments.binary, pairs)
    seconds = {"ours": time.perf_counter() - middle}
    if not arguments.recorded:
        seconds["math_verify"] = middle - start
    rows = table(pairs, theirs, ours)
    differing = [
        (pair, their, our)
        for pair, their, our in zip(pairs, theirs, ours)
        if (our["judgement"] == "equal") != their
    ]
    for pair, their, our in differing:
        print(
            f"{pair['class']}: math-verify {their}, ours {our['judgement']}: {pair['reference']} || {pair['completion']!r}"
            f"  [{our['explanation']}]"
        )
    for name, row in rows.items():
        print(f"{name:30} {row['agree']:4}/{row['pairs']}  equal {row['equal']}")
    agree = sum(row["agree"] for row in rows.values())
    print(
        f"agreement {agree}/{len(pairs)} = {100 * agree / len(pairs):.2f} %, {len(rows)} classes, {seconds}"
    )
    if arguments.write:
        write_results(rows, differing, seconds)
        write_corpus(pairs, theirs, ours)
    return 0


if __name__ == "__main__":
    sys.exit(main())
