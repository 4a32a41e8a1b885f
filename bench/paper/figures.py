"""Figures of the bandits and of the sequence sweeps."""

from __future__ import annotations

import io
import math
import pathlib
import statistics

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402  pylint: disable=wrong-import-position

import bandit_results  # noqa: E402  pylint: disable=wrong-import-position
import cells  # noqa: E402  pylint: disable=wrong-import-position
import completion_weights  # noqa: E402  pylint: disable=wrong-import-position
import sweep  # noqa: E402  pylint: disable=wrong-import-position

COLORS = {"tpo": "#1f6fb4", "tpo_token": "#1f6fb4", "grpo": "#e08214", "grpo_token": "#e08214",
          "grpo_no_kl": "#1b9e77", "grpo_masked": "#666666", "ppo": "#7570b3", "dg": "#d7191c", "pg": "#444444", "ce": "#33a02c",
          "tpo_no_anchor": "#a6761d", "group_pg": "#e7298a"}
POINTS = 200  # of a curve in a drawing


def _curve(results: list[dict], name: str) -> tuple[list[int], list[float], list[float]]:
    """Steps, mean over the seeds and its standard error, of means over equal stretches of steps. A curve may lack values
    (None): stretches without any are left out."""
    curves = [result["curves"][name] for result in results]
    stretch = max(1, len(curves[0]) // POINTS)
    steps, means, errors = [], [], []
    for start in range(0, len(curves[0]) - stretch + 1, stretch):
        stretches = [[value for value in curve[start:start + stretch] if value is not None] for curve in curves]
        values = [statistics.fmean(part) for part in stretches if part]
        if values:
            steps.append(start)
            means.append(statistics.fmean(values))
            errors.append(statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0)
    return steps, means, errors


def _plot(axis, results: list[dict], name: str, label: str, color, style: str = "-") -> None:
    steps, means, errors = _curve(results, name)
    axis.plot(steps, means, style, color=color, linewidth=1.4, label=f"{label} ({len(results)})")
    axis.fill_between(steps, [m - e for m, e in zip(means, errors)], [m + e for m, e in zip(means, errors)],
                      color=color, alpha=0.15, linewidth=0)


def _by_setting(rows: list[cells.Row], results, key) -> dict:
    panels: dict = {}
    for row in rows:
        if row.cell in results:
            panels.setdefault(key(row), {})[row.method] = results[row.cell]
    return panels


def _grid(panels: dict, title: str, columns: int, curve: str = "error", ylabel: str = "error"):
    """One panel a setting, one curve a method."""
    if not panels:
        return None
    columns = min(columns, len(panels))
    lines = math.ceil(len(panels) / columns)
    figure, axes = plt.subplots(lines, columns, figsize=(3.4 * columns + 0.6, 2.9 * lines), sharey=True, squeeze=False)
    for axis, (name, methods) in zip(axes.flat, panels.items()):
        for method, items in methods.items():
            _plot(axis, items, curve, method, COLORS.get(method, "#000000"))
        axis.set_title(name, fontsize=9)
        axis.set_xlabel("step")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=6)
    for axis in list(axes.flat)[len(panels):]:
        axis.set_visible(False)
    for row in axes:
        row[0].set_ylabel(ylabel)
    figure.suptitle(title, fontsize=10)
    figure.tight_layout()
    return figure


def _sweep_figure(rows: list[cells.Row], results, parameter: str, title: str):
    """Left and right: TPO's and GRPO's curves, one for each value of the parameter."""
    panels: dict[str, list] = {}
    for row in rows:
        if row.cell in results:
            panels.setdefault(row.method, []).append((row.setting[parameter], results[row.cell]))
    if not panels:
        return None
    figure, axes = plt.subplots(1, len(panels), figsize=(4.4 * len(panels) + 0.6, 3.2), sharey=True, squeeze=False)
    for axis, (method, items) in zip(axes[0], panels.items()):
        for index, (value, runs) in enumerate(items):
            _plot(axis, runs, "error", f"{parameter} = {value}", plt.get_cmap("viridis")(index / max(1, len(items) - 1)))
        axis.set(title=method, xlabel="step", ylabel="error")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    figure.suptitle(title, fontsize=10)
    figure.tight_layout()
    return figure


def _of_section_4(results, wanted: tuple[tuple[str, int], ...]) -> dict[str, list[dict]]:
    """The results of the wanted methods with so many epochs at K = 32, or K = 1, as far as there are any."""
    found = {(row.method, row.cell.epochs): results[row.cell] for row in cells.section_4()
             if row.cell.group_size in (1, 32) and row.cell in results}
    return {f"{method}, {epochs} epochs": found[method, epochs] for method, epochs in wanted if (method, epochs) in found}


def _diagnostics(results, wanted: tuple[tuple[str, int], ...], curves: dict[str, str], ylabel: str, yscale: str = "linear"):
    """Quantities over training at the setting of section 4. `curves`: what each adds to a method's label, by name."""
    methods = _of_section_4(results, wanted)
    if not methods:
        return None
    figure, axis = plt.subplots(figsize=(5.4, 3.4))
    for index, (label, items) in enumerate(methods.items()):
        for (curve, addition), style in zip(curves.items(), ("-", "--")):
            _plot(axis, items, curve, label + addition, f"C{index}", style)
    axis.set(xlabel="step", ylabel=ylabel, yscale=yscale, title="H = 8, V = 2, K = 32")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=7)
    figure.tight_layout()
    return figure


def _bandits(bandits: list[dict], curve: str, ylabel: str):
    """A curve over the steps, one panel a study and data set that has it."""
    panels: dict[str, list[dict]] = {}
    for result in bandits:
        if curve in result:
            panels.setdefault(bandit_results.panel_of(result), []).append(result)
    if not panels:
        return None
    figure, axes = plt.subplots(1, len(panels), figsize=(3.4 * len(panels) + 0.6, 3.0), squeeze=False)
    for axis, (name, results) in zip(axes[0], panels.items()):
        for result in results:
            axis.plot(result[curve]["steps"], result[curve]["mean"], color=COLORS.get(result["method"], "#000000"),
                      linewidth=1.4, label=f"{result['method']} ({result['seeds']})")
        axis.set(title=name, xlabel="step", ylabel=ylabel, yscale="log")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=6)
    figure.tight_layout()
    return figure


def _concentration(bandits: list[dict]):
    """Figure 4b: by how concentrated the wrong classes are, one panel a data set, one line a method."""
    panels: dict[str, list[dict]] = {}
    for result in bandits:
        if bandit_results.surplus(result) is not None:
            panels.setdefault(bandit_results.panel_of(result), []).append(result)
    if not panels:
        return None
    figure, axes = plt.subplots(1, len(panels), figsize=(3.8 * len(panels) + 0.6, 3.0), squeeze=False)
    for axis, (name, results) in zip(axes[0], panels.items()):
        for result in results:
            concentration = result["concentration"]
            row = concentration["steps"].index(bandit_results.SURPLUS_STEPS)
            bins = [(index, value, error) for index, (value, error) in
                    enumerate(zip(concentration["surplus"][row], concentration["surplus_standard_error"][row]))
                    if value is not None]
            axis.errorbar([item[0] for item in bins], [item[1] for item in bins], yerr=[item[2] or 0.0 for item in bins],
                          color=COLORS.get(result["method"], "#000000"), marker="o", markersize=3, capsize=2, linewidth=1.2,
                          label=f"{result['method']} ({result['seeds']})")
        borders = [0, *results[0]["concentration"]["borders"], 1]
        axis.set_xticks(range(len(borders) - 1), [f"{low:g} to {high:g}" for low, high in zip(borders, borders[1:])])
        axis.set(title=name, xlabel="largest wrong class's part of the wrong mass", ylabel="gain beyond the surrogate's")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=6)
    figure.tight_layout()
    return figure


def _figures(results, bandits):
    yield "figures_2_to_4_bandits", "Figures 2 to 4: bandits", _bandits(bandits, "curve", "error")
    yield "figures_2_and_3_misalignment", "Figures 2 and 3: misalignment of the bandits' directions", _bandits(
        bandits, "misalignment_curve", "misalignment")
    yield "figure_4b_concentration", "Figure 4b: gain by concentration of the wrong classes", _concentration(bandits)
    yield "figure_5_vocabulary", "Figure 5: token reversal, bag of tokens, H = 10", _grid(
        _by_setting(cells.table_1(), results, lambda row: f"V = {row.setting['V']}"),
        "Token reversal, bag of tokens, H = 10, K = 8 candidates", 4)
    yield "figure_6_variations", "Figure 6: targets and rewards", _grid(
        _by_setting(cells.table_2(), results, lambda row: f"{row.setting['reward']}, {row.setting['target']}"),
        "Eight variants, H = 10, V = 2", 4)
    for match in ("prompts", "interactions"):
        yield f"figure_7_{match}", f"Figure 7: terminal reward, matched by {match}", _grid(
            _by_setting(cells.table_3(match), results, lambda row: f"H = {row.setting['H']}"),
            f"Terminal reward, matched by {match}", 4)
    yield "figure_8_ablations", "Figure 8: anchor, KL penalty, target matching", _grid(
        _by_setting(cells.figure_8(), results, lambda row: f"H = {row.setting['H']}"), "Ablations, terminal reward", 4)
    yield "figure_10_gradient_norm", "Figure 10: norm of the first epoch's gradient", _diagnostics(
        results, (("tpo", 4), ("tpo", 1), ("grpo", 4), ("ppo", 4), ("dg", 1)), {"grad_norm": ""}, "gradient norm", "log")
    yield "figure_10b_weights", "Figure 10b: weight of right and wrong completions", _diagnostics(
        results, (("tpo", 4), ("tpo", 1), ("grpo", 4)),
        {completion_weights.RIGHT: ", right", completion_weights.WRONG: ", wrong"}, "weight of a completion")
    yield "figure_11_all_fail", "Figure 11: groups in which every completion fails", _diagnostics(
        results, (("tpo", 4), ("tpo", 1), ("grpo", 4), ("grpo_no_kl", 4)), {"all_fail_fraction": ""}, "fraction of groups")
    section = cells.section_4()
    yield "figure_12_group_size", "Figure 12: group size", _sweep_figure(
        [row for row in section if row.table == "Figure 12"], results, "K", "Group size, H = 8")
    masked = [row for row in section if row.table == "Figure 13"]
    yield "figure_13_masking", "Figure 13: zero-variance masking", _grid(
        _by_setting(masked, results, lambda row: "H = 8, K = 32"), "Zero-variance groups masked or kept", 1)
    yield "figure_14_epochs", "Figure 14: more out of a batch", _diagnostics(
        results, (("tpo", 4), ("tpo", 1), ("dg", 1)), {"error": ""}, "error")
    yield "figure_15_epoch_count", "Figure 15: number of epochs", _sweep_figure(
        [row for row in section if row.table == "Figure 15"], results, "epochs", "Epochs, H = 8, K = 32")
    eta = [row for row in cells.table_5() if row.statistic == "steps_to_1_percent"]
    yield "figure_16_eta", "Figure 16: temperature of the target", _sweep_figure(eta, results, "eta", "eta, H = 10")


def draw_all(results, bandits: list[dict], directory: pathlib.Path) -> list[tuple[str, pathlib.Path]]:
    """Draws what there are runs for, and removes what there are none for; (title, path) of each drawing."""
    matplotlib.rcParams.update({"svg.hashsalt": "tpo", "font.size": 8})
    directory.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name, title, figure in _figures(results, bandits):
        path = directory / f"{name}.svg"
        if figure is None:
            path.unlink(missing_ok=True)
            continue
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
        plt.close(figure)
        sweep.write_atomically(path, buffer.getvalue())
        drawn.append((title, path))
    return drawn
