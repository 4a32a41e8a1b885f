"""The tables' text, for Markdown and HTML alike."""

from __future__ import annotations

import cells
from measures import STEPS, Measured

UNITS = {STEPS: "steps to 1 %", "final_error_percent": "final error, %", "error_at_400_percent": "error at step 400, %"}


def number(value: float | None, statistic: str) -> str:
    if value is None:
        return "never"
    return f"{value:.0f}" if statistic == STEPS else f"{value:.2f}"


def ours(item: Measured) -> str:
    error = "" if item.standard_error is None else f" ± {number(item.standard_error, item.row.statistic)}"
    never = ""
    if item.never_fraction and (item.mean is not None or item.never_fraction < 1):
        percent = 100 * item.never_fraction
        never = f" (never in {'> 99' if percent > 99 else f'{percent:.0f}'} % of bootstrap samples)"
    return number(item.mean, item.row.statistic) + error + never


def verdict(item: Measured) -> str:
    text = {True: "yes", False: "no", None: "-"}[item.within]
    if item.row.paper_is in ("none", "never") or item.mean is None or item.allowance is None:
        return text
    return f"{text}, ± {number(item.allowance, item.row.statistic)}"


def steps_text(item: Measured) -> str:
    return " / ".join("never" if steps is None else f"{steps:g}" for steps in item.steps_to)


def quartiles_text(item: Measured) -> str:
    low, middle, high = item.quartiles_last_50
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def setting_text(row: cells.Row) -> str:
    return ", ".join(f"{key} {value}" for key, value in row.setting.items()) or "-"


COLUMNS = ["setting", "method", "paper", "ours", "seeds", "within", "last 50 steps, %: median (quartiles)",
           "median steps to 50 / 10 / 1 %", "CPU-s a seed"]


def columns(item: Measured) -> list[str]:
    """A row of a table, under COLUMNS."""
    return [setting_text(item.row), f"{item.row.method} ({UNITS[item.row.statistic]})", item.row.paper_text or "-", ours(item),
            str(item.seeds), verdict(item), quartiles_text(item), steps_text(item), f"{item.cpu_seconds:.0f}"]


def _shared_notes(measured: list[Measured]) -> list[str]:
    """Where the paper gives two values for what is one cell here: its own runs differ by so much, or its settings do."""
    notes = []
    for item in measured:
        others = [row for row in cells.all_rows() if row.cell == item.row.cell and row.statistic == item.row.statistic and
                  row.table != item.row.table and row.paper_text != item.row.paper_text and row.paper_text]
        if item.row.paper_text:
            notes += [f"- {item.row.method}, {setting_text(item.row)}: the same runs as in {row.table}, for which the paper "
                      f"gives {row.paper_text}, here {item.row.paper_text}." for row in others]
    return ["Cells that another table shares:\n\n" + "\n".join(notes)] if notes else []


def _commit_notes(measured: list[Measured]) -> list[str]:
    """Of which commits the rows are, where they aren't all of the same one."""
    if len({commit for item in measured for commit in item.commits}) < 2:
        return []
    return ["Of several commits:\n\n" + "\n".join(f"- {item.row.method}, {setting_text(item.row)}: {', '.join(item.commits)}"
                                                  for item in measured)]


def notes(table: str, measured: list[Measured]) -> list[str]:
    """What a reader of the table should know."""
    return ([cells.NOTES[table]] if table in cells.NOTES else []) + _commit_notes(measured) + _shared_notes(measured)
