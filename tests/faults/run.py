#!/usr/bin/env python3
"""Kills processes of a run, again and again, and checks that nothing is lost (docs/results/faults.md).

    ./dev faults --kills 1000              1,000 random kill -9 over all roles, among other faults, in many rounds
    ./dev faults --seed 17 --rounds 1 --tell  the round of this seed again, told fault by fault
    ./dev faults --terminations 30         SIGTERM of every role under load: no submission may fail
    ./dev faults --overload 600            ten times the lease loops for ten minutes: memory stays flat

A round is a run of its own: a seed decides its faults and their times. What the machine makes of them isn't
deterministic; a seed that failed is worth a few repetitions. Exit status 0: all invariants held.
"""

import argparse
import collections
import json
import os
import pathlib
import platform
import shutil
import statistics
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
os.environ.setdefault("TPO_SOURCE_DIR", str(SOURCE))
os.environ.setdefault("TPO_BIN_DIR", str(SOURCE / "build" / "release" / "bin"))
os.environ.setdefault("TPO_CLOCK_SHIFT", str(SOURCE / "build" / "release" / "tests" / "libtpo_clock_shift.so"))
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

KILLS_PER_ROUND = 25
WANTED_SERVING_SECONDS = 10


def percentile(values, fraction):
    return sorted(values)[min(len(values) - 1, int(fraction * len(values)))] if values else float("nan")


class Report:
    """Counts over all rounds; written after each, so that a run that is cut short has its true number."""

    def __init__(self, path):
        self._path = path
        self._start = time.time()
        self.rounds = 0
        self.compared = 0
        self.left_behind = 0
        self.refused_starts = 0
        self.kills = collections.Counter()
        self.faults = collections.Counter()
        self.steps = 0
        self.groups = 0
        self.lost = 0
        self.twice = 0
        self.ledger = collections.Counter()
        self.serving_seconds = []
        self.broken = []

    def add(self, result):
        self.rounds += 1
        self.compared += result.compared
        self.left_behind += result.left_behind
        self.refused_starts += result.refused_starts
        self.kills += result.kills
        self.faults += result.faults
        self.steps += result.steps
        self.lost += result.lost
        self.twice += result.twice
        self.ledger.update(result.ledger)
        self.serving_seconds += result.serving_seconds
        self.broken += [f"seed {result.seed} ({result.mode}): {rule}" for rule in result.broken]
        self.write()

    @property
    def figures(self):
        serving = self.serving_seconds
        return {
            "rounds": self.rounds,
            "kills": sum(self.kills.values()),
            "kills_by_role": dict(self.kills),
            "faults": dict(self.faults),
            "steps": self.steps,
            "ledger": dict(self.ledger),
            "groups_lost": self.lost,
            "groups_trained_twice": self.twice,
            "rounds_equal_to_an_undisturbed_run": self.compared,
            "not_told_of_the_end": self.left_behind,
            "starts_refused_on_a_full_disk": self.refused_starts,
            "learner_restarts": len(serving),
            "serving_again_seconds": {
                "median": round(statistics.median(serving), 3) if serving else None,
                "p95": round(percentile(serving, 0.95), 3) if serving else None,
                "max": round(max(serving), 3) if serving else None},
            "broken": self.broken,
            "wall_seconds": round(time.time() - self._start),
            "load_average": os.getloadavg(),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        }

    def write(self):
        if self._path:
            self._path.write_text(json.dumps(self.figures, indent=2) + "\n", encoding="utf-8")


def run_kills(arguments, scratch):
    from round import Round
    import liar
    report = Report(arguments.out)
    modes = ["sync", "async"] if arguments.mode == "both" else [arguments.mode]
    liar.load_protocol()
    seed = arguments.seed
    while sum(report.kills.values()) < arguments.kills:
        if arguments.rounds and report.rounds >= arguments.rounds:
            break
        mode = modes[seed % len(modes)]
        # A new one for each round: a verifier that restarts isn't what is tested with it.
        liar_server = liar.Liar(seed)
        try:
            result = Round(seed, mode, arguments.kills_per_round, scratch, liar=liar_server,
                           mean_seconds=arguments.mean_seconds, say=print if arguments.tell else None).run()
        finally:
            liar_server.stop()
        report.add(result)
        print(f"seed {seed} {mode}: {sum(result.kills.values())} kills, {result.steps} steps, {result.lost} lost, "
              f"{result.twice} twice, slowest restart {max(result.serving_seconds, default=0):.2f} s, "
              f"{result.seconds:.0f} s{'' if not result.broken else ', BROKEN'}", flush=True)
        for rule in result.broken:
            print(f"  {rule}\n  replay with: ./dev faults --seed {seed} --mode {mode} --rounds 1 --tell", flush=True)
        seed += 1
    print(json.dumps(report.figures, indent=2))
    slow = [seconds for seconds in report.serving_seconds if seconds > WANTED_SERVING_SECONDS]
    return not report.broken and not slow


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000, help="kill -9 in all")
    parser.add_argument("--seed", type=int, default=1, help="of the first round; the next have the following")
    parser.add_argument("--rounds", type=int, default=0, help="at most; 0: as many as it takes")
    parser.add_argument("--kills_per_round", type=int, default=KILLS_PER_ROUND)
    parser.add_argument("--mean_seconds", type=float, default=0.7, help="between two faults")
    parser.add_argument("--mode", choices=("sync", "async", "both"), default="both",
                        help="S = 0 with a bit-by-bit comparison, S = 4 with a lying verifier, or in turns")
    parser.add_argument("--tell", action="store_true", help="print each fault")
    parser.add_argument("--terminations", type=int, help="instead: so many SIGTERMs under load")
    parser.add_argument("--overload", type=float, help="instead: so many seconds of ten times the lease loops, after as many of few")
    parser.add_argument("--out", type=pathlib.Path, help="JSON file for the figures")
    arguments = parser.parse_args()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="tpo_faults_"))
    try:
        if arguments.terminations:
            from load import run_terminations
            well = run_terminations(arguments.terminations, arguments.seed, scratch, arguments.out)
        elif arguments.overload:
            from load import run_overload
            well = run_overload(arguments.overload, scratch, arguments.out)
        else:
            well = run_kills(arguments, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
