"""Figures of a few-shot report; a method has one colour in all of them.

Bands and bars are the standard deviation of one draw or, where there is one draw only, the standard
error that the number of objects gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from classifier.evaluation.embedding import tsne
from classifier.reports.embedding_figures import bare, class_legend
from classifier.reports.evaluation_figures import MAGNITUDE
from finetune.reports.few_shot_scores import Score
from skyreel.atomic_files import read_arrays
from skyreel.errors import FinetuneError
from skyreel.report.figures import (
    image_axis,
    keep,
    legend,
    line,
    panels,
    points,
    scatter,
    score_axis,
    side_by_side,
    styled,
)
from skyreel.report.theme import FAINT, INK, class_styles, model_styles

_DASHES = (0, (4, 2))
_BEYOND_ONE = 1.01  # a stretched axis of recall would end there
_TICKS = (0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.94, 0.96, 0.98, 1)
Scores = Mapping[str, Mapping[int, Score]]


@styled
def learning_curves(figure: Figure, scores: Scores, draws: Mapping) -> None:
    """Mean recall by real labels per class.

    ``scores`` are by method and number of labels, ``draws`` the same with the value of every
    draw. Scores without any label stand at the left, and a dashed line continues them.
    """
    figure.set_size_inches(6.6, 4.0)
    axes = figure.add_subplot()
    sizes = sorted({k for of in scores.values() for k in of})
    least = min([s for s in sizes if s] or [1])
    place = {k: float(np.log2(k)) if k else float(np.log2(least)) - 1.3 for k in sizes}
    offsets, styles = side_by_side(len(scores), 0.1), model_styles(scores)
    for offset, (name, of) in zip(offsets, scores.items(), strict=True):
        colour, marker = styles[name]
        value, error = [of[k].value for k in of], [_bar(of[k]) for k in of]
        known = [place[k] + offset for k in of]
        joined = np.array([*of])[:-1] > 0
        style = {"color": colour, "marker": marker, "label": name}
        points(axes, [*of], value, error, place=known, joined=joined, **style)
        for k, score in of.items():
            if k == 0:
                axes.axhline(score.value, color=colour, lw=0.8, ls=_DASHES, zorder=0)
                continue
            x = np.full(len(draws[name][k]), place[k] + offset + 0.06)
            axes.plot(x, draws[name][k], ".", ms=4, mew=0, color=colour, alpha=0.5)
            keep(axes, f"{name}, every draw", np.full(x.size, k), draws[name][k])
    axes.set_xticks(list(place.values()), [str(k) if k else "none" for k in place])
    axes.set(xlabel="Real labels per class", ylabel="Mean recall")
    _stretch(axes, min(min(values) for of in draws.values() for values in of.values()))
    legend(figure, axes)


@styled
def recall_by_images(
    figure: Figure, methods: Sequence[str], curves: Mapping, images: np.ndarray, titles: list[str]
) -> None:
    """Mean recall and recall of every class by number of images, before (dashed) and after.

    ``curves`` are by method and "before" or "after": (value, error), each (panel, image).
    """
    styles = model_styles(methods)
    grid = panels(figure, len(titles), most=3, width=2.5, height=2.1)
    for place, (axes, title) in enumerate(zip(grid, titles, strict=True)):
        for name, of in curves.items():
            for when, (value, error) in of.items():
                style = {"color": styles[name][0], "label": f"{name}, {when}"}
                if when == "before":
                    line(axes, images, value[place], ls=_DASHES, lw=1.1, **style)
                else:
                    line(axes, images, value[place], error[place], **style)
        axes.set_title(title, weight="bold")
        axes.set_ylim(-0.02, 1.02)
        score_axis(axes)
        image_axis(axes, int(images[-1]))
    figure.supxlabel("Number of images", fontsize=9)
    figure.supylabel("Recall", fontsize=9)
    legend(figure, grid[0])


@styled
def matched_magnitudes(figure: Figure, scores: Mapping, names: Sequence[str]) -> None:
    """Mean recall in bins of magnitude; ``scores`` are by method, in the order of the bins."""
    figure.set_size_inches(max(3.6, 1.1 * len(names) + 1.2), 3.2)
    axes, centre, styles = figure.add_subplot(), np.arange(len(names)), model_styles(scores)
    for offset, (name, of) in zip(side_by_side(len(scores), 0.22), scores.items(), strict=True):
        at = [k for k, score in enumerate(of) if score is not None]
        value, error = [of[k].value for k in at], [of[k].error for k in at]
        style = {"color": styles[name][0], "marker": styles[name][1], "label": name}
        titles = [names[k].replace("\n", ": ") for k in at]
        points(axes, titles, value, error, place=centre[at] + offset, **style)
    axes.set_xticks(centre, names)
    axes.set(xlabel=f"{MAGNITUDE}, and classes", ylabel="Mean recall")
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(top=1.01)
    score_axis(axes)
    legend(figure, axes)


@styled
def joint_embedding(
    figure: Figure,
    position: np.ndarray,
    label: np.ndarray,
    real: np.ndarray,
    classes: Sequence[str],
) -> None:
    """Simulated (small) and real (ringed) sequences at positions (object, 2) in one embedding.

    ``label`` (object,) are numbers of ``classes``; ``real`` (object,) is bool.
    """
    figure.set_size_inches(5.8, 5.6)
    axes = figure.add_subplot()
    bare(axes)
    for k, (colour, _) in enumerate(class_styles(classes)):
        for these, what, style in (
            (~real, "simulated", {"s": 5, "lw": 0, "alpha": 0.45}),
            (real, "real", {"s": 22, "lw": 0.7, "edgecolor": INK, "zorder": 3}),
        ):
            x, y = position[(label == k) & these].T
            if x.size:
                scatter(axes, x, y, label=f"{classes[k]}, {what}", color=colour, **style)
    style = {"ls": "", "marker": "o", "color": FAINT}
    extra = [
        Line2D([], [], ms=5, mec=INK, mew=0.7, label="real", **style),
        Line2D([], [], ms=2.5, label="simulated", **style),
    ]
    class_legend(figure, classes, np.unique(label[label >= 0]), extra)


def _stretch(axes: Axes, lowest: float) -> None:
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
    axes.grid(axis="y")


def _bar(score):
    error = score.over_draws if np.isfinite(score.over_draws) else score.error
    return error if np.isfinite(error) else 0.0


ARRAYS = ("simulated", "simulated_label", "real", "real_label")


def read_states(path: str | Path) -> dict[str, np.ndarray]:
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
        and found[of].dtype.kind == "f"
        and np.isfinite(found[of]).all()
        and found[f"{of}_label"].dtype.kind in "iu"
        and found[f"{of}_label"].shape == found[of].shape[:1]
        and found[f"{of}_label"].min(initial=0) >= 0
        and found[of].shape[1] == found["real"].shape[1]
        for of in ("simulated", "real")
    )
    if not fits:
        raise FinetuneError(
            f"{path}: {', '.join(ARRAYS)} are needed, with one label for each row of as many "
            "columns of finite numbers. Run finetune again."
        )
    return found


def laid_out(states: Mapping[str, np.ndarray], classes: Sequence[str]) -> tuple | None:
    """(position, label, real, classes) of all sequences; None where t-SNE makes no map of them.

    Columns are scaled by their scatter among the simulated sequences.
    """
    simulated, real = (states[name].astype(float) for name in ("simulated", "real"))
    scale = np.maximum(simulated.std(axis=0), 1e-9) if len(simulated) else 1.0
    position = tsne(np.concatenate([simulated, real]) / scale)
    if position is None:
        return None
    label = np.concatenate([states["simulated_label"], states["real_label"]]).astype(int)
    if label.max(initial=0) >= len(classes):
        raise FinetuneError(
            f"hidden states: label {label.max()}, with {len(classes)} classes. Run finetune again."
        )
    return position, label, np.arange(len(label)) >= len(simulated), tuple(classes)
