"""Plots of one evaluation, or of several side by side: a mapping of name to Evaluation each.

Bars and bands are one standard error.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.ticker import FuncFormatter, MaxNLocator

from classifier.reports.plot_style import (
    DPI,
    GRID,
    Evaluations,
    image_ticks,
    models,
    score_ticks,
    side_by_side,
    styled,
)
from simulator.preview.style import FAINT, INK
from skyreel.atomic_files import whole_file
from skyreel.errors import EvaluationError

_SMALLEST_RANGE = 0.1  # of an axis of scores: less would magnify noise
_METRICS = (("accuracy", "Accuracy"), ("mean_recall", "Mean recall"))
_MATRICES_PER_ROW = 3


def plot_comparison(evaluations: Evaluations, folder) -> None:
    """Write all plots of some evaluations as PNG files.

    Parameters
    ----------
    evaluations : mapping of str to Evaluation
        Names are shown in the legends; one alone is the title.
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
        with whole_file(Path(folder) / name) as path:
            figure.savefig(path, format="png", dpi=DPI)
        figure.clear()


@styled
def accuracy_by_images(figure, evaluations):
    """Accuracy and mean recall by number of images, above how many objects have so many."""
    upper, lower = _score_panels(figure, evaluations, "Number of images")
    counts = _count_colours([e.n_with_k for e in evaluations.values()])
    for (name, e, colour, _), grey in zip(models(evaluations), counts, strict=True):
        for axes, (metric, _) in zip(upper, _METRICS, strict=True):
            values, error = getattr(e.by_images, metric), getattr(e.by_images_error, metric)
            _band(axes, e.images, values, error, color=colour, label=name)
        for axes in lower:
            axes.stairs(e.n_with_k, np.arange(e.images.size + 1) + 0.5, color=grey)
    for axes in lower:
        image_ticks(axes, max(e.images.size for e in evaluations.values()))
    lower[0].set_ylabel("Objects with\nso many")
    _finish_score_panels(figure, upper, lower, evaluations)


@styled
def by_magnitude(figure, evaluations):
    """Accuracy and mean recall in bins of magnitude, above the number of objects in them."""
    upper, lower = _score_panels(figure, evaluations, "Median observed magnitude [mag]")
    if not any(len(e.magnitude_bins) for e in evaluations.values()):
        figure.clear()
        figure.text(0.5, 0.5, "No bin of magnitude holds enough objects.", ha="center")
        return
    counts = _count_colours([e.by_magnitude.n_objects for e in evaluations.values()])
    offsets = side_by_side(len(evaluations), 0.2)
    looks = zip(models(evaluations), counts, offsets, strict=True)
    for (name, e, colour, marker), grey, offset in looks:
        centre, width = e.magnitude_bins.mean(axis=1), np.diff(e.magnitude_bins)[:, 0]
        for axes, (metric, _) in zip(upper, _METRICS, strict=True):
            values, error = getattr(e.by_magnitude, metric), getattr(e.by_magnitude_error, metric)
            magnitude_curve(
                axes,
                e.magnitude_bins,
                values,
                error,
                offset=offset,
                label=name,
                color=colour,
                marker=marker,
            )
        for axes in lower:
            axes.bar(centre, e.by_magnitude.n_objects, width, fill=False, lw=1, ec=grey)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    lower[0].set_ylabel("Objects")
    _finish_score_panels(figure, upper, lower, evaluations)


@styled
def recall_by_class(figure, evaluations):
    """Recall of every class by number of images, a panel each."""
    names = present_classes(evaluations)
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure.set_size_inches(max(1.9 * columns + 0.5, 3.4), 1.75 * rows + 0.7)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, class_name in zip(grid, names, strict=False):
        for name, e, colour, _ in models(evaluations):
            if class_name in e.classes:
                k = e.classes.index(class_name)
                error = e.by_images_error.recall[:, k]
                _band(axes, e.images, e.by_images.recall[:, k], error, color=colour, label=name)
        axes.set_title(class_name, weight="bold")
        axes.set_ylim(-0.02, 1.02)
        score_ticks(axes)
        image_ticks(axes, max(e.images.size for e in evaluations.values()))
    trim(grid, len(names), columns)
    figure.supxlabel("Number of images", fontsize=9)
    figure.supylabel("Recall", fontsize=9)
    if len(evaluations) > 1:
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))


@styled
def confusion(figure, evaluations):
    """Confusion matrices: the fraction of every true class, and the count below it.

    Classes without objects have no row.
    """
    size = max(2.9, 0.4 * _most_classes(evaluations) + 0.9)
    columns = min(_MATRICES_PER_ROW, len(evaluations))
    rows = -(-len(evaluations) // columns)
    height = size * max(0.4, len(present_classes(evaluations)) / _most_classes(evaluations))
    figure.set_size_inches(size * columns, height * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, e) in zip(panels, evaluations.items(), strict=False):
        _matrix(axes, e)
        if len(evaluations) > 1:
            axes.set_title(name)
    trim(panels, len(evaluations), columns)
    for axes in panels[: len(evaluations) : columns]:
        axes.set_ylabel("True class")


@styled
def calibration(figure, evaluations):
    """Accuracy in bins of the largest probability, above how many objects fall in them."""
    figure.set_size_inches(3.6, 4.4)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1))
    upper.plot([0, 1], [0, 1], color=FAINT, lw=0.8, ls=(0, (4, 3)), zorder=0)
    counts = _count_colours([e.calibration.n_objects for e in evaluations.values()])
    for (name, e, colour, marker), grey in zip(models(evaluations), counts, strict=True):
        c, label = e.calibration, f"{name} (ECE {e.final.calibration_error:.3f})"
        upper.errorbar(
            c.mean_probability,
            c.accuracy,
            _drawn(c.accuracy_error),
            fmt=f"{marker}-",
            color=colour,
            label=label,
            lw=1,
            elinewidth=1,
        )
        lower.stairs(c.n_objects, [*c.low, c.high[-1]], color=grey)
    upper.set(xlim=(0, 1.02), ylim=(-0.03, 1.03), ylabel="Fraction right")
    score_ticks(upper)
    lower.set(xlabel="Largest class probability", ylabel="Objects", yscale="log")
    lower.set_ylim(bottom=0.7)
    lower.yaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:,.0f}"))
    lower.yaxis.set_minor_formatter(lambda n, _: "")
    if len(evaluations) > 1:
        figure.legend(loc="outside upper left")
    else:
        ece = f"ECE {e.final.calibration_error:.3f}"
        upper.text(0.04, 0.94, ece, transform=upper.transAxes, va="top")


PLOTS = {
    "accuracy_by_images.png": accuracy_by_images,
    "recall_by_class.png": recall_by_class,
    "confusion.png": confusion,
    "by_magnitude.png": by_magnitude,
    "calibration.png": calibration,
}


def magnitude_curve(axes, bins, values, error, *, offset=0.0, color, marker, label=None) -> None:
    """Points with error bars at the centres of bins (bin, 2), joined where bins are neighbours."""
    place = bins.mean(axis=1) + offset * np.diff(bins)[:, 0]
    axes.errorbar(
        place, values, _drawn(error), fmt=marker, color=color, label=label, elinewidth=1.2
    )
    ends = np.flatnonzero(bins[1:, 0] > bins[:-1, 1]) + 1
    for part in np.split(np.arange(len(bins)), ends):
        axes.plot(place[part], values[part], color=color, lw=0.8)


def _score_panels(figure, evaluations, label):
    figure.set_size_inches(7.0, 3.6 if len(evaluations) == 1 else 3.8)
    panels = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(3.2, 1))
    for axes, (_, label_of_metric) in zip(panels[0], _METRICS, strict=True):
        axes.set_ylabel(label_of_metric)
        score_ticks(axes)
        axes.grid(axis="y", color=GRID, lw=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(labelleft=True)
    for axes in panels[1]:
        axes.set_xlabel(label)
    return panels


def _finish_score_panels(figure, upper, lower, evaluations):
    bottom, top = upper[0].get_ylim()
    middle, half = (bottom + top) / 2, max(top - bottom, _SMALLEST_RANGE) / 2
    upper[0].set_ylim(middle - half, middle + half)
    lower[0].set_ylim(bottom=0)
    if len(evaluations) > 1:
        handles, labels = upper[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=min(4, len(labels)))


def _band(axes, x, values, error, *, color, label):
    axes.plot(x, values, color=color, label=label, marker="o" if x.size == 1 else None)
    axes.fill_between(x, values - error, values + error, color=color, alpha=0.22, lw=0)


def _matrix(axes, evaluation):
    n_true = evaluation.final.n_by_class
    rows = np.flatnonzero(n_true)
    counts = evaluation.final.confusion[rows]
    fraction = counts / n_true[rows, None]
    axes.imshow(fraction, cmap="Blues", norm=PowerNorm(0.5, 0, 1))  # so that errors are seen
    names = np.array(evaluation.classes)
    axes.set_xticks(np.arange(names.size), names, rotation=45 if max(map(len, names)) > 4 else 0)
    axes.set_yticks(np.arange(rows.size), names[rows])
    axes.set_xlabel("Predicted class")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    for (row, column), n in np.ndenumerate(counts):
        share = fraction[row, column]
        if n:
            axes.text(
                column,
                row,
                f"{share:.2f}\n{n:.0f}",
                ha="center",
                va="center",
                fontsize=6.5,
                color="white" if share > 0.3 else INK,
            )


def _most_classes(evaluations):
    return max(len(e.classes) for e in evaluations.values())


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


def trim(grid, used: int, columns: int) -> None:
    """Remove panels without a class, and give the ones above them their labels back."""
    for k, axes in enumerate(grid):
        if k >= used:
            axes.remove()
        elif k + columns >= used:
            axes.tick_params(labelbottom=True)


def _drawn(error):
    return np.where(np.isfinite(error), error, 0.0)


def _count_colours(counts):
    """A colour for every histogram: faint if they are all the same, else that of its scores."""
    if all(np.array_equal(n, counts[0]) for n in counts):
        return [FAINT] * len(counts)
    return [colour for _, _, colour, _ in models(dict(enumerate(counts)))]
