"""The random forest taught the same few real objects: each a hundred times among simulated ones.

The hundred are twenty light curves with noise of the measured errors added once more, five times
each, after the thesis (Carrasco-Davis 2019). Forests are
grown anew for every draw, from features of simulated sequences that are measured once.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from classifier.dataset import BLOCK_OBJECTS, DatasetSplit
from classifier.features.pipeline import FeatureConfig, FeaturePipeline
from classifier.models.forest.growing import Sample, Shape, grown, probabilities
from classifier.photometry.light_curves import LightCurves

TIMES, NOISY = 100, 20
"""Copies of a taught object, and how many differ: by noise of the measured errors."""
MOST_SIMULATED = 14_000
SHAPE = Shape(trees=50, depth=20)
AFTER = (1, 3, 5, 10, 15)


@dataclass(frozen=True)
class Measured:
    """Features of a split after some numbers of images.

    ``features`` (number, object, feature) are of the first ``after[j]`` images, or of all of an
    object that has fewer; ``n_images`` and ``labels`` are (object,). ``noisy`` (number, object,
    copy, feature) are of light curves with noise added once more; empty unless asked for.
    """

    after: tuple[int, ...]
    features: np.ndarray
    n_images: np.ndarray
    labels: np.ndarray
    noisy: np.ndarray


def measured(
    split: DatasetSplit, config: FeatureConfig, classes, *, most: int | None = None, copies: int = 0
) -> Measured:
    """Features of the first ``most`` objects of a split, and of ``copies`` of each with noise.

    Raises
    ------
    ClassifierError
        A class that is not among ``classes``, or no exposures in the recipe's band.
    """
    pipeline, labels = FeaturePipeline(split, config), split.labels_among(classes)
    n = min(len(split), most or len(split))
    after = (*(k for k in AFTER if k < config.images), config.images)
    features, noisy, n_images = [], [], []
    for first in range(0, n, BLOCK_OBJECTS):
        curves = pipeline.light_curves(first, min(first + BLOCK_OBJECTS, n))
        there = curves.n_epochs.astype(int)
        features.append(_features(pipeline, curves, after))
        again = [with_noise(curves, [first, copy]) for copy in range(copies)]
        made = [_features(pipeline, each, after) for each in again]
        shape = (*features[-1].shape[:2], 0, features[-1].shape[2])
        noisy.append(np.stack(made, axis=2) if made else np.zeros(shape, dtype=np.float32))
        n_images.append(there)
    return Measured(
        after,
        np.concatenate(features, axis=1),
        np.concatenate(n_images),
        labels[:n],
        np.concatenate(noisy, axis=1),
    )


def _features(pipeline, curves, after):
    there = curves.n_epochs.astype(int)
    return np.stack([pipeline.features(curves, np.minimum(there, k)) for k in after])


def with_noise(curves: LightCurves, seed) -> LightCurves:
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
    simulated, real : Measured
        After the same numbers of images, with labels among ``classes``.
    classes : tuple of str
    shape : Shape
    """

    simulated: Measured
    real: Measured
    classes: tuple[str, ...]
    shape: Shape = field(default=SHAPE)

    def scores(self, taught, *, seed: int, threads: int) -> np.ndarray:
        """Probabilities (object, image, class) of all real objects, having learnt ``taught``.

        After a number of images that was not measured they are those of the largest number
        below it; NaN where an object has not so many.
        """
        real, simulated = self.real, self.simulated
        longest, taught = real.after[-1], np.asarray(taught, dtype=int)
        out = np.full((len(real.labels), longest, len(self.classes)), np.nan, dtype=np.float32)
        ends = (*real.after[1:], longest + 1)
        for j, (k, end) in enumerate(zip(real.after, ends, strict=True)):
            known = (simulated.n_images >= min(k, longest)) & (simulated.labels >= 0)
            if not known.any():
                known = simulated.labels >= 0
            copies = self._copies(j, taught)
            sample = Sample(
                np.concatenate([simulated.features[j][known], copies]),
                np.concatenate([simulated.labels[known], np.repeat(real.labels[taught], TIMES)]),
            )
            forest = grown(sample, self.shape, seed=seed, threads=threads)
            out[:, k - 1 : end - 1] = probabilities(forest, real.features[j], len(self.classes))[
                :, None
            ]
        out[np.arange(longest) >= real.n_images[:, None]] = np.nan
        return out

    def _copies(self, j, taught):
        """Features of the taught objects, each ``TIMES`` times: as measured, or with noise."""
        noisy = self.real.noisy[j][taught]
        if not noisy.shape[1]:
            return np.repeat(self.real.features[j][taught], TIMES, axis=0)
        return np.concatenate(
            [np.resize(each, (TIMES, each.shape[1])) for each in noisy]
            or [np.zeros((0, noisy.shape[2]), dtype=np.float32)]
        )
