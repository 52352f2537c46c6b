"""The shape of bright stars: ellipticity, wings and lopsidedness, from weighted sums of pixels.

Nothing is fitted here but what photometry has found: position, width and sky. Ellipticities are
those of moments under a round Gaussian of the star's own width, so about half of the
PSF's.
"""

from __future__ import annotations

import numpy as np

_FWHM_PER_SIGMA = 2.3548200450309493
_RING_WIDTH = 0.25  # of the rings that wings are measured in, in units of the FWHM
_INNER, _OUTER = 1.0, 1.8  # their radii in the same units
_LEAST_SIGNAL_TO_NOISE = 30.0


def bright(curves):
    """(object, epoch): whether the star is bright enough for its shape to be seen."""
    with np.errstate(invalid="ignore"):
        return curves.signal_to_noise > _LEAST_SIGNAL_TO_NOISE


def star_shapes(stamps, curves) -> dict[str, np.ndarray]:
    """Per image, (object, epoch): e1, e2, inner_wings, outer_wings, third moments; NaN if faint."""
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
