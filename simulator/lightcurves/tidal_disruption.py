"""Tidal disruption events: a black body of one temperature that rises and fades in a nucleus.

The light curve is that of van Velzen et al. 2021 (ApJ 908, 4): a Gaussian rise and an exponential
decline, at constant temperature. Times and temperatures are lognormal with the mean and scatter of
the 67 events in the catalogue of Mummery et al. 2024 (MNRAS 527, 2452; repository manyTDE):
measured from its medians, log10 of the rise [d] is 1.02 +- 0.24, of the decline [d] 1.79 +- 0.23,
of the temperature [K] 4.36 +- 0.18, all but uncorrelated. Peak luminosities follow the rest-frame g
luminosity function of Yao et al. 2023 (ApJ 955, L6).
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
from scipy.special import ndtr, ndtri

from simulator.lightcurves.black_bodies import (
    SPHERE_CM2,
    UNIT_LUMINOSITY_ERG_S,
    BlackBodies,
    unit_flux,
)
from simulator.lightcurves.protocol import Bands, HostSite
from simulator.lightcurves.transient import Numbers, Transient
from simulator.rng import Draws

LOG_RISE_DAY = (1.02, 0.24)
LOG_DECAY_DAY = (1.79, 0.23)
LOG_TEMPERATURE_K = (4.36, 0.18)
LOG_TEMPERATURE_LIMITS = (4.06, 4.93)  # the extremes of the catalogue
TRUNCATION_SIGMA = 2.5  # of the lognormal times
LOG_BREAK_ERG_S, FAINT_SLOPE, BRIGHT_SLOPE = 43.1, 0.3, 2.6  # Yao et al. 2023, abstract
LOG_LUMINOSITY_LIMITS = (42.28, 44.68)  # the extremes of the catalogue
REST_G_ANGSTROM = 4770.0  # of the luminosity function; effective wavelength of g
START_SIGMA = 3.0  # the rise starts at exp(-4.5), 1 % of the peak
_NODES = 500


class TidalDisruption(Transient):
    """A star torn apart by the black hole in the centre of its galaxy."""

    name = "TDE"
    host_fraction = 1.0
    parameters: ClassVar = {
        "redshift": "redshift",
        "start_mjd": "start of the rise, at 1 % of the peak [d]",
        "peak_mjd": "time of peak in the reference band [d]",
        "peak_mag": "observed AB magnitude at peak in the reference band [mag]",
        "log_luminosity": "log10 of the peak luminosity nu L_nu in rest-frame g [erg/s]",
        "temperature_K": "temperature of the black body [K]",
        "rise_sigma_day": "rest-frame sigma of the Gaussian rise [d]",
        "decay_day": "rest-frame time of the exponential decline [d]",
    }

    def __init__(self, bands: Bands, templates: Path | None = None) -> None:
        self._black_bodies = BlackBodies(bands.curves)
        super().__init__(bands, templates)

    def host_sites(self, parameters: Numbers) -> np.ndarray:
        """All are in the centre."""
        return np.full(len(parameters["redshift"]), HostSite.NUCLEUS)

    def draw_numbers(self, draws: Draws, quantile: np.ndarray) -> Numbers:
        """Luminosities at the quantiles; times and temperature are independent of them."""
        low, high = ndtr([-TRUNCATION_SIGMA, TRUNCATION_SIGMA])
        rise, decay = (
            10.0 ** (mean + sigma * ndtri(draws.uniform(low, high)))
            for mean, sigma in (LOG_RISE_DAY, LOG_DECAY_DAY)
        )
        mean, sigma = LOG_TEMPERATURE_K
        bounds = ndtr((np.array(LOG_TEMPERATURE_LIMITS) - mean) / sigma)
        log_temperature = mean + sigma * ndtri(draws.uniform(*bounds))
        return {
            "log_luminosity": log_luminosity(quantile),
            "temperature_K": 10.0**log_temperature,
            "rise_sigma_day": rise,
            "decay_day": decay,
        }

    def light(
        self, numbers: Numbers, age_day: np.ndarray, redshift: np.ndarray, band: np.ndarray
    ) -> np.ndarray:
        """AB magnitudes at 10 pc, (object, epoch)."""
        columns = {name: values[:, None] for name, values in numbers.items()}
        temperature = columns["temperature_K"]
        shape = relative_light(age_day, columns["rise_sigma_day"], columns["decay_day"])
        peak = bolometric_luminosity(columns["log_luminosity"], temperature)
        return self._black_bodies.magnitude(peak * shape, temperature, redshift, band)

    def brightest(self, quantile: np.ndarray, redshift: np.ndarray, band: int) -> np.ndarray:
        """Peak magnitude at 10 pc at the temperature that makes it brightest."""
        temperature = 10.0 ** np.linspace(*LOG_TEMPERATURE_LIMITS, 12)
        log_peak = log_luminosity(quantile)[..., None]
        peak = bolometric_luminosity(log_peak, temperature)
        redshift = np.asarray(redshift)[..., None]
        return self._black_bodies.magnitude(peak, temperature, redshift, band).min(axis=-1)

    def scale_day(self, numbers: Numbers) -> np.ndarray:
        """The light peaks three sigma after the start."""
        return 1.01 * START_SIGMA * numbers["rise_sigma_day"]


def relative_light(
    age_day: np.ndarray, rise_sigma_day: np.ndarray, decay_day: np.ndarray
) -> np.ndarray:
    """Luminosity over its peak, at rest-frame days since the start; the arguments broadcast."""
    after_day = age_day - START_SIGMA * rise_sigma_day
    rise = np.exp(-0.5 * (np.minimum(after_day, 0.0) / rise_sigma_day) ** 2)
    return rise * np.exp(-np.maximum(after_day, 0.0) / decay_day)


def log_luminosity(quantile: np.ndarray) -> np.ndarray:
    """Log10 of nu L_nu in rest-frame g [erg/s] at cumulative probabilities, faint to bright.

    The density per log L is 1 / ((L / L_b)^0.3 + (L / L_b)^2.6) (Yao et al. 2023).
    """
    grid = np.linspace(*LOG_LUMINOSITY_LIMITS, _NODES)
    ratio = 10.0 ** (grid - LOG_BREAK_ERG_S)
    density = 1.0 / (ratio**FAINT_SLOPE + ratio**BRIGHT_SLOPE)
    cumulative = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
    return np.interp(quantile, cumulative / cumulative[-1], grid)


def bolometric_luminosity(log_luminosity: np.ndarray, temperature_K: np.ndarray) -> np.ndarray:
    """Luminosity of the whole black body [erg/s] of a given nu L_nu in rest-frame g."""
    share = unit_flux(REST_G_ANGSTROM, temperature_K) * REST_G_ANGSTROM * SPHERE_CM2
    return 10.0**log_luminosity * UNIT_LUMINOSITY_ERG_S / share
