"""One round: a run, a schedule of faults, and what the run's files say afterwards."""

import collections
import dataclasses
import pathlib
import shutil
import signal
import tempfile
import time

from audit import Run, SHOWN_GROUPS, check_run, check_same_course, count_lost_and_twice
from cluster import NO_SPACE, Cluster, Disk
from schedule import KILLS, make_schedule
from wall_clock import WallClock

import harness
from harness import overrides

LEASE_SECONDS = 3.0
# Steps that a run has to do once nothing goes wrong any more.
CALM_STEPS = 5
CALM_SECONDS = 60
DISK_MEGABYTES = 64
FAREWELL_SECONDS = 20
STEPS = 10**6
MAX_STALENESS = {"sync": 0, "async": 4}
# Why a machine can't do a kind of fault.
NO_MOUNT = "mounting isn't permitted here"
NO_CLOCK = "there is no library to shift clocks with"


@dataclasses.dataclass
class Result:
    seed: int
    mode: str
    kills: collections.Counter
    faults: collections.Counter
    scheduled: set = dataclasses.field(default_factory=set)  # kinds of faults
    not_tried: dict = dataclasses.field(default_factory=dict)  # kinds that this machine can't do, and why
    steps: int = 0
    lost: int = 0
    twice: int = 0
    broken: list = dataclasses.field(default_factory=list)
    serving_seconds: list = dataclasses.field(default_factory=list)
    left_behind: int = 0  # workers and relays that nobody told that the run was over
    ledger: dict = dataclasses.field(default_factory=dict)
    refused_starts: int = 0  # of the learner, on a full disk
    compared: bool = False  # with an undisturbed run, bit by bit
    seconds: float = 0.0


def flags(mode):
    """Of the learner. In synchronous mode verifiers get all the time there is, so that hardly a group is dropped."""
    common = overrides(learner__steps=STEPS, learner__prompts_per_step=SHOWN_GROUPS, learner__prompts_per_lease=1,
                       learner__lease_seconds=LEASE_SECONDS, learner__checkpoint__every_steps=2,
                       output__inspect_every_steps=1, output__tensorboard="false")
    if mode == "sync":
        return common + overrides(learner__max_staleness=0, verification__max_attempts=100,
                                  verification__attempt_seconds=0.5,
                                  verification__circuit_breaker__open_seconds=0.2)
    return common + overrides(learner__max_staleness=MAX_STALENESS["async"], verification__max_attempts=3)


def verifier_fields(mode):
    return f", deadline_seconds: {2.9 if mode == 'sync' else 1.0}"


def missed_faults(result, reasons):
    """Kinds that were scheduled and didn't happen, unless it is for one of these reasons."""
    return [f"{kind}: {result.not_tried.get(kind, 'scheduled, and never happened')}"
            for kind in sorted(result.scheduled)
            if not result.faults[kind] and result.not_tried.get(kind) not in reasons]


class Round:
    def __init__(self, seed, mode, kills, scratch, mean_seconds=0.7, liar=None, kinds=None, say=None):
        self._mode = mode
        self._scratch = pathlib.Path(scratch)
        self._say = say or (lambda line: None)
        self._schedule = make_schedule(seed, kills, mean_seconds, LEASE_SECONDS, kinds)
        self._liar = liar
        self.result = Result(seed, mode, collections.Counter(), collections.Counter(),
                             scheduled={fault.kind for fault in self._schedule})

    def run(self):
        start = time.monotonic()
        directory = self._scratch / f"run_{self._mode}_{self.result.seed}"
        self._disk = Disk.mount(directory, DISK_MEGABYTES)
        clocks = pathlib.Path(tempfile.mkdtemp(prefix="clocks_", dir=self._scratch))
        try:
            self._run(directory, clocks)
        finally:
            if self._disk:
                self._disk.unmount()
        shutil.rmtree(directory, ignore_errors=True)
        self.result.seconds = time.monotonic() - start
        return self.result

    def _run(self, directory, clocks):
        further = [self._liar.address] if self._liar and self._mode == "async" else []
        self._cluster = Cluster(directory, flags(self._mode), workers=3, verifiers=2, relays=1,
                                worker_flags=["--parallel_leases", 2], further_verifiers=further,
                                verifier_fields=verifier_fields(self._mode), clocks=clocks)
        try:
            self._apply_schedule()
            self._come_to_rest(directory)
        finally:
            self._cluster.close()
            self.result.serving_seconds = self._cluster.serving_seconds
            self.result.refused_starts = self._cluster.refused_starts
        self.result.broken += self._cluster.failures
        self._check(directory)

    def _apply_schedule(self):
        begin = time.monotonic()
        for fault in self._schedule:
            self._cluster.run_for(begin + fault.at_seconds - time.monotonic())
            self._say(str(fault))
            self._try(fault)
        # Kinds that always came at a bad moment, as when there was nothing to kill, come at a good one.
        for fault in self._schedule:
            if not self.result.faults[fault.kind] and fault.kind not in self.result.not_tried:
                self._cluster.run_until(self._all_is_well, CALM_SECONDS)
                self._say(f"again: {fault}")
                self._try(fault, checkpoint_patience_seconds=CALM_SECONDS)

    def _all_is_well(self):
        learner = self._cluster.learner
        return not self._cluster.pending and learner.running() and self._cluster.serving is learner.process

    def _try(self, fault, checkpoint_patience_seconds=1.0):
        why_not = self._why_not(fault.kind)
        if why_not:
            self.result.not_tried[fault.kind] = why_not
        elif self._apply(fault, checkpoint_patience_seconds):
            self.result.faults[fault.kind] += 1
            if fault.kind in KILLS:
                self.result.kills[fault.kind.split()[1]] += 1

    def _why_not(self, kind):
        """Why this machine can't do it; None: it can."""
        if kind == "fill disk" and not self._disk:
            return NO_MOUNT
        if kind.startswith("set clock") and not WallClock.available():
            return NO_CLOCK
        return None

    def _apply(self, fault, checkpoint_patience_seconds):
        """Whether it came to pass."""
        cluster = self._cluster
        action, target = fault.kind.split(maxsplit=1)
        roles = {"learner": [cluster.learner], "worker": cluster.workers, "verifier": cluster.verifiers,
                 "relay": cluster.relays}
        members = roles.get(target)
        member = members[fault.number % len(members)] if members else None
        if fault.kind == "kill learner in a checkpoint":
            return cluster.kill_learner_in_a_checkpoint(fault.seconds, checkpoint_patience_seconds)
        if action == "kill":
            # Mostly while it does something: one that is always killed as it begins gets nowhere.
            if member is cluster.learner and fault.number % 4 and cluster.serving is not member.process:
                return False
            return cluster.kill(member, fault.seconds)
        if action == "stop":
            return cluster.stop(member, fault.seconds)
        if action == "fill":
            return self._fill_disk(fault.seconds)
        if action == "set":
            return cluster.set_clock(cluster.members[fault.number % len(cluster.members)],
                                     fault.seconds if target == "clock forward" else -fault.seconds)
        return self._disturb(cluster.proxies[fault.number % len(cluster.proxies)], action, fault.seconds)

    def _disturb(self, proxy, action, seconds):
        if action == "cut":
            proxy.cut()
        elif action == "delay":
            proxy.delay(seconds / 10)
            self._cluster.after(seconds, lambda: proxy.delay(0))
        else:
            proxy.hold()
            self._cluster.after(seconds, proxy.release)
        return True

    def _fill_disk(self, seconds):
        self._disk.fill()
        self._cluster.after(seconds, self._disk.free)
        return True

    def _come_to_rest(self, directory):
        """No more faults: the run has to go on by itself, and to end when it is told to."""
        # Until the last fault is over and everything that was killed is back.
        self._cluster.run_until(lambda: not self._cluster.pending, CALM_SECONDS)
        run = harness.Run(directory)
        done = len(run.lines)
        if not self._cluster.run_until(lambda: len(run.lines) >= done + CALM_STEPS, CALM_SECONDS):
            self.result.broken.append(f"no {CALM_STEPS} steps in {CALM_SECONDS} s without faults, after {done}")
            for member in self._cluster.members:
                self._say(f"{member.name}: {member.output[-1500:]}")
        learner = self._cluster.learner
        if not self._cluster.run_until(learner.running, CALM_SECONDS):
            self.result.broken.append("the learner isn't running")
            return
        # 1: it ended well, but there had been errors in writing.
        status = self._cluster.terminate(learner)
        if status != 0 and NO_SPACE not in learner.outputs[-1]:
            self.result.broken.append(f"the learner ended with {status}: {learner.outputs[-1][-2000:]}")
        self._end_run(harness.Run(directory).checkpoint_steps[-1])

    def _end_run(self, steps):
        """All wait for the learner that was told to end. It comes back, finds the run over, and tells them so."""
        learner, clients = self._cluster.learner, [*self._cluster.workers, *self._cluster.relays]
        for client in clients:
            if not client.running():
                self.result.broken.append(f"{client.name} ended with its learner: {client.outputs[-1][-2000:]}")
            client.expected = False
        learner.arguments = [argument.replace(f"learner.steps={STEPS}", f"learner.steps={steps}")
                             for argument in learner.arguments]
        learner.expected = True
        self._cluster.start(learner)
        if self._cluster.wait_for_end(learner) != 0:
            self.result.broken.append(f"the learner didn't end well: {learner.outputs[-1][-2000:]}")
        give_up = time.monotonic() + FAREWELL_SECONDS
        while time.monotonic() < give_up and any(client.running() for client in clients):
            time.sleep(0.02)
        for client in clients:
            if client.running():
                self.result.left_behind += 1
                self.result.broken.append(f"{client.name} wasn't told that the run is over: {client.output[-2000:]}")
                client.process.send(signal.SIGTERM)
            if client.process is not None and self._cluster.wait_for_end(client) != 0:
                self.result.broken.append(f"{client.name} didn't end well: {client.outputs[-1][-2000:]}")

    def _check(self, directory):
        run = Run(directory)
        result = self.result
        result.steps = run.steps
        result.lost, result.twice = count_lost_and_twice(run)
        result.ledger = run.state["lease_book"]["ledger"] if run.state else {}
        result.broken += check_run(run, MAX_STALENESS[self._mode])
        # A group that no verifier judged in time is dropped, and another prompt takes its place: another course.
        if self._mode == "sync" and result.ledger.get("dropped_unverified") == 0:
            result.compared = True
            result.broken += check_same_course(run, self._reference(run.steps))

    def _reference(self, steps):
        """An undisturbed run of as many steps, in one process."""
        directory = self._scratch / f"reference_{self.result.seed}"
        process = harness.Process("tpo", "train", harness.SMALL, "--run_dir", directory, "--quiet", *flags("sync"),
                                  *overrides(learner__steps=steps, learner__checkpoint__every_steps=0))
        if process.wait() != 0:
            self.result.broken.append(f"the undisturbed run failed: {process.output}")
        process.kill()  # closes what it holds of it
        reference = Run(directory)
        shutil.rmtree(directory)
        return reference
