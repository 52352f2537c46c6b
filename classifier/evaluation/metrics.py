"""Scores of class probabilities: accuracy, confusion matrix, recall, log loss, calibration.

Every score is a function of a few sums over objects. A resample costs one product of a sparse
matrix (sum, object) with a column of weights. Sums are, in this order: the confusion matrix
row by row, the log loss, the Brier score, and in bins of the largest probability its excess over
the fraction classified correctly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

CALIBRATION_BINS = 15
SMALLEST_PROBABILITY = 1e-15  # keeps the log loss finite
SCALARS = ("accuracy", "mean_recall", "mean_f1", "log_loss", "brier", "calibration_error")
PER_CLASS = ("recall", "precision", "f1")


@dataclass(frozen=True)
class Scores:
    """Scores, or their errors, with any leading axes; docs/explanation/evaluation.md defines them.

    NaN where undefined: the recall of a class without objects, the precision of one that is
    never predicted, everything where there are no objects. ``recall``, ``precision`` and ``f1``
    are (..., class), ``confusion`` is (..., true class, predicted class), the rest (...).
    """

    accuracy: np.ndarray
    mean_recall: np.ndarray
    mean_f1: np.ndarray
    log_loss: np.ndarray
    brier: np.ndarray
    calibration_error: np.ndarray
    recall: np.ndarray
    precision: np.ndarray
    f1: np.ndarray
    confusion: np.ndarray

    @property
    def n_by_class(self) -> np.ndarray:
        """Objects of every true class, (..., class)."""
        return self.confusion.sum(axis=-1)

    @property
    def n_objects(self) -> np.ndarray:
        """Objects, (...)."""
        return self.confusion.sum(axis=(-2, -1))

    def at(self, index: int | slice | np.ndarray) -> Scores:
        """One entry of the first axis, or a slice of it."""
        return self.mapped(lambda values: values[index])

    def mapped(self, function: Callable[[np.ndarray], np.ndarray]) -> Scores:
        """Scores with a function applied to every array."""
        return Scores(**{field.name: function(getattr(self, field.name)) for field in fields(self)})


def calibration_bin(top: np.ndarray) -> np.ndarray:
    """Bin of equal width of the largest probability (object,); 1 is in the last."""
    return np.minimum((top * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)


def n_sums(n_classes: int) -> int:
    """Number of sums that the scores of ``n_classes`` classes need."""
    return n_classes**2 + 2 + CALIBRATION_BINS


def contributions(
    probabilities: ArrayLike, label: np.ndarray, group: ArrayLike | None = None, n_groups: int = 1
) -> csr_array:
    """Contribution of every object to every sum of its group: sparse, (group x sum, object).

    Parameters
    ----------
    probabilities : numpy.ndarray, shape (object, class)
    label : numpy.ndarray of int, shape (object,)
    group : numpy.ndarray of int, shape (object,), optional
        -1 for objects in no group; by default all are in group 0.
    n_groups : int
    """
    p = np.asarray(probabilities, dtype=float)
    n, n_classes = p.shape
    objects, predicted = np.arange(n), p.argmax(axis=1)
    of_true_class, top = p[objects, label], p[objects, predicted]
    log_loss = -np.log(np.maximum(of_true_class, SMALLEST_PROBABILITY))
    brier = (p**2).sum(axis=1) - 2 * of_true_class + 1
    cells = n_classes**2
    which = np.stack(
        [
            label * n_classes + predicted,
            np.full(n, cells),
            np.full(n, cells + 1),
            cells + 2 + calibration_bin(top),
        ]
    )
    values = np.stack([np.ones(n), log_loss, brier, top - (predicted == label)])
    group = np.zeros(n, dtype=int) if group is None else np.asarray(group)
    grouped, size = group >= 0, n_sums(n_classes)
    places = (which + size * group)[:, grouped]
    index = np.broadcast_to(objects[grouped], places.shape)
    return csr_array(
        (values[:, grouped].ravel(), (places.ravel(), index.ravel())), shape=(n_groups * size, n)
    )


def weighted_sums(contribution: csr_array, weights: np.ndarray, n_classes: int) -> np.ndarray:
    """Sums (column, group, sum) for every column of ``weights`` (object, column)."""
    size = n_sums(n_classes)
    n_groups = contribution.shape[0] // size
    return (contribution @ weights).T.reshape(weights.shape[1], n_groups, size)


def scores_of(sums: np.ndarray, n_classes: int) -> Scores:
    """Scores of ``sums`` (..., sum)."""
    cells = n_classes**2
    confusion = sums[..., :cells].reshape(*sums.shape[:-1], n_classes, n_classes)
    n = confusion.sum(axis=(-2, -1))
    correct = np.diagonal(confusion, axis1=-2, axis2=-1)
    true, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
    recall, f1 = ratio(correct, true), ratio(2 * correct, true + predicted)
    return Scores(
        accuracy=ratio(correct.sum(axis=-1), n),
        mean_recall=mean_of_known(recall),
        mean_f1=mean_of_known(np.where(true > 0, f1, np.nan)),
        log_loss=ratio(sums[..., cells], n),
        brier=ratio(sums[..., cells + 1], n),
        calibration_error=ratio(np.abs(sums[..., cells + 2 :]).sum(axis=-1), n),
        recall=recall,
        precision=ratio(correct, predicted),
        f1=f1,
        confusion=confusion,
    )


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> np.ndarray:
    """The quotient, NaN where the denominator is zero."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    undefined = np.full(numerator.shape, np.nan)
    return np.divide(numerator, denominator, out=undefined, where=denominator != 0)


def mean_of_known(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of the finite values; NaN where there is none."""
    known = np.isfinite(values)
    return ratio(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1))
