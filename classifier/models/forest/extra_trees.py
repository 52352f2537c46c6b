"""Trees with random thresholds, grown on few real objects after every number of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier

from classifier.models.forest.growing import probabilities, refuse_one_class
from skyreel.errors import ClassifierError

N_TREES = 150


@dataclass(frozen=True)
class TreeTrainingSet:
    """Objects that trees are grown on.

    Attributes
    ----------
    features : numpy.ndarray, shape (object, image, feature)
        As of `handcrafted_features`; NaN where an object has fewer images.
    n_images, labels : numpy.ndarray of int, shape (object,)
    seed : int

    Raises
    ------
    ClassifierError
        Objects of fewer than two classes, or one without a label.
    """

    features: np.ndarray
    n_images: np.ndarray
    labels: np.ndarray
    seed: int
    _grown: dict[int, ExtraTreesClassifier] = field(default_factory=dict, repr=False)

    def __post_init__(self):
        if (np.asarray(self.labels) < 0).any():
            raise ClassifierError("real-only: an object without a label cannot be learned from.")
        refuse_one_class(self.labels, "real-only: the draw")

    @classmethod
    def of_alerts(cls, features: np.ndarray, labels: np.ndarray, seed: int) -> TreeTrainingSet:
        """Training set of features (object, feature) of one alert of every object.

        Raises
        ------
        ClassifierError
            Also for features that are not known.
        """
        one = np.ones(len(labels), dtype=int)
        _refuse_unknown(features[:, None], one)
        return cls(features[:, None], one, labels, seed)

    def trees(self, n_images: int) -> ExtraTreesClassifier:
        """Trees on the objects after ``n_images`` images, or after the last of those with fewer.

        All features and thresholds are drawn at random, and classes weigh the same whatever
        their numbers.
        """
        k = min(n_images, int(self.n_images.max()))
        if k not in self._grown:
            rows = np.flatnonzero(self.n_images > 0)
            trees = ExtraTreesClassifier(
                N_TREES, max_features=1, class_weight="balanced", random_state=self.seed, n_jobs=1
            )
            last = np.minimum(k, self.n_images[rows]) - 1
            self._grown[k] = trees.fit(self.features[rows, last], self.labels[rows])
        return self._grown[k]

    def scores(
        self, features: np.ndarray, n_images: np.ndarray, classes: Sequence[str]
    ) -> np.ndarray:
        """Probabilities (object, image, class) of objects from ``features`` after every image.

        NaN where an object has fewer images; 0 for classes absent from the training set.

        Raises
        ------
        ClassifierError
            Features that are not known for ``n_images`` images.
        """
        known = _refuse_unknown(features, n_images)
        scores = np.full((*known.shape, len(classes)), np.nan, dtype=np.float32)
        for k in range(int(np.max(n_images, initial=0))):
            rows = known[:, k]
            scores[rows, k] = probabilities(self.trees(k + 1), features[rows, k], len(classes))
        return scores

    def scores_after(
        self, features: np.ndarray, n_images: np.ndarray, classes: Sequence[str]
    ) -> np.ndarray:
        """Probabilities (object, class) from ``features`` (object, feature) after ``n_images``."""
        scores = np.empty((len(features), len(classes)), dtype=np.float32)
        for k in np.unique(n_images):
            rows = n_images == k
            scores[rows] = probabilities(self.trees(int(k)), features[rows], len(classes))
        return scores

    def scores_of_alerts(self, features: np.ndarray, classes: Sequence[str]) -> np.ndarray:
        """Probabilities (object, class) from ``features`` of one alert; NaN where these are NaN."""
        usable = np.isfinite(features).all(axis=1)
        scores = np.full((len(features), len(classes)), np.nan, dtype=np.float32)
        scores[usable] = probabilities(self.trees(1), features[usable], len(classes))
        return scores


def _refuse_unknown(features, n_images):
    """Which features are of an image, bool (object, image)."""
    known = np.arange(features.shape[1]) < np.asarray(n_images)[:, None]
    too_many = np.max(n_images, initial=0) > features.shape[1]
    if too_many or not np.isfinite(features[known]).all():
        raise ClassifierError("real-only: n_images counts images whose features are not known.")
    return known
