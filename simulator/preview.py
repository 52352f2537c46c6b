"""A look at simulated sequences: a contact sheet (PNG) or a movie (animated GIF).

Everything is placed in output pixels, and stamps are enlarged by whole factors, so a pixel of
the detector is a square of pixels in the picture. Row 0 of a stamp is at the bottom.
"""

from __future__ import annotations

import os
from io import BytesIO
from itertools import cycle
from pathlib import Path

import numpy as np

from simulator.detector.defects import MASK_BITS
from simulator.errors import SimulationError

COLUMNS = 10  # epochs on a contact sheet
SUFFIXES = (".png", ".gif")
_OBJECTS_PER_CLASS = 20  # made by ``preview``, of which it shows one
_WELL_SEEN = 20.0  # signal-to-noise of an example
_ALERT_PART = (0.15, 0.6)  # of a sequence: alerts that show what is before and after
_FRAME_MS = 350
_MIN_SIDE_PIX = 110  # of an enlarged stamp in the picture
_BLACK_SIGMA, _SOFTENING_SIGMA, _MIN_WHITE_SIGMA = -2.5, 3.0, 15.0

# Colours told apart by colour-blind eyes (Okabe & Ito 2008; wine: P. Tol's muted scheme).
_BAND_STYLES = {
    "u": ("#0072B2", "s"), "g": ("#009E73", "o"), "r": ("#D55E00", "D"),
    "i": ("#E69F00", "^"), "z": ("#CC79A7", "P"), "y": ("#404040", "p"),
}  # fmt: skip
_TINTS = {"saturated": "#E69F00", "bad_pixel": "#56B4E9", "cosmic_ray": "#FF5FB0",
          "outside_detector": "#009E73"}  # fmt: skip
_INK, _FAINT, _ALERT = "#1A1A1A", "#8A8A8A", "#882255"


def preview(simulator, path):
    """Simulate a few objects of every class and write one of each as ``.png`` or ``.gif``.

    Parameters
    ----------
    simulator : simulator.sequences.Simulator
    path : path
        Its suffix decides: ``.png`` is a contact sheet, ``.gif`` a movie.

    Raises
    ------
    SimulationError
        Another suffix, or a place that cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        found = f"the suffix {suffix!r}" if suffix else "no suffix"
        raise SimulationError(f"preview {path} has {found}; allowed are {' and '.join(SUFFIXES)}.")
    _check_place(path)
    draw = contact_sheet if suffix == ".png" else movie
    labels = simulator.labels(
        "train", np.arange(_OBJECTS_PER_CLASS * len(simulator.options.cycle()))
    )
    first = [np.flatnonzero(labels == k)[:_OBJECTS_PER_CLASS] for k in np.unique(labels)]
    sequences = simulator.batch("train", np.sort(np.concatenate(first)))
    draw(sequences, simulator.classes, simulator.band_names, path, title=simulator.profile.title)


def stored_sequences(split, rows):
    """Objects ``rows`` of one split of an open data set, as ``Sequences``."""
    from simulator.layout import EPOCHS, OBJECTS
    from simulator.sequences import Sequences

    kinds = {name: array.metadata.dimension_names for name, array in split.arrays()}
    images, mask, epochs, objects = (
        {n: split[n].oindex[np.asarray(rows)] for n, kind in kinds.items() if wanted in (n, kind)}
        for wanted in ("images", "mask", EPOCHS, OBJECTS)
    )
    return Sequences(images["images"], mask["mask"], epochs, objects)


def example_objects(sequences, class_number, count=1):
    """Positions in the batch of ``count`` examples of a class: the brighter of those well seen.

    How well one is seen is its largest signal-to-noise, less where the host outshines the source
    or the alert comes at once or late, and the host's brightness where there is no source.
    """
    objects = sequences.objects
    members = np.flatnonzero(objects["label"] == class_number)
    host = np.nan_to_num(objects["host_mag"][members], nan=99.0)
    magnitude = sequences.epochs["magnitude"][members]
    best = np.where(np.isfinite(magnitude), magnitude, 99.0).min(axis=1)
    outshone = 10 ** (0.4 * np.minimum(host - best, 0))
    alert = objects["first_alert_epoch"][members]
    when = alert / objects["n_epochs"][members]
    untimely = (alert >= 0) & ((when < _ALERT_PART[0]) | (when > _ALERT_PART[1]))
    signal = objects["max_signal_to_noise"][members] * outshone * np.where(untimely, 0.1, 1)
    rising = np.lexsort((-host, signal))
    well = rising[signal[rising] >= _WELL_SEEN]
    well = well if well.size else rising
    rank = 1 - (np.arange(count) + 0.5) / (3 * count)
    place = np.unique((rank * (well.size - 1)).round().astype(int))[::-1]
    return members[well[place]] if members.size else members


def shown_epochs(n_epochs, columns, wanted=()):
    """``columns`` epochs spread over a sequence, ``wanted`` ones among them, in time order."""
    shown = np.unique(np.linspace(0, n_epochs - 1, min(columns, n_epochs)).round().astype(int))
    for epoch in tuple(wanted)[:columns]:
        free = [k for k, other in enumerate(shown) if other not in wanted]
        if epoch not in shown:
            shown[min(free, key=lambda k: abs(shown[k] - epoch))] = epoch
    return np.sort(shown)


class _Object:
    """One sequence as the pictures need it; arrays end at its last epoch."""

    def __init__(self, sequences, row, name, bands):
        n = int(sequences.objects["n_epochs"][row])
        self.name, self.bands, self.n_epochs = name, bands, n
        self.mask = sequences.mask[row, :n]
        self.epochs = {key: values[row, :n] for key, values in sequences.epochs.items()}
        self.objects = {key: values[row] for key, values in sequences.objects.items()}
        self.day = self.epochs["mjd"] - self.epochs["mjd"][0]
        self.alert = int(self.objects["first_alert_epoch"])
        self.sigma = self._significance(sequences.images[row, :n])

    def _significance(self, images):
        """Sky-subtracted stamps in units of the noise of the sky, rounding included."""
        gain, sky_adu = self.objects["gain_e_per_adu"], self.epochs["sky_adu"][:, None, None]
        read_noise_adu = self.objects["read_noise_e"] / gain
        return (images - sky_adu) / np.sqrt(sky_adu / gain + read_noise_adu**2 + 1 / 12)

    def wanted(self):
        """Epochs that must be seen: the alert, and where its source stands out most."""
        if self.alert < 0:
            return ()
        best = np.nanargmax(self.epochs["limiting_mag"] - self.epochs["magnitude"])
        return tuple(dict.fromkeys((self.alert, int(best))))

    def white_sigma(self, shown):
        """The level drawn white: the largest unmasked value near the centre."""
        size = self.sigma.shape[-1]
        near = slice(size // 4, size - size // 4)
        values = np.where(self.mask, 0, self.sigma)[shown, near, near]
        return max(float(values.max()), _MIN_WHITE_SIGMA)

    def picture(self, epoch, white_sigma, factor):
        """RGB (row, column, 3) of one stamp, asinh stretched and enlarged; row 0 on top."""
        low, high = np.arcsinh(np.array([_BLACK_SIGMA, white_sigma]) / _SOFTENING_SIGMA)
        grey = (np.arcsinh(self.sigma[epoch] / _SOFTENING_SIGMA) - low) / (high - low)
        rgb = np.repeat(255 * np.clip(grey, 0, 1)[..., None], 3, axis=-1)
        for name, bit in MASK_BITS.items():
            hit = (self.mask[epoch] & bit) > 0
            rgb[hit] = 0.45 * rgb[hit] + 0.55 * np.array(_rgb(_TINTS[name]))
        return np.kron(rgb[::-1].round().astype(np.uint8), np.ones((factor, factor, 1), np.uint8))

    def label(self, epoch):
        """Band and days since the first exposure."""
        digits = 2 if self.day[-1] < 100 else 1
        return self.bands[self.epochs["band"][epoch]], f"{self.day[epoch]:.{digits}f} d"

    def magnitude_range(self):
        """(faint, bright) end of the magnitude axis: what can be seen, and limits close to it."""
        magnitude, limit = self.epochs["magnitude"], self.epochs["limiting_mag"]
        seen = magnitude[np.isfinite(magnitude) & (magnitude < limit + 1)]
        if not seen.size:
            ends = np.append(limit, np.nan_to_num(self.objects["host_mag"], nan=limit.min()))
            pad = 0.2 * np.ptp(ends) + 0.2
            return float(ends.max() + pad), float(ends.min() - pad)
        bright, faint = seen.min(), seen.max()
        room = 2.5 * (faint - bright) if seen.size > 2 else np.inf
        faint = max(faint, min(limit.max(), bright + max(room, 1.0)))
        pad = 0.15 * (faint - bright)
        return float(faint + pad), float(bright - 1.5 * pad)


def _chosen(sequences, classes, bands, count):
    """Examples of every class that the batch has, class by class."""
    found = [
        _Object(sequences, row, name, bands)
        for number, name in enumerate(classes)
        for row in example_objects(sequences, number, count)
    ]
    if not found:
        raise SimulationError("preview: there is no object to show; give at least one.")
    return found


def contact_sheet(sequences, classes, bands, path, *, rows_per_class=1, title=""):
    """Write a PNG with rows of classes, columns of epochs, and the light curve beside them.

    Parameters
    ----------
    sequences : simulator.sequences.Sequences
    classes, bands : sequences of str
        Names that ``label`` and ``band`` count.
    path : path
    rows_per_class : int
    title : str
        Usually the survey.

    Raises
    ------
    SimulationError
        Nothing to show, or a place that cannot be written.
    """
    _check_place(path)
    objects = _chosen(sequences, classes, bands, rows_per_class)
    sheet = _Sheet(objects, bands)
    sheet.head(title, list(dict.fromkeys(o.name for o in objects)))
    for row, obj in enumerate(objects):
        shown = shown_epochs(obj.n_epochs, COLUMNS, obj.wanted())
        sheet.stamps(row, obj, shown)
        sheet.light_curve(row, obj, shown)
    sheet.key()
    image = BytesIO()
    sheet.figure.savefig(image, format="png", dpi=_Sheet.DPI)
    _write(path, image)


def movie(sequences, classes, bands, path, *, title=""):
    """Write an animated GIF of one object of every class, stepping through the epochs.

    Parameters and errors are those of :func:`contact_sheet`. The movie is as long as the
    longest sequence shown; a shorter one stays at its last epoch, faded.
    """
    _check_place(path)
    film = _Film(_chosen(sequences, classes, bands, 1), bands, title)
    palette = film.palette()
    frames = [_indexed(film.frame(epoch), palette) for epoch in range(film.n_epochs)]
    image = BytesIO()
    duration_ms = [_FRAME_MS] * (film.n_epochs - 1) + [4 * _FRAME_MS]
    frames[0].save(image, format="GIF", save_all=True, append_images=frames[1:], loop=0,
                   duration=duration_ms)  # fmt: skip
    _write(path, image)


def _indexed(frame, palette):
    """A frame in the nearest colours of a palette."""
    from PIL import Image

    packed = np.asarray(frame).astype(np.uint32) @ np.array([65536, 256, 1], dtype=np.uint32)
    used, where = np.unique(packed, return_inverse=True)
    rgb = (used[:, None] >> np.array([16, 8, 0], dtype=np.uint32) & 255).astype(float)
    nearest = ((rgb[:, None] - palette) ** 2).sum(axis=-1).argmin(axis=1).astype(np.uint8)
    image = Image.fromarray(nearest[where].reshape(packed.shape))
    image.putpalette(palette.ravel().tolist())
    return image


class _Film:
    """Frames of a movie: panels side by side, each a stamp over its light curve."""

    EDGE, GAP, HEAD, NAME, BELOW, CURVE, ACROSS = 16, 14, 44, 24, 22, 56, 8

    def __init__(self, objects, bands, title):
        from matplotlib import get_data_path
        from PIL import ImageFont

        fonts = Path(get_data_path()) / "fonts" / "ttf"
        faces = {"bold": ("DejaVuSans-Bold.ttf", 14), "title": ("DejaVuSans-Bold.ttf", 15),
                 "text": ("DejaVuSans.ttf", 12)}  # fmt: skip
        self.fonts = {k: ImageFont.truetype(str(fonts / f), size) for k, (f, size) in faces.items()}
        self.objects, self.styles, self.title = objects, _band_styles(bands), title
        self.n_epochs = max(o.n_epochs for o in objects)
        self.white = [o.white_sigma(np.arange(o.n_epochs)) for o in objects]
        size = objects[0].mask.shape[-1]
        self.factor = -(-_MIN_SIDE_PIX // size)
        self.side = size * self.factor
        self.pitch = self.NAME + self.side + self.BELOW + self.CURVE + self.GAP
        across = min(len(objects), self.ACROSS)
        width = 2 * self.EDGE + across * (self.side + self.GAP) - self.GAP
        self.width = max(width, int(self.fonts["title"].getlength(title)) + 120)
        self.height = self.HEAD + -(-len(objects) // across) * self.pitch + 4

    def palette(self):
        """RGB colours of all frames (at most 256, 3): greys, tints, and inks down to white."""
        grey = np.linspace(0, 255, 64)[:, None] * np.ones(3)
        tints = [0.45 * grey[::3] + 0.55 * np.array(_rgb(colour)) for colour in _TINTS.values()]
        inks = dict.fromkeys((_ALERT, *(colour for colour, _ in self.styles.values())))
        depth = np.array([1.0, 0.7, 0.4])[:, None]
        blends = [255 + depth * (np.array(_rgb(colour)) - 255) for colour in inks]
        return np.concatenate([grey, *blends, *tints])[:256].round().astype(np.uint8)

    def frame(self, epoch):
        """One RGB frame."""
        from PIL import Image, ImageDraw

        image = Image.new("RGB", (self.width, self.height), "white")
        draw = ImageDraw.Draw(image)
        self._text(draw, self.EDGE, 28, self.title, "title")
        step = f"{epoch + 1} / {self.n_epochs}"
        self._text(draw, self.width - self.EDGE, 28, step, anchor="rs", fill=_FAINT)
        for k, obj in enumerate(self.objects):
            x = self.EDGE + k % self.ACROSS * (self.side + self.GAP)
            y = self.HEAD + k // self.ACROSS * self.pitch
            self._panel(image, draw, x, y, obj, self.white[k], epoch)
        return image

    def _text(self, draw, x, y, text, font="text", *, anchor="ls", fill=_INK):
        draw.text((x, y), text, font=self.fonts[font], anchor=anchor, fill=fill)

    def _panel(self, image, draw, x, y, obj, white, epoch):
        from PIL import Image

        over, now = epoch >= obj.n_epochs, min(epoch, obj.n_epochs - 1)
        self._text(draw, x, y + 16, obj.name, "bold")
        if obj.alert >= 0 and epoch >= obj.alert:
            self._text(draw, x + self.side, y + 16, "alert", anchor="rs", fill=_ALERT)
        top, right, bottom = y + self.NAME, x + self.side, y + self.NAME + self.side
        stamp = Image.fromarray(obj.picture(now, white, self.factor))
        image.paste(Image.blend(stamp, Image.new("RGB", stamp.size, "white"), 0.5 * over), (x, top))
        if now == obj.alert and not over:
            draw.rectangle((x - 3, top - 3, right + 2, bottom + 2), outline=_ALERT, width=3)
        band, day = obj.label(now)
        self._text(draw, x, bottom + 17, band, "bold", fill=self.styles[band][0])
        self._text(draw, right, bottom + 17, "end" if over else day, anchor="rs",
                   fill=_FAINT if over else _INK)  # fmt: skip
        self._curve(draw, x, bottom + self.BELOW, obj, now)

    def _curve(self, draw, x, y, obj, now):
        """The light curve up to now, what follows in light grey, on a line that is now."""
        faint, bright = obj.magnitude_range()
        across = x + 4 + (self.side - 8) * obj.day / max(obj.day[-1], 0.1)
        magnitude = obj.epochs["magnitude"]
        down = y + self.CURVE * (np.nan_to_num(magnitude, posinf=99.0) - bright) / (faint - bright)
        draw.rectangle((x, y, x + self.side - 1, y + self.CURVE - 1), outline="#DDDDDD")
        if not np.isfinite(magnitude).any():
            self._text(draw, x + 6, y + 16, "no source", fill=_FAINT)
        draw.line((across[now], y + 1, across[now], y + self.CURVE - 2), fill=_FAINT)
        inside = np.flatnonzero((down > y) & (down < y + self.CURVE - 2))
        for epoch in sorted(inside, key=lambda k: (k == now, -k)):
            colour = self.styles[obj.label(epoch)[0]][0] if epoch <= now else "#D0D0D0"
            radius = 4 if epoch == now else 2
            place = (across[epoch] - radius, down[epoch] - radius)
            draw.ellipse((*place, place[0] + 2 * radius, place[1] + 2 * radius), fill=colour)


class _Sheet:
    """A figure of rows of stamps, each with a light curve on its right; lengths in pixels."""

    DPI = 150
    EDGE, LEFT, GAP, HEAD, FOOT = 28, 150, 12, 134, 84
    LABEL, BELOW, CURVE_GAP, RIGHT = 26, 40, 84, 28
    MIN_WIDTH, CURVE = 1300, 520

    def __init__(self, objects, bands):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        size = objects[0].mask.shape[-1]
        columns = min(COLUMNS, max(o.n_epochs for o in objects))
        self.factor = -(-_MIN_SIDE_PIX // size)
        self.side = self.factor * size
        self.pitch = self.LABEL + self.side + self.BELOW
        self.curve_x = self.LEFT + columns * (self.side + self.GAP) + self.CURVE_GAP
        self.width = max(self.MIN_WIDTH, self.curve_x + self.CURVE + self.RIGHT)
        self.height = self.HEAD + len(objects) * self.pitch + self.FOOT
        self.figure = Figure(figsize=(self.width / self.DPI, self.height / self.DPI), dpi=self.DPI)
        FigureCanvasAgg(self.figure)
        self.styles = _band_styles(bands)
        self.seen_bands, self.seen_bits = set(), 0

    def write(self, x, y_down, text, size=8.0, **style):
        """Text at pixels from the left and from the top."""
        style = {"color": _INK, "va": "baseline", "transform": None} | style
        return self.figure.text(x, self.height - y_down, text, fontsize=size, **style)

    def head(self, title, names):
        self.write(self.EDGE, 46, title or "Simulated sequences", 14, weight="bold")
        self.write(self.EDGE, 78, "  ".join(names), 10, color=_FAINT)
        stretch = (
            f"stamps: sky subtracted, asinh, black −{-_BLACK_SIGMA:g}σ of the sky, white as given"
        )
        self.write(self.width - self.RIGHT, 78, stretch, 7.5, color=_FAINT, ha="right")
        above = self.HEAD - 12
        self.write(self.LEFT, above, "band", 7.5, color=_FAINT)
        self.write(self.LEFT + self.side, above, "day", 7.5, color=_FAINT, ha="right")
        self.write(self.curve_x, above, "true AB magnitude against day", 7.5, color=_FAINT)
        self.write(
            self.width - self.RIGHT, above, "ticks: epochs shown", 7.5, color=_FAINT, ha="right"
        )

    def stamps(self, row, obj, shown):
        white = obj.white_sigma(shown)
        top = self.HEAD + row * self.pitch
        middle = top + self.LABEL + self.side / 2
        self.write(self.EDGE, middle, obj.name, min(13, 78 / len(obj.name)), weight="bold")
        self.write(self.EDGE, middle + 24, f"white {white:.0f}σ", 7, color=_FAINT)
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
                self.write(x + self.side / 2, top + self.LABEL + self.side + 23, "alert", 7.5,
                           ha="center", color=_ALERT, weight="bold")  # fmt: skip

    def _frame(self, x, bottom):
        from matplotlib.patches import Rectangle

        frame = Rectangle((x - 2.5, bottom - 2.5), self.side + 5, self.side + 5, transform=None,
                          fill=False, ec=_ALERT, lw=2.4)  # fmt: skip
        self.figure.add_artist(frame)

    def light_curve(self, row, obj, shown):
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
        axes.plot(obj.day[shown], np.full(shown.size, 0.985), "|", color=_FAINT, ms=5,
                  transform=axes.get_xaxis_transform())  # fmt: skip
        if obj.alert >= 0:
            axes.axvline(obj.day[obj.alert], color=_ALERT, lw=1, ls=(0, (3, 2)), zorder=0)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.yaxis.set_major_locator(MaxNLocator(4, min_n_ticks=2))
        axes.tick_params(labelsize=7.5, colors=_INK, length=3, width=0.6, pad=2)
        axes.grid(axis="y", color="#E6E6E6", lw=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set(linewidth=0.6, color=_FAINT)

    def _points(self, axes, obj):
        day, band = obj.day, obj.epochs["band"]
        magnitude = np.where(np.isfinite(obj.epochs["magnitude"]), obj.epochs["magnitude"], np.nan)
        for k in np.unique(band):
            at, (colour, marker) = band == k, self.styles[obj.bands[k]]
            self.seen_bands.add(obj.bands[k])
            axes.plot(day[at], obj.epochs["limiting_mag"][at], "v", ms=3.2, mew=0.6, mfc="none",
                      mec=colour, alpha=0.45)  # fmt: skip
            axes.plot(day[at], magnitude[at], "-", color=colour, lw=0.7, alpha=0.35)
            axes.plot(day[at], magnitude[at], marker, ms=4.2, color=colour, mec="white", mew=0.3)
        if np.isnan(magnitude).all():
            text = "no source"
            if obj.objects["has_host"]:
                axes.axhline(obj.objects["host_mag"], color=_FAINT, lw=1, ls=":")
                text = "no source; dotted: the galaxy"
            axes.text(1, 1.03, text, transform=axes.transAxes, ha="right", fontsize=7,
                      color=_FAINT)  # fmt: skip

    def key(self):
        """One line that explains markers and tints; only those that occur."""
        from matplotlib.lines import Line2D

        style = {"ls": "", "mew": 0}
        items = [Line2D([], [], marker=m, color=c, label=b, ms=5.5, **style)
                 for b, (c, m) in self.styles.items() if b in self.seen_bands]  # fmt: skip
        limit = {"marker": "v", "ls": "", "mfc": "none", "mec": _FAINT, "ms": 5}
        items.append(Line2D([], [], label="5σ limit", **limit))
        for name, bit in MASK_BITS.items():
            if self.seen_bits & bit:
                label = name.replace("_", " ")
                items.append(
                    Line2D([], [], marker="s", color=_TINTS[name], label=label, ms=7, **style)
                )
        self.figure.legend(
            handles=items, loc="lower left", bbox_to_anchor=(0, 0, 1, 1), ncols=len(items),
            frameon=False, fontsize=8, handletextpad=0.2, columnspacing=1.4, borderaxespad=0.8,
        )  # fmt: skip


def _band_styles(bands):
    """(colour, marker) of every band, by the last letter of its name where that is known."""
    spare = cycle(_BAND_STYLES.values())
    return {b: _BAND_STYLES.get(b[-1:].lower()) or next(spare) for b in bands}


def _rgb(colour):
    return tuple(int(colour[k : k + 2], 16) for k in (1, 3, 5))


def _check_place(path):
    """Refuse, before any work, a path that cannot become a file."""
    path = Path(path)
    if not path.absolute().parent.is_dir():
        raise SimulationError(f"{path}: there is no folder {path.parent}; make it first.")
    if path.is_dir():
        raise SimulationError(f"{path} is a folder; give the path of a file.")
    if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise SimulationError(f"{path}: cannot be written (permission denied).")


def _write(path, image):
    try:
        Path(path).write_bytes(image.getvalue())
    except OSError as error:
        raise SimulationError(f"{path}: cannot be written ({error.strerror}).") from error
