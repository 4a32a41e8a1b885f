"""A process that runs reward functions and can be killed at any moment."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler

from tpo_verifier.call import Call, Judgement, Request
from tpo_verifier.function import RewardFunction
from tpo_verifier.verdict import Verdict

_log = logging.getLogger("tpo_verifier")

# Not fork: gRPC's threads don't survive it.
_context = multiprocessing.get_context("spawn")

# From the end of a call to the end of a process that is still at work on it: most callers that
# leave have another answer, and a new process costs more than the rest of the work.
_KILL_AFTER_SECONDS = 0.5

# How often a process that isn't ready yet is asked whether it is still wanted.
_POLL_SECONDS = 0.1

_PR_SET_PDEATHSIG = 1


class WorkerProcess:
    """One process, replaced when it is killed or dies. run() is for one thread at a time; close()
    for any.
    """

    def __init__(self, functions: list[RewardFunction]) -> None:
        """Raises ValueError when the functions can't be sent, OSError when the process ends before
        it is ready.
        """
        self._functions = functions
        self._lock = threading.Lock()
        self._closed = False
        # None: nothing to kill.
        self._pid: int | None = None
        # The call in progress, and whether the process was killed because of it.
        self._call: Call | None = None
        self._killed = False
        try:
            ForkingPickler.dumps(functions)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ValueError(
                f"for processes, functions must stand at the top of a module: {error}"
            ) from None
        self._start()
        try:
            self._await_ready()
        except EOFError:
            raise OSError(
                f"a process for the functions ended before it was ready ({self._reap()})"
            ) from None

    def run(self, index: int, request: Request, call: Call, judgement: Judgement) -> None:
        """Judges a group; kills the process when the call is cancelled and it doesn't end soon."""
        if self._pid is None and not self._restart():
            judgement.fail_rest("the function's process doesn't start")
            return
        died = False
        with self._lock:
            self._call, self._killed = call, False
        try:
            if not call.attach(lambda: self._kill_later(call)):
                return
            self._exchange(index, request, call, judgement)
        except (EOFError, OSError):
            died = True
        finally:
            call.detach()
            with self._lock:
                self._call = None
        if died or self._killed:
            how = self._reap()
            judgement.fail_rest(f"the function's process ended ({how})")
            self._restart()

    def close(self) -> None:
        """Kills the process; no other takes its place. Idempotent."""
        with self._lock:
            self._closed = True
            self._kill()

    def _exchange(self, index: int, request: Request, call: Call, judgement: Judgement) -> None:
        self._connection.send((index, request, call.remaining()))
        while True:
            answer = self._connection.recv()
            if answer is None:
                return
            judgement.put(*answer)

    def _start(self) -> None:
        connection, theirs = _context.Pipe()
        with theirs:
            process = _context.Process(target=_main, args=(theirs, self._functions), daemon=True)
            process.start()
        self._connection, self._process, self._pid = connection, process, process.pid

    def _await_ready(self) -> None:
        """Raises EOFError when the process ends first, or is closed.

        Not to be called with the lock: the functions' module takes its time to be imported, or
        never is, and close() mustn't wait for that.
        """
        while not self._connection.poll(_POLL_SECONDS):
            if self._closed:
                raise EOFError
        if self._connection.recv() != "ready":
            raise RuntimeError("the function's process said something else than 'ready'")

    def _restart(self) -> bool:
        try:
            with self._lock:
                if self._closed:
                    return False
                self._connection.close()
                self._start()
            self._await_ready()
            return True
        except (EOFError, OSError):
            how = self._reap()
        if not self._closed:
            _log.error("a process for the functions doesn't start (%s)", how)
        return False

    def _reap(self) -> str:
        """Makes sure that the process is gone, and says how it ended."""
        self._kill()
        with self._lock:
            self._pid = None
        self._process.join()
        return _how(self._process.exitcode)

    def _kill_later(self, call: Call) -> None:
        timer = threading.Timer(_KILL_AFTER_SECONDS, self._kill_if_at_work, (call,))
        timer.daemon = True
        timer.start()

    def _kill_if_at_work(self, call: Call) -> None:
        with self._lock:
            if self._call is call:
                self._killed = True
                self._kill()

    def _kill(self) -> None:
        pid = self._pid
        if pid is None:
            return
        try:
            # The child leads a session of its own: this reaches whatever it started and didn't
            # detach.
            os.killpg(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            # Gone already, when another process was started since: that reaps all that ended.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _how(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        try:
            return f"signal {signal.Signals(-exit_code).name}"
        except ValueError:
            return f"signal {-exit_code}"
    return f"status {exit_code}"


class _SendingJudgement(Judgement):
    """Passes each verdict on as it comes."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(0)
        self._connection = connection

    def put(self, index: int, verdict: Verdict) -> None:
        self._connection.send((index, verdict))


def _main(connection: Connection, functions: list[RewardFunction]) -> None:
    """The child: judges what comes until the connection ends."""
    os.setsid()
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What the function prints goes to the log, not between the lines that the server promises.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    connection.send("ready")
    while True:
        try:
            index, request, seconds = connection.recv()
        except EOFError:
            return
        functions[index].judge(request, Call(seconds), _SendingJudgement(connection))
        connection.send(None)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
