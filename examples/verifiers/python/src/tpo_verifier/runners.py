"""Where reward functions run: threads of the server, processes that can be killed, or the server's
event loop.

A thread that hangs can't be ended: it keeps its place until the function returns. A process that is
still at work when its call is over is killed, with what it started, and replaced.
"""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Protocol

from tpo_verifier.call import Call, Judgement, Request
from tpo_verifier.function import RewardFunction
from tpo_verifier.processes import WorkerProcess
from tpo_verifier.verdict import of_exception, traceback_text

_log = logging.getLogger("tpo_verifier")


class Runner(Protocol):
    """Runs functions, a bounded number at a time; more of them wait for their turn."""

    # Most calls that run at a time.
    workers: int
    # Calls that are waiting or running, those included that nobody waits for any more.
    occupied: int

    async def run(self, index: int, request: Request, call: Call, judgement: Judgement) -> None:
        """Until the function `index` is done. Cancel the task to give up: that ends what can be
        ended.
        """

    def close(self) -> None:
        """Ends what can be ended. Nothing may be run afterwards."""


class LoopRunner:
    """Coroutine functions, on the server's own event loop."""

    def __init__(self, functions: list[RewardFunction], workers: int) -> None:
        self._functions = functions
        self._turn = asyncio.Semaphore(workers)
        self.workers = workers
        self.occupied = 0

    async def run(self, index: int, request: Request, call: Call, judgement: Judgement) -> None:
        self.occupied += 1
        try:
            async with self._turn:
                call.begun = True
                await self._functions[index].judge_async(request, call, judgement)
        finally:
            self.occupied -= 1

    def close(self) -> None:
        pass


Arguments = tuple[int, Request, Call, Judgement]
Item = tuple[concurrent.futures.Future[None], Arguments]
Work = Callable[[int, Request, Call, Judgement], None]


class ThreadRunner:
    """Functions on threads. With processes, each thread only waits for a process of its own."""

    def __init__(self, functions: list[RewardFunction], workers: int, processes: bool) -> None:
        # Without those that were cancelled: threads that hang would never take them out.
        self._waiting: collections.deque[Item | None] = collections.deque()
        self._arrival = threading.Condition()
        self.workers = workers
        self._children: list[WorkerProcess] = []
        self.occupied = 0
        works: list[Work] = []
        try:
            for _ in range(workers):
                if processes:
                    # Started one after the other; each is ready when the next begins.
                    self._children.append(WorkerProcess(functions))
                    works.append(self._children[-1].run)
                else:
                    works.append(lambda index, *rest: functions[index].judge(*rest))
        except BaseException:
            self.close()
            raise
        # Daemons: a function that hangs must not keep the program from ending.
        for number, work in enumerate(works):
            threading.Thread(
                target=self._serve, args=(work,), name=f"verifier-{number}", daemon=True
            ).start()

    async def run(self, index: int, request: Request, call: Call, judgement: Judgement) -> None:
        loop = asyncio.get_running_loop()
        done: concurrent.futures.Future[None] = concurrent.futures.Future()
        self.occupied += 1
        # The place is free when the function has returned, whether or not somebody still waits.
        done.add_done_callback(lambda _: _soon(loop, self._release))
        item = (done, (index, request, call, judgement))
        self._put(item)
        try:
            await asyncio.wrap_future(done)
        except asyncio.CancelledError:
            call.cancel()
            with self._arrival, contextlib.suppress(ValueError):
                self._waiting.remove(item)
            raise

    def close(self) -> None:
        for _ in range(self.workers):
            self._put(None)
        for child in self._children:
            child.close()

    def _put(self, item: Item | None) -> None:
        with self._arrival:
            self._waiting.append(item)
            self._arrival.notify()

    def _release(self) -> None:
        self.occupied -= 1

    def _serve(self, work: Work) -> None:
        while True:
            with self._arrival:
                self._arrival.wait_for(lambda: self._waiting)
                item = self._waiting.popleft()
            if item is None:
                return
            done, arguments = item
            if not done.set_running_or_notify_cancel():
                continue
            call: Call = arguments[2]
            call.begun = True
            try:
                work(*arguments)
            except BaseException as error:  # SystemExit, too, ends no thread of ours
                _log.error("a verifier's thread caught\n%s", traceback_text(error))
                done.set_exception(RuntimeError(of_exception(error).reason))
            else:
                done.set_result(None)


def _soon(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(callback)
    except RuntimeError:
        pass  # The loop has ended; nobody counts any more.
