"""Bootstrap errors (Efron 1979, doi:10.1214/aos/1176344552).

A resample is a column of weights: how often it contains each object. Column 0 is the sample itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from classifier.evaluation.metrics import Scores, ratio


def resampling_weights(strata: ArrayLike, *, n_bootstrap: int, seed: int) -> np.ndarray:
    """Weights (object, 1 + n_bootstrap), as float64.

    Objects are drawn with replacement among those of equal ``strata`` (object,). The draws depend
    on the seed and the order of the objects alone.
    """
    strata = np.asarray(strata)
    rng = np.random.default_rng(seed)
    weights = np.ones((strata.size, 1 + n_bootstrap))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        for column in range(1, 1 + n_bootstrap):
            drawn = rng.integers(members.size, size=members.size)
            weights[members, column] = np.bincount(drawn, minlength=members.size)
    return weights


def spread(values: ArrayLike) -> np.ndarray:
    """Standard deviation of the resamples ``values[1:]`` in which the value is defined.

    NaN where it is defined in fewer than two.
    """
    resamples = np.asarray(values)[1:]
    known = np.isfinite(resamples)
    n = known.sum(axis=0)
    mean = ratio(np.where(known, resamples, 0.0).sum(axis=0), n)
    squares = np.where(known, (np.where(known, resamples, 0.0) - mean) ** 2, 0.0).sum(axis=0)
    return np.sqrt(ratio(squares, np.maximum(n - 1, 0)))


def estimate_and_error(scores: Scores) -> tuple[Scores, Scores]:
    """Scores of the sample, and their errors, from scores (1 + n_bootstrap, ...)."""
    return scores.at(0), scores.mapped(spread)
