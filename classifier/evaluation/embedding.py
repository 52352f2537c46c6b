"""The embedding of objects by a model, mapped to two dimensions by t-SNE.

As figure 4.7 of Carrasco-Davis (2019). t-SNE is van der Maaten & Hinton (2008, JMLR 9).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from classifier.dataset import DatasetSplit
from classifier.models.protocol import Model

MOST_OBJECTS = 2000
LEAST_OBJECTS = 10  # fewer make no map
_PERPLEXITY = 30


@dataclass(frozen=True)
class Map:
    """Objects in two dimensions.

    ``shows`` describes the embedding. ``position`` is (object, 2), or None where there are too
    few objects or all have the same values.
    """

    shows: str
    position: np.ndarray | None


def balanced(labels: np.ndarray, *, most: int, seed: int) -> np.ndarray:
    """Sorted rows of objects, equally many of every class where possible, at most ``most``."""
    rng, present = np.random.default_rng(seed), np.unique(labels)
    share = most // present.size
    members = [rng.permutation(np.flatnonzero(labels == label))[:share] for label in present]
    return np.sort(np.concatenate(members))


def map_of(model: Model, split: DatasetSplit, rows: np.ndarray, *, threads: int) -> Map:
    """The map of some objects (increasing rows of the split) in the embedding of a model.

    Raises
    ------
    ClassifierError
        The objects cannot be read, or the model's files are damaged.
    """
    found = model.embedding(split, rows, threads=threads)
    return Map(found.description, tsne(found.values))


def tsne(values: ArrayLike) -> np.ndarray | None:
    """Positions (object, 2) of values (object, dimension).

    None for fewer than 10 objects or equal values. On one thread the result is reproducible.
    """
    values = np.asarray(values, dtype=np.float64)
    if len(values) < LEAST_OBJECTS or values.shape[1] < 2 or not np.ptp(values, axis=0).any():
        return None
    perplexity = min(_PERPLEXITY, (len(values) - 1) / 3)
    with threadpool_limits(1):
        return TSNE(init="pca", perplexity=perplexity, random_state=0).fit_transform(values)
