"""Writes gsm8k_cases.jsonl: completions and references with the scores of lm-evaluation-harness's two filters,
computed
with Python's `re` from what lm_eval/tasks/gsm8k/gsm8k.yaml of lm_eval 0.4.13 says.

    python3 tests/verifier/rules/make_gsm8k_cases.py
"""

import json
import pathlib
import random
import re

STRICT = (r"#### (\-?[0-9\.\,]+)", 0)  # pattern, which match
FLEXIBLE = (r"(-?[$0-9.,]{2,})|(-?[0-9]+)", -1)
IGNORED = [",", r"\$", r"(?s).*#### ", r"\.$"]
PIECES = ["#### ", "####", "42", "-42", "1,234", "$1,234.50", "3.", "-", "$", ".", ",", " ", "\n", "so ",
"the answer is ",
          "7", "-7", "...", "$.", "é", "答案", "1.5", "#", "12 apples", "##### 9", "#### -", "0", "1e5", "4 2"]


def extracted(text: str, rule: tuple[str, int]) -> str:
    pattern, which = rule
    matches = re.findall(pattern, text)
    if not matches:
        return "[invalid]"
    match = matches[which]
    if isinstance(match, tuple):
        match = [group for group in match if group][0]
    return match.strip()


def plain(text: str) -> str:
    for ignored in IGNORED:
        text = re.sub(ignored, "", text)
    return text.lower()


def main() -> None:
    rng = random.Random(0)
    file = open(pathlib.Path(__file__).parent / "gsm8k_cases.jsonl", "w", encoding="utf-8")
    with file:
        for index in range(1500):
            answer = rng.choice(["42", "-42", "1234", "7", "1,234.50", "3", "$12"])
            reference = rng.choice([answer, f"some steps <<6*7=42>>42\n#### {answer}"])
            text = "".join(rng.choice(PIECES) for _ in range(rng.randint(0, 7)))
            if index % 3 == 0:
                text += rng.choice(["#### ", "####", "The answer is ", "$"]) + answer + rng.choice(["", ".", " ",
                    "\nDone."])
            scores = [int(plain(extracted(text, rule)) == plain(reference)) for rule in (STRICT, FLEXIBLE)]
            json.dump({"reference": reference, "text": text, "strict": scores[0], "flexible": scores[1]}, file,
                      ensure_ascii=False)
            file.write("\n")


if __name__ == "__main__":
    main()
