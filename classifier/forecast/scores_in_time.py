"""Scores of predictions at several moments, with bootstrap errors over objects.

Precision, F1 and false-positive rates are those of a sample with as many objects of every class:
recall does not depend on the mix of classes, and the others follow from the rows of the confusion
matrix. An object without a prediction yet counts as not found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from classifier.evaluation.bootstrap import resampling_weights, spread
from classifier.evaluation.metrics import mean_of_known, ratio

_MOST_WEIGHTS = 8_000_000  # converted at a time
FALSE_POSITIVE_RATES = (1e-2, 1e-3, 1e-4)
BY_CLASS = ("recall", "purity", "f1")


@dataclass(frozen=True)
class Estimates:
    """Values and standard errors by name, arrays of equal shapes, NaN where undefined."""

    values: Mapping[str, np.ndarray]
    errors: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, resampled: Mapping[str, np.ndarray]) -> Estimates:
        """Of arrays (1 + n_bootstrap, ...): the sample itself, then its resamples."""
        return cls(
            {k: v[0] for k, v in resampled.items()}, {k: spread(v) for k, v in resampled.items()}
        )


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


def _columns(weights):
    """Parts of weights (object, column) as float64, of so many columns that they fit in memory."""
    most = max(_MOST_WEIGHTS // max(len(weights), 1), 1)
    for first in range(0, weights.shape[1], most):
        yield weights[:, first : first + most].astype(np.float64)


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
    cells = _sums(label[known] * n_classes + predicted[known], n_classes**2, weights[known])
    total = _sums(label, n_classes, weights)
    return ratio(cells.reshape(-1, n_classes, n_classes), total[:, :, None])


def _sums(place, n_places, weights):
    """Sums of weights by place, (column, place)."""
    n = len(place)
    matrix = csr_array((np.ones(n), (place, np.arange(n))), shape=(n_places, n))
    return np.concatenate([(matrix @ part).T for part in _columns(weights)])


def true_positive_rates(
    score: np.ndarray, positive: np.ndarray, weights: np.ndarray, rates: Sequence[float]
) -> np.ndarray:
    """True-positive rates at false-positive rates, (column, rate).

    The threshold is the highest score of an object of another class beyond the allowed ones.
    NaN where there are too few objects of other classes for one to be allowed.

    Parameters
    ----------
    score : numpy.ndarray, shape (object,)
        Probability of the class; -1 where there is no prediction.
    positive : numpy.ndarray of bool, shape (object,)
    weights : numpy.ndarray, shape (object, column)
    """
    others, own = np.flatnonzero(~positive), np.flatnonzero(positive)
    if not (others.size and own.size):
        return np.full((weights.shape[1], len(rates)), np.nan)
    others = others[np.argsort(-score[others], kind="stable")]
    own = own[np.argsort(-score[own], kind="stable")]
    parts = [_rates_of(score, others, own, part, rates) for part in _columns(weights)]
    return np.concatenate(parts)


def _rates_of(score, others, own, weights, rates):
    """The same for objects of other classes and of this one, each by decreasing score."""
    found = np.full((weights.shape[1], len(rates)), np.nan)
    above = np.cumsum(weights[others], axis=0)
    caught = np.concatenate([np.zeros((1, weights.shape[1])), np.cumsum(weights[own], axis=0)])
    columns = np.arange(weights.shape[1])
    for k, rate in enumerate(rates):
        if rate * others.size < 1:
            continue
        first = (above <= rate * above[-1]).sum(axis=0)
        limit = score[others[np.minimum(first, others.size - 1)]]
        n_own = np.searchsorted(-score[own], -limit, side="left")
        found[:, k] = ratio(caught[n_own, columns], caught[-1])
    return found


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
