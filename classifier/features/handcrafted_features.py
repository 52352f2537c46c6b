"""Hand-made features of sequences after every number of images."""

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
    """Names of the features, in order; without ``brightness`` none tells how bright a star is."""
    names = (*CURVE_FEATURES, *SURROUNDING_FEATURES)
    return names if brightness else tuple(name for name in names if name != "brightness")


def handcrafted_features(shown: SelectedSplit, *, brightness: bool = True) -> np.ndarray:
    """Features (object, image, feature) after 1, 2, ... images, float32.

    NaN where an object has not so many images; counted are those that a network counts
    (`classifier.network_inputs.countable`). A feature that cannot be told yet is 0; an image
    that cannot be measured leaves the features as they were.

    Parameters
    ----------
    shown : SelectedSplit
        Sequences as the model they are compared with is shown them.
    brightness : bool
        Whether the median flux is among the features: how bright the objects of a class are
        depends on how they were chosen.

    Raises
    ------
    ClassifierError
        No objects, stamps that cannot be read, or a survey whose PSFs cannot be.
    """
    shown.split.refuse_empty()
    psf, found = psf_of(shown.split), []
    for first, end in shown.split.blocks(_BLOCK_OBJECTS):
        found.append(_after_every_image(countable(shown.stamps(first, end)), psf))
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
    there = np.arange(day.shape[1]) < stamps.n_epochs[:, None].astype(int)
    return np.where(there[..., None], values, np.nan).astype(np.float32)


SURROUNDING_FEATURES = ("inner_ring", "outer_ring", "off_centre")
_BETA = 3.8  # Moffat, as in `classifier.models.recurrent.psf_photometry`
_RINGS_FWHM = ((0.8, 1.3), (1.3, 2.0))
_WINDOW_FWHM = 1.3
_SMALLEST = 1e-12


def surrounding_features(stamps: StampBatch):
    """Features (object, image, 3) after every image; those of an image of no use change nothing.

    0 before the first image of use.
    """
    n, longest = stamps.mjd.shape
    alone = inputs_of(_apart(stamps))
    weight = (alone.shown / alone.noise**2)[:, 0]
    rings, flux = _light_beyond_star(alone)
    total = _so_far(weight, n, longest)
    noise = np.where(total > 0, 1 / np.sqrt(np.maximum(total, _SMALLEST)), 0.0)
    mean_flux = _mean(flux, weight, n, longest)
    found = []
    for light, pixels in rings:
        room = _mean(np.sqrt(pixels), weight, n, longest)
        against = np.abs(mean_flux) + 3 * noise * room + _SMALLEST
        found.append(np.arcsinh(10 * _mean(light, weight, n, longest) / against))
    return np.stack([*found, _off_centre(alone, weight, n, longest)], axis=-1)


def _apart(stamps):
    """Every image as an object of its own, object by object."""
    longest = stamps.mjd.shape[1]
    moved = {}
    for field in fields(stamps):
        array = getattr(stamps, field.name)
        if array.ndim > 1:
            moved[field.name] = array.reshape(-1, 1, *array.shape[2:])
        else:
            moved[field.name] = np.repeat(array, longest)
    there = np.arange(longest) < stamps.n_epochs[:, None].astype(int)
    return replace(stamps, **{**moved, "n_epochs": there.ravel().astype(np.int16)})


def _radius2(size):
    axis = np.arange(size) - 0.5 * (size - 1)
    return axis, axis[:, None] ** 2 + axis**2


def _light_beyond_star(alone: Inputs):
    """((light, pixels) in every ring, flux of the star), each (image,)."""
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
    """Logarithm of the distance in pixels of the centre of light from that of the stamp."""
    images = alone.images[:, 0]
    axis, radius2 = _radius2(images.shape[-1])
    coadd = _so_far(images * weight[:, None, None], n, longest)
    fwhm = _mean(alone.seeing[:, 0], weight, n, longest)
    window = radius2 < (_WINDOW_FWHM * fwhm[..., None, None]) ** 2
    light = np.maximum(coadd, 0) * window
    total = np.maximum(light.sum(axis=(2, 3)), _SMALLEST)
    x, y = (light * axis).sum(axis=(2, 3)), (light * axis[:, None]).sum(axis=(2, 3))
    seen = _so_far(weight, n, longest) > 0
    return np.where(seen, np.log(np.hypot(x, y) / total + 0.05), 0.0)


def _so_far(values, n, longest):
    """Sums over the images up to every one, (object, image, ...)."""
    return np.cumsum(values.reshape(n, longest, *values.shape[1:]), axis=1, dtype=np.float64)


def _mean(values, weight, n, longest):
    total = np.maximum(_so_far(weight, n, longest), _SMALLEST)
    return _so_far(values * weight, n, longest) / total
