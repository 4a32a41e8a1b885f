"""A grader for word problems whose answer is a number, as in GSM8K: the last number of the
completion counts.

python -m tpo_verifier gsm8k --listen 127.0.0.1:50052
"""

from __future__ import annotations

import re
from decimal import Decimal

from tpo_verifier import Verdict, verifier

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?|-?\.\d+")


def last_number(text: str) -> Decimal | None:
    """The last number of a text; thousands may be grouped by commas."""
    numbers = _NUMBER.findall(text)
    return Decimal(numbers[-1].replace(",", "")) if numbers else None


@verifier(tasks=["gsm8k", "gsm8k/*"])
def reward(completion: str, answer: str) -> Verdict:
    """1 when the completion ends on the right number, else 0. No reference number: no verdict."""
    # GSM8K's own column has the solution first, and the number behind four number signs.
    wanted = last_number(answer.rpartition("####")[2])
    if wanted is None:
        return Verdict.abstained("the reference answer has no number")
    found = last_number(completion)
    return Verdict(
        float(found == wanted),
        components={"has_number": float(found is not None)},
        explanation=f"last number: {found}, wanted: {wanted}",
    )
