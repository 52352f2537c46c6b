"""Hand-made features of light curve and surroundings, after every number of images."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from classifier.dataset import StampBatch
from classifier.features.handcrafted_curves import CURVE_FEATURES, Points
from classifier.features.pipeline import psf_of
from classifier.image_selection import SelectedSplit
from classifier.network_inputs import Inputs, countable, inputs_of
from classifier.photometry import PhotometrySettings, measure

_BLOCK_OBJECTS = 128


def feature_names(*, brightness: bool = True) -> tuple[str, ...]:
    """Names of the features, in order; without ``brightness`` none depends on the median flux."""
    names = (*CURVE_FEATURES, *SURROUNDING_FEATURES)
    return names if brightness else tuple(name for name in names if name != "brightness")


def handcrafted_features(selected: SelectedSplit, *, brightness: bool = True) -> np.ndarray:
    """Features (object, image, feature) after 1, 2, ... images, float32.

    NaN where an object has fewer images. Images are counted as for a network
    (`classifier.network_inputs.countable`). A feature that is not defined yet is 0; an image
    that cannot be measured does not change the features.

    Parameters
    ----------
    selected : SelectedSplit
        Sequences with the image selection of the model they are compared with.
    brightness : bool
        Whether the median flux is a feature. It depends on how the objects of a class were
        chosen.

    Raises
    ------
    ClassifierError
        No objects, or stamps or PSFs that cannot be read.
    """
    split, found = selected.split, []
    split.refuse_empty()
    psf = psf_of(split)
    for first, end in split.blocks(_BLOCK_OBJECTS):
        found.append(_after_every_image(countable(selected.stamps(first, end)), psf))
    values = np.concatenate(found)
    kept = [feature_names().index(name) for name in feature_names(brightness=brightness)]
    return values[..., kept]


def _after_every_image(stamps, psf):
    curves = measure(stamps, psf, PhotometrySettings(templates=0))
    day = stamps.mjd - stamps.mjd[:, :1]
    after = []
    for k in range(1, day.shape[1] + 1):
        arrays = (day, curves.flux_njy, curves.flux_error_njy)
        points = Points.of(*(values[:, :k] for values in arrays))
        after.append(np.stack([of(points) for of in CURVE_FEATURES.values()], axis=1))
    values = np.concatenate([np.stack(after, axis=1), surrounding_features(stamps)], axis=2)
    exists = np.arange(day.shape[1]) < stamps.n_epochs[:, None].astype(int)
    return np.where(exists[..., None], values, np.nan).astype(np.float32)


SURROUNDING_FEATURES = ("inner_ring", "outer_ring", "off_centre")
_BETA = 3.8  # of the Moffat profile in the definition of the ring features
_RINGS_FWHM = ((0.8, 1.3), (1.3, 2.0))
_WINDOW_FWHM = 1.3
_SMALLEST = 1e-12


def surrounding_features(stamps: StampBatch) -> np.ndarray:
    """Features (object, image, 3) after every image; an unusable image does not change them.

    0 before the first usable image.
    """
    n, longest = stamps.mjd.shape
    alone = inputs_of(_single_images(stamps))
    weight = (alone.shown / alone.noise**2)[:, 0]
    rings, flux = _light_beyond_star(alone)
    total = _cumulative(weight, n, longest)
    noise = np.where(total > 0, 1 / np.sqrt(np.maximum(total, _SMALLEST)), 0.0)
    mean_flux = _mean(flux, weight, n, longest)
    found = []
    for light, pixels in rings:
        room = _mean(np.sqrt(pixels), weight, n, longest)
        against = np.abs(mean_flux) + 3 * noise * room + _SMALLEST
        found.append(np.arcsinh(10 * _mean(light, weight, n, longest) / against))
    return np.stack([*found, _off_centre(alone, weight, n, longest)], axis=-1)


def _single_images(stamps):
    """Every image as a sequence of its own, object by object."""
    longest = stamps.mjd.shape[1]
    moved = {}
    for field in fields(stamps):
        array = getattr(stamps, field.name)
        if array.ndim > 1:
            moved[field.name] = array.reshape(-1, 1, *array.shape[2:])
        else:
            moved[field.name] = np.repeat(array, longest)
    exists = np.arange(longest) < stamps.n_epochs[:, None].astype(int)
    return replace(stamps, **{**moved, "n_epochs": exists.ravel().astype(np.int16)})


def _radius2(size):
    axis = np.arange(size) - 0.5 * (size - 1)
    return axis, axis[:, None] ** 2 + axis**2


def _light_beyond_star(alone: Inputs):
    """((light, number of pixels) in every ring, flux of the star), each (image,)."""
    images, usable = alone.images[:, 0], alone.usable[:, 0]
    _, radius2 = _radius2(images.shape[-1])
    fwhm = alone.seeing[:, 0, None, None]
    scale2 = fwhm**2 / (4 * (2 ** (1 / _BETA) - 1))
    profile = (_BETA - 1) / (np.pi * scale2) * (1 + radius2 / scale2) ** -_BETA
    squares = np.maximum((usable * profile**2).sum(axis=(1, 2)), _SMALLEST)
    flux = (usable * profile * images).sum(axis=(1, 2)) / squares
    beyond = (images - flux[:, None, None] * profile) * usable
    rings = []
    for inner, outer in _RINGS_FWHM:
        within = (radius2 >= (inner * fwhm) ** 2) & (radius2 < (outer * fwhm) ** 2)
        light = (beyond * within).sum(axis=(1, 2))
        rings.append((light, (usable * within).sum(axis=(1, 2))))
    return rings, flux


def _off_centre(alone, weight, n, longest):
    """Logarithm of the distance [pix] of the light's centroid from the centre of the stamp."""
    images = alone.images[:, 0]
    axis, radius2 = _radius2(images.shape[-1])
    coadd = _cumulative(images * weight[:, None, None], n, longest)
    fwhm = _mean(alone.seeing[:, 0], weight, n, longest)
    window = radius2 < (_WINDOW_FWHM * fwhm[..., None, None]) ** 2
    light = np.maximum(coadd, 0) * window
    total = np.maximum(light.sum(axis=(2, 3)), _SMALLEST)
    x, y = (light * axis).sum(axis=(2, 3)), (light * axis[:, None]).sum(axis=(2, 3))
    seen = _cumulative(weight, n, longest) > 0
    return np.where(seen, np.log(np.hypot(x, y) / total + 0.05), 0.0)


def _cumulative(values, n, longest):
    """Cumulative sums over images, (object, image, ...)."""
    return np.cumsum(values.reshape(n, longest, *values.shape[1:]), axis=1, dtype=np.float64)


def _mean(values, weight, n, longest):
    total = np.maximum(_cumulative(weight, n, longest), _SMALLEST)
    return _cumulative(values * weight, n, longest) / total
