"""The single-epoch baseline: trees trained on a few objects of every class, over many draws.

It serves surveys whose labelled objects have one alert with images, and classes, such as
`variable_star`, that cannot be simulated. Features: `classifier.features.alert_features`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from classifier.models.forest.extra_trees import TreeTrainingSet
from finetune.few_shot import drawn


@dataclass(frozen=True)
class DrawScores:
    """Confusion matrices of repeated draws with equally many training objects.

    Attributes
    ----------
    per_class : int
        Training objects per class.
    counts : int (draw, class, predicted class)
        Test objects.
    """

    per_class: int
    counts: np.ndarray

    @property
    def recall(self) -> np.ndarray:
        """Recall (draw, class)."""
        n = self.counts.sum(axis=2)
        return np.diagonal(self.counts, axis1=1, axis2=2) / n

    @property
    def mean_recall(self) -> np.ndarray:
        """Mean recall (draw,) over the classes."""
        return self.recall.mean(axis=1)

    @property
    def confusion(self) -> np.ndarray:
        """Share (class, predicted class) of the test objects of a class, mean over the draws."""
        return (self.counts / self.counts.sum(axis=2, keepdims=True)).mean(axis=0)


def few_shot_scores(
    features: ArrayLike,
    labels: ArrayLike,
    fields: ArrayLike | None,
    classes: Sequence[str],
    *,
    per_class: int,
    trials: int,
    seed: int = 0,
    disjoint: str = "field",
) -> DrawScores:
    """Train trees on ``per_class`` objects of every class and test them on the others.

    Parameters
    ----------
    features : float (object, feature)
    labels : int (object,)
        Indices into ``classes``; -1: not used.
    fields : int (object,) or None
        Fields of the survey, see `finetune.few_shot.drawn`.
    classes : sequence of str
        Each must have objects.
    per_class, trials, seed : int
    disjoint : str
        What training and test objects must not share: "field" or "object".

    Raises
    ------
    FinetuneError
        Too few objects of a class for training and test.
    ClassifierError
        Objects of one class alone, or features that are not known.
    """
    features, labels = np.asarray(features), np.asarray(labels)
    counts = np.zeros((trials, len(classes), len(classes)), dtype=int)
    for trial in range(trials):
        draw = drawn(labels, fields, per_class=per_class, trial=trial, seed=seed, disjoint=disjoint)
        rows = draw.training
        training = TreeTrainingSet.of_alerts(features[rows], labels[rows], seed + trial)
        one = np.ones(len(draw.test), dtype=int)
        scores = training.scores(features[draw.test][:, None], one, classes)
        chosen = scores[:, 0].argmax(axis=1)
        np.add.at(counts[trial], (labels[draw.test], chosen), 1)
    return DrawScores(per_class, counts)
