"""A contact sheet: rows of classes, columns of epochs, and the light curve beside them.

Everything is placed in output pixels, and stamps are enlarged by whole factors, so a pixel of
the detector is a square of pixels in the picture. Row 0 of a stamp is at the bottom.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.detector.defects import MASK_BITS
from simulator.preview.examples import BLACK_SIGMA, MIN_SIDE_PIX, chosen_examples, shown_epochs
from simulator.preview.picture_file import check_writable, write_picture
from skyreel.report.theme import ALERT, FAINT, INK, MASK_COLOURS, band_styles

if TYPE_CHECKING:
    from matplotlib.text import Text

    from simulator.preview.examples import Example
    from simulator.sequences import Sequences

COLUMNS = 10  # epochs on a contact sheet


def contact_sheet(
    sequences: Sequences,
    classes: Sequence[str],
    bands: Sequence[str],
    path: str | Path,
    *,
    rows_per_class: int = 1,
    title: str = "",
) -> None:
    """Write a PNG with rows of classes, columns of epochs, and the light curve beside them.

    Parameters
    ----------
    sequences : simulator.simulator.Sequences
    classes, bands : sequences of str
        Names that ``label`` and ``band`` count.
    path : path
    rows_per_class : int
    title : str
        Usually the survey.

    Raises
    ------
    SimulationError
        No object to draw, or a path that cannot be written.
    """
    check_writable(path)
    objects = chosen_examples(sequences, classes, bands, rows_per_class)
    sheet = Sheet(objects, bands)
    sheet.head(title, list(dict.fromkeys(o.name for o in objects)))
    for row, obj in enumerate(objects):
        shown = shown_epochs(obj.n_epochs, COLUMNS, obj.wanted())
        sheet.stamps(row, obj, shown)
        sheet.light_curve(row, obj, shown)
    sheet.key()
    image = BytesIO()
    sheet.figure.savefig(image, format="png", dpi=Sheet.DPI)
    write_picture(path, image)


class Sheet:
    """A figure of rows of stamps, each with a light curve on its right; lengths in pixels."""

    DPI = 150
    EDGE, LEFT, GAP, HEAD, FOOT = 28, 150, 12, 134, 84
    LABEL, BELOW, CURVE_GAP, RIGHT = 26, 40, 84, 28
    MIN_WIDTH, CURVE = 1300, 520

    def __init__(self, objects: list[Example], bands: Sequence[str]) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        size = objects[0].mask.shape[-1]
        columns = min(COLUMNS, max(o.n_epochs for o in objects))
        self.factor = -(-MIN_SIDE_PIX // size)
        self.side = self.factor * size
        self.pitch = self.LABEL + self.side + self.BELOW
        self.curve_x = self.LEFT + columns * (self.side + self.GAP) + self.CURVE_GAP
        self.width = max(self.MIN_WIDTH, self.curve_x + self.CURVE + self.RIGHT)
        self.height = self.HEAD + len(objects) * self.pitch + self.FOOT
        self.figure = Figure(figsize=(self.width / self.DPI, self.height / self.DPI), dpi=self.DPI)
        FigureCanvasAgg(self.figure)
        self.styles = band_styles(bands)
        self.seen_bands, self.seen_bits = set(), 0

    def write(self, x: float, y_down: float, text: str, size: float = 8.0, **style: Any) -> Text:
        """Text at pixels from the left and from the top."""
        style = {"color": INK, "va": "baseline", "transform": None} | style
        return self.figure.text(x, self.height - y_down, text, fontsize=size, **style)

    def head(self, title: str, names: Sequence[str]) -> None:
        self.write(self.EDGE, 46, title or "Simulated sequences", 14, weight="bold")
        self.write(self.EDGE, 78, "  ".join(names), 10, color=FAINT)
        black = f"black −{-BLACK_SIGMA:g}σ of the sky"
        stretch = f"stamps: sky subtracted, asinh, {black}, white as under each name"
        self.write(self.width - self.RIGHT, 78, stretch, 7.5, color=FAINT, ha="right")
        above = self.HEAD - 12
        self.write(self.LEFT, above, "band", 7.5, color=FAINT)
        self.write(self.LEFT + self.side, above, "day", 7.5, color=FAINT, ha="right")
        self.write(self.curve_x, above, "true AB magnitude against day", 7.5, color=FAINT)
        self.write(
            self.width - self.RIGHT, above, "ticks: epochs shown", 7.5, color=FAINT, ha="right"
        )

    def stamps(self, row: int, obj: Example, shown: np.ndarray) -> None:
        white = obj.white_sigma(shown)
        top = self.HEAD + row * self.pitch
        middle = top + self.LABEL + self.side / 2
        self.write(self.EDGE, middle, obj.name, min(13, 78 / len(obj.name)), weight="bold")
        self.write(self.EDGE, middle + 24, f"white {white:.0f}σ", 7, color=FAINT)
        for column, epoch in enumerate(shown):
            x = self.LEFT + column * (self.side + self.GAP)
            bottom = self.height - top - self.LABEL - self.side
            self.figure.figimage(obj.picture(epoch, white, self.factor), x, bottom, origin="upper")
            band, day = obj.label(epoch)
            self.seen_bits |= int(np.bitwise_or.reduce(obj.mask[epoch], axis=None))
            label_y = top + self.LABEL - 7
            self.write(x, label_y, band, 8, weight="bold", color=self.styles[band][0])
            self.write(x + self.side, label_y, day, 7.5, ha="right")
            if epoch == obj.alert:
                self._frame(x, bottom)
                self.write(
                    x + self.side / 2,
                    top + self.LABEL + self.side + 23,
                    "alert",
                    7.5,
                    ha="center",
                    color=ALERT,
                    weight="bold",
                )

    def _frame(self, x, bottom):
        from matplotlib.patches import Rectangle

        frame = Rectangle(
            (x - 2.5, bottom - 2.5),
            self.side + 5,
            self.side + 5,
            transform=None,
            fill=False,
            ec=ALERT,
            lw=2.4,
        )
        self.figure.add_artist(frame)

    def light_curve(self, row: int, obj: Example, shown: np.ndarray) -> None:
        from matplotlib.ticker import MaxNLocator

        bottom = self.height - self.HEAD - (row + 1) * self.pitch + self.BELOW
        box = (self.curve_x, bottom, self.width - self.RIGHT - self.curve_x, self.side + 12)
        scale = (self.width, self.height, self.width, self.height)
        axes = self.figure.add_axes(
            [length / whole for length, whole in zip(box, scale, strict=True)]
        )
        self._points(axes, obj)
        last = obj.day[-1]
        span = (-0.03 * last, 1.03 * last) if last > 0 else (-1, 1)
        axes.set(xlim=span, ylim=obj.magnitude_range())
        axes.plot(
            obj.day[shown],
            np.full(shown.size, 0.985),
            "|",
            color=FAINT,
            ms=5,
            transform=axes.get_xaxis_transform(),
        )
        if obj.alert >= 0:
            axes.axvline(obj.day[obj.alert], color=ALERT, lw=1, ls=(0, (3, 2)), zorder=0)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.yaxis.set_major_locator(MaxNLocator(4, min_n_ticks=2))
        axes.tick_params(labelsize=7.5, colors=INK, length=3, width=0.6, pad=2)
        axes.grid(axis="y", color="#E6E6E6", lw=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set(linewidth=0.6, color=FAINT)

    def _points(self, axes, obj):
        day, band = obj.day, obj.epochs["band"]
        magnitude = np.where(np.isfinite(obj.epochs["magnitude"]), obj.epochs["magnitude"], np.nan)
        for k in np.unique(band):
            at, (colour, marker) = band == k, self.styles[obj.bands[k]]
            self.seen_bands.add(obj.bands[k])
            axes.plot(
                day[at],
                obj.epochs["limiting_mag"][at],
                "v",
                ms=3.2,
                mew=0.6,
                mfc="none",
                mec=colour,
                alpha=0.45,
            )
            axes.plot(day[at], magnitude[at], "-", color=colour, lw=0.7, alpha=0.35)
            axes.plot(day[at], magnitude[at], marker, ms=4.2, color=colour, mec="white", mew=0.3)
        if np.isnan(magnitude).all():
            text = "no source"
            if obj.objects["has_host"]:
                axes.axhline(obj.objects["host_mag"], color=FAINT, lw=1, ls=":")
                text = "no source; dotted: the galaxy"
            axes.text(1, 1.03, text, transform=axes.transAxes, ha="right", fontsize=7, color=FAINT)

    def key(self) -> None:
        """One line that explains markers and tints; only those that occur."""
        from matplotlib.lines import Line2D

        style = {"ls": "", "mew": 0}
        items = [
            Line2D([], [], marker=m, color=c, label=b, ms=5.5, **style)
            for b, (c, m) in self.styles.items()
            if b in self.seen_bands
        ]
        limit = {"marker": "v", "ls": "", "mfc": "none", "mec": FAINT, "ms": 5}
        items.append(Line2D([], [], label="5σ limit", **limit))
        for name, bit in MASK_BITS.items():
            if self.seen_bits & bit:
                label = name.replace("_", " ")
                items.append(
                    Line2D([], [], marker="s", color=MASK_COLOURS[name], label=label, ms=7, **style)
                )
        self.figure.legend(
            handles=items,
            loc="lower left",
            bbox_to_anchor=(0, 0, 1, 1),
            ncols=len(items),
            frameon=False,
            fontsize=8,
            handletextpad=0.2,
            columnspacing=1.4,
            borderaxespad=0.8,
        )
