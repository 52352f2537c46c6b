"""True-positive rates at given false-positive rates, in resamples of the objects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from classifier.evaluation.bootstrap import PackedWeights, weight_columns
from classifier.evaluation.metrics import ratio

Weights = np.ndarray | PackedWeights
_ROUNDING = 1e-9  # of a product that is a whole number


def true_positive_rates(
    score: np.ndarray, positive: np.ndarray, weights: Weights, rates: Sequence[float]
) -> np.ndarray:
    """True-positive rates at false-positive rates, (column, rate).

    The threshold is the highest score of an object of another class beyond the allowed ones.
    NaN where there are too few objects of other classes for one to be allowed.

    Parameters
    ----------
    score : numpy.ndarray, shape (object,)
        Probability of the class; -1 where there is no prediction.
    positive : numpy.ndarray of bool, shape (object,)
    weights : numpy.ndarray or PackedWeights, shape (object, column)
    rates : sequence of float
    """
    others, own = np.flatnonzero(~positive), np.flatnonzero(positive)
    if not (others.size and own.size):
        return np.full((weights.shape[1], len(rates)), np.nan)
    others = others[np.argsort(-score[others], kind="stable")]
    own = own[np.argsort(-score[own], kind="stable")]
    parts = [_rates_of(score, others, own, part, rates) for part in weight_columns(weights)]
    return np.concatenate(parts)


def _rates_of(score, others, own, weights, rates):
    """The same for objects of other classes and of this one, each by decreasing score."""
    found = np.full((weights.shape[1], len(rates)), np.nan)
    above = np.cumsum(weights[others], axis=0)
    caught = np.concatenate([np.zeros((1, weights.shape[1])), np.cumsum(weights[own], axis=0)])
    columns = np.arange(weights.shape[1])
    for k, rate in enumerate(rates):
        if rate * others.size < 1 - _ROUNDING:
            continue
        first = (above <= rate * above[-1] + _ROUNDING).sum(axis=0)
        limit = score[others[np.minimum(first, others.size - 1)]]
        n_own = np.searchsorted(-score[own], -limit, side="left")
        found[:, k] = ratio(caught[n_own, columns], caught[-1])
    return found
