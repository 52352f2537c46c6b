"""Hand-made features of sequences after every number of images."""

from __future__ import annotations

import numpy as np

from classifier.inputs import countable
from classifier.photometry import Settings, measure
from classifier.recipe import psf_of
from classifier.showing import ShownSplit
from finetune.real_only.curves import CURVE_FEATURES, Points
from finetune.real_only.surroundings import SURROUNDING_FEATURES, surrounding_features

_BLOCK_OBJECTS = 128


def feature_names(*, brightness: bool = True) -> tuple[str, ...]:
    """Names of the features, in order; without ``brightness`` none tells how bright a star is."""
    names = (*CURVE_FEATURES, *SURROUNDING_FEATURES)
    return names if brightness else tuple(name for name in names if name != "brightness")


def real_only_features(shown: ShownSplit, *, brightness: bool = True) -> np.ndarray:
    """Features (object, image, feature) after 1, 2, ... images, float32.

    NaN where an object has not so many images; counted are those that a network counts
    (`classifier.inputs.countable`). A feature that cannot be told yet is 0; an image
    that cannot be measured leaves the features as they were.

    Parameters
    ----------
    shown : ShownSplit
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
    curves = measure(stamps, psf, Settings(templates=0))
    day = stamps.mjd - stamps.mjd[:, :1]
    after = []
    for k in range(1, day.shape[1] + 1):
        arrays = (day, curves.flux_njy, curves.flux_error_njy)
        points = Points.of(*(values[:, :k] for values in arrays))
        after.append(np.stack([of(points) for of in CURVE_FEATURES.values()], axis=1))
    values = np.concatenate([np.stack(after, axis=1), surrounding_features(stamps)], axis=2)
    there = np.arange(day.shape[1]) < stamps.n_epochs[:, None].astype(int)
    return np.where(there[..., None], values, np.nan).astype(np.float32)
