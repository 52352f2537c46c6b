"""A random forest trained on simulated sequences and, a hundred times each, a few real ones.

The hundred are twenty light curves with noise of the measured errors added once more, five times
each, after the thesis (Carrasco-Davis 2019). A new forest is trained for every draw, on features
of simulated sequences that are measured once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from classifier.dataset import BLOCK_OBJECTS, DatasetSplit
from classifier.features.pipeline import FeatureConfig, FeaturePipeline
from classifier.models.forest.growing import Sample, Shape, grown, probabilities
from classifier.photometry.light_curves import LightCurves

COPIES, NOISY = 100, 20
"""Copies of a training object, and how many of them differ by added noise."""
MOST_SIMULATED = 14_000
SHAPE = Shape(trees=50, depth=20)
LENGTHS = (1, 3, 5, 10, 15)
"""Numbers of images after which a forest is trained, beside that of whole sequences."""


@dataclass(frozen=True)
class MeasuredFeatures:
    """Features of a split after some numbers of images.

    ``features`` (number, object, feature) are of the first ``lengths[j]`` images, or of all of an
    object that has fewer; ``n_images`` and ``labels`` are (object,). ``noisy`` (number, object,
    copy, feature) are of light curves with noise added once more; copies may be 0.
    """

    lengths: tuple[int, ...]
    features: np.ndarray
    n_images: np.ndarray
    labels: np.ndarray
    noisy: np.ndarray


def measured_features(
    split: DatasetSplit,
    config: FeatureConfig,
    classes: Sequence[str],
    *,
    most: int | None = None,
    copies: int = 0,
) -> MeasuredFeatures:
    """Features of the first ``most`` objects of a split, and of ``copies`` of each with noise.

    Raises
    ------
    ClassifierError
        A class that is not among ``classes``, or no exposures in the band of ``config``.
    """
    pipeline, labels = FeaturePipeline(split, config), split.labels_among(classes)
    n = min(len(split), most or len(split))
    lengths = (*(k for k in LENGTHS if k < config.images), config.images)
    features, noisy, n_images = [], [], []
    for first in range(0, n, BLOCK_OBJECTS):
        curves = pipeline.countable_curves(first, min(first + BLOCK_OBJECTS, n))
        features.append(_features(pipeline, curves, lengths))
        made = [
            _features(pipeline, with_noise(curves, [first, copy]), lengths)
            for copy in range(copies)
        ]
        shape = (*features[-1].shape[:2], 0, features[-1].shape[2])
        noisy.append(np.stack(made, axis=2) if made else np.zeros(shape, dtype=np.float32))
        n_images.append(curves.n_epochs.astype(int))
    return MeasuredFeatures(
        lengths,
        np.concatenate(features, axis=1),
        np.concatenate(n_images),
        labels[:n],
        np.concatenate(noisy, axis=1),
    )


def _features(pipeline, curves, lengths):
    n_images = curves.n_epochs.astype(int)
    return np.stack([pipeline.features(curves, np.minimum(n_images, k)) for k in lengths])


def with_noise(curves: LightCurves, seed: int | Sequence[int]) -> LightCurves:
    """Light curves with noise of their own errors added to every flux once more."""
    draws = np.random.default_rng(seed)
    added = draws.standard_normal(curves.flux_njy.shape)
    return replace(
        curves,
        flux_njy=curves.flux_njy + added * curves.flux_error_njy,
        difference_flux_njy=curves.difference_flux_njy + added * curves.difference_flux_error_njy,
    )


@dataclass(frozen=True)
class AugmentedForest:
    """Forests of simulated sequences and a few real ones.

    Parameters
    ----------
    simulated, real : MeasuredFeatures
        After the same numbers of images, with labels among ``classes``.
    classes : tuple of str
    shape : Shape
    """

    simulated: MeasuredFeatures
    real: MeasuredFeatures
    classes: tuple[str, ...]
    shape: Shape = field(default=SHAPE)

    def scores(self, training: ArrayLike, *, seed: int, threads: int) -> np.ndarray:
        """Probabilities (object, image, class) of all real objects, trained on some of them.

        After a number of images without a forest they are those of the largest such number below
        it; NaN beyond the last image of an object. ``training`` is int (object,), rows.
        """
        real, simulated = self.real, self.simulated
        longest, training = real.lengths[-1], np.asarray(training, dtype=int)
        out = np.full((len(real.labels), longest, len(self.classes)), np.nan, dtype=np.float32)
        ends = (*real.lengths[1:], longest + 1)
        for j, (k, end) in enumerate(zip(real.lengths, ends, strict=True)):
            known = (simulated.n_images >= min(k, longest)) & (simulated.labels >= 0)
            if not known.any():
                known = simulated.labels >= 0
            repeated = np.repeat(real.labels[training], COPIES)
            sample = Sample(
                np.concatenate([simulated.features[j][known], self._copies(j, training)]),
                np.concatenate([simulated.labels[known], repeated]),
            )
            forest = grown(sample, self.shape, seed=seed, threads=threads)
            found = probabilities(forest, real.features[j], len(self.classes))
            out[:, k - 1 : end - 1] = found[:, None]
        out[np.arange(longest) >= real.n_images[:, None]] = np.nan
        return out

    def _copies(self, j, training):
        """Features of the training objects, ``COPIES`` times each: as measured, or with noise."""
        noisy = self.real.noisy[j][training]
        if not noisy.shape[1]:
            return np.repeat(self.real.features[j][training], COPIES, axis=0)
        return np.concatenate(
            [np.resize(each, (COPIES, each.shape[1])) for each in noisy]
            or [np.zeros((0, noisy.shape[2]), dtype=np.float32)]
        )
