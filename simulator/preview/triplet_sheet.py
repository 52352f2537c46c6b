"""A contact sheet of planes: science, template and difference of a few epochs of every class."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simulator.detector.defects import OUTSIDE
from simulator.preview.examples import BLACK_SIGMA, chosen_examples, shown_epochs
from simulator.preview.picture_file import check_writable, write_picture
from skyreel.report.theme import ALERT, FAINT, INK, band_styles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from simulator.preview.examples import Example
    from simulator.sequences import Sequences

EPOCHS = 3  # of every object
_DPI, _GAP_INCH, _HEAD_INCH, _LABEL_INCH, _NAME_INCH = 150, 0.06, 0.75, 0.3, 0.95
_STAMP_PIX = 126  # of a stamp in the picture, about: pixels are enlarged by a whole factor
_BLOCK_GAP_INCH = 0.22  # between epochs
_SOFTENING_SIGMA = 3.0
_DIFFERENCE_SIGMA = 10.0  # black and white of a difference, at least


def triplet_sheet(
    sequences: Sequences,
    classes: Sequence[str],
    bands: Sequence[str],
    path: str | Path,
    *,
    title: str = "",
) -> None:
    """Write a PNG with one object of every class, and its planes side by side at three epochs.

    Parameters
    ----------
    sequences : simulator.Sequences
        With planes.
    classes, bands : sequences of str
        Names that ``label`` and ``band`` count.
    path : path
    title : str
        Usually the survey.

    Raises
    ------
    SimulationError
        No object to draw, or a path that cannot be written.
    """
    check_writable(path)
    figure = triplet_figure(chosen_examples(sequences, classes, bands, 1), bands, title)
    image = BytesIO()
    figure.savefig(image, format="png", dpi=_DPI)
    write_picture(path, image)


def triplet_figure(objects: Sequence[Example], bands: Sequence[str], title: str) -> Figure:
    """The sheet as a figure: rows of objects, columns of epochs and planes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    planes = ("science", *(p for p in ("template", "difference") if p in objects[0].planes))
    size = objects[0].mask.shape[-1]
    stamp = max(round(_STAMP_PIX / size), 1) * size / _DPI
    pitch = stamp + _GAP_INCH
    block = len(planes) * pitch + _BLOCK_GAP_INCH
    width = _NAME_INCH + EPOCHS * block
    height = _HEAD_INCH + len(objects) * (stamp + _LABEL_INCH) + 0.1
    figure = Figure(figsize=(width, height), dpi=_DPI)
    FigureCanvasAgg(figure)
    write = _Writer(figure, width, height)
    write(0.15, 0.3, title or "Simulated sequences", size=12, weight="bold")
    about = "science and template: asinh of signal-to-noise; difference: linear, white is brighter"
    write(0.15, 0.52, about, size=7, colour=FAINT)
    styles = band_styles(bands)
    for row, obj in enumerate(objects):
        top = _HEAD_INCH + row * (stamp + _LABEL_INCH) + _LABEL_INCH
        letters = min(11, 60 / len(obj.name))
        write(0.15, top + stamp / 2, obj.name, size=letters, weight="bold")
        for k, epoch in enumerate(shown_epochs(obj.n_epochs, EPOCHS, obj.wanted())):
            left = _NAME_INCH + k * block
            _label(write, obj, int(epoch), (left, top, pitch), planes, styles)
            for m, plane in enumerate(planes):
                box = (left + m * pitch) / width, 1 - (top + stamp) / height
                axes = figure.add_axes((*box, stamp / width, stamp / height))
                _draw(axes, obj, int(epoch), plane)
    return figure


class _Writer:
    """Writes text at inches from the left and from the top."""

    def __init__(self, figure, width, height):
        self._figure, self._width, self._height = figure, width, height

    def __call__(self, x, y_down, text, *, size=7.0, weight="normal", colour=INK, align="left"):
        place = x / self._width, 1 - y_down / self._height
        style = {"fontsize": size, "weight": weight, "color": colour, "ha": align}
        self._figure.text(*place, text, va="baseline", **style)


def _label(write, obj, epoch, place, planes, styles):
    """Band and day above the first stamp, names of the planes, and what was detected."""
    left, top, pitch = place
    band, day = obj.label(epoch)
    y = top - 0.06
    write(left, y, band, weight="bold", colour=styles[band][0])
    write(left + 0.16, y, day)
    for m, plane in enumerate(planes[1:], start=1):
        text, colour = plane, FAINT
        if plane == "difference" and obj.epochs["difference_detected"][epoch]:
            text = f"difference, S/N {obj.epochs['difference_signal_to_noise'][epoch]:.0f}"
            colour = ALERT
        write(left + m * pitch, y, text, colour=colour)


def _draw(axes, obj, epoch, plane):
    axes.set(xticks=[], yticks=[])
    values, low, high = _stretched(obj, epoch, plane)
    axes.imshow(values, vmin=low, vmax=high, cmap="gray", origin="lower", interpolation="nearest")


def _stretched(obj, epoch, plane):
    """Values of a stamp as they are drawn, and those drawn black and white; NaN where missing."""
    if plane == "science":
        sigma, mask = obj.sigma[epoch], obj.mask[epoch]
    else:
        noise, mask = obj.planes[f"{plane}_noise_adu"][epoch], obj.planes[f"{plane}_mask"][epoch]
        sigma = np.divide(
            obj.planes[plane][epoch], noise, where=noise > 0, out=np.zeros(noise.shape)
        )
    good = mask == 0
    if plane == "difference":
        near = np.abs(sigma[good]) if good.any() else np.zeros(1)
        most = max(float(near.max()), _DIFFERENCE_SIGMA)
        return np.where(mask & OUTSIDE, np.nan, sigma), -most, most
    largest = max(float(sigma[good].max()) if good.any() else 0.0, 15.0)
    low, high = np.arcsinh(np.array([BLACK_SIGMA, largest]) / _SOFTENING_SIGMA)
    return np.where(mask & OUTSIDE, np.nan, np.arcsinh(sigma / _SOFTENING_SIGMA)), low, high
