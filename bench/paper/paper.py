#!/usr/bin/env python3
"""Reproduces the sequence-task tables and figures of the paper, beside the paper's own values.

    bench/paper/paper.py run --quick                 # two seeds of a subset
    bench/paper/paper.py run --full                  # the paper's seeds, every cell
    bench/paper/paper.py run --seeds 5 --only "Table 3"
    bench/paper/paper.py status
    bench/paper/paper.py report                      # docs/paper/: sequence_tables.md, report.html, tables.json, figures

Every run is kept: start the same command again after an interruption, and it goes on where it was. The bandit studies
are a program of their own, `tpo-bandits` (bench/paper/bandits); `report` includes its results of docs/paper/bandits.
"""

from __future__ import annotations

import argparse
import collections
import os
import pathlib
import sys

import cells
import report
import sweep

ROOT = pathlib.Path(__file__).resolve().parents[2]


def selected_rows(arguments) -> list[cells.Row]:
    rows = cells.all_rows()
    if arguments.quick:
        rows = [row for row in rows if cells.quick(row)]
    if arguments.only:
        rows = [row for row in rows if any(row.table.startswith(only) for only in arguments.only)]
    if arguments.methods:
        rows = [row for row in rows if row.method in arguments.methods]
    if not rows:
        raise sweep.SweepError("--only and --methods leave nothing to run; `status` lists what there is")
    return rows


def runs_of(rows: list[cells.Row], seeds: int | None) -> list[sweep.Run]:
    """Seed by seed, so that an interrupted sweep has something to show for every cell. Each run once."""
    wanted: dict[cells.Cell, int] = {}
    for row in rows:
        count = seeds if seeds is not None else cells.full_seeds(row)
        wanted[row.cell] = max(wanted.get(row.cell, 0), count)
    return [sweep.Run(cell, seed) for seed in range(max(wanted.values()))
            for cell, count in wanted.items() if seed < count]


def command_run(arguments) -> int:
    if arguments.seeds is None:
        arguments.seeds = 2 if arguments.quick else None
    if not (arguments.quick or arguments.full or arguments.seeds):
        raise sweep.SweepError("say how much: --quick, --full, or --seeds N")
    runs = runs_of(selected_rows(arguments), arguments.seeds)
    engine = sweep.Sweep(arguments.out, arguments.tpo)
    with engine.lock():
        if not arguments.mix_commits:
            engine.check_commits(runs)
        return 1 if sweep.run_all(engine, runs, arguments.jobs) else 0


def command_status(arguments) -> int:
    engine = sweep.Sweep(arguments.out, arguments.tpo)
    by_table: dict[str, list[cells.Row]] = collections.defaultdict(list)
    for row in selected_rows(arguments):
        by_table[row.table].append(row)
    for table, rows in by_table.items():
        print(table)
        for row in rows:
            have = sum(engine.finished(sweep.Run(row.cell, seed)) for seed in range(row.paper_seeds))
            settings = ", ".join(f"{name} {value}" for name, value in row.setting.items())
            print(f"  {row.method:14s} {settings:40s} {have} of {row.paper_seeds} seeds")
    return 0


def command_report(arguments) -> int:
    return report.write(arguments.out, arguments.report)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "status", "report"])
    parser.add_argument("--quick", action="store_true", help="a subset, two seeds")
    parser.add_argument("--full", action="store_true", help="every cell with the paper's number of seeds")
    parser.add_argument("--seeds", type=int, help="seeds of each cell, 0 to N - 1")
    parser.add_argument("--only", action="append", metavar="TABLE",
                        help='only tables and figures whose name begins so, e.g. "Table 3"; may be repeated')
    parser.add_argument("--methods", action="append", metavar="METHOD", help="only this method; may be repeated")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at a time [the number of cores]")
    parser.add_argument("--mix_commits", action="store_true", help="accept finished runs of other builds")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs/paper/runs", help="the runs' results")
    parser.add_argument("--report", type=pathlib.Path, default=ROOT / "docs/paper", help="where the report goes")
    parser.add_argument("--tpo", type=pathlib.Path, default=ROOT / "build/release/bin/tpo", help="the program")
    arguments = parser.parse_args()
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
