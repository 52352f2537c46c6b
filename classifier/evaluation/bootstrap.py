"""Bootstrap errors (Efron 1979, doi:10.1214/aos/1176344552).

A resample is a column of weights: how often it contains each object. Column 0 is the sample itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

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


class PackedWeights:
    """The same weights in half a byte each: 100 bytes of an object for 200 resamples.

    Parameters
    ----------
    strata, n_bootstrap, seed
        As in `resampling_weights`.
    """

    def __init__(self, strata: ArrayLike, *, n_bootstrap: int, seed: int) -> None:
        self._n_columns = 1 + n_bootstrap
        n = np.asarray(strata).size
        self._packed = np.zeros((n, (self._n_columns + 1) // 2), dtype=np.uint8)
        self._larger: dict[int, np.ndarray] = {}  # columns with a weight beyond four bits
        for column, weights in _columns(strata, n_bootstrap=n_bootstrap, seed=seed):
            if weights.max(initial=0) > _LARGEST:
                self._larger[column] = weights
            half = np.minimum(weights, _LARGEST).astype(np.uint8)
            self._packed[:, column // 2] |= half << (4 * (column % 2))

    @property
    def shape(self) -> tuple[int, int]:
        """Objects and columns."""
        return len(self._packed), self._n_columns

    def between(self, first: int, end: int) -> np.ndarray:
        """Weights (object, column) of the columns ``first`` to ``end``, as float64."""
        columns = range(first, min(end, self._n_columns))
        found = np.empty((len(self._packed), len(columns)))
        for place, column in enumerate(columns):
            found[:, place] = (self._packed[:, column // 2] >> (4 * (column % 2))) & 0xF
            if column in self._larger:
                found[:, place] = self._larger[column]
        return found

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Weights (object, 1 + n_bootstrap) of some of the objects, as float64."""
        packed = self._packed[rows]
        both = np.stack([packed & 0xF, packed >> 4], axis=2).reshape(
            len(packed), 2 * packed.shape[1]
        )
        found = both[:, : self._n_columns].astype(np.float64)
        for column, weights in self._larger.items():
            found[:, column] = weights[rows]
        return found


_LARGEST = 15
_MOST_WEIGHTS = 8_000_000  # as float64 at a time


def weight_columns(weights: np.ndarray | PackedWeights) -> Iterator[np.ndarray]:
    """Parts of weights (object, column) as float64, of so many columns that they fit in memory."""
    n_objects, n_columns = weights.shape
    most = max(_MOST_WEIGHTS // max(n_objects, 1), 1)
    for first in range(0, n_columns, most):
        if isinstance(weights, PackedWeights):
            yield weights.between(first, first + most)
        else:
            yield weights[:, first : first + most].astype(np.float64)


def sums_by_place(
    place: np.ndarray, n_places: int, weights: np.ndarray | PackedWeights
) -> np.ndarray:
    """Sums (column, place) of the weights (object, column) of objects in places (object,).

    Objects in place -1 are in no sum.
    """
    rows = np.flatnonzero(place >= 0)
    index = place[rows], rows
    matrix = csr_array((np.ones(rows.size), index), shape=(n_places, len(place)))
    return np.concatenate([(matrix @ part).T for part in weight_columns(weights)])


def _columns(strata, *, n_bootstrap, seed):
    """(column, weights (object,)) of all columns, with the draws of `resampling_weights`.

    With several strata the draws of one follow those of another, so all columns of all are drawn
    at once.
    """
    strata = np.asarray(strata)
    if np.unique(strata).size > 1:
        yield from enumerate(resampling_weights(strata, n_bootstrap=n_bootstrap, seed=seed).T)
        return
    rng, n = np.random.default_rng(seed), strata.size
    yield 0, np.ones(n)
    for column in range(1, 1 + n_bootstrap):
        yield column, np.bincount(rng.integers(n, size=n), minlength=n) if n else np.ones(n)


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
