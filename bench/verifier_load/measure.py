#!/usr/bin/env python3
"""Throughput, latency and leaks of tpo-verifier: starts it on one core, the load on another, prints Markdown tables.

    bench/verifier_load/measure.py --build build/release --json runs/verifier_load.json

docs/results/verifier.md holds what it printed. Needs two cores, and nothing else running on them.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.request


class Verifier:
    """tpo-verifier on one core."""

    def __init__(self, build: pathlib.Path, core: int) -> None:
        self.process = subprocess.Popen(
            ["taskset", "-c", str(core), build / "bin/tpo-verifier", "--listen", "127.0.0.1:0", "--metrics_listen",
             "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
        self.address = self.metrics_address = ""
        while not self.address:
            line = self.process.stdout.readline()
            if not line:
                sys.exit("tpo-verifier ended at once")
            if line.startswith("metrics on "):
                self.metrics_address = line.split()[-1]
            if line.startswith("listening on "):
                self.address = line.split()[-1]

    def counters(self, name: str) -> dict[str, float]:
        """Samples of a metric by their labels."""
        with urllib.request.urlopen(f"http://{self.metrics_address}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name + "{")}

    def stop(self) -> float:
        """Seconds that it took to end: it waits up to 10 s for calls that it believes to be open."""
        start = time.monotonic()
        self.process.terminate()
        if self.process.wait() != 0:
            sys.exit("tpo-verifier ended with an error")
        self.process.stdout.close()
        return time.monotonic() - start


def load(build: pathlib.Path, core: int, verifier: Verifier, *arguments: str) -> dict:
    command = ["taskset", "-c", str(core), build / "bench/tpo-verifier-load", "--address", verifier.address, "--pid",
               str(verifier.process.pid), *arguments]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(result.stdout)


def server_use(result: dict) -> float:
    """Cores that the server used."""
    samples = result["server"]
    return (samples[-1]["cpu_seconds"] - samples[0]["cpu_seconds"]) / result["seconds"]


def print_throughput(results: list[dict]) -> None:
    print("| workers | completions a group | groups/s | completions/s | p50 | p99 | server's cores | "
          "completions per CPU-second of the server |")
    print("|---|---|---|---|---|---|---|---|")
    for result in results:
        cores = server_use(result)
        print(f"| {result['workers']} | {result['completions']} | {result['groups_per_second']:,.0f} "
              f"| {result['completions_per_second']:,.0f} | {result['p50_ms']:.2f} ms | {result['p99_ms']:.2f} ms "
              f"| {cores:.2f} | {result['completions_per_second'] / cores:,.0f} |")


def print_samples(result: dict) -> None:
    print("| calls | resident memory | threads |")
    print("|---|---|---|")
    for sample in result["server"]:
        print(f"| {sample['calls']:,} | {sample['resident_bytes'] / 2**20:.1f} MiB | {sample['threads']} |")


def measure_throughput(build: pathlib.Path, flags: argparse.Namespace) -> list[dict]:
    verifier = Verifier(build, flags.server_core)
    results = [
        load(build, flags.load_core, verifier, "--task", flags.task, "--workers", str(workers), "--completions",
             str(completions), "--seconds", str(flags.seconds)) for completions in (8, 64) for workers in (1, 8, 64)
    ]
    verifier.stop()
    return results


def measure_memory(build: pathlib.Path, flags: argparse.Namespace) -> dict:
    verifier = Verifier(build, flags.server_core)
    result = load(build, flags.load_core, verifier, "--task", flags.task, "--workers", "8", "--completions", "8",
                  "--tokens", "8", "--groups", str(flags.groups))
    verifier.stop()
    return result


def measure_cancel(build: pathlib.Path, flags: argparse.Namespace) -> dict:
    """Cancelled calls in rounds; afterwards the server must hold no call and answer as before.

    Groups are large here, so that calls wait and are in progress when they are cancelled.
    """
    verifier = Verifier(build, flags.server_core)

    def round_of(*arguments: str) -> dict:
        before = sum(verifier.counters("tpo_rpcs_total").values())
        result = load(build, flags.load_core, verifier, "--task", flags.task, "--completions", "64", *arguments)
        counted = sum(verifier.counters("tpo_rpcs_total").values()) - before
        # Many are cancelled before they have left the client; these had reached the server.
        result["reached"] = counted - result["warm_up_calls"] - result["ok"]
        return result

    usual = round_of("--workers", "64", "--seconds", "5")
    rounds = []
    reached = 0
    while reached < flags.cancelled:
        rounds.append(round_of("--workers", "64", "--cancel", "--groups", str(flags.cancelled // 9)))
        reached += rounds[-1]["reached"]
        print(f"cancelled {reached:,.0f}", file=sys.stderr)
    after = round_of("--workers", "64", "--seconds", "5")
    counters = verifier.counters("tpo_rpcs_total")
    return {"usual": usual, "rounds": rounds, "after": after, "reached": reached, "counters": counters,
            "stopped_after_seconds": verifier.stop()}


def print_cancel(result: dict) -> None:
    print(f"{result['reached']:,.0f} calls that had reached the server were cancelled. What it counted in all:\n")
    for name, value in result["counters"].items():
        print(f"- `{name}` {value:,.0f}")
    print(f"\nIt ended {result['stopped_after_seconds']:.2f} s after SIGTERM.\n")
    print("| | OK | cancelled | of these had reached the server | groups/s | p50 | p99 | resident memory at the end "
          "| threads |")
    print("|---|---|---|---|---|---|---|---|---|")
    rows = [("before", result["usual"])]
    rows += [(f"cancelling, round {i + 1}", each) for i, each in enumerate(result["rounds"])]
    for name, each in rows + [("after", result["after"])]:
        last = each["server"][-1]
        print(f"| {name} | {each['ok']:,} | {each['cancelled']:,} | {each['reached'] if each['cancelled'] else 0:,.0f} "
              f"| {each['groups_per_second']:,.0f} | {each['p50_ms']:.2f} ms | {each['p99_ms']:.2f} ms "
              f"| {last['resident_bytes'] / 2**20:.1f} MiB | {last['threads']} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/release"))
    parser.add_argument("--task", default="exact_match/load")
    parser.add_argument("--seconds", type=float, default=10, help="of each throughput measurement")
    parser.add_argument("--groups", type=int, default=1_000_000, help="of the memory measurement")
    parser.add_argument("--cancelled", type=int, default=100_000, help="calls of the leak measurement")
    parser.add_argument("--server_core", type=int, default=0)
    parser.add_argument("--load_core", type=int, default=1)
    parser.add_argument("--only", choices=["throughput", "memory", "cancel"])
    parser.add_argument("--json", type=pathlib.Path, help="also write everything here")
    flags = parser.parse_args()
    results = {"load_before": os.getloadavg()}
    print(f"Load of the machine at the beginning: {results['load_before'][0]:.2f}\n")
    for name, measure, show in [("throughput", measure_throughput, print_throughput),
                                ("memory", measure_memory, print_samples),
                                ("cancel", measure_cancel, print_cancel)]:
        if flags.only in (None, name):
            results[name] = measure(flags.build, flags)
            print(f"### {name}\n")
            show(results[name])
            print(flush=True)
    results["load_after"] = os.getloadavg()
    print(f"Load of the machine at the end: {results['load_after'][0]:.2f}")
    if flags.json:
        flags.json.parent.mkdir(parents=True, exist_ok=True)
        flags.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
