"""Growing random forests, and choosing how deep and how many trees on a validation set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

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
    forest.n_jobs = 1  # blocks of objects are predicted on threads of their own
    return forest


def recalls(
    train: Sample, check: Sample, depth: int, trees: Sequence[int], *, seed: int, threads: int
) -> dict[Shape, float]:
    """Mean recall on ``check`` of forests of one depth and several numbers of trees.

    The first trees of a large forest are a small forest, so one is grown for all.
    """
    forest = grown(train, Shape(max(trees), depth), seed=seed, threads=threads)
    total = np.zeros((len(check.labels), len(forest.classes_)))
    found = {}
    for count, tree in enumerate(forest.estimators_, start=1):
        total += tree.predict_proba(check.features)
        if count in trees:
            correct = forest.classes_[total.argmax(axis=1)] == check.labels
            found[Shape(count, depth)] = mean_recall(correct, check.labels)
    return found


def mean_recall(correct: np.ndarray, labels: np.ndarray) -> float:
    """Mean over the classes of the share of their objects (object,) that are ``correct``."""
    return float(np.mean([correct[labels == label].mean() for label in np.unique(labels)]))


def smallest_as_good(scores: dict[Shape, float], n_objects: int) -> Shape:
    """The smallest shape within one standard error of the best (Breiman et al. 1984, 3.4.3)."""
    best = max(scores.values())
    tolerance = np.sqrt(best * (1 - best) / n_objects)
    return min(shape for shape, score in scores.items() if score >= best - tolerance)


def probabilities(
    forest: RandomForestClassifier | ExtraTreesClassifier, features: np.ndarray, n_classes: int
) -> np.ndarray:
    """Class probabilities (row, class), float32; zero for classes absent from training."""
    out = np.zeros((len(features), n_classes), dtype=np.float32)
    if len(features):
        out[:, forest.classes_] = forest.predict_proba(features)
    return out


def refuse_one_class(labels: np.ndarray, what: str) -> None:
    """Check that the labels (object,) are of two classes or more; -1 is no class.

    Raises
    ------
    ClassifierError
        They are not; ``what`` names the objects.
    """
    known = labels[labels >= 0]
    if np.unique(known).size < 2:
        raise ClassifierError(
            f"{what} has {known.size} labelled objects of {np.unique(known).size} classes; "
            "training needs at least two classes."
        )
