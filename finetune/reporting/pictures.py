"""Misclassified sequences as small pictures: three images, their mean, and the light curve."""

from __future__ import annotations

from dataclasses import replace

import matplotlib.style
import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from classifier.card import read_card
from classifier.errors import ClassifierError
from classifier.evaluation.look import GRID, STYLE
from classifier.models import model_folder
from classifier.portrait import rows_of, subject_of
from classifier.portrait_page import Subject
from classifier.showing import Showing, ShownSplit
from classifier.stamps import Split
from finetune.reporting.folder import FewShot
from simulator.preview.style import FAINT, INK

_DPI = 150
_BLACK_SIGMA, _SOFTENING_SIGMA, _LEAST_WHITE_SIGMA = -2.5, 3.0, 15.0
_MASKED = "#41628A"
_STYLE = STYLE | {"xtick.labelsize": 6.5, "ytick.labelsize": 6.5, "text.parse_math": False}
_SIDE, _WIDTH, _GAP = 1.0, 7.2, 0.06  # inches


def shown_as(split: Split, few: FewShot) -> ShownSplit:
    """A split as the contenders were shown it.

    As ``showing`` of the run says, else as the model's card; else in the reference band.

    Raises
    ------
    ClassifierError
        The split has no exposures in the band.
    """
    try:
        showing = Showing.of_dict(few.run.get("showing") or _card(few.run)["showing"])
    except (ClassifierError, KeyError, TypeError, ValueError):
        showing = Showing(images=split.longest, band=split.profile.reference_band)
    return ShownSplit(split, replace(showing, images=min(showing.images, few.longest)))


def _card(run):
    return read_card(model_folder(run["model"]))


def subjects(few: FewShot, contender: str, k: int, object_ids, shown: ShownSplit) -> dict:
    """What is to be drawn of some objects by their names; those that cannot be drawn are left out.

    Raises
    ------
    ClassifierError
        The split has no objects, or its PSFs cannot be read.
    """
    predictions = few.answers_of(contender, few.draws_of(contender, k)[0])
    found = {}
    for name in object_ids:
        try:
            (row,) = rows_of(shown.split, [name])
            found[name] = subject_of(shown, row, predictions)
        except ClassifierError:
            continue
    return found


def small_picture(subject: Subject) -> Figure:
    """First, middle and last image, the mean of all, and the light curve, side by side."""
    with matplotlib.style.context(["default", _STYLE]):
        figure = Figure(figsize=(_WIDTH, _SIDE + 0.46), dpi=_DPI)
        FigureCanvasAgg(figure)
        size, last = subject.sigma.shape[-1], subject.day.size - 1
        known = np.isfinite(subject.sigma)
        total = np.where(known, subject.sigma, 0).sum(axis=0)
        mean = np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)
        near = slice(size // 4, size - size // 4)
        white = np.nanmax(np.append(subject.sigma[:, near, near], _LEAST_WHITE_SIGMA))
        stamps = {f"{subject.day[k]:.1f} d": subject.sigma[k] for k in (0, last // 2, last)}
        stamps["mean"] = mean
        for place, (title, image) in enumerate(stamps.items()):
            deeper = 1.0 if title != "mean" else np.sqrt(last + 1)
            _stamp(figure, place, title, image * deeper, white * deeper)
        _curve(figure, len(stamps) * (_SIDE + _GAP) + 0.5, subject)
    return figure


def _axes(figure, left, width):
    height = figure.get_figheight()
    return figure.add_axes((left / _WIDTH, 0.28 / height, width / _WIDTH, _SIDE / height))


def _stamp(figure, place, title, sigma, white):
    axes = _axes(figure, place * (_SIDE + _GAP), _SIDE)
    ends = np.arcsinh(np.array([_BLACK_SIGMA, white]) / _SOFTENING_SIGMA)
    colours = colormaps["gray"].with_extremes(bad=_MASKED)
    axes.imshow(np.arcsinh(sigma / _SOFTENING_SIGMA), cmap=colours, vmin=ends[0], vmax=ends[1],
                origin="lower")  # fmt: skip
    axes.set_axis_off()
    axes.set_title(title, fontsize=7, pad=2)


def _curve(figure, left, subject):
    axes = _axes(figure, left, _WIDTH - left - 0.05)
    flux, error = subject.flux_njy / 1e3, subject.error_njy / 1e3
    axes.errorbar(subject.day, flux, error, fmt="o", ms=2.6, color=INK, elinewidth=0.8)
    axes.grid(color=GRID, lw=0.5)
    axes.set_axisbelow(True)
    axes.set_title(f"{subject.band} flux [µJy] by days", fontsize=7, pad=2, loc="left", color=FAINT)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(4))
