"""Trees on a few objects of every class, tested on the others, over many draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from classifier.models.ensemble import real_only_predictions
from finetune.few_shot import drawn


@dataclass(frozen=True)
class Trials:
    """Scores of repeated draws with equally many taught objects.

    Attributes
    ----------
    per_class : int
    counts : int (trial, class, predicted class)
        Tested objects.
    """

    per_class: int
    counts: np.ndarray

    @property
    def recall(self) -> np.ndarray:
        """Recall (trial, class)."""
        n = self.counts.sum(axis=2)
        return np.diagonal(self.counts, axis1=1, axis2=2) / n

    @property
    def mean_recall(self) -> np.ndarray:
        """Mean recall (trial,) over the classes."""
        return self.recall.mean(axis=1)

    @property
    def confusion(self) -> np.ndarray:
        """Share (class, predicted class) of a class's tested objects, mean over the trials."""
        return (self.counts / self.counts.sum(axis=2, keepdims=True)).mean(axis=0)


def few_shot_trials(
    features,
    labels,
    fields,
    classes: Sequence[str],
    *,
    per_class: int,
    trials: int,
    seed: int = 0,
    disjoint: str = "field",
) -> Trials:
    """Grow trees on ``per_class`` objects of every class and test them on the rest.

    Parameters
    ----------
    features : numpy.ndarray, shape (object, feature)
    labels : numpy.ndarray of int, shape (object,)
        Indices into ``classes``; -1: neither taught nor tested.
    fields : numpy.ndarray of int, shape (object,), or None
        Of the survey; with ``disjoint`` "field" no tested object is of a taught one's field.
    classes : sequence of str
        Each must have objects.
    per_class, trials, seed : int
    disjoint : str
        "field", or "object".

    Raises
    ------
    FinetuneError
        Too few objects for some to be taught and some to be tested.
    ClassifierError
        Objects of one class alone.
    """
    features, labels = np.asarray(features)[:, None], np.asarray(labels)
    one = (labels >= 0).astype(int)
    counts = np.zeros((trials, len(classes), len(classes)), dtype=int)
    for trial in range(trials):
        draw = drawn(labels, fields, per_class=per_class, trial=trial, seed=seed, disjoint=disjoint)
        scores = real_only_predictions(
            features, one, labels, draw.taught, classes, seed=seed + trial
        )
        chosen = scores[draw.tested, 0].argmax(axis=1)
        np.add.at(counts[trial], (labels[draw.tested], chosen), 1)
    return Trials(per_class, counts)
