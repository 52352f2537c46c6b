"""SNe II: a cooling blackbody behind metal lines, under an r-band light curve with a plateau.

Light-curve statistics of Anderson et al. (2014, V band, not corrected for host extinction);
fast rises as found by Forster et al. (2018); rate of Strolger et al. (2015). With template
spectra (Sako et al. 2011, Vincenzi et al. 2019) colour and shape are theirs, luminosity is
drawn as before. The figures of Anderson and Strolger, and the constants of the latter's shape, are
quoted from memory of the papers and checked for plausibility only.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from simulator.lightcurves.black_bodies import HC_OVER_K_ANGSTROM_K
from simulator.lightcurves.filters import bandpass
from simulator.lightcurves.supernovae import seds
from simulator.lightcurves.supernovae.light_curve_kernels import (
    DROP,
    DROP_WIDTH,
    LOG_TEMPERATURE_CEILING,
    LOG_TEMPERATURE_FACTOR,
    LOG_TEMPERATURE_FLOOR,
    OFFSET,
    PARAMETRIC,
    PLATEAU,
    REDDENING,
    RISE,
    SLOPE_1,
    SLOPE_2,
    SLOPE_3,
    STRETCH,
    SUBTYPE,
    TEMPLATE,
    TYPE_II,
)
from simulator.lightcurves.supernovae.sed_templates import (
    first_visible_phase_day,
    spectra,
    type_ii_sources,
)
from simulator.lightcurves.supernovae.type_ia import with_tail
from simulator.lightcurves.truncated_normal import truncated_normal

if TYPE_CHECKING:
    from sncosmo import TimeSeriesSource

    from simulator.rng import Draws

PEAK_ABSOLUTE_MAG = (-16.74, 1.01)  # mean, sigma; Anderson et al. 2014, and the next six lines
SLOPE_1_MAG_100_DAY = (2.65, 1.50)
SLOPE_2_MAG_100_DAY = (1.27, 0.93)
SLOPE_3_MAG_100_DAY = (1.47, 0.82)
PLATEAU_DAY = (83.7, 16.7)
DROP_MAG = (16.03 - 13.68, 0.83)  # M_tail - M_end, and the scatter of M_tail
DROP_WIDTH_DAY = (3.0, 8.0)
RISE_MEDIAN_DAY, RISE_SCATTER_DEX = 7.5, 0.3
RISE_LIMITS_DAY = (1.0, 30.0)
LIMITS_SIGMA = (-3.0, 3.0)
# The bright end is cut at M = -18.76: in a flux-limited survey the tail of a Gaussian beyond the
# brightest SNe II of Anderson et al. 2014 would be a fifth of all detections.
PEAK_LIMITS_SIGMA = (-2.0, 3.0)
TEMPERATURE_SCATTER = 0.08  # relative; our choice, 0.1 mag of scatter in g - r on the plateau
HOST_AV_MEAN_MAG = 0.2  # exponential; our choice
R_V = 3.1
REST_R_FILTER = "lsstr"
_LOG_TEMPERATURE_STEP = 0.02
_TEMPLATE_RISE_DAY = 18.5  # only the scale on which a template's peak is looked for
_BEFORE_TEMPLATE_DAY = 2.0  # from explosion to the first visible spectrum, filled as t^2

BLANKETING_WAVE_ANGSTROM = np.array([2500.0, 3250.0, 3750.0, 4250.0, 4650.0])
BLANKETING_TEMPERATURE_K = np.array([4800.0, 5200.0, 5600.0, 6200.0, 7100.0, 8500.0, 10_000.0])
_B3250 = np.array([0.07, 0.09, 0.14, 0.22, 0.42, 0.85, 1.0])
_B3750 = np.array([0.24, 0.27, 0.33, 0.47, 0.70, 1.0, 1.0])
_B4250 = np.array([0.55, 0.57, 0.63, 0.75, 0.92, 1.05, 1.0])
BLANKETING = np.stack([_B3250**1.6, _B3250, _B3750, _B4250, np.ones(7)], axis=1)

# Strolger et al. 2015: star formation A (1+z)^C / (((1+z)/B)^D + 1).
LOCAL_CORE_COLLAPSE_PER_MPC3_YEAR = 0.7e-4
TYPE_II_FRACTION = 0.70


def rate_per_mpc3_year(redshift: np.ndarray) -> np.ndarray:
    """Volumetric rate, /Mpc^3/yr."""

    def shape(z):
        return (1 + z) ** 5.0 / (((1 + z) / 1.5) ** 6.1 + 1)

    local = TYPE_II_FRACTION * LOCAL_CORE_COLLAPSE_PER_MPC3_YEAR
    return local * shape(redshift) / shape(0.0)


def blanketing(temperature_K: float, wave_angstrom: np.ndarray) -> np.ndarray:
    """Transmission of the metal lines above the blackbody, shape of ``wave_angstrom``.

    Log-linear in wavelength, linear in temperature; beyond the table its ends hold.
    """
    at_nodes = [np.interp(temperature_K, BLANKETING_TEMPERATURE_K, b) for b in BLANKETING.T]
    return np.exp(np.interp(wave_angstrom, BLANKETING_WAVE_ANGSTROM, np.log(at_nodes)))


def photosphere(temperature_K: float) -> np.ndarray:
    """Relative flux density per wavelength at WAVE_ANGSTROM."""
    exponent = HC_OVER_K_ANGSTROM_K / (seds.WAVE_ANGSTROM * temperature_K)
    return (
        seds.WAVE_ANGSTROM**-5.0
        / np.expm1(exponent)
        * blanketing(temperature_K, seds.WAVE_ANGSTROM)
    )


class SupernovaII:
    """Tables and population of the SNe II; luminosity bins are bins of peak magnitude."""

    def __init__(self, weights: np.ndarray, templates: Path | None = None) -> None:
        if templates is None:
            self.grid, self._n_templates = photosphere_grid(weights), 0
        else:
            sources = type_ii_sources(templates)
            self.grid, self._n_templates = template_grid(sources, weights), len(sources)

    rate_per_mpc3_year = staticmethod(rate_per_mpc3_year)

    def bin_edges(self, n_bins: int) -> np.ndarray:
        """Cumulative probabilities at the edges of equal bins of magnitude, (bin + 1,)."""
        cdf = ndtr(np.linspace(*PEAK_LIMITS_SIGMA, n_bins + 1))
        return (cdf - cdf[0]) / (cdf[-1] - cdf[0])

    def brightest(self, edges_cdf: np.ndarray) -> dict[int, np.ndarray | float]:
        """Physics rows of the brightest usual SN of each bin: fast, hot, without dust."""
        n = edges_cdf.size - 1
        zero = np.zeros(n)
        brightest_mag = truncated_normal(edges_cdf[:-1], *PEAK_ABSOLUTE_MAG, PEAK_LIMITS_SIGMA)
        row = self._physics(brightest_mag, zero)
        usual = {PLATEAU: PLATEAU_DAY[0], DROP: DROP_MAG[0], DROP_WIDTH: DROP_WIDTH_DAY[0]}
        slopes = {column: 0.0 for column in (SLOPE_1, SLOPE_2, SLOPE_3)}
        fast = {RISE: 4.0, LOG_TEMPERATURE_FACTOR: TEMPERATURE_SCATTER}
        return {**row, **usual, **slopes, **fast, TEMPLATE: self._template(zero)}

    def draw(
        self, draws: Draws, quantile: np.ndarray
    ) -> tuple[dict[str, np.ndarray], dict[int, np.ndarray | float]]:
        """Parameters and physics of a batch whose peak magnitudes are at the given quantiles."""
        absolute_mag = truncated_normal(quantile, *PEAK_ABSOLUTE_MAG, PEAK_LIMITS_SIGMA)
        host_av_mag = -HOST_AV_MEAN_MAG * np.log(draws.uniform())
        physics = self._physics(absolute_mag, host_av_mag) | draw_shape(draws)
        physics[TEMPLATE] = self._template(draws.uniform())
        stored = {"absolute_mag": absolute_mag, "host_av_mag": host_av_mag}
        if self._n_templates:
            physics[RISE] = _TEMPLATE_RISE_DAY
            return stored, physics
        return {**stored, "rise_day": physics[RISE], "plateau_day": physics[PLATEAU]}, physics

    def _template(self, uniform):
        if not self._n_templates:
            return np.full(len(uniform), PARAMETRIC)
        return np.minimum((uniform * self._n_templates).astype(int), self._n_templates - 1)

    def _physics(self, absolute_mag, host_av_mag):
        return {SUBTYPE: TYPE_II, OFFSET: absolute_mag, REDDENING: host_av_mag, STRETCH: 1.0}


def draw_shape(draws: Draws) -> dict[int, np.ndarray]:
    """Columns of the parametric light curve; slopes in mag/d, times in rest-frame days."""

    def truncated(law):
        return truncated_normal(draws.uniform(), *law, LIMITS_SIGMA)

    plateau_day = truncated(PLATEAU_DAY)
    rise_day = RISE_MEDIAN_DAY * 10 ** draws.normal(0.0, RISE_SCATTER_DEX)
    return {
        PLATEAU: plateau_day,
        RISE: np.clip(rise_day, *RISE_LIMITS_DAY),
        SLOPE_1: np.maximum(truncated(SLOPE_1_MAG_100_DAY), 0.0) / 100,
        SLOPE_2: np.maximum(truncated(SLOPE_2_MAG_100_DAY), -0.5) / 100,
        SLOPE_3: np.maximum(truncated(SLOPE_3_MAG_100_DAY), 0.3) / 100,
        DROP: np.maximum(truncated(DROP_MAG), 0.5),
        DROP_WIDTH: draws.uniform(*DROP_WIDTH_DAY),
        LOG_TEMPERATURE_FACTOR: draws.normal(0.0, TEMPERATURE_SCATTER),
    }


def photosphere_grid(weights: np.ndarray) -> seds.Grid:
    """Colours over (1, band, redshift, log temperature) relative to rest-frame r = 0 (AB)."""
    margin = 4 * TEMPERATURE_SCATTER
    first, last = LOG_TEMPERATURE_FLOOR - margin, LOG_TEMPERATURE_CEILING + margin
    temperature_K = np.exp(np.arange(first, last, _LOG_TEMPERATURE_STEP))
    flux = np.stack([photosphere(t) for t in temperature_K])
    flux /= (flux @ _rest_r_weights())[:, None]
    table = seds.magnitude_table([seds.SedSeries("photosphere", flux)], weights)
    return seds.Grid(table, _host_reddening(photosphere(8500.0), weights), first, 0.02)


def template_grid(sources: list[TimeSeriesSource], weights: np.ndarray) -> seds.Grid:
    """Magnitudes over (template, band, redshift, age) for V = 0 (AB) at peak.

    Templates that end early go on with the slope of their last days.
    """
    tables = [_one_template(source, weights) for source in sources]
    longest = max(table.shape[-1] for table in tables)
    table = np.concatenate([_lengthen(one, longest) for one in tables])
    reddening = _host_reddening(photosphere(8500.0), weights)
    return seds.Grid(table, reddening, _BEFORE_TEMPLATE_DAY, 1.0)


def _one_template(source, weights):
    phase_day = np.arange(first_visible_phase_day(source), source.maxphase(), 1.0)
    peak_mag = np.nanmin(source.bandmag("bessellv", "ab", phase_day))
    flux = spectra(source, phase_day) * 10 ** (0.4 * peak_mag)
    return with_tail(seds.magnitude_table([seds.SedSeries(source.name, flux)], weights))


def _lengthen(table, length):
    slope = table[..., -1:] - table[..., -2:-1]
    steps = np.arange(1, length - table.shape[-1] + 1)
    return np.concatenate([table, table[..., -1:] + slope * steps], axis=-1)


def _rest_r_weights():
    return seds.band_weights([bandpass(REST_R_FILTER)])[0, 0]


def _host_reddening(spectrum, weights):
    """Per A_V, relative to rest-frame r: the drawn luminosities already include the dust."""
    law_mag = seds.dust_law(R_V)
    rest_r = seds.reddening_table(spectrum, law_mag, _rest_r_weights()[None, None])
    return seds.reddening_table(spectrum, law_mag, weights) - rest_r
