"""Supernovae of types Ia and II, in the proportions of a magnitude-limited survey.

A supernova that is above the limiting magnitude of no exposure is redrawn whole: subtype, redshift,
luminosity and time (`simulator.lightcurves.detected_transients`).
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from simulator.lightcurves.cosmology import distance_modulus_mag, explosions_per_year
from simulator.lightcurves.detectable_volume import AGES_DAY, N_BINS, NODES, DetectableVolume
from simulator.lightcurves.detected_transients import DetectedTransients
from simulator.lightcurves.protocol import (
    Bands,
    Context,
    HostPlacement,
    HostSite,
    LightCurveModel,
)
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
    star_density_power = -1.0
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
        self._volume = _detectable_volume(self._subtypes, self._grids, len(bands.filters))

    def sample(self, draws: Draws, context: Context) -> dict[str, np.ndarray]:
        """Parameters of a batch; every supernova is detected at one epoch or more.

        With ``Context.population_depth_mag`` none is redrawn: subtype, redshift and luminosity
        follow the rates in a volume that does not depend on the schedule.
        """
        return _Batch(self, draws, context).sample()

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


class _Batch(DetectedTransients):
    """The objects of one call of ``Supernova.sample``."""

    max_attempts = 200

    def __init__(self, model, draws, context):
        super().__init__(model._volume, draws, context)
        self._model = model
        self._physics = np.zeros((len(draws), len(COLUMNS)))
        self.start_mjd, self.redshift = self._physics[:, EXPLOSION], self._physics[:, REDSHIFT]
        names = [
            name for name in Supernova.parameters if name not in ("subtype", "peak_mjd", "peak_mag")
        ]
        self._stored = {name: np.full(len(draws), np.nan) for name in names}

    def draw(self, draws, rows):
        """Both subtypes are drawn for every object, so each takes the same draws always."""
        subtype, quantile, redshift, explosion_mjd = self.draw_places(draws, rows)
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
        law = self.context.magnitude_law
        if self._model.name in law.by_class:
            peak_mag = find_peaks(physics, self._model._reference, *self._model._grids)[:, 0]
            physics[:, OFFSET] += law.draw(draws, self._model.name) - peak_mag
        self._physics[rows] = physics
        for name, values in self._stored.items():
            values[rows] = stored.get(name, np.nan)

    def is_detected(self, rows):
        exposed = self.mjd, self.band, self.limiting_mag
        return detected(rows, self._physics[rows], *exposed, *self._model._grids)

    def move(self, rows, redshift):
        change_mag = distance_modulus_mag(redshift) - distance_modulus_mag(self.redshift[rows])
        self._physics[rows, OFFSET] += change_mag
        self.redshift[rows] = redshift

    def parameters(self):
        physics = self._physics
        peaks = find_peaks(physics, self._model._reference, *self._model._grids)
        columns = {COLUMNS[k]: physics[:, k].copy() for k in (0, 1, 2)}
        peak = {"peak_mag": peaks[:, 0], "peak_mjd": peaks[:, 1]}
        return {**self._stored, **columns, **peak, "_physics": physics}


def _detectable_volume(subtypes, grids, n_bands):
    edges = [subtype.bin_edges(N_BINS) for subtype in subtypes]
    brightest = [s.brightest(e) for s, e in zip(subtypes, edges, strict=True)]
    curves = np.concatenate([_brightest_curves(b, grids, n_bands) for b in brightest])
    counts = [explosions_per_year(NODES, subtype.rate_per_mpc3_year) for subtype in subtypes]
    return DetectableVolume(edges, curves, counts)


def _brightest_curves(brightest, grids, n_bands):
    """Brightest magnitude by each age, (bin, band, age, node), never rising with redshift."""
    shape = (N_BINS, NODES.size)
    physics = np.zeros((*shape, len(COLUMNS)))
    for column, value in brightest.items():
        physics[..., column] = np.reshape(np.broadcast_to(value, N_BINS), (N_BINS, 1))
    physics[..., REDSHIFT] = NODES
    physics[..., OFFSET] += distance_modulus_mag(NODES)
    rows = physics.reshape(-1, len(COLUMNS))
    mjd = np.tile(AGES_DAY, (len(rows), 1))
    curves = np.empty((n_bands, *mjd.shape))
    for band in range(n_bands):
        fill_magnitudes(curves[band], rows, mjd, np.full(mjd.shape, band), *grids)
    curves = curves.reshape(n_bands, *shape, AGES_DAY.size).transpose(1, 0, 3, 2)
    by_age = np.minimum.accumulate(curves, axis=2)
    return np.minimum.accumulate(by_age[..., ::-1], axis=3)[..., ::-1].copy()
