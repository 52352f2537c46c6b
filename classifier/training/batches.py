"""Batches by number: batch i depends on the source, the seed and i alone.

So a run that goes on after a stop sees what it would have seen. Blocks are read or simulated by a
thread while the network learns from the one before.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from classifier.network_inputs import Inputs
from classifier.training.sources import Source

_AHEAD = 2  # blocks
_SHUFFLE, _TURN = 2, 3  # keep draws apart


@dataclass(frozen=True)
class Batches:
    """An endless row of batches.

    Parameters
    ----------
    source : Source
    turned : bool
        Whether every sequence is rotated and mirrored, one of eight ways at random.
    """

    source: Source
    turned: bool = True

    def starting_at(self, number: int) -> Iterator[tuple[Inputs, np.ndarray]]:
        """Batch ``number`` and those after it: inputs, and labels (-1 where unknown)."""
        places = self._places(number)
        with ThreadPoolExecutor(_AHEAD) as pool:
            waiting = [pool.submit(self.block, *next(places)) for _ in range(_AHEAD)]
            try:
                while True:
                    yield from waiting.pop(0).result()
                    waiting.append(pool.submit(self.block, *next(places)))
            finally:
                for task in waiting:
                    task.cancel()

    def _places(self, number):
        """(pass, block, batches to leave out) from a batch on."""
        whole_pass = sum(self.source.sizes(0))
        number_of_pass, left = divmod(number, whole_pass)
        while True:
            for block, size in enumerate(self.source.sizes(number_of_pass)):
                if left < size:
                    yield number_of_pass, block, left
                left = max(left - size, 0)
            number_of_pass += 1

    def block(self, number_of_pass: int, number: int, left_out: int) -> list:
        """The batches of one block of a pass, without the first ``left_out``."""
        inputs, labels = self.source.block(number_of_pass, number)
        key, size = [self.source.seed, number_of_pass, number], self.source.batch
        order = np.random.default_rng([*key, _SHUFFLE]).permutation(len(labels))
        turns = np.random.default_rng([*key, _TURN]).integers(8, size=len(labels))
        found = []
        for k in range(left_out, len(labels) // size):
            rows = order[k * size : (k + 1) * size]
            batch = inputs.of(rows)
            found.append((batch.turned(turns[rows]) if self.turned else batch, labels[rows]))
        return found
