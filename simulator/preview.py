"""A look at simulated sequences: a contact sheet (PNG) or a movie (animated GIF).

Everything is placed in output pixels, and stamps are enlarged by whole factors, so a pixel of
the detector is a square of pixels in the picture. Row 0 of a stamp is at the bottom.
"""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import numpy as np

from simulator.detector.defects import MASK_BITS
from simulator.errors import SimulationError

COLUMNS = 10  # epochs on a contact sheet
SUFFIXES = (".png", ".gif")
_OBJECTS_PER_CLASS = 20  # made by ``preview``, of which it shows one
_MIN_SIDE_PIX = 110  # of an enlarged stamp in the picture
_BLACK_SIGMA, _SOFTENING_SIGMA, _MIN_WHITE_SIGMA = -2.5, 3.0, 15.0

# Colours told apart by colour-blind eyes (Okabe & Ito 2008; wine: P. Tol's muted scheme).
_BAND_COLOURS = {
    "u": "#0072B2", "g": "#009E73", "r": "#D55E00", "i": "#E69F00", "z": "#CC79A7", "y": "#404040",
}  # fmt: skip
_SPARE_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#404040")
_MARKERS = "oDsPX*"
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
    labels = simulator.labels("train", np.arange(_OBJECTS_PER_CLASS * len(simulator.options.cycle())))
    first = [np.flatnonzero(labels == k)[:_OBJECTS_PER_CLASS] for k in np.unique(labels)]
    sequences = simulator.batch("train", np.sort(np.concatenate(first)))
    draw(sequences, simulator.classes, simulator.band_names, path, title=simulator.profile.title)


def stored_sequences(split, rows):
    """Objects ``rows`` of one split of an open data set, as :class:`Sequences`."""
    from simulator.layout import EPOCHS, OBJECTS, array_specs
    from simulator.sequences import Sequences

    rows = np.asarray(rows)
    fixed = {spec.name: spec.dimensions for spec in array_specs({})}
    kinds = {name: fixed.get(name, OBJECTS) for name in split if name != "shard_done"}
    epochs = {n: split[n].oindex[rows] for n, kind in kinds.items() if kind == EPOCHS}
    objects = {n: split[n].oindex[rows] for n, kind in kinds.items() if kind == OBJECTS}
    images, mask = split["images"].oindex[rows], split["mask"].oindex[rows]
    return Sequences(images, mask, epochs, objects)


def example_objects(sequences, class_number, count=1):
    """Positions in the batch of ``count`` examples of a class, from its brighter half.

    Brightness is the largest signal-to-noise, or the host's where there is no source.
    """
    objects = sequences.objects
    members = np.flatnonzero(objects["label"] == class_number)
    host = np.nan_to_num(objects["host_mag"][members], nan=99.0)
    rising = members[np.lexsort((-host, objects["max_signal_to_noise"][members]))]
    rank = 1 - (np.arange(count) + 0.5) / (2 * count)
    return rising[np.unique((rank * (rising.size - 1)).round().astype(int))[::-1]] if rising.size else rising


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
            host = self.objects["host_mag"]
            bright = min(limit.min(), host) if np.isfinite(host) else limit.min()
            return float(max(limit.max(), bright) + 0.4), float(bright - 0.4)
        bright, faint = seen.min(), seen.max()
        if limit.min() < faint + 1.0:
            faint = max(faint, limit.max())
        pad = max(0.15 * (faint - bright), 0.3 - 0.5 * (faint - bright))
        return float(faint + pad), float(bright - pad)


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
