"""Predictions of simulated objects, by images and by days since their first detection.

Every object is simulated in memory and predicted once, after every image. What is kept of it are
the probabilities at a few numbers of images and of days, and when its class became stable.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.forecast.lengths import SPLIT
from classifier.image_selection import SelectedSplit
from classifier.network_inputs import countable
from simulator.simulator import Simulator

if TYPE_CHECKING:
    from classifier.models.protocol import Model

IMAGES = (1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 60, 100, 200, 400, 900)
DAYS = (0.0, 1.0, 3.0, 7.0, 14.0, 21.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 365.0, 1000.0, 3650.0)
NO_BAND = ""


class SimulatedSplit(DatasetSplit):
    """Objects simulated in memory, with the interface of a split of a data set.

    Parameters
    ----------
    simulator : Simulator
    indices : numpy.ndarray of int, shape (object,)
    """

    measures_magnitudes = False  # the true ones are known

    def __init__(self, simulator: Simulator, indices: np.ndarray):
        made = simulator.batch(SPLIT, indices)
        self.path, self.name = "the simulated objects", SPLIT
        self._assumed_fwhm_pix = None
        self._group = {"images": made.images, "mask": made.mask, **made.epochs, **made.objects}
        self._noted = {}
        self.attributes = {}
        self.classes, self.bands = simulator.classes, simulator.band_names
        self.survey = simulator.profile.name
        self.profile = simulator.profile
        self.numbers = np.asarray(indices)
        self.object_ids = self.numbers.astype(str)
        self.labels = self._labels()
        self.n_epochs = self._lengths()
        self.first_alert_epoch = self._alerts()

    def without(self, band: str) -> Self:
        """The same objects without their images in one band."""
        other = copy(self)
        other.bands = tuple(NO_BAND if name == band else name for name in self.bands)
        return other


@dataclass(frozen=True)
class Grid:
    """Numbers of images, and of days, since the first detection at which scores are given."""

    images: tuple[int, ...]
    days: tuple[float, ...]

    @classmethod
    def of(cls, longest: int, span_day: float) -> Self:
        """Those of `IMAGES` and `DAYS` that sequences of this length and time span can have."""
        images = tuple(k for k in IMAGES if k < longest)
        days = tuple(d for d in DAYS if d < span_day)
        return cls((*images, longest), (*days, float(np.ceil(span_day))))


def predictions_in_time(
    model: Model,
    split: SimulatedSplit,
    detection_mjd: np.ndarray,
    grid: Grid,
    *,
    threads: int = 1,
) -> dict[str, np.ndarray]:
    """What a forecast keeps of the predictions of a model for detected objects.

    Parameters
    ----------
    detection_mjd : numpy.ndarray, shape (object,)
        Times of the first detections.

    Returns
    -------
    dict of str to numpy.ndarray
        ``by_images`` (object, k, class) and ``by_days`` (object, day, class): probabilities, NaN
        where there is no image yet, those of the last image carried forward. ``final`` (object,
        class). ``n_images`` (object,) that the model was given. ``images_to_stable`` and
        ``days_to_stable`` (object,), from the first detection until the predicted class is
        correct and stays so; NaN where it never does.
    """
    predictions = model.predict(split, threads=threads)
    p, n = predictions.probabilities, predictions.n_images.astype(int)
    mjd = image_times(model, split, n)
    at = np.asarray(grid.images)
    before = (mjd < detection_mjd[:, None]).sum(axis=1)
    by_images = np.minimum(before[:, None] + at, n[:, None])
    limit = detection_mjd[:, None] + np.asarray(grid.days)
    by_days = (mjd[:, None, :] <= limit[:, :, None]).sum(axis=2)
    images, days = stable_from(p, n, predictions.label, mjd, detection_mjd)
    return {
        "by_images": _after(p, by_images),
        "by_days": _after(p, by_days),
        "final": _after(p, n[:, None])[:, 0],
        "n_images": n.astype(np.int32),
        "images_to_stable": images,
        "days_to_stable": days,
    }


def _after(probabilities, count):
    """Probabilities (object, k, class) after so many images (object, k); NaN after none."""
    rows = np.arange(len(count))[:, None]
    chosen = probabilities[rows, np.maximum(count, 1) - 1]
    return np.where(count[..., None] > 0, chosen, np.nan).astype(np.float32)


def image_times(model: Model, split: SimulatedSplit, n_images: np.ndarray) -> np.ndarray:
    """Times [MJD] of the images that a model has predictions for, (object, image); NaN beyond.

    They are the last ``n_images`` of those that count (`countable`): what a model leaves out
    besides are the first ones, of forests those without a measured flux.
    """
    stamps = countable(SelectedSplit(split, model.prediction_selection).stamps(0, len(split)))
    counted, longest = stamps.n_epochs.astype(int), stamps.mjd.shape[1]
    place = np.arange(longest) + (counted - n_images)[:, None]
    mjd = np.take_along_axis(stamps.mjd, np.clip(place, 0, longest - 1), axis=1)
    return np.where(np.arange(longest) < n_images[:, None], mjd, np.nan)


def stable_from(
    probabilities: np.ndarray,
    n_images: np.ndarray,
    label: np.ndarray,
    mjd: np.ndarray,
    detection_mjd: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Images and days from the first detection to a prediction that stays correct, (object,).

    The first image at or after the detection is image 1. A prediction that was correct before it
    and stays so counts as one of the time of the detection: 0 days. NaN where the last
    prediction is wrong.
    """
    place = np.arange(probabilities.shape[1])
    used = place < n_images[:, None]
    right = (np.nan_to_num(probabilities, nan=-1.0).argmax(axis=2) == label[:, None]) & used
    wrong = used & ~right
    last_wrong = np.where(wrong.any(axis=1), wrong.shape[1] - 1 - wrong[:, ::-1].argmax(axis=1), -1)
    first = last_wrong + 1
    before = (mjd < detection_mjd[:, None]).sum(axis=1)
    images = np.maximum(first - before + 1, 1).astype(float)
    since = mjd[np.arange(len(mjd)), np.minimum(first, mjd.shape[1] - 1)] - detection_mjd
    never = first >= n_images
    return np.where(never, np.nan, images), np.where(never, np.nan, np.maximum(since, 0.0))
