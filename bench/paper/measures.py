"""What the runs of a cell say, beside what the paper says.

A table of steps to 1 % has the first step at which the mean curve of the seeds is below 0.01, as the paper
counts; its standard error is that of a bootstrap over the seeds. Fewer seeds dip below it sooner, so only as many seeds
as the paper's can agree with it. An error is the mean over the seeds of one step's
error. The paper prints no uncertainty: where its authors publish their seeds it is taken from these, else from our own
spread over the seeds, for the paper's number of seeds. "Within" means that the difference is at most the combined
uncertainty (Student's 95 %) and half a unit of the last digit that the paper prints. How much that allows stands beside the
verdict: with few seeds, or a wide spread, it allows anything, and only quartiles and times to a level say more.
"""

from __future__ import annotations

import bisect
import collections
import dataclasses
import itertools
import math
import random
import statistics

import cells

BOOTSTRAP_SAMPLES = 200
LEVELS = (0.5, 0.1, 0.01)
LATE_STEPS = 50
STEPS = "steps_to_1_percent"
# Standard errors to either side that hold 95 % of Student's distribution, by degrees of freedom.
STUDENT = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26, 10: 2.23, 12: 2.18, 15: 2.13,
           19: 2.09, 29: 2.05, 60: 2.0}
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
    machines: list[str]
    cpu_seconds: float  # of a seed, in the mean
    quartiles_last_50: list[float]  # error in per cent over the last 50 steps, over the seeds
    never: int  # seeds that never fell below 1 %, by their own mean of 20 steps
    steps_to: list[float | None]  # median over the seeds of the first mean of 20 steps below each of LEVELS
    never_fraction: float | None = None  # of bootstrap samples of the paper's size whose mean curve isn't ever below 1 %

    @property
    def allowance(self) -> float | None:
        """How far from a figure of the paper we may be to agree with it. None: a spread of zero is one that we don't know."""
        if not self.standard_error or self.paper_standard_error is None:
            return None
        factor = student(self.seeds)
        paper_factor = factor if self.row.paper_standard_error is None else student(self.row.paper_seeds)
        return math.hypot(factor * self.standard_error, paper_factor * self.paper_standard_error) + self.row.print_uncertainty()

    @property
    def within(self) -> bool | None:
        """Whether we agree with the paper; None: nothing to compare, or our seeds don't tell."""
        if self.row.paper_is == "none" or self.seeds < 2:
            return None
        if self.row.statistic == STEPS:
            return self._steps_within()
        if self.row.paper_bound is not None:
            return self._bound_within(self.row.paper_bound)
        if self.allowance is None or self.row.paper - self.allowance <= 0 and self.row.paper + self.allowance >= 100:
            return None  # Any error would do.
        return abs(self.mean - self.row.paper) <= self.allowance

    def _steps_within(self) -> bool | None:
        never = self.never_fraction or 0.0
        if self.row.paper is None:
            if self.mean is None or never >= NEVER_FRACTION:
                return True
            # One seed in a few that never gets there is enough for the paper's mean, and may be missing in fewer seeds.
            return False if self.seeds >= self.row.paper_seeds else None
        if self.mean is None:
            return False if never > 1 - NEVER_FRACTION else None
        if self.allowance is None or self.seeds < self.row.paper_seeds:
            return None
        return abs(self.mean - self.row.paper) <= self.allowance

    def _bound_within(self, bound: float) -> bool | None:
        slack = self.allowance or 0.0  # A spread of zero is none to add to a bound, which holds without it or not.
        if self.row.paper_is == "below":
            return None if bound + slack >= 100 else self.mean - slack < bound
        return None if bound - slack <= 0 else self.mean + slack > bound


def student(seeds: int) -> float:
    """How many standard errors are one uncertainty with so many seeds, two at least."""
    return STUDENT[max(freedom for freedom in STUDENT if freedom < seeds)]


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
    return mean, spread_of_steps(bootstrap_steps(curves, len(curves)), curves)


def steps_of_few(curves: list[list[float]], few: int) -> list[int | None]:
    """The first step below 1 % of the mean curve of each group of `few` seeds, that of the first seeds first."""
    return [first_mean_below(group, 0.01) for group in itertools.combinations(curves, few)]


def spread_of_steps(samples: list[int | None], curves: list[list[float]]) -> float:
    """The standard error that bootstrap samples of the curves tell. Seeds that are drawn with replacement spread less than
    new ones by the factor under the root."""
    seeds, steps = len(curves), len(curves[0])
    return statistics.stdev(steps if sample is None else sample for sample in samples) * math.sqrt(seeds / (seeds - 1))


def mean_and_error(values: list[float]) -> tuple[float, float | None]:
    """With the standard error; None: there is one value only."""
    return statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None


def error_step(row: cells.Row) -> int:
    """The step whose error the row is of."""
    return 400 if row.statistic == "error_at_400_percent" else -1


def chance_by_rank(one: list[float], other: list[float]) -> float:
    """How often the rank sum of so many of all values, taken at random, is at least as far from its mean as that of `one`: the
    exact two-sided test of Mann and Whitney, ties included."""
    values = sorted(one + other)
    ranks = [bisect.bisect_left(values, value) + bisect.bisect_right(values, value) for value in one + other]  # doubled
    # How many of the groups of each size have each sum.
    groups: list[collections.Counter] = [collections.Counter({0: 1})] + [collections.Counter() for _ in one]
    for rank in ranks:
        for size in range(len(one), 0, -1):
            for total, count in groups[size - 1].items():
                groups[size][total + rank] += count

    def from_mean(total: int) -> int:
        return abs(total * len(ranks) - sum(ranks) * len(one))

    observed = from_mean(sum(ranks[:len(one)]))
    return sum(count for total, count in groups[-1].items() if from_mean(total) >= observed) / math.comb(len(ranks), len(one))


def chance_of_errors(errors: list[float], mean: float) -> float:
    """At most so often do as many seeds of a mean error all lie as far to its one side as these, all in per cent. Markov's
    inequality: errors of 0 to 100 have no more than mean / e of them at e or above, nor (100 - mean) / (100 - e) at e or below."""
    if statistics.fmean(errors) > mean:
        one = mean / min(errors) if min(errors) > mean else 1.0
    else:
        one = (100 - mean) / (100 - max(errors)) if max(errors) < mean else 1.0
    return one ** len(errors)


def late_steps_beyond(curves: list[list[float]], level: float, below: bool) -> float:
    """The part of the second half's steps at which the mean curve is at the level or beyond, above it or `below`."""
    means = [statistics.fmean(values) for values in zip(*curves)]
    late = means[len(means) // 2:]
    return sum(mean <= level if below else mean >= level for mean in late) / len(late)


def error_over_run(curve: list[float]) -> float:
    return math.fsum(curve) / len(curve)


def late_error(curve: list[float]) -> float:
    """The mean error of the last steps, which one spike doesn't decide."""
    late = curve[-LATE_STEPS:]
    return math.fsum(late) / len(late)


def quartiles(values: list[float]) -> list[float]:
    """Interpolated between neighbours; infinite beside an infinite one."""
    ordered = sorted(values)
    found = []
    for quarter in (1, 2, 3):
        below, part = divmod(quarter * (len(ordered) - 1), 4)
        low, high = ordered[below], ordered[min(below + 1, len(ordered) - 1)]
        found.append(low if part == 0 or low == high else low + (high - low) * part / 4)
    return found


def measure(row: cells.Row, results: list[dict]) -> Measured:
    if row.statistic == STEPS:
        results = results[:row.paper_seeds]  # More would get there later than the paper's.
    curves = [result["curves"]["error"] for result in results]
    never_fraction = None
    if row.statistic == STEPS:
        mean, error = steps_statistic(curves)
        samples = bootstrap_steps(curves, row.paper_seeds)
        never_fraction = sum(sample is None for sample in samples) / len(samples)
        paper_error = None if error is None else spread_of_steps(samples, curves)
    else:
        mean, error = mean_and_error([100 * curve[error_step(row)] for curve in curves])
        paper_error = row.paper_standard_error
        if paper_error is None and error is not None:
            paper_error = error * math.sqrt(len(curves) / row.paper_seeds)
    return Measured(
        row=row, mean=mean, standard_error=error, paper_standard_error=paper_error, seeds=len(curves),
        commits=sorted({result["commit"] for result in results}), machines=sorted({result["machine"] for result in results}),
        cpu_seconds=statistics.fmean(result["cpu_seconds"] for result in results),
        quartiles_last_50=[100 * value for value in quartiles([late_error(curve) for curve in curves])],
        never=sum(smoothed_first_below(curve, 0.01) is None for curve in curves),
        steps_to=[median_steps([smoothed_first_below(curve, level) for curve in curves]) for level in LEVELS],
        never_fraction=never_fraction)


def paper_range(row: cells.Row) -> tuple[float, float] | None:
    """Between what the paper's figure lies, by its own print; None: it gives none."""
    if row.paper is not None:
        return row.paper - row.print_uncertainty(), row.paper + row.print_uncertainty()
    return {"none": None, "never": (math.inf, math.inf), "below": (0.0, row.paper_bound),
            "above": (row.paper_bound, math.inf)}[row.paper_is]


def our_order(better: Measured, worse: Measured) -> bool | None:
    """Whether we order two methods as the paper does; None: our errors don't tell."""
    if better.mean is None or worse.mean is None:
        if (better.mean is None) == (worse.mean is None):
            return None
        reached, never = (better, worse) if worse.mean is None else (worse, better)
        sure = (never.never_fraction or 0.0) >= 1 - NEVER_FRACTION and (reached.never_fraction or 0.0) <= NEVER_FRACTION
        return never is worse if sure and min(better.seeds, worse.seeds) > 1 else None
    if better.standard_error is None or worse.standard_error is None:
        return None
    difference = worse.mean - better.mean
    uncertainty = math.hypot(student(better.seeds) * better.standard_error, student(worse.seeds) * worse.standard_error)
    return None if abs(difference) <= uncertainty else difference > 0
