"""Extremely randomised trees on a few real objects (Geurts et al. 2006, Machine Learning 63)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier

from classifier.errors import ClassifierError
from classifier.forest.growing import probabilities, refuse_one_class

TREES = 150


def real_only_predictions(
    features, n_images, labels, taught_rows, classes: Sequence[str], *, seed: int
) -> np.ndarray:
    """Probabilities (object, image, class) of all objects by trees grown on a few of them.

    For every number of images other trees are grown, on the taught objects after so many images,
    or after their last; NaN where an object has not so many. Classes that are not taught have
    probability 0. All features and thresholds are drawn at random, and classes weigh the same
    whatever their numbers.

    Parameters
    ----------
    features : numpy.ndarray, shape (object, image, feature)
        From `real_only_features`.
    n_images : numpy.ndarray of int, shape (object,)
        Images an object has; one without any is neither taught nor classified.
    labels : numpy.ndarray of int, shape (object,)
        Indices into ``classes``; -1 where unknown, which cannot be taught.
    taught_rows : array_like of int
        Objects to learn from.
    classes : sequence of str
    seed : int

    Raises
    ------
    ClassifierError
        Taught objects of fewer than two classes, or without a label; features that are not known
        for as many images.
    """
    features, labels = np.asarray(features), np.asarray(labels)
    n_images, taught = np.asarray(n_images), np.asarray(taught_rows, dtype=int)
    known = np.arange(features.shape[1]) < n_images[:, None]
    if n_images.max(initial=0) > features.shape[1] or not np.isfinite(features[known]).all():
        raise ClassifierError("real-only: n_images counts images whose features are not known.")
    taught = taught[n_images[taught] > 0]
    if (labels[taught] < 0).any():
        raise ClassifierError("real-only: an object without a label cannot be learned from.")
    refuse_one_class(labels[taught], "real-only: the draw")
    scores = np.full((*known.shape, len(classes)), np.nan, dtype=np.float32)
    for k in range(int(n_images.max())):
        trees = _grown(features[taught, np.minimum(k, n_images[taught] - 1)], labels[taught], seed)
        there = known[:, k]
        scores[there, k] = probabilities(trees, features[there, k], len(classes))
    return scores


def _grown(features, labels, seed):
    trees = ExtraTreesClassifier(
        TREES, max_features=1, class_weight="balanced", random_state=seed, n_jobs=1
    )
    return trees.fit(features, labels)
