"""A picture of a subtraction: science, template and difference side by side."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from astropy.table import Table

from simulator.difference.background import robust_sigma
from simulator.difference.image_difference import ImageDifference
from simulator.preview.picture_file import write_picture

_DPI = 150
_PANEL_INCHES = 4.0
_MOST_CIRCLES = 200
_WHITE_SIGMA, _BLACK_SIGMA = 12.0, -3.0
_BRIGHTER, _FAINTER = "#d62728", "#1f77b4"


def draw_subtraction(
    path: Path, science: np.ndarray, template: np.ndarray, found: ImageDifference, table: Table
) -> None:
    """Write a PNG of both images and of the difference, with its detections.

    Images are shown from -3 to 12 sigma of their background, the difference from -5 to 5.

    Raises
    ------
    skyreel.errors.SimulationError
        The file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3 * _PANEL_INCHES + 0.3, _PANEL_INCHES + 0.5), dpi=_DPI)
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 3, sharex=True, sharey=True)
    for axis, pixels, name in zip(axes, (science, template), ("science", "template"), strict=False):
        middle, sigma = _level(pixels)
        limits = {"vmin": middle + _BLACK_SIGMA * sigma, "vmax": middle + _WHITE_SIGMA * sigma}
        axis.imshow(pixels, cmap="gray", origin="lower", interpolation="nearest", **limits)
        axis.set_title(name)
    significance = found.difference / np.sqrt(found.variance)
    axes[2].imshow(
        significance, cmap="gray", origin="lower", interpolation="nearest", vmin=-5, vmax=5
    )
    axes[2].set_title(f"difference, {len(table)} detections")
    for row in table[:_MOST_CIRCLES]:
        color = _BRIGHTER if row["flux"] > 0 else _FAINTER
        axes[2].plot(row["x_pix"], row["y_pix"], "o", mfc="none", mec=color, ms=10, mew=1)
    for axis in axes:
        axis.set_xticks([])
        axis.set_yticks([])
    figure.tight_layout(pad=0.8)
    image = BytesIO()
    figure.savefig(image, format="png", dpi=_DPI)
    write_picture(path, image)


def _level(pixels):
    """Median and robust standard deviation of the finite pixels."""
    values = np.asarray(pixels, dtype=float)
    values = values[np.isfinite(values)]
    return np.median(values), robust_sigma(values) or 1.0
