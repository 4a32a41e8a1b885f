#!/usr/bin/env python3
"""Our seeds of Table 3 (matched by prompts) beside the curves that the paper's authors publish, seed by seed.

    ./dev paper compare token_reversal_sparse_reward_results.npz

The file lies in the folder `assets` of the paper's code (github.com/JeanKaddour/tpo): one curve a seed for TPO, GRPO and
DG at H = 10. Prints, for each method, the quartiles over the seeds of how fast they learn and of where they end, and how
likely two groups of seeds of one and the same method are to lie as far apart in rank (Mann-Whitney, two-sided, exact). A
final error hangs on a few seeds; this doesn't. Below each table: by how much the mean errors over the run differ, and what
that difference may be. Needs NumPy.
"""

from __future__ import annotations

import argparse
import math
import pathlib
import sys
from collections.abc import Callable

import numpy

import cells
import measures
import sweep

ROOT = pathlib.Path(__file__).resolve().parents[2]


def steps_to(level: float) -> Callable[[list[float]], float]:
    def measure(curve: list[float]) -> float:
        step = measures.smoothed_first_below(curve, level)
        return math.inf if step is None else step
    return measure


MEASURES: dict[str, Callable[[list[float]], float]] = {
    **{f"steps to {level:.0%}": steps_to(level) for level in (0.95, *measures.LEVELS)},
    "error over the run, %": lambda curve: 100 * measures.error_over_run(curve),
    f"error, last {measures.LATE_STEPS} steps, %": lambda curve: 100 * measures.late_error(curve),
}


def quartiles_text(values: list[float]) -> str:
    texts = ["never" if math.isinf(value) else f"{value:.3g}" if value < 100 else f"{value:.0f}"
             for value in measures.quartiles(values)]
    return f"{texts[1]} ({texts[0]} to {texts[2]})"


def table_of(method: str, theirs: list[list[float]], ours: list[list[float]]) -> list[str]:
    lines = [f"| {method}: median (quartiles) | the authors, {len(theirs)} seeds | ours, {len(ours)} seeds | chance |",
             "|---|---|---|---|"]
    for name, measure in MEASURES.items():
        groups = [[measure(curve) for curve in curves] for curves in (theirs, ours)]
        lines.append(f"| {name} | {quartiles_text(groups[0])} | {quartiles_text(groups[1])} | {measures.chance_by_rank(*groups):.2f} |")
    return lines + ["", difference_text(theirs, ours)]


def difference_text(theirs: list[list[float]], ours: list[list[float]]) -> str:
    (their_mean, their_error), (our_mean, our_error) = (
        measures.mean_and_error([100 * measures.error_over_run(curve) for curve in curves]) for curves in (theirs, ours))
    text = f"Mean error over the run: theirs {their_mean:.1f} %, ours {our_mean:.1f} %"
    if their_error is None or our_error is None:
        return text + "."
    allowance = math.hypot(measures.student(len(theirs)) * their_error, measures.student(len(ours)) * our_error)
    return f"{text}; {our_mean - their_mean:+.1f} ± {allowance:.1f} points (95 %)."


def print_tables(arguments) -> int:
    with numpy.load(arguments.curves) as file:
        if "sequence_length" not in file.files:
            raise sweep.SweepError(f"{arguments.curves}: names no sequence_length; not the authors' file")
        length = int(file["sequence_length"])
        authors = {name.removesuffix("_errors"): file[name].tolist() for name in file.files if name.endswith("_errors")}
    rows = {row.method: row for row in cells.table_3("prompts") if row.setting["H"] == length}
    if unknown := set(authors) - set(rows):
        raise sweep.SweepError(f"{arguments.curves}: H = {length} of {', '.join(sorted(unknown))}, which Table 3 doesn't have")
    for method, theirs in authors.items():
        paths = sorted((arguments.out / rows[method].cell.name).glob("seed*.json.gz"))
        ours = [sweep.read_result(path)["curves"]["error"] for path in paths]
        if ours:
            print("\n".join(table_of(method, theirs, ours)), "\n")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("curves", type=pathlib.Path, help="the authors' file")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs/paper/runs", help="our runs' results")
    arguments = parser.parse_args()
    return sweep.run_command("compare_with_authors", lambda: print_tables(arguments))


if __name__ == "__main__":
    sys.exit(main())
