"""The continuum of quasars: power laws in frequency, in any band and at any redshift."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from simulator.lightcurves.filters import Bandpass

# Power laws in frequency, as in the quasar spectra of Ross et al. 2013: below 1100 A, to 5700 A, to
# 9730 A, and redward; the first two share one scatter of 0.3
SLOPES, BREAKS_ANGSTROM = (-1.5, -0.5, -0.37, -1.70), (1100.0, 5700.0, 9730.0)
SLOPE_SCATTER, SLOPE_LIMITS_SIGMA = 0.3, (-2.5, 2.5)
_NORM_ANGSTROM = 2500.0


def spectrum(rest_angstrom: np.ndarray, slope_offset: float = 0.0) -> np.ndarray:
    """Flux per frequency relative to that at 2500 A.

    ``slope_offset`` is added to the slopes from 5700 A blueward, which share their scatter.
    """
    slopes = np.array(SLOPES) + slope_offset * np.array([1.0, 1.0, 0.0, 0.0])
    edges = np.log([1e-3, *BREAKS_ANGSTROM, 1e9])
    log_wave = np.log(rest_angstrom)
    steps = [
        np.clip(log_wave, low, high) - np.clip(np.log(_NORM_ANGSTROM), low, high)
        for low, high in pairwise(edges)
    ]
    return np.exp(-sum(slope * step for slope, step in zip(slopes, steps, strict=True)))


def band_magnitudes(curve: Bandpass, redshift: np.ndarray, slope_offset: float = 0.0) -> np.ndarray:
    """AB magnitudes in a band over that at 2500 A at rest, (redshift,)."""
    wave, photons = curve.wave_angstrom, curve.transmission / curve.wave_angstrom
    flux = spectrum(wave / (1 + redshift[:, None]), slope_offset)
    return -2.5 * np.log10(np.trapezoid(flux * photons, wave) / np.trapezoid(photons, wave))
