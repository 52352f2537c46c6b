"""Plots of a few-shot report; a contender has one colour in all of them.

Bands and bars are the scatter of one draw or, where there is one draw only, the error that the
number of objects gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle

import numpy as np
from matplotlib.lines import Line2D

from classifier.evaluation.embedding import tsne
from classifier.reports.evaluation_figures import trim
from classifier.reports.plot_style import (
    GRID,
    MODEL_LOOKS,
    class_looks,
    image_ticks,
    score_ticks,
    side_by_side,
    styled,
)
from finetune.reports.few_shot_scores import Score
from simulator.preview.style import FAINT, INK
from skyreel.atomic_files import read_arrays
from skyreel.errors import FinetuneError

_BEFORE = (0, (4, 2))  # dashes
_HEADROOM = 1.01
_BEYOND_ONE = 1.01  # a stretched axis of recall would end there
_TICKS = (0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.94, 0.96, 0.98, 1)


def looks(methods) -> dict[str, tuple[str, str]]:
    """(colour, marker) of every contender."""
    return dict(zip(methods, cycle(MODEL_LOOKS), strict=False))


def learning_curves(methods, scores: Mapping[str, Mapping[int, Score]], draws: Mapping):
    """Mean recall by real labels per class.

    ``scores`` are by method and number of labels, ``draws`` the same with the value of every
    draw. What is known without any label stands at the left, and its line goes on.
    """
    return _learning_curves({"": (looks(methods), scores, draws)})


@styled
def _learning_curves(figure, only):
    (look, scores, draws) = only[""]
    figure.set_size_inches(6.2, 3.9)
    axes = figure.add_subplot()
    sizes = sorted({k for of in scores.values() for k in of})
    place = {
        k: float(np.log2(k)) if k else np.log2(min([s for s in sizes if s] or [1])) - 1.3
        for k in sizes
    }
    offsets = side_by_side(len(scores), 0.1)
    for offset, (name, of) in zip(offsets, scores.items(), strict=True):
        colour, marker = look[name]
        taught = [k for k in of if k]
        x = np.array([place[k] for k in taught]) + offset
        y, error = np.array([of[k].value for k in taught]), [_bar(of[k]) for k in taught]
        axes.errorbar(x, y, error, fmt=f"{marker}-", color=colour, label=name, elinewidth=1.1)
        for k in taught:
            there = np.full(len(draws[name][k]), place[k] + offset + 0.06)
            axes.plot(there, draws[name][k], ".", ms=4, mew=0, color=colour, alpha=0.5)
        if 0 in of:
            axes.axhline(of[0].value, color=colour, lw=0.8, ls=_BEFORE, zorder=0)
            axes.errorbar(
                place[0] + offset,
                of[0].value,
                _bar(of[0]),
                fmt=marker,
                color=colour,
                elinewidth=1.1,
                label=None if taught else name,
            )
    axes.set_xticks(list(place.values()), [str(k) if k else "none" for k in place])
    axes.set(xlabel="Real labels per class", ylabel="Mean recall")
    _stretch(axes, min(min(values) for of in draws.values() for values in of.values()))
    _legend(figure, axes)


def recall_by_images(methods, curves: Mapping[str, Mapping], images, panels):
    """Mean recall and recall of every class by number of images, before (dashed) and after.

    ``curves`` are by contender and "before" or "after": (value, error), each (panel, image).
    """
    return _recall_by_images({"": (looks(methods), curves, np.asarray(images), panels)})


@styled
def _recall_by_images(figure, only):
    look, curves, images, panels = only[""]
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure.set_size_inches(2.5 * columns + 0.6, 2.1 * rows + 0.8)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for place, (axes, panel) in enumerate(zip(grid, panels, strict=False)):
        for name, of in curves.items():
            for when, (value, error) in of.items():
                style = {"ls": _BEFORE, "lw": 1.1} if when == "before" else {"ls": "-"}
                axes.plot(
                    images,
                    value[place],
                    color=look[name][0],
                    label=f"{name}, {when}",
                    marker="o" if images.size == 1 else None,
                    **style,
                )
                if when == "after":
                    low, high = value[place] - error[place], value[place] + error[place]
                    axes.fill_between(
                        images, low, np.minimum(high, 1), color=look[name][0], alpha=0.18, lw=0
                    )
        axes.set_title(panel, weight="bold")
        axes.set_ylim(-0.02, 1.02)
        _grid(axes)
        image_ticks(axes, int(images[-1]))
    trim(grid, len(panels), columns)
    figure.supxlabel("Number of images", fontsize=9)
    figure.supylabel("Recall", fontsize=9)
    _legend(figure, grid[0])


def shared_magnitudes(methods, scores: Mapping, bins):
    """Mean recall in the bins of ``magnitudes.Bin``; ``scores`` are by contender, in order."""
    return _shared_magnitudes({"": (looks(methods), scores, bins)})


@styled
def _shared_magnitudes(figure, only):
    look, scores, bins = only[""]
    figure.set_size_inches(max(3.6, 1.1 * len(bins) + 1.2), 3.0)
    axes, centre = figure.add_subplot(), np.arange(len(bins))
    offsets = side_by_side(len(scores), 0.22)
    for offset, (name, of) in zip(offsets, scores.items(), strict=True):
        at = [k for k, score in enumerate(of) if score is not None]
        value, error = [of[k].value for k in at], [of[k].error for k in at]
        axes.errorbar(
            centre[at] + offset,
            value,
            np.nan_to_num(error),
            fmt=look[name][1],
            color=look[name][0],
            label=name,
            elinewidth=1.2,
        )
    axes.set_xticks(centre, [name for name, _ in bins])
    axes.set(xlabel="Median observed magnitude [mag], and classes counted", ylabel="Mean recall")
    axes.set_xlim(-0.5, len(bins) - 0.5)
    axes.set_ylim(top=_HEADROOM)
    _grid(axes)
    _legend(figure, axes)


def joint_embedding(position, label, real, classes):
    """Simulated (small) and real (ringed) sequences at positions (object, 2) on one map.

    ``label`` (object,) are numbers of ``classes``, ``real`` (object,) tells which are real.
    """
    return _joint_embedding({"": (position, np.asarray(label), np.asarray(real), classes)})


@styled
def _joint_embedding(figure, only):
    position, label, real, classes = only[""]
    figure.set_size_inches(5.6, 5.2)
    axes = figure.add_subplot()
    axes.set(xticks=[], yticks=[], box_aspect=1)
    axes.spines[:].set(visible=True, color="#CCCCCC")
    for k, (colour, _) in enumerate(class_looks(classes)):
        style = {"color": colour, "rasterized": True}
        axes.scatter(*position[(label == k) & ~real].T, s=5, lw=0, alpha=0.45, **style)
        axes.scatter(
            *position[(label == k) & real].T, s=22, lw=0.7, edgecolor=INK, zorder=3, **style
        )
    marks = [
        Line2D([], [], ls="", marker="o", ms=5, color=class_looks(classes)[k][0], label=classes[k])
        for k in np.unique(label[label >= 0])
    ]
    style = {"ls": "", "marker": "o", "color": FAINT}
    marks.append(Line2D([], [], ms=5, mec=INK, mew=0.7, label="real", **style))
    marks.append(Line2D([], [], ms=2.5, label="simulated", **style))
    figure.legend(
        handles=marks,
        loc="outside lower center",
        ncols=min(9, len(marks)),
        handletextpad=0.1,
        columnspacing=1.2,
    )


def _stretch(axes, lowest):
    """An axis of recall from about ``lowest`` to 1 on which equal ratios of errors are as far."""
    axes.set_yscale(
        "function",
        functions=(
            lambda y: -np.log10(np.maximum(_BEYOND_ONE - y, 1e-6)),
            lambda v: _BEYOND_ONE - 10.0**-v,
        ),
    )
    bottom = max(lowest - 0.1 * (1 - lowest) - 0.01, 0.0)
    ticks = [tick for tick in _TICKS if tick >= bottom]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_ylim(bottom, 1.002)
    axes.grid(axis="y", color=GRID, lw=0.6)
    axes.set_axisbelow(True)


def _bar(score):
    error = score.over_draws if np.isfinite(score.over_draws) else score.error
    return error if np.isfinite(error) else 0.0


def _grid(axes):
    score_ticks(axes)
    axes.grid(axis="y", color=GRID, lw=0.6)
    axes.set_axisbelow(True)


def _legend(figure, axes):
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=min(4, len(labels)))


ARRAYS = ("simulated", "simulated_label", "real", "real_label")


def read_states(path) -> dict[str, np.ndarray]:
    """The arrays ``simulated`` and ``real`` (object, unit) with the labels of each.

    Raises
    ------
    ClassifierError
        The file is damaged.
    FinetuneError
        Arrays are missing or do not fit together.
    """
    found = read_arrays(path, "Run finetune again.")
    missing = [name for name in ARRAYS if name not in found]
    fits = not missing and all(
        found[of].ndim == 2
        and found[f"{of}_label"].shape == found[of].shape[:1]
        and found[of].shape[1] == found["real"].shape[1]
        for of in ("simulated", "real")
    )
    if not fits:
        raise FinetuneError(
            f"{path}: {', '.join(ARRAYS)} are needed, with one label for each row of as many "
            "columns."
        )
    return found


def laid_out(states: dict[str, np.ndarray], classes) -> tuple | None:
    """(position, label, real, classes) of all sequences; None where t-SNE makes no map of them.

    Columns are scaled by their scatter among the simulated sequences.
    """
    simulated, real = (states[name].astype(float) for name in ("simulated", "real"))
    scale = np.maximum(simulated.std(axis=0), 1e-9) if len(simulated) else 1.0
    position = tsne(np.concatenate([simulated, real]) / scale)
    if position is None:
        return None
    label = np.concatenate([states["simulated_label"], states["real_label"]]).astype(int)
    return position, label, np.arange(len(label)) >= len(simulated), tuple(classes)
