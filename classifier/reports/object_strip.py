"""One object in a small strip: a few images and the light curve."""

from __future__ import annotations

import matplotlib.style
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from classifier.reports.object_summary import ObjectSummary
from skyreel.report.figures import keep
from skyreel.report.theme import DPI, FAINT, INK, RC_PARAMS

STYLE = RC_PARAMS | {"xtick.labelsize": 7, "legend.fontsize": 8.5, "image.composite_image": False}
DAYS = "Days since the first image [d]"
_BLACK_SIGMA, _SOFTENING_SIGMA = -2.5, 3.0
_MASKED = "#41628A"


def axes_in_inches(figure: Figure) -> Axes:
    """Axes without frame or ticks over the whole figure, in inches from its lower left corner."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height), autoscale_on=False)
    axes.set_axis_off()
    return axes


def stamp(
    axes: Axes, sigma: np.ndarray, white: float, left: float, bottom: float, side: float
) -> None:
    """One image (row, column) in units of its noise, stretched to ``white``, masked pixels blue.

    ``left``, ``bottom`` and ``side`` are in units of the axes.
    """
    ends = np.arcsinh(np.array([_BLACK_SIGMA, white]) / _SOFTENING_SIGMA)
    axes.imshow(
        np.arcsinh(sigma / _SOFTENING_SIGMA),
        cmap=colormaps["gray"].with_extremes(bad=_MASKED),
        vmin=ends[0],
        vmax=ends[1],
        origin="lower",
        interpolation="none",
        extent=(left, left + side, bottom, bottom + side),
        aspect="auto",
    )


_SIDE, _STRIP, _GAP, _FOOT = 0.8, 5.6, 0.05, 0.42  # inches


def strip(summary: ObjectSummary) -> Figure:
    """First, middle and last image, the mean of all, and the light curve, side by side."""
    small = {"xtick.labelsize": 6.5, "ytick.labelsize": 6.5, "axes.labelsize": 7}
    with matplotlib.style.context(["default", STYLE | small]):
        figure = Figure(figsize=(_STRIP, _SIDE + 0.62), dpi=DPI)
        FigureCanvasAgg(figure)
        last, white, known = summary.day.size - 1, summary.white_sigma, np.isfinite(summary.sigma)
        total = np.where(known, summary.sigma, 0).sum(axis=0)
        mean = np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)
        deeper = float(np.sqrt(last + 1))
        chosen = sorted({0, last // 2, last})
        images = [(f"{summary.day[k]:.1f} d", summary.sigma[k]) for k in chosen]
        axes = axes_in_inches(figure)
        for place, (title, image) in enumerate([*images, ("mean", mean * deeper)]):
            left, top = place * (_SIDE + _GAP), _FOOT + _SIDE
            stamp(axes, image, white * (deeper if title == "mean" else 1.0), left, _FOOT, _SIDE)
            axes.text(left + _SIDE / 2, top + 0.03, title, fontsize=7, ha="center")
        _strip_curve(figure, (len(images) + 1) * (_SIDE + _GAP) + 0.48, summary)
    return figure


def _strip_curve(figure, left, summary):
    height = figure.get_figheight()
    width = (_STRIP - left - 0.05) / _STRIP
    axes = figure.add_axes((left / _STRIP, _FOOT / height, width, _SIDE / height))
    flux, error, detected = summary.flux_njy / 1e3, summary.error_njy / 1e3, summary.detected
    style = {"fmt": "o", "ms": 2.6, "elinewidth": 0.8}
    axes.errorbar(summary.day[~detected], flux[~detected], error[~detected], color=FAINT, **style)
    axes.errorbar(summary.day[detected], flux[detected], error[detected], color=INK, **style)
    axes.grid(lw=0.5)
    axes.set(xlabel=DAYS, ylabel=f"{summary.band} flux [µJy]")
    if (~detected & np.isfinite(flux)).any():
        axes.set_title("grey: not detected (< 3σ)", fontsize=6.5, pad=2, loc="right", color=FAINT)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    keep(axes, "light curve", summary.day, flux, error)
