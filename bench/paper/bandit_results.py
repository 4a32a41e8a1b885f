"""The results of `tpo-bandits` (docs/paper/bandits/*.json; docs/paper/bandits.md has their format) for the report."""

from __future__ import annotations

import json
import pathlib

from bandit_runs import TABLES
from sweep import SweepError

FORMAT = 1
# Final errors of the paper's public code, from docs/paper/bandits.md; the neural ones are the paper's, on MNIST itself,
# which is another data set than ours: for the order of the methods only.
PAPER = {
    ("single", "tpo"): 5.15e-5, ("single", "dg"): 5.26e-5, ("single", "pg"): 1.0e-3, ("single", "grpo"): 2.70e-3,
    ("multi", "ce"): 3.37e-4, ("multi", "tpo"): 4.03e-4, ("multi", "grpo"): 5.26e-4, ("multi", "dg"): 2.06e-3,
    ("multi", "pg"): 6.07e-3,
}
PAPER_MNIST = {"tpo": 0.029, "grpo": 0.059, "pg": 0.053, "group_pg": 0.072}


def load(directory: pathlib.Path) -> list[dict]:
    """All results there are. SweepError: a file isn't one."""
    results = []
    for path in sorted(directory.glob("*.json")):
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SweepError(f"{path}: not a result of tpo-bandits ({error})") from error
        if not isinstance(result, dict) or result.get("format") != FORMAT:
            raise SweepError(f"{path}: not a result of tpo-bandits, or of another version")
        results.append(result)
    return results


def panel_of(result: dict) -> str:
    """Which drawing a result belongs to."""
    return f"neural, {result['settings']['data']}" if result["study"] == "neural" else result["study"]


def entry(result: dict) -> dict:
    """One object of tables.json."""
    study, method, final = result["study"], result["method"], result["final"]["error"]
    neural = study == "neural"
    setting = {"data": result["settings"]["data"]} if neural else {}
    shown = PAPER_MNIST.get(method) if neural else PAPER.get((study, method))
    # A figure for MNIST says nothing about the error on other data.
    paper = shown if not neural or setting["data"] == "mnist" else None
    within = None
    if paper is not None:
        # The public code's 100 seeds spread as ours do.
        within = abs(final["mean"] - paper) <= 2 * 2**0.5 * final["standard_error"]
    return {
        "table": TABLES[study], "method": method, "setting": setting, "statistic": "final_error",
        "paper": paper, "paper_text": "" if shown is None else f"{shown:g}" + (" (MNIST)" if neural else ""),
        "paper_seeds": 20 if neural else 100, "mean": final["mean"],
        "standard_error": final["standard_error"], "median": final["median"], "seeds": result["seeds"],
        "within_combined_uncertainty": within, "cpu_seconds_per_seed": result["cpu_seconds"] / result["seeds"],
        "commit": result["commit"], "command": result["command"],
    }
