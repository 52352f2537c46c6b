"""From sequences to a trained network; a run that was stopped continues where it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.features.feature_table import dataset_identity
from classifier.image_selection import ImageSelection
from classifier.models.card_schema import check_choices
from classifier.models.model_card import CARD, stored_settings, upgraded, write_card
from classifier.models.recurrent import build_network, full_choices
from classifier.models.recurrent.backend import keras, own_settings
from classifier.models.recurrent.trained_network import (
    FORMAT_VERSION,
    KIND,
    WEIGHTS,
    Network,
    load_weights,
    save_weights,
)
from classifier.models.recurrent.variants import ModelVariants
from classifier.models.registry import model_folder
from classifier.network_inputs import AssumedPsf, Inputs
from classifier.training.checkpoint import load_checkpoint, save_checkpoint
from classifier.training.history import (
    TensorBoardLog,
    ValidationRecord,
    plot_history,
    write_history,
)
from classifier.training.options import NetworkOptions
from classifier.training.sources import Batches, EndlessSource, StoredSource
from classifier.training.validation import ValidationSet
from skyreel.atomic_files import claim_folder, locked_folder
from skyreel.errors import ClassifierError
from skyreel.provenance import versions

CHECKPOINT, BEST, HISTORY = "checkpoint.npz", "best.npz", "history.csv"
_RECORDS = "looks"  # key in checkpoints
_PLOT, _EVENTS = "learning_curve.png", "tensorboard"
_RECENT = 50  # iterations whose mean loss is reported
OnStep = Callable[[int, int, dict[str, float]], None]


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
        For the model's card.

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
                raise ClassifierError(
                    f"{split.path}/{split.name} has labelled objects of fewer than two classes."
                )
        options, train = self.options, self.splits["train"]
        self.selection = ImageSelection.for_training(
            train,
            start=options.start,
            band=_bands(options, train),
            images=options.images,
            planes=options.planes,
        )
        self._assumed_psf = self._known_assumed_psf() or AssumedPsf.of(train.profile)
        self._batches = Batches(self._source(), options.rotate)
        self._variants = None if self.is_complete() else self.build()
        if options.begin_with and self._variants:
            load_weights(self._variants.whole, model_folder(options.begin_with) / WEIGHTS)
        claim_folder(self.folder, self._settings(), complete=self.is_complete(), upgrade=_of_today)

    def _known_assumed_psf(self):
        """Of a training that this one continues; None if there is none."""
        try:
            return AssumedPsf.of_card(stored_settings(self.folder) or {})
        except (KeyError, TypeError, ValueError):
            return None

    def _source(self):
        options, train = self.options, self.splits["train"]
        if options.on_the_fly:
            source = EndlessSource.like(
                train,
                self.selection,
                options.seed,
                options.batch,
                options.resampled,
                options.condition_error,
            )
            source.check_length(options.iterations * options.batch)
            return source
        return StoredSource(train, self.selection, options.seed, options.batch)

    def _settings(self):
        return {
            "data": {name: dataset_identity(split) for name, split in self.splits.items()},
            "selection": self.selection.as_dict(),
            "assumed_psf": self._assumed_psf.as_dict(),
            "options": self.options.as_dict(),
            "versions": _used_versions(),
        }

    def is_complete(self) -> bool:
        """Whether the model is there."""
        return (self.folder / CARD).is_file()

    @own_settings()
    def run(self, on_step: OnStep = lambda done, total, numbers: None) -> Network:
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
        return Network.open(self.folder)

    @property
    def _choices(self):
        options = self.options
        return full_choices(options.network, options.choices, beta=self._assumed_psf.beta)

    def build(self, precision: str | None = None) -> ModelVariants:
        """The network with fresh weights, which depend on the seed alone.

        Raises
        ------
        ClassifierError
            Choices that the network refuses.
        """
        keras.utils.set_random_seed(self.options.seed)
        train, precision = self.splits["train"], precision or self.options.precision
        dtype = {"float32": "float32", "bfloat16": "mixed_bfloat16"}[precision]
        try:
            check_choices(self.options.network, self._choices, train.size_pix)
            return build_network(
                self.options.network,
                size_pix=train.size_pix,
                n_classes=len(train.classes),
                n_bands=len(self.selection.bands),
                planes=self.selection.planes,
                dtype=dtype,
                **self._choices,
            )
        except (TypeError, ValueError) as error:
            raise ClassifierError(f"--model {self.options.network}: {error}") from None

    def _train(self, on_step):
        model, options = self._variants.whole, self.options
        compile_for(model, options)
        records = self._resumed(model)
        validation = ValidationSet.read(
            self.splits["validation"], self.selection, options.validation
        )
        before = records[-1].seconds if records else 0.0
        log = TensorBoardLog(self.folder / _EVENTS)
        for iteration, loss, seconds, waited_share in self._iterate(model, records, on_step):
            record = ValidationRecord(
                iteration,
                iteration * options.batch,
                before + seconds,
                float(model.optimizer.learning_rate),
                loss,
                **validation.scores(model, self.selection.images),
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
        save_weights(model, self.folder / WEIGHTS)
        plot_history(self.folder / _PLOT, records, f"{self.options.network} on {self.data}")
        write_card(self.folder, self._card(model, records))
        for name in (BEST, CHECKPOINT):
            (self.folder / name).unlink(missing_ok=True)

    def _card(self, model, records):
        train = self.splits["train"]
        best = min(records, key=lambda record: record.validation_loss)
        return {
            "format_version": FORMAT_VERSION,
            "kind": KIND,
            "network": self.options.network,
            "choices": self._choices,
            "parameters": int(model.count_params()),
            "classes": list(train.classes),
            "survey": train.survey,
            "size_pix": train.size_pix,
            "selection": self.selection.as_dict(),
            "assumed_psf": self._assumed_psf.as_dict(),
            "options": self.options.as_dict(),
            "trained_on": dataset_identity(train),
            "profile": train.attributes["profile"],
            "best": asdict(best),
            "seconds": round(records[-1].seconds, 1),
            "command": self.command,
            "versions": _used_versions(),
        }


def _of_today(settings):
    """Settings of a training as they are written now: later options have their default."""
    found = upgraded(settings)
    if isinstance(found, dict) and isinstance(found.get("options"), dict):
        found["options"] = {"condition_error": 0.0, "planes": [], **found["options"]}
    return found


def _bands(options, split):
    """Bands as chosen; by default all bands of the cadence for a network of several."""
    if options.network == "multiband" and not options.band:
        return ",".join(split.profile.cadence.bands)
    return options.band


def compile_for(model: keras.Model, options: NetworkOptions) -> None:
    """Set optimiser and loss: AMSGrad, and the sum of the cross-entropies of all images."""
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


def for_keras(
    inputs: Inputs, labels: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Inputs, labels and weights of a batch: arrays by name, (object, image), (object, image).

    An image weighs one over the number of labelled sequences; padding and unlabelled ones weigh 0.
    """
    known = labels >= 0
    weights = inputs.present * known[:, None] / max(int(known.sum()), 1)
    repeated = np.broadcast_to(np.maximum(labels, 0)[:, None], weights.shape)
    return inputs.arrays(), repeated, weights.astype(np.float32)


def _progress_numbers(losses, records):
    numbers = {"loss": float(np.mean(losses[-_RECENT:]))} if losses else {}
    if records:
        numbers["accuracy"] = records[-1].accuracy
    return numbers


def _used_versions():
    backend = keras.backend.backend()
    return {**versions("skyreel", "keras", "numpy", backend), "backend": backend}
