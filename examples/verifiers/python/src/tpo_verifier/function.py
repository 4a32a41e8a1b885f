"""Reward functions: how a function's signature decides what it is given, and which tasks it is
for.
"""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import logging
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from tpo_verifier.call import Call, Judgement, Request
from tpo_verifier.verdict import (
    Verdict,
    of_exception,
    of_returned,
    of_returned_list,
    traceback_text,
)

_log = logging.getLogger("tpo_verifier")

_ATTRIBUTE = "__tpo_verifier__"

# What a coroutine may raise: SystemExit would end the server's event loop, CancelledError (of a
# task of its own that was cancelled) would leave the call without an answer.
_FROM_COROUTINES = (Exception, SystemExit, asyncio.CancelledError)

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclasses.dataclass(frozen=True)
class Options:
    """What @verifier was told."""

    tasks: tuple[str, ...] = ("*",)
    name: str = ""
    version: str = "1"
    # Longest time for a group in seconds, where it is shorter than the caller's deadline.
    timeout: float | None = None
    # Whether it can give a reward per token.
    token_rewards: bool = False


def verifier(
    function: Function | None = None,
    *,
    tasks: list[str] | tuple[str, ...] = ("*",),
    name: str = "",
    version: str = "1",
    timeout: float | None = None,
    token_rewards: bool = False,
) -> Any:
    """Marks a function as a verifier of the named tasks. The function itself stays as it is.

    tasks: names; a trailing '*' matches any rest. An exact name wins over a pattern, a longer one
    over a shorter one.
    """
    if (
        isinstance(tasks, str)
        or not tasks
        or not all(isinstance(task, str) and task for task in tasks)
    ):
        raise ValueError(f"tasks: a list of names that aren't empty, not {tasks!r}")
    if timeout is not None and not timeout > 0:
        raise ValueError(f"timeout: more than 0 seconds, not {timeout!r}")
    options = Options(tuple(tasks), name, version, timeout, token_rewards)

    def mark(marked: Function) -> Function:
        # Refuses a signature that can't be served where it is written, not at the first call.
        _Signature(marked)
        setattr(marked, _ATTRIBUTE, options)
        return marked

    return mark if function is None else mark(function)


def is_verifier(value: Any) -> bool:
    """Whether @verifier marked it."""
    return callable(value) and isinstance(getattr(value, _ATTRIBUTE, None), Options)


class _Signature:
    """Which fields a function takes, and in which of the three ways it is called."""

    def __init__(self, function: Callable[..., Any]) -> None:
        names, self.required, self.takes_all = [], set(), False
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                self.takes_all = True
            elif parameter.kind is parameter.VAR_POSITIONAL:
                continue
            elif parameter.kind is parameter.POSITIONAL_ONLY:
                raise TypeError(
                    f"{_name(function)}: fields are passed by name; '{parameter.name}' can't be"
                )
            else:
                names.append(parameter.name)
                if parameter.default is parameter.empty:
                    self.required.add(parameter.name)
        self.names = frozenset(names)
        self.one_by_one = "completion" in self.names
        self.by_column = "prompts" in self.names
        if not self.one_by_one and "completions" not in self.names and not self.takes_all:
            raise TypeError(f"{_name(function)}: takes neither `completions` nor `completion`")
        if self.one_by_one and ("completions" in self.names or self.by_column):
            raise TypeError(
                f"{_name(function)}: takes `completion` together with `completions` or `prompts`"
            )

    def select(self, fields: dict[str, Any]) -> dict[str, Any]:
        missing = sorted(self.required - fields.keys())
        if missing:
            raise LookupError(f"the prompt has no field '{missing[0]}'")
        return (
            fields
            if self.takes_all
            else {name: fields[name] for name in self.names if name in fields}
        )


class RewardFunction:
    """A function with its options. Can be sent to another process if the function can be imported
    there.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.options: Options = getattr(function, _ATTRIBUTE, Options())
        self.name = self.options.name or _name(function)
        self.is_async = inspect.iscoroutinefunction(function)
        self._signature = _Signature(function)

    def judge(self, request: Request, call: Call, judgement: Judgement) -> None:
        """Never raises. What the function finds goes to `judgement`, completion by completion where
        it can.
        """
        if self.is_async:
            asyncio.run(self.judge_async(request, call, judgement))
            return
        count = len(request.completions)
        if not self._signature.one_by_one:
            try:
                verdicts = of_returned_list(self.function(**self._arguments(request, call)), count)
            except Exception as error:  # the author's code
                verdicts = [self._failed(error)] * count
            self._put_all(request, verdicts, judgement)
            return
        for index in range(count):
            if call.cancelled():
                return
            try:
                verdict = of_returned(self.function(**self._arguments(request, call, index)))
            except Exception as error:  # the author's code
                verdict = self._failed(error)
            judgement.put(index, self._with_token_rewards(request, index, verdict))

    async def judge_async(self, request: Request, call: Call, judgement: Judgement) -> None:
        """The same for a coroutine function. Completions that are judged one by one are judged side
        by side.
        """
        count = len(request.completions)
        if not self._signature.one_by_one:
            try:
                verdicts = of_returned_list(
                    await self.function(**self._arguments(request, call)), count
                )
            except _FROM_COROUTINES as error:  # the author's code
                verdicts = [self._failed(error)] * count
            self._put_all(request, verdicts, judgement)
            return

        async def judge_one(index: int) -> None:
            try:
                verdict = of_returned(await self.function(**self._arguments(request, call, index)))
            except _FROM_COROUTINES as error:  # the author's code
                verdict = self._failed(error)
            judgement.put(index, self._with_token_rewards(request, index, verdict))

        await asyncio.gather(*(judge_one(index) for index in range(count)))

    def _arguments(self, request: Request, call: Call, index: int | None = None) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        fields.update(request.metadata)
        fields.setdefault("answer", request.reference_answer)
        fields.update(dict(_fields_of_group(request)))
        if self._signature.by_column:
            fields = {name: [value] * len(request.completions) for name, value in fields.items()}
            fields["prompts"] = fields.pop("prompt")
        if index is None:
            fields.update(
                completions=request.completions,
                completion_tokens=request.completion_tokens,
                completion_ids=request.completion_tokens,
                finish_reasons=request.finish_reasons,
                candidate_tokens=request.candidate_tokens,
            )
        else:
            fields.update(
                completion=request.completions[index],
                completion_tokens=request.completion_tokens[index],
                completion_ids=request.completion_tokens[index],
                finish_reason=request.finish_reasons[index],
                candidate_tokens=request.candidate_tokens[index],
            )
        fields["call"] = call
        return self._signature.select(fields)

    def _put_all(self, request: Request, verdicts: list[Verdict], judgement: Judgement) -> None:
        for index, verdict in enumerate(verdicts):
            judgement.put(index, self._with_token_rewards(request, index, verdict))

    @staticmethod
    def _with_token_rewards(request: Request, index: int, verdict: Verdict) -> Verdict:
        """Exactly those that the caller asked for; else FAILED."""
        if verdict.score is None or not request.want_token_rewards:
            return dataclasses.replace(verdict, token_rewards=())
        expected = len(request.candidate_tokens[index] or request.completion_tokens[index])
        if len(verdict.token_rewards) == expected:
            return verdict
        return Verdict.failed(
            f"{len(verdict.token_rewards)} token rewards, expected {expected}: "
            "a reward per token was asked for"
        )

    def _failed(self, error: BaseException) -> Verdict:
        if isinstance(error, asyncio.CancelledError) and _is_given_up():
            raise error
        # Each failure is told with its traceback: the caller only gets the last line.
        _log.warning("%s failed\n%s", self.name, traceback_text(error))
        return of_exception(error)


class Router:
    """Finds the function for a task: an exact name wins over a pattern, a longer pattern over a
    shorter one.
    """

    def __init__(self, functions: list[RewardFunction]) -> None:
        if not functions:
            raise ValueError("no function to serve: mark one with @verifier")
        self.functions = functions
        self._by_pattern: dict[str, int] = {}
        for index, function in enumerate(functions):
            for pattern in function.options.tasks:
                other = self._by_pattern.setdefault(pattern, index)
                if other != index:
                    raise ValueError(
                        f"two functions are for the task '{pattern}': {functions[other].name} and "
                        f"{function.name}"
                    )

    @property
    def tasks(self) -> list[str]:
        """All patterns."""
        return list(self._by_pattern)

    def find(self, task: str) -> int | None:
        """The index of the function; None: no function is for this task."""
        if task in self._by_pattern:
            return self._by_pattern[task]
        for length in range(len(task), -1, -1):
            index = self._by_pattern.get(task[:length] + "*")
            if index is not None:
                return index
        return None


def _fields_of_group(request: Request) -> Iterator[tuple[str, Any]]:
    for name in (
        "task",
        "prompt",
        "prompt_tokens",
        "reference_answer",
        "reference_tokens",
        "metadata",
        "prompt_id",
        "weight_version",
        "idempotency_key",
        "want_token_rewards",
        "traceparent",
    ):
        yield name, getattr(request, name)


def _is_given_up() -> bool:
    """Whether it is us who cancel the coroutine. Python 3.10 doesn't say; there it counts as so."""
    task: Any = asyncio.current_task()
    return not hasattr(task, "cancelling") or task.cancelling() > 0


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)
