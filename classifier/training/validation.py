"""Scores on the validation set while a network is trained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.image_selection import ImageSelection, SelectedSplit
from classifier.models.recurrent.backend import keras
from classifier.models.recurrent.trained_network import softmax
from classifier.network_inputs import Inputs, inputs_of
from skyreel.errors import ClassifierError

_BATCH = 256
_READ_OBJECTS = 64  # of a chunk; none is read of which no object is wanted
_ACCURACIES_AFTER = (1, 3, 6, 10)


@dataclass(frozen=True)
class ValidationSet:
    """Labelled sequences: inputs, and labels (object,)."""

    inputs: Inputs
    labels: np.ndarray

    @classmethod
    def read(cls, split: DatasetSplit, selection: ImageSelection, most: int) -> ValidationSet:
        """At most ``most`` labelled sequences, evenly from the whole split.

        Raises
        ------
        ClassifierError
            No labelled sequence has an image in the band.
        """
        labelled = np.flatnonzero(split.labels >= 0)
        places = np.linspace(0, labelled.size - 1, min(most, labelled.size))
        rows, selected, found = labelled[places.astype(int)], SelectedSplit(split, selection), []
        for first, end in split.blocks(_READ_OBJECTS):
            wanted = rows[(rows >= first) & (rows < end)] - first
            if wanted.size:
                stamps = selected.stamps(first, end).of(wanted)
                found.append(inputs_of(stamps, multiband=selection.multiband))
        inputs = Inputs.joined(found)
        known = inputs.n_images > 0
        if not known.any():
            raise ClassifierError(
                f"{split.path}/{split.name}: no labelled sequence has an image in the band "
                f"{selection.band}."
            )
        return cls(inputs.of(known), split.labels[rows][known])

    def scores(self, model: keras.Model, images: int) -> dict[str, float]:
        """Loss, and accuracy after 1, 3, 6, 10 and all of at most ``images`` images."""
        inputs, labels = self.inputs, self.labels
        logits = np.concatenate(
            [
                model.predict_on_batch(inputs.of(slice(first, first + _BATCH)).arrays())
                for first in range(0, len(inputs), _BATCH)
            ]
        )
        rows, correct = np.arange(len(inputs)), logits.argmax(axis=-1) == labels[:, None]
        true = softmax(logits)[rows, :, labels]
        loss = -(np.log(np.maximum(true, 1e-12)) * inputs.present).sum(axis=1).mean()

        def after(k):
            return float(correct[rows, np.minimum(inputs.n_images, k) - 1].mean())

        accuracies = {f"accuracy_{k}": after(k) for k in _ACCURACIES_AFTER}
        return {"validation_loss": float(loss), "accuracy": after(images), **accuracies}
