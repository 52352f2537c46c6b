"""Black bodies in the bands of a survey: magnitudes from temperature, luminosity and redshift.

The table is of a source 10 pc away whose light is redshifted, as in
`simulator.lightcurves.supernovae.seds`: distance moduli are added afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simulator.lightcurves.filters import Bandpass
from simulator.lightcurves.supernovae.seds import (
    REDSHIFT_STEP,
    WAVE_ANGSTROM,
    SedSeries,
    band_weights,
    magnitude_table,
)

UNIT_LUMINOSITY_ERG_S = 1e40
STEFAN_BOLTZMANN_CGS = 5.670374e-5  # erg/s/cm^2/K^4
LIGHT_SPEED_CM_S = 2.99792458e10
SPHERE_CM2 = 4 * np.pi * (10 * 3.0856775814913673e18) ** 2  # of a radius of 10 pc
HC_OVER_K_ANGSTROM_K = 1.438777e8
_TWO_H_C2_CGS = 1.19104297e-5  # erg cm^2/s
_LOG_T_FIRST, _LOG_T_LAST, _LOG_T_STEP = 2.9, 5.1, 0.02  # decimal logarithm of kelvin


def planck_per_angstrom(wave_angstrom: np.ndarray, temperature_K: np.ndarray) -> np.ndarray:
    """Spectral radiance B_lambda [erg/s/cm^2/A/sr]; the arguments broadcast."""
    exponent = np.minimum(HC_OVER_K_ANGSTROM_K / (wave_angstrom * temperature_K), 600.0)
    return _TWO_H_C2_CGS / (wave_angstrom * 1e-8) ** 5 / np.expm1(exponent) * 1e-8


def unit_flux(wave_angstrom: np.ndarray, temperature_K: np.ndarray) -> np.ndarray:
    """Flux density at 10 pc [erg/s/cm^2/A] of a black body of ``UNIT_LUMINOSITY_ERG_S``.

    pi B / (sigma T^4) is the share of the light per wavelength.
    """
    share = np.pi * planck_per_angstrom(wave_angstrom, temperature_K)
    share /= STEFAN_BOLTZMANN_CGS * temperature_K**4
    return share * UNIT_LUMINOSITY_ERG_S / SPHERE_CM2


class BlackBodies:
    """AB magnitudes of black bodies in some bands, by linear interpolation.

    Temperatures are from 800 to 125,000 K and redshifts from 0 to 1.5; beyond these the end values
    hold.
    """

    def __init__(self, curves: Sequence[Bandpass]) -> None:
        log_t = np.arange(_LOG_T_FIRST, _LOG_T_LAST + _LOG_T_STEP / 2, _LOG_T_STEP)
        flux = unit_flux(WAVE_ANGSTROM, 10.0 ** log_t[:, None])
        weights = band_weights(list(curves))
        self._table = magnitude_table([SedSeries("black body", flux)], weights)[0]

    def magnitude(
        self,
        luminosity_erg_s: np.ndarray,
        temperature_K: np.ndarray,
        redshift: np.ndarray,
        band: np.ndarray,
    ) -> np.ndarray:
        """AB magnitude at 10 pc; +inf without luminosity. The arguments broadcast.

        Parameters
        ----------
        luminosity_erg_s
            Of the whole black body, bolometric.
        temperature_K
            At rest.
        band : int array
        """
        with np.errstate(divide="ignore"):
            offset = -2.5 * np.log10(luminosity_erg_s / UNIT_LUMINOSITY_ERG_S)
        return offset + self._looked_up(temperature_K, redshift, band)

    def colours(self, temperature_K: np.ndarray, reference: int) -> np.ndarray:
        """Magnitude in every band minus that in band ``reference``, at rest, (object, band).

        Parameters
        ----------
        temperature_K : array, shape (object,)
        """
        magnitude = self._looked_up(temperature_K[:, None], 0.0, np.arange(len(self._table)))
        return magnitude - magnitude[:, [reference]]

    def _looked_up(self, temperature_K, redshift, band):
        table = self._table
        at_t = (np.log10(temperature_K) - _LOG_T_FIRST) / _LOG_T_STEP
        at_t = np.clip(at_t, 0.0, table.shape[2] - 1.0)
        at_z = np.clip(np.asarray(redshift) / REDSHIFT_STEP, 0.0, table.shape[1] - 1.0)
        i = np.minimum(at_z.astype(int), table.shape[1] - 2)
        j = np.minimum(at_t.astype(int), table.shape[2] - 2)
        u, v = at_z - i, at_t - j
        near = table[band, i, j] * (1 - v) + table[band, i, j + 1] * v
        far = table[band, i + 1, j] * (1 - v) + table[band, i + 1, j + 1] * v
        return near * (1 - u) + far * u
