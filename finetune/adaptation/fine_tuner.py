"""A trained network that is fine-tuned on real sequences, used, and reset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from classifier.models.model_card import write_card
from classifier.models.recurrent.backend import keras, own_settings
from classifier.models.recurrent.trained_network import WEIGHTS, Network, save_weights
from classifier.network_inputs import Inputs
from finetune.adaptation.gradient import TrainingSet, train_by_gradient
from finetune.adaptation.head import Head
from finetune.adaptation.methods import Method

MOST_LEFT_OUT = 0.3
LATEST_START = 3
_LEAST_IMAGES = 5


def variants(inputs: Inputs, rows: np.ndarray, draws: np.random.Generator) -> Inputs:
    """Objects ``rows`` (with repetitions), each randomly rotated, flipped and thinned.

    A variant begins up to three images late and lacks up to 30 % of its images; one that would
    have fewer than five images keeps all.
    """
    chosen = inputs.of(rows).rotated(draws.integers(8, size=len(rows)))
    n, length = chosen.present.shape
    present = chosen.present > 0
    kept = draws.random((n, length)) >= draws.uniform(0, MOST_LEFT_OUT, n)[:, None]
    kept &= present & (np.arange(length) >= draws.integers(LATEST_START + 1, size=n)[:, None])
    whole = kept.sum(axis=1) < _LEAST_IMAGES
    kept[whole] = present[whole]
    return thinned(chosen, kept)


def thinned(inputs: Inputs, kept: np.ndarray) -> Inputs:
    """Sequences without the images that are not ``kept``, bool (object, image)."""
    order, rows = np.argsort(~kept, axis=1, kind="stable"), np.arange(len(inputs))[:, None]
    arrays = {name: values[rows, order] for name, values in inputs.arrays().items()}
    n_images = kept.sum(axis=1)
    present = np.arange(kept.shape[1]) < n_images[:, None]
    days = (arrays["days"] - arrays["days"][:, :1]) * present
    arrays |= {"present": present.astype(np.float32), "days": days.astype(np.float32)}
    return Inputs(**arrays, n_images=n_images)


def balanced_rows(labels: np.ndarray, n: int, draws: np.random.Generator) -> np.ndarray:
    """``n`` rows or more, equally many of every class; every object at least once."""
    classes = np.unique(labels)
    each = max(-(-n // classes.size), *(int((labels == c).sum()) for c in classes))
    return np.concatenate(
        [np.resize(draws.permutation(np.flatnonzero(labels == c)), each) for c in classes]
    )


def augmented(
    inputs: Inputs, labels: np.ndarray, *, thin: bool, n: int, seed: int
) -> tuple[Inputs, np.ndarray]:
    """``n`` variants or more, equally many of every class, and the object (variant,) of each."""
    draws = np.random.default_rng([seed, 5])
    rows = balanced_rows(labels, n, draws)
    if thin:
        return variants(inputs, rows, draws), rows
    return inputs.of(rows).rotated(draws.integers(8, size=len(rows))), rows


_HEAD_VARIANTS, _GRADIENT_VARIANTS = 256, 1024


@dataclass
class FineTuner:
    """A network and the method that adapts it.

    Parameters
    ----------
    network : Network
        Its weights change.
    method : HeadMethod or GradientMethod
    iterations : int
        Of gradient descent.
    simulated : callable
        Gives simulated sequences and their labels; called once, if the method needs any.
    """

    network: Network
    method: Method
    iterations: int
    simulated: Callable[[], tuple[Inputs, np.ndarray]]
    _initial: list[np.ndarray] = field(init=False, repr=False)
    _simulated: TrainingSet | None = field(init=False, default=None, repr=False)
    _head: Head | None = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        self._initial = [keras.ops.convert_to_numpy(v) for v in self.network.variants.whole.weights]

    def reset(self) -> None:
        """Restore the initial weights."""
        for variable, value in zip(self.network.variants.whole.weights, self._initial, strict=True):
            variable.assign(value)

    @own_settings()
    def fit(
        self,
        inputs: Inputs,
        labels: ArrayLike,
        *,
        seed: int,
        on_step: Callable[[int, float], None] = lambda done, loss: None,
    ) -> None:
        """Adapt the network, from its initial weights, to some real sequences.

        Parameters
        ----------
        inputs : Inputs
        labels : int (object,)
            Indices into the network's classes.
        seed : int
            Of augmentation and batches.
        on_step : callable
            Called with the steps done and the loss, in gradient descent.

        Raises
        ------
        FinetuneError
            The loss is not finite, or simulated sequences are needed and cannot be made.
        """
        self.reset()
        labels, method = np.asarray(labels), self.method
        n = _HEAD_VARIANTS if method.part == "head" else _GRADIENT_VARIANTS
        made, rows = augmented(inputs, labels, thin=method.thinned, n=n, seed=seed)
        if method.part == "head":
            per_class = float(np.median(np.unique(labels, return_counts=True)[1]))
            self._head = self._head or Head(self.network)
            self._head.fit(made, labels[rows], penalty=method.penalty_for(per_class))
            return
        if method.simulated and self._simulated is None:
            self._simulated = TrainingSet.of(self.network, method, *self.simulated())
        train_by_gradient(
            self.network,
            method,
            TrainingSet.of(self.network, method, made, labels[rows]),
            self._simulated,
            iterations=self.iterations,
            seed=seed,
            on_step=on_step,
        )

    def save(self, folder: Path, adapted: dict) -> dict:
        """Write the adapted network as a model folder, with ``adapted`` in its card; the card.

        Raises
        ------
        OutputError
        """
        save_weights(self.network.variants.whole, folder / WEIGHTS)
        method = {"part": self.method.part, **asdict(self.method)}
        adapted = {"method": method, "iterations": self.iterations, **adapted}
        selection = self.network.selection.as_dict()
        card = {**self.network.card, "selection": selection, "adapted": adapted}
        write_card(folder, card)
        return card
