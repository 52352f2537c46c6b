"""Figures of one evaluation, or of several side by side: a mapping of name to Evaluation each.

Bars and bands are one standard error.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from classifier.evaluation.evaluation import Evaluation
from classifier.reports.real_bogus_section import FIGURE_FILE, det_curves, scores_of_models
from skyreel.errors import EvaluationError
from skyreel.report.figures import (
    histogram,
    image_axis,
    keep,
    legend,
    line,
    matrix,
    panels,
    points,
    save_png,
    score_axis,
    side_by_side,
    styled,
)
from skyreel.report.theme import FAINT, model_styles

_LEAST_RANGE = 0.1  # of an axis of scores: less would magnify noise
_METRICS = (("accuracy", "Accuracy"), ("mean_recall", "Mean recall"))
_LETTERS_PER_INCH = 12  # of a title
MAGNITUDE = "Median observed magnitude [mag]"
NO_MAGNITUDE_BINS = "No bin of magnitude holds enough objects."
Evaluations = Mapping[str, Evaluation]


def plot_comparison(evaluations: Evaluations, folder: str | Path) -> None:
    """Write the figures of some evaluations as PNG files.

    Parameters
    ----------
    evaluations : mapping of str to Evaluation
        Names stand in the legends; one alone is the title.
    folder : path
        Made if it is not there.

    Raises
    ------
    EvaluationError
        No evaluations.
    OutputError
        The folder cannot be written.
    """
    if not evaluations:
        raise EvaluationError("plot_comparison: no evaluations to plot.")
    for name, draw in PLOTS.items():
        figure = draw(evaluations)
        if len(evaluations) == 1:
            width = int(_LETTERS_PER_INCH * figure.get_figwidth())
            figure.suptitle(fill(next(iter(evaluations)), width), fontsize=10)
        save_png(figure, Path(folder) / name)
    if scores := scores_of_models(evaluations):
        save_png(det_curves(scores), Path(folder) / FIGURE_FILE)


@styled
def accuracy_by_images(figure: Figure, evaluations: Evaluations) -> None:
    """Accuracy and mean recall by number of images, above the number of objects with so many."""
    upper, lower = _score_panels(figure, evaluations, "Number of images")
    for name, e, colour, _ in _models(evaluations):
        for axes, (metric, _) in zip(upper, _METRICS, strict=True):
            values, error = getattr(e.by_images, metric), getattr(e.by_images_error, metric)
            line(axes, e.images, values, error, color=colour, label=name)
    for e, colour, label in _counted(evaluations, lambda e: e.n_with_k):
        for axes in lower:
            edges = np.arange(e.images.size + 1) + 0.5
            histogram(axes, e.n_with_k, edges, color=colour, label=label)
    for axes in lower:
        image_axis(axes, max(e.images.size for e in evaluations.values()))
    lower[0].set_ylabel("Objects with\nso many")
    _finish_score_panels(figure, upper, lower)


@styled
def by_magnitude(figure: Figure, evaluations: Evaluations) -> None:
    """Accuracy and mean recall in bins of magnitude, above the number of objects in them."""
    if not has_magnitude_bins(evaluations):
        figure.set_size_inches(7.0, 1.5)
        figure.text(0.5, 0.5, NO_MAGNITUDE_BINS, ha="center")
        return
    upper, lower = _score_panels(figure, evaluations, MAGNITUDE)
    offsets = side_by_side(len(evaluations), 0.2)
    for offset, (name, e, colour, marker) in zip(offsets, _models(evaluations), strict=True):
        n = e.by_magnitude.n_objects
        style = {"offset": offset, "color": colour, "marker": marker, "label": name, "count": n}
        for axes, (metric, _) in zip(upper, _METRICS, strict=True):
            values, error = getattr(e.by_magnitude, metric), getattr(e.by_magnitude_error, metric)
            magnitude_curve(axes, e.magnitude_bins, values, error, **style)
    for e, colour, label in _counted(evaluations, lambda e: e.by_magnitude.n_objects):
        n, centre = e.by_magnitude.n_objects, e.magnitude_bins.mean(axis=1)
        for axes in lower:
            axes.bar(centre, n, np.diff(e.magnitude_bins)[:, 0], fill=False, lw=1, ec=colour)
            keep(axes, label, centre, n)
            axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    lower[0].set_ylabel("Objects")
    _finish_score_panels(figure, upper, lower)


def has_magnitude_bins(evaluations: Evaluations) -> bool:
    """Whether scores can be given by magnitude."""
    return any(len(e.magnitude_bins) for e in evaluations.values())


@styled
def recall_by_class(figure: Figure, evaluations: Evaluations) -> None:
    """Recall of every class by number of images, a panel each."""
    names = present_classes(evaluations)
    for axes, class_name in zip(
        panels(figure, len(names), most=4, width=1.9, height=1.75), names, strict=True
    ):
        for name, e, colour, _ in _models(evaluations):
            if class_name in e.classes:
                k = e.classes.index(class_name)
                value, error = e.by_images.recall[:, k], e.by_images_error.recall[:, k]
                line(axes, e.images, value, error, color=colour, label=name)
        axes.set_title(class_name, weight="bold")
        axes.set_ylim(-0.02, 1.02)
        score_axis(axes)
        image_axis(axes, max(e.images.size for e in evaluations.values()))
    figure.supxlabel("Number of images", fontsize=9)
    figure.supylabel("Recall", fontsize=9)
    legend(figure, figure.axes[0])


@styled
def confusion(figure: Figure, evaluations: Evaluations) -> None:
    """Confusion matrices: the fraction of every true class, and the count below it.

    Classes without objects have no row.
    """
    most = max(len(e.classes) for e in evaluations.values())
    n = len(evaluations)
    size, columns = max(2.9, 0.42 * most + 0.9), 2 if n in (2, 4) else min(3, n)
    rows = -(-len(evaluations) // columns)
    height = size * max(0.4, len(present_classes(evaluations)) / most)
    figure.set_size_inches(size * columns, height * rows + 0.3 * (len(evaluations) > 1))
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(evaluations) :]:
        axes.remove()
    for axes, (name, e) in zip(grid, evaluations.items(), strict=False):
        n_true = e.final.n_by_class
        there = np.flatnonzero(n_true)
        counts = e.final.confusion[there]
        names = [e.classes[k] for k in there]
        matrix(axes, counts / n_true[there, None], counts, names, e.classes)
        axes.set(xlabel="Predicted class", ylabel="True class")
        if len(evaluations) > 1:
            axes.set_title(name)


@styled
def calibration(figure: Figure, evaluations: Evaluations) -> None:
    """Accuracy in bins of the largest probability, above the number of objects in them."""
    figure.set_size_inches(4.6, 4.4)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1))
    upper.plot([0, 1], [0, 1], color=FAINT, lw=0.8, ls=(0, (4, 3)), zorder=0)
    for name, e, colour, marker in _models(evaluations):
        c, known = e.calibration, e.calibration.n_objects > 0
        points(
            upper,
            c.mean_probability[known],
            c.accuracy[known],
            c.accuracy_error[known],
            label=f"{name} (ECE {e.final.calibration_error:.3f})",
            color=colour,
            marker=marker,
            count=c.n_objects[known],
            joined=True,
        )
    for e, colour, label in _counted(evaluations, lambda e: e.calibration.n_objects):
        c = e.calibration
        histogram(lower, c.n_objects, [*c.low, c.high[-1]], color=colour, label=label)
    upper.set(xlim=(0, 1.02), ylim=(-0.03, 1.03), ylabel="Accuracy per bin")
    score_axis(upper)
    lower.set(xlabel="Largest class probability", ylabel="Objects", yscale="log")
    lower.set_ylim(bottom=0.7)
    lower.yaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:,.0f}"))
    lower.yaxis.set_minor_formatter(lambda n, _: "")
    legend(figure, upper, columns=1)


PLOTS = {
    "accuracy_by_images.png": accuracy_by_images,
    "recall_by_class.png": recall_by_class,
    "confusion.png": confusion,
    "by_magnitude.png": by_magnitude,
    "calibration.png": calibration,
}


@styled
def recall_bars(figure: Figure, evaluations: Evaluations) -> None:
    """Recall of every class after all images: a point for each model."""
    names = present_classes(evaluations)
    figure.set_size_inches(max(3.4, 0.95 * len(names) + 0.8), 2.8)
    axes, centre = figure.add_subplot(), np.arange(len(names))
    offsets = side_by_side(len(evaluations), 0.22)
    for offset, (name, e, colour, marker) in zip(offsets, _models(evaluations), strict=True):
        rows = [e.classes.index(class_name) for class_name in names]
        value, error = e.final.recall[rows], e.final_error.recall[rows]
        style = {"color": colour, "marker": marker, "label": name}
        points(axes, names, value, error, place=centre + offset, **style)
    axes.set_xticks(centre, names)
    axes.set(xlabel="True class", ylabel="Recall", ylim=(-0.02, 1.04))
    axes.set_xlim(-0.5, len(names) - 0.5)
    score_axis(axes)
    legend(figure, axes)


@styled
def recall_by_magnitude(figure: Figure, evaluations: Evaluations) -> None:
    """Recall of every class in the bins of magnitude that hold objects of all, a panel each."""
    names = present_classes(evaluations)
    offsets = side_by_side(len(evaluations), 0.2)
    for panel, class_name in zip(
        panels(figure, len(names), most=4, width=1.75, height=1.6), names, strict=True
    ):
        for offset, (name, e, colour, marker) in zip(offsets, _models(evaluations), strict=True):
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
                count=e.by_magnitude.n_by_class[chosen, k],
            )
        panel.set_title(class_name, weight="bold")
        panel.set_ylim(-0.03, 1.03)
        panel.set_xticks(np.unique(e.magnitude_bins[chosen]))
        score_axis(panel)
    figure.supxlabel(MAGNITUDE, fontsize=9)
    figure.supylabel("Recall", fontsize=9)
    legend(figure, figure.axes[0])


def magnitude_curve(
    axes: Axes,
    bins: np.ndarray,
    values: np.ndarray,
    error: np.ndarray,
    *,
    offset: float = 0.0,
    color: str,
    marker: str,
    label: str = "",
    count: np.ndarray | None = None,
) -> None:
    """Points with error bars at the centres of bins (bin, 2), joined where bins are neighbours."""
    centre = bins.mean(axis=1)
    joined = bins[1:, 0] <= bins[:-1, 1] if len(bins) else False
    place = centre + offset * np.diff(bins)[:, 0]
    style = {"color": color, "marker": marker, "label": label}
    points(axes, centre, values, error, place=place, joined=joined, count=count, **style)


def _models(evaluations):
    """(name, evaluation, colour, marker) of every model."""
    for name, (colour, marker) in model_styles(evaluations).items():
        yield name, evaluations[name], colour, marker


def _score_panels(figure, evaluations, label):
    figure.set_size_inches(7.0, 3.6 if len(evaluations) == 1 else 3.8)
    grid = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(3.2, 1))
    for axes, (_, label_of_metric) in zip(grid[0], _METRICS, strict=True):
        axes.set_ylabel(label_of_metric)
        score_axis(axes)
        axes.tick_params(labelleft=True)
    for axes in grid[1]:
        axes.set_xlabel(label)
    return grid


def _finish_score_panels(figure, upper, lower):
    bottom, top = upper[0].get_ylim()
    middle, half = (bottom + top) / 2, max(top - bottom, _LEAST_RANGE) / 2
    upper[0].set_ylim(middle - half, middle + half)
    lower[0].set_ylim(bottom=0)
    legend(figure, upper[0])


def present_classes(evaluations: Evaluations) -> list[str]:
    """Classes that have objects."""
    return list(
        dict.fromkeys(
            name
            for e in evaluations.values()
            for name, n in zip(e.classes, e.final.n_by_class, strict=True)
            if n
        )
    )


def _counted(evaluations, count):
    """(evaluation, colour, label) of histograms: one if all models have the same numbers."""
    first, *others = evaluations.values()
    if all(np.array_equal(count(e), count(first)) for e in others):
        yield first, FAINT, "objects"
        return
    for name, e, colour, _ in _models(evaluations):
        yield e, colour, name
