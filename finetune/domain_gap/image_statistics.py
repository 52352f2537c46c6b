"""Statistics of pixels: noise of the border, shape of the star, and the outskirts of the stack.

The median of every ring about the centre is subtracted from the border first, which removes the
wings of the star. Images are (object, epoch, row, column); counts are in ADU.
"""

from __future__ import annotations

import warnings
from functools import lru_cache

import numpy as np

from classifier.photometry.light_curves import LightCurves
from classifier.stamp_batch import StampBatch

_BORDER_FROM = 0.36  # of the stamp's size, as in photometry
_CLIPPED_SIGMAS = 3.0  # clipping of pixels before their correlation
_UNCLIPPED = 1.0136  # sigma of a normal distribution over that of its part within three sigma
_TAIL_SIGMAS = 20.0


@lru_cache
def border_rings(size: int) -> tuple[np.ndarray, ...]:
    """Masks (row, column) of rings one pixel wide in the border; the last reaches the corners."""
    axis = np.arange(size) - 0.5 * (size - 1)
    radius = np.hypot(axis[:, None], axis)
    edges = np.arange(_BORDER_FROM * size, 0.5 * size, 1.0)
    upper = np.append(edges[1:], np.inf)
    return tuple((radius > low) & (radius <= high) for low, high in zip(edges, upper, strict=True))


def flattened(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Border pixels less the median of their ring (NaN elsewhere), and the border's median."""
    rings = border_rings(images.shape[-1])
    flat = np.full(images.shape, np.nan, dtype=np.float32)
    for ring in rings:
        pixels = images[..., ring]
        flat[..., ring] = pixels - nanmedian(pixels)[..., None]
    return flat, nanmedian(images[..., np.logical_or.reduce(rings)])


def border_noise(stamps: StampBatch) -> dict[str, np.ndarray]:
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
    """Standard deviation of pixels within three; not a quantile, as counts may be integers."""
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
    """Mean over the finite pixels of a stamp."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=(-2, -1))
    return total / np.where(known.any(axis=(-2, -1)), known.sum(axis=(-2, -1)), np.nan)


_SIGMA_PER_MAD = 1.4826
_LEAST = 3


def nanmedian(values: np.ndarray) -> np.ndarray:
    """Median along the last axis."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmedian(values, axis=-1)


def sigma_of_mad(values: np.ndarray) -> np.ndarray:
    """1.4826 times the median absolute deviation along the last axis."""
    return _SIGMA_PER_MAD * nanmedian(np.abs(values - nanmedian(values)[..., None]))


def mean(values: np.ndarray) -> np.ndarray:
    """Mean along the last axis, of three values or more."""
    return _with_enough(values, np.nanmean)


def scatter(values: np.ndarray) -> np.ndarray:
    """Standard deviation along the last axis, of three values or more."""
    return _with_enough(values, lambda v, axis: np.nanstd(v, axis=axis, ddof=1))


def median(values: np.ndarray) -> np.ndarray:
    """Median along the last axis, of three values or more."""
    return _with_enough(values, np.nanmedian)


def _with_enough(values, statistic):
    enough = np.isfinite(values).sum(axis=-1) >= _LEAST
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.where(
            enough, statistic(np.where(np.isfinite(values), values, np.nan), axis=-1), np.nan
        )


_FWHM_PER_SIGMA = 2.3548200450309493
_RING_WIDTH = 0.25  # of the rings that wings are measured in, in units of the FWHM
_INNER, _OUTER = 1.0, 1.8  # their radii in the same units
_LEAST_SIGNAL_TO_NOISE = 30.0


def bright(curves: LightCurves) -> np.ndarray:
    """Bool (object, epoch): whether the star is bright enough to measure its shape."""
    with np.errstate(invalid="ignore"):
        return curves.signal_to_noise > _LEAST_SIGNAL_TO_NOISE


def star_shapes(stamps: StampBatch, curves: LightCurves) -> dict[str, np.ndarray]:
    """Per image, (object, epoch): e1, e2, inner_wings, outer_wings, third moments; NaN: faint."""
    rows, epochs = np.nonzero(bright(curves))
    sky, x0, y0, fwhm = (
        getattr(curves, name)[rows, epochs][:, None, None].astype(np.float32)
        for name in ("sky_adu", "x_pix", "y_pix", "fwhm_pix")
    )
    axis = np.arange(stamps.images_adu.shape[-1], dtype=np.float32)
    axis = axis - axis.mean()
    x, y = (axis - x0) / fwhm, (axis[:, None] - y0) / fwhm
    light = np.nan_to_num(stamps.images_adu[rows, epochs] - sky)
    radius = np.hypot(x, y)
    weighted = light * np.exp(-0.5 * (_FWHM_PER_SIGMA * radius) ** 2)
    core = weighted.sum(axis=(1, 2)) / _sum(np.exp(-0.5 * (_FWHM_PER_SIGMA * radius) ** 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {**_moments(weighted, x, y), **_wings(light, radius, core)}
    return {name: _spread(values, rows, epochs, curves.mjd.shape) for name, values in found.items()}


def _moments(weighted, x, y):
    xx, yy, xy = (_sum(weighted * v) for v in (x * x, y * y, x * y))
    cubes = [_sum(weighted * v) for v in (x**3, y**3)]
    total, size = _sum(weighted), xx + yy
    width = (size / total) ** 1.5
    return {
        "e1": (xx - yy) / size,
        "e2": 2.0 * xy / size,
        "third_x": cubes[0] / total / width,
        "third_y": cubes[1] / total / width,
    }


def _wings(light, radius, core):
    rings = [np.exp(-0.5 * ((radius - r) / _RING_WIDTH) ** 2) for r in (_INNER, _OUTER)]
    inner, outer = (_sum(light * ring) / _sum(ring) / core for ring in rings)
    return {"inner_wings": np.log(inner), "outer_wings": outer}


def _sum(values):
    return values.sum(axis=(1, 2))


def _spread(values, rows, epochs, shape):
    spread = np.full(shape, np.nan)
    spread[rows, epochs] = values
    return spread


def outskirts(stamps: StampBatch, noise: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Per object: second_source, roughness and slope, each ln; ``noise`` of `border_noise`."""
    stack = _stack(stamps, noise)
    flat, _ = flattened(stack[:, None])
    flat = flat[:, 0]
    smooth = np.nan_to_num(_smoothed(flat))
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "second_source": np.log1p(np.maximum(smooth.max(axis=(1, 2)), 0.0)),
            "roughness": np.log(sigma_of_mad(flat.reshape(len(flat), -1))),
            "slope": np.log1p(_slope(flat)),
        }


def _stack(stamps, noise):
    gain, read_e = (
        np.asarray(v, float)[:, None] for v in (stamps.gain_e_per_adu, stamps.read_noise_e)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = 1.0 / (noise["sky_adu"] / gain + (read_e / gain) ** 2)
    weight = np.where(np.isfinite(weight) & (weight > 0), weight, 0.0)[..., None, None]
    light = stamps.images_adu - noise["sky_adu"][..., None, None]
    known = np.isfinite(light)
    total = (weight * known).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(known, weight * np.nan_to_num(light), 0.0).sum(axis=1) / np.sqrt(total)


def _smoothed(flat):
    """Sums of 3 x 3 pixels over the square root of their number."""
    known = np.isfinite(flat)
    size = flat.shape[-1]
    padded, counted = (np.pad(v, ((0, 0), (1, 1), (1, 1))) for v in (np.nan_to_num(flat), known))
    total, number = np.zeros(flat.shape), np.zeros(flat.shape)
    for row in range(3):
        for column in range(3):
            window = (slice(None), slice(row, row + size), slice(column, column + size))
            total += padded[window]
            number += counted[window]
    return np.where(known, total / np.sqrt(np.maximum(number, 1)), np.nan)


def _slope(flat):
    """Significance of a gradient across the border."""
    size = flat.shape[-1]
    axis = np.arange(size) - 0.5 * (size - 1)
    border = np.logical_or.reduce(border_rings(size))
    clipped = np.clip(np.nan_to_num(flat), -5.0, 5.0)
    scale = np.sqrt((np.broadcast_to(axis, border.shape)[border] ** 2).sum())
    along_x, along_y = (clipped * axis).sum(axis=(1, 2)), (clipped * axis[:, None]).sum(axis=(1, 2))
    return np.hypot(along_x, along_y) / scale
