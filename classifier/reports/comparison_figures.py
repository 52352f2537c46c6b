"""Plots that only a comparison has, and any plot as an SVG picture."""

from __future__ import annotations

from io import StringIO

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from classifier.reports.evaluation_figures import magnitude_curve, present_classes, trim
from classifier.reports.plot_style import (
    DPI,
    GRID,
    STYLE,
    class_looks,
    models,
    score_ticks,
    side_by_side,
    styled,
)
from simulator.preview.style import FAINT, INK

_PANELS_PER_ROW = 3
# Text as text, in the fonts the plot was laid out with; the same plot gives the same file.
_SVG = {**STYLE, "svg.fonttype": "none", "svg.hashsalt": "comparison"}


def as_svg(figure: Figure) -> str:
    """The figure as SVG, the same for the same figure."""
    text = StringIO()
    with matplotlib.rc_context(_SVG):
        figure.savefig(text, format="svg", dpi=DPI, metadata={"Date": None})
    return text.getvalue()


@styled
def recall_bars(figure, evaluations):
    """Recall of every class after all images: a bar for each model."""
    names = present_classes(evaluations)
    figure.set_size_inches(max(3.4, 0.95 * len(names) + 0.8), 2.6)
    axes = figure.add_subplot()
    n = len(evaluations)
    width = 0.8 / n
    for offset, (name, e, colour, _) in zip(
        side_by_side(n, 0.4 - width / 2), models(evaluations), strict=True
    ):
        rows = [e.classes.index(class_name) for class_name in names]
        axes.bar(
            np.arange(len(names)) + offset,
            e.final.recall[rows],
            0.9 * width,
            color=colour,
            label=name,
            yerr=e.final_error.recall[rows],
            error_kw={"elinewidth": 1, "ecolor": INK},
        )
    axes.set_xticks(np.arange(len(names)), names)
    axes.tick_params(axis="x", length=0)
    axes.set(ylabel="Recall", ylim=(0, 1.02))
    _grid(axes)
    _legend(figure, axes)


@styled
def recall_by_magnitude(figure, evaluations):
    """Recall of every class in the bins of magnitude that hold objects of all, a panel each."""
    names = present_classes(evaluations)
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure.set_size_inches(max(1.75 * columns + 0.5, 3.4), 1.6 * rows + 0.7)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    offsets = side_by_side(len(evaluations), 0.2)
    for panel, class_name in zip(grid, names, strict=False):
        for offset, (name, e, colour, marker) in zip(offsets, models(evaluations), strict=True):
            k, chosen = e.classes.index(class_name), e.matched.bins
            magnitude_curve(
                panel,
                e.magnitude_bins[chosen],
                e.by_magnitude.recall[chosen, k],
                e.by_magnitude_error.recall[chosen, k],
                offset=offset,
                color=colour,
                marker=marker,
                label=name,
            )
        panel.set_title(class_name, weight="bold")
        panel.set_ylim(-0.03, 1.03)
        panel.set_xticks(np.unique(e.magnitude_bins[chosen]))
        _grid(panel)
    trim(grid, len(names), columns)
    figure.supxlabel("Median observed magnitude [mag]", fontsize=9)
    figure.supylabel("Recall", fontsize=9)
    _legend(figure, grid[0])


@styled
def maps(figure, by_model):
    """Positions of objects on the map of every model, coloured by class.

    What is drawn of a model is (position (object, 2) or None, label (object,), classes).
    """
    columns = min(_PANELS_PER_ROW, len(by_model))
    rows = -(-len(by_model) // columns)
    figure.set_size_inches(3.2 * columns, 3.3 * rows + 0.4)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, (position, label, classes)) in zip(grid, by_model.items(), strict=False):
        axes.set(xticks=[], yticks=[], box_aspect=1)
        axes.spines[:].set(visible=True, color="#CCCCCC")
        if len(by_model) > 1:
            axes.set_title(name)
        if position is None:
            axes.text(
                0.5,
                0.5,
                "too few objects, or all alike",
                ha="center",
                color=FAINT,
                transform=axes.transAxes,
            )
            continue
        for k in np.unique(label):
            colour = class_looks(classes)[k][0]
            axes.scatter(
                *position[label == k].T, s=5, lw=0, color=colour, alpha=0.75, rasterized=True
            )
    trim(grid, len(by_model), columns)
    _class_legend(figure, classes, label)


def _class_legend(figure, classes, label):
    present = np.unique(label)
    marks = [
        Line2D([], [], ls="", marker="o", ms=5, color=class_looks(classes)[k][0]) for k in present
    ]
    figure.legend(
        marks,
        [classes[k] for k in present],
        loc="outside lower center",
        ncols=len(marks),
        handletextpad=0.1,
        columnspacing=1.2,
    )


def _grid(axes):
    score_ticks(axes)
    axes.grid(axis="y", color=GRID, lw=0.6)
    axes.set_axisbelow(True)


def _legend(figure, axes):
    handles, labels = axes.get_legend_handles_labels()
    if len(handles) > 1:
        figure.legend(handles, labels, loc="outside upper left", ncols=min(4, len(labels)))
