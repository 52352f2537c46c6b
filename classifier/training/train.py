"""From sequences to a trained network; a run that stops goes on exactly where it was."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.features.feature_table import data_identity
from classifier.image_selection import ImageSelection, SelectedSplit
from classifier.models.model_card import CARD
from classifier.models.recurrent import built, full_choices
from classifier.models.recurrent.backend import keras
from classifier.models.recurrent.network import (
    FORMAT_VERSION,
    KIND,
    WEIGHTS,
    Network,
    load_weights,
    save_weights,
    softmax,
)
from classifier.models.recurrent.sequence_model import ModelVariants
from classifier.models.registry import model_folder
from classifier.network_inputs import Inputs, inputs_of
from classifier.training.batches import Batches
from classifier.training.checkpoint import load_checkpoint, save_checkpoint
from classifier.training.history import (
    TensorBoardLog,
    ValidationRecord,
    plot_history,
    write_history,
)
from classifier.training.options import NetworkOptions
from classifier.training.sources import EndlessSource, StoredSource
from skyreel.atomic_files import claim_folder, locked_folder, whole_file
from skyreel.errors import ClassifierError
from skyreel.provenance import versions

_CHECKPOINT, _BEST = "checkpoint.npz", "best.npz"
_HISTORY, _PLOT, _EVENTS = "history.csv", "learning_curve.png", "tensorboard"
_VALIDATION_BATCH = 256
Step = Callable[[int, int, dict], None]


@dataclass
class NetworkTraining:
    """One training run in one folder.

    Parameters
    ----------
    data : path
        A data set with the splits train and validation.
    folder : Path
    options : NetworkOptions
    command : str
        Kept in the model's card.

    Raises
    ------
    ClassifierError
        The data cannot be used, or the folder holds something else.
    """

    data: Path
    folder: Path
    options: NetworkOptions
    command: str = ""
    selection: ImageSelection = field(init=False)
    splits: dict[str, DatasetSplit] = field(init=False)

    def __post_init__(self):
        self.splits = {name: DatasetSplit(self.data, name) for name in ("train", "validation")}
        for split in self.splits.values():
            split.refuse_empty()
            if np.unique(split.labels[split.labels >= 0]).size < 2:
                raise ClassifierError(f"{split.path}/{split.name}: one class or none to learn.")
        options, train = self.options, self.splits["train"]
        self.selection = ImageSelection.for_training(
            train, start=options.start, band=options.band, images=options.images
        )
        self._batches = Batches(self._source(), options.turned)
        self._forms = None if self.is_complete() else self.built()
        if options.begin_with and self._forms:
            load_weights(self._forms.whole, model_folder(options.begin_with) / WEIGHTS)
        claim_folder(self.folder, self._settings(), complete=self.is_complete())

    def _source(self):
        options, train = self.options, self.splits["train"]
        if options.on_the_fly:
            return EndlessSource.like(
                train, self.selection, options.seed, options.batch, options.resampled
            )
        return StoredSource(train, self.selection, options.seed, options.batch)

    def _settings(self):
        return {
            "data": {name: data_identity(split) for name, split in self.splits.items()},
            "showing": self.selection.as_dict(),
            "options": self.options.as_dict(),
            "versions": _used_versions(),
        }

    def is_complete(self) -> bool:
        """Whether the model is there."""
        return (self.folder / CARD).is_file()

    def run(self, on_step: Step = lambda done, total, numbers: None) -> Network:
        """Do what is not done yet; ``on_step`` is told (iterations done, of how many, numbers).

        Raises
        ------
        ClassifierError, OutputError
        """
        with locked_folder(self.folder):
            if not self.is_complete():
                self._train(on_step)
        return Network.open(self.folder)

    def built(self, precision: str | None = None) -> ModelVariants:
        """The network with fresh weights, which depend on the seed alone."""
        keras.utils.set_random_seed(self.options.seed)
        train, precision = self.splits["train"], precision or self.options.precision
        dtype = {"float32": "float32", "bfloat16": "mixed_bfloat16"}[precision]
        try:
            return built(
                self.options.network,
                size_pix=train.size_pix,
                n_classes=len(train.classes),
                dtype=dtype,
                **self.options.choices,
            )
        except (TypeError, ValueError) as error:
            raise ClassifierError(f"--model {self.options.network}: {error}") from None

    def _train(self, on_step):
        model, options = self._forms.whole, self.options
        compile_for(model, options)
        looks, check = self._resumed(model), self._validation()
        before = looks[-1].seconds if looks else 0.0
        log = TensorBoardLog(self.folder / _EVENTS)
        for iteration, loss, seconds, waited_share in self._learnt(model, looks, on_step):
            look = ValidationRecord(
                iteration,
                iteration * options.batch,
                before + seconds,
                float(model.optimizer.learning_rate),
                loss,
                **self._numbers(model, check),
                waited_share=waited_share,
            )
            self._refuse_nonsense(look)
            looks.append(look)
            self._keep(model, looks)
            log.write(look)
        log.close()
        self._finish(model, looks)

    def _learnt(self, model, looks, on_step):
        """Learn, and yield (iteration, mean loss, seconds, share of them waited) at every look."""
        begun, last = looks[-1].iteration if looks else 0, self.options.iterations
        start, waited, losses = time.perf_counter(), 0.0, []
        batches = self._batches.starting_at(begun)
        for iteration in range(begun + 1, last + 1):
            asked = time.perf_counter()
            inputs, labels = next(batches)
            waited += time.perf_counter() - asked
            model.reset_metrics()
            losses.append(float(model.train_on_batch(*for_keras(inputs, labels))))
            if iteration % self.options.validate_every == 0 or iteration == last:
                seconds = time.perf_counter() - start
                yield iteration, float(np.mean(losses)), seconds, waited / seconds
                losses = []
            on_step(iteration, last, _shown_numbers(losses, looks))

    def _refuse_nonsense(self, look):
        if not np.isfinite([look.loss, look.validation_loss]).all():
            raise ClassifierError(
                f"{self.folder}: the loss is no longer a number after iteration {look.iteration}. "
                "Give another --out and a smaller --learning-rate."
            )

    def _resumed(self, model):
        path = self.folder / _CHECKPOINT
        if not path.exists():
            return []
        model.optimizer.build(model.trainable_variables)
        meta = load_checkpoint(path, model)
        return [ValidationRecord(**look) for look in meta["looks"]]

    def _validation(self) -> tuple[Inputs, np.ndarray]:
        """Labelled validation sequences from all over the split."""
        split = self.splits["validation"]
        labelled = np.flatnonzero(split.labels >= 0)
        places = np.linspace(0, labelled.size - 1, min(self.options.validation, labelled.size))
        rows, shown, found = labelled[places.astype(int)], SelectedSplit(split, self.selection), []
        for first, end in split.blocks():
            wanted = rows[(rows >= first) & (rows < end)] - first
            found.append(inputs_of(shown.stamps(first, end)).of(wanted))
        inputs = Inputs.joined(found)
        known = inputs.n_images > 0
        if not known.any():
            raise ClassifierError(
                f"{split.path}/{split.name}: no labelled sequence has an image in the band "
                f"{self.selection.band}."
            )
        return inputs.of(known), split.labels[rows][known]

    def _numbers(self, model, check):
        inputs, labels = check
        logits = np.concatenate(
            [
                model.predict_on_batch(inputs.of(slice(first, first + _VALIDATION_BATCH)).arrays())
                for first in range(0, len(inputs), _VALIDATION_BATCH)
            ]
        )
        rows, correct = np.arange(len(inputs)), logits.argmax(axis=-1) == labels[:, None]
        true = softmax(logits)[rows, :, labels]
        loss = -(np.log(np.maximum(true, 1e-12)) * inputs.shown).sum(axis=1).mean()

        def after(k):
            return float(correct[rows, np.minimum(inputs.n_images, k) - 1].mean())

        some = {f"accuracy_{k}": after(k) for k in (1, 3, 6, 10)}
        return {"validation_loss": float(loss), "accuracy": after(self.selection.images), **some}

    def _keep(self, model, looks):
        if looks[-1].validation_loss <= min(look.validation_loss for look in looks):
            save_weights(model, self.folder / _BEST)
        write_history(self.folder / _HISTORY, looks)
        meta = {"looks": [asdict(look) for look in looks]}
        save_checkpoint(self.folder / _CHECKPOINT, model, meta)

    def _finish(self, model, looks):
        """Keep the best weights, write the card, which makes the folder a model."""
        load_weights(model, self.folder / _BEST)
        save_weights(model, self.folder / WEIGHTS)
        plot_history(self.folder / _PLOT, looks, f"{self.options.network} on {self.data}")
        with whole_file(self.folder / CARD) as path:
            path.write_text(json.dumps(self._card(model, looks), indent=1))
        for name in (_BEST, _CHECKPOINT):
            (self.folder / name).unlink(missing_ok=True)

    def _card(self, model, looks):
        train = self.splits["train"]
        best = min(looks, key=lambda look: look.validation_loss)
        return {
            "format_version": FORMAT_VERSION,
            "kind": KIND,
            "network": self.options.network,
            "choices": full_choices(self.options.network, self.options.choices),
            "parameters": int(model.count_params()),
            "classes": list(train.classes),
            "survey": train.survey,
            "size_pix": train.size_pix,
            "showing": self.selection.as_dict(),
            "options": self.options.as_dict(),
            "trained_on": data_identity(train),
            "profile": train.attributes["profile"],
            "best": asdict(best),
            "seconds": round(looks[-1].seconds, 1),
            "command": self.command,
            "versions": _used_versions(),
        }


def compile_for(model, options: NetworkOptions) -> None:
    """Give a model its optimiser and loss: AMSGrad, and the cross-entropy of every image shown."""
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
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum"),
        jit_compile=keras.backend.backend() == "jax",
    )


def for_keras(inputs: Inputs, labels) -> tuple:
    """Inputs, labels and weights: of every image shown, shared out over the labelled sequences."""
    known = labels >= 0
    weights = inputs.shown * known[:, None] / max(int(known.sum()), 1)
    repeated = np.broadcast_to(np.maximum(labels, 0)[:, None], weights.shape)
    return inputs.arrays(), repeated, weights.astype(np.float32)


def _shown_numbers(losses, looks):
    numbers = {"loss": float(np.mean(losses[-50:]))} if losses else {}
    if looks:
        numbers["accuracy"] = looks[-1].accuracy
    return numbers


def _used_versions():
    backend = keras.backend.backend()
    return {**versions("skyreel", "keras", "numpy", backend), "backend": backend}
