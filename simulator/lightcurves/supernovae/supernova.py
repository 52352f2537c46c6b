"""Supernovae of types Ia and II, in the proportions of a magnitude-limited survey.

An object's exposures are given and never changed. Explosions are uniform over their time span
(from five days before the first, as real surveys also begin after some explosions), redshifts
follow rate x comoving volume / (1 + z). A supernova that is above the limiting magnitude of no
exposure is redrawn whole: subtype, redshift, luminosity and time. The detected ones are therefore
distributed as a magnitude-limited survey finds them.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from simulator.lightcurves.cosmology import MIN_REDSHIFT, distance_modulus_mag
from simulator.lightcurves.protocol import (
    Bands,
    Context,
    HostPlacement,
    HostSite,
    LightCurveModel,
)
from simulator.lightcurves.supernovae.detectable_volume import DetectableVolume, exposures
from simulator.lightcurves.supernovae.light_curve_kernels import (
    COLUMNS,
    EXPLOSION,
    OFFSET,
    REDSHIFT,
    TYPE_IA,
    detected,
    fill_magnitudes,
    find_peaks,
)
from simulator.lightcurves.supernovae.sed_templates import check_directory
from simulator.lightcurves.supernovae.seds import band_weights
from simulator.lightcurves.supernovae.type_ia import SupernovaIa
from simulator.lightcurves.supernovae.type_ii import SupernovaII
from simulator.rng import Draws

EARLY_EXPLOSION_DAY = 5.0  # of 46 real HiTS SNe, 12 alert within 2 d of their first exposure
MAX_ATTEMPTS = 200
NEARER = 0.8  # factor of redshift per step once the attempts are used up
_MAX_STEPS = 60


class Supernova(LightCurveModel):
    """Supernovae of types Ia and II.

    Parameters
    ----------
    bands : Bands
    templates : Path, optional
        An sncosmo data cache; then SNe Ia use the full Hsiao V3 series and SNe II the
        spectra of Sako et al. (2011) and Vincenzi et al. (2019).
    """

    name = "SN"
    alerts = True
    host_placement = HostPlacement.OWN_HOST
    parameters: ClassVar = {
        "subtype": "0 = SN Ia, 1 = SN II",
        "redshift": "redshift",
        "explosion_mjd": "time of explosion [d]",
        "peak_mjd": "time of peak in the reference band [d]",
        "peak_mag": "observed AB magnitude at peak in the reference band [mag]",
        "x1": "SN Ia: light-curve shape x1",
        "c": "SN Ia: colour c [mag]",
        "absolute_mag": "SN II: peak absolute magnitude, rest-frame r (V for templates) [mag]",
        "host_av_mag": "SN II: host extinction A_V that reddens the colours [mag]",
        "rise_day": "SN II without templates: rest-frame rise time [d]",
        "plateau_day": "SN II without templates: rest-frame explosion to end of plateau [d]",
    }

    def __init__(self, bands: Bands, templates: Path | None = None) -> None:
        super().__init__(bands, templates)
        if templates is not None:
            check_directory(templates)
        weights = band_weights(bands.curves)
        self._reference = bands.reference
        self._subtypes = (SupernovaIa(weights, templates), SupernovaII(weights, templates))
        self._grids = tuple(subtype.grid for subtype in self._subtypes)
        self._volume = DetectableVolume.of_supernovae(
            self._subtypes, self._grids, len(bands.filters)
        )

    def sample(self, draws: Draws, context: Context) -> dict[str, np.ndarray]:
        """Parameters of a batch; every supernova is detected at one epoch or more.

        With ``Context.population_depth_mag`` none is redrawn: subtype, redshift and luminosity
        follow the rates in a volume that does not depend on the schedule.
        """
        batch = _Batch(self, draws, context)
        still_open = np.arange(len(draws))
        if not context.detected_only:
            batch.attempt(1, still_open)
            return batch.parameters()
        for number in range(1, MAX_ATTEMPTS + 1):
            still_open = batch.attempt(number, still_open)
            if still_open.size == 0:
                break
        batch.bring_nearer(still_open)
        return batch.parameters()

    def host_sites(self, parameters: dict[str, np.ndarray]) -> np.ndarray:
        """SNe Ia follow the light; SNe II, of young stars, are in the disc."""
        return np.where(parameters["subtype"] == TYPE_IA, HostSite.LIGHT, HostSite.DISC)

    def magnitudes(
        self, parameters: dict[str, np.ndarray], mjd: np.ndarray, band: np.ndarray
    ) -> np.ndarray:
        """AB magnitudes, (object, epoch); +inf before the explosion and at padded epochs."""
        mjd = np.ascontiguousarray(mjd, dtype=float)
        band = np.ascontiguousarray(band, dtype=np.int64)
        physics = np.ascontiguousarray(parameters["_physics"])
        out = np.empty(mjd.shape)
        fill_magnitudes(out, physics, mjd, band, *self._grids)
        return out


class _Batch:
    """The objects of one call of ``Supernova.sample`` and their accepted draws."""

    def __init__(self, model, draws, context):
        self._model, self._draws, self._context = model, draws, context
        self._exposures = exposures(context.schedule)
        mjd = self._exposures[0]
        self._first_mjd = np.fmin.reduce(mjd, axis=1) - EARLY_EXPLOSION_DAY
        self._last_mjd = np.fmax.reduce(mjd, axis=1)
        if context.detected_only:
            self._cells = model._volume.cells(context.schedule, self._first_mjd, self._last_mjd)
        else:
            self._cells = model._volume.cells_within(context.population_depth_mag, len(draws))
        self._physics = np.zeros((len(draws), len(COLUMNS)))
        names = [
            name for name in Supernova.parameters if name not in ("subtype", "peak_mjd", "peak_mag")
        ]
        self._stored = {name: np.full(len(draws), np.nan) for name in names}

    def attempt(self, number, rows):
        """Draw the objects in ``rows``; return the rows that are not detected."""
        draws = self._draws.attempt(number, rows)
        physics, stored = self._draw(draws, rows)
        if self._model.name in self._context.magnitude_law.by_class:
            peak_mag = find_peaks(physics, self._model._reference, *self._model._grids)[:, 0]
            wanted_mag = self._context.magnitude_law.draw(draws, self._model.name)
            physics[:, OFFSET] += wanted_mag - peak_mag
        self._physics[rows] = physics
        for name, values in self._stored.items():
            values[rows] = stored.get(name, np.nan)
        return rows[~self._detected(rows)]

    def _draw(self, draws, rows):
        """Physics (rows, column) and stored numbers of one attempt.

        Both subtypes are drawn for every object, so each takes the same draws always.
        """
        subtype, quantile, redshift = self._cells.draw(draws, rows)
        explosion_mjd = draws.uniform(self._first_mjd[rows], self._last_mjd[rows])
        physics = np.zeros((len(rows), len(COLUMNS)))
        stored = {}
        for number, model in enumerate(self._model._subtypes):
            mine = subtype == number
            numbers, columns = model.draw(draws, quantile)
            for column, value in columns.items():
                physics[mine, column] = np.broadcast_to(value, len(rows))[mine]
            stored |= {name: np.where(mine, value, np.nan) for name, value in numbers.items()}
        physics[:, REDSHIFT], physics[:, EXPLOSION] = redshift, explosion_mjd
        physics[:, OFFSET] += distance_modulus_mag(redshift)
        return physics, stored

    def _detected(self, rows):
        return detected(rows, self._physics[rows], *self._exposures, *self._model._grids)

    def bring_nearer(self, rows):
        """Where all attempts failed: the earliest explosion, at falling redshift until detected."""
        self._physics[rows, EXPLOSION] = self._first_mjd[rows]
        for _ in range(_MAX_STEPS):
            rows = rows[~self._detected(rows)]
            if rows.size == 0:
                return
            far = self._physics[rows, REDSHIFT]
            nearer = np.maximum(NEARER * far, MIN_REDSHIFT)
            self._physics[rows, REDSHIFT] = nearer
            change_mag = distance_modulus_mag(nearer) - distance_modulus_mag(far)
            self._physics[rows, OFFSET] += change_mag

    def parameters(self):
        """The finished batch, as ``LightCurveModel.sample`` returns it."""
        physics = self._physics
        peaks = find_peaks(physics, self._model._reference, *self._model._grids)
        columns = {COLUMNS[k]: physics[:, k].copy() for k in (0, 1, 2)}
        peak = {"peak_mag": peaks[:, 0], "peak_mjd": peaks[:, 1]}
        return {**self._stored, **columns, **peak, "_physics": physics}
