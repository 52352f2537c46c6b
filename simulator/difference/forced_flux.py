"""PSF flux of a difference at a given position, also where nothing is detected."""

from __future__ import annotations

import numpy as np
from numba import njit

from simulator.detector.lanczos import lanczos_weights

_ORDER = 3  # of the Lanczos kernel that moves the PSF


@njit(cache=True, nogil=True, error_model="numpy")
def forced_flux(
    difference: np.ndarray,
    variance: np.ndarray,
    mask: np.ndarray,
    psf: np.ndarray,
    x_pix: float,
    y_pix: float,
    noise_factor: float,
) -> tuple[float, float]:
    """Flux of a point source at (x, y) and its error, from the pixels whose mask is 0.

    The flux of least variance, sum(P d / v) / sum(P^2 / v), with the PSF P moved to the position.

    Parameters
    ----------
    difference, variance : arrays of float32, shape (size, size)
    mask : array of uint8, shape (size, size)
    psf : array of float32, odd and square
        Centred, of sum 1.
    x_pix, y_pix : float
        From the centre of the stamp.
    noise_factor : float
        Variance of the flux over that in white noise.

    Returns
    -------
    (float, float)
        NaN, NaN where no pixel can be used.
    """
    size, centre, half = difference.shape[0], difference.shape[0] // 2, psf.shape[0] // 2
    row, column = int(np.floor(y_pix)), int(np.floor(x_pix))
    wy, wx = lanczos_weights(y_pix - row, _ORDER), lanczos_weights(x_pix - column, _ORDER)
    signal, weight = 0.0, 0.0
    lines = _moved_along_rows(psf, wx)
    for j in range(-half, half + 1):
        a = centre + row + j
        if a < 0 or a >= size:
            continue
        for i in range(-half, half + 1):
            b = centre + column + i
            if b < 0 or b >= size or mask[a, b] != 0 or not variance[a, b] > 0.0:
                continue
            value = 0.0
            for k in range(2 * _ORDER):
                source = half + j - (k + 1 - _ORDER)
                if 0 <= source < psf.shape[0]:
                    value += wy[k] * lines[source, half + i]
            signal += value * difference[a, b] / variance[a, b]
            weight += value * value / variance[a, b]
    if not weight > 0.0:
        return np.nan, np.nan
    return signal / weight, np.sqrt(noise_factor / weight)


@njit(cache=True, nogil=True, error_model="numpy")
def _moved_along_rows(psf, weights):
    lines = np.zeros(psf.shape)
    size = psf.shape[0]
    for j in range(size):
        for k in range(2 * _ORDER):
            shift = k + 1 - _ORDER
            for i in range(max(0, shift), min(size, size + shift)):
                lines[j, i] += weights[k] * psf[j, i - shift]
    return lines
