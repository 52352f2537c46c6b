"""A trained network taught a few real sequences among many simulated ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from classifier.models.recurrent.backend import keras
from classifier.models.recurrent.network import Network
from classifier.network_inputs import Inputs
from finetune.adaptation.methods import Steps
from skyreel.errors import FinetuneError

VARIANTS = 1024
_PREDICTED_AT_ONCE = 256
_CLIP_NORM = 20.0
_LEAST_RATE = 0.01
_LOOKED_AT, _BY_HEART = 50, 0.01
_BATCHES = 6  # keeps draws apart


@dataclass(frozen=True)
class TrainingSet:
    """Sequences a network learns from, in the form the part of it that learns takes them.

    ``arrays`` are (object, image, ...) by name; ``weight`` (object, image) is 1 where there is an
    image; ``labels`` (object,).
    """

    arrays: dict
    weight: np.ndarray
    labels: np.ndarray

    def some(self, rows) -> tuple:
        """Arrays, weights and labels of some objects."""
        chosen = {name: values[rows] for name, values in self.arrays.items()}
        return chosen, self.weight[rows], self.labels[rows]


def training_set_for(network: Network, method: Steps, inputs: Inputs, labels) -> TrainingSet:
    """Sequences as the part of ``network`` that a method teaches wants them."""
    arrays = inputs.arrays()
    if method.part == "reader":
        arrays = network.variants.encoder.predict(arrays, batch_size=_PREDICTED_AT_ONCE, verbose=0)
        arrays = {name: np.asarray(part) for name, part in arrays.items()}
    return TrainingSet(arrays, inputs.shown, np.asarray(labels))


def training_rows(labels, n: int, draws: np.random.Generator) -> np.ndarray:
    """``n`` rows or more with repetitions, as many of every class and nearly of every object."""
    classes = np.unique(labels)
    each = max(-(-n // classes.size), *(int((labels == c).sum()) for c in classes))
    return np.concatenate(
        [np.resize(draws.permutation(np.flatnonzero(labels == c)), each) for c in classes]
    )


def train_by_gradient(
    network: Network,
    method: Steps,
    real: TrainingSet,
    simulated: TrainingSet | None,
    *,
    iterations: int,
    seed: int,
    on_step: Callable[[int, float], None] = lambda done, loss: None,
) -> None:
    """Teach a network, whose weights change.

    It ends early once what it is taught is known by heart: a mean cross-entropy of an image below
    0.01 over 50 steps. No other sequence is looked at for that.

    Parameters
    ----------
    network : Network
    method : Steps
    real, simulated : TrainingSet
        ``simulated`` may be None where the method needs none.
    iterations : int
    seed : int
        Of the batches.
    on_step
        Told the steps done and the loss.

    Raises
    ------
    FinetuneError
        The loss is no longer a number.
    """
    model = network.variants.whole if method.part == "all" else network.variants.reader
    rate = keras.optimizers.schedules.CosineDecay(
        method.learning_rate, iterations, alpha=_LEAST_RATE
    )
    model.compile(
        optimizer=keras.optimizers.Adam(rate, amsgrad=True, clipnorm=_CLIP_NORM),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum"),
        jit_compile=keras.backend.backend() == "jax",
    )
    draws, batch = np.random.default_rng([seed, _BATCHES]), method.batch
    n_simulated, recent = round(batch * method.simulated), deque(maxlen=_LOOKED_AT)
    for step in range(1, iterations + 1):
        rows = draws.integers(len(real.labels), size=batch - n_simulated)
        arrays, weight, labels = real.some(rows)
        if n_simulated:
            rows = draws.integers(len(simulated.labels), size=n_simulated)
            arrays, weight, labels = _joined((arrays, weight, labels), simulated.some(rows))
        repeated = np.broadcast_to(labels[:, None], weight.shape)
        model.reset_metrics()
        loss = float(model.train_on_batch(arrays, repeated, weight / batch))
        if not np.isfinite(loss):
            raise FinetuneError(
                f"the loss is no longer a number after iteration {step}. Give another --method."
            )
        on_step(step, loss)
        recent.append(loss * batch / weight.sum())
        if len(recent) == _LOOKED_AT and np.mean(recent) < _BY_HEART:
            return


def _joined(one, other):
    (arrays, weight, labels), (more, more_weight, more_labels) = one, other
    arrays = {name: np.concatenate([arrays[name], more[name]]) for name in arrays}
    return (arrays, np.concatenate([weight, more_weight]), np.concatenate([labels, more_labels]))
