"""From a data set to the features of its light curves: every choice in one place.

A recipe and a data set give the same features whoever computes them, so a model keeps its own.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from classifier.errors import ClassifierError
from classifier.features import FEATURES, features_of_batch
from classifier.photometry import PsfModel, Settings, measure
from classifier.photometry.measuring import NJY_ZERO_POINT_MAG
from classifier.stamps import Split
from classifier.windows import STARTS, StartLaw, shown
from simulator.errors import SimulationError

LIGHT_CURVES = ("science", "difference", "both")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How features are made.

    Parameters
    ----------
    images : int
        At most so many images of a sequence are shown.
    start_fractions : tuple of float
        The law of `classifier.windows.StartLaw`; empty: from the first image on.
    band : str
        Only images in this band are shown.
    light_curves : str
        "science" (fluxes of the images), "difference" (fluxes after a template made of the
        earliest images is taken off), or "both".
    """

    images: int = 22
    start_fractions: tuple[float, ...] = ()
    band: str = "g"
    light_curves: str = "both"

    def __post_init__(self):
        if self.images < 1:
            raise ClassifierError(f"--images {self.images}: at least one image must be shown.")
        if self.light_curves not in LIGHT_CURVES:
            raise ClassifierError(
                f"--light-curves {self.light_curves!r}; allowed: {', '.join(LIGHT_CURVES)}."
            )

    @classmethod
    def for_training(cls, split: Split, *, start, band, images, light_curves) -> Recipe:
        """The recipe of a model to be trained on a split; ``band`` None: the reference band.

        Raises
        ------
        ClassifierError
            A choice that is not known, or a band the data set lacks.
        """
        if start not in STARTS:
            raise ClassifierError(f"--start {start!r}; allowed: {', '.join(STARTS)}.")
        law = StartLaw()
        if start == "alert":
            law = StartLaw.fitted(split.first_alert_epoch, split.n_epochs)
        band = band or split.profile.reference_band
        _check_band(split, band)
        return cls(
            images=min(images, max(split.longest, 1)), start_fractions=law.fractions, band=band,
            light_curves=light_curves,
        )  # fmt: skip

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        of_differences = tuple(f"difference_{name}" for name in FEATURES)
        return {
            "science": FEATURES,
            "difference": of_differences,
            "both": FEATURES + of_differences,
        }[self.light_curves]

    def as_dict(self) -> dict:
        """Plain values, for JSON."""
        return {**asdict(self), "start_fractions": list(self.start_fractions)}

    @classmethod
    def of_dict(cls, values: dict) -> Recipe:
        """The recipe ``as_dict`` gave."""
        return cls(**{**values, "start_fractions": tuple(values["start_fractions"])})


class FeatureMaker:
    """A recipe applied to one split.

    Raises
    ------
    ClassifierError
        The split has no exposures in the recipe's band, or its PSFs cannot be read.
    """

    def __init__(self, split: Split, recipe: Recipe):
        _check_band(split, recipe.band)
        self.split, self.recipe = split, recipe
        self._band = split.bands.index(recipe.band)
        try:
            self._psf = PsfModel.of(split.profile)
        except SimulationError as error:
            raise ClassifierError(f"{split.path}: {error}") from None
        templates = 0 if recipe.light_curves == "science" else Settings.templates
        self._settings = Settings(templates=templates)
        law = StartLaw(recipe.start_fractions)
        self._starts = law.starts(split.first_alert_epoch, split.n_epochs)

    def light_curves(self, first: int, end: int):
        """Light curves of the images shown of objects ``first`` to ``end``.

        Exposures wider than the profile's ``seeing.max_fwhm_arcsec`` (and a thousandth, for
        rounding) are not shown: the survey does not use them and simulations have none.
        """
        stamps, starts = self.split.stamps(first, end), self._starts[first:end]
        camera, seeing = self.split.profile.camera, self.split.profile.seeing
        widest_fwhm_pix = 1.001 * seeing.max_fwhm_arcsec / camera.pixel_scale_arcsec
        cut = shown(
            stamps, starts, band=self._band, longest=self.recipe.images,
            widest_fwhm_pix=widest_fwhm_pix,
        )  # fmt: skip
        return measure(cut, self._psf, self._settings)

    def features(self, curves, n_images):
        """Features of the first ``n_images`` (object,) images of light curves, float32."""
        columns = []
        if self.recipe.light_curves != "difference":
            columns.append((curves.flux_njy, curves.flux_error_njy))
        if self.recipe.light_curves != "science":
            columns.append((curves.difference_flux_njy, curves.difference_flux_error_njy))
        found = [features_of_batch(curves.mjd, *column, n_images) for column in columns]
        return as_float32(np.concatenate(found, axis=1))


def _check_band(split, band):
    if band not in split.bands:
        known = ", ".join(split.bands)
        raise ClassifierError(f"{split.path} has the bands {known}, not {band!r}.")


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
