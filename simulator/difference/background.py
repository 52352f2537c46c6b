"""Background and noise of whole images, from pixels without sources."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_dilation

_CLIP, _ROUNDS = 3.0, 8
_SIGMA_PER_MAD = 1.4826  # of a Gaussian: standard over median absolute deviation
_GROWN_PIX = 3  # around clipped pixels: the wings of their sources


def robust_sigma(values: np.ndarray) -> float:
    """Standard deviation of Gaussian values, from their median absolute deviation."""
    return float(_SIGMA_PER_MAD * np.median(np.abs(values - np.median(values))))


def polynomial_terms(shape: tuple[int, int], order: int) -> np.ndarray:
    """Products x^a y^b, a + b up to an order, of coordinates from -1 to 1: (term, row, column)."""
    y, x = (np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in shape)
    powers = [(a, b) for total in range(order + 1) for a in range(total + 1) for b in [total - a]]
    return np.stack([np.outer(y**b, x**a) for a, b in powers])


def source_free(image: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """Good pixels without sources (row, column), by clipping 3 sigma about the median."""
    use = ~bad
    for _ in range(_ROUNDS):
        values = image[use]
        middle = np.median(values)
        limit = _CLIP * robust_sigma(values)
        bright = (np.abs(image - middle) > limit) & ~bad
        grown = binary_dilation(bright & (image > middle + 2 * limit), iterations=_GROWN_PIX)
        now = ~bad & ~bright & ~grown
        if now.sum() < 0.05 * use.size or np.array_equal(now, use):
            break
        use = now
    return use


def fit_background(image: np.ndarray, use: np.ndarray, order: int) -> np.ndarray:
    """Polynomial background (row, column) that fits the pixels ``use`` best."""
    terms = polynomial_terms(image.shape, order)
    matrix = terms[:, use].T
    return np.tensordot(np.linalg.lstsq(matrix, image[use], rcond=None)[0], terms, 1)


def background_sigma(image: np.ndarray, use: np.ndarray) -> float:
    """Standard deviation of the pixels ``use``, from their median absolute deviation."""
    return robust_sigma(image[use])


def noise_correlation(image: np.ndarray, use: np.ndarray, half: int) -> np.ndarray:
    """Correlation of the noise of pixels up to ``half`` apart: (2 half + 1)^2, 1 in the centre.

    From pairs of source-free pixels, each clipped at three standard deviations.
    """
    sigma = background_sigma(image, use)
    values = np.where(use, np.clip(image, -_CLIP * sigma, _CLIP * sigma), 0.0)
    found = np.ones((2 * half + 1, 2 * half + 1))
    rows, columns = image.shape
    for dy in range(half + 1):
        for dx in range(-half, half + 1):
            first = np.s_[: rows - dy, max(0, -dx) : columns - max(0, dx)]
            other = np.s_[dy:, max(0, dx) : columns - max(0, -dx)]
            pairs = use[first] & use[other]
            both = (values[first] * values[other])[pairs].mean() if pairs.any() else 0.0
            found[half + dy, half + dx] = found[half - dy, half - dx] = both
    return found / found[half, half]
