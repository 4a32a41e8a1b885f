"""The report as one HTML file without external assets."""

from __future__ import annotations

import html
import pathlib

from measures import Measured
from table_text import COLUMNS, columns, notes

STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}
table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #d0d7de;padding:.2rem .6rem;text-align:left}
.no{background:#ffe9e6}svg{max-width:100%;height:auto}h2{margin-top:2.5rem}"""


def _row(values: list[str], differs: bool) -> str:
    return f"<tr{' class=no' if differs else ''}>" + "".join(f"<td>{html.escape(value)}" for value in values)


def _bandits(entries: list[dict]) -> list[str]:
    parts = ["<h2>Figures 2 to 4: bandits</h2><table><tr><th>study<th>method<th>statistic<th>paper<th>ours<th>seeds<th>within"]
    for item in entries:
        study = ", ".join([item["table"], *map(str, item["setting"].values())])
        mean = "never" if item["mean"] is None else f"{item['mean']:.3g}"
        error = "" if item["standard_error"] is None else f" ± {item['standard_error']:.1g}"
        within = item["within_combined_uncertainty"]
        parts.append(_row([study, item["method"], item["statistic"].replace("_", " "), item["paper_text"] or "-", mean + error,
                           str(item["seeds"]), {True: "yes", False: "no", None: "-"}[within]], within is False))
    return parts + ["</table>"]


def page(by_table: dict[str, list[Measured]], bandits: list[dict], drawings: list[tuple[str, pathlib.Path]],
         causes: str, differences: list[str]) -> str:
    parts = [f"<!doctype html><meta charset=utf-8><title>tpo beside the paper</title><style>{STYLE}</style>",
             "<h1>tpo beside the paper</h1>",
             "<p>arXiv 2604.06159: the paper's values, ours (mean ± standard error over the seeds), and whether the difference "
             "is within twice the combined standard error, with how much that allows.</p>"]
    if causes:
        heading, *paragraphs = causes.split("\n\n")
        parts.append(f"<h2>{html.escape(heading.lstrip('# '))}</h2>")
        parts += [f"<p>{html.escape(text)}" for text in paragraphs]
    if differences:
        parts.append("<h2>Where the order of the methods differs</h2><ul>")
        parts += [f"<li>{html.escape(line.lstrip('- '))}" for line in differences]
        parts.append("</ul>")
    if bandits:
        parts += _bandits(bandits)
    for table, items in by_table.items():
        parts.append(f"<h2>{html.escape(table)}</h2><table><tr>" + "".join(f"<th>{name}" for name in COLUMNS))
        parts += [_row(columns(item), item.within is False) for item in items]
        parts.append("</table>")
        parts += [f"<p>{html.escape(note)}" for note in notes(table, items)]
    for title, path in drawings:
        svg = path.read_text(encoding="utf-8")
        parts.append(f"<h2>{html.escape(title)}</h2>{svg[svg.index('<svg'):]}")
    return "\n".join(parts) + "\n"
