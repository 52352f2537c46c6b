"""Populations of galaxies: luminosity, colour, size and shape.

Two populations, star-forming (blue) and quiescent (red), with the B-band luminosity functions
of Herbel et al. 2017 (JCAP 08, 035), the size-luminosity relations of Shen et al. 2003 (MNRAS
343, 978) and the disc ellipticities of Miller et al. 2013 (MNRAS 429, 2858); spectra are the
Scd and E templates of Coleman, Wu & Weedman 1980 as GalSim ships them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from simulator.lightcurves.protocol import Bands
from simulator.rng import Draws

BLUE, RED = 0, 1
# Schechter parameters (Herbel et al. 2017): alpha, M* at z = 0, dM*/dz, phi* at z = 0, dln phi*/dz
_SCHECHTER = {
    BLUE: (-1.3, -20.405, -0.941, 0.0037025, -0.10268),
    RED: (-0.5, -20.372, -0.708, 0.0035097, -0.70597),
}
_TEMPLATES = {BLUE: "CWW_Scd_ext.sed", RED: "CWW_E_ext.sed"}
_REST_B_TO_R = {BLUE: 0.75, RED: 1.25}  # B - r of the two templates at rest, AB
_MAGNITUDES = np.linspace(-24.5, -15.0, 191)  # absolute B magnitudes considered
_REDSHIFTS = np.concatenate([np.geomspace(0.003, 0.1, 30)[:-1], np.linspace(0.1, 1.5, 71)])
_APPARENT_STEP = 0.1
_APPARENT = np.arange(10.0, 28.0, _APPARENT_STEP)  # reference magnitudes of field galaxies
_COUNT_STEPS = 501
_REST_B_ANGSTROM = (3900.0, 4900.0)
_MILLER = (0.804, 0.2539, 0.0256)  # largest e, a, e0 (Miller et al. 2013)


@dataclass(frozen=True)
class Galaxies:
    """A batch of galaxies; arrays of shape (object,), sizes are half-light radii."""

    redshift: np.ndarray
    magnitude: np.ndarray  # (object, band), AB, total
    bulge_fraction: np.ndarray
    bulge_arcsec: np.ndarray
    disc_arcsec: np.ndarray
    e1: np.ndarray
    e2: np.ndarray
    is_red: np.ndarray


class GalaxyPopulation:
    """Draws galaxies for the bands of one survey."""

    def __init__(self, bands: Bands) -> None:
        from astropy.cosmology import Planck18

        self.bands = bands
        self._modulus = Planck18.distmod(_REDSHIFTS).value
        self._volume = Planck18.differential_comoving_volume(_REDSHIFTS).value
        kpc_per_arcsec = Planck18.kpc_proper_per_arcmin(_REDSHIFTS).value / 60.0
        self._log_kpc_per_arcsec = np.log10(kpc_per_arcsec)
        self._offset = np.stack([_band_minus_b(kind, bands.curves) for kind in (BLUE, RED)])
        self._field, self.counts_per_deg2_mag = self._field_quantiles()

    def _field_quantiles(self):
        """Row number plus cumulative share over both populations' redshifts, flattened; counts."""
        both = np.concatenate([self._field_density(kind) for kind in (BLUE, RED)], axis=1)
        cumulative = np.cumsum(both * np.tile(np.gradient(_REDSHIFTS), 2), axis=1)
        counts = cumulative[:, -1] * np.radians(1.0) ** 2
        cumulative /= cumulative[:, -1:]
        return (cumulative + np.arange(_APPARENT.size)[:, None]).ravel(), counts

    def field_magnitudes(self, draws: Draws, bright_mag: float, faint_mag: float) -> np.ndarray:
        """Total reference magnitudes of field galaxies, (object,), as they are on the sky.

        The counts follow from the luminosity functions; limits beyond 10 and 27.9 mag are those.
        """
        low, high = _APPARENT[0], _APPARENT[-1]
        faint = np.clip(faint_mag, low + _APPARENT_STEP, high)
        bright = np.clip(bright_mag, low, faint - _APPARENT_STEP)
        grid = np.linspace(bright, faint, _COUNT_STEPS)
        counts = 10.0 ** np.interp(grid, _APPARENT, np.log10(self.counts_per_deg2_mag))
        return draws.from_table(grid, counts)

    def _field_density(self, kind):
        """Galaxies per redshift and apparent reference magnitude, (magnitude, redshift)."""
        offset = self._modulus + self._offset[kind, self.bands.reference]
        absolute = _APPARENT[:, None] - offset
        inside = (absolute > _MAGNITUDES[0]) & (absolute < _MAGNITUDES[-1])
        return np.where(inside, _schechter(kind, absolute, _REDSHIFTS) * self._volume, 0.0)

    def field(self, draws: Draws, magnitude: np.ndarray) -> Galaxies:
        """Galaxies of given total reference magnitudes, at the redshifts such galaxies have."""
        row = np.clip(np.rint((magnitude - _APPARENT[0]) / _APPARENT_STEP), 0, _APPARENT.size - 1)
        cell = np.searchsorted(self._field, draws.uniform() + row) % (2 * _REDSHIFTS.size)
        is_red = cell >= _REDSHIFTS.size
        width = np.gradient(_REDSHIFTS)[cell % _REDSHIFTS.size]
        redshift = _REDSHIFTS[cell % _REDSHIFTS.size] + draws.uniform(-0.5, 0.5) * width
        reference = self._colour(redshift, is_red)[:, self.bands.reference]
        absolute = magnitude - reference - np.interp(redshift, _REDSHIFTS, self._modulus)
        return self._shape(draws, redshift, absolute, is_red)

    def hosts(self, draws: Draws, redshift: np.ndarray, star_forming: np.ndarray) -> Galaxies:
        """Galaxies at given redshifts, weighted by their light; only blue ones if star-forming."""
        red_share = np.where(star_forming, 0.0, _light_share_of_red(redshift))
        is_red = draws.uniform() < red_share
        u = draws.uniform()
        absolute = np.empty(redshift.shape)
        for kind in (BLUE, RED):
            weight = _schechter(kind, _MAGNITUDES, 0.0) * 10.0 ** (-0.4 * _MAGNITUDES)
            cumulative = np.cumsum(weight)
            drawn = np.interp(u, cumulative / cumulative[-1], _MAGNITUDES)
            absolute = np.where(is_red == kind, drawn + _SCHECHTER[kind][2] * redshift, absolute)
        return self._shape(draws, redshift, absolute, is_red)

    def _colour(self, redshift, is_red):
        """Band magnitude minus absolute B and distance modulus, (object, band)."""
        columns = [
            np.where(
                is_red,
                np.interp(redshift, _REDSHIFTS, self._offset[RED, b]),
                np.interp(redshift, _REDSHIFTS, self._offset[BLUE, b]),
            )
            for b in range(len(self.bands.names))
        ]
        return np.stack(columns, axis=-1)

    def _shape(self, draws, redshift, absolute, is_red) -> Galaxies:
        modulus = np.interp(redshift, _REDSHIFTS, self._modulus)
        magnitude = (absolute + modulus)[:, None] + self._colour(redshift, is_red)
        log_kpc = _log_half_light_kpc(absolute, is_red)
        log_kpc += _size_scatter_dex(absolute, is_red) * draws.normal()
        log_arcsec = log_kpc - np.interp(redshift, _REDSHIFTS, self._log_kpc_per_arcsec)
        half_light_arcsec = 10.0**log_arcsec
        bulge_fraction = _bulge_fraction(draws, is_red)
        # our choice: bulges of discs have a third of their size, quiescent galaxies are as
        # large in both components and rounder than discs
        concentration = 10.0 ** draws.normal(np.where(is_red, -0.05, -0.5), 0.1)
        e = np.interp(draws.uniform(), *_ellipticity_quantiles())
        e = np.where(is_red, 0.6 * e, e)
        angle = draws.uniform(0.0, 2 * np.pi)
        return Galaxies(
            redshift,
            magnitude,
            bulge_fraction,
            half_light_arcsec * concentration,
            half_light_arcsec,
            e * np.cos(angle),
            e * np.sin(angle),
            is_red,
        )


def _schechter(kind, absolute, redshift):
    """Galaxies per Mpc^3 and magnitude."""
    alpha, m_star, m_slope, phi, phi_slope = _SCHECHTER[kind]
    x = 10.0 ** (-0.4 * (absolute - m_star - m_slope * redshift))
    return phi * np.exp(phi_slope * redshift) * x ** (alpha + 1) * np.exp(-x)


def _light_share_of_red(redshift):
    light = 10.0 ** (-0.4 * _MAGNITUDES)
    grid = np.linspace(0.0, 1.5, 31)
    blue, red = (
        np.array([(light * _schechter(kind, _MAGNITUDES, z)).sum() for z in grid])
        for kind in (BLUE, RED)
    )
    return np.interp(redshift, grid, red / (red + blue))


def _log_half_light_kpc(absolute_b, is_red):
    """Shen et al. 2003, equations 14 and 15, with r-band magnitudes from the templates."""
    r = absolute_b - np.where(is_red, _REST_B_TO_R[RED], _REST_B_TO_R[BLUE])
    late = -0.4 * 0.21 * r + (0.53 - 0.21) * np.log10(1 + 10.0 ** (-0.4 * (r + 20.52))) - 1.53
    return np.where(is_red, -0.4 * 0.60 * r - 4.63, late)


def _size_scatter_dex(absolute_b, is_red):
    """Shen et al. 2003, equation 16: 0.48 for faint and 0.25 for bright galaxies, in ln R."""
    r = absolute_b - np.where(is_red, _REST_B_TO_R[RED], _REST_B_TO_R[BLUE])
    brightness = 10.0 ** (-0.8 * (r + 20.52))
    return (0.25 + (0.48 - 0.25) / (1 + brightness)) / np.log(10)


def _bulge_fraction(draws, is_red):
    """Blue: Miller et al. 2013 (half-normal of 0.1); red: bulges of 0.6 +- 0.2 (our choice)."""
    normal = draws.normal()
    blue = np.minimum(0.1 * np.abs(normal), 1.0)
    return np.where(is_red, np.clip(0.6 + 0.2 * normal, 0.0, 1.0), blue)


@cache
def _ellipticity_quantiles():
    """Cumulative probability and (a - b)/(a + b) of discs (Miller et al. 2013, equation A1)."""
    largest, a, e0 = _MILLER
    e = np.linspace(0.0, largest, 400)
    density = e * (1 - np.exp((e - largest) / a)) / ((1 + e) * np.sqrt(e**2 + e0**2))
    cumulative = np.cumsum(density)
    return cumulative / cumulative[-1], e


def _band_minus_b(kind, curves):
    """Observed band minus rest-frame B magnitude of a template, (band, redshift)."""
    wave, flux = _template(_TEMPLATES[kind])
    inside = (wave > _REST_B_ANGSTROM[0]) & (wave < _REST_B_ANGSTROM[1])
    rest_b = _ab_magnitude(wave[inside], flux[inside], np.ones(inside.sum()))
    rows = []
    for curve in curves:
        stretched = [(wave * (1 + z), flux / (1 + z)) for z in _REDSHIFTS]
        rows.append([_ab_magnitude(w, f, curve.at(w)) - rest_b for w, f in stretched])
    return np.array(rows)


def _ab_magnitude(wave, flux, transmission):
    """AB magnitude, up to a constant, of a photon-counting band."""
    photons = np.trapezoid(flux * transmission * wave, wave)
    return -2.5 * np.log10(photons / np.trapezoid(transmission / wave, wave))


@cache
def _template(name):
    from pathlib import Path

    import galsim

    table = np.loadtxt(Path(galsim.meta_data.share_dir) / "SEDs" / name)
    return table[:, 0], table[:, 1]
