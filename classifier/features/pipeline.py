"""From a data set to the features of its light curves: image selection, photometry, features.

A `FeatureConfig` and a data set determine the features; a forest keeps the one it is trained with.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.features import FEATURES, features_of_batch
from classifier.image_selection import ImageSelection, SelectedSplit
from classifier.network_inputs import countable
from classifier.photometry import LightCurves, PhotometrySettings, PsfModel, measure
from classifier.photometry.measurement import NJY_ZERO_POINT_MAG
from classifier.stamp_batch import StampBatch
from skyreel.errors import ClassifierError, SimulationError

LIGHT_CURVES = ("science", "difference", "both")


@dataclass(frozen=True, kw_only=True)
class FeatureConfig(ImageSelection):
    """Which images are selected, and which features are computed from them.

    Parameters
    ----------
    images, start_fractions, bands
        As in `classifier.image_selection.ImageSelection`.
    light_curves : str
        "science" (fluxes in the images), "difference" (fluxes less that of a template made of
        the earliest images), or "both".
    """

    light_curves: str = "both"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.light_curves not in LIGHT_CURVES:
            raise ClassifierError(
                f"--light-curves {self.light_curves!r}; allowed: {', '.join(LIGHT_CURVES)}."
            )

    @classmethod
    def for_training(
        cls, split: DatasetSplit, *, light_curves: str, **choices: Any
    ) -> FeatureConfig:
        """The configuration of a model to be trained on a split.

        ``choices`` are those of `ImageSelection.for_training`.

        Raises
        ------
        ClassifierError
            An unknown choice, or a band the data set lacks.
        """
        selection = ImageSelection.for_training(split, **choices)
        return cls(**asdict(selection), light_curves=light_curves)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features, in order; of several bands, those of each and then the colours."""
        of_differences = tuple(f"difference_{name}" for name in FEATURES)
        names = {
            "science": FEATURES,
            "difference": of_differences,
            "both": FEATURES + of_differences,
        }[self.light_curves]
        if not self.multiband:
            return names
        of_bands = tuple(f"{band}_{name}" for band in self.bands for name in names)
        return of_bands + tuple(f"colour_{a}-{b}" for a, b in pairwise(self.bands))


class FeaturePipeline:
    """A feature configuration applied to one split.

    Raises
    ------
    ClassifierError
        The split has no exposures in the configured band, or its PSFs cannot be read.
    """

    def __init__(self, split: DatasetSplit, config: FeatureConfig) -> None:
        self.split, self.config = split, config
        self._selected = SelectedSplit(split, config)
        self._psf = psf_of(split)
        templates = 0 if config.light_curves == "science" else PhotometrySettings.templates
        self._settings = PhotometrySettings(templates=templates)

    def light_curves(self, first: int, end: int) -> LightCurves:
        """Light curves of objects ``first`` to ``end``, from their first measured image on.

        Images are counted as for a network (`classifier.network_inputs.countable`); an object
        without one that could be measured has none.
        """
        return self.countable_curves(first, end).from_first_flux()

    def countable_curves(self, first: int, end: int) -> LightCurves:
        """Light curves of all images that a network counts, measured or not."""
        return measure(countable(self._selected.stamps(first, end)), self._psf, self._settings)

    def features(self, curves: LightCurves, n_images: np.ndarray) -> np.ndarray:
        """Features (object, feature) of the first ``n_images`` (object,) images, float32.

        With several bands, those of the images in each band among them, and the colours of
        neighbouring bands: differences of the mean magnitudes, NaN where a mean flux is not
        positive.
        """
        if not self.config.multiband:
            return as_float32(self._of_curves(curves, n_images))
        used = np.arange(curves.mjd.shape[1]) < np.asarray(n_images)[:, None]
        found, means = [], []
        for band in range(len(self.config.bands)):
            in_band = used & (curves.band == band)
            order = np.argsort(~in_band, axis=1, kind="stable")
            count = in_band.sum(axis=1)
            longest = max(int(count.max(initial=0)), 1)
            of_band = curves.rearranged(order[:, :longest], count)
            found.append(self._of_curves(of_band, count))
            means.append(_mean_flux(of_band.flux_njy))
        colours = [_magnitude(a) - _magnitude(b) for a, b in pairwise(means)]
        return as_float32(np.concatenate([*found, np.stack(colours, axis=1)], axis=1))

    def _of_curves(self, curves, n_images):
        """Features (object, feature) of curves of one band."""
        columns = []
        if self.config.light_curves != "difference":
            columns.append((curves.flux_njy, curves.flux_error_njy))
        if self.config.light_curves != "science":
            columns.append((curves.difference_flux_njy, curves.difference_flux_error_njy))
        found = [features_of_batch(curves.mjd, *column, n_images) for column in columns]
        return np.concatenate(found, axis=1)


def _mean_flux(flux_njy):
    """Mean of known fluxes (object, image), weighted equally, NaN where there is none."""
    known = np.isfinite(flux_njy)
    total = np.where(known, flux_njy, 0.0).sum(axis=1)
    return np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan)


def _magnitude(flux_njy):
    """AB magnitude, NaN where the flux is not positive."""
    positive = flux_njy > 0
    magnitude = NJY_ZERO_POINT_MAG - 2.5 * np.log10(np.where(positive, flux_njy, 1.0))
    return np.where(positive, magnitude, np.nan)


def psf_of(split: DatasetSplit) -> PsfModel:
    """The PSFs of a data set's survey.

    Raises
    ------
    ClassifierError
        The library of PSFs cannot be read.
    """
    try:
        return PsfModel.of(split.profile)
    except SimulationError as error:
        raise ClassifierError(f"{split.path}: {error}") from None


def as_float32(features: np.ndarray) -> np.ndarray:
    """Features for scikit-learn's trees: float32, without infinities."""
    limit = np.finfo(np.float32).max
    return np.clip(features, -limit, limit).astype(np.float32)


def median_magnitudes(curves: LightCurves, n_images: np.ndarray) -> np.ndarray:
    """Median observed AB magnitude of the first ``n_images`` (object,) images, float32.

    NaN where the median flux is not positive.
    """
    counted = np.arange(curves.flux_njy.shape[1]) < np.asarray(n_images)[:, None]
    flux_njy = np.where(counted, curves.flux_njy, np.nan)
    known = np.isfinite(flux_njy).any(axis=1)
    median_njy = np.zeros(len(flux_njy))
    median_njy[known] = np.nanmedian(flux_njy[known], axis=1)
    magnitude = NJY_ZERO_POINT_MAG - 2.5 * np.log10(np.where(median_njy > 0, median_njy, 1.0))
    return np.where(median_njy > 0, magnitude, np.nan).astype(np.float32)


def observed_magnitudes(stamps: StampBatch, psf: PsfModel) -> np.ndarray:
    """Median observed AB magnitude of all images of stamps (object,), float32; NaN if unknown."""
    curves = measure(stamps, psf, PhotometrySettings(templates=0))
    return median_magnitudes(curves, curves.n_epochs.astype(int))
