"""From the difference stamps of a data set, labelled or not, to an autoencoder that clusters.

As Jiang et al. (2017): a plain autoencoder is trained, a mixture of Gaussians is fitted to its
latent variables, and both are then trained by the ELBO. Of the network "vae" the mixture is fitted
at the end, and not trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.features.feature_table import dataset_identity
from classifier.models.autoencoder.alert_clusters import (
    FORMAT_VERSION,
    KIND,
    AlertClusters,
    build,
    cluster_names,
    network_arrays,
)
from classifier.models.autoencoder.elbo import MeanOutput
from classifier.models.autoencoder.mixture import Mixture
from classifier.models.card_schema import LEAST_SIZE_PIX
from classifier.models.recurrent.backend import keras
from classifier.models.recurrent.trained_network import WEIGHTS, load_weights
from classifier.snr_stamps import SnrStamps, read_snr_stamps
from classifier.training.autoencoder_options import AutoencoderOptions
from classifier.training.history import ValidationRecord
from classifier.training.keras_training import (
    CHECKPOINT,
    KerasTraining,
    OnStep,
    set_optimiser,
    used_versions,
)
from classifier.training.orientations import ORIENTATIONS, rotate
from simulator.dataset.reader import open_root
from skyreel.atomic_files import claim_folder
from skyreel.errors import ClassifierError, SimulationError

PRETRAINING = "pretraining"
_BATCH = 256  # of validation
_HELD_OUT = 8  # one of so many objects, where there is no validation split
_UNREAD = ("accuracy", "accuracy_1", "accuracy_3", "accuracy_6", "accuracy_10")


@dataclass
class AutoencoderTraining(KerasTraining):
    """One training run in one folder.

    Parameters
    ----------
    data : path
        A data set with differences. Splits train and validation are used if there are both; else
        its first split alone, an eighth of its objects, drawn at random, for validation.
    folder : Path
    options : AutoencoderOptions
    command : str
        For the model's card.
    stamps : dict of str to SnrStamps, optional
        Stamps of "train" and "validation", where they are read already.

    Raises
    ------
    ClassifierError
        The data cannot be used, or the folder holds something else.
    """

    data: Path
    folder: Path
    options: AutoencoderOptions
    command: str = ""
    stamps: dict[str, SnrStamps] | None = None

    def __post_init__(self):
        self._splits = splits_for_clustering(self.data)
        train, least = self._splits[0], LEAST_SIZE_PIX
        self._size_pix = self.options.crop_pix or train.size_pix
        if self._size_pix < least:
            raise ClassifierError(
                f"{self.data} has stamps of {train.size_pix} pixels; at least {least} are needed."
            )
        self.stamps = self.stamps or self._read()
        clusters, n = self.options.all_choices["clusters"], len(self.stamps["train"])
        if clusters > n:
            raise ClassifierError(
                f"--choice clusters={clusters}: {self.data} has {n:,} stamps to train with; "
                "choose fewer clusters than stamps."
            )
        claim_folder(self.folder, self._settings(), complete=self.is_complete())

    def _read(self):
        options = self.options
        seed = options.seed if options.alerts == "any" else None
        found = [
            read_snr_stamps(split, size_pix=self._size_pix, seed=seed) for split in self._splits
        ]
        if len(found) > 1:
            return dict(zip(("train", "validation"), found, strict=True))
        (every,) = found
        n = len(every)
        order = np.random.default_rng([options.seed, n]).permutation(n)
        held = np.isin(np.arange(n), order[: max(n // _HELD_OUT, 1)])
        if held.all():
            raise ClassifierError(f"{self.data} has a single stamp; there is nothing to cluster.")
        return {
            "train": every.of(~held),
            "validation": replace(every.of(held), left_out={}),
        }

    def notes(self) -> list[str]:
        """As `KerasTraining.notes`: objects left out, and those used for validation."""
        named = zip(self._splits, self.stamps.values(), strict=False)
        found = [note for split, s in named for note in s.notes(f"{split.path}/{split.name}")]
        if len(self._splits) == 1:
            held = len(self.stamps["validation"])
            found.append(
                f"{self.data} has no splits train and validation: {held:,} of its objects are "
                "used for validation, the others for training."
            )
        return found

    def _settings(self):
        return {
            "data": {split.name: dataset_identity(split) for split in self._splits},
            "options": self.options.as_dict(),
            "versions": used_versions(),
        }

    @property
    def _pretrains(self):
        options = self.options
        return options.all_choices["pretraining"] if options.network == "vade" else 0

    def run(self, on_step: OnStep = lambda done, total, numbers: None) -> AlertClusters:
        """As `KerasTraining.run`; steps of the training before count."""
        before, total = self._pretrains, self._pretrains + self.options.iterations
        if before and not self.is_complete() and not (self.folder / CHECKPOINT).exists():
            self._pretraining().run(lambda done, _, numbers: on_step(done, total, numbers))
        return super().run(lambda done, _, numbers: on_step(before + done, total, numbers))

    def _pretraining(self):
        options = replace(self.options, network="autoencoder", iterations=self._pretrains)
        folder = self.folder / PRETRAINING
        return AutoencoderTraining(self.data, folder, options, self.command, self.stamps)

    def compiled_model(self) -> keras.Model:
        """As `KerasTraining.compiled_model`."""
        options = self.options
        keras.utils.set_random_seed(options.seed)
        model = build(options.network, options.all_choices, self._size_pix)
        if options.network == "vade" and not (self.folder / CHECKPOINT).exists():
            if self._pretrains:
                load_weights(model, self.folder / PRETRAINING / WEIGHTS)
            self._fit_mixture(model)
        set_optimiser(model, options, MeanOutput())
        return model

    def completed(self, model: keras.Model) -> keras.Model:
        """As `KerasTraining.completed`: with a fitted mixture where it was not trained."""
        if self.options.network != "vade":
            self._fit_mixture(model)
        return model

    def _fit_mixture(self, model):
        choices, snr = self.options.all_choices, self.stamps["train"].snr
        stamps = network_arrays(snr, choices["brightness"])["stamps"]
        encoder = model.get_layer("encoder")
        means = [
            np.asarray(encoder.predict_on_batch(stamps[k : k + _BATCH])[0])
            for k in range(0, len(stamps), _BATCH)
        ]
        divergence = model.get_layer("divergence")
        fit = Mixture.fitted(np.concatenate(means), choices["clusters"], self.options.seed)
        divergence.mixture = fit

    def batches(self, begun: int) -> Iterator[tuple]:
        """As `KerasTraining.batches`: stamps, precisions and noise, drawn for each step."""
        options, snr = self.options, self.stamps["train"].snr
        choices, step = options.all_choices, begun
        nothing = np.zeros(options.batch, dtype=np.float32)
        while True:
            step += 1
            rng = np.random.default_rng([options.seed, step])
            arrays = network_arrays(
                snr[rng.integers(len(snr), size=options.batch)], choices["brightness"]
            )
            if options.rotate:
                rotate(arrays.values(), rng.integers(ORIENTATIONS, size=options.batch))
            yield {**arrays, "noise": _noise(rng, options.batch, choices["latent"])}, nothing

    def validation_scores(self) -> Callable[[keras.Model], dict[str, float]]:
        """As `KerasTraining.validation_scores`: -ELBO, and no accuracies."""
        choices, snr = self.options.all_choices, self.stamps["validation"].snr
        snr = snr[np.linspace(0, len(snr) - 1, min(self.options.validation, len(snr))).astype(int)]
        arrays = network_arrays(snr, choices["brightness"])
        arrays["noise"] = _noise(np.random.default_rng(0), len(snr), choices["latent"])

        def scores(model: keras.Model) -> dict[str, float]:
            losses = [
                model.predict_on_batch({name: v[k : k + _BATCH] for name, v in arrays.items()})
                for k in range(0, len(snr), _BATCH)
            ]
            loss = float(np.concatenate(losses).mean())
            return {"validation_loss": loss, **dict.fromkeys(_UNREAD, np.nan)}

        return scores

    def opened(self) -> AlertClusters:
        """As `KerasTraining.opened`."""
        return AlertClusters.open(self.folder)

    def card(self, model: keras.Model, records: list[ValidationRecord]) -> dict[str, Any]:
        """As `KerasTraining.card`."""
        split, choices = self._splits[0], self.options.all_choices
        labels, classes = self.stamps["train"].labels, split.classes
        best = min(records, key=lambda record: record.validation_loss)
        return {
            "format_version": FORMAT_VERSION,
            "kind": KIND,
            "network": self.options.network,
            "choices": choices,
            "parameters": int(model.count_params()),
            "classes": list(cluster_names(choices["clusters"])),
            "labels_in_training": [classes[k] for k in np.unique(labels) if k >= 0],
            "survey": split.survey,
            "bands": list(split.bands),
            "size_pix": self._size_pix,
            "options": self.options.as_dict(),
            "trained_on": dataset_identity(split),
            "profile": split.attributes["profile"],
            "best": asdict(best),
            "seconds": round(records[-1].seconds, 1),
            "command": self.command,
            "versions": used_versions(),
        }


def splits_for_clustering(data: Path) -> tuple[DatasetSplit, ...]:
    """The splits train and validation of a data set, or its first one.

    Raises
    ------
    ClassifierError
        There is no such data set, it is damaged, or it has no split.
    """
    try:
        root = open_root(data, mode="r")
    except SimulationError as error:
        raise ClassifierError(str(error)) from None
    there = [name for name in ("train", "validation", "test") if name in root]
    names = there[:2] if there[:2] == ["train", "validation"] else there[:1]
    return tuple(DatasetSplit(data, name) for name in names or ("train",))


def _noise(rng, n, latent):
    return rng.standard_normal((n, latent)).astype(np.float32)
