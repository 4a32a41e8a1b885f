"""The order of the methods: whether ours is the paper's, pair by pair."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import statistics

import cells
from measures import STEPS, Measured, chance_by_rank, error_over_run, our_order, paper_range
from table_text import ours, setting_text

RANK_LEVEL = 0.05


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two methods that the paper orders."""

    table: str
    line: str  # both, the paper's figures and ours
    same: bool | None  # whether our figures order them so; None: our seeds don't tell
    same_mean: bool | None  # whether our means do, whatever they are worth; None: equal, or never
    # Of an error, over the whole run: the chance that seeds of one method lie as far apart in rank, and whether their means are
    # ordered so.
    chance_over_run: float | None = None
    same_over_run: bool = False

    @property
    def told_over_run(self) -> bool | None:
        return self.same_over_run if self.chance_over_run is not None and self.chance_over_run <= RANK_LEVEL else None


def pair_of(better: Measured, worse: Measured, results: dict[cells.Cell, list[dict]]) -> Pair:
    row = better.row
    line = (f"{row.table}, {setting_text(row)}: the paper {row.method} < {worse.row.method} ({row.paper_text} against "
            f"{worse.row.paper_text}); ours {worse.row.method} {ours(worse)}, {row.method} {ours(better)}")
    means = (better.mean, worse.mean)
    same_mean = None if None in means or means[0] == means[1] else means[0] < means[1]
    if row.statistic == STEPS or row.cell not in results or worse.row.cell not in results:
        return Pair(row.table, line, our_order(better, worse), same_mean)
    over_run = [[error_over_run(result["curves"]["error"]) for result in results[cell]] for cell in (row.cell, worse.row.cell)]
    return Pair(row.table, line, our_order(better, worse), same_mean, chance_by_rank(*over_run),
                statistics.fmean(over_run[0]) < statistics.fmean(over_run[1]))


def orderings(by_table: dict[str, list[Measured]], results: dict[cells.Cell, list[dict]]) -> list[Pair]:
    """The pairs of methods that the paper orders, setting by setting. A pair that several tables order alike counts once."""
    by_setting: dict[tuple, list[Measured]] = collections.defaultdict(list)
    for table, measured in by_table.items():
        for item in measured:
            by_setting[table, item.row.statistic, *item.row.setting.items()].append(item)
    pairs: dict[tuple, Pair] = {}
    for (_, statistic, *_), items in by_setting.items():
        for better, worse in itertools.permutations(items, 2):
            low, high = paper_range(better.row), paper_range(worse.row)
            key = (better.row.cell, worse.row.cell, statistic)
            if low is None or high is None or low[1] >= high[0] or key in pairs:
                continue
            pairs[key] = pair_of(better, worse, results)
    return list(pairs.values())


def counts_text(told: list[bool | None]) -> str:
    counts = collections.Counter(told)
    return f"{counts[True]} / {counts[False]} / {counts[None]}"


def order_markdown(pairs: list[Pair]) -> list[str]:
    if not pairs:
        return []
    told = collections.Counter(pair.same for pair in pairs)
    tables: dict[str, list[Pair]] = collections.defaultdict(list)
    for pair in pairs:
        tables[pair.table].append(pair)
    lines = ["## Order of the methods", "",
             f"Of {len(pairs)} pairs of methods that the paper orders, ours have the same order in {told[True]} and another in "
             f"{told[False]}; in {told[None]} our seeds don't tell. The paper's own uncertainty isn't counted. For errors also by the "
             f"mean error over the run, which hangs less on single steps: told where ranks as far apart have a chance of at most "
             f"{RANK_LEVEL:.0%} (three seeds beside three never do).", "",
             "| table | pairs | same / other / not told | by the error over the run |", "|---|---|---|---|"]
    for table, of_table in tables.items():
        over_run = counts_text([pair.told_over_run for pair in of_table]) if of_table[0].chance_over_run is not None else ""
        lines.append(f"| {table} | {len(of_table)} | {counts_text([pair.same for pair in of_table])} | {over_run} |")
    for heading, chosen in (("Another order:", [pair for pair in pairs if pair.same is False or pair.told_over_run is False]),
                            ("Not told, but the other way round in the mean:",
                             [pair for pair in pairs if pair.same is None and pair.same_mean is False])):
        lines += ["", heading, "", *(f"- {pair.line}" for pair in chosen)] if chosen else []
    return lines + [""]
