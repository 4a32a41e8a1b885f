"""The example's reward function: the share of the positions that are right."""

from tpo_verifier import verifier


@verifier(tasks=["sequence/*"])
def right_share(completion_tokens: list[list[int]], reference_tokens: list[int], **fields: object) -> list[float]:
    """Some wrong answers are better than others."""
    return [
        sum(mine == wanted for mine, wanted in zip(tokens, reference_tokens)) / max(1, len(reference_tokens))
        for tokens in completion_tokens
    ]
