"""SIGTERM under load, and ten times the load: what run.py measures besides kills."""

import json
import os
import pathlib
import re
import signal
import statistics
import time
import urllib.request

from audit import Run, check_run, SHOWN_GROUPS
from cluster import Cluster

import harness
from harness import overrides

MAX_STALENESS = 8
# Of each chunk of bytes to and from a verifier.
VERDICT_DELAY_SECONDS = 0.2
# Of the time under a load: what processes take in until they have come to its level doesn't count.
WARM_UP_FRACTION = 0.3
FLAT_FRACTION = 0.05


def flags(**further):
    return overrides(learner__steps=10**6, learner__prompts_per_step=SHOWN_GROUPS, learner__prompts_per_lease=1,
                     learner__lease_seconds=30, learner__max_staleness=MAX_STALENESS,
                     learner__checkpoint__every_steps=50, output__inspect_every_steps=1,
                     output__tensorboard="false", **further)


def failed_submissions(cluster):
    """What the workers say of submissions that failed, whatever became of them afterwards."""
    return [line for worker in cluster.workers for line in worker.output.splitlines()
            if re.search(r"SubmitGroups|submit again|gave up submitting", line)]


def refused_submissions(metrics_address):
    """How often this life of the learner has answered a submission with an error, by its code.

    A worker that is unknown, since its groups came too late for the life before, is among them.
    """
    with urllib.request.urlopen(f"http://{metrics_address}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = re.findall(r'^tpo_rpcs_total\{code="(\w+)",method="SubmitGroups"\} (\S+)$', text, re.MULTILINE)
    return {code: float(count) for code, count in found if code != "OK" and float(count)}


def process_status(process):
    return pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")


def heeds_sigterm(process):
    """Whether it has made provisions for the signal: it catches it, or blocks it to read it elsewhere."""
    masks = re.findall(r"^Sig(?:Blk|Cgt):\s+(\w+)$", process_status(process), re.MULTILINE)
    return any(int(mask, 16) >> (signal.SIGTERM - 1) & 1 for mask in masks)


class Terminations:
    """SIGTERMs in turn; each process is started again."""

    def __init__(self, directory):
        self.directory = directory
        self.broken = []
        self.seconds = {"worker": [], "verifier": [], "relay": [], "learner": []}
        self.metrics = harness.Reserved()
        self.refused = []  # by life of the learner
        self.cluster = Cluster(directory, [*flags(), "--metrics_listen", self.metrics.address], workers=3, verifiers=2,
                               relays=1, worker_flags=["--parallel_leases", 4])
        # So that workers always have groups in hand.
        for proxy in self.cluster.verifier_proxies:
            proxy.delay(VERDICT_DELAY_SECONDS)
        self._run = harness.Run(directory)

    def go_on(self, steps=20):
        """Until there is load again."""
        done = len(self._run.lines)
        if not self.cluster.run_until(lambda: len(self._run.lines) >= done + steps, 60):
            self.broken.append(f"no {steps} steps in 60 s after {done}")

    def terminate(self, member, grace_seconds):
        if member is self.cluster.learner:
            self.refused.append(refused_submissions(self.metrics.address))
        # One that has hardly begun has nothing to finish yet, and dies of the signal.
        self.cluster.run_until(lambda: heeds_sigterm(member.process), 30)
        begin = time.monotonic()
        status = self.cluster.terminate(member)
        seconds = time.monotonic() - begin
        self.seconds[member.name.split()[0]].append(seconds)
        if status != 0:
            self.broken.append(f"{member.name} ended with {status}: {member.outputs[-1][-1000:]}")
        if seconds > grace_seconds:
            self.broken.append(f"{member.name} took {seconds:.1f} s to end")
        member.expected = True
        self.cluster.start(member)

    def check_nothing_was_given_up(self):
        ledger = self._run.records[-1]["ledger"]
        # Groups that grow stale are a matter of pace.
        for name in ("expired", "dropped_unverified"):
            if ledger[name]:
                self.broken.append(f"SIGTERM of workers, verifiers and relays cost {ledger[name]} groups: {name}")

    def finish(self):
        learner = self.cluster.learner
        learner.expected = False
        for worker in self.cluster.workers:
            worker.expected = False
        # The workers first: what they have in hand needs a learner that is there.
        for worker in self.cluster.workers:
            status = self.cluster.terminate(worker)
            if status != 0:
                self.broken.append(f"{worker.name} ended with {status}: {worker.outputs[-1][-1000:]}")
        self.refused.append(refused_submissions(self.metrics.address))
        for member in (learner, *self.cluster.relays):
            self.cluster.terminate(member)
        self.metrics.close()
        failed = failed_submissions(self.cluster)
        failed += [f"refused with {code}: {count:g} times" for life in self.refused for code, count in life.items()]
        self.broken += [f"a submission failed: {line}" for line in failed]
        self.broken += self.cluster.failures
        self.cluster.close()
        run = Run(self.directory)
        self.broken += check_run(run, MAX_STALENESS)
        return run, failed


def run_terminations(count, seed, scratch, out):
    del seed  # the order is fixed
    test = Terminations(scratch / "terminations")
    roles = [*test.cluster.workers, *test.cluster.verifiers, *test.cluster.relays]
    for i in range(count - count // 3):
        test.go_on()
        test.terminate(roles[i % len(roles)], grace_seconds=12)
    test.go_on()
    test.check_nothing_was_given_up()
    for _ in range(count // 3):
        test.go_on()
        test.terminate(test.cluster.learner, grace_seconds=20)
    test.go_on()
    run, failed = test.finish()
    figures = {
        "terminations": {role: len(seconds) for role, seconds in test.seconds.items()},
        "failed_submissions": len(failed),
        "slowest_end_seconds": {role: round(max(seconds, default=0), 2) for role, seconds in test.seconds.items()},
        "groups_trained": run.steps * SHOWN_GROUPS,
        "load_average": os.getloadavg(),
        "broken": test.broken,
    }
    return tell(figures, out)


def resident_bytes(process):
    return int(re.search(r"^VmRSS:\s+(\d+) kB$", process_status(process), re.MULTILINE)[1]) * 1024


def watch_memory(cluster, processes, seconds, samples=60):
    """Resident bytes of each process over the time."""
    memory = {name: [] for name in processes}
    for _ in range(samples):
        cluster.run_for(seconds / samples)
        for name, process in processes.items():
            memory[name].append(resident_bytes(process))
    return memory


def course(values, parts):
    """Medians of so many equal parts of the time, in megabytes."""
    size = len(values) // parts
    return [round(statistics.median(values[i * size:(i + 1) * size]) / 1e6, 2) for i in range(parts)]


def thirds(values):
    """Of what is left after the warm-up."""
    return course(values[int(WARM_UP_FRACTION * len(values)):], 3)


def run_overload(seconds, scratch, out):
    """Two lease loops, then a second worker with eighteen beside them; all others stay the same processes.

    What is held at a time grows with the lease loops that there are, up to a level: groups that are judged, connections,
    threads. Flat is a process whose memory, once it has come to that level, doesn't go on to grow. Both are told: the
    growth under overload, which may not exceed FLAT_FRACTION, and that over what it was before.
    """
    few, many = 2, 20
    cluster = Cluster(scratch / "overload", flags(), workers=1, verifiers=1, worker_flags=["--parallel_leases", few])
    processes = {"learner": cluster.learner.process, "verifier": cluster.verifiers[0].process,
                 f"worker with {few} loops": cluster.workers[0].process}
    broken, figures = [], {}
    try:
        before = watch_memory(cluster, processes, seconds)
        steps_before = len(harness.Run(cluster.directory).lines)
        added = cluster.add_worker("--parallel_leases", many - few)
        overload = watch_memory(cluster, processes | {f"worker with {many - few} loops": added.process}, seconds)
        steps = len(harness.Run(cluster.directory).lines) - steps_before
    finally:
        cluster.close()
    for name, values in overload.items():
        levels = thirds(values)
        growth = levels[-1] / levels[0] - 1
        figures[name] = {"overload_megabytes": levels, "growth_under_overload_percent": round(100 * growth, 2),
                         "overload_course_megabytes": course(values, 10)}
        if name in before:
            level = thirds(before[name])[-1]
            figures[name] |= {"before_megabytes": level,
                              "growth_over_before_percent": round(100 * (levels[-1] / level - 1), 2)}
        if growth > FLAT_FRACTION:
            broken.append(f"the {name}'s memory grew by {100 * growth:.1f} % under overload")
    broken += cluster.failures
    figures.update(lease_loops=[few, many], seconds=seconds, steps=[steps_before, steps],
                   load_average=os.getloadavg(), broken=broken)
    return tell(figures, out)


def tell(figures, out):
    text = json.dumps(figures, indent=2)
    print(text)
    if out:
        out.write_text(text + "\n", encoding="utf-8")
    return not figures["broken"]
