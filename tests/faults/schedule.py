"""What goes wrong when: a list of faults that follows from a seed alone."""

import dataclasses
import random

# Kind of fault: how often, in proportion.
KINDS = {
    "kill learner": 22,
    "kill learner in a checkpoint": 10,
    "kill worker": 30,
    "kill verifier": 20,
    "kill relay": 12,
    "stop learner": 2,
    "stop worker": 4,
    "stop verifier": 3,
    "stop relay": 2,
    "cut connections": 8,
    "delay connections": 4,
    "hold connections": 4,
    "fill disk": 3,
    "set clock forward": 4,
    "set clock back": 4,
}
KILLS = tuple(kind for kind in KINDS if kind.startswith("kill"))


@dataclasses.dataclass(frozen=True)
class Fault:
    at_seconds: float  # since the round's beginning
    kind: str
    number: int  # which of the processes or connections, modulo how many there are
    seconds: float  # how long it lasts; for a kill, until the process is started again; for a clock, how far it is set

    def __str__(self):
        return f"{self.at_seconds:8.2f} s  {self.kind} #{self.number} for {self.seconds:.2f} s"


def make_schedule(seed, kills, mean_seconds, lease_seconds, kinds=None):
    """Faults until there have been as many kills."""
    draw = random.Random(seed)
    kinds = {kind: weight for kind, weight in KINDS.items() if kinds is None or kind in kinds}
    faults, now, killed = [], 1.0, 0
    while killed < kills:
        now += draw.expovariate(1 / mean_seconds)
        kind = draw.choices(list(kinds), list(kinds.values()))[0]
        seconds = draw.uniform(0, 0.5)
        if kind.startswith("stop"):
            # Beyond the lease.
            seconds = lease_seconds * draw.uniform(1.1, 1.8)
        elif kind in ("hold connections", "delay connections", "fill disk"):
            seconds = draw.uniform(0.2, 1.5 * lease_seconds)
        elif kind == "set clock forward":
            seconds = draw.uniform(1, 3600)
        elif kind == "set clock back":
            # A run may stand still for as long (docs/deploy.md, "Clocks").
            seconds = draw.uniform(1, 2)
        killed += kind in KILLS
        faults.append(Fault(now, kind, draw.randrange(1000), seconds))
    return faults
