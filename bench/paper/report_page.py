"""The report as one HTML file without external assets."""

from __future__ import annotations

import html
import pathlib
import re

from measures import Measured
from table_text import COLUMNS, columns, notes

STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:90rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}
table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #d0d7de;padding:.2rem .6rem;text-align:left}td{white-space:nowrap}
.no{background:#ffe9e6}svg{max-width:100%;height:auto}h2{margin-top:2.5rem}"""


def _inline(text: str) -> str:
    """Links become their text: what they lead to isn't part of the page."""
    text = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text)
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", html.escape(text)))


def _block(text: str) -> str:
    """A paragraph, heading, list, table or listing of Markdown, as far as the report and what people add use it."""
    lines = text.splitlines()
    if text.startswith("#"):
        level = len(lines[0]) - len(lines[0].lstrip("#"))
        return f"<h{level}>{_inline(lines[0].lstrip('# '))}</h{level}>" + (_block("\n".join(lines[1:])) if lines[1:] else "")
    if text.startswith("```"):
        return f"<pre>{html.escape(chr(10).join(lines[1:-1]))}</pre>"
    if text.startswith("- "):
        items = re.split(r"\n- ", text[2:])
        return "<ul>" + "".join(f"<li>{_inline(item)}" for item in items) + "</ul>"
    if text.startswith("|"):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if not re.fullmatch(r"[|\s:-]+", line)]
        return "<table>" + "".join("<tr>" + "".join(f"<td>{_inline(cell)}" for cell in row) for row in rows) + "</table>"
    return f"<p>{_inline(text)}"


def _blocks(text: str) -> list[str]:
    return [_block(block.strip("\n")) for block in re.split(r"\n\s*\n", text) if block.strip()]


def _row(values: list[str], differs: bool) -> str:
    return f"<tr{' class=no' if differs else ''}>" + "".join(f"<td>{html.escape(value)}" for value in values)


def _bandits(entries: list[dict]) -> list[str]:
    parts = ["<h2>Figures 2 to 4: bandits</h2><table><tr><th>study<th>method<th>statistic<th>paper<th>ours<th>seeds<th>within"]
    for item in entries:
        study = ", ".join([item["table"], *([item["setting"]["data"]] if "data" in item["setting"] else [])])
        mean = "never" if item["mean"] is None else f"{item['mean']:.3g}"
        error = "" if item["standard_error"] is None else f" ± {item['standard_error']:.1g}"
        within = item["within_combined_uncertainty"]
        parts.append(_row([study, item["method"], item["statistic"].replace("_", " "), item["paper_text"] or "-", mean + error,
                           str(item["seeds"]), {True: "yes", False: "no", None: "-"}[within]], within is False))
    return parts + ["</table>"]


def page(text: str, by_table: dict[str, list[Measured]], bandits: list[dict], drawings: list[tuple[str, pathlib.Path]]) -> str:
    """`text`: what stands before the tables, as Markdown."""
    parts = [f"<!doctype html><meta charset=utf-8><title>tpo beside the paper</title><style>{STYLE}</style>",
             "<h1>tpo beside the paper</h1>",
             "<p>arXiv 2604.06159: the paper's values, ours (mean ± standard error over the seeds), and whether the difference "
             "is within the combined uncertainty, with how much that allows. Made by <code>./dev paper report</code>.</p>",
             *_blocks(text)]
    if bandits:
        parts += _bandits(bandits)
    for table, items in by_table.items():
        parts.append(f"<h2>{html.escape(table)}</h2><table><tr>" + "".join(f"<th>{name}" for name in COLUMNS))
        parts += [_row(columns(item), item.within is False) for item in items]
        parts.append("</table>")
        parts += [block for note in notes(table, items) for block in _blocks(note)]
    for title, path in drawings:
        svg = path.read_text(encoding="utf-8")
        parts.append(f"<h2>{html.escape(title)}</h2>{svg[svg.index('<svg'):]}")
    return "\n".join(parts) + "\n"
