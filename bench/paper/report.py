"""The report of the sequence sweeps: tables beside the paper's values, figures, tables.json.

Statistics. A table of steps to 1 % has the first step at which the mean curve of the seeds is below 0.01, as the paper
counts; its standard error is that of a bootstrap over the seeds. A final error is the mean over the seeds of the last
step's error. The paper prints no uncertainty, so its own is taken from our spread over the seeds, scaled to its number
of seeds; "within" means that the difference is at most twice the combined standard error.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import math
import pathlib
import random
import statistics

import bandit_results
import cells
import sweep

COMMAND = "bench/paper/paper.py"
BOOTSTRAP_SAMPLES = 200


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
    median_last_50: float  # error in per cent over the last 50 steps, median over the seeds
    never: int  # seeds that never fell below 1 %, by their own mean of 20 steps

    @property
    def within(self) -> bool | None:
        """Whether we agree with the paper; None: nothing to compare."""
        if self.row.paper is None:
            if not self.row.paper_text:
                return None
            if self.row.statistic == "steps_to_1_percent":
                return self.mean is None
            return self.mean is not None and self.mean > float(self.row.paper_text.lstrip("> "))
        if self.row.paper_text.startswith("<"):
            return self.mean is not None and self.mean < self.row.paper
        if self.mean is None:
            return False
        if self.standard_error is None or self.paper_standard_error is None:
            return None
        combined = math.hypot(self.standard_error, self.paper_standard_error)
        return abs(self.mean - self.row.paper) <= 2 * combined


def first_below(curve: list[float], level: float) -> int | None:
    return next((step for step, value in enumerate(curve) if value < level), None)


def mean_curve(curves: list[list[float]]) -> list[float]:
    return [statistics.fmean(values) for values in zip(*curves)]


def smoothed_first_below(curve: list[float], level: float, window: int = 20) -> int | None:
    total = sum(curve[:window])
    for end in range(window, len(curve) + 1):
        if total / window < level:
            return end - 1
        if end < len(curve):
            total += curve[end] - curve[end - window]
    return None


def steps_statistic(curves: list[list[float]]) -> tuple[float | None, float | None]:
    mean = first_below(mean_curve(curves), 0.01)
    if mean is None or len(curves) < 2:
        return mean, None
    generator = random.Random(0)
    samples = []
    for _ in range(BOOTSTRAP_SAMPLES):
        chosen = generator.choices(curves, k=len(curves))
        step = first_below(mean_curve(chosen), 0.01)
        samples.append(len(curves[0]) if step is None else step)
    return mean, statistics.stdev(samples)


def final_statistic(curves: list[list[float]]) -> tuple[float, float | None]:
    finals = [100 * curve[-1] for curve in curves]
    error = statistics.stdev(finals) / math.sqrt(len(finals)) if len(finals) > 1 else None
    return statistics.fmean(finals), error


def measure(row: cells.Row, results: list[dict]) -> Measured:
    curves = [result["curves"]["error"] for result in results]
    mean, error = steps_statistic(curves) if row.statistic == "steps_to_1_percent" else final_statistic(curves)
    paper_error = None if error is None else error * math.sqrt(len(curves) / row.paper_seeds)
    return Measured(
        row=row, mean=mean, standard_error=error, paper_standard_error=paper_error, seeds=len(curves),
        commits=sorted({result["commit"] for result in results}),
        cpu_seconds=statistics.fmean(result["cpu_seconds"] for result in results),
        median_last_50=100 * statistics.median(statistics.fmean(curve[-50:]) for curve in curves),
        never=sum(smoothed_first_below(curve, 0.01) is None for curve in curves))


def load(directory: pathlib.Path) -> dict[cells.Cell, list[dict]]:
    """The results of every cell that the tables refer to, by seed. SweepError: a file isn't a result."""
    found: dict[cells.Cell, list[dict]] = {}
    for row in cells.all_rows():
        if row.cell in found:
            continue
        paths = sorted((directory / row.cell.name).glob("seed*.json.gz"))
        results = [sweep.read_result(path) for path in paths]
        if results:
            found[row.cell] = sorted(results, key=lambda result: result["seed"])
    return found


def number(value: float | None, statistic: str) -> str:
    if value is None:
        return "never"
    return f"{value:.0f}" if statistic == "steps_to_1_percent" else f"{value:.2f}"


def table_markdown(table: str, measured: list[Measured]) -> list[str]:
    lines = [f"### {table}", "",
             "| setting | method | paper | ours | seeds | within | median, last 50 steps | CPU-s a seed |",
             "|---|---|---|---|---|---|---|---|"]
    verdicts = {True: "yes", False: "**no**", None: "-"}
    for item in measured:
        setting = ", ".join(f"{key} {value}" for key, value in item.row.setting.items()) or "-"
        unit = "steps to 1 %" if item.row.statistic == "steps_to_1_percent" else "final error, %"
        error = "" if item.standard_error is None else f" ± {number(item.standard_error, item.row.statistic)}"
        lines.append(f"| {setting} | {item.row.method} ({unit}) | {item.row.paper_text or '-'} | "
                     f"{number(item.mean, item.row.statistic)}{error} | {item.seeds} | {verdicts[item.within]} | "
                     f"{item.median_last_50:.2f} % | {item.cpu_seconds:.0f} |")
    return lines + [""]


def orderings(table: str, measured: list[Measured]) -> list[str]:
    """Where our order of the methods differs from the paper's, setting by setting."""
    by_setting: dict[tuple, list[Measured]] = collections.defaultdict(list)
    for item in measured:
        by_setting[tuple(item.row.setting.items())].append(item)
    lines = []
    for setting, items in by_setting.items():
        if len({item.row.method for item in items}) != len(items) or len(items) < 2:
            continue
        never = float("inf")
        paper = sorted(items, key=lambda item: never if item.row.paper is None else item.row.paper)
        ours = sorted(items, key=lambda item: never if item.mean is None else item.mean)
        names = lambda order: " < ".join(item.row.method for item in order)
        if names(paper) != names(ours):
            where = ", ".join(f"{key} {value}" for key, value in setting)
            lines.append(f"- {table}, {where}: ours {names(ours)}; the paper {names(paper)}")
    return lines


def entry(item: Measured) -> dict:
    """One object of tables.json."""
    return {
        "table": item.row.table, "method": item.row.method, "setting": item.row.setting,
        "statistic": item.row.statistic, "paper": item.row.paper, "paper_text": item.row.paper_text,
        "paper_seeds": item.row.paper_seeds, "mean": item.mean, "standard_error": item.standard_error,
        "seeds": item.seeds, "within_combined_uncertainty": item.within,
        "median_error_last_50_percent": item.median_last_50, "seeds_never_below_1_percent": item.never,
        "cpu_seconds_per_seed": item.cpu_seconds, "commit": ", ".join(item.commits),
        "command": f'{COMMAND} run --seeds {item.seeds} --only "{item.row.table}" --methods {item.row.method}',
    }


def write(runs: pathlib.Path, directory: pathlib.Path) -> int:
    """Writes the report of what has been run; the exit status."""
    import figures  # needs matplotlib, which the rest does without  pylint: disable=import-outside-toplevel

    results = load(runs)
    bandits = bandit_results.load(directory / "bandits")
    if not results:
        raise sweep.SweepError(f"{runs}: no finished run of any table; `run` makes them")
    measured = [measure(row, results[row.cell]) for row in cells.all_rows() if row.cell in results]
    by_table: dict[str, list[Measured]] = collections.defaultdict(list)
    for item in measured:
        by_table[item.row.table].append(item)
    missing = [row for row in cells.all_rows() if row.cell not in results]

    machines = sorted({result["machine"] for items in results.values() for result in items})
    commits = sorted({result["commit"] for items in results.values() for result in items})
    total = sum(result["cpu_seconds"] for items in results.values() for result in items)
    lines = ["# Sequence tasks: our runs beside the paper's tables", "",
             "Written by `bench/paper/paper.py report`; don't edit. README.md in this folder explains how to read it.",
             "", f"Commits: {', '.join(commits)}. Machines: {'; '.join(machines)}. "
             f"{sum(map(len, results.values()))} runs, {total / 3600:.1f} CPU-hours.", ""]
    differences = []
    for table, items in by_table.items():
        lines += table_markdown(table, items)
        differences += orderings(table, items)
    lines += ["### Where the order of the methods differs", ""] + (differences or ["Nowhere."]) + [""]
    if missing:
        lines += ["### Not run yet", ""]
        counts = collections.Counter(row.table for row in missing)
        lines += [f"- {table}: {count} figures" for table, count in counts.items()] + [""]
    drawings = figures.draw_all(results, bandits, directory / "figures")
    lines += ["### Figures", ""] + [f"![{title}](figures/{path.name})" for title, path in drawings] + [""]

    text = "\n".join(lines)
    sweep.write_atomically(directory / "sequence_tables.md", text.encode())
    sweep.write_atomically(directory / "tables.json",
                           (json.dumps([bandit_results.entry(result) for result in bandits] +
                                       [entry(item) for item in measured], indent=1) + "\n").encode())
    sweep.write_atomically(directory / "report.html", figures.page(by_table, bandits, drawings, differences).encode())
    print(f"wrote {directory}/sequence_tables.md, tables.json, report.html and {len(drawings)} figures")
    return 0
