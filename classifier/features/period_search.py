"""Classical Lomb-Scargle periodogram (Lomb 1976, Scargle 1982) on the frequency grid of FATS.

Frequencies are k/(6 T) for k = 1, 2, ..., 300 n, where T is the time from the first to the last
of n points: ``ofac`` 6 and ``hifac`` 100 of Press & Rybicki 1989 (ApJ 338, 277). A frequency is
represented by its number k, a time by the phase step between neighbouring frequencies, so that
neither the unit of time nor its origin matters. In evenly sampled data frequencies have aliases of
equal power: the lowest frequency is taken. Powers and phases count as equal within the rounding of
the times, which grows with their distance from the origin.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from classifier.features.distribution import cumulative_range, mean_of
from classifier.features.names import FREQUENCIES, HARMONICS
from classifier.features.slopes import mean_square_step

OVERSAMPLING = 6
FREQUENCIES_PER_POINT = 300  # ofac hifac / 2
INDEPENDENT_PER_POINT = 100  # Press & Rybicki's estimate of independent frequencies
REACH = 63  # frequencies on either side of an anchor computed from its products
_WIDTH = 2 * REACH + 1
_TIE = 1e-9  # relative difference of peaks that are aliases: the lowest frequency is taken
_TIME_ROUNDING = 2.0**-52  # of a time, as a share of it
_ONE_PHASE = 1e-7  # relative determinant below which all points have the same phase


@njit(cache=True, nogil=True, error_model="numpy")
def phase_steps(time: np.ndarray) -> np.ndarray:
    """Phase [rad] between neighbouring frequencies at times (point,); zero-padded to fours."""
    steps = np.zeros(-(-time.size // 4) * 4)
    scale = 2.0 * np.pi / (OVERSAMPLING * (time[-1] - time[0]))
    for i in range(time.size):
        steps[i] = (time[i] - time[0]) * scale
    return steps


@njit(cache=True, nogil=True, error_model="numpy")
def window_sums(steps: np.ndarray, n: int) -> np.ndarray:
    """The ``trigonometric_sums`` of n points at twice the frequencies, for ``power_of``."""
    weight = np.zeros(steps.size)
    weight[:n] = 1.0
    return trigonometric_sums(2.0 * steps, weight, FREQUENCIES_PER_POINT * n)


@njit(cache=True, nogil=True, error_model="numpy")
def power_of(steps: np.ndarray, window: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Sum of squares of ``deviation`` (point,), of mean 0, that a sine explains, by frequency.

    It is twice the variance times Scargle's power, in closed form without the time delay.
    """
    n = deviation.size
    weight = np.zeros(steps.size)
    weight[:n] = deviation
    power = np.empty(FREQUENCIES_PER_POINT * n)
    sums = trigonometric_sums(steps, weight, power.size)
    for k in range(power.size):
        c, s, c2, s2 = sums[0, k], sums[1, k], window[0, k], window[1, k]
        determinant = n * n - c2 * c2 - s2 * s2
        along_both = 2.0 * ((n - c2) * c * c + (n + c2) * s * s - 2.0 * s2 * c * s) / determinant
        along_one = (c * c + s * s) / n
        power[k] = along_both if determinant > _ONE_PHASE * n * n else along_one
    return power


@njit(cache=True, nogil=True, error_model="numpy")
def highest_peak(power: np.ndarray, rounding_rad: float = 0.0, noise: float = 1.0) -> int:
    """Number k of the highest peak; of peaks that differ by rounding alone, the lowest k.

    ``rounding_rad`` is that of a `phase_steps`, ``noise`` the square root of the sum of squares
    over the power of the peak. A sum of terms of random sign changes by so many times their phase.
    """
    highest = np.argmax(power)
    tie = max(_TIE, 4.0 * rounding_rad * (highest + 1) * noise)
    for k in range(highest):
        if power[k] * (1.0 + tie) >= power[highest]:
            return k + 1
    return highest + 1


@njit(cache=True, nogil=True, error_model="numpy")
def time_rounding(time: np.ndarray) -> float:
    """Rounding of increasing times (point,), in their unit."""
    return _TIME_ROUNDING * max(abs(time[0]), abs(time[-1]))


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def trigonometric_sums(step_rad: np.ndarray, weight: np.ndarray, n_frequencies: int) -> np.ndarray:
    """sum_i w_i cos(k p_i) and sum_i w_i sin(k p_i), shape (2, at least n_frequencies), k from 1.

    p_i is ``step_rad`` (point,), whose size is a multiple of 4. Each k is an anchor +- l: the four
    sums of products of cos and sin of anchor and l serve both signs. The angles of anchors and of
    l are rotated step by step from exact values, with an error of 1e-16 per step.
    """
    n = step_rad.size
    table, partial = _table_of_rotations(step_rad), np.empty((4, REACH + 1))
    anchors = -(-n_frequencies // _WIDTH)
    sums = np.empty((2, anchors * _WIDTH))
    c, s = weight * np.cos((REACH + 1) * step_rad), weight * np.sin((REACH + 1) * step_rad)
    step_c, step_s = np.cos(_WIDTH * step_rad), np.sin(_WIDTH * step_rad)
    for anchor in range(anchors):
        _add_products(c, s, table[0], table[1], partial)
        _unfold(partial, sums[:, anchor * _WIDTH : (anchor + 1) * _WIDTH])
        for i in range(n):
            c[i], s[i] = (
                c[i] * step_c[i] - s[i] * step_s[i],
                s[i] * step_c[i] + c[i] * step_s[i],
            )
    return sums


@njit(cache=True, nogil=True, error_model="numpy")
def _table_of_rotations(step_rad):
    """Cos and sin of l p_i, shape (2, point, REACH + 1)."""
    table = np.empty((2, step_rad.size, REACH + 1))
    for i in range(step_rad.size):
        c, s, step_c, step_s = 1.0, 0.0, np.cos(step_rad[i]), np.sin(step_rad[i])
        for j in range(REACH + 1):
            table[0, i, j], table[1, i, j] = c, s
            c, s = c * step_c - s * step_s, s * step_c + c * step_s
    return table


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _add_products(c, s, cos_table, sin_table, partial):
    """Sums over points of c cos, s sin, s cos and c sin; four points at a time."""
    partial[:] = 0.0
    for i in range(0, c.size, 4):
        c0, c1, c2, c3 = c[i], c[i + 1], c[i + 2], c[i + 3]
        s0, s1, s2, s3 = s[i], s[i + 1], s[i + 2], s[i + 3]
        for j in range(REACH + 1):
            a0, a1, a2, a3 = (
                cos_table[i, j],
                cos_table[i + 1, j],
                cos_table[i + 2, j],
                cos_table[i + 3, j],
            )
            b0, b1, b2, b3 = (
                sin_table[i, j],
                sin_table[i + 1, j],
                sin_table[i + 2, j],
                sin_table[i + 3, j],
            )
            partial[0, j] += c0 * a0 + c1 * a1 + c2 * a2 + c3 * a3
            partial[1, j] += s0 * b0 + s1 * b1 + s2 * b2 + s3 * b3
            partial[2, j] += s0 * a0 + s1 * a1 + s2 * a2 + s3 * a3
            partial[3, j] += c0 * b0 + c1 * b1 + c2 * b2 + c3 * b3


@njit(cache=True, nogil=True, error_model="numpy")
def _unfold(partial, sums):
    for j in range(REACH + 1):
        sums[0, REACH + j] = partial[0, j] - partial[1, j]
        sums[1, REACH + j] = partial[2, j] + partial[3, j]
    for j in range(1, REACH + 1):
        sums[0, REACH - j] = partial[0, j] + partial[1, j]
        sums[1, REACH - j] = partial[2, j] - partial[3, j]


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
    slowest_day = OVERSAMPLING * (time[-1] - time[0])  # period of the first frequency
    cycles, rounding = (time - time[0]) / slowest_day, time_rounding(time) / slowest_day
    for frequency in range(FREQUENCIES):
        harmonics[frequency, 0] = 0.0
        left = (residual**2).sum()
        if left > _ROUNDING * squares:
            power = power_of(steps, window, residual)
            noise = math.sqrt(left / power.max())
            k = highest_peak(power, 2.0 * math.pi * rounding, noise)
            if frequency == 0:
                row["PeriodLS"] = slowest_day / k
                row["Period_fit"] = false_alarm_probability(power[k - 1] / left, magnitude.size)
                _fill_folded(row, magnitude, k * cycles, k * rounding)
            _subtract_harmonics(harmonics[frequency], residual, k * cycles, squares)


@njit(cache=True, nogil=True, error_model="numpy")
def false_alarm_probability(share: float, n: int) -> float:
    """Probability that noise of n points has a peak with this share of the sum of squares.

    1 - (1 - e^-z)^M with z = share (n - 1)/2 and M = 100 n (Press & Rybicki 1989).
    """
    z = 0.5 * (n - 1) * share
    return -math.expm1(INDEPENDENT_PER_POINT * n * math.log1p(-math.exp(-z)))


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_folded(row, magnitude, cycles, rounding):
    """Psi_CS and Psi_eta of the curve folded with twice the period, as in FATS."""
    folded = magnitude[_order_of_phases(0.5 * cycles, 4.0 * rounding)]
    row["Psi_CS"] = cumulative_range(folded)
    row["Psi_eta"] = mean_square_step(folded)


@njit(cache=True, nogil=True, error_model="numpy")
def _order_of_phases(cycles, rounding):
    """Points in the order of their phases; those of equal phase in the order of their times."""
    phase = cycles - np.floor(cycles)
    phase[phase >= 1.0 - rounding] = 0.0
    last = -np.inf
    for i in np.argsort(phase, kind="mergesort"):
        if phase[i] - last <= rounding:
            phase[i] = last
        else:
            last = phase[i]
    return np.argsort(phase, kind="mergesort")


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
