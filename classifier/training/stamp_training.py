"""From the first alerts of a data set to a trained stamp classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.features.feature_table import dataset_identity
from classifier.first_alerts import COMMON_METADATA, FirstAlerts, read_first_alerts
from classifier.models.recurrent.backend import keras
from classifier.models.recurrent.trained_network import softmax
from classifier.models.stamp.loss import RegularisedCrossEntropy
from classifier.models.stamp.metadata_scale import MetadataScale
from classifier.models.stamp.preprocessing import check_cut
from classifier.models.stamp.stamp_classifier import (
    FORMAT_VERSION,
    KIND,
    StampClassifier,
    build,
    n_alerts,
    network_arrays,
)
from classifier.training.class_balance import balanced_draws, class_weights
from classifier.training.history import ValidationRecord
from classifier.training.keras_training import KerasTraining, set_optimiser, used_versions
from classifier.training.orientations import ORIENTATIONS, rotate
from classifier.training.stamp_options import StampOptions, refuse_absent_parts
from skyreel.atomic_files import claim_folder
from skyreel.errors import ClassifierError

_BATCH = 256  # of validation


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
        self._check_splits()
        self.alerts = {name: self._read(split) for name, split in self._splits.items()}
        train = self.alerts["train"]
        self._scale = MetadataScale.of(train.columns, train.metadata)
        self._size_pix = options.crop_pix or train.stamps.shape[-1]
        claim_folder(self.folder, self._settings(), complete=self.is_complete())

    def _check_splits(self):
        options, train = self.options, self._splits["train"]
        refuse_absent_parts(options.merge, train)
        if options.crop_pix is not None:
            check_cut(train.size_pix, options.crop_pix)

    def _read(self, split) -> FirstAlerts:
        options = self.options
        alerts = read_first_alerts(
            split,
            alerts=n_alerts(options.network),
            metadata=COMMON_METADATA if options.all_choices["metadata"] else (),
            merge=options.merge,
            seed=options.seed if options.alerts == "any" else None,
            draws=options.alerts_per_object if split is self._splits["train"] else 1,
            signal_to_noise=options.all_choices["snr_difference"],
        )
        if np.unique(alerts.labels[alerts.labels >= 0]).size < 2:
            raise ClassifierError(
                f"{split.path}/{split.name} has labelled alerts of fewer than two classes."
            )
        return alerts

    def notes(self) -> list[str]:
        """As `KerasTraining.notes`: objects left out, and classes that are not there."""
        named = ((f"{self.data}/{name}", each) for name, each in self.alerts.items())
        found = [note for name, each in named for note in each.notes(name)]
        known = self._splits["train"].classes
        parts = [part for names in self.options.merge.values() for part in names]
        if unknown := [part for part in parts if part not in known]:
            found.append(f"{self.data} has no class {', '.join(unknown)} of --merge.")
        train = self.alerts["train"]
        if unseen := sorted(set(train.classes) - {train.classes[k] for k in set(train.labels)}):
            found.append(f"{self.data}/train has no alert of the class {', '.join(unseen)}.")
        return found

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
                stamps = [values for name, values in part.items() if name.startswith("stamps")]
                rotate(stamps, rng.integers(ORIENTATIONS, size=rows.size))
            yield part, alerts.labels[rows], weights

    def validation_scores(self) -> Callable[[keras.Model], dict[str, float]]:
        """As `KerasTraining.validation_scores`: means over classes."""
        alerts = self.alerts["validation"]
        known = np.flatnonzero(alerts.labels >= 0)
        places = np.linspace(0, known.size - 1, min(self.options.validation, known.size))
        rows = known[places.astype(int)]
        labels = alerts.labels[rows]
        arrays = {name: values[rows] for name, values in self._arrays(alerts).items()}
        weight = class_weights(labels)

        def scores(model: keras.Model) -> dict[str, float]:
            logits = [
                model.predict_on_batch({name: v[k : k + _BATCH] for name, v in arrays.items()})
                for k in range(0, rows.size, _BATCH)
            ]
            found = softmax(np.concatenate(logits))
            true = found[np.arange(rows.size), labels]
            accuracy = float(np.average(found.argmax(axis=1) == labels, weights=weight))
            loss = float(np.average(-np.log(np.maximum(true, 1e-12)), weights=weight))
            unread = dict.fromkeys(("accuracy_3", "accuracy_6", "accuracy_10"), np.nan)
            return {
                "validation_loss": loss,
                "accuracy": accuracy,
                "accuracy_1": accuracy,
                **unread,
            }

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
