"""Mean and scatter of the scores of several trainings of one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from classifier.evaluation.evaluation import Estimate, Evaluation
from skyreel.errors import EvaluationError


@dataclass(frozen=True)
class Runs:
    """Mean and standard deviation (n - 1; NaN for one run) over runs.

    Attributes
    ----------
    n_runs : int
    classes : tuple of str
    scalars : dict of str to Estimate
        ``Evaluation.summary()``; the error is the standard deviation of one run, not of the mean.
    images : numpy.ndarray of int, shape (k,)
    accuracy, accuracy_deviation, mean_recall, mean_recall_deviation : numpy.ndarray, shape (k,)
    """

    n_runs: int
    classes: tuple[str, ...]
    scalars: dict[str, Estimate]
    images: np.ndarray
    accuracy: np.ndarray
    accuracy_deviation: np.ndarray
    mean_recall: np.ndarray
    mean_recall_deviation: np.ndarray


def over_runs(evaluations: Sequence[Evaluation]) -> Runs:
    """Mean and standard deviation over runs; undefined where a run has no defined score.

    Runs with fewer images than others are carried forward.

    Raises
    ------
    EvaluationError
        No runs, or runs with different classes.
    """
    if not evaluations:
        raise EvaluationError("over_runs: no evaluations to average.")
    classes = evaluations[0].classes
    for other in evaluations:
        if other.classes != classes:
            raise EvaluationError(f"over_runs: classes {other.classes} beside {classes}.")
    summaries = [evaluation.summary() for evaluation in evaluations]
    scalars = {
        name: Estimate(*map(float, _mean_and_deviation([s[name].value for s in summaries])))
        for name in summaries[0]
    }
    longest = max(evaluation.images.size for evaluation in evaluations)
    accuracy = _mean_and_deviation([_carried(e.by_images.accuracy, longest) for e in evaluations])
    recall = _mean_and_deviation([_carried(e.by_images.mean_recall, longest) for e in evaluations])
    images = np.arange(1, longest + 1)
    return Runs(len(evaluations), classes, scalars, images, *accuracy, *recall)


def _carried(curve, longest):
    return np.pad(curve, (0, longest - curve.size), mode="edge")


def _mean_and_deviation(values):
    values = np.asarray(values)
    mean = values.mean(axis=0)
    if len(values) < 2:
        return mean, np.full_like(mean, np.nan)
    return mean, values.std(axis=0, ddof=1)
