"""What a reward function is asked (Request), how long it may take (Call), and what it has found so
far (Judgement).
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable

from tpo_verifier.verdict import Verdict


@dataclasses.dataclass(frozen=True)
class Request:
    """A group, as plain data: it crosses process borders."""

    task: str
    prompt: str
    prompt_tokens: list[int]
    reference_answer: str
    reference_tokens: list[int]
    metadata: dict[str, str]
    completions: list[str]
    completion_tokens: list[list[int]]
    # "stop" or "length".
    finish_reasons: list[str]
    # Completions with several candidates per position carry them row-major [T, C]; else empty
    # lists.
    candidate_tokens: list[list[int]]
    prompt_id: int = 0
    weight_version: int = 0
    idempotency_key: str = ""
    want_token_rewards: bool = False
    # W3C Trace Context of the call, to go on with in calls of one's own; "" when it isn't traced.
    traceparent: str = ""


class Call:
    """How long the caller waits. A function that names a parameter `call` gets it. Thread-safe."""

    def __init__(self, seconds: float | None = None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds
        self._lock = threading.Lock()
        self._cancelled = False
        # Whether a worker has taken it.
        self.begun = False
        self._on_cancel: Callable[[], None] | None = None

    def remaining(self) -> float | None:
        """Seconds until the answer is given without what isn't judged by then; None: no limit."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def cancelled(self) -> bool:
        """Whether nobody waits any more: the caller has gone, or the time is over."""
        return self._cancelled

    def cancel(self) -> None:
        """Idempotent."""
        with self._lock:
            self._cancelled = True
            if self._on_cancel is not None:
                self._on_cancel()

    def attach(self, on_cancel: Callable[[], None]) -> bool:
        """Has `on_cancel` called when the call is cancelled before detach(). False: it is cancelled
        already.
        """
        with self._lock:
            self._on_cancel = on_cancel
            return not self._cancelled

    def detach(self) -> None:
        """After this, on_cancel isn't called any more. Waits for one that is running."""
        with self._lock:
            self._on_cancel = None


class Judgement:
    """The verdicts of a group, which may come one by one. What comes after finish() is ignored.
    Thread-safe.
    """

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        self._verdicts: list[Verdict | None] = [None] * count
        self._finished = False

    def put(self, index: int, verdict: Verdict) -> None:
        """The verdict of one completion."""
        with self._lock:
            if not self._finished:
                self._verdicts[index] = verdict

    def fail_rest(self, reason: str) -> None:
        """FAILED for every completion that has no verdict yet."""
        with self._lock:
            if not self._finished:
                self._verdicts = [verdict or Verdict.failed(reason) for verdict in self._verdicts]

    def finish(self, missing: Verdict) -> list[Verdict]:
        """One verdict per completion: `missing` where none came."""
        with self._lock:
            self._finished = True
            return [verdict or missing for verdict in self._verdicts]
