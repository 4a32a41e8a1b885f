#!/usr/bin/env python3
"""Two questions beyond the paper, on its sequence tasks: how a completion's log-prob is reduced, and noisy scores.

    bench/studies/variants_study.py run --out runs/variants        # resumable: finished runs are kept
    bench/studies/variants_study.py status --out runs/variants
    bench/studies/variants_study.py report --out runs/variants     # docs/results/variants.{md,json,svg}
    bench/studies/variants_study.py run --only noise --seeds 1 --steps 40 --out runs/try

reduction: TPO with the log-prob of a completion of T tokens divided by T to the power of 0 (the paper), 1/4, 1/2 and 1
(`learner.length_exponent`), and, beside it, with a target that is tilted less or more (`learner.eta`).

noise: the verifier's scores carry noise that has nothing to do with the answer. Groups whose completions all fail then
differ by the noise alone, and standardizing blows it up to the size of a real difference: the limitation that the paper
names. A floor under the standard deviation (`learner.score_deviation_floor`) or a constant added to its square
(`learner.score_shrinkage`) is to keep such groups from teaching anything.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/paper"))

import drawing  # noqa: E402
import measures  # noqa: E402
import report  # noqa: E402
import staleness_study  # noqa: E402
import sweep  # noqa: E402

CURVES = sweep.CURVES + ("target_distance", "policy_entropy")
NOISE = 1e-3
LENGTH = 8  # At H = 10 a seed's luck in finding a first success outweighs what is compared.
FLOOR = {"score_deviation_floor": 0.05}
SHRINKAGE = {"score_shrinkage": 0.05}
HALF = {"length_exponent": 0.5}


@dataclasses.dataclass(frozen=True)
class Variant:
    """What differs from examples/reverse_copy.yaml, and how noisy the verifier is (0: the built-in one)."""

    fields: tuple[tuple[str, object], ...]
    noise: float = 0.0
    length: int = LENGTH


def variant(objective: str, noise: float = 0.0, **fields) -> Variant:
    """`fields`: of the config's section learner."""
    named = tuple(sorted((f"learner.{name}", value) for name, value in ({"objective": objective} | fields).items()))
    return Variant(named, noise)


VARIANTS: dict[str, dict[str, Variant]] = {
    "reduction": {
        "exponent_0": variant("tpo"),
        "exponent_0.25": variant("tpo", length_exponent=0.25),
        "exponent_0.5": variant("tpo", length_exponent=0.5),
        "exponent_1": variant("tpo", length_exponent=1),
        "eta_0.5": variant("tpo", eta=0.5),
        "eta_2": variant("tpo", eta=2),
    },
    "noise": {
        "tpo": variant("tpo"),
        "tpo_noise": variant("tpo", NOISE),
        "tpo_floor": variant("tpo", **FLOOR),
        "tpo_floor_noise": variant("tpo", NOISE, **FLOOR),
        "tpo_shrinkage": variant("tpo", **SHRINKAGE),
        "tpo_shrinkage_noise": variant("tpo", NOISE, **SHRINKAGE),
        "grpo": variant("grpo"),
        "grpo_noise": variant("grpo", NOISE),
        "grpo_floor_noise": variant("grpo", NOISE, **FLOOR),
        "grpo_shrinkage_noise": variant("grpo", NOISE, **SHRINKAGE),
    },
    # Whose seeds differ little, so that what noise costs shows.
    "noise_at_half": {
        "half": variant("tpo", **HALF),
        "half_noise": variant("tpo", NOISE, **HALF),
        "half_floor_noise": variant("tpo", NOISE, **HALF, **FLOOR),
        "half_shrinkage_noise": variant("tpo", NOISE, **HALF, **SHRINKAGE),
    },
}
# Where the verifier of a noise listens, while a study runs.
addresses: dict[float, str] = {}


@dataclasses.dataclass(frozen=True)
class VariantCell:
    """One configuration: variants of the same settings share it, whatever they are called."""

    what: Variant
    steps: int = 1000

    @property
    def name(self) -> str:
        fields = [f"{name.removeprefix('learner.')}{value}" for name, value in self.what.fields if name != "learner.objective"]
        noise = [f"noise{self.what.noise:g}"] if self.what.noise > 0 else []
        return "-".join([self.objective, *fields, *noise, f"h{self.what.length}", f"n{self.steps}"])

    @property
    def objective(self) -> str:
        return str(dict(self.what.fields)["learner.objective"])

    def overrides(self) -> dict[str, object]:
        """The fields of the config that differ from examples/reverse_copy.yaml."""
        fields = dict(self.what.fields) | {"task.sequence.length": self.what.length, "learner.steps": self.steps}
        if self.what.noise > 0:
            fields["verifiers"] = f"[{{address: '{addresses[self.what.noise]}'}}]"
        return fields

    def cost(self) -> float:
        """A guess of the CPU-seconds of one seed, for the first ETA."""
        return self.steps * (5e-3 + 2.6e-3 * self.what.length)


def cells_of(arguments) -> list[VariantCell]:
    """Each configuration once, though both studies name the paper's TPO."""
    return list(dict.fromkeys(VariantCell(what, arguments.steps)
                              for study in arguments.only for what in VARIANTS[study].values()))


def engine_of(arguments) -> sweep.Sweep:
    return sweep.Sweep(arguments.out, arguments.tpo, CURVES, checkpoint_every=0)


@contextlib.contextmanager
def noisy_verifiers(program: pathlib.Path, cells: list[VariantCell]) -> Iterator[None]:
    """Serves a verifier for each noise of `cells` meanwhile."""
    processes = []
    try:
        for noise in sorted({cell.what.noise for cell in cells} - {0.0}):
            try:
                process = subprocess.Popen([program, "--noise", str(noise)], stdout=subprocess.PIPE, text=True,
                                           start_new_session=True)  # Ctrl-C ends the runs first.
            except OSError as error:
                raise sweep.SweepError(f"{program}: can't be run ({error}); build it with "
                                       "`./dev build noisy_verifier`, or give --noisy_verifier") from error
            processes.append(process)
            line = process.stdout.readline()
            if not line.startswith("listening on "):
                raise sweep.SweepError(f"{program}: said {line!r} in place of where it listens")
            addresses[noise] = line.split()[-1]
        yield
    finally:
        for process in processes:
            process.terminate()
            process.wait()


def command_run(arguments) -> int:
    runs = sweep.runs_of(cells_of(arguments), arguments.seeds)
    engine = engine_of(arguments)
    with engine.lock(), noisy_verifiers(arguments.noisy_verifier, cells_of(arguments)):
        if not arguments.mix_commits:
            engine.check_commits()
        # A run that was killed starts anew: its verifier's address is another one now.
        shutil.rmtree(arguments.out / "work", ignore_errors=True)
        return 1 if sweep.run_all(engine, runs, arguments.jobs) else 0


def command_status(arguments) -> int:
    sweep.print_status(engine_of(arguments), cells_of(arguments), arguments.seeds)
    return 0


@dataclasses.dataclass
class Measured:
    """What the seeds of one cell say. Errors are in per cent."""

    cell: VariantCell
    study: str
    variant: str
    settings: dict[str, object]
    seeds: list[int]
    final: list[float]  # a seed's mean error of the last 50 steps
    area: list[float]  # a seed's mean error of all steps: how fast it learnt
    steps_to_10: list[int | None]
    error_curve: list[float]  # mean over the seeds
    commits: list[str]
    machines: list[str]
    cpu_seconds: float


def measure(study: str, name: str, cell: VariantCell, results: list[dict]) -> Measured:
    # Noise adds half of its size to the mean score, which isn't the policy's doing.
    errors = [[value + cell.what.noise / 2 for value in result["curves"]["error"]] for result in results]
    return Measured(
        cell=cell, study=study, variant=name, settings=dict(cell.what.fields) | {"noise": cell.what.noise},
        seeds=[result["seed"] for result in results],
        final=[100 * measures.late_error(curve) for curve in errors],
        area=[100 * statistics.fmean(curve) for curve in errors],
        steps_to_10=[measures.smoothed_first_below(curve, 0.1) for curve in errors],
        error_curve=[100 * statistics.fmean(values) for values in zip(*errors)],
        commits=sorted({result["commit"] for result in results}),
        machines=sorted({result["machine"] for result in results}),
        cpu_seconds=statistics.fmean(result["cpu_seconds"] for result in results))


def load(arguments) -> list[Measured]:
    engine = engine_of(arguments)
    found = []
    for study in arguments.only:
        for name, what in VARIANTS[study].items():
            cell = VariantCell(what, arguments.steps)
            results = sweep.finished_results(engine, cell, arguments.seeds)
            if results:
                found.append(measure(study, name, cell, results))
    return found


def settings_text(item: Measured) -> str:
    fields = [f"`{name.removeprefix('learner.')}: {value}`" for name, value in item.cell.what.fields]
    return ", ".join(fields) + (f"; noise {item.cell.what.noise:g}" if item.cell.what.noise else "")


def difference_text(item: Measured, first: Measured) -> str:
    """The error over the run less that of `first`, seed by seed, with Student's 95 %."""
    areas = dict(zip(first.seeds, first.area))
    differences = [area - areas[seed] for seed, area in zip(item.seeds, item.area) if seed in areas]
    if item is first or len(differences) < 2:
        return ""
    mean, error = measures.mean_and_error(differences)
    return f"{mean:+.1f} ± {measures.student(len(differences)) * error:.1f}"


def table_lines(items: list[Measured]) -> list[str]:
    lines = ["| | settings | seeds | error over the run, % | against the first, seed by seed (95 %) | error, last 50 steps, % | "
             "median steps to 10 % | CPU-s a seed |",
             "|---|---|---|---|---|---|---|---|"]
    for item in items:
        lines.append(f"| {item.variant} | {settings_text(item)} | {len(item.seeds)} | {staleness_study.with_error(item.area)} | "
                     f"{difference_text(item, items[0])} | {staleness_study.with_error(item.final)} | "
                     f"{staleness_study.median_or_never(item.steps_to_10)} | {item.cpu_seconds:.0f} |")
    return lines


TITLES = {
    "reduction": "Reduction of a completion's log-prob",
    "noise": f"Noisy scores (noise uniform in [0, {NOISE:g}))",
    "noise_at_half": "The same noise with length exponent 1/2",
}


def markdown(arguments, found: list[Measured], conclusion: str) -> str:
    commits = ", ".join(sorted({commit for item in found for commit in item.commits}))
    machines = "; ".join(sorted({machine for item in found for machine in item.machines}))
    command = f"bench/studies/variants_study.py run --seeds {arguments.seeds} --steps {arguments.steps}"
    sections = []
    for study in arguments.only:
        sections += [f"## {TITLES[study]}", "", *table_lines([item for item in found if item.study == study]), ""]
    return "\n".join([
        "# Reduction and noisy scores", "",
        f"Reverse copy, terminal reward, V=2, H={LENGTH}, B=100, K=8, 4 epochs a step, {arguments.steps} steps. Means over the seeds ± "
        "standard error; the error over the run is the mean of all steps: it says how fast a variant learns.", "",
        f"Commit {commits}; {machines}; one thread a run:", "", "```sh", command, command.replace(" run ", " report "), "```",
        "", "![error by step](variants.svg)", "", *([conclusion.strip(), ""] if conclusion.strip() else []), *sections,
        "The curves are in [variants.json](variants.json).", ""])


def draw(arguments, found: list[Measured], path: pathlib.Path) -> None:
    plt = drawing.pyplot()
    if plt is None:
        return
    figure, axes = plt.subplots(1, len(arguments.only), figsize=(5.5 * len(arguments.only), 4.2), squeeze=False)
    for axis, study in zip(axes[0], arguments.only):
        for item in (item for item in found if item.study == study):
            axis.plot(item.error_curve, linewidth=1, label=item.variant,
                      linestyle="--" if item.cell.what.noise else "-")
        axis.set(xlabel="step", ylabel="error, %", title=TITLES[study])
        axis.set_ylim(0, 102)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def command_report(arguments) -> int:
    found = load(arguments)
    if not found:
        raise sweep.SweepError(f"{arguments.out}: no finished run of these settings")
    arguments.results.mkdir(parents=True, exist_ok=True)
    page = arguments.results / "variants.md"
    sweep.write_atomically(page, markdown(arguments, found, report.kept_section(page, staleness_study.CONCLUSION)).encode())
    document = {"machine": sweep.machine(),
                "cells": [dataclasses.asdict(item) | {"error_curve": [sweep.rounded(value) for value in item.error_curve]}
                          for item in found]}
    sweep.write_atomically(arguments.results / "variants.json", (json.dumps(document) + "\n").encode())
    draw(arguments, found, arguments.results / "variants.svg")
    print("\n".join(table_lines(found)))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["run", "status", "report"])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/variants"))
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "docs/results")
    parser.add_argument("--tpo", type=pathlib.Path, default=ROOT / "build/release/bin/tpo")
    parser.add_argument("--noisy_verifier", type=pathlib.Path, default=ROOT / "build/release/studies/noisy_verifier")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--only", choices=list(VARIANTS), action="append", help="one of the studies")
    parser.add_argument("--mix_commits", action="store_true", help="keep results of other builds")
    arguments = parser.parse_args()
    arguments.only = arguments.only or list(VARIANTS)
    command = {"run": command_run, "status": command_status, "report": command_report}[arguments.action]
    return sweep.run_command("variants_study", lambda: command(arguments))


if __name__ == "__main__":
    sys.exit(main())
