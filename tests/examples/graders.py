"""Reward functions of every kind, good and bad, for python_verifier_test.py."""

import asyncio
import os
import pathlib
import signal
import subprocess
import sys
import threading

from tpo_verifier import Verdict, verifier


@verifier(tasks=["length"], name="lengths", version="7")
def length(prompt, completions, answer, **fields):
    return [float(len(completion) - len(answer)) for completion in completions]


@verifier(tasks=["columns"])
def columns(prompts, completions, completion_ids, answer, level, **kwargs):
    """As TRL calls it: every column is a list."""
    return [
        float(len(prompt) + len(ids) + int(one_level) + len(one_answer))
        for prompt, completion, ids, one_level, one_answer in zip(
            prompts, completions, completion_ids, level, answer, strict=True
        )
    ]


@verifier(tasks=["traced"])
def traced(completions, traceparent):
    return [Verdict(1.0, explanation=traceparent) for _ in completions]


@verifier(tasks=["one_by_one"])
def one_by_one(completion, call):
    """The completion says what happens to it."""
    if completion == "hang":
        threading.Event().wait()
    if completion == "abstain":
        return None
    return 1.0 / float(completion)


@verifier(tasks=["mixed/*"])
def mixed(completions):
    values = {
        "nan": float("nan"),
        "inf": float("inf"),
        "none": None,
        "text": "1.0",
        "true": True,
        "bad cost": Verdict(1.0, cost=-1.0),
        "bad part": Verdict(1.0, components={"x": float("nan")}),
        "rich": Verdict(0.5, components={"style": 0.25}, cost=2.0, explanation="because \ud800"),
        "abstained": Verdict.abstained("not mine"),
        "failed": Verdict.failed("no compiler"),
        "object": object(),
        "no kind": Verdict(1.0, kind="scored"),
        "long": Verdict(1.0, explanation="é" * 5000),
    }
    return [values[completion] for completion in completions]


@verifier(tasks=["mixed/count"])
def count(completions):
    return [1.0]


@verifier(tasks=["mixed/no_list"])
def no_list(completions):
    return 1.0


@verifier(tasks=["raises"])
def raises(completions, needed):
    raise KeyError(f"no {needed}")


class SilentError(Exception):
    def __str__(self):
        raise self


@verifier(tasks=["raises/silent"])
def raises_silently(completions):
    raise SilentError


@verifier(tasks=["token_rewards"], token_rewards=True)
def token_rewards(completion, completion_tokens):
    reward = 1e39 if completion == "huge" else 0.5
    return Verdict(1.0, token_rewards=[reward] * len(completion_tokens))


@verifier(tasks=["async"])
async def slowly(completion):
    if completion == "hang":
        await asyncio.Event().wait()
    await asyncio.sleep(0)
    if completion == "exit":
        sys.exit("no more")
    return float(completion)


@verifier(tasks=["async/cancelled"])
async def awaits_what_was_cancelled(completions):
    task = asyncio.create_task(asyncio.sleep(1000))
    task.cancel()
    await task


@verifier(tasks=["file"])
def file(completions, path):
    """Says where it runs, then waits for a line in the named pipe."""
    pathlib.Path(path + ".begun").write_text(f"{os.getpid()}")
    with open(path, encoding="utf-8") as pipe:
        return [float(pipe.readline())] * len(completions)


@verifier(tasks=["process"])
def process(completion, path):
    if completion == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if completion == "exit":
        os._exit(3)
    if completion == "children":
        child = subprocess.Popen(["sleep", "1000"])
        pathlib.Path(path).write_text(str(child.pid), encoding="utf-8")
        child.wait()
    print("what a grader prints")
    return float(completion)


@verifier(tasks=["brief"], timeout=0.2)
def brief(completion):
    threading.Event().wait()
