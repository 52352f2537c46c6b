"""Active galactic nuclei and quasars: a power-law continuum that follows a damped random walk.

Magnitudes in the reference band and redshifts follow the luminosity function of quasars of Ross et
al. 2013 (ApJ 773, 14, pure luminosity evolution at 0.3 < z < 2.2), here extrapolated to nearer and
fainter nuclei, between the limits of the magnitude law. Its counts are much steeper than those of
stars: bright nuclei are rare. Where a law names the class, magnitudes are those of the law.
Mass and variability follow from absolute magnitude, redshift and wavelength (MacLeod et al. 2010,
ApJ 721, 1014). Emission lines and the Lyman-alpha forest are left out; hosts beyond redshift 1.5
have the apparent size and colours of those at 1.5. A walk is one of magnitudes and has the damping
time of the reference band in all bands.
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import ClassVar

import numpy as np
from scipy.integrate import cumulative_trapezoid

from simulator.lightcurves.damped_random_walk import (
    at_epochs_or_times,
    walk,
    with_earlier_times,
)
from simulator.lightcurves.protocol import Context, HostPlacement, HostSite, LightCurveModel
from simulator.lightcurves.quasar_spectrum import (
    SLOPE_LIMITS_SIGMA,
    SLOPE_SCATTER,
    SLOPES,
    band_magnitudes,
)
from simulator.lightcurves.truncated_normal import truncated_normal
from simulator.rng import Draws

# log10 of SF_inf [mag] and of the rest-frame tau [d]: A, B, C, D of MacLeod et al. 2010, equation 7
# and table 1, in the fit without a dependence on redshift (E = 0)
STRUCTURE_FUNCTION = (-0.51, -0.479, 0.131, 0.18)
DAMPING_TIME = (2.4, 0.17, 0.03, 0.21)
# log10 of the mass: mean 2.0 - 0.27 M_i, sigma 0.58 + 0.011 M_i (MacLeod et al. 2010, equation 11,
# as public code cites it, after Shen et al. 2008; sigma from memory)
MASS_MEAN, MASS_SIGMA = (2.0, -0.27), (0.58, 0.011)
# Ross et al. 2013, table 8: alpha, beta, M_i(z=2) at redshift 0, k1, k2; the density is common
FAINT_SLOPE, BRIGHT_SLOPE, BREAK_MAG, K1, K2 = -1.16, -3.37, -22.85, 1.241, -0.249
# M_i(z=0) - M_i(z=2): 2.5 (1 + alpha) log10(3) at alpha = -0.5 (Richards et al. 2006, AJ 131, 2766)
I_AT_2_TO_0_MAG = 0.596
ABSOLUTE_LIMITS_MAG = (-30.0, -18.0)  # M_i(z=2); the faint one is our choice
_REDSHIFTS = np.concatenate([np.geomspace(0.005, 0.1, 40)[:-1], np.linspace(0.1, 2.2, 106)])
_MAG_STEP = 0.1
_MAGNITUDES = np.arange(10.0, 28.0, _MAG_STEP)
_COUNT_STEPS = 1001


class ActiveNucleus(LightCurveModel):
    """An accreting black hole in the centre of a galaxy; all bands follow one walk."""

    name = "AGN"
    host_placement = HostPlacement.OWN_HOST
    host_fraction = 1.0
    star_density_power = -1.0
    parameters: ClassVar = {
        "redshift": "redshift",
        "mean_mag": "mean magnitude of the nucleus in the reference band [mag]",
        "absolute_i_mag": "absolute i magnitude of the nucleus, K-corrected to redshift 0 [mag]",
        "log_black_hole_mass": "log10 of the mass of the black hole [solar masses]",
        "sf_infinity_mag": "structure function at long times in the reference band [mag]",
        "tau_day": "damping time in the observer's frame, reference band [d]",
        "spectral_slope": "power-law index of the flux per frequency from 1100 to 5700 A",
    }

    def sample(self, draws: Draws, context: Context) -> dict[str, np.ndarray]:
        """Parameters of a batch and its walks at the epochs of the schedule."""
        mean_mag = self._magnitudes(draws, context.magnitude_law)
        redshift = self._redshift(draws.uniform(), mean_mag)
        absolute = self._absolute_mag(mean_mag, redshift)
        slope = truncated_normal(draws.uniform(), 0.0, SLOPE_SCATTER, SLOPE_LIMITS_SIGMA)
        absolute_i = absolute + I_AT_2_TO_0_MAG
        log_mass = black_hole_mass(draws.normal(), absolute_i)
        sf = 10.0 ** relation(
            STRUCTURE_FUNCTION, self._rest_angstrom(redshift), absolute_i, log_mass
        )
        reference = self.bands.reference
        tau_rest = relation(DAMPING_TIME, self._rest_angstrom(redshift), absolute_i, log_mass)
        tau_day = 10.0 ** tau_rest[:, reference] * (1 + redshift)
        mjd = with_earlier_times(context.schedule.mjd)
        return {
            "redshift": redshift,
            "mean_mag": mean_mag,
            "absolute_i_mag": absolute_i,
            "log_black_hole_mass": log_mass,
            "sf_infinity_mag": sf[:, reference],
            "tau_day": tau_day,
            "spectral_slope": SLOPES[1] + slope,
            "_level_mag": mean_mag[:, None] + self._colours(redshift, slope),
            "_sigma_mag": sf / np.sqrt(2.0),
            "_mjd": mjd,
            "_walk": walk(mjd, tau_day, draws.normals(mjd.shape[1])),
        }

    def magnitudes(
        self, parameters: dict[str, np.ndarray], mjd: np.ndarray, band: np.ndarray
    ) -> np.ndarray:
        """AB magnitudes, (object, epoch).

        The walk is drawn at the epochs of the schedule and every 25 days of the 20 months before
        them, where templates are taken; between these times it is its expectation.
        """
        drawn = (parameters[name] for name in ("tau_day", "_mjd", "_walk"))
        step = at_epochs_or_times(mjd, *drawn)
        level = np.take_along_axis(parameters["_level_mag"], band, axis=1)
        return level + np.take_along_axis(parameters["_sigma_mag"], band, axis=1) * step

    def host_sites(self, parameters: dict[str, np.ndarray]) -> np.ndarray:
        """All are in the centre."""
        return np.full(len(parameters["redshift"]), HostSite.NUCLEUS)

    def _rest_angstrom(self, redshift):
        """Rest wavelengths [A] of the bands' mean wavelengths, (object, band)."""
        observed = np.array([curve.mean_angstrom for curve in self.bands.curves])
        return observed / (1 + redshift[:, None])

    def _magnitudes(self, draws, law):
        if self.name in law.by_class:
            return law.draw(draws, self.name)
        grid = np.linspace(*law.limits_mag, _COUNT_STEPS)
        return draws.from_table(grid, np.interp(grid, _MAGNITUDES, self._cumulative[:, -1]))

    def _redshift(self, uniform, mean_mag):
        row = np.clip(np.rint((mean_mag - _MAGNITUDES[0]) / _MAG_STEP), 0, _MAGNITUDES.size - 1)
        table = self._cumulative[row.astype(int)]
        node = (table < (uniform * table[:, -1])[:, None]).sum(axis=1).clip(1)
        low, high = (table[np.arange(node.size), k] for k in (node - 1, node))
        share = (uniform * table[:, -1] - low) / (high - low)
        return _REDSHIFTS[node - 1] + share * (_REDSHIFTS[node] - _REDSHIFTS[node - 1])

    @cached_property
    def _cumulative(self):
        """Quasars out to each redshift at each reference magnitude, (magnitude, redshift)."""
        volume = _distances()[1]
        absolute = self._absolute_mag(_MAGNITUDES[:, None], _REDSHIFTS)
        low, high = ABSOLUTE_LIMITS_MAG
        inside = (absolute > low) & (absolute < high)
        density = np.where(inside, luminosity_function(absolute, _REDSHIFTS) * volume, 0.0)
        return cumulative_trapezoid(density, _REDSHIFTS, initial=0)

    def _absolute_mag(self, mean_mag, redshift):
        """M_i(z=2) of a reference magnitude, for the mean spectrum.

        The absolute magnitude at 2500 A is M_i(z=2) + 2.5 log10(3) (Richards et al. 2006, as public
        code cites it), and light is redshifted: m = M_2500 + modulus - 2.5 log10(1 + z) + colour.
        """
        modulus = np.interp(redshift, _REDSHIFTS, _distances()[0])
        colour = np.interp(redshift, _REDSHIFTS, self._spectrum[0][self.bands.reference])
        return mean_mag - modulus + 2.5 * np.log10((1 + redshift) / 3) - colour

    def _colours(self, redshift, slope):
        """Mean magnitude of every band relative to the reference, (object, band)."""
        mean, tilt = self._spectrum
        columns = [
            np.interp(redshift, _REDSHIFTS, a) + slope * np.interp(redshift, _REDSHIFTS, b)
            for a, b in zip(mean, tilt, strict=True)
        ]
        magnitude = np.stack(columns, axis=-1)
        return magnitude - magnitude[:, [self.bands.reference]]

    @cached_property
    def _spectrum(self):
        """Magnitude over that at 2500 A, and its change per slope, each (band, redshift)."""
        mean, steep = (
            np.array([band_magnitudes(curve, _REDSHIFTS, offset) for curve in self.bands.curves])
            for offset in (0.0, SLOPE_SCATTER)
        )
        return mean, (steep - mean) / SLOPE_SCATTER


def relation(
    constants: tuple[float, float, float, float],
    rest_angstrom: np.ndarray,
    absolute_i_mag: np.ndarray,
    log_mass: np.ndarray,
) -> np.ndarray:
    """Log10 of SF_inf [mag] or tau [d] (MacLeod et al. 2010, equation 7), (object, band)."""
    a, b, c, d = constants
    of_object = a + c * (absolute_i_mag + 23) + d * (log_mass - 9)
    return of_object[:, None] + b * np.log10(rest_angstrom / 4000.0)


def black_hole_mass(normal: np.ndarray, absolute_i_mag: np.ndarray) -> np.ndarray:
    """Log10 of masses [solar masses] at standard normal numbers."""
    mean = MASS_MEAN[0] + MASS_MEAN[1] * absolute_i_mag
    return mean + normal * (MASS_SIGMA[0] + MASS_SIGMA[1] * absolute_i_mag)


def luminosity_function(absolute_mag: np.ndarray, redshift: np.ndarray) -> np.ndarray:
    """Relative number of quasars per volume and M_i(z=2) (Ross et al. 2013, equations 6 and 10)."""
    break_mag = BREAK_MAG - 2.5 * (K1 * redshift + K2 * redshift**2)
    distance = absolute_mag - break_mag
    faint = 10.0 ** (0.4 * (FAINT_SLOPE + 1) * distance)
    return 1.0 / (faint + 10.0 ** (0.4 * (BRIGHT_SLOPE + 1) * distance))


@cache
def _distances():
    """Distance moduli [mag] and relative comoving volumes per redshift at the grid."""
    from astropy.cosmology import Planck18

    volume = Planck18.differential_comoving_volume(_REDSHIFTS).value
    return Planck18.distmod(_REDSHIFTS).value, volume
