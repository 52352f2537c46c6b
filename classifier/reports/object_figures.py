"""The summary figure of one object: images, light curve and probabilities.

All that belongs to one image stands in one column. Columns are equally wide within
a night, because images cluster in nights; at the foot, lines lead from the columns to a linear axis
of time. Arrays are (image, row, column),
(image, class) or (image,).
"""

from __future__ import annotations

import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from classifier.photometry.measurement import NJY_ZERO_POINT_MAG
from classifier.reports.object_strip import DAYS, STYLE, axes_in_inches, stamp
from classifier.reports.object_summary import ObjectSummary
from skyreel.report.figures import keep
from skyreel.report.theme import ALERT, DPI, FAINT, INK, PAPER, class_styles

_SHADE = "#7F8A96"
_NIGHT_DAY = 0.4  # a longer pause begins another night
_NIGHT_GAP = 0.3  # columns left free between nights
_LEAST_RANGE = 0.1  # of the flux axis, over the median flux: less would magnify noise
_MAG_STEPS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_STEPS = (1, 2, 5, 10)
_UNITS = (("nJy", 1.0), ("µJy", 1e3), ("mJy", 1e6), ("Jy", 1e9))


def nights_of(day: np.ndarray) -> np.ndarray:
    """Number of the night of every image, from 0; all 0 where no night has two images."""
    night = np.cumsum(np.diff(day, prepend=day[:1]) > _NIGHT_DAY)
    return night if night.size and night[-1] < night.size - 1 else np.zeros_like(night)


def summary_figure(summary: ObjectSummary) -> Figure:
    """The object summary: images, light curve and class probabilities."""
    with matplotlib.style.context(["default", STYLE]):
        drawn = _Summary(summary)
        drawn.head()
        drawn.stamps()
        drawn.light_curve()
        drawn.probabilities()
        drawn.time()
    return drawn.figure


class _Summary:
    """A figure laid out in inches from its lower left corner."""

    WIDTH, LEFT, RIGHT = 10.0, 0.75, 1.45
    FOOT, TIME, CLASSES, CURVE, HEAD = 0.5, 0.6, 1.9, 2.2, 0.68
    GAP, LABEL, LARGEST, PER_ROW, MOST = 0.05, 0.15, 1.1, 11, 33

    def __init__(self, summary):
        self.summary, self.n = summary, summary.day.size
        self.night = nights_of(summary.day)
        self.column = np.arange(self.n) + _NIGHT_GAP * self.night
        self.drawn = np.unique(np.linspace(0, self.n - 1, min(self.n, self.MOST)).round())
        self.drawn = self.drawn.astype(int)
        self.rows = -(-self.drawn.size // self.PER_ROW)
        edge = 0.5 * self.rows
        self.span = (-edge, self.column[-1] + edge)
        self.per_column = self._width / (self.span[1] - self.span[0])
        self.side = self._side()
        self.top = self.FOOT + self.TIME + self.CLASSES + 0.16 + self.CURVE + 0.12
        self.height = self.top + self.rows * (self.side + self.LABEL + self.GAP) + self.HEAD
        self.figure = Figure(figsize=(self.WIDTH, self.height), dpi=DPI)
        FigureCanvasAgg(self.figure)

    @property
    def _width(self):
        return self.WIDTH - self.LEFT - self.RIGHT

    def _side(self):
        """Side of a stamp: a whole number of dots for each pixel, where there is room."""
        apart = [np.diff(self.column[self.drawn[row :: self.rows]]) for row in range(self.rows)]
        room = np.concatenate([*apart, [np.inf]]).min() * self.per_column - self.GAP
        dots, size = int(min(room, self.LARGEST) * DPI), self.summary.sigma.shape[-1]
        return (dots - dots % size if dots >= size else dots) / DPI

    def _axes(self, left, bottom, width, height):
        box = np.round(np.array([left, bottom, width, height]) * DPI) / DPI
        whole = np.array([self.WIDTH, self.height] * 2)
        return self.figure.add_axes(box / whole)

    def _panel(self, bottom, height):
        axes = self._axes(self.LEFT, bottom, self._width, height)
        axes.set_xlim(self.span)
        axes.set_xticks(self.column, [])
        axes.tick_params(axis="x", length=0)
        axes.yaxis.set_label_coords(-0.055, 0.5)
        axes.grid(axis="both", lw=0.5)
        for night in range(1, self.night[-1] + 1, 2):
            of_night = self.column[self.night == night]
            side = (1 + _NIGHT_GAP) / 2
            axes.axvspan(
                of_night[0] - side, of_night[-1] + side, color=_SHADE, alpha=0.12, lw=0, zorder=-1
            )
        return axes

    def _write(self, x, below_top, text, size, **style):
        at = x / self.WIDTH, 1 - below_top / self.height
        return self.figure.text(*at, text, fontsize=size, **style)

    def head(self):
        """The name, the true class and the predicted class."""
        s, right = self.summary, self.WIDTH - self.RIGHT
        predicted, probability = s.classes[s.predicted], s.probabilities[-1, s.predicted]
        wrong = s.true_class not in (None, predicted)
        self._write(self.LEFT, 0.3, s.name, 13, weight="bold")
        self._write(right, 0.3, f"{s.survey}, {s.band} band", 9, color=FAINT, ha="right")
        images = "1 image" if self.n == 1 else f"{self.n} images"
        said = f"predicted after {images}: {predicted} ({probability:.2f})"
        known = "class not known" if s.true_class is None else f"true class: {s.true_class}"
        self._write(self.LEFT, 0.52, f"{known}; {said}", 10, color=ALERT if wrong else INK)

    def stamps(self):
        """The images, all with one stretch, above their columns; rows take turns."""
        s, white, axes = self.summary, self.summary.white_sigma, axes_in_inches(self.figure)
        for k, image in enumerate(self.drawn):
            x = self.LEFT + (self.column[image] - self.span[0]) * self.per_column
            row = self.rows - 1 - k % self.rows
            bottom = self.top + row * (self.side + self.LABEL + self.GAP)
            left, bottom = np.round(np.array([x - self.side / 2, bottom]) * DPI) / DPI
            stamp(axes, s.sigma[image], white, left, bottom, self.side)
            right, above = left + self.side, bottom + self.side + 0.035
            axes.text(left, above, image + 1, weight="bold", fontsize=6)
            days = f"{s.day[image]:.{_digits(s.day)}f} d"
            axes.text(right, above, days, ha="right", fontsize=6)
            self._leader(x, bottom)
        masked = ", masked pixels blue" if np.isnan(s.sigma).any() else ""
        text = f"images: sky-subtracted, asinh, black −2.5σ, white {white:.0f}σ{masked}"
        self._write(self.WIDTH - self.RIGHT, 0.52, text, 7, color=FAINT, ha="right")

    def _leader(self, x, bottom):
        """A line from a stamp to its column."""
        ends = np.array([bottom - 0.02, self.top - 0.12]) / self.height
        line = Line2D([x / self.WIDTH] * 2, ends, color=FAINT, lw=0.6, zorder=-1)
        self.figure.add_artist(line)

    def light_curve(self):
        """Fluxes with their errors, and magnitudes on the right; fluxes below zero have none."""
        s, bottom = self.summary, self.top - 0.12 - self.CURVE
        axes = self._panel(bottom, self.CURVE)
        low, high = _flux_range(s.flux_njy, s.error_njy)
        largest = max(abs(low), abs(high))
        unit, size_njy = next((u for u in reversed(_UNITS) if u[1] <= largest), _UNITS[0])
        flux, error = s.flux_njy / size_njy, s.error_njy / size_njy
        for night in np.unique(self.night):
            at = self.night == night
            axes.plot(self.column[at], flux[at], "-", color=INK, lw=0.7, alpha=0.35)
        keep(axes, "light curve", s.day, flux, error, None, (DAYS, f"{s.band} flux [{unit}]"))
        self._fluxes(axes, flux, error)
        axes.set(ylim=(low / size_njy, high / size_njy), ylabel=f"{s.band} flux [{unit}]")
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=_STEPS))
        if low < 0 < high:
            axes.axhline(0, color=FAINT, lw=0.7, zorder=0)
        self._magnitudes(axes, low, high)

    def _fluxes(self, axes, flux, error):
        s, lost = self.summary, np.isnan(flux)
        for at, face, edge in (
            (~s.saturated & s.detected, INK, INK),
            (~s.saturated & ~s.detected, FAINT, FAINT),
            (s.saturated, PAPER, INK),
        ):
            style = {"fmt": "o", "ms": 4, "mew": 0.8, "elinewidth": 0.9}
            style |= {"mec": edge, "mfc": face, "ecolor": edge}
            axes.errorbar(self.column[at], flux[at], error[at], **style)
        style = {"color": ALERT, "ms": 4.5, "transform": axes.get_xaxis_transform()}
        axes.plot(self.column[lost], np.full(lost.sum(), 0.04), "x", **style)
        notes = {
            "open: saturated": s.saturated.any(),
            "grey: not detected (< 3σ)": (~s.detected & ~s.saturated & ~lost).any(),
            "×: not measured": lost.any(),
        }
        text = "; ".join(note for note, there in notes.items() if there)
        style = {"ha": "right", "va": "top", "fontsize": 7, "color": FAINT}
        axes.text(0.995, 0.97, text, transform=axes.transAxes, **style)

    def _magnitudes(self, axes, low, high):
        right, (fluxes, names) = axes.twinx(), magnitude_ticks(low, high)
        right.set(ylim=(low, high), ylabel="AB magnitude [mag]")
        right.set_yticks(fluxes, names)
        right.spines["right"].set_visible(True)

    def probabilities(self):
        """Class probabilities after every image; the legend gives the last ones."""
        s, styles = self.summary, class_styles(self.summary.classes)
        axes = self._panel(self.FOOT + self.TIME, self.CLASSES)
        axes.set(ylim=(-0.04, 1.04), ylabel="Probability")
        axes.set_xticks(self.column, _some_numbers(self.n))
        axes.set_xlabel("Image", fontsize=7, loc="left", labelpad=-9)
        axes.xaxis.set_label_coords(-0.045, -0.022)
        handles = []
        for k in np.argsort(-s.probabilities[-1], kind="stable"):
            colour, marker = styles[k]
            style = {"color": colour, "marker": marker, "ms": 4.5, "lw": 1.3, "mec": PAPER}
            wanted = s.classes[k] == s.true_class
            axes.plot(
                self.column,
                s.probabilities[:, k],
                **style,
                mew=0.3,
                clip_on=False,
                zorder=4 if wanted else 3,
            )
            names = (DAYS, "Probability")
            keep(axes, s.classes[k], s.day, s.probabilities[:, k], quantities=names)
            label = f"{s.classes[k]} {s.probabilities[-1, k]:.2f}{' true' if wanted else ''}"
            handles.append(Line2D([], [], label=label, **style, mew=0))
        legend = axes.legend(
            handles=handles,
            loc="center left",
            bbox_to_anchor=(1.01, 0.5),
            handlelength=1.4,
            labelspacing=0.35,
        )
        for text in legend.get_texts():
            text.set_weight("bold" if text.get_text().endswith(" true") else "normal")

    def time(self):
        """Lines from the columns to when the images were taken, on a linear axis."""
        axes = self._axes(self.LEFT, self.FOOT, self._width, self.TIME - 0.17)
        day, last = self.summary.day, float(self.summary.day[-1]) or 1.0
        low, high = -0.03 * last, 1.03 * last
        fraction = (self.column - self.span[0]) / (self.span[1] - self.span[0])
        starts = np.stack([low + (high - low) * fraction, np.ones(self.n)], axis=1)
        ends = np.stack([day, np.zeros(self.n)], axis=1)
        axes.add_collection(LineCollection(np.stack([starts, ends], axis=1), colors=FAINT, lw=0.6))
        axes.set(xlim=(low, high), ylim=(0, 1), yticks=[], xlabel=DAYS)
        axes.xaxis.set_major_locator(MaxNLocator(10, steps=_STEPS))
        axes.spines["left"].set_visible(False)


def _digits(day):
    return 2 if day[-1] < 100 else 1


def _some_numbers(n):
    step = -(-n // 40)
    return [str(k) if k % step == 0 or k == 1 else "" for k in range(1, n + 1)]


def _flux_range(flux_njy, error_njy):
    """(low, high) of the flux axis, nJy; a few far larger errors run out of it."""
    known = np.isfinite(flux_njy) & np.isfinite(error_njy)
    if not known.any():
        return 0.0, 1.0
    flux, error = flux_njy[known], error_njy[known]
    error = np.minimum(error, 3 * np.median(error))
    low, high = (flux - error).min(), (flux + error).max()
    room = 0.12 * (high - low) + max(_LEAST_RANGE * abs(np.median(flux)) - (high - low), 0) / 2
    return float(low - room), float(high + room)


def magnitude_ticks(low_njy: float, high_njy: float) -> tuple[list[float], list[str]]:
    """(fluxes in nJy, their AB magnitudes as text) within a range of fluxes, well apart."""
    if high_njy <= 0:
        return [], []
    floor = max(low_njy, 0.04 * high_njy)
    bright, faint = (NJY_ZERO_POINT_MAG - 2.5 * np.log10(f) for f in (high_njy, floor))
    step = next((s for s in _MAG_STEPS if (faint - bright) / s < 7), _MAG_STEPS[-1])
    marks = np.arange(np.ceil(bright / step), np.floor(faint / step) + 1) * step
    fluxes = 10 ** (0.4 * (NJY_ZERO_POINT_MAG - marks))
    kept, least = [], 0.08 * (high_njy - low_njy)
    for k, flux in enumerate(fluxes):
        if not kept or fluxes[kept[-1]] - flux >= least:
            kept.append(k)
    digits = 0 if step >= 1 else 1 if step >= 0.1 else 2
    return [float(fluxes[k]) for k in kept], [f"{marks[k]:.{digits}f}" for k in kept]
