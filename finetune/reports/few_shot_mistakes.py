"""Objects whose class is missed in most draws: the ones a person should look at."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import matplotlib.style
import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from classifier.dataset import DatasetSplit
from classifier.image_selection import ImageSelection, SelectedSplit
from classifier.models.model_card import read_card
from classifier.models.registry import model_folder
from classifier.reports.object_figure import ObjectSummary
from classifier.reports.object_page import object_summary_of, rows_of
from classifier.reports.plot_style import GRID, STYLE
from finetune.reports.few_shot_results import FewShot
from simulator.preview.style import FAINT, INK
from skyreel.errors import ClassifierError


class Missed(NamedTuple):
    """An object and how it is missed.

    ``wrong`` of ``tested`` draws give it another class, most often ``answer`` with the mean
    ``probability`` over these; ``before`` and ``probability_before`` are the answer of the model
    that was not adapted (None and NaN without one).
    """

    row: int
    object_id: str
    truth: str
    answer: str
    probability: float
    wrong: int
    tested: int
    before: str | None
    probability_before: float
    magnitude: float


def most_often_missed(few: FewShot, method: str, k: int, *, most: int = 24) -> list[Missed]:
    """Objects missed after all images, those missed in the largest share of draws first.

    Equals come in the order of the probability they wrongly get.
    """
    draws = few.draws_of(method, k)
    tested = np.stack([draw.objects for draw in draws])
    final = np.stack([few.answers_of(method, d).after(few.longest) for d in draws])
    answer = final.argmax(axis=2)
    wrong = tested & (answer != few.labels)
    share = wrong.sum(axis=0) / np.maximum(tested.sum(axis=0), 1)
    top = np.where(wrong, final.max(axis=2), 0.0).sum(axis=0) / np.maximum(wrong.sum(axis=0), 1)
    order = np.lexsort((-top, -share))[: min(most, int((share > 0).sum()))]
    return [_missed(few, method, row, answer, final, wrong, tested) for row in order]


def _missed(few, method, row, answer, final, wrong, tested):
    where = wrong[:, row]
    given = np.bincount(answer[where, row], minlength=len(few.classes)).argmax()
    probability = final[where & (answer[:, row] == given), row, given].mean()
    before, sure = None, np.nan
    if (method, 0, 0) in few.answers:
        first = few.answers[method, 0, 0].after(few.longest)[row]
        before, sure = few.classes[first.argmax()], float(first.max())
    return Missed(
        int(row),
        str(few.object_id[row]),
        few.classes[few.labels[row]],
        few.classes[given],
        float(probability),
        int(where.sum()),
        int(tested[:, row].sum()),
        before,
        sure,
        float(few.any.magnitude[row]),
    )


_DPI = 150
_BLACK_SIGMA, _SOFTENING_SIGMA, _LEAST_WHITE_SIGMA = -2.5, 3.0, 15.0
_MASKED = "#41628A"
_STYLE = STYLE | {"xtick.labelsize": 6.5, "ytick.labelsize": 6.5, "text.parse_math": False}
_SIDE, _WIDTH, _GAP = 1.0, 7.2, 0.06  # inches


def shown_as(split: DatasetSplit, few: FewShot) -> SelectedSplit:
    """A split as the contenders were shown it.

    As ``selection`` of the run says, else as the model's card; else in the reference band.

    Raises
    ------
    ClassifierError
        The split has no exposures in the band.
    """
    try:
        selection = ImageSelection.of_dict(
            few.run.get("selection") or few.run.get("showing") or _card(few.run)["showing"]
        )
    except (ClassifierError, KeyError, TypeError, ValueError):
        selection = ImageSelection(images=split.longest, band=split.profile.reference_band)
    return SelectedSplit(split, replace(selection, images=min(selection.images, few.longest)))


def _card(run):
    return read_card(model_folder(run["model"]))


def summaries(few: FewShot, method: str, k: int, object_ids, shown: SelectedSplit) -> dict:
    """What is to be drawn of some objects by their names; those that cannot be drawn are left out.

    Raises
    ------
    ClassifierError
        The split has no objects, or its PSFs cannot be read.
    """
    predictions = few.answers_of(method, few.draws_of(method, k)[0])
    found = {}
    for name in object_ids:
        try:
            (row,) = rows_of(shown.split, [name])
            found[name] = object_summary_of(shown, row, predictions)
        except ClassifierError:
            continue
    return found


def small_picture(summary: ObjectSummary) -> Figure:
    """First, middle and last image, the mean of all, and the light curve, side by side."""
    with matplotlib.style.context(["default", _STYLE]):
        figure = Figure(figsize=(_WIDTH, _SIDE + 0.46), dpi=_DPI)
        FigureCanvasAgg(figure)
        size, last = summary.sigma.shape[-1], summary.day.size - 1
        known = np.isfinite(summary.sigma)
        total = np.where(known, summary.sigma, 0).sum(axis=0)
        mean = np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)
        near = slice(size // 4, size - size // 4)
        white = np.nanmax(np.append(summary.sigma[:, near, near], _LEAST_WHITE_SIGMA))
        stamps = {f"{summary.day[k]:.1f} d": summary.sigma[k] for k in (0, last // 2, last)}
        stamps["mean"] = mean
        for place, (title, image) in enumerate(stamps.items()):
            deeper = 1.0 if title != "mean" else np.sqrt(last + 1)
            _stamp(figure, place, title, image * deeper, white * deeper)
        _curve(figure, len(stamps) * (_SIDE + _GAP) + 0.5, summary)
    return figure


def _axes(figure, left, width):
    height = figure.get_figheight()
    return figure.add_axes((left / _WIDTH, 0.28 / height, width / _WIDTH, _SIDE / height))


def _stamp(figure, place, title, sigma, white):
    axes = _axes(figure, place * (_SIDE + _GAP), _SIDE)
    ends = np.arcsinh(np.array([_BLACK_SIGMA, white]) / _SOFTENING_SIGMA)
    colours = colormaps["gray"].with_extremes(bad=_MASKED)
    axes.imshow(
        np.arcsinh(sigma / _SOFTENING_SIGMA),
        cmap=colours,
        vmin=ends[0],
        vmax=ends[1],
        origin="lower",
    )
    axes.set_axis_off()
    axes.set_title(title, fontsize=7, pad=2)


def _curve(figure, left, summary):
    axes = _axes(figure, left, _WIDTH - left - 0.05)
    flux, error = summary.flux_njy / 1e3, summary.error_njy / 1e3
    axes.errorbar(summary.day, flux, error, fmt="o", ms=2.6, color=INK, elinewidth=0.8)
    axes.grid(color=GRID, lw=0.5)
    axes.set_axisbelow(True)
    axes.set_title(f"{summary.band} flux [µJy] by days", fontsize=7, pad=2, loc="left", color=FAINT)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(4))
