"""Histograms of real and simulated objects, a panel for each measurement of a group."""

from __future__ import annotations

import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from classifier.evaluation.look import DPI, STYLE
from simulator.preview.style import ALERT, INK

_COLUMNS, _BINS = 3, 30
_SIMULATED = "#B9C4CE"


def histograms(quantities, real, simulated) -> Figure:
    """Columns of ``real`` and ``simulated`` (row, quantity), as shares of their objects."""
    rows = -(-len(quantities) // _COLUMNS)
    with matplotlib.style.context(["default", STYLE]):
        figure = Figure(figsize=(8.6, 1.75 * rows + 0.4), layout="constrained", dpi=DPI)
        FigureCanvasAgg(figure)
        grid = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
        for k, (axes, quantity) in enumerate(zip(grid, quantities, strict=False)):
            _panel(axes, real[:, k], simulated[:, k])
            axes.set_title(quantity.name.replace("_", " "))
        for axes in grid[len(quantities) :]:
            axes.remove()
        figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
        figure.canvas.draw()
    return figure


def _panel(axes, real, simulated):
    axes.set(yticks=[])
    axes.spines["left"].set_visible(False)
    known = [v[np.isfinite(v)] for v in (real, simulated)]
    both = np.concatenate(known)
    edges = _edges(both) if both.size else np.linspace(0, 1, _BINS + 1)
    for values, look in zip(known, _LOOKS, strict=True):
        inside = np.clip(values, edges[0], edges[-1])
        share = np.histogram(inside, edges)[0] / max(values.size, 1)
        axes.stairs(share, edges, **look)


_LOOKS = (
    {"color": ALERT, "lw": 1.3, "label": "real", "zorder": 3},
    {"color": _SIMULATED, "fill": True, "label": "simulated", "ec": INK, "lw": 0},
)


def _edges(values):
    low, high = np.percentile(values, [1, 99])
    if high <= low:
        low, high = values.min() - 0.5, values.max() + 0.5
    margin = 0.1 * (high - low)
    return np.linspace(max(low - margin, values.min() - 0.01 * margin),
                       min(high + margin, values.max() + 0.01 * margin), _BINS + 1)  # fmt: skip
