"""Pieces of an HTML page. Text is escaped where it enters; what these give is HTML."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

from matplotlib.figure import Figure

from classifier.reports.comparison_figures import as_svg

_PIXELS_PER_INCH = 96  # of CSS

STYLE_SHEET = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.6rem 1.2rem 4rem; max-width: 68rem; background: #fff;
  color: #1a1a1a; font: 15px/1.45 "Source Sans 3", "Helvetica Neue", Helvetica, Arial,
  "Liberation Sans", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.55rem; line-height: 1.2; margin: 0 0 .9rem; font-weight: 600; }
h2 { font-size: 1.08rem; margin: 1.9rem 0 .5rem; padding-top: .6rem; font-weight: 600;
  border-top: 1px solid #d8d8d8; }
h3 { font-size: 1em; margin: 1rem 0 .2rem; font-weight: 600; }
p { margin: .5rem 0; max-width: 46rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 0; }
dt { color: #666; } dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
figure + .scroll { margin-top: 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; text-align: right; white-space: nowrap; vertical-align: top; }
thead th { font-weight: 600; border-bottom: 1px solid #1a1a1a; vertical-align: bottom; }
thead tr.groups th { border-bottom: 0; color: #666; font-weight: 400; padding-bottom: 0;
  text-align: left; }
tbody tr + tr > * { border-top: 1px solid #ebebeb; }
th:first-child, td.text, thead th.text { text-align: left; }
tbody th { font-weight: 400; position: sticky; left: 0; background: #fff; }
td small { display: block; color: #767676; font-size: .76rem; line-height: 1.1; }
.early { border-left: 1px solid #d8d8d8; }
figure { margin: .6rem 0 0; display: flex; flex-wrap: wrap; gap: .4rem 1.6rem;
  align-items: flex-start; }
figure .scroll { max-width: 100%; }
figure img { display: block; width: var(--width); max-width: 100%;
  min-width: min(var(--width), max(33rem, calc(.65 * var(--width)))); height: auto; }
figcaption, .note { color: #4a4a4a; font-size: .87rem; line-height: 1.4; }
figcaption { flex: 1 1 15rem; max-width: 46rem; padding-top: .3rem; }
.swatch { display: inline-block; width: .62rem; height: .62rem; margin-right: .4rem; }
.tables { display: flex; flex-wrap: wrap; gap: 1rem 1.6rem; font-size: .9rem; }
.tables th, .tables td { padding: .12rem .5rem; }
.tables h3 { font-size: 1em; margin: .3rem 0 .2rem; font-weight: 600; }
.tables > div { max-width: 100%; }
details { margin: .35rem 0; } summary { cursor: pointer; }
details details { margin-left: 1.1rem; font-size: .87rem; }
details > dl { margin: .5rem 0 .6rem 1.1rem; font-size: .87rem; }
pre { font: .76rem/1.4 ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  background: #f6f6f6; padding: .6rem .8rem; margin: .4rem 0 .6rem 1.1rem; max-height: 24rem;
  overflow: auto; }
@media (max-width: 40rem) {
  body { padding: 1rem .8rem 3rem; font-size: 14px; }
  dl { grid-template-columns: 1fr; } dt { margin-top: .3rem; }
  tbody th { min-width: 6rem; max-width: 9rem; white-space: normal; overflow-wrap: break-word; }
  th, td { padding-left: .4rem; padding-right: .4rem; }
}
@media print { .scroll { overflow: visible; } h2, figure, table { break-inside: avoid; } }
"""


def document(title: str, parts: Iterable[str]) -> str:
    """A whole page that needs no other file."""
    head = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE_SHEET}</style>\n</head>\n<body>\n"
    )
    return head + "\n".join([f"<h1>{escape(title)}</h1>", *parts]) + "\n</body>\n</html>\n"


def section(title: str, *parts: str) -> str:
    """Parts under a heading."""
    return "\n".join(["<section>", f"<h2>{escape(title)}</h2>", *parts, "</section>"])


def note(text: str) -> str:
    """A line of explanation."""
    return f'<p class="note">{escape(text)}</p>'


def picture(figure: Figure, caption: str) -> str:
    """A figure with its caption, inside the page."""
    data = base64.b64encode(as_svg(figure).encode()).decode()
    width = round(figure.get_figwidth() * _PIXELS_PER_INCH)
    return (
        f'<figure><div class="scroll"><img style="--width: {width}px" alt="{escape(caption)}" '
        f'src="data:image/svg+xml;base64,{data}"></div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """A list of what is what."""
    rows = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in pairs)
    return f"<dl>{rows}</dl>"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], groups: str = "") -> str:
    """A table of cells that are HTML; the first of a row is its heading.

    ``groups``: cells of a row above the headings.
    """
    head = "".join(headings)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(others)}</tr>' for first, *others in rows
    )
    above = f'<tr class="groups">{groups}</tr>' if groups else ""
    return (
        f'<div class="scroll"><table><thead>{above}<tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def heading(text: str, kind: str = "") -> str:
    """A cell of a table's head."""
    return f'<th scope="col"{_class(kind)}>{escape(text)}</th>'


def cell(text: str, kind: str = "") -> str:
    """A cell of text."""
    return f"<td{_class(kind)}>{escape(text)}</td>"


def folded(summary: str, *parts: str) -> str:
    """Parts that are shown when asked for; ``summary`` is HTML."""
    return f"<details><summary>{summary}</summary>{''.join(parts)}</details>"


def _class(kind):
    return f' class="{kind}"' if kind else ""
