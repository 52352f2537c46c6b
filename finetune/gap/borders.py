"""The noise of a stamp's border: level, tails and correlation, whatever star shines into it.

The median of every ring about the centre is taken off first. Arrays are (object, epoch, row,
column).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from finetune.gap.robust import nanmedian, sigma_of_mad

_BORDER_FROM = 0.36  # of the stamp's size, as in photometry
_CLIPPED_SIGMAS = 3.0  # of pixels whose products tell of correlation
_UNCLIPPED = 1.0136  # sigma of a normal distribution over that of its part within three sigma
_TAIL_SIGMAS = 20.0


@lru_cache
def border_rings(size: int) -> tuple[np.ndarray, ...]:
    """Masks (row, column) of rings one pixel wide that make up the border; the last is the rest."""
    axis = np.arange(size) - 0.5 * (size - 1)
    radius = np.hypot(axis[:, None], axis)
    edges = np.arange(_BORDER_FROM * size, 0.5 * size, 1.0)
    upper = np.append(edges[1:], np.inf)
    return tuple((radius > low) & (radius <= high) for low, high in zip(edges, upper, strict=True))


def flattened(images):
    """(border pixels less the median of their ring, NaN elsewhere; median of the border)."""
    rings = border_rings(images.shape[-1])
    flat = np.full(images.shape, np.nan, dtype=np.float32)
    for ring in rings:
        pixels = images[..., ring]
        flat[..., ring] = pixels - nanmedian(pixels)[..., None]
    return flat, nanmedian(images[..., np.logical_or.reduce(rings)])


def border_noise(stamps) -> dict[str, np.ndarray]:
    """Per image, (object, epoch): noise_ratio, noise_tail, two correlations and the sky [ADU]."""
    flat, sky_adu = flattened(stamps.images_adu)
    sigma = _clipped_sigma(flat.reshape(*flat.shape[:2], -1))
    gain, read_e = (
        np.asarray(v, float)[:, None] for v in (stamps.gain_e_per_adu, stamps.read_noise_e)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = sky_adu / gain + (read_e / gain) ** 2
        units = flat / sigma[..., None, None]
        tails = np.clip(units, -_TAIL_SIGMAS, _TAIL_SIGMAS) ** 2
        return {
            "sky_adu": sky_adu,
            "noise_ratio": sigma**2 / expected,
            "noise_tail": _mean(tails),
            "noise_correlation_x": _correlation(units, axis=-1),
            "noise_correlation_y": _correlation(units, axis=-2),
        }


def _clipped_sigma(pixels):
    """Standard deviation of what lies within three; not of ranks, for counts may be whole."""
    sigma = sigma_of_mad(pixels)
    for _ in range(2):
        with np.errstate(invalid="ignore"):
            inside = np.abs(pixels) < _CLIPPED_SIGMAS * sigma[..., None]
        square = np.where(inside, pixels, 0.0) ** 2
        number = np.where(inside.any(axis=-1), inside.sum(axis=-1), np.nan)
        sigma = np.sqrt(square.sum(axis=-1) / number) * _UNCLIPPED
    return sigma


def _correlation(units, axis):
    clipped = np.clip(units, -_CLIPPED_SIGMAS, _CLIPPED_SIGMAS)
    one, other = (
        np.take(clipped, range(first, clipped.shape[axis] + last), axis)
        for first, last in ((0, -1), (1, 0))
    )
    return _mean(one * other) / _mean(clipped**2)


def _mean(values):
    """Mean over the pixels of a stamp that are known."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=(-2, -1))
    return total / np.where(known.any(axis=(-2, -1)), known.sum(axis=(-2, -1)), np.nan)
