"""From the first alerts of a data set to a trained stamp classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.features.feature_table import dataset_identity
from classifier.first_alerts import COMMON_METADATA, FirstAlerts, read_first_alerts
from classifier.models.card_schema import CHOICES, LEAST_SIZE_PIX, STAMP_NETWORKS, check_choices
from classifier.models.recurrent.backend import keras
from classifier.models.recurrent.trained_network import softmax
from classifier.models.stamp.loss import RegularisedCrossEntropy
from classifier.models.stamp.metadata import MetadataScale
from classifier.models.stamp.stamp_classifier import (
    FORMAT_VERSION,
    KIND,
    StampClassifier,
    build,
    n_alerts,
    network_arrays,
)
from classifier.training.history import ValidationRecord
from classifier.training.keras_training import KerasTraining, set_optimiser, used_versions
from classifier.training.options import check_steps, refuse_unlisted
from skyreel.atomic_files import claim_folder
from skyreel.errors import ClassifierError

BALANCES = ("batches", "oversample", "undersample", "weights", "none")
_BATCH = 256  # of validation
_ORIENTATIONS = 8


@dataclass(frozen=True, kw_only=True)
class StampOptions:
    """Options of one training run of a stamp classifier.

    Parameters
    ----------
    network : str
        One of `classifier.models.card_schema.STAMP_NETWORKS`.
    choices : dict
        Of `classifier.models.card_schema.StampChoices`.
    merge : dict of str to tuple of str
        Classes that are trained as one, as ``{"VS": ("RRL", "EB")}``.
    balance : str
        How unequal classes are treated. "batches": every batch has as many objects of each class;
        "oversample": objects are drawn with a chance of one over the number in their class;
        "undersample": only as many objects of each class as the smallest has; "weights": the loss
        of an object is weighted so; "none".
    crop_pix : int or None
        Rows and columns that are read of larger stamps; None: all.
    rotate : bool
        Rotate and mirror training stamps at random.
    iterations, batch, learning_rate, schedule, warm_up, clip_norm, validate_every, validation, seed
        As of `classifier.training.options.NetworkOptions`.

    Raises
    ------
    ClassifierError
    """

    network: str = "alerce-stamp"
    choices: dict = field(default_factory=dict)
    merge: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    balance: str = "batches"
    crop_pix: int | None = None
    rotate: bool = True
    iterations: int = 3_000
    batch: int = 64
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    warm_up: float = 0.03
    clip_norm: float | None = 20.0
    validate_every: int = 250
    validation: int = 4096
    seed: int = 0

    def __post_init__(self):
        refuse_unlisted(self, "network", STAMP_NETWORKS)
        refuse_unlisted(self, "balance", BALANCES)
        check_steps(self)
        if self.crop_pix is not None and self.crop_pix < LEAST_SIZE_PIX:
            raise ClassifierError(f"--crop {self.crop_pix}: at least {LEAST_SIZE_PIX} pixels.")
        if self.network == "deep-hits":
            if self.choices.get("metadata"):
                raise ClassifierError("--choice metadata: deep-hits reads none; use alerce-stamp.")
            object.__setattr__(self, "choices", {**self.choices, "metadata": False})
        try:
            check_choices(self.network, self.choices, self.crop_pix or LEAST_SIZE_PIX)
        except ValueError as error:
            raise ClassifierError(f"--choice of --model {self.network}: {error}.") from None

    @property
    def all_choices(self) -> dict[str, Any]:
        """Choices with the defaults of those that were not made."""
        return CHOICES[self.network].model_validate(self.choices).model_dump()

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "merge": {name: list(parts) for name, parts in self.merge.items()}}


def parsed_merge(text: str | None) -> dict[str, tuple[str, ...]]:
    """From ``VS=RRL+CEP+EB,NEW=A+B``.

    Raises
    ------
    ClassifierError
    """
    found = {}
    for part in filter(None, (text or "").split(",")):
        name, equals, classes = part.partition("=")
        parts = tuple(filter(None, map(str.strip, classes.split("+"))))
        if not (name.strip() and equals and parts) or name.strip() in found:
            raise ClassifierError(f"--merge {text!r}: write NEW=CLASS+CLASS, as VS=RRL+CEP+EB.")
        found[name.strip()] = parts
    return found


@dataclass
class StampTraining(KerasTraining):
    """One training run in one folder.

    Parameters
    ----------
    data : path
        A data set with planes and the splits train and validation.
    folder : Path
    options : StampOptions
    command : str
        For the model's card.

    Raises
    ------
    ClassifierError
        The data cannot be used, or the folder holds something else.
    """

    data: Path
    folder: Path
    options: StampOptions
    command: str = ""

    def __post_init__(self):
        options = self.options
        self._splits = {name: DatasetSplit(self.data, name) for name in ("train", "validation")}
        self.alerts = {name: self._read(split) for name, split in self._splits.items()}
        train = self.alerts["train"]
        self._scale = MetadataScale.of(train.columns, train.metadata)
        self._size_pix = options.crop_pix or train.stamps.shape[-1]
        claim_folder(self.folder, self._settings(), complete=self.is_complete())

    def _read(self, split) -> FirstAlerts:
        options = self.options
        columns = COMMON_METADATA if options.all_choices["metadata"] else ()
        merge, wanted = options.merge, n_alerts(options.network)
        alerts = read_first_alerts(split, alerts=wanted, metadata=columns, merge=merge)
        if np.unique(alerts.labels[alerts.labels >= 0]).size < 2:
            raise ClassifierError(
                f"{split.path}/{split.name} has labelled alerts of fewer than two classes."
            )
        return alerts

    def notes(self) -> list[str]:
        """Objects that were left out, one sentence each."""
        named = ((f"{self.data}/{name}", each) for name, each in self.alerts.items())
        return [note for name, each in named for note in each.notes(name)]

    def _settings(self):
        return {
            "data": {name: dataset_identity(split) for name, split in self._splits.items()},
            "options": self.options.as_dict(),
            "versions": used_versions(),
        }

    def _arrays(self, alerts):
        preprocessing = self.options.all_choices["preprocessing"]
        return network_arrays(alerts, self._scale, preprocessing, self._size_pix)

    def compiled_model(self) -> keras.Model:
        """As `KerasTraining.compiled_model`."""
        options = self.options
        keras.utils.set_random_seed(options.seed)
        model = build(
            options.network,
            options.all_choices,
            size_pix=self._size_pix,
            n_classes=len(self.alerts["train"].classes),
            n_metadata=len(self._scale.columns),
        )
        set_optimiser(model, options, RegularisedCrossEntropy(options.all_choices["beta"]))
        return model

    def batches(self, begun: int) -> Iterator[tuple]:
        """As `KerasTraining.batches`: arrays by name, labels and weights, drawn for each step."""
        options, alerts = self.options, self.alerts["train"]
        arrays = self._arrays(alerts)
        draw = balanced_draws(alerts.labels, options.balance, options.batch, options.seed)
        step = begun
        while True:
            step += 1
            rng = np.random.default_rng([options.seed, step])
            rows, weights = draw(rng)
            part = {name: values[rows] for name, values in arrays.items()}
            if options.rotate:
                _rotate(part, rng.integers(_ORIENTATIONS, size=rows.size))
            yield part, alerts.labels[rows], weights

    def validation_scores(self) -> Callable[[keras.Model], dict[str, float]]:
        """As `KerasTraining.validation_scores`: means over classes."""
        alerts = self.alerts["validation"]
        known = np.flatnonzero(alerts.labels >= 0)
        places = np.linspace(0, known.size - 1, min(self.options.validation, known.size))
        rows = known[places.astype(int)]
        labels = alerts.labels[rows]
        arrays = {name: values[rows] for name, values in self._arrays(alerts).items()}
        weight = _class_weights(labels)

        def scores(model: keras.Model) -> dict[str, float]:
            logits = [
                model.predict_on_batch({name: v[k : k + _BATCH] for name, v in arrays.items()})
                for k in range(0, rows.size, _BATCH)
            ]
            found = softmax(np.concatenate(logits))
            true = found[np.arange(rows.size), labels]
            accuracy = float(np.average(found.argmax(axis=1) == labels, weights=weight))
            loss = float(np.average(-np.log(np.maximum(true, 1e-12)), weights=weight))
            after = {f"accuracy_{k}": accuracy for k in (1, 3, 6, 10)}
            return {"validation_loss": loss, "accuracy": accuracy, **after}

        return scores

    def opened(self) -> StampClassifier:
        """As `KerasTraining.opened`."""
        return StampClassifier.open(self.folder)

    def card(self, model: keras.Model, records: list[ValidationRecord]) -> dict[str, Any]:
        """As `KerasTraining.card`."""
        train, split = self.alerts["train"], self._splits["train"]
        best = min(records, key=lambda record: record.validation_loss)
        return {
            "format_version": FORMAT_VERSION,
            "kind": KIND,
            "network": self.options.network,
            "choices": self.options.all_choices,
            "parameters": int(model.count_params()),
            "classes": list(train.classes),
            "class_parts": {name: list(parts) for name, parts in self.options.merge.items()},
            "survey": split.survey,
            "bands": list(split.bands),
            "size_pix": self._size_pix,
            "metadata": self._scale.as_dict(),
            "options": self.options.as_dict(),
            "trained_on": dataset_identity(split),
            "profile": split.attributes["profile"],
            "best": asdict(best),
            "seconds": round(records[-1].seconds, 1),
            "command": self.command,
            "versions": used_versions(),
        }


def _class_weights(labels):
    """Weights (object,) of mean 1 that give all classes the same sum."""
    _, place, count = np.unique(labels, return_inverse=True, return_counts=True)
    return (labels.size / count.size / count)[place].astype(np.float32)


def balanced_draws(
    labels: np.ndarray, balance: str, batch: int, seed: int
) -> Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]:
    """A function that draws rows and weights, each (batch,), from a random generator.

    Parameters
    ----------
    labels : array of int, shape (object,)
        -1: never drawn.
    balance : str
        As of `StampOptions`.
    batch : int
    seed : int
        Of the objects that "undersample" keeps.
    """
    known = np.flatnonzero(labels >= 0)
    weight = np.zeros(labels.size, dtype=np.float32)
    weight[known] = _class_weights(labels[known])
    by_class = [np.flatnonzero(labels == k) for k in np.unique(labels[known])]
    if balance == "undersample":
        least, rng = min(map(len, by_class)), np.random.default_rng([seed, 0])
        known = np.sort(np.concatenate([rng.choice(rows, least, False) for rows in by_class]))
    chance = weight[known] / weight[known].sum(dtype=float) if balance == "oversample" else None
    ones = np.ones(batch, dtype=np.float32)

    def draw(rng):
        if balance == "batches":
            classes = rng.permutation(np.arange(batch) + rng.integers(len(by_class)))
            chosen = [by_class[k % len(by_class)] for k in classes]
            return np.array([rows[int(rng.random() * rows.size)] for rows in chosen]), ones
        rows = rng.choice(known, batch, p=chance)
        return rows, weight[rows] if balance == "weights" else ones

    return draw


def _rotate(arrays, orientations):
    """Turn and mirror the stamps of every object in place; alerts of an object alike."""
    for name, values in arrays.items():
        if name.startswith("stamps"):
            for k in range(_ORIENTATIONS):
                rows = orientations == k
                turned = np.rot90(values[rows], k % 4, axes=(1, 2))
                values[rows] = turned[:, :, ::-1] if k >= 4 else turned
