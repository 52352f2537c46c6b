"""Figures of a report: drawn with these functions, their numbers can be read as CSV.

Every function that draws also keeps what it has drawn (`plotted`), so that the CSV of a figure
holds exactly its points. The CSV is embedded in the page (a ``data:`` address): a page is one
file and needs no other. Figures are SVG inside
the page, in the colours of `skyreel.report.theme`, which change on a dark page.
"""

from __future__ import annotations

import base64
import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import matplotlib
import matplotlib.style
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Drawing
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, MaxNLocator
from numpy.typing import ArrayLike

from skyreel.atomic_files import whole_file
from skyreel.report.theme import DPI, FRAME, INK, PAPER, RC_PARAMS, css_colour

FEW_OBJECTS = 3
"""Bins with so many objects or fewer are open points that no line joins."""
_CELL, _ON_CELL = "#1565C0", "#FEFEFE"  # of a matrix, on light and on dark pages
_PIXELS_PER_INCH = 96  # of CSS
_COLUMNS = ("panel", "series", "x_quantity", "x", "y_quantity", "y", "y_error", "n_objects")


@dataclass(frozen=True)
class Series:
    """What one call has drawn: arrays (point,) of equal length, None where there are none."""

    axes: Axes
    label: str
    x: np.ndarray
    y: np.ndarray
    error: np.ndarray | None = None
    count: np.ndarray | None = None
    quantities: tuple[str, str] | None = None

    @property
    def labels(self) -> tuple[str, str]:
        """What ``x`` and ``y`` are: as given, else the labels of the axes."""
        return self.quantities or axis_labels(self.axes)


_PLOTTED: WeakKeyDictionary[Drawing, list[Series]] = WeakKeyDictionary()


def plotted(drawing: Drawing) -> list[Series]:
    """Everything drawn in a figure, in order."""
    return _PLOTTED.setdefault(drawing, [])


def keep(
    axes: Axes,
    label: str,
    x: ArrayLike,
    y: ArrayLike,
    error: ArrayLike | None = None,
    count: ArrayLike | None = None,
    quantities: tuple[str, str] | None = None,
) -> None:
    """Add to the data of a figure what was drawn in it by other means.

    ``quantities`` name ``x`` and ``y``; without them the axes' labels do.
    """
    arrays = [None if v is None else np.asarray(v) for v in (x, y, error, count)]
    plotted(axes.figure).append(Series(axes, label, *arrays, quantities=quantities))


def styled(draw: Callable[..., None]) -> Callable[..., Drawing]:
    """Make ``draw(figure, ...)`` a function that returns a new figure in the style of the theme."""

    @wraps(draw)
    def drawn(*arguments: Any, **options: Any) -> Drawing:
        with matplotlib.style.context(["default", RC_PARAMS]):
            drawing = Drawing(layout="constrained", dpi=DPI)
            FigureCanvasAgg(drawing)
            draw(drawing, *arguments, **options)
        return drawing

    return drawn


@dataclass(frozen=True)
class Figure:
    """A figure of a page.

    Attributes
    ----------
    drawing : matplotlib.figure.Figure
    caption : str
        What is drawn, and what it means; also read to those who cannot see it.
    name : str
        Of the CSV file, without its suffix.
    link, link_text : str
        Address of a page about the same, if there is one.
    """

    drawing: Drawing
    caption: str
    name: str
    link: str = ""
    link_text: str = ""
    kind: ClassVar[str] = "figure"

    @property
    def width_px(self) -> int:
        """Natural width."""
        return round(self.drawing.get_figwidth() * _PIXELS_PER_INCH)

    @property
    def svg(self) -> Markup:
        """The drawing as an element of an HTML page."""
        return as_svg(self.drawing)

    @property
    def csv_address(self) -> str:
        """The data as an address; empty where nothing was kept."""
        if not plotted(self.drawing):
            return ""
        text = base64.b64encode(as_csv(self.drawing).encode()).decode()
        return f"data:text/csv;charset=utf-8;base64,{text}"


def as_svg(drawing: Drawing) -> Markup:
    """The figure as SVG for the inside of a page; the same figure gives the same text.

    Names of parts are unique among the figures of a page, and colours are those of the page.
    """
    file, salt = StringIO(), _label_of(drawing)
    with matplotlib.rc_context(RC_PARAMS | {"svg.hashsalt": salt}):
        drawing.savefig(file, format="svg", dpi=DPI, transparent=True, metadata={"Date": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' id="[A-Za-z0-9]+(\.[a-z]+)?_\d+"', "", text)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r"#[0-9a-f]{6}\b", lambda found: css_colour(found[0]), text)
    return Markup(text)  # Matplotlib has escaped all text


def _label_of(drawing):
    """A text that differs from figure to figure: its data and titles."""
    titles = [axes.get_title() for axes in drawing.axes]
    return f"{drawing.get_size_inches()}{titles}{as_csv(drawing)}"


def as_csv(drawing: Drawing) -> str:
    """The data of a figure, a row for each point."""
    file = StringIO()
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for series in plotted(drawing):
        x_label, y_label = series.labels
        for k in range(len(series.x)):
            rows.writerow(
                [
                    series.axes.get_title(),
                    series.label,
                    x_label,
                    series.x[k],
                    y_label,
                    series.y[k],
                    *("" if v is None else v[k] for v in (series.error, series.count)),
                ]
            )
    return file.getvalue()


def axis_labels(axes: Axes) -> tuple[str, str]:
    """Labels of both axes; panels that share a label have that of the figure or of a neighbour."""
    figure, found = axes.figure, []
    for which in ("xlabel", "ylabel"):
        text = getattr(axes, f"get_{which}")() or getattr(figure, f"get_sup{which}")()
        if not text:
            shared = getattr(axes, f"get_shared_{which[0]}_axes")().get_siblings(axes)
            texts = [getattr(other, f"get_{which}")() for other in shared]
            text = next((t for t in texts if t), "")
        found.append(text.replace("\n", " "))
    return found[0], found[1]


def save_png(drawing: Drawing, path: str | Path) -> None:
    """Write a figure as PNG, whole or not at all.

    Raises
    ------
    skyreel.errors.OutputError
    """
    with whole_file(path) as unfinished, matplotlib.rc_context(RC_PARAMS):
        drawing.savefig(unfinished, format="png", dpi=DPI)


# --- what is drawn ------------------------------------------------------------------------------


def line(
    axes: Axes,
    x: ArrayLike,
    y: ArrayLike,
    error: ArrayLike | None = None,
    *,
    label: str = "",
    color: str = INK,
    **style: Any,
) -> None:
    """A line with a band of one error around it."""
    x, y = np.asarray(x), np.asarray(y)
    marker = "o" if x.size == 1 else None
    axes.plot(x, y, color=color, label=label, marker=marker, **style)
    if error is not None:
        axes.fill_between(x, y - error, y + error, color=color, alpha=0.2, lw=0)
    keep(axes, label, x, y, error)


def points(
    axes: Axes,
    x: ArrayLike,
    y: ArrayLike,
    error: ArrayLike | None = None,
    *,
    label: str = "",
    color: str = INK,
    marker: str = "o",
    count: ArrayLike | None = None,
    joined: bool | np.ndarray = False,
    place: ArrayLike | None = None,
    horizontal: bool = False,
) -> None:
    """Points with error bars.

    Those of `FEW_OBJECTS` objects or fewer are open. ``joined`` (bool, or bool (point - 1,)) says
    which neighbours a line joins, never those that are open. ``place``: where the points stand,
    if not at ``x``. ``horizontal``: ``y`` is drawn along the horizontal axis.
    """
    x, y = np.asarray(x), np.asarray(y, dtype=float)
    place = x if place is None else np.asarray(place)
    few = np.zeros(y.size, bool) if count is None else np.asarray(count) <= FEW_OBJECTS
    bars = np.zeros(y.size) if error is None else np.nan_to_num(np.asarray(error, dtype=float))
    style = {"color": color, "fmt": marker, "elinewidth": 1.1}
    for which, face in ((~few, color), (few, PAPER)):
        if which.any():
            name = label if which.all() or face == color else ""
            style |= {"mfc": face, "label": name or None}
            if horizontal:
                axes.errorbar(y[which], place[which], xerr=bars[which], **style)
            else:
                axes.errorbar(place[which], y[which], bars[which], **style)
    linked = np.broadcast_to(joined, max(y.size - 1, 0)) & ~few[1:] & ~few[:-1]
    for part in np.split(np.arange(y.size), np.flatnonzero(~linked) + 1):
        if part.size > 1:
            axes.plot(place[part], y[part], color=color, lw=0.8)
    labels = axis_labels(axes)[::-1] if horizontal else None
    keep(axes, label, x, y, error, count, labels)


def histogram(
    axes: Axes, counts: ArrayLike, edges: ArrayLike, *, label: str = "", **style: Any
) -> None:
    """Counts (or shares) in bins with these edges."""
    counts, edges = np.asarray(counts), np.asarray(edges)
    axes.stairs(counts, edges, label=label or None, **style)
    keep(axes, label, (edges[1:] + edges[:-1]) / 2, counts)


def matrix(
    axes: Axes, values: ArrayLike, counts: ArrayLike, rows: Sequence[str], columns: Sequence[str]
) -> None:
    """Fractions between 0 and 1 as colours, with the fraction and the count in every cell.

    The colour follows the square root of the fraction, so that small fractions are visible.
    """
    values, counts = np.asarray(values), np.asarray(counts)
    axes.set(aspect="equal", xlim=(0, len(columns)), ylim=(len(rows), 0))
    axes.set_xticks(np.arange(len(columns)) + 0.5, columns)
    axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
    if max(map(len, columns)) > 4:
        axes.tick_params(axis="x", rotation=45)
    axes.spines[:].set(visible=True, color=FRAME)
    axes.tick_params(length=0)
    for (row, column), n in np.ndenumerate(counts):
        share = values[row, column]
        if n:
            shade = {"color": _CELL, "alpha": 0.08 + 0.92 * np.sqrt(share), "lw": 0}
            axes.add_patch(Rectangle((column, row), 1, 1, **shade))
            style = {"ha": "center", "va": "center", "fontsize": 6.5}
            style["color"] = _ON_CELL if share > 0.3 else INK
            axes.text(column + 0.5, row + 0.5, f"{share:.2f}\n{n:.0f}", **style)
        keep(axes, rows[row], [columns[column]], [share], None, [int(n)])


def scatter(axes: Axes, x: ArrayLike, y: ArrayLike, *, label: str = "", **style: Any) -> None:
    """Dots."""
    axes.scatter(x, y, **style)
    keep(axes, label, x, y)


def panels(
    figure: Drawing, n: int, *, most: int, width: float, height: float, shared: bool = True
) -> list[Axes]:
    """``n`` panels, at most so many in a row, each of this size in inches.

    ``shared``: they have the same axes.
    """
    columns = min(most, n)
    rows = -(-n // columns)
    figure.set_size_inches(max(width * columns + 0.5, 3.4), height * rows + 0.7)
    grid = figure.subplots(rows, columns, sharex=shared, sharey=shared, squeeze=False).ravel()
    for k, axes in enumerate(grid):
        if k >= n:
            axes.remove()
        elif k + columns >= n:
            axes.tick_params(labelbottom=True)
    return list(grid[:n])


def legend(figure: Drawing, axes: Axes, *, columns: int = 4) -> None:
    """The legend above the panels, where there is more than one name."""
    handles, labels = axes.get_legend_handles_labels()
    if len(handles) > 1:
        figure.legend(handles, labels, loc="outside upper left", ncols=min(columns, len(labels)))


def score_axis(axes: Axes) -> None:
    """Ticks of a score at round numbers, with a grid."""
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.grid(axis="y")


def image_axis(axes: Axes, longest: int, most: int = 6) -> None:
    """Ticks of a number of images: 1, and round numbers after it."""
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, longest) if longest / s < most)
    axes.xaxis.set_major_locator(FixedLocator(np.unique([1, *np.arange(step, longest + 1, step)])))
    axes.set_xlim(0, longest + 0.8)


def side_by_side(n: int, width: float) -> np.ndarray:
    """Offsets of ``n`` models around a common place, within ``width`` of it."""
    return np.zeros(1) if n == 1 else np.linspace(-width, width, n)
