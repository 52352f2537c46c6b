"""A batch of labelled sequences, and the arrays that describe its epochs and objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from simulator.observing.schedule import DETECTION_SIGMA
from simulator.scene.host_galaxies import HostBatch
from simulator.scene.render import HOST_X, HOST_Y, N_HOST_COLUMNS

if TYPE_CHECKING:
    from simulator.lightcurves.protocol import Motion
    from simulator.observing.exposures import Conditions

EPOCH_ARRAYS = (
    "mjd",
    "band",
    "exposure_time_s",
    "airmass",
    "seeing_fwhm_arcsec",
    "sky_adu",
    "zero_point_mag",
    "limiting_mag",
    "magnitude",
)


@dataclass(frozen=True)
class Sequences:
    """A batch of labelled sequences.

    ``images`` (uint16 ADU, sky included) and ``mask`` (uint8 bits) have shape (object, epoch,
    row, column), as have the arrays of ``planes``: templates and differences, where they are
    made. ``epochs`` holds (object, epoch) arrays, ``objects`` (object,) arrays. Names are those of
    the data set.
    """

    images: np.ndarray
    mask: np.ndarray
    epochs: dict[str, np.ndarray]
    objects: dict[str, np.ndarray]
    planes: dict[str, np.ndarray] = field(default_factory=dict)

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays by the names of the data set."""
        pixels = {"images": self.images, "mask": self.mask, **self.planes}
        return {**pixels, **self.epochs, **self.objects}


class DrawnObjects:
    """The draws of a batch of objects, filled class by class; arrays (object, ...)."""

    def __init__(self, n: int, n_epochs: int, n_bands: int, parameters: dict[str, str]) -> None:
        self.magnitude = np.full((n, n_epochs), np.inf)
        self.alerts = np.zeros(n, dtype=bool)
        self.parameters = {name: np.full(n, np.nan) for name in parameters}
        self.rate_arcsec_per_h = np.zeros(n)
        self.trail_angle_rad = np.zeros(n)
        self.has_host = np.zeros(n, dtype=bool)
        self.host = np.zeros((n, N_HOST_COLUMNS))
        self.host_magnitude = np.full((n, n_bands), np.inf)
        self.template_flux = np.zeros((n, n_bands))

    def set_motion(self, rows: np.ndarray, motion: Motion | None) -> None:
        """Keep the motion of the objects in ``rows``; without one they are at rest."""
        if motion is not None:
            self.rate_arcsec_per_h[rows] = motion.rate_arcsec_per_h
            self.trail_angle_rad[rows] = motion.angle_rad

    def set_hosts(self, rows: np.ndarray, hosts: HostBatch) -> None:
        """Keep the host galaxies of the objects in ``rows``."""
        self.has_host[rows] = hosts.has_host
        self.host[rows] = hosts.columns
        self.host_magnitude[rows] = np.where(hosts.has_host[:, None], hosts.magnitude, np.inf)


def epoch_arrays(conditions: Conditions, magnitude: np.ndarray) -> dict[str, np.ndarray]:
    """The (object, epoch) arrays of a data set; ``magnitude`` is the true one."""
    schedule = conditions.schedule
    arrays = {
        "mjd": schedule.mjd,
        "band": schedule.band.astype(np.uint8),
        "magnitude": np.where(schedule.observed, magnitude, np.nan).astype(np.float32),
    }
    for name in ("exposure_time_s", "zero_point_mag"):
        arrays[name] = getattr(schedule, name).astype(np.float32)
    for name in ("limiting_mag", "airmass", "seeing_fwhm_arcsec", "sky_adu"):
        arrays[name] = getattr(conditions, name).astype(np.float32)
    return {name: arrays[name] for name in EPOCH_ARRAYS}


def object_arrays(
    label: np.ndarray,
    conditions: Conditions,
    drawn: DrawnObjects,
    n_neighbours: np.ndarray,
    reference_band: int,
) -> dict[str, np.ndarray]:
    """The (object,) arrays of a data set."""
    loss_mag = conditions.schedule.trailing_loss_mag(drawn.rate_arcsec_per_h)
    signal = conditions.schedule.signal_to_noise(drawn.magnitude, loss_mag=loss_mag)
    signal = np.nan_to_num(signal)
    detected = signal >= DETECTION_SIGMA
    first = np.where(drawn.alerts & detected.any(axis=1), detected.argmax(axis=1), -1)
    host_mag = drawn.host_magnitude[:, reference_band]
    arrays = {
        "label": label.astype(np.uint8),
        "n_epochs": conditions.n_epochs.astype(np.int16),
        "first_alert_epoch": first.astype(np.int16),
        "n_detections": detected.sum(axis=1).astype(np.int16),
        "max_signal_to_noise": signal.max(axis=1).astype(np.float32),
        "ccd": conditions.ccd.astype(np.int16),
        "gain_e_per_adu": conditions.detector.gain_e_per_adu.astype(np.float32),
        "read_noise_e": conditions.detector.read_noise_e.astype(np.float32),
        "has_host": drawn.has_host,
        "host_mag": np.where(np.isfinite(host_mag), host_mag, np.nan).astype(np.float32),
        "host_x_pix": np.where(drawn.has_host, drawn.host[:, HOST_X], np.nan).astype(np.float32),
        "host_y_pix": np.where(drawn.has_host, drawn.host[:, HOST_Y], np.nan).astype(np.float32),
        "n_neighbours": n_neighbours.astype(np.uint8),
    }
    for name, values in drawn.parameters.items():
        arrays[name] = values.astype(parameter_dtype(name))
    return arrays


def detections_in_difference(
    objects: dict[str, np.ndarray], epochs: dict[str, np.ndarray], alerts: np.ndarray
) -> dict[str, np.ndarray]:
    """The (object,) arrays with the detections of the difference in place of the true ones.

    ``alerts`` (object,) marks the objects whose first detection is an alert.
    """
    detected = epochs["difference_detected"]
    first = np.where(alerts & detected.any(axis=1), detected.argmax(axis=1), -1)
    return {
        **objects,
        "first_alert_epoch": first.astype(np.int16),
        "n_detections": detected.sum(axis=1).astype(np.int16),
    }


def parameter_dtype(name: str) -> type:
    """Dates need double precision, other parameters do not."""
    return np.float64 if name.endswith("_mjd") else np.float32
