"""The random forest taught the same few real objects: each a hundred times among simulated ones.

So did the thesis (Carrasco-Davis 2019, section 4.3) with its forest. Forests are grown anew for
every draw, from features of simulated sequences that are measured once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from classifier.forest.growing import Sample, Shape, grown, probabilities
from classifier.recipe import FeatureMaker, Recipe
from classifier.stamps import BLOCK_OBJECTS, Split

TIMES = 100
MOST_SIMULATED = 14_000
SHAPE = Shape(trees=50, depth=20)
AFTER = (1, 3, 5, 10, 15)


@dataclass(frozen=True)
class Measured:
    """Features of a split after some numbers of images.

    ``features`` (number, object, feature) are of the first ``after[j]`` images, or of all of an
    object that has fewer; ``n_images`` and ``labels`` are (object,).
    """

    after: tuple[int, ...]
    features: np.ndarray
    n_images: np.ndarray
    labels: np.ndarray


def measured(
    split: Split,
    recipe: Recipe,
    classes,
    *,
    most: int | None = None,
    on_progress: Callable[[int], None] = lambda objects: None,
) -> Measured:
    """Features of the first ``most`` objects of a split.

    Raises
    ------
    ClassifierError
        A class that is not among ``classes``, or no exposures in the recipe's band.
    """
    maker, labels = FeatureMaker(split, recipe), split.labels_among(classes)
    n = min(len(split), most or len(split))
    after = (*(k for k in AFTER if k < recipe.images), recipe.images)
    features, n_images = [], []
    for first in range(0, n, BLOCK_OBJECTS):
        curves = maker.light_curves(first, min(first + BLOCK_OBJECTS, n))
        there = curves.n_epochs.astype(int)
        features.append(
            np.stack([maker.features(curves, np.minimum(there, k)) for k in after])
        )  # fmt: skip
        n_images.append(there)
        on_progress(len(there))
    return Measured(after, np.concatenate(features, axis=1), np.concatenate(n_images), labels[:n])


@dataclass(frozen=True)
class TaughtForest:
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
        longest = real.after[-1]
        out = np.full((len(real.labels), longest, len(self.classes)), np.nan, dtype=np.float32)
        ends = (*real.after[1:], longest + 1)
        for j, (k, end) in enumerate(zip(real.after, ends, strict=True)):
            rows = np.repeat(np.asarray(taught, dtype=int), TIMES)
            known = (simulated.n_images >= min(k, longest)) & (simulated.labels >= 0)
            if not known.any():
                known = simulated.labels >= 0
            sample = Sample(
                np.concatenate([simulated.features[j][known], real.features[j][rows]]),
                np.concatenate([simulated.labels[known], real.labels[rows]]),
            )
            forest = grown(sample, self.shape, seed=seed, threads=threads)
            out[:, k - 1 : end - 1] = probabilities(forest, real.features[j], len(self.classes))[
                :, None
            ]
        out[np.arange(longest) >= real.n_images[:, None]] = np.nan
        return out
