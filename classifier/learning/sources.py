"""Where training sequences come from: a data set, or a simulator that never repeats itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from classifier.errors import ClassifierError
from classifier.inputs import Inputs, inputs_of
from classifier.showing import Showing, ShownSplit
from classifier.stamps import BLOCK_OBJECTS, Split, stamps_of
from classifier.windows import StartLaw
from simulator.dataset.again import simulator_of
from simulator.errors import SimulationError


@dataclass
class StoredSource:
    """Objects of a split, block by block, in an order shuffled anew for every pass.

    Parameters
    ----------
    split : Split
    showing : Showing
    seed : int
    batch : int
        Blocks are a multiple of it; what is left over at the end of the split is not used.

    Raises
    ------
    ClassifierError
        The split is smaller than one batch.
    """

    split: Split
    showing: Showing
    seed: int
    batch: int
    _shown: ShownSplit = field(init=False, repr=False)

    def __post_init__(self):
        self._shown = ShownSplit(self.split, self.showing)
        size = max(BLOCK_OBJECTS // self.batch, 1) * self.batch
        edges = [*range(0, len(self.split), size), len(self.split)]
        self._blocks = [(a, b) for a, b in pairwise(edges) if b - a >= self.batch]
        if not self._blocks:
            raise ClassifierError(
                f"{self.split.path}/{self.split.name} has {len(self.split)} objects, fewer than "
                f"one batch of {self.batch}. Give a smaller --batch or more data."
            )

    def sizes(self, number_of_pass: int) -> list[int]:
        """Batches of the blocks of a pass, in its order."""
        return [(end - first) // self.batch for first, end in self._ordered(number_of_pass)]

    def block(self, number_of_pass: int, number: int) -> tuple[Inputs, np.ndarray]:
        """Inputs and labels of a block of a pass."""
        first, end = self._ordered(number_of_pass)[number]
        return inputs_of(self._shown.stamps(first, end)), self.split.labels[first:end]

    def _ordered(self, number_of_pass):
        order = np.random.default_rng([self.seed, number_of_pass, 1]).permutation(len(self._blocks))
        return [self._blocks[i] for i in order]


@dataclass
class EndlessSource:
    """Sequences simulated as they are asked for: those of a data set, and on beyond its end.

    Parameters
    ----------
    split : Split
        Training split of a simulated data set.
    showing : Showing
    seed : int
        Another seed than 0 starts elsewhere in the sequence of objects.
    batch : int

    Raises
    ------
    ClassifierError
        The data were not simulated, or cannot be made again.
    """

    split: Split
    showing: Showing
    seed: int
    batch: int

    def __post_init__(self):
        try:
            self._simulator = simulator_of(self.split.path)
        except SimulationError as error:
            raise ClassifierError(f"--on-the-fly: {error}") from None
        if self.seed >= MOST_SEEDS:
            raise ClassifierError(f"--on-the-fly: --seed {self.seed}; allowed: below {MOST_SEEDS}.")
        self._size = max(BLOCK_OBJECTS // self.batch, 1) * self.batch
        self._law = StartLaw(self.showing.start_fractions)

    def sizes(self, number_of_pass: int) -> list[int]:
        """Every pass is one block, and no two are alike."""
        return [self._size // self.batch]

    def block(self, number_of_pass: int, number: int) -> tuple[Inputs, np.ndarray]:
        """Inputs and labels of a block."""
        first = (self.seed * _OBJECTS_PER_SEED) + number_of_pass * self._size
        made = self._simulator.batch("train", np.arange(first, first + self._size))
        objects, profile = made.objects, self._simulator.profile
        stamps = stamps_of(made.images, made.mask, {**made.epochs, **objects}, profile)
        starts = self._law.starts(objects["first_alert_epoch"], objects["n_epochs"])
        shown = self.showing.of(stamps, starts, profile, self._simulator.band_names)
        return inputs_of(shown), objects["label"].astype(int)


_OBJECTS_PER_SEED = 10**9
MOST_SEEDS = 72_000_000  # then the simulator runs out of addresses
Source = StoredSource | EndlessSource
