"""The objects and epochs of a preview, and one object ready to be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from simulator.detector.defects import MASK_BITS
from skyreel.errors import SimulationError
from skyreel.report.theme import MASK_COLOURS, rgb_of

if TYPE_CHECKING:
    from simulator.sequences import Sequences

_HIGH_SIGNAL = 20.0  # signal-to-noise of an example
_ALERT_PART = (0.15, 0.6)  # of a sequence: alerts with epochs before and after them
MIN_SIDE_PIX = 110  # of an enlarged stamp in the picture
BLACK_SIGMA, _SOFTENING_SIGMA, _MIN_WHITE_SIGMA = -2.5, 3.0, 15.0


def example_objects(sequences: Sequences, class_number: int, count: int = 1) -> np.ndarray:
    """Positions in the batch of ``count`` examples of a class: bright ones of high signal-to-noise.

    They are ranked by their largest signal-to-noise, lowered where the host outshines the source
    or the alert comes at once or late, and by the brightness of the host where there is no source.
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
    well = rising[signal[rising] >= _HIGH_SIGNAL]
    well = well if well.size else rising
    rank = 1 - (np.arange(count) + 0.5) / (3 * count)
    place = np.unique((rank * (well.size - 1)).round().astype(int))[::-1]
    return members[well[place]] if members.size else members


def shown_epochs(n_epochs: int, columns: int, wanted: Sequence[int] = ()) -> np.ndarray:
    """``columns`` epochs spread over a sequence, ``wanted`` ones among them, in time order."""
    shown = np.unique(np.linspace(0, n_epochs - 1, min(columns, n_epochs)).round().astype(int))
    for epoch in tuple(wanted)[:columns]:
        free = [k for k, other in enumerate(shown) if other not in wanted]
        if epoch not in shown:
            shown[min(free, key=lambda k: abs(shown[k] - epoch))] = epoch
    return np.sort(shown)


class Example:
    """One sequence as the pictures need it; arrays end at its last epoch."""

    def __init__(self, sequences: Sequences, row: int, name: str, bands: Sequence[str]) -> None:
        n = int(sequences.objects["n_epochs"][row])
        self.name, self.bands, self.n_epochs = name, bands, n
        self.mask = sequences.mask[row, :n]
        self.planes = {key: values[row, :n] for key, values in sequences.planes.items()}
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

    def wanted(self) -> tuple[int, ...]:
        """Epochs that must be drawn: the alert, and the one of highest signal-to-noise."""
        if self.alert < 0:
            return ()
        best = np.nanargmax(self.epochs["limiting_mag"] - self.epochs["magnitude"])
        return tuple(dict.fromkeys((self.alert, int(best))))

    def white_sigma(self, shown: np.ndarray) -> float:
        """The level drawn white: the largest unmasked value near the centre."""
        size = self.sigma.shape[-1]
        near = slice(size // 4, size - size // 4)
        values = np.where(self.mask, 0, self.sigma)[shown, near, near]
        return max(float(values.max()), _MIN_WHITE_SIGMA)

    def picture(self, epoch: int, white_sigma: float, factor: int) -> np.ndarray:
        """RGB (row, column, 3) of one stamp, asinh stretched and enlarged; row 0 on top."""
        low, high = np.arcsinh(np.array([BLACK_SIGMA, white_sigma]) / _SOFTENING_SIGMA)
        grey = (np.arcsinh(self.sigma[epoch] / _SOFTENING_SIGMA) - low) / (high - low)
        rgb = np.repeat(255 * np.clip(grey, 0, 1)[..., None], 3, axis=-1)
        for name, bit in MASK_BITS.items():
            hit = (self.mask[epoch] & bit) > 0
            rgb[hit] = 0.45 * rgb[hit] + 0.55 * np.array(rgb_of(MASK_COLOURS[name]))
        return np.kron(rgb[::-1].round().astype(np.uint8), np.ones((factor, factor, 1), np.uint8))

    def label(self, epoch: int) -> tuple[str, str]:
        """Band and days since the first exposure."""
        digits = 2 if self.day[-1] < 100 else 1
        return self.bands[self.epochs["band"][epoch]], f"{self.day[epoch]:.{digits}f} d"

    def magnitude_range(self) -> tuple[float, float]:
        """(faint, bright) end of the magnitude axis: detected points, and limits close to them."""
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


def chosen_examples(
    sequences: Sequences, classes: Sequence[str], bands: Sequence[str], count: int
) -> list[Example]:
    """Examples of every class that the batch has, class by class."""
    found = [
        Example(sequences, row, name, bands)
        for number, name in enumerate(classes)
        for row in example_objects(sequences, number, count)
    ]
    if not found:
        raise SimulationError("preview: there is no object to draw; give at least one.")
    return found
