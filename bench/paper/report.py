"""The report of the sequence sweeps: tables beside the paper's values, figures, tables.json."""

from __future__ import annotations

import collections
import json
import pathlib
import re
import shlex

import bandit_results
import bandit_runs
import cells
import report_page
import sweep
from measures import (LEVELS, STEPS, Measured, chance_of_errors, error_step, first_mean_below, late_steps_beyond, measure,
                      steps_of_few)
from method_order import order_markdown, orderings
from table_text import COLUMNS, columns, notes, number, setting_text

COMMAND = ["./dev", "paper"]
CAUSES = "## What differs and why\n"
FEW = 3  # the committed sweep's seeds of most cells


def load(directory: pathlib.Path) -> dict[cells.Cell, list[dict]]:
    """The results of every cell that the tables refer to, by seed. SweepError: no such directory, or a file isn't a result."""
    if not directory.is_dir():
        raise sweep.SweepError(f"{directory}: no such directory of runs; `run` makes it")
    found: dict[cells.Cell, list[dict]] = {}
    for row in cells.all_rows():
        if row.cell in found:
            continue
        paths = sorted((directory / row.cell.name).glob("seed*.json.gz"))
        results = [sweep.read_result(path) for path in paths]
        for path, result in zip(paths, results):
            sweep.check_length(path, result, row.cell)
        if results:
            found[row.cell] = sorted(results, key=lambda result: result["seed"])
    return found


def table_markdown(table: str, measured: list[Measured]) -> list[str]:
    lines = [f"### {table}", "", f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    for item in measured:
        values = columns(item)
        if item.within is False:
            values[COLUMNS.index("within")] = values[COLUMNS.index("within")].replace("no", "**no**", 1)
        lines.append(f"| {' | '.join(values)} |")
    return lines + [line for note in notes(table, measured) for line in ("", note)] + [""]


def kept_section(page: pathlib.Path, heading: str) -> str:
    """What people wrote under `heading`, a whole line, which stays when the rest of the page is made again."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    if heading not in text:
        return ""
    return heading + re.split(r"^## ", text.split(heading, 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def entry(item: Measured) -> dict:
    """One object of tables.json; docs/paper/README.md has its fields."""
    return {
        "table": item.row.table, "method": item.row.method, "setting": item.row.setting | item.row.cell.setting(),
        "cell": item.row.cell.name, "statistic": item.row.statistic, "paper": item.row.paper, "paper_is": item.row.paper_is,
        "paper_bound": item.row.paper_bound, "paper_text": item.row.paper_text,
        "paper_precision": None if item.row.paper is None else item.row.print_uncertainty(),
        "paper_seeds": item.row.paper_seeds, "mean": item.mean, "standard_error": item.standard_error, "seeds": item.seeds, "within_combined_uncertainty": item.within,
        "allowance": item.allowance, "quartiles_error_last_50_percent": item.quartiles_last_50,
        "median_steps_to": dict(zip(map(str, LEVELS), item.steps_to)), "seeds_never_below_1_percent": item.never,
        "bootstrap_never_fraction": item.never_fraction,
        "cpu_seconds_per_seed": item.cpu_seconds, "commit": ", ".join(item.commits), "machine": "; ".join(item.machines),
        "command": shlex.join([*COMMAND, "run", "--seeds", str(item.seeds), "--only", item.row.table, "--methods", item.row.method,
                               *(part for name, value in item.row.setting.items() for part in ("--where", f"{name}={value}"))]),
    }


def names(results: list[dict], field: str) -> str:
    return " and ".join(sorted({result[field] for result in results}))


def origin(results: dict[cells.Cell, list[dict]], bandits: list[dict]) -> str:
    """Where the figures come from."""
    runs = [result for items in results.values() for result in items]
    texts = [f"Sequence tasks: commit {names(runs, 'commit')}, on {names(runs, 'machine')}. {len(runs)} runs, "
             f"{sum(result['cpu_seconds'] for result in runs) / 3600:.1f} CPU-hours." if runs else "No run is finished."]
    for study, table in bandit_runs.TABLES.items():
        if of_study := [result for result in bandits if result["study"] == study]:
            texts.append(f"{table} ({study}): commit {names(of_study, 'commit')}, on {names(of_study, 'machine')}.")
    return "\n".join(f"- {text}" for text in texts)


def few_seeds_markdown(results: dict[cells.Cell, list[dict]]) -> list[str]:
    """What FEW of the seeds say of steps to 1 % where there are as many seeds as the paper's."""
    lines = []
    for row in cells.all_rows():
        curves = [result["curves"]["error"] for result in results.get(row.cell, [])[:row.paper_seeds]]
        if row.statistic != STEPS or len(curves) < row.paper_seeds or (step := first_mean_below(curves, 0.01)) is None:
            continue
        groups = steps_of_few(curves, FEW)
        earlier = sum(few is not None and few < step for few in groups) / len(groups)
        lines.append(f"| {row.table} | {setting_text(row)} | {row.method} | {number(groups[0], STEPS)} | {step} | {row.paper_seeds} | "
                     f"{100 * earlier:.0f} % | {row.paper_text} |")
    if not lines:
        return []
    return ["## What three seeds would have said", "",
            "Steps to 1 % where there are as many seeds as the paper's: of our first three, of all, and how many of all groups of "
            "three are earlier than all.", "",
            "| table | setting | method | first three | all | seeds | groups earlier | paper |", "|" + "---|" * 8, *lines, ""]


def differences_markdown(measured: list[Measured], results: dict[cells.Cell, list[dict]]) -> list[str]:
    """What could be chance where an error isn't within the uncertainty: few seeds that all went well, or a last step between
    spikes."""
    lines = []
    for item in measured:
        if item.within is not False or item.row.statistic == STEPS or item.row.paper is None:
            continue
        curves = [result["curves"]["error"] for result in results[item.row.cell]]
        errors = sorted(100 * curve[error_step(item.row)] for curve in curves)
        beyond = "-"
        if error_step(item.row) == -1:
            beyond = f"{100 * late_steps_beyond(curves, item.row.paper / 100, item.mean > item.row.paper):.0f} %"
        lines.append(f"| {item.row.table} | {setting_text(item.row)} | {item.row.method} | {item.row.paper_text} | {item.row.paper_seeds} | "
                     f"{', '.join(f'{error:.2f}' for error in errors)} | {100 * chance_of_errors(errors, item.row.paper):.0f} % | "
                     f"{beyond} |")
    if not lines:
        return []
    return ["## Where an error isn't within the uncertainty", "",
            "The uncertainty goes by our seeds' spread at one step, which doesn't know of the seeds and steps that we don't have. "
            "Chance: a bound from above of how often as many seeds of a method whose mean error is the paper's all lie as far to our "
            "side of it (Markov's inequality, whatever the errors' distribution; the paper's mean taken for the true one). A small "
            "one says that it isn't chance, a large one says nothing. Steps beyond: of the steps of the second half of the run, "
            "those at which the mean over our seeds is on the other side of the paper's figure.", "",
            "| table | setting | method | paper, % | its seeds | our seeds, % | chance, at most | steps beyond |", "|" + "---|" * 8,
            *lines, ""]


def write(runs: pathlib.Path, directory: pathlib.Path, drawn: bool = True) -> int:
    """Writes the report of what has been run; the exit status. Figures are `drawn` unless the caller says otherwise."""
    results = load(runs)
    bandits = bandit_results.load(directory / "bandits")
    if not results and not bandits:
        raise sweep.SweepError(f"{runs}: no finished run of any table; `run` makes them")
    measured = [measure(row, results[row.cell]) for row in cells.all_rows() if row.cell in results]
    by_table: dict[str, list[Measured]] = collections.defaultdict(list)
    for item in measured:
        by_table[item.row.table].append(item)
    missing = collections.Counter(row.table for row in cells.all_rows() if row.cell not in results)

    page = directory / "sequence_tables.md"
    causes = kept_section(page, CAUSES).strip()
    pairs = orderings(by_table, results)
    lines = ["# Sequence tasks: our runs beside the paper's tables", "",
             "Written by `./dev paper report`, which keeps what people write under \"What differs and why\"; the rest is "
             "made anew. [How to read it](README.md#how-to-read-it).", "", origin(results, bandits), ""]
    lines += [causes, ""] if causes else []
    notices = order_markdown(pairs) + differences_markdown(measured, results) + few_seeds_markdown(results)
    lines += notices
    lines += ["## Tables", ""] if by_table else []
    for table, items in by_table.items():
        lines += table_markdown(table, items)
    not_run = [f"- {table}: {count} figures" for table, count in missing.items()]
    if not_run:
        lines += ["## Not run yet", "", *not_run, ""]
    drawings = []
    if drawn:
        import figures  # needs matplotlib, which the rest does without  pylint: disable=import-outside-toplevel

        drawings = figures.draw_all(results, bandits, directory / "figures")
        lines += ["## Figures", ""] + [f"![{title}](figures/{path.name})" for title, path in drawings] + [""]

    bandit_entries = [entry_of for result in bandits for entry_of in bandit_results.entries(result)]
    sweep.write_atomically(page, "\n".join(lines).encode())
    sweep.write_atomically(directory / "tables.json",
                           (json.dumps(bandit_entries + [entry(item) for item in measured], indent=1) + "\n").encode())
    texts = [origin(results, bandits), causes, "\n".join(notices)]
    texts += ["## Not run yet", "\n".join(not_run)] if not_run else []
    sweep.write_atomically(directory / "report.html",
                           report_page.page("\n\n".join(texts), by_table, bandit_entries, drawings).encode())
    print(f"wrote {directory}/sequence_tables.md, tables.json, report.html and {len(drawings)} figures")
    return 0
