"""Which class, pointing and detector every object of a data set has.

Objects are counted from zero in each split; an object's address adds the split, so that the
three splits share nothing.
"""

from __future__ import annotations

import numpy as np

from simulator.errors import SimulationError
from simulator.randomness import Draws, Purpose

SPLITS = ("train", "validation", "test")
_SPLIT_SHIFT = 56


def addresses(split: str, indices):
    """Addresses of objects of a split, uint64, shape (object,).

    Raises
    ------
    SimulationError
        An unknown split, or an index that is not a whole number from 0 on.
    """
    if split not in SPLITS:
        raise SimulationError(f"split {split!r}; allowed are {', '.join(SPLITS)}.")
    indices = np.asarray(indices)
    whole = indices.size == 0 or np.issubdtype(indices.dtype, np.integer)
    if not whole or (indices < 0).any() or (indices >= 2**_SPLIT_SHIFT).any():
        raise SimulationError(
            f"indices of objects are whole numbers from 0 on, not {indices.ravel()[:3].tolist()}."
        )
    return indices.astype(np.uint64) + np.uint64(SPLITS.index(split) << _SPLIT_SHIFT)


def class_numbers(seed, split, indices, cycle):
    """Class of every object: each round of ``len(cycle)`` objects is a shuffled ``cycle``."""
    indices = np.asarray(indices, dtype=np.int64)
    length = len(cycle)
    rounds, inverse = np.unique(indices // length, return_inverse=True)
    order = np.argsort(_round_draws(seed, split, rounds, length), axis=1)
    return np.asarray(cycle)[order[inverse, indices % length]]


def _round_draws(seed, split, rounds, length):
    return Draws(seed, addresses(split, rounds), Purpose.CLASS).uniforms(length)
