"""Figures of a forecast.

Bars and bands are one standard error, or half the width of Wilson intervals of 68.3 %.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter

from classifier.forecast.results import ModelResults, Results
from classifier.forecast.selection_function import SKY, Bin, bins_of
from skyreel.report.figures import keep, legend, line, matrix, panels, points, score_axis, styled
from skyreel.report.theme import FRAME, INK, class_styles, model_styles

LABELS = {
    "magnitude": "True magnitude [mag]",
    "redshift": "Redshift",
    "period_d": "Period [d]",
    "host_mag": "Magnitude of the host [mag]",
}
IMAGES, DAYS = "Images since the first detection", "Days since the first detection"
_MOST_DAYS = 400.0
_LEAST = 5  # objects of a bin that is drawn
_SHARE_COLOUR = "#1565C0"


@styled
def recall_in_time(figure: Figure, results: Results, schedule: int = 0) -> None:
    """Recall of every class by images and by days since the first detection."""
    model = results.schedules[schedule].models[0]
    axes = panels(figure, 2, most=2, width=3.6, height=2.9, shared=False)
    styles = class_styles(results.classes)
    for ax, at, found, label in (
        (axes[0], results.images, model.by_images, IMAGES),
        (axes[1], results.days, model.by_days, DAYS),
    ):
        x, used = _moments(at)
        for k, (name, (colour, _)) in enumerate(zip(results.classes, styles, strict=True)):
            values, errors = found.values["recall"][used, k], found.errors["recall"][used, k]
            line(ax, x, values, errors, color=colour, label=name)
        _time_axis(ax, label)
        score_axis(ax)
        ax.set_ylim(-0.02, 1.02)
    axes[0].set_ylabel("Recall")
    legend(figure, axes[0], columns=7)


def _moments(at):
    at = np.asarray(at, dtype=float)
    used = at <= _MOST_DAYS
    return at[used], used


def _time_axis(ax, label):
    ax.set_xlabel(label)
    if label == DAYS:
        ax.set_xscale("symlog", linthresh=1.0)
        ax.set_xticks([0, 1, 3, 10, 30, 100, 300], ["0", "1", "3", "10", "30", "100", "300"])
        ax.minorticks_off()
        ax.set_xlim(left=0)
    else:
        ax.set_xscale("log")
        ax.set_xticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
        ax.minorticks_off()


@styled
def schedules_in_time(figure: Figure, results: Results) -> None:
    """Recall of every class by days since the first detection under two schedules."""
    axes = panels(figure, len(results.classes), most=4, width=2.2, height=2.0)
    styles = model_styles([each.name for each in results.schedules])
    x, used = _moments(results.days)
    for k, (ax, name) in enumerate(zip(axes, results.classes, strict=True)):
        ax.set_title(name)
        for each in results.schedules:
            found = each.models[0].by_days
            values, errors = found.values["recall"][used, k], found.errors["recall"][used, k]
            line(ax, x, values, errors, color=styles[each.name][0], label=each.name)
        _time_axis(ax, DAYS)
        ax.set_xlabel("")
        score_axis(ax)
        ax.set_ylim(-0.02, 1.02)
    figure.supxlabel(DAYS, fontsize=9)
    axes[0].set_ylabel("Recall")
    legend(figure, axes[0], columns=1)


@styled
def confusion_matrix(figure: Figure, model: ModelResults, classes: Sequence[str]) -> None:
    """Confusion matrix after the last image."""
    (axes,) = panels(figure, 1, most=1, width=3.6, height=3.4)
    counts = np.nan_to_num(model.confusion) * model.n_by_class[:, None]
    matrix(axes, np.nan_to_num(model.confusion), counts, list(classes), list(classes))
    axes.set(xlabel="Predicted class", ylabel="True class")


@styled
def efficiency(figure: Figure, model: ModelResults, quantity: str, groups: Sequence[str]) -> None:
    """Share detected, and detected and classified correctly, in bins of one quantity."""
    axes = panels(figure, len(groups), most=4, width=2.2, height=2.0)
    for ax, group in zip(axes, groups, strict=True):
        ax.set_title(group)
        used = [each for each in bins_of(model.bins, group, quantity) if each.n >= _LEAST]
        middle = np.array([(each.low + each.high) / 2 for each in used])
        if quantity == "period_d":
            ax.set_xscale("log")
            ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
            ax.minorticks_off()
            middle = np.array([np.sqrt(each.low * each.high) for each in used])
        count = [each.n for each in used]
        for which, colour, marker, label in (
            ("detected", INK, "o", "detected"),
            ("correct", "#0072B2", "s", "detected and correct"),
        ):
            value = [getattr(each, which) for each in used]
            half = [
                (getattr(each, f"{which}_high") - getattr(each, f"{which}_low")) / 2
                for each in used
            ]
            style = {"color": colour, "marker": marker, "label": label, "count": count}
            points(ax, middle, value, half, joined=True, **style)
        score_axis(ax)
        ax.set_ylim(-0.02, 1.05)
    figure.supxlabel(LABELS[quantity], fontsize=9)
    axes[0].set_ylabel("Share of all drawn")
    legend(figure, axes[0], columns=2)


def has_bins(model: ModelResults, quantity: str) -> list[str]:
    """Groups with two bins or more of a quantity that can be drawn."""
    names = dict.fromkeys(each.group for each in model.bins)
    return [
        name
        for name in names
        if sum(each.n >= _LEAST for each in bins_of(model.bins, name, quantity)) > 1
    ]


@styled
def sky_map(figure: Figure, model: ModelResults, groups: Sequence[str]) -> None:
    """Share detected and classified correctly in cells of equal area."""
    axes = panels(figure, len(groups), most=2, width=3.6, height=2.2)
    for ax, group in zip(axes, groups, strict=True):
        ax.set(title=group, xlim=(360, 0), ylim=(-1, 1))
        ax.set_xticks([0, 90, 180, 270, 360])
        dec = np.array([-60, -30, 0, 30, 60])
        ax.set_yticks(np.sin(np.radians(dec)), [f"{d}°" for d in dec])
        ax.spines[:].set(visible=True, color=FRAME)
        cells = [each for each in bins_of(model.bins, group, SKY) if each.n >= _LEAST]
        top = max((each.correct for each in cells), default=0.0) or 1.0
        for each in cells:
            _cell(ax, group, each, each.correct / top)
    figure.supxlabel("Right ascension [deg]", fontsize=9)
    axes[0].set_ylabel("Declination")


def _cell(ax, group: str, each: Bin, shade_of_top: float):
    low, high = np.sin(np.radians([each.dec_low_deg, each.dec_high_deg]))
    shade = {"color": _SHARE_COLOUR, "alpha": 0.08 + 0.92 * shade_of_top, "lw": 0}
    ax.add_patch(Rectangle((each.low, low), each.high - each.low, high - low, **shade))
    style = {"ha": "center", "va": "center", "fontsize": 6}
    middle = ((each.low + each.high) / 2, (low + high) / 2)
    colour = INK if shade_of_top < 0.5 else "#FEFEFE"
    ax.text(*middle, f"{each.correct:.2f}".lstrip("0"), color=colour, **style)
    error = (each.correct_high - each.correct_low) / 2
    place = f"RA of the cell at Dec {each.dec_low_deg:.1f} to {each.dec_high_deg:.1f}"
    names = place, "share detected and correct"
    keep(ax, group, [middle[0]], [each.correct], [error], [each.n], names)
