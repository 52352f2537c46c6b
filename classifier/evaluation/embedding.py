"""The embedding of objects by a model, mapped to two dimensions by t-SNE.

As figure 4.7 of Carrasco-Davis (2019). t-SNE is van der Maaten & Hinton (2008, JMLR 9).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
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

    ``position`` is (object, 2), None where there are too few objects or all are alike; ``shows``
    says what it is a map of.
    """

    shows: str
    position: np.ndarray | None


def balanced(labels, *, most: int, seed: int) -> np.ndarray:
    """Rows of objects, as many of every class as there are, ``most`` in all; in order."""
    rng, present = np.random.default_rng(seed), np.unique(labels)
    share = most // present.size
    members = [rng.permutation(np.flatnonzero(labels == label))[:share] for label in present]
    return np.sort(np.concatenate(members))


def map_of(model: Model, split: DatasetSplit, rows: np.ndarray, *, threads: int) -> Map:
    """The map of some objects (rows of the split, increasing) that a model makes.

    Raises
    ------
    ClassifierError
        The objects cannot be read, or the model's files are damaged.
    """
    found = model.embedding(split, rows, threads=threads)
    return Map(found.description, tsne(found.values))


def tsne(values) -> np.ndarray | None:
    """Positions (object, 2) of values (object, dimension); None for less than 10 objects.

    None, too, for objects that are all alike. On one thread, so that the result is always the
    same.
    """
    values = np.asarray(values, dtype=np.float64)
    if len(values) < LEAST_OBJECTS or values.shape[1] < 2 or not np.ptp(values, axis=0).any():
        return None
    perplexity = min(_PERPLEXITY, (len(values) - 1) / 3)
    with threadpool_limits(1):
        return TSNE(init="pca", perplexity=perplexity, random_state=0).fit_transform(values)
