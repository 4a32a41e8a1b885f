#!/usr/bin/env python3
"""Reproduces the tables and figures of the paper, beside the paper's own values.

    bench/paper/paper.py run --quick                 # two seeds of a subset
    bench/paper/paper.py run --full                  # every cell, with the paper's seeds
    bench/paper/paper.py run --committed             # goes on with the sweep whose runs and report lie in docs/paper
    bench/paper/paper.py run --seeds 5 --only "Table 3" --where H=10
    bench/paper/paper.py run --only "Figure 4" --data DIR    # the neural bandit on IDX files of a folder
    bench/paper/paper.py status                      # what there is
    bench/paper/paper.py report                      # sequence_tables.md, report.html, tables.json, figures/

Runs and report go to runs/paper, with --committed to docs/paper, or to --out.
Every run is kept: start the same command again after an interruption, and it goes on where it was. The bandits
(Figures 2 to 4) come first, with all seeds; they take seconds, except the neural one, which runs for each --data. When all
is done, `run` writes the report, too.
"""

from __future__ import annotations

import argparse
import collections
import importlib.util
import os
import pathlib
import sys
from collections.abc import Callable

import bandit_runs
import cells
import report
import sweep

ROOT = pathlib.Path(__file__).resolve().parents[2]


def chosen(table: str, only: list[str] | None) -> bool:
    return not only or any(table.startswith(name) for name in only)


def has_settings(row: cells.Row, wanted: list[str]) -> bool:
    """`wanted`: settings as NAME=VALUE, named as in the tables. Each NAME has to have one of its VALUEs."""
    names = {setting.partition("=")[0] for setting in wanted}
    return all(f"{name}={row.setting.get(name)}" in wanted for name in names)


def selected_rows(arguments) -> list[cells.Row]:
    rows = [row for row in cells.all_rows() if chosen(row.table, arguments.only)]
    if arguments.quick:
        rows = [row for row in rows if cells.quick(row)]
    if arguments.methods:
        rows = [row for row in rows if row.method in arguments.methods]
    if arguments.where:
        rows = [row for row in rows if has_settings(row, arguments.where)]
    return rows


def selected_bandits(arguments) -> list[str]:
    """Studies of tpo-bandits."""
    if arguments.methods or arguments.where:
        return []
    studies = [study for study, table in bandit_runs.TABLES.items() if chosen(table, arguments.only)]
    return [study for study in studies if study != "neural" or arguments.data]


def runs_of(rows: list[cells.Row], seeds: Callable[[cells.Row], int]) -> list[sweep.Run]:
    """Table by table, and in each seed by seed, so that an interrupted sweep has whole tables to show. Each run once, with
    the most seeds that any table wants of it."""
    wanted: dict[cells.Cell, int] = {}
    by_table: dict[str, list[cells.Cell]] = collections.defaultdict(list)
    for row in rows:
        if row.cell not in wanted:
            by_table[row.table].append(row.cell)
        wanted[row.cell] = max(wanted.get(row.cell, 0), seeds(row))
    return [sweep.Run(cell, seed) for table in by_table.values() for seed in range(max(wanted[cell] for cell in table))
            for cell in table if seed < wanted[cell]]


def seeds_of(arguments) -> Callable[[cells.Row], int] | None:
    """How many seeds of a row to run; None: the command line doesn't say."""
    if arguments.seeds is not None:
        return lambda _: arguments.seeds
    if arguments.quick:
        return lambda _: 2
    if arguments.committed:
        return cells.committed_seeds
    return cells.full_seeds if arguments.full else None


def command_run(arguments) -> int:
    rows, bandits, seeds = selected_rows(arguments), selected_bandits(arguments), seeds_of(arguments)
    if not rows and not bandits:
        raise sweep.SweepError("--only, --methods and --where leave nothing to run; `status` lists what there is")
    if rows and seeds is None:
        raise sweep.SweepError("say how much: --quick, --committed, --full, or --seeds N")
    runs = runs_of(rows, seeds) if rows else []
    engine = sweep.Sweep(arguments.out / "runs", arguments.tpo)
    with engine.lock():
        if not arguments.mix_commits:
            engine.check_commits()
            bandit_runs.check_commits(arguments.out / "bandits", bandits, engine.commit)
        for study in bandits:
            bandit_runs.run(study, arguments.bandits, arguments.data, arguments.out / "runs/work/bandits",
                            arguments.out / "bandits", arguments.jobs)
        if runs and sweep.run_all(engine, runs, arguments.jobs):
            return 1
    if importlib.util.find_spec("matplotlib") is None:
        print("no matplotlib, so no report: `./dev paper` has what it needs")
        return 0
    return command_report(arguments)


def command_status(arguments) -> int:
    by_table: dict[str, list[cells.Row]] = collections.defaultdict(list)
    for row in selected_rows(arguments):
        by_table[row.table].append(row)
    for table, rows in by_table.items():
        print(table)
        for row in rows:
            have = len(list((arguments.out / "runs" / row.cell.name).glob("seed*.json.gz")))
            settings = ", ".join(f"{name} {value}" for name, value in row.setting.items())
            print(f"  {row.method:14s} {settings:40s} {have} seeds (the paper: {row.paper_seeds})")
    return 0


def command_report(arguments) -> int:
    return report.write(arguments.out / "runs", arguments.out)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "status", "report"])
    presets = parser.add_mutually_exclusive_group()
    presets.add_argument("--quick", action="store_true", help="a subset, two seeds")
    presets.add_argument("--committed", action="store_true",
                         help="the sweep in docs/paper: every cell with 3 seeds, TPO of Tables 1 and 3 (matched by prompts) and "
                              "GRPO of the latter with 20, and what stood out with the paper's number")
    presets.add_argument("--full", action="store_true", help="every cell with the paper's number of seeds")
    parser.add_argument("--seeds", type=int, help="seeds of each cell, 0 to N - 1, whatever the preset says")
    parser.add_argument("--data", action="append", type=pathlib.Path, default=[], metavar="DIR",
                        help="folder of IDX files for the neural bandit; may be repeated")
    parser.add_argument("--only", action="append", metavar="TABLE",
                        help='only tables and figures whose name begins so, e.g. "Table 3"; may be repeated')
    parser.add_argument("--methods", action="append", metavar="METHOD", help="only this method; may be repeated")
    parser.add_argument("--where", action="append", metavar="NAME=VALUE",
                        help='only cells with this setting, e.g. "H=10" or "target=copy"; may be repeated, for other values of '
                             "the same NAME as well")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at a time [the number of cores]")
    parser.add_argument("--mix_commits", action="store_true", help="accept finished runs of other builds")
    parser.add_argument("--out", type=pathlib.Path, metavar="DIR",
                        help="folder of the report, with the runs' results in DIR/runs [runs/paper, or docs/paper with "
                             "--committed]")
    parser.add_argument("--tpo", type=pathlib.Path, default=ROOT / "build/release/bin/tpo", help="the program")
    parser.add_argument("--bandits", type=pathlib.Path, default=ROOT / "build/release/bin/tpo-bandits",
                        help="the program of the bandit studies")
    arguments = parser.parse_args()
    arguments.out = arguments.out or ROOT / ("docs/paper" if arguments.committed else "runs/paper")
    if arguments.seeds is not None and arguments.seeds < 1 or arguments.jobs < 1:
        parser.error("--seeds and --jobs must be at least 1")
    command = {"run": command_run, "status": command_status, "report": command_report}[arguments.command]
    try:
        return sweep.run_command("paper.py", lambda: command(arguments))
    except ImportError as error:
        print(f"paper.py: {error}; start it through `./dev paper`, which has what the report needs", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
