"""Detection in a difference: its matched filter, threshold, position and PSF flux."""

from __future__ import annotations

from math import exp, log, sqrt
from typing import NamedTuple

import numpy as np
from numba import njit

from simulator.difference.convolution import convolve, half_width, set_taps
from simulator.difference.subtraction import LOST_SHARE, Workspace

THRESHOLD = 5.0
_LEAST_SHARE = 0.5  # of sum P^2 on good pixels, where a source is measured


class Detection(NamedTuple):
    """The highest |S/N| of a difference near its centre.

    Where nothing is detected, flux, error and S/N are those at the nominal position (0, 0).
    """

    signal_to_noise: float  # negative where the source became fainter
    x_pix: float  # from the centre of the stamp, along columns
    y_pix: float
    flux: float  # in the unit of the difference
    flux_error: float
    detected: bool
    noise_ratio: float  # noise with that of registration, over that of photons alone


@njit(cache=True, nogil=True, error_model="numpy")
def detect_stamp(
    difference: np.ndarray,
    variance: np.ndarray,
    mask: np.ndarray,
    psf: np.ndarray,
    noise_factor: float,
    threshold: float,
    radius_pix: float,
    work: Workspace,
    registration_error_pix: float = 0.0,
) -> Detection:
    """Detect the source nearest to a stamp's centre: the highest |S/N| within a radius.

    The flux at a pixel is the one of least variance for a point source there,
    sum(P d / v) / sum(P^2 / v) over good pixels, with variance ``noise_factor`` / sum(P^2 / v).
    The error of the alignment adds to it that of sum(P m / v), where m is the template as it was
    subtracted: the squares of its slopes (Zackay, Ofek & Gal-Yam 2016, section 3.3).

    Parameters
    ----------
    difference, variance : arrays of float32, shape (size, size)
    mask : array of uint8, shape (size, size)
        Only pixels of 0 are used.
    psf : array of float32, shape (p, p)
        Of the difference, for a source of flux 1.
    noise_factor : float
        As `simulator.difference.subtraction.subtract_stamp` returns it; 1 for white noise.
    threshold : float
        Least |S/N| of a detection, at a pixel.
    radius_pix : float
        Pixels within this distance of the centre are searched; the size of the stamp for all.
    work : Workspace
        From `simulator.difference.subtraction.stamp_workspace`; after `subtract_stamp` of this
        difference, where there is a registration error.
    registration_error_pix : float
        Of the alignment of the template, RMS per axis; 0 for none.

    Returns
    -------
    Detection
        All NaN, and not detected, where the centre cannot be measured and nothing is detected.
    """
    size, centre = difference.shape[0], difference.shape[0] // 2
    reach = min(int(radius_pix), centre)
    half = min(half_width(psf, LOST_SHARE), work.margin)
    _filter(difference, variance, mask, psf, half, max(0, centre - reach - 1), work)
    signal, weight, error2 = work.lines[2], work.lines[3], registration_error_pix**2
    best, row, column = 0.0, centre, centre
    for y in range(centre - reach, centre + reach + 1):
        for x in range(centre - reach, centre + reach + 1):
            if (y - centre) ** 2 + (x - centre) ** 2 > radius_pix**2 or weight[y, x] <= 0.0:
                continue
            value = abs(signal[y, x]) / sqrt(weight[y, x] * noise_factor)
            if error2 > 0.0 and value >= threshold and value > best:
                slopes = _slopes(variance, mask, psf, half, y, x, work)
                value = abs(signal[y, x]) / sqrt(weight[y, x] * noise_factor + error2 * slopes)
            if value > best and _good_share(mask, psf, half, y, x) > _LEAST_SHARE:
                best, row, column = value, y, x
    detected = best >= threshold
    if not detected:
        row = column = centre
        if not _good_share(mask, psf, half, row, column) > _LEAST_SHARE:
            return Detection(np.nan, np.nan, np.nan, np.nan, np.nan, False, np.nan)
    dx, dy, gain = 0.0, 0.0, 1.0
    if detected and 0 < row < size - 1 and 0 < column < size - 1:
        dx, gain_x = _peak(signal, weight, row, column, 0, 1)
        dy, gain_y = _peak(signal, weight, row, column, 1, 0)
        gain = gain_x * gain_y
    flux = gain * signal[row, column] / weight[row, column]
    error = sqrt(noise_factor / weight[row, column])
    ratio = 1.0
    if error2 > 0.0:
        slopes = _slopes(variance, mask, psf, half, row, column, work)
        ratio = sqrt(1.0 + error2 * slopes / (weight[row, column] * noise_factor))
    x, y = column - centre + dx, row - centre + dy
    return Detection(flux / error / ratio, x, y, flux, error, detected, ratio)


@njit(cache=True, nogil=True, error_model="numpy")
def _slopes(variance, mask, psf, half, row, column, work):
    """Squares of the slopes along x and y, summed, of the filtered template at a pixel."""
    size, centre, template = mask.shape[0], psf.shape[0] // 2, work.lines[1]
    along_x, along_y = 0.0, 0.0
    for y in range(max(2, row - half), min(size - 2, row + half + 1)):
        for x in range(max(2, column - half), min(size - 2, column + half + 1)):
            if mask[y, x] == 0 and variance[y, x] > 0.0:
                weight = psf[centre + y - row, centre + x - column] / variance[y, x]
                near_x = template[y, x + 1] - template[y, x - 1]
                near_y = template[y + 1, x] - template[y - 1, x]
                far_x = template[y, x + 2] - template[y, x - 2]
                far_y = template[y + 2, x] - template[y - 2, x]
                along_x += weight * (8.0 * near_x - far_x)  # five points: error of fifth order
                along_y += weight * (8.0 * near_y - far_y)
    return (along_x**2 + along_y**2) / 144.0


@njit(cache=True, nogil=True, error_model="numpy")
def _filter(difference, variance, mask, psf, half, first, work):
    """Fill sum(P d / v) and sum(P^2 / v) in the rows from ``first`` to its mirror.

    The template as it was subtracted stays in ``work.lines[1]``.
    """
    size, margin, taps = difference.shape[0], work.margin, work.taps
    values, weights = work.fields[0], work.fields[1]
    values[:], weights[:] = np.float32(0.0), np.float32(0.0)
    for y in range(size):
        for x in range(size):
            if mask[y, x] == 0 and variance[y, x] > 0.0:
                weight = np.float32(1.0) / variance[y, x]
                values[y + margin, x + margin] = difference[y, x] * weight
                weights[y + margin, x + margin] = weight
    flipped = psf[::-1, ::-1].copy()
    set_taps(taps, flipped, half, 1)
    convolve(work.lines[2], values, margin, taps, half, first, size - first)
    set_taps(taps, flipped, half, 2)
    convolve(work.lines[3], weights, margin, taps, half, first, size - first)


@njit(cache=True, nogil=True, error_model="numpy")
def _good_share(mask, psf, half, row, column):
    """Share of sum P^2 that falls on good pixels, for a source at a pixel."""
    centre, good, total = psf.shape[0] // 2, 0.0, 0.0
    for j in range(-half, half + 1):
        for i in range(-half, half + 1):
            square = psf[centre + j, centre + i] ** 2
            total += square
            y, x = row + j, column + i
            if 0 <= y < mask.shape[0] and 0 <= x < mask.shape[1] and mask[y, x] == 0:
                good += square
    return good / total


@njit(cache=True, nogil=True, error_model="numpy")
def _peak(signal, weight, row, column, down, right):
    """Offset of a maximum of |S/N| from a pixel along one axis, and its height over the pixel's."""
    sign = 1.0 if signal[row, column] > 0.0 else -1.0
    before = _value(signal, weight, row - down, column - right, sign)
    middle = _value(signal, weight, row, column, sign)
    after = _value(signal, weight, row + down, column + right, sign)
    return peak_between(before, middle, after)


@njit(cache=True, nogil=True, error_model="numpy")
def peak_between(before: float, middle: float, after: float) -> tuple[float, float]:
    """Where the maximum near the middle of three values lies [pix], and its height over it.

    From a parabola through their logarithms, which is exact for a Gaussian; (0, 1) where there
    is no such maximum.
    """
    if not (before > 0.0 and after > 0.0 and middle >= before and middle >= after):
        return 0.0, 1.0
    a, b, c = log(before), log(middle), log(after)
    curvature = a - 2.0 * b + c
    if curvature > -1e-6:
        return 0.0, 1.0
    return 0.5 * (a - c) / curvature, exp(-((a - c) ** 2) / (8.0 * curvature))


@njit(cache=True, nogil=True, error_model="numpy")
def _value(signal, weight, row, column, sign):
    return (
        sign * signal[row, column] / sqrt(weight[row, column]) if weight[row, column] > 0 else 0.0
    )
