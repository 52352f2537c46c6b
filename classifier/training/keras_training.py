"""The loop of a training: steps, validations, checkpoints, and the best weights at the end.

A run that was stopped continues where it was and ends with the same weights.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from classifier.models.model_card import CARD, write_card
from classifier.models.recurrent.backend import keras, own_settings
from classifier.models.recurrent.trained_network import WEIGHTS, load_weights, save_weights
from classifier.training.checkpoint import load_checkpoint, save_checkpoint
from classifier.training.history import (
    TensorBoardLog,
    ValidationRecord,
    plot_history,
    write_history,
)
from skyreel.atomic_files import locked_folder
from skyreel.errors import ClassifierError
from skyreel.provenance import versions

if TYPE_CHECKING:
    from classifier.models.protocol import Model

CHECKPOINT, BEST = "checkpoint.npz", "best.npz"
_RECORDS = "looks"  # key in checkpoints
HISTORY, _PLOT, _EVENTS = "history.csv", "learning_curve.png", "tensorboard"
_RECENT = 50  # iterations whose mean loss is reported
OnStep = Callable[[int, int, dict[str, float]], None]


class KerasTraining(ABC):
    """One training run in one folder; a subclass says what is trained, on what.

    Attributes
    ----------
    folder : pathlib.Path
    data : path
    options
        With ``network``, ``iterations``, ``batch`` and ``validate_every``.
    """

    folder: Path
    data: Path
    options: Any

    @abstractmethod
    def compiled_model(self) -> keras.Model:
        """The network with fresh weights, optimiser and loss."""

    @abstractmethod
    def validation_scores(self) -> Callable[[keras.Model], dict[str, float]]:
        """Read the validation split; the function gives losses and accuracies of a network."""

    @abstractmethod
    def batches(self, begun: int) -> Iterator[tuple]:
        """What ``train_on_batch`` takes, from the step after ``begun`` on."""

    @abstractmethod
    def card(self, model: keras.Model, records: list[ValidationRecord]) -> dict[str, Any]:
        """The card of the trained model."""

    @abstractmethod
    def opened(self) -> Model:
        """The trained model."""

    def notes(self) -> list[str]:
        """What is to be said of the training data, one sentence each."""
        return []

    def completed(self, model: keras.Model) -> keras.Model:
        """The network that is kept, from that with the best weights: by default the same."""
        return model

    def is_complete(self) -> bool:
        """Whether the model is there."""
        return (self.folder / CARD).is_file()

    @own_settings()
    def run(self, on_step: OnStep = lambda done, total, numbers: None) -> Model:
        """Do what is not done yet.

        ``on_step`` is called with the iterations done, their total, and loss and accuracy by name.

        Raises
        ------
        ClassifierError
            The loss is no longer finite, or files of the training are damaged.
        OutputError
        """
        with locked_folder(self.folder):
            if not self.is_complete():
                self._train(on_step)
        return self.opened()

    def _train(self, on_step):
        model, options = self.compiled_model(), self.options
        records, scores = self._resumed(model), self.validation_scores()
        before = records[-1].seconds if records else 0.0
        log = TensorBoardLog(self.folder / _EVENTS)
        for iteration, loss, seconds, waited_share in self._iterate(model, records, on_step):
            record = ValidationRecord(
                iteration,
                iteration * options.batch,
                before + seconds,
                float(model.optimizer.learning_rate),
                loss,
                **scores(model),
                waited_share=waited_share,
            )
            self._refuse_not_finite(record)
            records.append(record)
            self._keep(model, records)
            log.write(record)
        log.close()
        self._finish(model, records)

    def _iterate(self, model, records, on_step) -> Iterator[tuple[int, float, float, float]]:
        """Train, and yield at every validation.

        Yields iteration, mean loss since the last one, seconds, and the share of them waited for
        sequences.
        """
        begun, last = records[-1].iteration if records else 0, self.options.iterations
        start, waited, losses = time.perf_counter(), 0.0, []
        batches = self.batches(begun)
        for iteration in range(begun + 1, last + 1):
            asked = time.perf_counter()
            given = next(batches)
            waited += time.perf_counter() - asked
            model.reset_metrics()
            losses.append(float(model.train_on_batch(*given)))
            if iteration % self.options.validate_every == 0 or iteration == last:
                seconds = time.perf_counter() - start
                yield iteration, float(np.mean(losses)), seconds, waited / seconds
                losses = []
            on_step(iteration, last, _progress_numbers(losses, records))

    def _refuse_not_finite(self, record):
        if not np.isfinite([record.loss, record.validation_loss]).all():
            raise ClassifierError(
                f"{self.folder}: the loss is no longer a number after iteration "
                f"{record.iteration}. Give another --out and a smaller --learning-rate."
            )

    def _resumed(self, model):
        """Validation records so far; weights and optimiser as of the last of them."""
        path = self.folder / CHECKPOINT
        if not path.exists():
            return []
        model.optimizer.build(model.trainable_variables)
        meta = load_checkpoint(path, model)
        return [ValidationRecord(**record) for record in meta[_RECORDS]]

    def _keep(self, model, records):
        if records[-1].validation_loss <= min(record.validation_loss for record in records):
            save_weights(model, self.folder / BEST)
        write_history(self.folder / HISTORY, records)
        meta = {_RECORDS: [asdict(record) for record in records]}
        save_checkpoint(self.folder / CHECKPOINT, model, meta)

    def _finish(self, model, records):
        """Keep the best weights and write the card, which makes the folder a model."""
        load_weights(model, self.folder / BEST)
        model = self.completed(model)
        save_weights(model, self.folder / WEIGHTS)
        plot_history(self.folder / _PLOT, records, f"{self.options.network} on {self.data}")
        write_card(self.folder, self.card(model, records))
        for name in (BEST, CHECKPOINT):
            (self.folder / name).unlink(missing_ok=True)


def set_optimiser(model: keras.Model, options: Any, loss: keras.losses.Loss) -> None:
    """Compile with a loss and AMSGrad, at a constant rate or one that rises and falls.

    ``options`` have ``learning_rate``, ``schedule``, ``warm_up``, ``iterations`` and ``clip_norm``.
    """
    rate = options.learning_rate
    if options.schedule == "cosine":
        rise = max(1, int(options.warm_up * options.iterations))
        rate = keras.optimizers.schedules.CosineDecay(
            0.01 * rate,
            max(1, options.iterations - rise),
            alpha=0.01,
            warmup_target=rate,
            warmup_steps=rise,
        )
    model.compile(
        optimizer=keras.optimizers.Adam(rate, amsgrad=True, clipnorm=options.clip_norm),
        loss=loss,
        jit_compile=keras.backend.backend() == "jax",
    )


def _progress_numbers(losses, records):
    numbers = {"loss": float(np.mean(losses[-_RECENT:]))} if losses else {}
    if records and np.isfinite(records[-1].accuracy):
        numbers["accuracy"] = records[-1].accuracy
    return numbers


def used_versions() -> dict[str, str]:
    """Versions of what the result of a training depends on."""
    backend = keras.backend.backend()
    return {**versions("skyreel", "keras", "numpy", backend), "backend": backend}
