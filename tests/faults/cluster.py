"""A run of separate processes on loopback under a supervisor that starts again whatever dies.

All reach each other through proxies, so that connections can be delayed, held up and cut. Where there are relays, all
workers but the first get their weights from them.
"""

import heapq
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))

import harness
from proxy import Proxy
from wall_clock import WallClock

try:
    import grpc
except ImportError as missing:
    harness.missing_package(missing)

SERVING_POLL_SECONDS = 0.005
NO_SPACE = "No space left on device"
# What `mount` says for want of a right. Whoever may not mount what can be written is told of "read-only".
MAY_NOT_MOUNT = ("must be superuser", "only root", "permission denied", "not permitted", "read-only")


class Member:
    """One process of the run, in one life after another."""

    def __init__(self, name, arguments, clock=None):
        self.name = name
        self.arguments = arguments  # the program first
        self.clock = clock  # a WallClock of its own, as on a machine of its own; None: the true one
        self.process = None
        self.lives = 0
        self.outputs = []  # of former lives
        self.stopped = False
        self.expected = True  # whether it should be running

    def start(self):
        under = self.clock.under if self.clock else ()
        self.process = harness.Process(self.arguments[0], *self.arguments[1:], under=under)
        self.lives += 1
        self.stopped = False

    def running(self):
        return self.process is not None and self.process.running()

    def collect(self):
        """Reaps a process that has ended; its exit status."""
        status = self.process.kill()
        self.outputs.append(self.process.output)
        return status

    def kill(self):
        self.process.send(signal.SIGKILL)
        return self.collect()

    @property
    def output(self):
        return "".join(self.outputs) + (self.process.output if self.running() else "")


class Disk:
    """A small file system of its own for a run directory; None where mounting isn't permitted."""

    def __init__(self, directory, megabytes):
        self.directory = directory
        directory.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", directory], check=True,
                       stderr=subprocess.PIPE, text=True, env=os.environ | {"LC_ALL": "C"})

    @staticmethod
    def mount(directory, megabytes):
        try:
            return Disk(directory, megabytes)
        except subprocess.CalledProcessError as error:
            if any(words in error.stderr.lower() for words in MAY_NOT_MOUNT):
                return None
            raise RuntimeError(error.stderr) from error

    def fill(self):
        free = os.statvfs(self.directory)
        with open(self.directory / "filler", "wb") as filler:
            try:
                os.posix_fallocate(filler.fileno(), 0, max(1, free.f_bavail * free.f_frsize))
            except OSError:
                pass

    def free(self):
        (self.directory / "filler").unlink(missing_ok=True)

    def unmount(self):
        subprocess.run(["umount", "--lazy", self.directory], check=False)


class Cluster:
    """Learner, relays, workers and verifiers. Not thread-safe, but for what is measured."""

    def __init__(self, directory, flags, workers, verifiers, relays=0, worker_flags=(), restart=True,
                 further_verifiers=(), verifier_fields="", clocks=None):
        """`clocks`: a directory for the processes' own wall clocks, where such are possible."""
        self.directory = pathlib.Path(directory)
        self._clocks = clocks if clocks and WallClock.available() else None
        self.failures = []  # processes that ended by themselves and shouldn't have
        self.serving_seconds = []  # from a restart of the learner until it answers
        self.refused_starts = 0  # of a learner, on a full disk
        self.serving = None  # the learner's process that has answered a call since it was started
        self._restart = restart
        self._timers = []
        self._timer_count = 0
        self._measuring = []
        self._ports = []
        self._closed = False
        self.verifiers = [self._server(f"verifier {i}", "tpo-verifier") for i in range(verifiers)]
        for member in self.verifiers:
            member.start()
        self.verifier_proxies = [Proxy(member.address) for member in self.verifiers]
        addresses = ", ".join(f"'{address}'" for address in
                              [*(proxy.address for proxy in self.verifier_proxies), *further_verifiers])
        spec = f"verifiers=[{{addresses: [{addresses}]{verifier_fields}}}]" if addresses else "verifiers=[]"
        self.learner = self._server("learner", "tpo", "learner", harness.SMALL, "--run_dir", self.directory, "--quiet",
                                    *flags, "--set", spec)
        self._start_learner()
        self.learner.process.address  # raises with the output when it doesn't begin
        self.serving = self.learner.process
        # A run that is started again goes on.
        self.learner.arguments.append("--resume")
        self.learner_proxy = Proxy(self.learner.address)
        self.relays = [self._server(f"relay {i}", "tpo", "relay", "--learner", self.learner_proxy.address)
                       for i in range(relays)]
        self.relay_proxies = [Proxy(member.address) for member in self.relays]
        self.workers = []
        for relay in self.relays:
            relay.start()
        for _ in range(workers):
            self.add_worker(*worker_flags)

    def _member(self, name, arguments):
        clock = WallClock(self._clocks / name.replace(" ", "_")) if self._clocks else None
        return Member(name, arguments, clock)

    def _server(self, name, program, *arguments):
        """On a port that stays ours between its lives."""
        port = harness.Reserved()
        self._ports.append(port)
        member = self._member(name, [program, *map(str, arguments), "--listen", port.address])
        member.address = port.address
        return member

    def add_worker(self, *flags):
        number = len(self.workers)
        worker = self._member(f"worker {number}", ["tpo", "rollout", "--learner", self.learner_proxy.address,
                                                   *self._weights_of_worker(number), *flags])
        self.workers.append(worker)
        worker.start()
        return worker

    def _weights_of_worker(self, number):
        if not self.relays or number == 0:
            return []
        return ["--weights", self.relay_proxies[number % len(self.relays)].address]

    @property
    def members(self):
        return [self.learner, *self.relays, *self.workers, *self.verifiers]

    @property
    def proxies(self):
        return [self.learner_proxy, *self.relay_proxies, *self.verifier_proxies]

    # Time.

    def after(self, seconds, action):
        self._timer_count += 1
        heapq.heappush(self._timers, (time.monotonic() + seconds, self._timer_count, action))

    @property
    def pending(self):
        """Whether something is still to happen by itself."""
        return bool(self._timers)

    def run_for(self, seconds):
        """Supervises for so long."""
        self.run_until(lambda: False, seconds)

    def run_until(self, condition, seconds):
        """Supervises until the condition holds; whether it did within so many seconds."""
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            if condition():
                return True
            self._supervise()
            next_timer = self._timers[0][0] if self._timers else give_up
            time.sleep(max(0.0, min(0.02, next_timer - time.monotonic(), give_up - time.monotonic())))
        return condition()

    def _supervise(self):
        while self._timers and self._timers[0][0] <= time.monotonic():
            heapq.heappop(self._timers)[2]()
        for member in self.members:
            if member.process is not None and not member.process.running():
                self._after_unasked_end(member)

    def _after_unasked_end(self, member):
        status = member.collect()
        member.process = None
        if not member.expected:
            return
        # A learner refuses to begin on a full disk. Nothing else ends by itself: workers wait for their learner.
        refused = member is self.learner and NO_SPACE in member.outputs[-1]
        if refused:
            self.refused_starts += 1
        else:
            self.failures.append(f"{member.name} ended by itself with {status}: {member.outputs[-1][-2000:]}")
        if self._restart:
            self.after(0.2, lambda: self.start(member))

    # Lives.

    def start(self, member):
        if member.process is not None or not member.expected:
            return
        if member is self.learner:
            self._start_learner()
        else:
            member.start()

    def _start_learner(self):
        self.learner.start()
        if self.learner.lives > 1:
            measuring = threading.Thread(target=self._measure_serving, args=(self.learner.process, time.monotonic()))
            measuring.start()
            self._measuring.append(measuring)

    def _measure_serving(self, process, start):
        """Until it answers a call, as workers make them."""
        channel = grpc.insecure_channel(self.learner.address, options=[("grpc.use_local_subchannel_pool", 1)])
        status = channel.unary_unary("/tpo.v1.LearnerService/GetStatus")
        while process.running():
            try:
                status(b"", timeout=1)
            except grpc.RpcError:
                time.sleep(SERVING_POLL_SECONDS)
                # Else the channel's growing pauses would be measured.
                channel.close()
                channel = grpc.insecure_channel(self.learner.address, options=[("grpc.use_local_subchannel_pool", 1)])
                status = channel.unary_unary("/tpo.v1.LearnerService/GetStatus")
                continue
            if process.running():
                self.serving_seconds.append(time.monotonic() - start)
                self.serving = process
            break
        channel.close()

    def kill(self, member, back_after_seconds):
        """kill -9; whether there was something to kill."""
        if not member.running():
            return False
        member.kill()
        member.process = None
        self.after(back_after_seconds, lambda: self.start(member))
        return True

    def kill_learner_in_a_checkpoint(self, back_after_seconds, patience_seconds=1.0):
        """kill -9 while a checkpoint's folder has its temporary name, or after some time at any rate."""
        checkpoints = self.directory / "checkpoints"
        give_up = time.monotonic() + patience_seconds
        caught = False
        while not caught and time.monotonic() < give_up:
            try:
                caught = any(name.startswith(".tmp_") for name in os.listdir(checkpoints))
            except FileNotFoundError:
                pass
        return self.kill(self.learner, back_after_seconds) and caught

    def stop(self, member, seconds):
        """SIGSTOP, and SIGCONT after so long."""
        if not member.running() or member.stopped:
            return False
        process = member.process
        process.send(signal.SIGSTOP)
        member.stopped = True

        def go_on():
            if member.process is process and process.running():
                process.send(signal.SIGCONT)
                member.stopped = False
        self.after(seconds, go_on)
        return True

    @staticmethod
    def set_clock(member, seconds):
        """So far forward, or back when negative; whether that is possible."""
        if member.clock is None:
            return False
        member.clock.jump(seconds)
        return True

    def terminate(self, member):
        """SIGTERM, and its exit status."""
        member.expected = False
        if member.stopped:
            member.process.send(signal.SIGCONT)
        member.process.send(signal.SIGTERM)
        return self.wait_for_end(member)

    def wait_for_end(self, member):
        status = member.process.wait()
        member.collect()
        member.process = None
        return status

    def close(self):
        if self._closed:
            return
        self._closed = True
        for member in self.members:
            member.expected = False
            if member.process is not None:
                member.collect()
                member.process = None
        for measuring in self._measuring:
            measuring.join()
        for proxy in self.proxies:
            proxy.close()
        for port in self._ports:
            port.close()
