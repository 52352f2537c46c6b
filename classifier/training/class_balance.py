"""How unequal classes are treated in a training: which objects are drawn, with which weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

BALANCES = ("batches", "oversample", "undersample", "weights", "none")


def class_weights(labels: np.ndarray) -> np.ndarray:
    """Weights (object,) of mean 1 that give all classes the same sum."""
    _, place, count = np.unique(labels, return_inverse=True, return_counts=True)
    return (labels.size / count.size / count)[place].astype(np.float32)


def balanced_draws(
    labels: np.ndarray, balance: str, batch: int, seed: int
) -> Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]:
    """A function that draws rows and weights, each (batch,), from a random generator.

    Parameters
    ----------
    labels : array of int, shape (object,)
        -1: never drawn.
    balance : str
        As of `classifier.training.stamp_options.StampOptions`.
    batch : int
    seed : int
        Of the objects that "undersample" keeps.
    """
    known = np.flatnonzero(labels >= 0)
    weight = np.zeros(labels.size, dtype=np.float32)
    weight[known] = class_weights(labels[known])
    by_class = [np.flatnonzero(labels == k) for k in np.unique(labels[known])]
    if balance == "undersample":
        least, rng = min(map(len, by_class)), np.random.default_rng([seed, 0])
        known = np.sort(np.concatenate([rng.choice(rows, least, False) for rows in by_class]))
    chance = weight[known] / weight[known].sum(dtype=float) if balance == "oversample" else None
    ones = np.ones(batch, dtype=np.float32)

    def draw(rng):
        if balance == "batches":
            classes = rng.permutation(np.arange(batch) + rng.integers(len(by_class)))
            chosen = [by_class[k % len(by_class)] for k in classes]
            return np.array([rows[int(rng.random() * rows.size)] for rows in chosen]), ones
        rows = rng.choice(known, batch, p=chance)
        return rows, weight[rows] if balance == "weights" else ones

    return draw
