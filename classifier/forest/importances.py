"""Which features the forests use: mean decrease of impurity, as a table and a plot."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from classifier.files import whole_file

_SHOWN = 25


def write_importances(folder: Path, names, importances) -> None:
    """Write importances (number of images, feature) as ``importances.csv`` and ``.png``."""
    with whole_file(folder / "importances.csv") as path, path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["n_images", *names])
        for k, row in enumerate(importances, start=1):
            rows.writerow([k, *(f"{value:.5f}" for value in row)])
    _plot(folder / "importances.png", np.asarray(names), np.asarray(importances))


def _plot(path, names, importances):
    """Rows are the features that matter most on average, columns numbers of images."""
    share = importances / np.maximum(importances.max(axis=1, keepdims=True), 1e-12)
    order = np.argsort(share.mean(axis=0))[::-1][:_SHOWN]
    figure = Figure(figsize=(7.0, 0.24 * order.size + 1.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    grid = axes.imshow(share[:, order].T, aspect="auto", cmap="viridis", vmin=0, vmax=1,
                       extent=(0.5, len(share) + 0.5, order.size - 0.5, -0.5))  # fmt: skip
    axes.set_yticks(range(order.size), names[order], fontsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("images seen")
    figure.colorbar(grid, label="importance over that of the most important")
    with whole_file(path) as unfinished:
        figure.savefig(unfinished, dpi=150, format="png")
