"""The results of `tpo-bandits` (docs/paper/bandits/*.json; docs/paper/bandits.md has their format) for the report."""

from __future__ import annotations

import decimal
import pathlib
import re
import shlex

import measures
from bandit_runs import TABLES, read_result
from sweep import SweepError

# As printed. Of the paper's public code, from docs/paper/bandits.md.
PAPER_ERROR = {
    ("single", "tpo"): "5.15e-5", ("single", "dg"): "5.26e-5", ("single", "pg"): "1.0e-3", ("single", "grpo"): "2.70e-3",
    ("multi", "ce"): "3.37e-4", ("multi", "tpo"): "4.03e-4", ("multi", "grpo"): "5.26e-4", ("multi", "dg"): "2.06e-3",
    ("multi", "pg"): "6.07e-3",
}
PAPER_MISALIGNMENT = {("single", "tpo"): "0.00041", ("single", "dg"): "0.0033", ("single", "pg"): "0.0152", ("single", "grpo"): "0.770"}
# The paper's, on MNIST itself: beside other data for the order of the methods only. Its steps are 200 fewer than the
# updates made; these are the updates.
MNIST_ERROR = {"tpo": "0.029", "grpo": "0.059", "pg": "0.053", "group_pg": "0.072"}
MNIST_STEPS_TO_5_PERCENT = {"tpo": "1800", "dg": "2400"}
MNIST_SURPLUS = {"tpo": "0.073"}  # after 2,200 updates, where a wrong class has at least 3/4 of the rest
SURPLUS_STEPS = 2200
MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def load(directory: pathlib.Path) -> list[dict]:
    """All results there are. SweepError: a file isn't one."""
    results = []
    for path in sorted(directory.glob("*.json")):
        result = read_result(path)
        if "machine" not in result:
            raise SweepError(f"{path}: names no machine; not one of the sweep's results")
        results.append(result)
    return results


def panel_of(result: dict) -> str:
    """Which drawing a result belongs to."""
    return f"neural, {result['settings']['data']}" if result["study"] == "neural" else result["study"]


def is_mnist(result: dict) -> bool:
    """Whether it is MNIST itself, whatever the folder is called."""
    return result["settings"].get("sha256") == MNIST_SHA256


def _data_of(result: dict) -> str:
    """The folder of the data, as the program's command line named it."""
    found = re.search(r"--data (\S+)", result["command"])
    return found.group(1) if found else result["settings"]["data"]


def _half_unit(paper: str) -> float:
    """Of the last digit that is printed."""
    return 0.5 * 10.0 ** decimal.Decimal(paper).as_tuple().exponent


def _within(mean: float | None, error: float | None, paper: str | None, seeds: int, paper_seeds: int) -> bool | None:
    """The paper's seeds are taken to spread as ours do, and its figure is known to half of its last digit's unit."""
    if paper is None or mean is None or error is None:
        return None
    return abs(mean - float(paper)) <= measures.student(seeds) * error * (1 + seeds / paper_seeds)**0.5 + _half_unit(paper)


def _entry(result: dict, statistic: str, mean: float | None, error: float | None, shown: str | None, **more) -> dict:
    """One object of tables.json, whose fields docs/paper/README.md has. `shown`: the paper's, which is compared with the same data
    only."""
    neural = result["study"] == "neural"
    paper = shown if not neural or is_mnist(result) else None
    command = ["./dev", "paper", "run", "--only", TABLES[result["study"]], *(["--data", _data_of(result)] if neural else [])]
    paper_seeds = 20 if neural else 100
    return {
        "table": TABLES[result["study"]], "method": result["method"],
        "setting": {name: value for name, value in result["settings"].items() if name != "sha256"}, "statistic": statistic,
        "paper": None if paper is None else float(paper),
        "paper_is": "value" if paper is not None else "none" if shown is None else "of_other_data",
        "paper_precision": None if paper is None else _half_unit(paper),
        "paper_text": "" if shown is None else f"{shown} ({'MNIST' if neural else 'public code'})",
        "paper_seeds": paper_seeds, "mean": mean, "standard_error": error, **more, "seeds": result["seeds"],
        "within_combined_uncertainty": _within(mean, error, paper, result["seeds"], paper_seeds),
        "cpu_seconds_per_seed": result["cpu_seconds"] / result["seeds"], "commit": result["commit"],
        "machine": result["machine"], "command": shlex.join(command),
    }


def surplus(result: dict) -> tuple[float, float] | None:
    """Figure 4b's figure where the wrong classes are most concentrated, and its standard error; None: there is none."""
    concentration = result.get("concentration")
    if not concentration or SURPLUS_STEPS not in concentration["steps"]:
        return None
    row = concentration["steps"].index(SURPLUS_STEPS)
    value, error = concentration["surplus"][row][-1], concentration["surplus_standard_error"][row][-1]
    return None if value is None else (value, error)


def entries(result: dict) -> list[dict]:
    """The objects of tables.json."""
    study, method, final = result["study"], result["method"], result["final"]
    neural = study == "neural"
    key = (study, method)
    error = final["error"]
    found = [_entry(result, "final_error", error["mean"], error["standard_error"],
                    MNIST_ERROR.get(method) if neural else PAPER_ERROR.get(key), median=error["median"])]
    if "misalignment" in final:
        item = final["misalignment"]
        found.append(_entry(result, "final_misalignment", item["mean"], item["standard_error"], PAPER_MISALIGNMENT.get(key),
                            median=item["median"]))
    found.append(_entry(result, "steps_to_5_percent", result["steps_to"]["0.05"], None,
                        MNIST_STEPS_TO_5_PERCENT.get(method) if neural else None))
    concentrated = surplus(result)
    if concentrated is not None:
        found.append(_entry(result, "gain_surplus_concentrated", *concentrated, MNIST_SURPLUS.get(method)))
    return found
