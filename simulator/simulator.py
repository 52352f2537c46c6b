"""Labelled image sequences of any objects of a data set, made in memory.

Object *i* of a split depends on the profile, the options, the split and *i* alone, so any
object can be regenerated alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simulator.artefacts.drawing import MOST_SHIFT_PIX, ArtefactBank, with_stars
from simulator.difference.plane_maker import Neighbouring, PlaneMaker
from simulator.difference.template import Coadds, template_flux
from simulator.expose import expose
from simulator.lightcurves import light_curve_class
from simulator.lightcurves.filters import own_curve
from simulator.lightcurves.magnitudes import magnitude_law
from simulator.lightcurves.protocol import Bands, Context, HostPlacement
from simulator.observing.exposures import Conditions, PointingBank
from simulator.options import Options, addresses, class_numbers
from simulator.rng import Draws, Purpose
from simulator.scene.host_galaxies import Hosts
from simulator.scene.neighbours import Neighbours
from simulator.scene.render import Scene
from simulator.sequences import (
    DrawnObjects,
    Sequences,
    detections_in_difference,
    epoch_arrays,
    object_arrays,
    with_bogus_alerts,
)
from skyreel.errors import SimulationError
from survey_profiles import draw_pointings, read_exposures
from survey_profiles.instrument_schema import MOST_RESAMPLED_PIX

if TYPE_CHECKING:
    from survey_profiles import Profile
    from survey_profiles.pointings import Pointings

VALUES_VERSION = 2
"""Increased when simulated values change: 2 corrected positions in bulges and chance hosts, and
changed how the visits of a season are drawn."""
DRAWN_POINTINGS = 2048
_MOST_ELECTRONS = 1e30  # far above any full well, and far below the limit of single precision


class Drawn(NamedTuple):
    """A batch of objects and their exposures before any image is drawn."""

    address: np.ndarray  # uint64 (object,)
    label: np.ndarray  # (object,)
    conditions: Conditions
    objects: DrawnObjects
    coadds: Coadds | None = None  # templates, where planes need them


class Simulator:
    """Simulates sequences of one survey with one set of options.

    Parameters
    ----------
    profile : survey_profiles.Profile
    options : Options
    """

    def __init__(self, profile: Profile, options: Options | None = None) -> None:
        self.profile = profile
        self.options = options or Options()
        _require_margin(profile.psf)
        self.classes = tuple(self.options.classes)
        self.band_names = tuple(profile.bands)
        self.bands = Bands(
            self.band_names,
            tuple(band.filter for band in profile.bands.values()),
            self.band_names.index(profile.reference_band),
            tuple(map(own_curve, profile.bands, profile.bands.values())),
        )
        models = [light_curve_class(name) for name in self.classes]
        self._law = magnitude_law(self.options.magnitudes, profile, models)
        self._bank = PointingBank(profile, self._pointings(), self.options.condition_error)
        self._artefacts = ArtefactBank(
            profile, self.options, has_bogus=any(model.is_artefact for model in models)
        )
        self._planes = None
        if self.options.has_planes:
            spare_pix = ceil(MOST_SHIFT_PIX) if self.has_artefacts else 0
            self._planes = PlaneMaker(profile, self.pointings, self.options, spare_pix)
        templates = Path(self.options.templates) if self.options.templates else None
        self.models = {model.name: model(self.bands, templates) for model in models}
        self._hosts = Hosts(profile, self.bands)
        self._neighbours = Neighbours(profile, self.bands, self.options.stamp_size_pix)
        self._cycle = self.options.cycle()
        self._population_depth_mag: np.ndarray | None = None

    def of_population(self, depth_mag: np.ndarray) -> Simulator:
        """The same survey and options, for objects whether or not an exposure detects them.

        Parameters
        ----------
        depth_mag : array, shape (band,)
            Supernovae fill the volume in which the brightest of them reach this depth; -inf for
            a band that is not used. See `simulator.lightcurves.protocol.Context`.
        """
        other = copy(self)
        other._population_depth_mag = np.asarray(depth_mag, dtype=float)
        return other

    def of_length(self, n_epochs: int) -> Simulator:
        """The same survey and options, for objects of at most so many images.

        Objects have the same values; arrays end after ``n_epochs`` epochs instead of those of the
        longest sequence, so that short sequences cost less beside much longer ones.

        Raises
        ------
        SimulationError
            From `drawn` and `batch`, of an object with more images.
        """
        other = copy(self)
        other._bank = self._bank.of_length(n_epochs)
        return other

    def _pointings(self):
        seed = self.options.seed
        if self.options.exposures:
            return read_exposures(self.options.exposures, self.profile, seed, self.options.visits)
        return draw_pointings(self.profile, seed, DRAWN_POINTINGS)

    @property
    def n_epochs(self) -> int:
        """Length of the longest sequence."""
        return self._bank.n_epochs

    @property
    def exposure_notes(self) -> tuple[str, ...]:
        """What of the exposure table was converted or follows from other columns."""
        return self._bank.pointings.notes

    @property
    def pointings(self) -> Pointings:
        """The sequences of exposures that objects are given."""
        return self._bank.pointings

    def pointing_numbers(self, split: str, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Which of the ``pointings`` objects of a split are given, int (object,)."""
        return self._bank.numbers(self.options.seed, addresses(split, indices))

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
    def has_artefacts(self) -> bool:
        """Whether there are artefacts, and the array that names them."""
        return self._artefacts.is_used

    @property
    def parameters(self) -> dict[str, str]:
        """Names and meanings of the classes' own parameters."""
        found: dict[str, dict[str, list[str]]] = {}
        for class_name, model in self.models.items():
            for name, meaning in model.parameters.items():
                found.setdefault(name, {}).setdefault(meaning, []).append(class_name)
        merged = {name: _joined(meanings) for name, meanings in found.items()}
        return {**merged, "redshift": "redshift of the source or of its host"}

    def labels(self, split: str, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Class numbers of objects of a split, (object,), without simulating them."""
        return class_numbers(self.options.seed, split, indices, self._cycle)

    def sequence(self, index: int, split: str = "train") -> Sequences:
        """One object by itself, the same to the last bit as in any data set."""
        return self.batch(split, [index])

    def batch(self, split: str, indices: Sequence[int] | np.ndarray) -> Sequences:
        """Sequences of the objects ``indices`` of a split, in this order.

        Raises
        ------
        SimulationError
            An unknown split, or an index that is not a whole number from 0 on.
        """
        return self._expose(self.drawn(split, indices))

    def drawn(self, split: str, indices: Sequence[int] | np.ndarray) -> Drawn:
        """The same objects without their images: conditions, parameters, true magnitudes.

        Raises
        ------
        SimulationError
            As `batch`.
        """
        address = addresses(split, indices)
        indices = np.asarray(indices, dtype=np.int64)
        label = self.labels(split, indices)
        order = np.argsort(label, kind="stable")
        groups = [order[label[order] == number] for number in range(len(self.classes))]
        conditions = self._bank.draw(self.options.seed, address)
        if conditions.n_epochs.max(initial=0) > self.n_epochs:
            raise SimulationError(
                f"{conditions.n_epochs.max()} images of an object in arrays of {self.n_epochs}; "
                "give Simulator.of_length objects of fewer images."
            )
        drawn = DrawnObjects(indices.size, self.n_epochs, len(self.band_names), self.parameters)
        coadds, dates = None, None
        if self._planes:
            coadds, dates = self._planes.templates(address, conditions)
        for number, rows in enumerate(groups):
            if rows.size:
                of_class = self.classes[number], rows, address[rows]
                self._sample_class(*of_class, conditions, drawn, dates)
        return Drawn(address, label, conditions, drawn, coadds)

    def _sample_class(self, name, rows, address, conditions, drawn, dates):
        seed, schedule = self.options.seed, conditions.schedule.rows(rows)
        context = Context(
            schedule, self.bands, self._law, self._population_depth_mag, self._artefacts.shares
        )
        model = self.models[name]
        found = model.sample(Draws(seed, address, Purpose.PHYSICS), context)
        drawn.magnitude[rows] = model.magnitudes(found, schedule.mjd, schedule.band)
        drawn.alerts[rows] = model.alerts
        if dates is not None:
            drawn.template_flux[rows] = template_flux(
                model,
                found,
                dates.rows(rows),
                drawn.magnitude[rows],
                schedule.band,
                self._planes.transient_share,
            )
        for parameter in model.parameters:
            if parameter not in found:
                raise SimulationError(f"class {name}: sample() returns no {parameter!r}.")
            drawn.parameters[parameter][rows] = found[parameter]
        drawn.set_motion(rows, model.motion(found))
        drawn.set_artefacts(rows, model.artefacts(found))
        hosts = self._hosts.draw(seed, address, model, found, self.options.stamp_size_pix)
        drawn.set_hosts(rows, hosts)
        if model.host_placement is not HostPlacement.OWN_HOST:
            redshift = np.where(hosts.has_host, hosts.redshift, np.nan)
            drawn.parameters["redshift"][rows] = redshift

    def _expose(self, made: Drawn) -> Sequences:
        address, label, conditions, drawn, coadds = made
        size, n_epochs = self.options.stamp_size_pix, conditions.schedule.mjd.shape[1]
        artefacts = self._artefacts.draw(address, conditions, drawn.bogus)
        if self.has_artefacts:
            edges = self._artefacts.edges(conditions.detector.edges, artefacts, drawn.bogus)
            detector = conditions.detector._replace(edges=edges)
            conditions = replace(conditions, detector=detector)
        scene, neighbours = self._scene(made._replace(conditions=conditions), artefacts)
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
            artefacts=artefacts,
        )
        epochs = epoch_arrays(conditions, drawn.magnitude)
        if self.has_artefacts:
            epochs["artefact"] = artefacts.kind
        reference = self.bands.reference
        objects = object_arrays(label, conditions, drawn, neighbours.number, reference)
        if drawn.bogus.kind.any():
            objects = with_bogus_alerts(objects, drawn.bogus)
        if not self._planes:
            return Sequences(images, mask, epochs, objects)
        planes, measured = self._planes.make(
            address, conditions, coadds, drawn, scene, neighbours, images, mask, artefacts
        )
        if "difference_detected" in measured:
            objects = detections_in_difference(objects, measured, drawn.alerts)
        return Sequences(images, mask, {**epochs, **measured}, objects, planes)

    def _neighbours_of(self, made, artefacts):
        """Other stars in the stamps, among them those of artefacts."""
        bogus = made.objects.bogus
        power = np.array([self.models[name].star_density_power for name in self.classes])
        found = self._neighbours.draw(
            self.options.seed, made.address, self.options.stamp_size_pix, power[made.label]
        )
        if not self.has_artefacts:
            return Neighbouring(*found)
        return with_stars(Neighbouring(*found), *self._artefacts.star(artefacts, bogus))

    def scene_of(self, made: Drawn) -> tuple[Scene, Neighbouring]:
        """The light on the images of objects, and their neighbours."""
        bogus = made.objects.bogus
        return self._scene(made, self._artefacts.draw(made.address, made.conditions, bogus))

    def _scene(self, made, artefacts):
        address, conditions, drawn = made.address, made.conditions, made.objects
        schedule = conditions.schedule
        n_epochs = schedule.mjd.shape[1]
        longest = self._bank.pointings.mjd.shape[1]  # which the draws of y come after
        jitter = Draws(self.options.seed, address, Purpose.POSITION).uniforms(2 * longest)
        offset = (2 * jitter - 1) * self.profile.psf.position_jitter_pix
        centre_x, centre_y = self.profile.psf.position_offset_pix
        neighbours = self._neighbours_of(made, artefacts)
        number, x, y, magnitude = neighbours
        trail_arcsec = drawn.rate_arcsec_per_h[:, None] / 3600.0 * schedule.exposure_time_s
        neighbour_magnitude = _in_band(magnitude, schedule.band[:, None, :])  # (n, k, epoch)
        light = conditions.throughput
        scene = Scene(
            n_epochs=conditions.n_epochs.astype(np.int64),
            x_pix=centre_x + offset[:, :n_epochs],
            y_pix=centre_y + offset[:, longest : longest + n_epochs],
            source_e=light * _electrons(drawn.magnitude, schedule),
            trail_pix=np.nan_to_num(trail_arcsec / self.profile.camera.pixel_scale_arcsec),
            trail_angle_rad=drawn.trail_angle_rad,
            host=drawn.host,
            host_e=light * _electrons(_in_band(drawn.host_magnitude, schedule.band), schedule),
            n_neighbours=number,
            neighbour_x_pix=x,
            neighbour_y_pix=y,
            neighbour_e=light[..., None]
            * _electrons(neighbour_magnitude.transpose(0, 2, 1), schedule, trailing_axis=True),
            background_e=conditions.background_e,
        )
        return scene, neighbours


def _require_margin(psf):
    """Refuse positions that the margin of a resampled stamp does not allow."""
    if psf.lanczos_order and not psf.largest_offset_pix < MOST_RESAMPLED_PIX:
        raise SimulationError(
            f"psf.position_jitter_pix plus psf.position_offset_pix is {psf.largest_offset_pix:g} "
            f"pixels; resampled stamps (psf.lanczos_order) allow less than {MOST_RESAMPLED_PIX:g}."
        )


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
    return np.minimum(np.nan_to_num(electrons, nan=0.0), _MOST_ELECTRONS)


def _in_band(magnitude, band):
    """Magnitudes (object, ..., band) at the band of every epoch, (object, ..., epoch)."""
    return np.take_along_axis(
        magnitude, np.broadcast_to(band, (*magnitude.shape[:-1], band.shape[-1])), -1
    )
