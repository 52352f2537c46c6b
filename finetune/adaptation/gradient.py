"""Gradient descent on a few real sequences, mixed with simulated ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from classifier.models.recurrent.backend import keras
from classifier.models.recurrent.trained_network import Network
from classifier.network_inputs import Inputs
from finetune.adaptation.methods import GradientMethod
from skyreel.errors import FinetuneError

_PREDICTION_BATCH = 256
_CLIP_NORM = 20.0
_FINAL_RATE = 0.01  # of the initial learning rate
_AVERAGED_STEPS, _CONVERGED_LOSS = 50, 0.01
_STREAM = 6  # of the batches


@dataclass(frozen=True)
class TrainingSet:
    """Sequences in the form that the trained part of a network takes.

    ``arrays`` are (object, image, ...) by name; ``weight`` (object, image) is 1 where there is an
    image; ``labels`` (object,).
    """

    arrays: dict[str, np.ndarray]
    weight: np.ndarray
    labels: np.ndarray

    @classmethod
    def of(
        cls, network: Network, method: GradientMethod, inputs: Inputs, labels: ArrayLike
    ) -> TrainingSet:
        """Sequences for the part of ``network`` that a method trains."""
        arrays = inputs.arrays()
        if method.part == "reader":
            encoder = network.variants.encoder
            arrays = encoder.predict(arrays, batch_size=_PREDICTION_BATCH, verbose=0)
            arrays = {name: np.asarray(part) for name, part in arrays.items()}
        return cls(arrays, inputs.present, np.asarray(labels))

    def some(self, rows: np.ndarray) -> TrainingSet:
        """Some of the objects."""
        chosen = {name: values[rows] for name, values in self.arrays.items()}
        return TrainingSet(chosen, self.weight[rows], self.labels[rows])

    def joined(self, other: TrainingSet) -> TrainingSet:
        """The objects of both."""
        return TrainingSet(
            {name: np.concatenate([v, other.arrays[name]]) for name, v in self.arrays.items()},
            np.concatenate([self.weight, other.weight]),
            np.concatenate([self.labels, other.labels]),
        )


def train_by_gradient(
    network: Network,
    method: GradientMethod,
    real: TrainingSet,
    simulated: TrainingSet | None,
    *,
    iterations: int,
    seed: int,
    on_step: Callable[[int, float], None] = lambda done, loss: None,
) -> None:
    """Train a network, whose weights change.

    Training ends early once the mean cross-entropy of an image is below 0.01 over 50 steps. This
    uses training sequences alone.

    Parameters
    ----------
    network : Network
    method : GradientMethod
    real, simulated : TrainingSet
        ``simulated`` may be None where the method needs none.
    iterations : int
    seed : int
        Of the batches.
    on_step : callable
        Called with the number of steps done and the loss.

    Raises
    ------
    FinetuneError
        The loss is not finite.
    """
    model = network.variants.whole if method.part == "all" else network.variants.reader
    rate = keras.optimizers.schedules.CosineDecay(
        method.learning_rate, iterations, alpha=_FINAL_RATE
    )
    model.compile(
        optimizer=keras.optimizers.Adam(rate, amsgrad=True, clipnorm=_CLIP_NORM),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum"),
        jit_compile=keras.backend.backend() == "jax",
    )
    draws, n_total = np.random.default_rng([seed, _STREAM]), method.batch
    n_simulated, recent = round(n_total * method.simulated), deque(maxlen=_AVERAGED_STEPS)
    for step in range(1, iterations + 1):
        batch = real.some(draws.integers(len(real.labels), size=n_total - n_simulated))
        if n_simulated:
            rows = draws.integers(len(simulated.labels), size=n_simulated)
            batch = batch.joined(simulated.some(rows))
        repeated = np.broadcast_to(batch.labels[:, None], batch.weight.shape)
        model.reset_metrics()
        loss = float(model.train_on_batch(batch.arrays, repeated, batch.weight / n_total))
        if not np.isfinite(loss):
            raise FinetuneError(
                f"the loss is no longer a number after iteration {step}. Give another --method."
            )
        on_step(step, loss)
        recent.append(loss * n_total / batch.weight.sum())
        if len(recent) == _AVERAGED_STEPS and np.mean(recent) < _CONVERGED_LOSS:
            return
