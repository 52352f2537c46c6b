"""Colours of ordinary stars in any bands, from black bodies.

A temperature stands for a spectral type; above 3,500 K the broad-band colours of black bodies
follow the stellar locus to about 0.1 mag, which is enough for background stars.
"""

from __future__ import annotations

import numpy as np

from simulator.lightcurves.black_bodies import HC_OVER_K_ANGSTROM_K
from simulator.lightcurves.protocol import Bands
from simulator.rng import Draws

_LOG_TEMPERATURES = np.linspace(np.log(3200.0), np.log(12000.0), 60)
# Our choice for faint high-latitude fields, G, K and early M dwarfs: 68 % within 4,300-6,000 K.
_MEDIAN_K, _SCATTER_LN = 5100.0, 0.17
_RANGE_K = (3500.0, 9500.0)


class StarColours:
    """Magnitude of a star in every band from the one in the reference band."""

    def __init__(self, bands: Bands) -> None:
        magnitudes = np.array([_blackbody_magnitudes(curve) for curve in bands.curves])
        self._offset = magnitudes - magnitudes[bands.reference]

    def draw(self, draws: Draws) -> np.ndarray:
        """Band minus reference magnitude of a batch of stars, (object, band)."""
        temperature = np.exp(draws.normal(np.log(_MEDIAN_K), _SCATTER_LN)).clip(*_RANGE_K)
        rows = [np.interp(np.log(temperature), _LOG_TEMPERATURES, row) for row in self._offset]
        return np.stack(rows, axis=-1)


def _blackbody_magnitudes(curve):
    """AB magnitudes, up to a constant, over the grid of temperatures."""
    wave = curve.wave_angstrom
    exponent = HC_OVER_K_ANGSTROM_K / (wave * np.exp(_LOG_TEMPERATURES)[:, None])
    flux = wave**-5.0 / np.expm1(exponent)
    photons = np.trapezoid(flux * wave * curve.transmission, wave, axis=1)
    return -2.5 * np.log10(photons / np.trapezoid(curve.transmission / wave, wave))
