"""Features of the light around a star, from running sums over the images of an object.

Sums make a new image cost the same however many came before, and let a stream keep a few numbers
per object instead of images.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from classifier.network_inputs import Inputs, inputs_of
from classifier.stamp_batch import StampBatch

SURROUNDING_FEATURES = ("inner_ring", "outer_ring", "off_centre")
N_SUMS = 7  # weights; and, weighted: flux, light in two rings, room in two rings, seeing
_RINGS_FWHM = ((0.8, 1.3), (1.3, 2.0))
_WINDOW_FWHM = 1.3
_SMALLEST = 1e-12


def surrounding_features(stamps: StampBatch, beta: float) -> np.ndarray:
    """Features (object, image, 3) after every image.

    They are 0 before the first usable image, and do not change at an unusable one. ``beta`` is
    that of the Moffat profile of a star.
    """
    terms, images = light_terms(stamps, beta)
    return features_of_sums(
        np.cumsum(terms, axis=1, dtype=np.float64), np.cumsum(images, axis=1, dtype=np.float64)
    )


def light_terms(stamps: StampBatch, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """What every image adds to the sums: (object, image, N_SUMS), (object, image, row, column).

    The second are images weighted with their inverse variance.
    """
    shape = stamps.mjd.shape
    single = inputs_of(_single_images(stamps))
    weight = (single.present / single.noise**2)[:, 0]
    rings, flux = _light_beyond_star(single, beta)
    values = [flux, *(light for light, _ in rings), *(np.sqrt(pixels) for _, pixels in rings)]
    terms = [weight, *(value * weight for value in (*values, single.seeing[:, 0]))]
    images = single.images[:, 0] * weight[:, None, None]
    return np.stack(terms, axis=-1).reshape(*shape, -1), images.reshape(*shape, *images.shape[1:])


def features_of_sums(sums: np.ndarray, coadd: np.ndarray) -> np.ndarray:
    """Features (..., 3) from sums (..., N_SUMS) and sums of images (..., row, column)."""
    total = sums[..., 0]
    means = sums[..., 1:] / np.maximum(total, _SMALLEST)[..., None]
    noise = np.where(total > 0, 1 / np.sqrt(np.maximum(total, _SMALLEST)), 0.0)
    flux, *rest, fwhm = np.moveaxis(means, -1, 0)
    found = []
    for light, room in zip(rest[:2], rest[2:], strict=True):
        against = np.abs(flux) + 3 * noise * room + _SMALLEST
        found.append(np.arcsinh(10 * light / against))
    off_centre = np.where(total > 0, _off_centre(coadd, fwhm), 0.0)
    return np.stack([*found, off_centre], axis=-1)


def _single_images(stamps):
    """Every image as an object of its own, object by object."""
    longest = stamps.mjd.shape[1]
    moved = {}
    for name, array in stamps.arrays().items():
        if array.ndim > 1:
            moved[name] = array.reshape(-1, 1, *array.shape[2:])
        else:
            moved[name] = np.repeat(array, longest)
    there = np.arange(longest) < stamps.n_epochs[:, None].astype(int)
    return replace(stamps, **{**moved, "n_epochs": there.ravel().astype(np.int16)})


def _radius2(size):
    axis = np.arange(size) - 0.5 * (size - 1)
    return axis, axis[:, None] ** 2 + axis**2


def _light_beyond_star(single: Inputs, beta):
    """((light, pixels) in every ring, flux of the star), each (image,)."""
    images, usable = single.images[:, 0], single.usable[:, 0]
    _, radius2 = _radius2(images.shape[-1])
    fwhm = single.seeing[:, 0, None, None]
    scale2 = fwhm**2 / (4 * (2 ** (1 / beta) - 1))
    profile = (beta - 1) / (np.pi * scale2) * (1 + radius2 / scale2) ** -beta
    squares = np.maximum((usable * profile**2).sum(axis=(1, 2)), _SMALLEST)
    flux = (usable * profile * images).sum(axis=(1, 2)) / squares
    beyond = (images - flux[:, None, None] * profile) * usable
    rings = []
    for inner, outer in _RINGS_FWHM:
        within = (radius2 >= (inner * fwhm) ** 2) & (radius2 < (outer * fwhm) ** 2)
        light = (beyond * within).sum(axis=(1, 2))
        rings.append((light, (usable * within).sum(axis=(1, 2))))
    return rings, flux


def _off_centre(coadd, fwhm):
    """Logarithm of the distance in pixels of the centre of light from that of the stamp."""
    axis, radius2 = _radius2(coadd.shape[-1])
    window = radius2 < (_WINDOW_FWHM * fwhm[..., None, None]) ** 2
    light = np.maximum(coadd, 0) * window
    total = np.maximum(light.sum(axis=(-2, -1)), _SMALLEST)
    x, y = (light * axis).sum(axis=(-2, -1)), (light * axis[:, None]).sum(axis=(-2, -1))
    return np.log(np.hypot(x, y) / total + 0.05)
