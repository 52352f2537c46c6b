"""Growing random forests, and choosing how deep and how many trees on a validation set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from skyreel.errors import ClassifierError

DEPTHS = (10, 15, 20, 30)
TREES = (25, 50, 100)


@dataclass(frozen=True)
class Sample:
    """Features (row, feature) float32 and labels (row,) after some number of images."""

    features: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True, order=True)
class Shape:
    """Size of a forest; smaller ones sort first."""

    trees: int
    depth: int


def grown(sample: Sample, shape: Shape, *, seed: int, threads: int) -> RandomForestClassifier:
    """A forest of this shape; classes weigh the same whatever their numbers."""
    forest = RandomForestClassifier(
        shape.trees,
        max_depth=shape.depth,
        class_weight="balanced",
        random_state=seed,
        n_jobs=threads,
    )
    forest.fit(sample.features, sample.labels)
    forest.n_jobs = 1  # whoever uses it runs blocks of objects on threads
    return forest


def recalls(train: Sample, check: Sample, depth, trees, *, seed, threads) -> dict[Shape, float]:
    """Mean recall, on validation, of forests of one depth and several numbers of trees.

    The first trees of a large forest are a small forest, so one is grown for all.
    """
    forest = grown(train, Shape(max(trees), depth), seed=seed, threads=threads)
    total = np.zeros((len(check.labels), len(forest.classes_)))
    found = {}
    for count, tree in enumerate(forest.estimators_, start=1):
        total += tree.predict_proba(check.features)
        if count in trees:
            right = forest.classes_[total.argmax(axis=1)] == check.labels
            found[Shape(count, depth)] = mean_recall(right, check.labels)
    return found


def mean_recall(right, labels) -> float:
    """Mean over the classes there are of the share of objects (object,) that are right."""
    return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))


def smallest_as_good(scores: dict[Shape, float], n_objects: int) -> Shape:
    """The smallest shape within one standard error of the best (Breiman et al. 1984, 3.4.3)."""
    best = max(scores.values())
    tolerance = np.sqrt(best * (1 - best) / n_objects)
    return min(shape for shape, score in scores.items() if score >= best - tolerance)


def probabilities(forest, features, n_classes: int):
    """Class probabilities (row, class), zero for classes the forest never saw."""
    out = np.zeros((len(features), n_classes), dtype=np.float32)
    if len(features):
        out[:, forest.classes_] = forest.predict_proba(features)
    return out


def refuse_one_class(labels, what: str) -> None:
    """Check that there is something to tell apart.

    Raises
    ------
    ClassifierError
    """
    known = labels[labels >= 0]
    if np.unique(known).size < 2:
        raise ClassifierError(
            f"{what} has {known.size} labelled objects of {np.unique(known).size} classes; "
            "training needs at least two classes."
        )
