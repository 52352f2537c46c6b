"""Photon and read noise, drawn from counters: the same exposure always has the same noise.

Poisson counts of ten electrons and more come from a normal number through the asymptotic
inverse of the Poisson distribution (Giles 2016, ACM TOMS 42, 7, the approximation Q_N2),
rounded down to whole electrons; fainter ones from a search of the distribution itself.
"""

from __future__ import annotations

from math import exp

import numpy as np
from numba import njit

from simulator.fastmath import cos_sin_of_turn, log_of
from simulator.rng import philox

F = np.float32
_ASYMPTOTIC_FROM_E = F(10.0)
_NO_PIXELS = np.empty(0, dtype=np.int64)
_FAINT_DRAWS = np.uint32(1 << 31)  # counters of the faint pixels have this bit set


@njit(cache=True, nogil=True, inline="always", error_model="numpy")
def _normal_pair(word0, word1):
    """Two independent normal numbers from two random words (Box & Muller 1958)."""
    u = (F(np.int32(word0 >> np.uint32(1))) + F(0.5)) * F(2.0**-31)
    turn = F(np.int32(word1)) * F(2.0**-32)
    radius = np.sqrt(F(-2.0) * min(log_of(u), F(0.0)))
    cosine, sine = cos_sin_of_turn(turn)
    return radius * cosine, radius * sine


@njit(cache=True, nogil=True, inline="always", error_model="numpy")
def _poisson_quantile(mean, z):
    """Poisson count at the probability of a normal deviate z, for means of ten and more."""
    root = np.sqrt(mean)
    z2 = z * z
    q = mean + root * z + (F(1.0 / 3.0) + z2 * F(1.0 / 6.0))
    q += -z * (F(1.0 / 36.0) + z2 * F(1.0 / 72.0)) / root
    q += (F(-8.0 / 405.0) + z2 * (F(7.0 / 810.0) + z2 * F(1.0 / 270.0))) / mean
    return np.floor(max(q, F(0.0)))


@njit(cache=True, nogil=True, error_model="numpy")
def add_noise(
    electrons: np.ndarray,
    read_noise_e: float,
    counter: tuple[np.uint32, np.uint32, np.uint32, np.uint32],
    key: tuple[np.uint32, np.uint32],
) -> None:
    """Replace expected electrons by recorded ones: Poisson counts plus Gaussian read noise.

    Parameters
    ----------
    electrons : array of float32, shape (pixel,)
        Expected electrons, zero and more; changed in place.
    read_noise_e : float
    counter : tuple of four uint32
        Philox counter: object (low, high), purpose, and the epoch in the upper 16 bits of
        the last word; pixels are counted in its lower 16.
    key : tuple of two uint32
    """
    n_faint = 0
    for p in range(electrons.size):
        n_faint += electrons[p] < _ASYMPTOTIC_FROM_E
    faint = np.flatnonzero(electrons < _ASYMPTOTIC_FROM_E) if n_faint else _NO_PIXELS
    faint_mean = electrons[faint]
    half = (electrons.size + 1) // 2
    words = np.empty((4, half), dtype=np.uint32)
    c0, c1, c2, c3 = counter
    for p in range(half):
        w0, w1, w2, w3 = philox(c0, c1, c2, np.uint32(c3 + np.uint32(p)), key[0], key[1])
        words[0, p] = w0
        words[1, p] = w1
        words[2, p] = w2
        words[3, p] = w3
    _record(electrons[:half], words[0], words[1], read_noise_e)
    _record(electrons[half:], words[2], words[3], read_noise_e)
    for i in range(faint.size):
        c = np.uint32(c3 + np.uint32(faint[i])) | _FAINT_DRAWS
        w0, w1, w2, _ = philox(c0, c1, c2, c, key[0], key[1])
        for_reading, _ = _normal_pair(w0, w1)
        count = small_poisson(faint_mean[i], (float(w2) + 0.5) * 2.0**-32)
        electrons[faint[i]] = F(count) + F(read_noise_e) * for_reading


@njit(cache=True, nogil=True, error_model="numpy")
def add_normal_noise(
    values: np.ndarray,
    variance: np.ndarray,
    counter: tuple[np.uint32, np.uint32, np.uint32, np.uint32],
    key: tuple[np.uint32, np.uint32],
) -> None:
    """Add Gaussian noise of the given variances to an array of float32, shape (pixel,), in place.

    ``counter`` and ``key`` are as for `add_noise`; one call of Philox gives four numbers.
    """
    quarter = (values.size + 3) // 4
    for p in range(quarter):
        w0, w1, w2, w3 = philox(
            counter[0], counter[1], counter[2], np.uint32(counter[3] + np.uint32(p)), key[0], key[1]
        )
        z0, z1 = _normal_pair(w0, w1)
        z2, z3 = _normal_pair(w2, w3)
        for k, z in enumerate((z0, z1, z2, z3)):
            pixel = p + k * quarter
            if pixel < values.size:
                values[pixel] += z * np.sqrt(variance[pixel])


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _record(electrons, words0, words1, read_noise_e):
    for p in range(electrons.size):
        for_photons, for_reading = _normal_pair(words0[p], words1[p])
        count = _poisson_quantile(max(electrons[p], _ASYMPTOTIC_FROM_E), for_photons)
        electrons[p] = count + F(read_noise_e) * for_reading


@njit(cache=True, nogil=True, error_model="numpy")
def small_poisson(mean: float, u: float) -> int:
    """Poisson count at cumulative probability ``u``; for means far below a hundred."""
    term = exp(-mean)
    total = term
    count = 0
    while u > total and count < 1000:
        count += 1
        term *= mean / count
        total += term
    return count
