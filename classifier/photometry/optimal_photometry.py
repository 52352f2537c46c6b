"""The flux of a star of known shape on one stamp: Naylor's (1998, MNRAS 296, 339) weights.

With D the data, S the sky, P the PSF and V the variance of a pixel, all in ADU,

    V = V_sky + F P / gain,   W = (P / V) / sum(P^2 / V),   F = sum(W (D - S)).

V is the variance of the model, not of the data: pixels that are low by chance would otherwise
weigh more and faint fluxes be too small. V and the sky, the clipped mean of D - F P over the
border, are found by iteration. As S = mean(D - F P) and F = A - a S, with
a = sum(W) and p the mean of P over the border, noise of both gives

    variance(F) = (1 / sum(P^2 / V) + a^2 variance(S) - 2 a p / sum(P^2 / V)) / (1 - a p)^2.
"""

from __future__ import annotations

import numpy as np
from numba import njit

F = np.float32

# columns of ``known``, the measurements of a star on one stamp: flux, its variance, sky, its
# variance, variance of an empty pixel, and the variance of the flux due to the fitted shape
FLUX, VARIANCE, SKY, SKY_VARIANCE, PIXEL_VARIANCE, SHAPE_VARIANCE = range(6)
N_KNOWN = 6

LEAST_BORDER_PIXELS = 8
_CLIP_SIGMAS = 3.0
_CLIPPED_VARIANCE = 0.9733  # of a normal distribution cut at three standard deviations
_MAD_TO_SIGMA = 1.4826
_LEAST_VARIANCE = 1e-12  # ADU^2, of images without any noise
_ROUNDS = 2


@njit(cache=True, nogil=True, error_model="numpy")
def first_sky(data: np.ndarray, border: np.ndarray, known: np.ndarray) -> bool:
    """First estimate of the sky and the variance of a pixel from the median of the border.

    ``border`` (pixel,) is one in usable pixels around the source, else zero. ``known`` (N_KNOWN,)
    is filled with flux 0, sky and pixel variance. False if the border has too few pixels.
    """
    values = np.empty(border.size, dtype=np.float32)
    n = 0
    for k in range(border.size):
        if border[k] > 0.0:
            values[n] = data[k]
            n += 1
    if n < LEAST_BORDER_PIXELS:
        return False
    known[FLUX] = 0.0
    known[SKY] = np.median(values[:n])
    deviation = np.median(np.abs(values[:n] - np.float32(known[SKY])))
    known[PIXEL_VARIANCE] = max((_MAD_TO_SIGMA * deviation) ** 2, _LEAST_VARIANCE)
    return True


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _border_mean(data, profile, border, flux, centre, variance):
    """(mean, variance, number, mean of P) of the border's pixels near ``centre``."""
    star, middle = np.float32(flux), np.float32(centre)
    limit = np.float32(_CLIP_SIGMAS * np.sqrt(variance))
    number, total, squares, light = F(0.0), F(0.0), F(0.0), F(0.0)
    for k in range(data.size):
        from_centre = data[k] - star * profile[k] - middle
        used = border[k] if abs(from_centre) <= limit else F(0.0)
        number += used
        total += used * from_centre
        squares += used * from_centre * from_centre
        light += used * profile[k]
    n = float(number)
    if n < LEAST_BORDER_PIXELS:
        return centre, variance, n, 0.0
    mean = total / n
    spread = (squares / n - mean * mean) / _CLIPPED_VARIANCE
    return centre + mean, max(spread, _LEAST_VARIANCE), n, light / n


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def weighted_sums(
    data: np.ndarray, weight: np.ndarray, profile: np.ndarray
) -> tuple[float, float, float]:
    """sum(P^2 w), sum(P w), sum(P D w)."""
    square, light, product = 0.0, 0.0, 0.0
    for k in range(data.size):
        weighted = profile[k] * weight[k]
        square += weighted * profile[k]
        light += weighted
        product += weighted * data[k]
    return square, light, product


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def dot(a: np.ndarray, b: np.ndarray) -> np.float32:
    """Scalar product of two float32 arrays; the compiler may reorder the sum."""
    total = F(0.0)
    for k in range(a.size):
        total += a[k] * b[k]
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def set_weights(
    weight: np.ndarray,
    good: np.ndarray,
    profile: np.ndarray,
    flux: float,
    pixel_variance: float,
    gain: float,
) -> None:
    """Fill ``weight`` with the inverse of the model's variance; zero where masked."""
    per_flux = np.float32(max(flux, 0.0) / gain if gain > 0.0 else 0.0)
    floor = np.float32(pixel_variance)
    for k in range(weight.size):
        weight[k] = good[k] / (floor + per_flux * profile[k])


@njit(cache=True, nogil=True, error_model="numpy")
def optimal_flux(
    data: np.ndarray,
    good: np.ndarray,
    profile: np.ndarray,
    border: np.ndarray,
    noise: tuple[float, float, float],
    known: np.ndarray,
    weight: np.ndarray,
) -> None:
    """Flux, sky and their variances, in ``known``, of a star whose ``profile`` is given.

    ``data``, ``good`` and ``border`` (pixel,) are zero where masked; ``good`` and ``border`` are
    one elsewhere. ``noise`` is (gain [e/ADU], read-noise variance [ADU^2], sky [ADU]), NaN where
    unknown. Without gain or read noise V_sky is measured in the border; without a gain the photon
    noise of the star is left out. ``known`` holds first estimates of flux, sky and pixel
    variance. ``weight`` becomes 1 / V.
    """
    gain, read_variance, given_sky = noise
    measured = known[PIXEL_VARIANCE]
    for _ in range(_ROUNDS):
        sky, measured, n, light = _border_mean(
            data, profile, border, known[FLUX], known[SKY], measured
        )
        known[SKY] = given_sky if given_sky == given_sky else sky
        expected = max(known[SKY], 0.0) / gain + read_variance
        known[PIXEL_VARIANCE] = expected if expected > 0.0 else measured
        set_weights(weight, good, profile, known[FLUX], known[PIXEL_VARIANCE], gain)
        square, sum_light, product = weighted_sums(data, weight, profile)
        known[FLUX] = (product - known[SKY] * sum_light) / square
    known[VARIANCE], known[SKY_VARIANCE] = 1.0 / square, 0.0
    if given_sky != given_sky:
        wings = max(known[FLUX], 0.0) * light / gain if gain > 0.0 else 0.0
        known[SKY_VARIANCE] = (known[PIXEL_VARIANCE] + wings) / n
        a = sum_light / square
        variance = 1.0 / square + a * a * known[SKY_VARIANCE] - 2.0 * a * light / square
        known[VARIANCE] = variance / (1.0 - a * light) ** 2
