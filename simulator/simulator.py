"""Labelled image sequences of any objects of a data set, made in memory.

What object *i* of a split looks like depends on the profile, the options, the split and *i*
alone, so any of them can be made again by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simulator.expose import expose
from simulator.lightcurves import light_curve_class
from simulator.lightcurves.magnitudes import magnitude_law
from simulator.lightcurves.protocol import Bands, Context
from simulator.observing.exposures import Conditions, PointingBank
from simulator.observing.schedule import DETECTION_SIGMA
from simulator.options import Options, addresses, class_numbers
from simulator.rng import Draws, Purpose
from simulator.scene.scene import HOST_X, HOST_Y, Scene
from simulator.scene.surroundings import Hosts, Neighbours
from survey_profiles import draw_pointings, read_exposures

DRAWN_POINTINGS = 2048

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
    row, column); ``epochs`` holds (object, epoch) arrays, ``objects`` (object,) arrays, by
    the names of the data set.
    """

    images: np.ndarray
    mask: np.ndarray
    epochs: dict[str, np.ndarray]
    objects: dict[str, np.ndarray]


class Simulator:
    """Makes sequences of one survey with one set of options.

    Parameters
    ----------
    profile : survey_profiles.Profile
    options : Options
    """

    def __init__(self, profile, options: Options | None = None):
        self.profile = profile
        self.options = options or Options()
        self.classes = tuple(self.options.classes)
        self.band_names = tuple(profile.bands)
        self.bands = Bands(
            self.band_names,
            tuple(band.filter for band in profile.bands.values()),
            self.band_names.index(profile.reference_band),
        )
        self._law = magnitude_law(self.options.magnitudes, profile)
        self._bank = PointingBank(profile, self._pointings())
        templates = Path(self.options.templates) if self.options.templates else None
        self.models = {
            name: light_curve_class(name)(self.bands, templates) for name in self.classes
        }
        self._hosts = Hosts(profile, self.bands, self._law)
        self._neighbours = Neighbours(profile, self.bands)
        self._cycle = self.options.cycle()

    def _pointings(self):
        seed = self.options.seed
        if self.options.exposures:
            return read_exposures(self.options.exposures, self.profile, seed)
        return draw_pointings(self.profile, seed, DRAWN_POINTINGS)

    @property
    def n_epochs(self) -> int:
        """Length of the longest sequence."""
        return self._bank.pointings.mjd.shape[1]

    @property
    def n_pointings(self) -> int:
        """Sequences of exposures that objects are given."""
        return len(self._bank.pointings)

    @property
    def unused_exposures(self) -> dict[str, int]:
        """Rows of the exposure table that are left out, by reason."""
        return dict(self._bank.pointings.unused_rows)

    def depth_mag(self) -> float:
        """Median depth of the exposures in the reference band, or in all where it has none."""
        pointings = self._bank.pointings
        reference = (pointings.band == self.bands.reference) & np.isfinite(pointings.mjd)
        chosen = reference if reference.any() else np.isfinite(pointings.mjd)
        return float(np.median(pointings.limiting_mag[chosen]))

    @property
    def parameters(self) -> dict[str, str]:
        """Names and meanings of the classes' own parameters."""
        found: dict[str, dict[str, list[str]]] = {}
        for class_name, model in self.models.items():
            for name, meaning in model.parameters.items():
                found.setdefault(name, {}).setdefault(meaning, []).append(class_name)
        merged = {name: _joined(meanings) for name, meanings in found.items()}
        return {**merged, "redshift": "redshift of the source or of its host"}

    def labels(self, split: str, indices):
        """Class number of objects of a split, without making them."""
        return class_numbers(self.options.seed, split, indices, self._cycle)

    def sequence(self, index: int, split: str = "train") -> Sequences:
        """One object by itself, the same to the last bit as in any data set."""
        return self.batch(split, [index])

    def batch(self, split: str, indices) -> Sequences:
        """Sequences of the objects ``indices`` of a split, in this order.

        Raises
        ------
        SimulationError
            An unknown split, or an index that is not a whole number from 0 on.
        """
        address = addresses(split, indices)
        indices = np.asarray(indices, dtype=np.int64)
        label = self.labels(split, indices)
        order = np.argsort(label, kind="stable")
        groups = [order[label[order] == number] for number in range(len(self.classes))]
        conditions = self._bank.draw(self.options.seed, address)
        truth = _Truth(indices.size, self.n_epochs, len(self.band_names), self.parameters)
        for number, rows in enumerate(groups):
            if rows.size:
                self._sample_class(self.classes[number], rows, address[rows], conditions, truth)
        return self._expose(address, label, conditions, truth)

    def _sample_class(self, name, rows, address, conditions, truth):
        seed, schedule = self.options.seed, conditions.schedule.rows(rows)
        context = Context(schedule, self.bands, self._law)
        model = self.models[name]
        found = model.sample(Draws(seed, address, Purpose.PHYSICS), context)
        truth.magnitude[rows] = model.magnitudes(found, schedule.mjd, schedule.band)
        for parameter in model.parameters:
            truth.parameters[parameter][rows] = found[parameter]
        if "rate_arcsec_per_h" in found:
            truth.rate_arcsec_per_h[rows] = found["rate_arcsec_per_h"]
            truth.trail_angle_rad[rows] = found["_trail_angle_rad"]
        size = self.options.stamp_size_pix
        kind = getattr(model, "host", "chance")
        has_host, host, magnitude, redshift = self._hosts.draw(seed, address, kind, found, size)
        truth.has_host[rows] = has_host
        truth.host[rows] = host
        truth.host_magnitude[rows] = np.where(has_host[:, None], magnitude, np.inf)
        if kind != "own":
            truth.parameters["redshift"][rows] = np.where(has_host, redshift, np.nan)

    def _expose(self, address, label, conditions: Conditions, truth) -> Sequences:
        size, n_epochs = self.options.stamp_size_pix, conditions.schedule.mjd.shape[1]
        scene, n_neighbours = self._scene(address, conditions, truth)
        images = np.zeros((address.size, n_epochs, size, size), dtype=np.uint16)
        mask = np.zeros(images.shape, dtype=np.uint8)
        expose(
            address,
            scene,
            conditions.psf,
            conditions.detector,
            seed=self.options.seed,
            size_pix=size,
            images=images,
            mask=mask,
        )
        epochs = _epoch_arrays(conditions, truth.magnitude)
        objects = self._object_arrays(label, conditions, truth, n_neighbours)
        return Sequences(images, mask, epochs, objects)

    def _scene(self, address, conditions, truth):
        schedule = conditions.schedule
        n_epochs = schedule.mjd.shape[1]
        size = self.options.stamp_size_pix
        jitter = Draws(self.options.seed, address, Purpose.POSITION).uniforms(2 * n_epochs)
        offset = (2 * jitter - 1) * self.profile.psf.position_jitter_pix
        centre_x, centre_y = self.profile.psf.position_offset_pix
        number, x, y, magnitude = self._neighbours.draw(self.options.seed, address, size)
        trail_arcsec = truth.rate_arcsec_per_h[:, None] / 3600.0 * schedule.exposure_time_s
        neighbour_magnitude = _in_band(magnitude, schedule.band[:, None, :])  # (n, k, epoch)
        light = conditions.throughput
        scene = Scene(
            n_epochs=conditions.n_epochs.astype(np.int64),
            x_pix=centre_x + offset[:, :n_epochs],
            y_pix=centre_y + offset[:, n_epochs:],
            source_e=light * _electrons(truth.magnitude, schedule),
            trail_pix=np.nan_to_num(trail_arcsec / self.profile.camera.pixel_scale_arcsec),
            trail_angle_rad=truth.trail_angle_rad,
            host=truth.host,
            host_e=light * _electrons(_in_band(truth.host_magnitude, schedule.band), schedule),
            n_neighbours=number,
            neighbour_x_pix=x,
            neighbour_y_pix=y,
            neighbour_e=light[..., None]
            * _electrons(neighbour_magnitude.transpose(0, 2, 1), schedule, trailing_axis=True),
            background_e=conditions.background_e,
        )
        return scene, number

    def _object_arrays(self, label, conditions, truth, n_neighbours):
        schedule = conditions.schedule
        loss_mag = schedule.trailing_loss_mag(truth.rate_arcsec_per_h)
        signal = np.nan_to_num(schedule.signal_to_noise(truth.magnitude, loss_mag=loss_mag))
        detected = signal >= DETECTION_SIGMA
        appearing = [getattr(model, "alerts", False) for model in self.models.values()]
        alerts = np.array(appearing)[label]
        first = np.where(alerts & detected.any(axis=1), detected.argmax(axis=1), -1)
        reference = self.bands.reference
        arrays = {
            "label": label.astype(np.uint8),
            "n_epochs": conditions.n_epochs.astype(np.int16),
            "first_alert_epoch": first.astype(np.int16),
            "n_detections": detected.sum(axis=1).astype(np.int16),
            "max_signal_to_noise": signal.max(axis=1).astype(np.float32),
            "ccd": conditions.ccd.astype(np.int16),
            "gain_e_per_adu": conditions.detector.gain_e_per_adu.astype(np.float32),
            "read_noise_e": conditions.detector.read_noise_e.astype(np.float32),
            "has_host": truth.has_host,
            "host_mag": _finite(truth.host_magnitude[:, reference]).astype(np.float32),
            "host_x_pix": _where(truth.has_host, truth.host[:, HOST_X]).astype(np.float32),
            "host_y_pix": _where(truth.has_host, truth.host[:, HOST_Y]).astype(np.float32),
            "n_neighbours": n_neighbours.astype(np.uint8),
        }
        for name, values in truth.parameters.items():
            arrays[name] = values.astype(parameter_dtype(name))
        return arrays


def _joined(meanings: dict[str, list[str]]) -> str:
    """Meanings of one parameter, each with the classes it holds for; the unit is the first's."""
    if len(meanings) == 1:
        return next(iter(meanings))
    texts = [
        f"{', '.join(classes)}: {text.rpartition(' [')[0] or text}"
        for text, classes in meanings.items()
    ]
    _, bracket, unit = next(iter(meanings)).rpartition(" [")
    return "; ".join(texts) + bracket + (unit if bracket else "")


def parameter_dtype(name: str) -> type:
    """Dates need double precision, everything else does not."""
    return np.float64 if name.endswith("_mjd") else np.float32


class _Truth:
    """What has been drawn of a batch, filled class by class."""

    def __init__(self, n, n_epochs, n_bands, parameters):
        self.magnitude = np.full((n, n_epochs), np.inf)
        self.parameters = {name: np.full(n, np.nan) for name in parameters}
        self.rate_arcsec_per_h = np.zeros(n)
        self.trail_angle_rad = np.zeros(n)
        self.has_host = np.zeros(n, dtype=bool)
        self.host = np.zeros((n, 7))
        self.host_magnitude = np.full((n, n_bands), np.inf)


def _electrons(magnitude, schedule, trailing_axis=False):
    """Electrons of sources of AB ``magnitude``; zero where there is no light or no exposure."""
    zero_point, seconds, gain = (
        schedule.zero_point_mag,
        schedule.exposure_time_s,
        schedule.gain_e_per_adu,
    )
    if trailing_axis:
        zero_point, seconds, gain = zero_point[..., None], seconds[..., None], gain[..., None]
    electrons = 10.0 ** (0.4 * (zero_point.astype(float) - magnitude)) * seconds * gain
    return np.nan_to_num(electrons, nan=0.0, posinf=0.0)


def _in_band(magnitude, band):
    """Magnitudes (object, ..., band) at the band of every epoch, (object, ..., epoch)."""
    return np.take_along_axis(
        magnitude, np.broadcast_to(band, (*magnitude.shape[:-1], band.shape[-1])), -1
    )


def _finite(values):
    return np.where(np.isfinite(values), values, np.nan)


def _where(condition, values):
    return np.where(condition, values, np.nan)


def _epoch_arrays(conditions: Conditions, magnitude):
    schedule = conditions.schedule
    observed = schedule.observed
    arrays = {
        "mjd": schedule.mjd,
        "band": schedule.band.astype(np.uint8),
        "magnitude": np.where(observed, magnitude, np.nan).astype(np.float32),
    }
    for name in ("exposure_time_s", "zero_point_mag"):
        arrays[name] = getattr(schedule, name).astype(np.float32)
    for name in ("limiting_mag", "airmass", "seeing_fwhm_arcsec", "sky_adu"):
        arrays[name] = getattr(conditions, name).astype(np.float32)
    return {name: arrays[name] for name in EPOCH_ARRAYS}
