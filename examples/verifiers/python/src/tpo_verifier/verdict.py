"""Verdicts: what a reward function may return for a completion, and how that is made safe to
send.
"""

from __future__ import annotations

import dataclasses
import enum
import itertools
import math
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

# Of reasons and explanations, which travel with their group: what workers keep of them.
MAX_TEXT_BYTES = 4096
# Characters of a traceback that a log gets, from its beginning and from its end.
_MAX_TRACEBACK_HALF = 4096
# Token rewards travel in single precision.
_MAX_FLOAT = (2 - 2**-23) * 2.0**127


class Kind(enum.Enum):
    """What a verdict is. Only SCORED carries a number."""

    SCORED = "scored"
    ABSTAINED = "abstained"
    TIMED_OUT = "timed out"
    FAILED = "failed"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A richer answer than a number. Verdict(0.5) is the same as 0.5, Verdict.abstained() the same
    as None.
    """

    # Higher is better; finite.
    score: float | None = None
    # Named parts of the score, for diagnosis; they need not add up.
    components: Mapping[str, float] = dataclasses.field(default_factory=dict)
    # What judging cost, in a unit of your own; finite, >= 0, else it is left out. Never trained on.
    cost: float = 0.0
    # How the verdict came about, for people; cut after 4096 bytes.
    explanation: str = ""
    # Why there is no score; the same cause should have the same text.
    reason: str = ""
    # One per token of the completion, when the caller asks for them.
    token_rewards: Sequence[float] = ()
    # Follows from `score` unless told.
    kind: Kind | None = None

    @staticmethod
    def abstained(reason: str = "the verifier abstained") -> Verdict:
        """Declines to judge: the completion leaves its group's statistics."""
        return Verdict(reason=reason, kind=Kind.ABSTAINED)

    @staticmethod
    def failed(reason: str) -> Verdict:
        """Could not judge: the completion leaves its group's statistics, and the reason is
        reported.
        """
        return Verdict(reason=reason, kind=Kind.FAILED)

    @staticmethod
    def timed_out(reason: str = "not judged before the deadline") -> Verdict:
        """Judging takes longer than allowed."""
        return Verdict(reason=reason, kind=Kind.TIMED_OUT)


def of_exception(error: BaseException) -> Verdict:
    """FAILED, with the exception's type and message."""
    name = type(error).__name__
    try:
        message = str(error).strip()
    except Exception:  # the author's code, too
        message = ""
    return Verdict.failed(f"{name}: {message}" if message else name)


def traceback_text(error: BaseException) -> str:
    """For a log: beginning and end of the traceback, of which an author's exception makes megabytes
    as easily as a line.
    """
    try:
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()
    except Exception:  # the author's code, too
        text = type(error).__name__
    left_out = len(text) - 2 * _MAX_TRACEBACK_HALF
    if left_out <= 0:
        return text
    return (
        f"{text[:_MAX_TRACEBACK_HALF]}\n[{left_out} characters left out]\n"
        f"{text[-_MAX_TRACEBACK_HALF:]}"
    )


def of_returned(value: Any) -> Verdict:
    """What a function returned for one completion, as a verdict that is safe to send."""
    if value is None:
        return Verdict.abstained()
    if isinstance(value, Verdict):
        return _checked(value)
    if isinstance(value, (str, bytes)):
        return Verdict.failed(f"the function returned {type(value).__name__}, not a number")
    try:
        score = float(value)
    except Exception:  # whatever an unknown type's __float__ raises
        return Verdict.failed(f"the function returned {type(value).__name__}, not a number")
    return _checked(Verdict(score))


def of_returned_list(values: Any, count: int) -> list[Verdict]:
    """What a function returned for a group: one verdict per completion."""
    if isinstance(values, (str, bytes, Mapping, set, frozenset, Verdict)) or not hasattr(
        values, "__iter__"
    ):
        return [
            Verdict.failed(f"the function returned {type(values).__name__}, not a list")
        ] * count
    try:
        # No more than tells that there are too many: a generator may have no end.
        items = list(itertools.islice(values, count + 1))
        given = str(len(values)) if hasattr(values, "__len__") else str(len(items))
    except Exception as error:  # a generator runs the author's code, a 0-d array refuses
        return [of_exception(error)] * count
    if len(items) != count:
        more = "" if hasattr(values, "__len__") or len(items) < count else "or more "
        return [
            Verdict.failed(f"the function returned {given} {more}values for {count} completions")
        ] * count
    return [of_returned(item) for item in items]


def _checked(verdict: Verdict) -> Verdict:
    """Every number finite, every text sendable; FAILED where that can't be had."""
    try:
        if not isinstance(verdict.kind, (Kind, type(None))):
            return Verdict.failed(f"the function returned a Verdict of kind {verdict.kind!r}")
        if verdict.kind in (None, Kind.SCORED) and verdict.score is not None:
            return _checked_score(verdict)
        if verdict.kind is Kind.SCORED:
            return Verdict.failed("the function returned a SCORED verdict without a score")
        return Verdict(
            kind=verdict.kind or Kind.ABSTAINED,
            cost=_cost(verdict),
            reason=sendable(verdict.reason) or "no reason given",
            explanation=sendable(verdict.explanation),
        )
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        return Verdict.failed(f"the function returned an unusable Verdict: {error}")


def _checked_score(verdict: Verdict) -> Verdict:
    score = float(verdict.score)  # type: ignore[arg-type]
    if not math.isfinite(score):
        return Verdict.failed(f"the score isn't finite ({score})")
    components = {sendable(str(name)): float(value) for name, value in verdict.components.items()}
    for name, value in components.items():
        if not math.isfinite(value):
            return Verdict.failed(f"the component '{name}' isn't finite ({value})")
    rewards = [float(reward) for reward in verdict.token_rewards]
    if not all(abs(reward) <= _MAX_FLOAT for reward in rewards):
        return Verdict.failed("a token reward isn't finite")
    return Verdict(
        score=score,
        components=components,
        cost=_cost(verdict),
        kind=Kind.SCORED,
        token_rewards=rewards,
        explanation=sendable(verdict.explanation),
    )


def _cost(verdict: Verdict) -> float:
    """Nothing is trained on it: what isn't finite and >= 0 counts as not accounted for."""
    cost = float(verdict.cost)
    return cost if math.isfinite(cost) and cost > 0 else 0.0


def sendable(text: str) -> str:
    """As UTF-8 can carry it, at most MAX_TEXT_BYTES; half a surrogate pair becomes '?'."""
    return text.encode("utf-8", "replace")[:MAX_TEXT_BYTES].decode("utf-8", "ignore")
