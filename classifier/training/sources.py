"""Sources of training sequences: a data set, or a simulator that never repeats a sequence."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from classifier.dataset import BLOCK_OBJECTS, DatasetSplit
from classifier.image_selection import ImageSelection, SelectedSplit, SequenceStartDistribution
from classifier.network_inputs import Inputs, inputs_of
from classifier.registration import LANCZOS_ORDER
from classifier.stamp_batch import stamp_batch_of
from simulator.dataset.regenerate import simulator_of
from simulator.simulator import Simulator
from skyreel.errors import ClassifierError, SimulationError


@dataclass
class StoredSource:
    """Objects of a split, block by block, in an order shuffled anew for every pass.

    Parameters
    ----------
    split : DatasetSplit
    selection : ImageSelection
    seed : int
    batch : int
        Blocks are a multiple of it; the remainder at the end of the split is not used.

    Raises
    ------
    ClassifierError
        The split is smaller than one batch.
    """

    split: DatasetSplit
    selection: ImageSelection
    seed: int
    batch: int
    _selected: SelectedSplit = field(init=False, repr=False)

    def __post_init__(self):
        self._selected = SelectedSplit(self.split, self.selection)
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
        stamps = self._selected.stamps(first, end)
        inputs = inputs_of(stamps, multiband=self.selection.multiband)
        return inputs, self.split.labels[first:end]

    def _ordered(self, number_of_pass):
        order = np.random.default_rng([self.seed, number_of_pass, 1]).permutation(len(self._blocks))
        return [self._blocks[i] for i in order]


@dataclass
class EndlessSource:
    """Simulates the sequences of a data set and continues with higher indices.

    Parameters
    ----------
    simulator : simulator.simulator.Simulator
    selection : ImageSelection
    seed : int
        Another seed than 0 starts elsewhere in the sequence of objects.
    batch : int
    resampled : float
        Share of the sequences whose stamps are registered on their source by Lanczos
        resampling, as in difference pipelines.

    Raises
    ------
    ClassifierError
        A seed that is too large.
    """

    simulator: Simulator
    selection: ImageSelection
    seed: int
    batch: int
    resampled: float = 0.0
    _registering: Simulator = field(init=False, repr=False)

    def __post_init__(self):
        if self.seed >= MOST_SEEDS:
            raise ClassifierError(f"--on-the-fly: --seed {self.seed}; allowed: below {MOST_SEEDS}.")
        self._size = max(BLOCK_OBJECTS // self.batch, 1) * self.batch
        self._starts = SequenceStartDistribution(self.selection.start_fractions)
        self._registering = registering(self.simulator) if self.resampled else self.simulator

    @classmethod
    def like(
        cls,
        split: DatasetSplit,
        selection: ImageSelection,
        seed: int,
        batch: int,
        resampled: float = 0.0,
        condition_error: float = 0.0,
    ) -> EndlessSource:
        """Sequences like those of the training split of a simulated data set.

        Their conditions have errors of size ``condition_error``; 0: those of the data set.

        Raises
        ------
        ClassifierError
            The data were not simulated, or cannot be regenerated.
        """
        try:
            simulator = simulator_of(split.path)
            if condition_error:
                options = replace(simulator.options, condition_error=condition_error)
                simulator = Simulator(simulator.profile, options)
            return cls(simulator, selection, seed, batch, resampled)
        except SimulationError as error:
            raise ClassifierError(f"--on-the-fly: {error}") from None

    def sizes(self, number_of_pass: int) -> list[int]:
        """Batches of the one block of a pass; no two passes have the same sequences."""
        return [self._size // self.batch]

    def check_length(self, n_sequences: int) -> None:
        """Refuse more sequences than a seed has.

        Raises
        ------
        ClassifierError
        """
        if n_sequences > OBJECTS_PER_SEED - self._size:
            raise ClassifierError(
                f"--on-the-fly: {n_sequences:,} sequences (--iterations times --batch); a seed has "
                f"{OBJECTS_PER_SEED:,} before those of the next one are repeated."
            )

    def block(self, number_of_pass: int, number: int) -> tuple[Inputs, np.ndarray]:
        """Inputs and labels of a block."""
        first = (self.seed * OBJECTS_PER_SEED) + number_of_pass * self._size
        objects = np.arange(first, first + self._size)
        draws = np.random.default_rng([self.seed, number_of_pass, _REGISTER])
        chosen = draws.random(self._size) < self.resampled
        parts = [
            self._made(simulator, objects[rows])
            for simulator, rows in ((self.simulator, ~chosen), (self._registering, chosen))
            if rows.any()
        ]
        inputs, labels = zip(*parts, strict=True)
        return Inputs.joined(inputs), np.concatenate(labels)

    def _made(self, simulator, objects):
        made = simulator.batch("train", objects)
        known, profile = made.objects, simulator.profile
        arrays, planes = {**made.epochs, **made.planes, **known}, self.selection.planes
        stamps = stamp_batch_of(made.images, made.mask, arrays, profile, planes)
        starts = self._starts.starts(known["first_alert_epoch"], known["n_epochs"], objects)
        selected = self.selection.of(stamps, starts, profile, simulator.band_names)
        inputs = inputs_of(selected, multiband=self.selection.multiband)
        return inputs, known["label"].astype(int)


def registering(simulator: Simulator) -> Simulator:
    """The same simulator with stamps registered on their source (Lanczos, by default order 2)."""
    psf = simulator.profile.psf
    psf = psf.model_copy(update={"lanczos_order": psf.lanczos_order or LANCZOS_ORDER})
    return Simulator(simulator.profile.model_copy(update={"psf": psf}), simulator.options)


_REGISTER = 4  # keeps draws apart
OBJECTS_PER_SEED = 10**9
MOST_SEEDS = 72_000_000  # then the simulator runs out of addresses
Source = StoredSource | EndlessSource


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
