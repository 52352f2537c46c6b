"""How plots of models look: one style, and everywhere the same colour for a model or a class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import cycle
from textwrap import fill

import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator

from classifier.evaluation.evaluation import Evaluation
from simulator.lightcurves import DEFAULT_CLASSES
from simulator.preview.style import ALERT, BAND_STYLES, INK

DPI = 200
FONTS = ("Source Sans 3", "Helvetica Neue", "Helvetica", "Arial", "Liberation Sans", "DejaVu Sans")
STYLE = {
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.titlesize": 9,
    "legend.fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
    "text.usetex": False,
    "font.sans-serif": FONTS,
}
MODEL_LOOKS = tuple(BAND_STYLES.values())
GRID = "#E6E6E6"
_LOOKS = (*BAND_STYLES.values(), (ALERT, "v"), ("#56B4E9", "X"))
_LETTERS_PER_INCH = 12  # of a title
Evaluations = Mapping[str, Evaluation]


def styled(draw: Callable) -> Callable[..., Figure]:
    """The plot ``draw(figure, by_model)`` in this style, as a function of ``by_model``.

    ``by_model`` maps names of models to what is drawn of them; one name alone is the title.
    """

    def drawn(by_model: Mapping) -> Figure:
        by_model = {literal(name): what for name, what in by_model.items()}
        with matplotlib.style.context(["default", STYLE]):
            figure = Figure(layout="constrained", dpi=DPI)
            FigureCanvasAgg(figure)
            draw(figure, by_model)
            if len(by_model) == 1:
                width = int(_LETTERS_PER_INCH * figure.get_figwidth())
                figure.suptitle(fill(next(iter(by_model)), width), fontsize=10)
            figure.canvas.draw()
        return figure

    drawn.__doc__ = draw.__doc__
    return drawn


def models(by_model: Mapping):
    """(name, what is drawn of it, colour, marker) of every model."""
    for (name, what), (colour, marker) in zip(by_model.items(), cycle(MODEL_LOOKS), strict=False):
        yield name, what, colour, marker


def class_looks(classes) -> list[tuple[str, str]]:
    """(colour, marker) of every class; a class that can be simulated has its own everywhere."""
    spare = cycle(_LOOKS[len(DEFAULT_CLASSES) :] + _LOOKS)
    known = dict(zip(DEFAULT_CLASSES, _LOOKS, strict=False))
    return [known.get(name) or next(spare) for name in classes]


def literal(name: str) -> str:
    """The name with its dollars, which would start a formula, made harmless."""
    return name.replace("$", r"\$")


def image_ticks(axes, longest: int, most: int = 6) -> None:
    """Ticks of a number of images: 1, and round numbers after it."""
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, longest) if longest / s < most)
    round_numbers = np.arange(step, longest + 1, step)
    axes.xaxis.set_major_locator(FixedLocator(np.unique([1, *round_numbers])))
    axes.set_xlim(0, longest + 0.8)


def score_ticks(axes) -> None:
    """Ticks of a score, at round numbers."""
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))


def side_by_side(n: int, width: float) -> np.ndarray:
    """Offsets of ``n`` models around a common place, within ``width`` of it."""
    return np.zeros(1) if n == 1 else np.linspace(-width, width, n)
