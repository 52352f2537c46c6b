"""Scores of predictions at several moments, with bootstrap errors over objects.

Precision, F1 and false-positive rates are those of a sample with as many objects of every class:
recall does not depend on the mix of classes, and the others follow from the rows of the confusion
matrix. An object without a prediction yet counts as not found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from classifier.evaluation.bootstrap import (
    Estimates,
    resampling_weights,
    spread,
    sums_by_place,
)
from classifier.evaluation.error_rates import true_positive_rates
from classifier.evaluation.metrics import mean_of_known, ratio

FALSE_POSITIVE_RATES = (1e-2, 1e-3, 1e-4)
BY_CLASS = ("recall", "purity", "f1")


def bootstrap_weights(label: np.ndarray, n_bootstrap: int, seed: int) -> np.ndarray:
    """Weights (object, 1 + n_bootstrap), uint8; every class is resampled by itself."""
    weights = np.ones((label.size, 1 + n_bootstrap), dtype=np.uint8)
    for number in np.unique(label):
        members = np.flatnonzero(label == number)
        alike = np.zeros(members.size)
        drawn = resampling_weights(alike, n_bootstrap=n_bootstrap, seed=seed + int(number))
        weights[members] = drawn
    return weights


def field_weights(field: np.ndarray, n_bootstrap: int, seed: int) -> np.ndarray:
    """Weights (object, 1 + n_bootstrap) of resamples of fields, with all objects of each.

    ``field`` (object,) numbers the fields.
    """
    _, place = np.unique(field, return_inverse=True)
    alike = np.zeros(place.max(initial=-1) + 1)
    drawn = resampling_weights(alike, n_bootstrap=n_bootstrap, seed=seed)
    return drawn[place].astype(np.uint8)


def predicted_class(probabilities: np.ndarray) -> np.ndarray:
    """The most probable class (...), -1 where there is no prediction, of (..., class)."""
    known = np.isfinite(probabilities).all(axis=-1)
    return np.where(known, np.nan_to_num(probabilities).argmax(axis=-1), -1)


def class_scores(
    predicted: np.ndarray, label: np.ndarray, weights: np.ndarray, n_classes: int
) -> dict[str, np.ndarray]:
    """Scores of predicted classes in every resample.

    Parameters
    ----------
    predicted, label : numpy.ndarray of int, shape (object,)
    weights : numpy.ndarray, shape (object, column)

    Returns
    -------
    dict of str to numpy.ndarray
        ``recall``, ``purity``, ``f1`` (column, class); ``macro_f1``, ``mean_recall`` (column,).
        NaN for a class without objects.
    """
    shares = confusion(predicted, label, weights, n_classes)
    found = np.diagonal(shares, axis1=1, axis2=2)
    selected = np.nansum(shares, axis=1)
    f1 = ratio(2 * found, 1 + selected)
    f1 = np.where(np.isfinite(found), f1, np.nan)
    return {
        "recall": found,
        "purity": ratio(found, selected),
        "f1": f1,
        "macro_f1": mean_of_known(f1),
        "mean_recall": mean_of_known(found),
    }


def confusion(
    predicted: np.ndarray, label: np.ndarray, weights: np.ndarray, n_classes: int
) -> np.ndarray:
    """Share of each true class predicted as each class, (column, true class, predicted class).

    Objects without a prediction are in no cell, so rows may add up to less than 1.
    """
    known = np.flatnonzero(predicted >= 0)
    cells = sums_by_place(label[known] * n_classes + predicted[known], n_classes**2, weights[known])
    total = sums_by_place(label, n_classes, weights)
    return ratio(cells.reshape(-1, n_classes, n_classes), total[:, :, None])


def scores_in_time(probabilities: np.ndarray, label: np.ndarray, weights: np.ndarray) -> Estimates:
    """Scores at several moments: arrays (moment, class), and (moment,) of the mean scores.

    Parameters
    ----------
    probabilities : numpy.ndarray, shape (object, moment, class)
        NaN where an object has no prediction yet.
    """
    n_classes, parts = probabilities.shape[2], []
    for k in range(probabilities.shape[1]):
        p = probabilities[:, k]
        found = class_scores(predicted_class(p), label, weights, n_classes)
        score = np.where(np.isfinite(p), p, -1.0)
        rates = np.stack(
            [
                true_positive_rates(score[:, c], label == c, weights, FALSE_POSITIVE_RATES)
                for c in range(n_classes)
            ],
            axis=1,
        )
        named = {rate_name(r): rates[:, :, j] for j, r in enumerate(FALSE_POSITIVE_RATES)}
        parts.append(Estimates.of({**found, **named}))
    return Estimates(
        {name: np.stack([part.values[name] for part in parts]) for name in parts[0].values},
        {name: np.stack([part.errors[name] for part in parts]) for name in parts[0].errors},
    )


def rate_name(rate: float) -> str:
    """Name of the true-positive rate at a false-positive rate: ``tpr_at_fpr_0.001``."""
    return f"tpr_at_fpr_{rate:g}"


@dataclass(frozen=True)
class StableTime:
    """Time to a stable correct prediction of one class; NaN quartiles are never reached.

    ``quartiles`` and ``errors`` (3,) count the objects that never become stable as infinitely
    late.
    """

    quartiles: np.ndarray
    errors: np.ndarray
    never: float
    never_error: float
    n_objects: int

    @classmethod
    def of(cls, time: np.ndarray, weights: np.ndarray) -> StableTime:
        """Of times (object,), NaN for never, and weights (object, column)."""
        if not time.size:
            unknown = np.full(3, np.nan)
            return cls(unknown, unknown, np.nan, np.nan, 0)
        weights, late = weights.astype(np.float64), np.where(np.isnan(time), np.inf, time)
        order = np.argsort(late, kind="stable")
        share = np.cumsum(weights[order], axis=0) / weights.sum(axis=0)
        quartiles = []
        for quantile in (0.25, 0.5, 0.75):
            place = np.minimum((share < quantile - 1e-9).sum(axis=0), time.size - 1)
            quartiles.append(late[order][place])
        found = np.array(quartiles).T
        found = np.where(np.isinf(found), np.nan, found)
        never = (np.isnan(time).astype(float) @ weights) / weights.sum(axis=0)
        return cls(found[0], spread(found), float(never[0]), float(spread(never)), time.size)
