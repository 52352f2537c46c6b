"""Hand-made features of light curve and surroundings, after every number of images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from classifier.features.handcrafted_curves import CURVE_FEATURES, Points
from classifier.features.pipeline import psf_of
from classifier.features.surrounding_light import (
    N_SUMS,
    SURROUNDING_FEATURES,
    features_of_sums,
    light_terms,
    surrounding_features,
)
from classifier.image_selection import SelectedSplit
from classifier.network_inputs import countable
from classifier.photometry import PhotometrySettings, PsfModel, measure
from classifier.stamp_batch import StampBatch

_BLOCK_OBJECTS = 128


def feature_names(*, brightness: bool = True) -> tuple[str, ...]:
    """Names of the features, in order; without ``brightness`` none depends on the median flux."""
    names = (*CURVE_FEATURES, *SURROUNDING_FEATURES)
    return names if brightness else tuple(name for name in names if name != "brightness")


def handcrafted_features(
    selected: SelectedSplit,
    *,
    brightness: bool = True,
    beta: float | None = None,
    images: int | None = None,
) -> np.ndarray:
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
    beta : float or None
        Of the Moffat profile of a star; None: the survey's median.
    images : int or None
        Largest number of images that are used; None: all.

    Raises
    ------
    ClassifierError
        No objects, or stamps or PSFs that cannot be read.
    """
    split, found = selected.split, []
    split.refuse_empty()
    psf, beta = psf_of(split), split.profile.psf.beta_median if beta is None else beta
    for first, end in split.blocks(_BLOCK_OBJECTS):
        stamps = countable(selected.stamps(first, end))
        if images is not None and stamps.mjd.shape[1] > images:
            first_ones = np.tile(np.arange(images), (len(stamps), 1))
            stamps = stamps.rearranged(first_ones, np.minimum(stamps.n_epochs, images))
        found.append(_after_every_image(stamps, psf, beta))
    values = np.concatenate(found)
    kept = [feature_names().index(name) for name in feature_names(brightness=brightness)]
    return values[..., kept]


def _after_every_image(stamps, psf, beta):
    curves = measure(stamps, psf, PhotometrySettings(templates=0))
    arrays = (stamps.mjd, curves.flux_njy, curves.flux_error_njy)
    lengths = range(1, stamps.mjd.shape[1] + 1)
    after = [_curve_features(*(values[:, :k] for values in arrays)) for k in lengths]
    values = np.concatenate([np.stack(after, axis=1), surrounding_features(stamps, beta)], axis=2)
    there = np.arange(stamps.mjd.shape[1]) < stamps.n_epochs[:, None].astype(int)
    return np.where(there[..., None], values, np.nan).astype(np.float32)


def _curve_features(mjd, flux_njy, error_njy):
    """Features (object, feature) of light curves (object, image)."""
    points = Points.of(mjd - mjd[:, :1], flux_njy, error_njy)
    return np.stack([of(points) for of in CURVE_FEATURES.values()], axis=1)


N_POINTS = "n_points"
STATE_NAMES = (N_POINTS, "points", "light_sums", "coadd")


@dataclass(frozen=True)
class RunningFeatures:
    """`handcrafted_features` of objects whose images come one at a time.

    The measured fluxes and a few sums of an object are kept, never its images one by one.

    Parameters
    ----------
    psf : PsfModel
    beta : float
        Of the Moffat profile of a star.
    images : int
        Further images of an object leave its features as they are.
    """

    psf: PsfModel
    beta: float
    images: int

    @staticmethod
    def shapes(images: int, size_pix: int) -> dict[str, tuple[tuple[int, ...], type]]:
        """Shape without the object axis, and dtype, of every state; all start as zeros.

        ``points`` are MJD, flux and its error in nJy; an error of 0 marks an image that could not
        be measured. ``n_points`` counts the images.
        """
        return {
            N_POINTS: ((), np.int32),
            "points": ((images, 3), np.float64),
            "light_sums": ((N_SUMS,), np.float64),
            "coadd": ((size_pix, size_pix), np.float64),
        }

    def step(
        self, stamps: StampBatch, states: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Features (object, feature), float32, after one more image of every object; new states.

        ``stamps`` have an image axis of length 1, and usable images only.
        """
        n_points, points, sums, coadd = (states[name].copy() for name in STATE_NAMES)
        rows = np.flatnonzero(n_points < self.images)
        curves = measure(stamps, self.psf, PhotometrySettings(templates=0))
        flux, error = curves.flux_njy[:, 0], curves.flux_error_njy[:, 0]
        measured = np.isfinite(flux) & np.isfinite(error)
        point = np.stack([stamps.mjd[:, 0], flux, error], axis=1)
        point[~measured, 1:] = 0.0
        points[rows, n_points[rows]] = point[rows]
        terms, images = light_terms(stamps, self.beta)
        sums[rows] += terms[rows, 0]
        coadd[rows] += images[rows, 0]
        n_points[rows] += 1
        curve = np.zeros((len(stamps), len(CURVE_FEATURES)))
        for k in np.unique(n_points):
            some = n_points == k
            curve[some] = _curve_features(*np.moveaxis(points[some, :k], 2, 0))
        values = np.concatenate([curve, features_of_sums(sums, coadd)], axis=1)
        found = (n_points, points, sums, coadd)
        return values.astype(np.float32), dict(zip(STATE_NAMES, found, strict=True))
