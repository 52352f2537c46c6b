"""Figures of clusters: decoded centroids, reconstructions, outliers, and sizes by class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from classifier.reports.embedding_figures import bare, class_legend
from skyreel.report.figures import keep, panels, scatter, styled
from skyreel.report.theme import FAINT, class_styles

_ROW = 10  # stamps in a row
_SOFTENING = 3.0
_MASKED = "#9A9A9A"


@styled
def stamps(figure: Figure, images: np.ndarray, titles: Sequence[str], per_row: int = _ROW) -> None:
    """Difference stamps (object, row, column) in units of noise, each on its own range.

    Red is positive, blue negative, white zero; missing pixels are grey.
    """
    grid = panels(figure, len(images), most=per_row, width=0.95, height=1.1, shared=False)
    figure.set_size_inches(0.95 * min(per_row, len(images)), 1.2 * -(-len(images) // per_row))
    for axes, image, title in zip(grid, images, titles, strict=True):
        values = _SOFTENING * np.arcsinh(image / _SOFTENING)
        known = values[np.isfinite(values)]
        most = max(float(np.abs(known).max(initial=0)), 1.0)
        axes.set_facecolor(_MASKED)
        axes.imshow(
            values, cmap="RdBu_r", vmin=-most, vmax=most, origin="lower", interpolation="none"
        )
        axes.set(xticks=[], yticks=[])
        axes.set_title(title, fontsize=5.5, pad=2)


@styled
def latent_space(
    figure: Figure, position: np.ndarray | None, group: np.ndarray, names: Sequence[str]
) -> None:
    """Positions (object, 2) of a map of latent space, coloured by group (object,)."""
    (axes,) = panels(figure, 1, most=1, width=4.2, height=4.2)
    bare(axes)
    if position is None:
        style = {"ha": "center", "color": FAINT, "transform": axes.transAxes}
        axes.text(0.5, 0.5, "too few objects, or all are the same", **style)
        return
    axes.autoscale(True)
    styles, present = class_styles(names), np.unique(group)
    for k in present:
        style = {"s": 6, "lw": 0, "alpha": 0.75, "color": styles[k][0]}
        scatter(axes, *position[group == k].T, label=names[k], **style)
    class_legend(figure, names, present)


@styled
def classes_of_clusters(figure: Figure, counts: np.ndarray, classes: Sequence[str]) -> None:
    """Objects of every cluster by class, from (cluster, class)."""
    (axes,) = panels(figure, 1, most=1, width=6.5, height=2.8)
    place, below = np.arange(1, len(counts) + 1), np.zeros(len(counts))
    for name, n, (colour, _) in zip(classes, counts.T, class_styles(classes), strict=True):
        axes.bar(place, n, bottom=below, color=colour, label=name, width=0.8)
        below = below + n
    axes.set(xlabel="cluster", ylabel="objects", xlim=(0.4, len(counts) + 0.6))
    axes.set_xticks(place)
    for name, n in zip(classes, counts.T, strict=True):
        keep(axes, name, place, n)
    class_legend(figure, classes, np.flatnonzero(counts.sum(axis=0)))
