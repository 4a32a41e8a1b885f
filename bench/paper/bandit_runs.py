"""Runs the bandit studies with `tpo-bandits` and puts their results where the report looks for them."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess

from sweep import ROOT, SweepError, machine, write_atomically

FORMAT = 1
TABLES = {"single": "Figure 2", "multi": "Figure 3", "neural": "Figure 4"}


def _relative(path: pathlib.Path) -> str:
    """Results name the command that wrote them: without what is only this machine's, where that can be."""
    return os.path.relpath(path, ROOT) if path.resolve().is_relative_to(ROOT) else str(path.resolve())


def read_result(path: pathlib.Path) -> dict:
    """What tpo-bandits wrote. SweepError: the file isn't that."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SweepError(f"{path}: not a result of tpo-bandits ({error}); delete it") from error
    if not isinstance(result, dict) or result.get("format") != FORMAT:
        raise SweepError(f"{path}: not a result of tpo-bandits, or of another version; delete it")
    return result


def check_commits(results: pathlib.Path, replaced: list[str], commit: str) -> None:
    """SweepError: results of studies that aren't to be `replaced` are another build's."""
    for path in sorted(results.glob("*.json")):
        result = read_result(path)
        if result["study"] not in replaced and result["commit"] != commit:
            raise SweepError(f"{path} is of commit {result['commit']}, and this build of {commit}. Run {TABLES[result['study']]} again, "
                             "give --mix_commits to go on (the report names the commits of every figure), or another --out.")


def run(study: str, program: pathlib.Path, data: list[pathlib.Path], work: pathlib.Path, results: pathlib.Path,
        jobs: int) -> None:
    """Replaces the results of a study in `results` by new ones. The neural study, which takes minutes, keeps what it has
    finished in `work` until all is done, and refuses to go on with what another build began there."""
    flags = [["--data", _relative(path), "--threads", str(jobs)] for path in data] if study == "neural" else [[]]
    # Beside the studies that other builds may have left: tpo-bandits refuses a folder of another build's results.
    folder = work / study
    if study != "neural":
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    for extra in flags:
        command = [str(program.resolve()), study, *extra, "--out", _relative(folder)]
        print(" ".join([program.name, *command[1:]]), flush=True)
        try:
            status = subprocess.run(command, cwd=ROOT, check=False).returncode
        except OSError as error:
            raise SweepError(f"{program}: can't be run ({error}); build it with `./dev build`") from error
        if status != 0:
            raise SweepError(f"tpo-bandits {study} ended with status {status}; what it finished is in {folder}")
    for path in folder.glob("*.json"):
        result = read_result(path) | {"machine": machine()}
        write_atomically(results / path.name, (json.dumps(result, separators=(",", ":")) + "\n").encode())
    shutil.rmtree(folder)
