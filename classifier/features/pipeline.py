"""From a data set to the features of its light curves: every choice in one place.

A recipe and a data set give the same features whoever computes them, so a model keeps its own.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.features import FEATURES, features_of_batch
from classifier.image_selection import ImageSelection, SelectedSplit
from classifier.photometry import PhotometrySettings, PsfModel, measure
from classifier.photometry.measurement import NJY_ZERO_POINT_MAG
from skyreel.errors import ClassifierError, SimulationError

LIGHT_CURVES = ("science", "difference", "both")


@dataclass(frozen=True, kw_only=True)
class FeatureConfig(ImageSelection):
    """What is shown, and how features are made of it.

    Parameters
    ----------
    images, start_fractions, band
        As in `classifier.image_selection.ImageSelection`.
    light_curves : str
        "science" (fluxes of the images), "difference" (fluxes after a template made of the
        earliest images is taken off), or "both".
    """

    light_curves: str = "both"

    def __post_init__(self):
        super().__post_init__()
        if self.light_curves not in LIGHT_CURVES:
            raise ClassifierError(
                f"--light-curves {self.light_curves!r}; allowed: {', '.join(LIGHT_CURVES)}."
            )

    @classmethod
    def for_training(cls, split: DatasetSplit, *, light_curves, **choices) -> FeatureConfig:
        """The recipe of a model to be trained on a split; ``band`` None: the reference band.

        Raises
        ------
        ClassifierError
            A choice that is not known, or a band the data set lacks.
        """
        selection = ImageSelection.for_training(split, **choices)
        return cls(**asdict(selection), light_curves=light_curves)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        of_differences = tuple(f"difference_{name}" for name in FEATURES)
        return {
            "science": FEATURES,
            "difference": of_differences,
            "both": FEATURES + of_differences,
        }[self.light_curves]


class FeaturePipeline:
    """A recipe applied to one split.

    Raises
    ------
    ClassifierError
        The split has no exposures in the recipe's band, or its PSFs cannot be read.
    """

    def __init__(self, split: DatasetSplit, config: FeatureConfig):
        self.split, self.config = split, config
        self._shown = SelectedSplit(split, config)
        self._psf = psf_of(split)
        templates = 0 if config.light_curves == "science" else PhotometrySettings.templates
        self._settings = PhotometrySettings(templates=templates)

    def light_curves(self, first: int, end: int):
        """Light curves of the images shown of objects ``first`` to ``end``."""
        return measure(self._shown.stamps(first, end), self._psf, self._settings)

    def features(self, curves, n_images):
        """Features of the first ``n_images`` (object,) images of light curves, float32."""
        columns = []
        if self.config.light_curves != "difference":
            columns.append((curves.flux_njy, curves.flux_error_njy))
        if self.config.light_curves != "science":
            columns.append((curves.difference_flux_njy, curves.difference_flux_error_njy))
        found = [features_of_batch(curves.mjd, *column, n_images) for column in columns]
        return as_float32(np.concatenate(found, axis=1))


def psf_of(split: DatasetSplit) -> PsfModel:
    """The PSFs of a data set's survey.

    Raises
    ------
    ClassifierError
        They cannot be read.
    """
    try:
        return PsfModel.of(split.profile)
    except SimulationError as error:
        raise ClassifierError(f"{split.path}: {error}") from None


def as_float32(features):
    """Features as scikit-learn's trees want them: float32, without infinities."""
    limit = np.finfo(np.float32).max
    return np.clip(features, -limit, limit).astype(np.float32)


def median_magnitudes(curves, n_images):
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


def observed_magnitudes(stamps, psf: PsfModel):
    """Median observed AB magnitude of all images of stamps (object,), float32; NaN if unknown."""
    curves = measure(stamps, psf, PhotometrySettings(templates=0))
    return median_magnitudes(curves, curves.n_epochs.astype(int))
