#!/usr/bin/env python3
"""What a verifier with errors and a long tail costs: throughput with faults, over throughput without.

    bench/verifier_resilience/run.py --build build/release [--seconds 10] [--repeats 3] [--train] [--json FILE]

Verifiers (faulty_verifier) have a log-normal latency around --median_ms. With faults, 5 % of the answers are UNAVAILABLE,
after the whole latency, and 2 % take ten times as long, so that the p99 is ten times the median. Compared are

  healthy     no faults, all rules of section `verification` at their defaults
  faults      the same rules
  no rules    with faults: one attempt, no hedge, no circuit breaker (groups that fail are lost)

With --train whole runs of `tpo train` are measured instead (healthy and faults only), by the groups trained on per second
after a warm-up. Repeats are interleaved, so that the load of the machine falls on all alike; the median counts.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
FAULTS = ["--error_rate", "0.05", "--slow_rate", "0.02", "--slow_factor", "10"]
KINDS = ["healthy", "faults", "no rules"]
# Name, loops, milliseconds of sampling before each lease.
LEASE_CASES = [
    ("one lease at a time, no sampling", 1, 0),
    ("two leases at a time, no sampling", 2, 0),
    ("one lease at a time, 250 ms of sampling", 1, 250),
    ("two leases at a time, 1 s of sampling", 2, 1000),
]
# Name, overrides. A policy that learns gets cheaper to train step by step, by how well it has learnt; where the policy stays as
# it is, the runs differ by their verifiers alone.
STAYS = "learner.optimizer={muon: {learning_rate: 1.0e-9}}"
TRAIN_CASES = [
    ("synchronous", []),
    ("asynchronous", ["learner.max_staleness=4"]),
    ("asynchronous, one epoch", ["learner.max_staleness=4", "learner.epochs=1"]),
    ("synchronous, the policy stays", [STAYS]),
    ("asynchronous, the policy stays", ["learner.max_staleness=4", STAYS]),
    ("asynchronous, one epoch, the policy stays", ["learner.max_staleness=4", "learner.epochs=1", STAYS]),
]
WARM_UP_STEPS = 10


class Verifiers:
    """Replicas of a faulty verifier."""

    def __init__(self, build, replicas, median_ms, faulty):
        self.processes = [
            subprocess.Popen([str(build / "verifier_resilience/faulty_verifier"), "--median_ms", str(median_ms), "--seed",
                              str(seed), *(FAULTS if faulty else [])], stdout=subprocess.PIPE, text=True)
            for seed in range(replicas)]
        self.addresses = [process.stdout.readline().split()[-1] for process in self.processes]

    def __enter__(self):
        return self.addresses

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
            process.wait()
            process.stdout.close()


def lease_load(arguments, kind, loops, sample_ms):
    with Verifiers(arguments.build, arguments.replicas, arguments.median_ms, kind != "healthy") as addresses:
        command = [str(arguments.build / "verifier_resilience/lease_load"), "--addresses", ",".join(addresses), "--loops",
                   str(loops), "--sample_ms", str(sample_ms), "--seconds", str(arguments.seconds)]
        if kind == "no rules":
            command.append("--plain")
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def train(arguments, kind, overrides):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="tpo_bench_"))
    with Verifiers(arguments.build, arguments.replicas, arguments.median_ms, kind != "healthy") as addresses:
        flags = [f"learner.steps={arguments.steps}", "output.tensorboard=false", f"verifiers=[{{addresses: {addresses}}}]",
                 *overrides]
        command = [str(arguments.build / "bin/tpo"), "train", str(ROOT / "examples/reverse_copy.yaml"), "--run_dir",
                   str(directory / "run"), "--quiet"]
        for flag in flags:
            command += ["--set", flag]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    records = [json.loads(line) for line in (directory / "run/metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    shutil.rmtree(directory)
    first, last = records[WARM_UP_STEPS], records[-1]
    return {"groups_per_second": (last["groups_total"] - first["groups_total"]) / (last["unix_seconds"] - first["unix_seconds"]),
            "unscored": last["ledger"]["dropped_unverified"]}


def measure(arguments, name, run, kinds):
    """Medians over the repeats, by kind."""
    results = {kind: [] for kind in kinds}
    for _ in range(arguments.repeats):
        for kind in kinds:
            results[kind].append(run(kind))
    speeds = {kind: statistics.median(result["groups_per_second"] for result in results[kind]) for kind in kinds}
    lost = {kind: sum(result["unscored"] for result in results[kind]) for kind in kinds}
    cost = 1 - speeds["faults"] / speeds["healthy"]
    without = f"{speeds['no rules']:.0f} | {lost['no rules']}" if "no rules" in kinds else "– | –"
    print(f"| {name} | {speeds['healthy']:.0f} | {speeds['faults']:.0f} | {cost:.1%} | {lost['faults']} | {without} |",
          flush=True)
    return {"case": name, "results": results, "cost_of_faults": cost}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--median_ms", type=float, default=20)
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--only", nargs="*", default=[], help="names of cases; all unless given")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()

    print(f"load {os.getloadavg()[0]:.1f} at the start, {os.cpu_count()} cores")
    print("| case | healthy, groups/s | faults, groups/s | cost | groups lost | without rules, groups/s | groups lost |")
    print("|---|---|---|---|---|---|---|")
    cases = []
    if not arguments.train:
        for name, loops, sample_ms in LEASE_CASES:
            if arguments.only and name not in arguments.only:
                continue
            cases.append(measure(arguments, name, lambda kind: lease_load(arguments, kind, loops, sample_ms), KINDS))
    else:
        for name, overrides in TRAIN_CASES:
            if arguments.only and name not in arguments.only:
                continue
            cases.append(measure(arguments, f"tpo train, {name}", lambda kind: train(arguments, kind, overrides), KINDS[:2]))
    print(f"load {os.getloadavg()[0]:.1f} at the end")
    if arguments.json:
        arguments.json.write_text(json.dumps({"cores": os.cpu_count(), "cases": cases}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
