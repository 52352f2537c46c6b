"""Scores of real detections against artefacts, of models that have the class BOGUS.

A detection is real with the probability 1 - p(BOGUS), and called real where that exceeds 0.5. A
positive is a real detection: a false positive is an artefact that is called real, a false negative
a real one that is called an artefact, as in Cabrera-Vives et al. 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import det_curve

from classifier.evaluation.bootstrap import Estimates, PackedWeights, sums_by_place
from classifier.evaluation.error_rates import Weights, true_positive_rates
from classifier.evaluation.magnitude_bins import bin_of, magnitude_bins
from classifier.evaluation.metrics import ratio
from skyreel.errors import EvaluationError
from survey_profiles.physical_ranges import filled

BOGUS = "BOGUS"
FALSE_POSITIVE_RATES = (1e-2, 5e-3, 1e-3)
"""Of table 3 of Cabrera-Vives et al. 2017."""
SCORES = ("accuracy", "precision", "recall", "f1")
_CURVE_POINTS = 400
_CALLED_REAL = 0.5


@dataclass(frozen=True)
class DetCurve:
    """Error rates at every threshold (Martin et al. 1997), arrays (point,) by rising threshold.

    Long curves are thinned to about 400 points, evenly in the logarithm of the false positives.
    """

    false_positive_rate: np.ndarray
    false_negative_rate: np.ndarray

    @classmethod
    def of(cls, is_real: np.ndarray, score: np.ndarray) -> DetCurve:
        """Of objects (object,) and a score that rises with p(real); empty if a kind is absent."""
        if is_real.all() or not is_real.any():
            return cls(np.empty(0), np.empty(0))
        false_positive, false_negative, _ = det_curve(is_real, score)
        size, n_bogus = false_positive.size, int((~is_real).sum())
        allowed = np.geomspace(1, n_bogus, _CURVE_POINTS).round() / n_bogus
        first = size - np.searchsorted(false_positive[::-1], allowed, side="right")
        kept = np.unique(np.minimum([*first, size], size - 1))
        return cls(false_positive[kept], false_negative[kept])


@dataclass(frozen=True)
class RealBogus:
    """Scores of real detections against artefacts, after all images.

    Attributes
    ----------
    n_real, n_bogus : int
    false_positive_rates : numpy.ndarray, shape (rate,)
    allowed : numpy.ndarray of int, shape (rate,)
        Artefacts that may be called real at each rate. With none the rate is not resolved.
    thresholds : numpy.ndarray, shape (rate,)
        Detections of a larger p(real) are called real; NaN where the rate is not resolved.
    total : Estimates
        ``accuracy``, ``precision``, ``recall`` and ``f1`` (), of real detections; and
        ``false_negative_rate`` (rate,), the smallest whose false-positive rate is at most that
        asked for. Every resample has thresholds of its own.
    curve : DetCurve
    bins : numpy.ndarray, shape (bin, 2)
    n_real_in_bins, n_bogus_in_bins : numpy.ndarray of int, shape (bin,)
    in_bins : Estimates
        The same scores (bin,), with ``false_negative_rate`` and ``false_positive_rate``
        (bin, rate) at ``thresholds``.
    """

    n_real: int
    n_bogus: int
    false_positive_rates: np.ndarray
    allowed: np.ndarray
    thresholds: np.ndarray
    total: Estimates
    curve: DetCurve
    bins: np.ndarray
    n_real_in_bins: np.ndarray
    n_bogus_in_bins: np.ndarray
    in_bins: Estimates


def real_bogus(
    is_real: np.ndarray,
    p_bogus: np.ndarray,
    weights: Weights,
    *,
    values: np.ndarray,
    bins: np.ndarray,
    rates: Sequence[float] = FALSE_POSITIVE_RATES,
) -> RealBogus:
    """Score probabilities of being an artefact.

    Parameters
    ----------
    is_real : numpy.ndarray of bool, shape (object,)
    p_bogus : numpy.ndarray, shape (object,)
    weights : numpy.ndarray or PackedWeights, shape (object, 1 + n_bootstrap)
        Of the sample, then of its resamples.
    values : numpy.ndarray, shape (object,)
        By which objects are binned: magnitudes, or signal-to-noise ratios; NaN where unknown.
    bins : numpy.ndarray, shape (bin, 2)
        Each includes its lower and excludes its upper edge.
    rates : sequence of float
        False-positive rates.
    """
    is_real, score = np.asarray(is_real, dtype=bool), -np.asarray(p_bogus, dtype=float)
    rates = np.asarray(rates, dtype=float)
    n_bogus = int((~is_real).sum())
    limits = _limits(is_real, score, rates)
    where, called_real = bin_of(np.asarray(values), bins), score > -_CALLED_REAL
    total = _two_class_scores(_confusion(np.zeros(len(score), int), is_real, called_real, weights))
    caught = true_positive_rates(score, is_real, weights, rates)
    binned = _confusion(where, is_real, called_real, weights, len(bins))
    at_limits = [_confusion(where, is_real, score > x, weights, len(bins)) for x in limits]
    counts = binned[0].sum(axis=2).astype(int)
    return RealBogus(
        n_real=len(is_real) - n_bogus,
        n_bogus=n_bogus,
        false_positive_rates=rates,
        allowed=_allowed(n_bogus, rates),
        thresholds=1 + limits,
        total=Estimates.of(
            {**{k: v[:, 0] for k, v in total.items()}, "false_negative_rate": 1 - caught}
        ),
        curve=DetCurve.of(is_real, score),
        bins=np.asarray(bins),
        n_real_in_bins=counts[:, 1],
        n_bogus_in_bins=counts[:, 0],
        in_bins=Estimates.of({**_two_class_scores(binned), **_rates_in_bins(at_limits, limits)}),
    )


def real_bogus_of(
    p_bogus: ArrayLike,
    is_real: ArrayLike,
    *,
    values: ArrayLike | None = None,
    edges: ArrayLike | None = None,
    rates: Sequence[float] = FALSE_POSITIVE_RATES,
    n_bootstrap: int = 200,
    seed: int = 0,
) -> RealBogus:
    """Score predictions of any program, by any ``values`` (object,) in bins between ``edges``.

    Raises
    ------
    EvaluationError
        Arrays of different lengths, no object, or numbers out of range.

    Examples
    --------
    >>> scores = real_bogus_of([0.1, 0.2, 0.9], [True, True, False], rates=[0.5])
    >>> float(scores.total.values["accuracy"]), int(scores.allowed[0])
    (1.0, 0)
    """
    is_real, p_bogus = np.asarray(is_real, dtype=bool), filled(p_bogus)
    known = np.full(is_real.shape, np.nan) if values is None else filled(values)
    if not is_real.ndim == 1 or {p_bogus.shape, known.shape} != {is_real.shape}:
        raise EvaluationError(
            f"real_bogus_of: p_bogus {p_bogus.shape}, is_real {is_real.shape} and values "
            f"{known.shape} need one number for each object."
        )
    if not is_real.size or not ((p_bogus >= 0) & (p_bogus <= 1)).all():
        raise EvaluationError("real_bogus_of: give probabilities within [0, 1], one at least.")
    if not all(0 < rate < 1 for rate in rates):
        raise EvaluationError(
            f"real_bogus_of: rates {tuple(rates)}; they must lie between 0 and 1."
        )
    bins = magnitude_bins(known, edges) if edges is not None else np.empty((0, 2))
    weights = PackedWeights(np.zeros(is_real.size, int), n_bootstrap=n_bootstrap, seed=seed)
    return real_bogus(is_real, p_bogus, weights, values=known, bins=bins, rates=rates)


def _allowed(n_bogus, rates):
    return np.floor(rates * n_bogus + 1e-9).astype(int)


def _limits(is_real, score, rates):
    """Scores of the artefacts that are the first beyond the allowed ones, NaN without any."""
    bogus = np.sort(score[~is_real])[::-1]
    allowed = _allowed(bogus.size, rates)
    resolved = (allowed > 0) & (allowed < bogus.size)
    found = np.full(len(rates), np.nan)
    found[resolved] = bogus[allowed[resolved]]
    return found


def _confusion(place, is_real, called_real, weights, n_places=1):
    """Sums of weights (column, place, true kind, called kind); kind 1 is real."""
    cell = np.where(place >= 0, 4 * place + 2 * is_real + called_real, -1)
    return sums_by_place(cell, 4 * n_places, weights).reshape(weights.shape[1], n_places, 2, 2)


def _two_class_scores(sums):
    correct, found = sums[..., 0, 0] + sums[..., 1, 1], sums[..., 1, 1]
    n_real, n_called = sums[..., 1, :].sum(axis=-1), sums[..., :, 1].sum(axis=-1)
    return {
        "accuracy": ratio(correct, sums.sum(axis=(-2, -1))),
        "precision": ratio(found, n_called),
        "recall": ratio(found, n_real),
        "f1": ratio(2 * found, n_real + n_called),
    }


def _rates_in_bins(at_limits, limits):
    """Both error rates (column, bin, rate); NaN where a rate is not resolved."""
    sums = np.stack(at_limits, axis=2)
    known = np.isfinite(limits)
    shares = {
        "false_negative_rate": ratio(sums[..., 1, 0], sums[..., 1, :].sum(axis=-1)),
        "false_positive_rate": ratio(sums[..., 0, 1], sums[..., 0, :].sum(axis=-1)),
    }
    return {name: np.where(known, share, np.nan) for name, share in shares.items()}
