"""What a model knows of objects, laid out in two dimensions by t-SNE.

As figure 4.7 of Carrasco-Davis (2019): of a network, its memory after the last image; of a
forest, the six features that matter most to it. t-SNE is van der Maaten & Hinton (2008, JMLR 9).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, rankdata
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from classifier.dataset import DatasetSplit
from classifier.features.pipeline import FeaturePipeline
from classifier.models.forest.forest import Forest

MOST_OBJECTS = 2000
BEST_FEATURES = 6
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


def map_of(model, split: DatasetSplit, rows, *, threads: int) -> Map:
    """The map of some objects (rows of the split, increasing) that a model makes.

    Raises
    ------
    ClassifierError
        The objects cannot be read, or the model's files are damaged.
    """
    if isinstance(model, Forest):
        values, names = best_features(model, split, rows, threads=threads)
        return Map(f"best features: {', '.join(names)}", tsne(normal_ranks(values)))
    memory = model.hidden_states(split, rows)
    return Map(f"memory of {memory.shape[1]} units after the last image", tsne(memory))


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


def normal_ranks(values) -> np.ndarray:
    """Columns of values (object, feature) as normal deviates of their ranks, NaN as the median.

    Like a tree, this sees the order of values only, however long their tails.
    """
    rank = rankdata(values, axis=0, nan_policy="omit")
    n_known = np.isfinite(rank).sum(axis=0)
    return np.nan_to_num(norm.ppf((rank - 0.5) / np.maximum(n_known, 1)))


def best_features(forest: Forest, split: DatasetSplit, rows, *, threads: int):
    """The features (object, 6) that matter most to a forest after all images, and their names.

    Importance is the mean decrease of impurity; values are those of all images shown.
    """
    importances = forest.after(forest.largest).feature_importances_
    best = np.argsort(-importances, kind="stable")[:BEST_FEATURES]
    pipeline = FeaturePipeline(split, forest.config)

    def block(bounds):
        first, end = bounds
        curves = pipeline.light_curves(first, end).of(rows[(rows >= first) & (rows < end)] - first)
        return pipeline.features(curves, curves.n_epochs.astype(int))[:, best]

    needed = [(a, b) for a, b in split.blocks() if ((rows >= a) & (rows < b)).any()]
    with ThreadPoolExecutor(threads) as pool:
        values = np.concatenate(list(pool.map(block, needed)))
    return values, [forest.config.feature_names[k] for k in best]
