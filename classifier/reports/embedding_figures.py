"""Figures of embeddings: positions of objects, coloured by class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from skyreel.report.figures import panels, scatter, styled
from skyreel.report.theme import FAINT, FRAME, class_styles


@styled
def embeddings(figure: Figure, by_model: Mapping[str, tuple]) -> None:
    """Positions of objects in the embedding of every model, coloured by class.

    What is drawn of a model is (position (object, 2) or None, label (object,), classes).
    """
    for axes, (name, (position, label, classes)) in zip(
        panels(figure, len(by_model), most=3, width=3.2, height=3.3, shared=False),
        by_model.items(),
        strict=True,
    ):
        bare(axes)
        axes.set_title(name if len(by_model) > 1 else "")
        if position is None:
            style = {"ha": "center", "color": FAINT, "transform": axes.transAxes}
            axes.text(0.5, 0.5, "too few objects, or all are the same", **style)
            continue
        axes.autoscale(True)
        for k in np.unique(label):
            colour = class_styles(classes)[k][0]
            style = {"s": 5, "lw": 0, "alpha": 0.75, "color": colour}
            scatter(axes, *position[label == k].T, label=classes[k], **style)
    class_legend(figure, classes, np.unique(label))


def bare(axes: Axes) -> None:
    """Axes of an embedding, which have no unit: a frame, no ticks."""
    axes.set(xticks=[], yticks=[], box_aspect=1)
    axes.set(xlabel="t-SNE 1 [arbitrary unit]", ylabel="t-SNE 2 [arbitrary unit]")
    axes.spines[:].set(visible=True, color=FRAME)


def class_legend(
    figure: Figure, classes: Sequence[str], present: Iterable[int], extra: Sequence[Line2D] = ()
) -> None:
    """The colours of classes below a figure."""
    style = {"ls": "", "marker": "o", "ms": 5}
    colours = [class_styles(classes)[k][0] for k in present]
    marks = [
        Line2D([], [], color=c, label=classes[k], **style)
        for c, k in zip(colours, present, strict=True)
    ]
    handles = [*marks, *extra]
    style = {"ncols": min(9, len(handles)), "handletextpad": 0.1, "columnspacing": 1.2}
    figure.legend(handles=handles, loc="outside lower center", **style)
