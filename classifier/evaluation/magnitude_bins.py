"""Magnitude bins, and the recall for a magnitude distribution common to all classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from classifier.evaluation.bootstrap import spread
from classifier.evaluation.metrics import Scores, mean_of_known, ratio
from skyreel.errors import EvaluationError
from survey_profiles.physical_ranges import filled

OBJECTS_PER_BIN = 20  # a whole magnitude with fewer is not a bin
OBJECTS_PER_CLASS = 5  # in every bin of the matched recall


@dataclass(frozen=True)
class MatchedRecall:
    """Recall if all classes had the same distribution of magnitudes.

    Attributes
    ----------
    mean_recall, mean_recall_error : float
    recall, recall_error : numpy.ndarray, shape (class,)
        NaN for classes without objects.
    bins : numpy.ndarray of bool, shape (bin,)
        Magnitude bins it is averaged over.
    weight : numpy.ndarray, shape (bin,)
        Common distribution: the mean of the distributions of the classes over these bins.
    """

    mean_recall: float
    mean_recall_error: float
    recall: np.ndarray
    recall_error: np.ndarray
    bins: np.ndarray
    weight: np.ndarray


def magnitude_bins(magnitude: np.ndarray, edges: ArrayLike | None = None) -> np.ndarray:
    """Bins (bin, 2), each including its lower and excluding its upper edge.

    Without ``edges``, the whole magnitudes with at least 20 objects.

    Raises
    ------
    EvaluationError
        Edges that are not finite, not increasing, or fewer than two.
    """
    if edges is None:
        known = magnitude[np.isfinite(magnitude)]
        low, count = np.unique(np.floor(known), return_counts=True)
        low = low[count >= OBJECTS_PER_BIN].astype(float)
        return np.stack([low, low + 1], axis=1)
    edges = filled(edges)
    if edges.ndim != 1 or edges.size < 2 or not (np.diff(edges) > 0).all():
        raise EvaluationError(
            f"magnitude_edges {edges.tolist()}; give two or more, in increasing order."
        )
    if not np.isfinite(edges).all():
        raise EvaluationError(f"magnitude_edges {edges.tolist()}; they must be finite.")
    return np.stack([edges[:-1], edges[1:]], axis=1)


def bin_of(magnitude: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """Number of the bin of every object (object,); -1 outside all bins."""
    found = np.full(magnitude.shape, -1)
    for k, (low, high) in enumerate(bins):
        found[(magnitude >= low) & (magnitude < high)] = k
    return found


def matched_recall(scores: Scores) -> MatchedRecall | None:
    """Matched recall from scores (1 + n_bootstrap, bin), entry 0 being the sample.

    None if no bin has five objects of every class. The common distribution is that of the sample,
    for the resamples as well.
    """
    n = scores.n_by_class[0]
    present = n.sum(axis=0) > 0
    bins = (n[:, present] >= OBJECTS_PER_CLASS).all(axis=1) & present.any()
    if not bins.any():
        return None
    weight = np.where(bins[:, None], ratio(n, n[bins].sum(axis=0)), 0.0)[:, present].mean(axis=1)
    recall = _weighted(scores.recall, weight)
    mean = mean_of_known(recall)
    return MatchedRecall(
        float(mean[0]), float(spread(mean)), recall[0], spread(recall), bins, weight
    )


def _weighted(recall, weight):
    """Weighted mean over the bins (axis 1) with a defined recall."""
    known = np.isfinite(recall) & (weight > 0)[:, None]
    each = np.where(known, weight[:, None], 0.0)
    return ratio((np.where(known, recall, 0.0) * each).sum(axis=1), each.sum(axis=1))
