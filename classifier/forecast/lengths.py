"""Objects of similar numbers of images, so that short sequences do not cost what long ones do.

A schedule with deep drilling fields has sequences of tens and of many hundreds of images. Arrays
of objects end with the longest sequence among them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulator.simulator import Simulator

SPLIT = "test"


class Chunk(NamedTuple):
    """Objects that are simulated together.

    ``places`` are increasing places among the objects asked for, and ``simulator`` makes arrays as
    long as their longest sequence, rounded up.
    """

    simulator: Simulator
    places: np.ndarray


def in_chunks(
    simulator: Simulator, indices: np.ndarray, *, step: int, images: int, most: int
) -> list[Chunk]:
    """The objects ``indices`` in chunks, from the longest sequences to the shortest.

    Parameters
    ----------
    simulator : Simulator
    indices : numpy.ndarray of int, shape (object,)
    step : int
        Arrays have a multiple of so many epochs, or as many as the longest sequence of all.
    images : int
        So many images at most in a chunk, padded ones too, if that is one object at least.
    most : int
        So many objects at most in a chunk.
    """
    n_epochs = simulator.pointings.n_epochs[simulator.pointing_numbers(SPLIT, indices)]
    order, found = np.argsort(-n_epochs.astype(int), kind="stable"), []
    while order.size:
        length = min(-(-int(n_epochs[order[0]]) // step) * step, simulator.n_epochs)
        size = max(min(most, images // length), 1)
        found.append(Chunk(simulator.of_length(length), np.sort(order[:size])))
        order = order[size:]
    return found
