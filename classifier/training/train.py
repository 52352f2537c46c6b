"""From sequences to a trained network; a run that was stopped continues where it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.features.feature_table import dataset_identity
from classifier.image_selection import ImageSelection
from classifier.models.card_schema import check_choices
from classifier.models.model_card import stored_settings, upgraded
from classifier.models.recurrent import build_network, full_choices
from classifier.models.recurrent.backend import keras
from classifier.models.recurrent.trained_network import (
    FORMAT_VERSION,
    KIND,
    WEIGHTS,
    Network,
    load_weights,
)
from classifier.models.recurrent.variants import ModelVariants
from classifier.models.registry import model_folder
from classifier.network_inputs import AssumedPsf, Inputs
from classifier.training.history import (
    ValidationRecord,
)
from classifier.training.keras_training import KerasTraining, set_optimiser, used_versions
from classifier.training.options import NetworkOptions
from classifier.training.sources import Batches, EndlessSource, StoredSource
from classifier.training.validation import ValidationSet
from skyreel.atomic_files import claim_folder
from skyreel.errors import ClassifierError


@dataclass
class NetworkTraining(KerasTraining):
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
            "versions": used_versions(),
        }

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

    def compiled_model(self) -> keras.Model:
        """As `KerasTraining.compiled_model`, for all images of a sequence at once."""
        compile_for(self._variants.whole, self.options)
        return self._variants.whole

    def validation_scores(self) -> Callable[[keras.Model], dict[str, float]]:
        """As `KerasTraining.validation_scores`."""
        split, most = self.splits["validation"], self.options.validation
        validation = ValidationSet.read(split, self.selection, most)
        return lambda model: validation.scores(model, self.selection.images)

    def batches(self, begun: int) -> Iterator[tuple]:
        """As `KerasTraining.batches`."""
        return (for_keras(*each) for each in self._batches.starting_at(begun))

    def opened(self) -> Network:
        """As `KerasTraining.opened`."""
        return Network.open(self.folder)

    def card(self, model: keras.Model, records: list[ValidationRecord]) -> dict[str, Any]:
        """As `KerasTraining.card`."""
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
            "versions": used_versions(),
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
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")
    set_optimiser(model, options, loss)


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
