"""Batches by number: batch i depends on the source, the seed and i alone.

So a run that continues after a stop gets the batches it would have got. Blocks are read or
simulated by a thread while the network trains on the one before.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from classifier.network_inputs import Inputs
from classifier.training.sources import Source

_AHEAD = 2  # blocks
_SHUFFLE, _ROTATE = 2, 3  # keep draws apart


@dataclass(frozen=True)
class Batches:
    """Batches without end.

    Parameters
    ----------
    source : Source
    rotate : bool
        Whether every sequence gets one of eight orientations at random.
    """

    source: Source
    rotate: bool = True

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
        """(pass, block, batches to skip) from a batch on."""
        whole_pass = sum(self.source.sizes(0))
        number_of_pass, left = divmod(number, whole_pass)
        while True:
            for block, size in enumerate(self.source.sizes(number_of_pass)):
                if left < size:
                    yield number_of_pass, block, left
                left = max(left - size, 0)
            number_of_pass += 1

    def block(
        self, number_of_pass: int, number: int, skipped: int
    ) -> list[tuple[Inputs, np.ndarray]]:
        """The batches of one block of a pass, without the first ``skipped``."""
        inputs, labels = self.source.block(number_of_pass, number)
        key, size = [self.source.seed, number_of_pass, number], self.source.batch
        order = np.random.default_rng([*key, _SHUFFLE]).permutation(len(labels))
        orientations = np.random.default_rng([*key, _ROTATE]).integers(8, size=len(labels))
        found = []
        for k in range(skipped, len(labels) // size):
            rows = order[k * size : (k + 1) * size]
            batch = inputs.of(rows)
            batch = batch.rotated(orientations[rows]) if self.rotate else batch
            found.append((batch, labels[rows]))
        return found
