"""Period search: features of the best period, and of three frequencies with four harmonics each.

As in FATS (Nun et al. 2015, arXiv:1506.00010; Richards et al. 2011, ApJ 733, 10), the harmonics of
the highest peak of the Lomb-Scargle periodogram are fitted and subtracted one after another; the
same is done twice more on the residuals. docs/explanation/features.md lists the differences. Phases
are counted from the first point: the origin of time does not matter.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from classifier.features.distribution import cumulative_range, mean_of
from classifier.features.lomb_scargle import (
    INDEPENDENT_PER_POINT,
    OVERSAMPLING,
    highest_peak,
    phase_steps,
    power_of,
    window_sums,
)
from classifier.features.names import FREQUENCIES, HARMONICS
from classifier.features.slopes import mean_square_step

LEAST_POINTS = 4  # three points lie on a sine of any frequency
_ROUNDING = 1e-20  # of the sum of squares: smaller residuals are rounding errors
_COLLINEAR = 1e-14  # of a squared length: two columns of the fit are parallel


@njit(cache=True, nogil=True, error_model="numpy")
def fill_periods(
    row: np.record, harmonics: np.ndarray, time: np.ndarray, magnitude: np.ndarray
) -> None:
    """Write the features of times [day] and magnitudes (point,) into a record.

    ``harmonics`` (frequency, 2, harmonic) is filled with amplitudes [mag] and relative phases
    [rad]. A curve without variation or of fewer than four points has no period.
    """
    row["PeriodLS"] = row["Period_fit"] = row["Psi_CS"] = row["Psi_eta"] = np.nan
    harmonics[:] = np.nan
    residual = magnitude - mean_of(magnitude)
    squares = (residual**2).sum()
    if magnitude.size < LEAST_POINTS or not squares > 0.0:
        return
    steps = phase_steps(time)
    window = window_sums(steps, magnitude.size)
    cycles = (time - time[0]) / (OVERSAMPLING * (time[-1] - time[0]))  # of the first frequency
    for frequency in range(FREQUENCIES):
        harmonics[frequency, 0] = 0.0
        left = (residual**2).sum()
        if left > _ROUNDING * squares:
            power = power_of(steps, window, residual)
            k = highest_peak(power)
            if frequency == 0:
                row["PeriodLS"] = OVERSAMPLING * (time[-1] - time[0]) / k
                row["Period_fit"] = false_alarm_probability(power[k - 1] / left, magnitude.size)
                _fill_folded(row, magnitude, k * cycles)
            _subtract_harmonics(harmonics[frequency], residual, k * cycles, squares)


@njit(cache=True, nogil=True, error_model="numpy")
def false_alarm_probability(share: float, n: int) -> float:
    """Probability that noise of n points has a peak with this share of the sum of squares.

    1 - (1 - e^-z)^M with z = share (n - 1)/2 and M = 100 n (Press & Rybicki 1989).
    """
    z = 0.5 * (n - 1) * share
    return -math.expm1(INDEPENDENT_PER_POINT * n * math.log1p(-math.exp(-z)))


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_folded(row, magnitude, cycles):
    """Psi_CS and Psi_eta of the curve folded with twice the period, as in FATS."""
    phase = 0.5 * cycles
    folded = magnitude[np.argsort(phase - np.floor(phase), kind="mergesort")]
    row["Psi_CS"] = cumulative_range(folded)
    row["Psi_eta"] = mean_square_step(folded)


@njit(cache=True, nogil=True, error_model="numpy")
def _subtract_harmonics(found, residual, cycles, squares):
    """Fit and subtract the harmonics of a frequency; ``found`` (2, harmonic), amplitude, phase."""
    first_phase = np.nan
    for harmonic in range(HARMONICS):
        if not (residual**2).sum() > _ROUNDING * squares:
            return
        a, b = subtract_sine(residual, (harmonic + 1) * cycles)
        phase = math.atan(b / a)
        if harmonic == 0:
            first_phase = phase
        found[0, harmonic] = math.hypot(a, b)
        found[1, harmonic] = phase - first_phase


@njit(cache=True, nogil=True, error_model="numpy")
def subtract_sine(residual: np.ndarray, cycles: np.ndarray) -> tuple[float, float]:
    """Subtract the least-squares a sin + b cos + constant at phases ``cycles``; return a and b.

    Columns are orthogonalised first (modified Gram-Schmidt). If all points have the same phase,
    the solution of smallest norm is taken, as in ``numpy.linalg.lstsq``.
    """
    angle = 2.0 * np.pi * (cycles - np.floor(cycles + 0.5))
    sine, cosine = np.sin(angle), np.cos(angle)
    sine -= sine.mean()
    cosine -= cosine.mean()
    residual -= mean_of(residual)
    swapped = (sine**2).sum() < (cosine**2).sum()
    longer, other = (cosine, sine) if swapped else (sine, cosine)
    length = (longer**2).sum()
    if not length > _COLLINEAR * residual.size:
        return 0.0, 0.0
    slope = (longer * other).sum() / length
    rest = other - slope * longer
    rest_length = (rest**2).sum()
    along_longer = (longer * residual).sum() / length
    residual -= along_longer * longer
    if rest_length > _COLLINEAR * length:
        along_other = (rest * residual).sum() / rest_length
        residual -= along_other * rest
        along_longer -= slope * along_other
    else:
        along_longer /= 1.0 + slope**2
        along_other = slope * along_longer
    return (along_other, along_longer) if swapped else (along_longer, along_other)
