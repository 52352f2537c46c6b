"""What packets need of a batch of objects: epochs, detections with their stamps, positions, field.

Arrays of epochs are (object, epoch), padded with NaN times. Detections are rows of their own, in
order of object and time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from simulator.alerts.catalogue import Catalogue

NJY_ZERO_POINT_MAG = 31.4  # AB magnitude of 1 nJy (Oke & Gunn 1983)
LIMIT_SIGMA = 5.0
EPOCH_ARRAYS = (
    *("mjd", "band", "exposure_time_s", "seeing_fwhm_arcsec", "sky_adu", "zero_point_mag"),
    *("magnitude", "template_seeing_fwhm_arcsec", "template_limiting_mag"),
    *("difference_flux_adu", "difference_flux_error_adu", "difference_signal_to_noise"),
    "difference_detected",
)
"""Names of the (object, epoch) arrays, as in a data set with planes."""

STAMPS = ("images", "mask", "template", "difference", "template_noise_adu", "difference_noise_adu")
"""Names of the stamps of a detection, as in a data set with planes."""


class Instrument(NamedTuple):
    """What packets need of the survey."""

    bands: tuple[str, ...]
    pixel_scale_arcsec: float
    n_template_epochs: int
    template_days: tuple[float, float]  # before the first exposure: the latest, the earliest
    seed: int
    error_factor: float = 1.0  # errors of fluxes as the pipeline states them, over those of pixels


@dataclass(frozen=True, kw_only=True)
class Observations:
    """A batch of objects with their difference images.

    Parameters
    ----------
    number : int64 (object,)
        As `simulator.alerts.alert_identifiers.object_numbers`.
    ra_deg, dec_deg : (object,)
        True positions.
    ccd : int (object,)
        Index of the detector; -1 where the camera has no list.
    gain_e_per_adu, read_noise_e : (object,)
    moves : bool (object,)
        Whether the object is an asteroid.
    epochs : mapping of name to array, shape (object, epoch)
        ``EPOCH_ARRAYS``, and ``x_pix`` and ``y_pix``: the measured position, from the true one.
    catalogue : Catalogue
    stamps : mapping of name to array, shape (detection, y, x)
        ``STAMPS``, but for ZTF without the noise of the template; with ``psf`` and
        ``template_psf`` for Rubin.
    centre_x_pix, centre_y_pix : (detection,)
        The measured position on the stamp, from the middle of its central pixel.
    """

    number: np.ndarray
    ra_deg: np.ndarray
    dec_deg: np.ndarray
    ccd: np.ndarray
    gain_e_per_adu: np.ndarray
    read_noise_e: np.ndarray
    moves: np.ndarray
    epochs: Mapping[str, np.ndarray]
    catalogue: Catalogue
    stamps: Mapping[str, np.ndarray]
    centre_x_pix: np.ndarray
    centre_y_pix: np.ndarray

    def detections(self) -> tuple[np.ndarray, np.ndarray]:
        """Object and epoch of every detection, each int (detection,)."""
        return np.nonzero(self.epochs["difference_detected"])

    def exposures(self) -> tuple[np.ndarray, np.ndarray]:
        """Object and epoch of every exposure, each int (exposure,)."""
        return np.nonzero(np.isfinite(self.epochs["mjd"]))


class Alert(NamedTuple):
    """An encoded packet, with what its file and the table of truth need."""

    mjd: float
    source_id: int
    object_id: str
    object: int  # row in the batch
    epoch: int
    packet: bytes


def previous_exposures(
    observations: Observations, window_day: float
) -> list[tuple[int, int, np.ndarray]]:
    """Of every detection: its own row among the exposures, the first row of its object, and the
    rows in the ``window_day`` before it, in order of time.
    """
    row_object, row_epoch = observations.exposures()
    mjd = observations.epochs["mjd"][row_object, row_epoch]
    detected = observations.epochs["difference_detected"][row_object, row_epoch]
    starts = np.searchsorted(row_object, np.arange(len(observations.number)))
    found = []
    for row in np.flatnonzero(detected):
        start = starts[row_object[row]]
        first = start + np.searchsorted(mjd[start:row], mjd[row] - window_day)
        found.append((int(row), int(start), np.arange(first, row)))
    return found


def limiting_magnitude(
    error_adu: np.ndarray, zero_point_mag: np.ndarray, exposure_time_s: np.ndarray
) -> np.ndarray:
    """5-sigma limit of a point source in the difference image, AB; NaN without an error."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return zero_point_mag - 2.5 * np.log10(LIMIT_SIGMA * error_adu / exposure_time_s)


def aperture_flux(
    image: np.ndarray,
    noise: np.ndarray,
    x_pix: np.ndarray,
    y_pix: np.ndarray,
    radius_pix: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Sums of stamps within a circle, and their errors, each (detection,).

    A pixel counts by ``clip(radius + 1/2 - distance, 0, 1)``; pixels that are NaN do not count.
    Errors take pixels as independent.

    Parameters
    ----------
    image, noise : array, shape (detection, y, x)
    x_pix, y_pix : array, shape (detection,)
        Centres, from the middle of the central pixel.
    """
    half = image.shape[1] // 2
    reach = min(int(radius_pix + 2), half)
    middle_x = np.clip(np.rint(x_pix).astype(int), reach - half, half - reach)
    middle_y = np.clip(np.rint(y_pix).astype(int), reach - half, half - reach)
    steps = np.arange(-reach, reach + 1)
    columns, rows = middle_x[:, None] + steps, middle_y[:, None] + steps
    at = np.arange(len(image))[:, None, None], rows[:, :, None] + half, columns[:, None, :] + half
    distance = np.hypot(
        columns[:, None, :] - x_pix[:, None, None], rows[:, :, None] - y_pix[:, None, None]
    )
    weight = np.clip(radius_pix + 0.5 - distance, 0.0, 1.0)
    values, sigma = np.nan_to_num(image[at]), np.nan_to_num(noise[at])
    total = (weight * values).sum(axis=(1, 2), dtype=float)
    return total, np.sqrt(((weight * sigma) ** 2).sum(axis=(1, 2), dtype=float))
