"""A trained network that is taught, tested, and begun again from what it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from classifier.models.model_card import CARD
from classifier.models.recurrent.backend import keras
from classifier.models.recurrent.network import WEIGHTS, Network, save_weights
from classifier.network_inputs import Inputs
from finetune.adaptation.augmentation import variants
from finetune.adaptation.gradient import (
    VARIANTS,
    train_by_gradient,
    training_rows,
    training_set_for,
)
from finetune.adaptation.head import Head
from finetune.adaptation.methods import Head as HeadMethod
from finetune.adaptation.methods import Steps
from skyreel.atomic_files import whole_file

Sequences = tuple[Inputs, np.ndarray]
_HEAD_VARIANTS = 256


@dataclass
class FineTuner:
    """A network and the way it is adapted.

    Parameters
    ----------
    network : Network
        Its weights change.
    method : HeadMethod or Steps
    iterations : int
        Of methods that take steps.
    simulated : callable
        Gives simulated sequences and their labels; asked once, if the method needs any.
    """

    network: Network
    method: HeadMethod | Steps
    iterations: int
    simulated: Callable[[], Sequences]
    _before: list = field(init=False, repr=False)
    _lessons: object = field(init=False, default=None, repr=False)
    _head: Head | None = field(init=False, default=None, repr=False)

    def __post_init__(self):
        self._before = [keras.ops.convert_to_numpy(v) for v in self.network.variants.whole.weights]

    def reset(self) -> None:
        """Forget everything it was taught here."""
        for variable, value in zip(self.network.variants.whole.weights, self._before, strict=True):
            variable.assign(value)

    def learn(
        self,
        inputs: Inputs,
        labels,
        *,
        seed: int,
        on_step: Callable[[int, float], None] = lambda done, loss: None,
    ) -> None:
        """Learn from some real sequences, having forgotten any taught before.

        Parameters
        ----------
        inputs : Inputs
        labels : int (object,)
            Among the network's classes.
        seed : int
        on_step
            Told the steps done and the loss, by methods that take steps.

        Raises
        ------
        FinetuneError
        """
        self.reset()
        labels = np.asarray(labels)
        if self.method.part == "head":
            made, rows = training_variants(inputs, labels, self.method, _HEAD_VARIANTS, seed)
            per_class = float(np.median(np.unique(labels, return_counts=True)[1]))
            penalty = self.method.penalty_for(per_class)
            self._head = self._head or Head(self.network)
            self._head.fit(made, labels[rows], penalty=penalty)
            return
        if self.method.simulated and self._lessons is None:
            self._lessons = training_set_for(self.network, self.method, *self.simulated())
        made, rows = training_variants(inputs, labels, self.method, VARIANTS, seed)
        real = training_set_for(self.network, self.method, made, labels[rows])
        train_by_gradient(
            self.network,
            self.method,
            real,
            self._lessons,
            iterations=self.iterations,
            seed=seed,
            on_step=on_step,
        )

    def save(self, folder: Path, adapted: dict) -> dict:
        """Write what it is now as a model folder, with ``adapted`` in the card; its card.

        Raises
        ------
        OutputError
        """
        save_weights(self.network.variants.whole, folder / WEIGHTS)
        method = {"part": self.method.part, **asdict(self.method)}
        told = {"method": method, "iterations": self.iterations, **adapted}
        card = {**self.network.card, "showing": self.network.selection.as_dict(), "adapted": told}
        with whole_file(folder / CARD) as path:
            path.write_text(json.dumps(card, indent=1))
        return card


def training_variants(inputs: Inputs, labels, method, n: int, seed: int):
    """About ``n`` variants, at least one of each object and alike of each class, and their rows."""
    draws = np.random.default_rng([seed, 5])
    rows = training_rows(labels, n, draws)
    if method.thinned:
        return variants(inputs, rows, draws), rows
    return inputs.of(rows).turned(draws.integers(8, size=len(rows))), rows
