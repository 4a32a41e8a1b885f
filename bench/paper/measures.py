"""What the runs of a cell say, beside what the paper says.

A table of steps to 1 % has the first step at which the mean curve of the seeds is below 0.01, as the paper
counts; its standard error is that of a bootstrap over the seeds. An error is the mean over the seeds of one step's
error. The paper prints no uncertainty, so its own is taken from our spread over the seeds, for its number of seeds;
"within" means that the difference is at most twice the combined standard error and half a unit of the last digit that
the paper prints. How much that allows stands beside the verdict: with a wide spread it allows anything, and only
quartiles and times to a level say more.
"""
from __future__ import annotations

import dataclasses
import math
import random
import statistics

import cells

BOOTSTRAP_SAMPLES = 200
LEVELS = (0.5, 0.1, 0.01)
STEPS = "steps_to_1_percent"
# A "never" is compatible with our seeds when at least this part of the bootstrap samples never gets there.
NEVER_FRACTION = 0.05


@dataclasses.dataclass
class Measured:
    """A row with what our runs give for it."""

    row: cells.Row
    mean: float | None  # None: never
    standard_error: float | None  # None: one seed only, or never
    paper_standard_error: float | None
    seeds: int
    commits: list[str]
    cpu_seconds: float  # of a seed, in the mean
    quartiles_last_50: list[float]  # error in per cent over the last 50 steps, over the seeds
    never: int  # seeds that never fell below 1 %, by their own mean of 20 steps
    steps_to: list[float | None]  # median over the seeds of the first mean of 20 steps below each of LEVELS
    never_fraction: float | None = None  # of bootstrap samples of the paper's size whose mean curve isn't ever below 1 %

    @property
    def allowance(self) -> float | None:
        """How far from a figure of the paper we may be to agree with it."""
        if self.standard_error is None or self.paper_standard_error is None:
            return None
        return 2 * math.hypot(self.standard_error, self.paper_standard_error) + half_unit(self.row.paper_text)

    @property
    def within(self) -> bool | None:
        """Whether we agree with the paper; None: nothing to compare."""
        if self.row.paper is None:
            if not self.row.paper_text:
                return None
            if self.row.statistic == STEPS:
                return self.mean is None or (self.never_fraction or 0.0) >= NEVER_FRACTION
            return self.mean is not None and self.mean > float(self.row.paper_text.lstrip("> "))
        if self.row.paper_text.startswith("<"):
            return self.mean is not None and self.mean < self.row.paper
        if self.mean is None:
            return self.never_fraction is not None and self.never_fraction <= 1 - NEVER_FRACTION
        return None if self.allowance is None else abs(self.mean - self.row.paper) <= self.allowance


def half_unit(text: str) -> float:
    """Half of the last digit's unit of a printed number."""
    return 0.5 * 10.0 ** -len(text.partition(".")[2])


def first_mean_below(curves: list[list[float]], level: float) -> int | None:
    """The first step at which the mean curve is below the level."""
    return next((step for step, values in enumerate(zip(*curves)) if statistics.fmean(values) < level), None)


def smoothed_first_below(curve: list[float], level: float, window: int = 20) -> int | None:
    """The first step whose mean of the last `window` steps is below the level."""
    # Each window's sum is exact: with few seeds and prompts a mean may be the level itself.
    return next((end - 1 for end in range(window, len(curve) + 1) if math.fsum(curve[end - window:end]) / window < level), None)


def median_steps(steps: list[int | None]) -> float | None:
    """Median over the seeds; one that never got there counts as later than all others."""
    ordered = sorted(math.inf if step is None else step for step in steps)
    middle = len(ordered) // 2
    value = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return None if math.isinf(value) else value


def bootstrap_steps(curves: list[list[float]], seeds: int) -> list[int | None]:
    """The first step below 1 % of the mean curve of `seeds` seeds, drawn again and again from ours."""
    generator = random.Random(0)
    return [first_mean_below(generator.choices(curves, k=seeds), 0.01) for _ in range(BOOTSTRAP_SAMPLES)]


def steps_statistic(curves: list[list[float]]) -> tuple[float | None, float | None]:
    mean = first_mean_below(curves, 0.01)
    if mean is None or len(curves) < 2:
        return mean, None
    return mean, spread_of_steps(bootstrap_steps(curves, len(curves)), len(curves[0]))


def spread_of_steps(samples: list[int | None], steps: int) -> float:
    return statistics.stdev(steps if sample is None else sample for sample in samples)


def error_statistic(curves: list[list[float]], step: int) -> tuple[float, float | None]:
    errors = [100 * curve[step] for curve in curves]
    error = statistics.stdev(errors) / math.sqrt(len(errors)) if len(errors) > 1 else None
    return statistics.fmean(errors), error


def quartiles(values: list[float]) -> list[float]:
    return statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else 3 * values


def measure(row: cells.Row, results: list[dict]) -> Measured:
    curves = [result["curves"]["error"] for result in results]
    never_fraction = None
    if row.statistic == STEPS:
        mean, error = steps_statistic(curves)
        samples = bootstrap_steps(curves, row.paper_seeds)
        never_fraction = sum(sample is None for sample in samples) / len(samples)
        paper_error = None if error is None else spread_of_steps(samples, len(curves[0]))
    else:
        mean, error = error_statistic(curves, 400 if row.statistic == "error_at_400_percent" else -1)
        paper_error = None if error is None else error * math.sqrt(len(curves) / row.paper_seeds)
    return Measured(
        row=row, mean=mean, standard_error=error, paper_standard_error=paper_error, seeds=len(curves),
        commits=sorted({result["commit"] for result in results}),
        cpu_seconds=statistics.fmean(result["cpu_seconds"] for result in results),
        quartiles_last_50=[100 * value for value in quartiles([statistics.fmean(curve[-50:]) for curve in curves])],
        never=sum(smoothed_first_below(curve, 0.01) is None for curve in curves),
        steps_to=[median_steps([smoothed_first_below(curve, level) for curve in curves]) for level in LEVELS],
        never_fraction=never_fraction)


def paper_range(row: cells.Row) -> tuple[float, float] | None:
    """Between what the paper's figure lies, by its own print; None: it gives none."""
    text = row.paper_text
    if not text:
        return None
    if text == "-":
        return math.inf, math.inf
    value = float(text.lstrip("<> "))
    if text.startswith("<"):
        return 0.0, value
    return (value, math.inf) if text.startswith(">") else (value - half_unit(text), value + half_unit(text))


def our_order(better: Measured, worse: Measured) -> bool | None:
    """Whether we order two methods as the paper does; None: our errors don't tell."""
    if better.mean is None or worse.mean is None:
        if (better.mean is None) == (worse.mean is None):
            return None
        reached, never = (better, worse) if worse.mean is None else (worse, better)
        if reached.seeds < 2 or (never.never_fraction or 0.0) < 1 - NEVER_FRACTION:
            return None
        return never is worse
    if better.standard_error is None or worse.standard_error is None:
        return None
    difference = worse.mean - better.mean
    if abs(difference) <= 2 * math.hypot(better.standard_error, worse.standard_error):
        return None
    return difference > 0
