"""Gain and sky of a Rubin image, which has neither, out of its variance plane.

The variance is (image + sky) / gain, with the read noise as part of that sky: in real cutouts it
is a straight line in the image, of R^2 0.99 in g and z. With the sky put back the noise of every
pixel is that of its counts, as it is for everyone who reads a data set.
"""

from __future__ import annotations

from dataclasses import replace
from math import isfinite, nan, sqrt

import numpy as np

_LEAST_SIGNIFICANCE = 5.0
_LEAST_RISE = 1e-3  # of the variance, over the pixels of a stamp: less is rounding
_LEAST_PIXELS = 50


def gain_and_sky(image, variance) -> tuple[float, float]:
    """Electrons per nJy, and the sky in electrons, of one cutout; NaN where they cannot be told.

    Parameters
    ----------
    image, variance : (row, column), nJy and nJy^2
    """
    known = np.isfinite(image) & np.isfinite(variance)
    if known.sum() < _LEAST_PIXELS:
        return nan, nan
    x, y = image[known].astype(float), variance[known].astype(float)
    around = x - x.mean()
    spread = float(around @ around)
    if not spread > 0:
        return nan, nan
    slope = float(around @ y) / spread
    at_zero = y.mean() - slope * x.mean()
    left = y - at_zero - slope * x
    error = sqrt(float(left @ left) / (len(x) - 2) / spread)
    rise = slope * np.ptp(x)
    if not (at_zero > 0 and rise > _LEAST_RISE * at_zero and slope > _LEAST_SIGNIFICANCE * error):
        return nan, nan
    return 1 / slope, at_zero / slope**2


def with_sky(alerts):
    """Alerts of one object with their sky put back, one gain for all; the same where unknown.

    What counts per exposure is the noise of its sky: its level is the one that gives that noise
    with the common gain.
    """
    found = [
        gain_and_sky(a.images["images"], a.images["variance_images"])
        if "variance_images" in a.images
        else (nan, nan)
        for a in alerts
    ]
    known = np.array([pair for pair in found if isfinite(pair[0])])
    if not len(known):
        note = "its variance does not tell the gain: sky left off, gain and read noise not known."
        return [replace(a, notes=(*a.notes, note)) for a in alerts]
    gain = float(np.median(known[:, 0]))
    variance_njy2 = known[:, 1] / known[:, 0] ** 2
    typical = float(np.median(variance_njy2))
    bright = []
    for alert, (own_gain, sky_e) in zip(alerts, found, strict=True):
        background = sky_e / own_gain**2 if isfinite(own_gain) else typical
        images = {**alert.images, "images": alert.images["images"] + np.float32(gain * background)}
        objects = {**alert.objects, "gain_e_per_adu": gain, "read_noise_e": 0.0}
        bright.append(replace(alert, images=images, objects=objects))
    return bright
