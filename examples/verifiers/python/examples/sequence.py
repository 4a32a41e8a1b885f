"""Graders for the sequence tasks, whose prompts and answers are tokens and have no text.

python -m tpo_verifier sequence:right_share --listen 127.0.0.1:50052
"""

from __future__ import annotations

from tpo_verifier import Verdict, verifier


@verifier(tasks=["sequence/*"])
def right_share(
    completion_tokens: list[list[int]], reference_tokens: list[int], **fields: object
) -> list[Verdict]:
    """The share of the positions that are right; of the wrong answers, too, some are better than
    others.
    """
    verdicts = []
    for tokens in completion_tokens:
        right = sum(mine == wanted for mine, wanted in zip(tokens, reference_tokens))
        exact = float(tokens == reference_tokens)
        verdicts.append(Verdict(right / max(1, len(reference_tokens)), components={"exact": exact}))
    return verdicts
