"""How much weight training gives to right and to wrong completions (the paper's Figure 10b), from the groups that a run
lays open for inspection.

The weight of a completion is its target probability where the objective has a target (TPO), else the magnitude of its
standardized score, which is GRPO's advantage.
"""

from __future__ import annotations

import collections
import json
import pathlib
import statistics

RIGHT = "right_completion_weight"
WRONG = "wrong_completion_weight"


def _weight(completion: dict) -> float:
    target = completion.get("target_probability")  # null without a target
    return abs(completion["standardized_score"]) if target is None else target


def read_curves(run_directory: pathlib.Path, steps: int) -> dict[str, list[float | None]]:
    """One value a step for RIGHT and for WRONG: the mean weight of the step's inspected completions with a score above 0,
    and of the others; None where there are none. No curves if the run inspected no groups."""
    weights: dict[str, dict[int, list[float]]] = {name: collections.defaultdict(list) for name in (RIGHT, WRONG)}
    for path in (run_directory / "groups.jsonl.1", run_directory / "groups.jsonl"):  # the older part, and the rest
        if not path.exists():
            continue
        with open(path, encoding="utf-8") as file:
            for group in map(json.loads, file):
                for completion in group["completions"]:
                    if completion.get("standardized_score") is not None:
                        name = RIGHT if completion["verdict"]["score"] > 0 else WRONG
                        weights[name][group["step"]].append(_weight(completion))
    if not any(weights.values()):
        return {}
    return {name: [statistics.fmean(by_step[step]) if step in by_step else None for step in range(steps)]
            for name, by_step in weights.items()}
