"""A trained network on disk: a folder of one JSON card and one file of plain arrays.

Nothing in it is code: the network is built by this program from its name and choices, and the
arrays are put in where their names and shapes fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.evaluation import Predictions
from classifier.features.pipeline import observed_magnitudes, psf_of
from classifier.image_selection import ImageSelection, SelectedSplit
from classifier.models.model_card import CARD, read_card
from classifier.models.recurrent import built
from classifier.models.recurrent.backend import keras
from classifier.models.recurrent.sequence_model import ModelVariants
from classifier.network_inputs import Inputs, inputs_of
from skyreel.atomic_files import read_arrays, write_arrays
from skyreel.errors import ClassifierError

KIND = "network"
FORMAT_VERSION = 1
WEIGHTS = "weights.npz"
_CARD_KEYS = ("network", "choices", "size_pix", "showing", "trained_on")
_BATCH = 256


def save_weights(model, path: Path) -> None:
    """Write the arrays of a Keras model by their names, whole or not at all."""
    arrays = {v.path: keras.ops.convert_to_numpy(v) for v in model.weights}
    write_arrays(path, arrays)


def load_weights(model, path: Path) -> None:
    """Put the arrays of a file into a Keras model.

    Raises
    ------
    ClassifierError
        The file is missing or damaged, or holds other arrays than the model has.
    """
    arrays = read_arrays(path, "Train it again.")
    expected = {variable.path: tuple(variable.shape) for variable in model.weights}
    found = {name: array.shape for name, array in arrays.items() if array.dtype.kind == "f"}
    if found != expected:
        wrong = sorted(set(found.items()) ^ set(expected.items()))[0]
        raise ClassifierError(f"{path} does not fit this network (first at {wrong[0]}).")
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise ClassifierError(f"{path} is damaged: it has weights that are not finite.")
    for variable in model.weights:
        variable.assign(arrays[variable.path])


@dataclass(frozen=True)
class Network:
    """A trained network.

    ``classes`` are in the order of the probabilities; ``size_pix`` is the stamp size it takes.
    """

    folder: Path
    classes: tuple[str, ...]
    survey: str
    selection: ImageSelection
    size_pix: int
    card: dict
    variants: ModelVariants = field(repr=False)

    @classmethod
    def open(cls, folder) -> Network:
        """A model that was trained before.

        Raises
        ------
        ClassifierError
            No model is there, it is unfinished, damaged, or of another format.
        """
        folder = Path(folder)
        card = read_card(folder, kind=KIND, version=FORMAT_VERSION, keys=_CARD_KEYS)
        try:
            selection, size_pix = ImageSelection.of_dict(card["showing"]), int(card["size_pix"])
            classes = tuple(str(name) for name in card["classes"])
            variants = built(
                card["network"], size_pix=size_pix, n_classes=len(classes), **card["choices"]
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ClassifierError(f"{folder / CARD} is damaged ({error}). Train again.") from None
        load_weights(variants.whole, folder / WEIGHTS)
        return cls(folder, classes, str(card["survey"]), selection, size_pix, card, variants)

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    def shown(self, split: DatasetSplit) -> SelectedSplit:
        """A split as this network is shown it.

        Raises
        ------
        ClassifierError
            It has no objects, stamps of another size, or no exposures in the band.
        """
        split.refuse_empty()
        if split.size_pix != self.size_pix:
            raise ClassifierError(
                f"{split.path} has stamps of {split.size_pix} pixels; {self.folder} takes "
                f"{self.size_pix}."
            )
        return SelectedSplit(split, self.selection)

    def predict(
        self,
        split: DatasetSplit,
        *,
        threads: int = 1,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> Predictions:
        """Class probabilities of every object of a split after 1, 2, ... images.

        ``threads`` is there for the sake of other models: Keras uses all cores by itself.

        Raises
        ------
        ClassifierError
        """
        shown, labels = self.shown(split), split.labels_among(self.classes)
        psf, found = psf_of(split), []
        for first, end in split.blocks():
            stamps = shown.stamps(first, end)
            inputs = inputs_of(stamps)
            found.append(
                (self.probabilities(inputs), inputs.n_images, observed_magnitudes(stamps, psf))
            )
            on_progress(end - first)
        scores, n_images, magnitude = (np.concatenate(part) for part in zip(*found, strict=True))
        return Predictions(self.classes, scores, labels, n_images, magnitude, split.object_ids)

    def probabilities(self, inputs: Inputs) -> np.ndarray:
        """Class probabilities (object, image, class), NaN where an object has no image."""
        logits = self._applied(self.variants.whole, inputs)
        return np.where(inputs.shown[..., None] > 0, softmax(logits), np.nan).astype(np.float32)

    def hidden_states(self, split: DatasetSplit, rows) -> np.ndarray:
        """What the network remembers of some objects after their last image, (object, unit)."""
        shown, rows = self.shown(split), np.asarray(rows)
        found = np.zeros((len(rows), self.variants.memory.output_shape[-1]), dtype=np.float32)
        for first, end in split.blocks():
            wanted = np.flatnonzero((rows >= first) & (rows < end))
            if wanted.size:
                inputs = inputs_of(shown.stamps(first, end)).of(rows[wanted] - first)
                found[wanted] = self.hidden_state_of(inputs)
        return found

    def hidden_state_of(self, inputs: Inputs) -> np.ndarray:
        """What the network remembers after the last image of sequences, (object, unit)."""
        memory = self._applied(self.variants.memory, inputs)
        return memory[np.arange(len(inputs)), np.maximum(inputs.n_images, 1) - 1]

    def _applied(self, model, inputs):
        """Outputs of a Keras model, in batches of one size so that it is compiled once."""
        n, found = len(inputs), []
        for first in range(0, n, _BATCH):
            rows = np.arange(first, first + _BATCH) % n if n < first + _BATCH else None
            part = inputs.of(rows if rows is not None else slice(first, first + _BATCH))
            found.append(model.predict_on_batch(part.arrays())[: min(_BATCH, n - first)])
        return np.concatenate(found)

    def step(self, inputs: Inputs, states: dict) -> tuple[np.ndarray, dict]:
        """Probabilities (object, class) after one more image of every object, and new states.

        ``inputs`` has an image axis of length 1; ``states`` are arrays (object, ...) by name.
        """
        named = {f"state_{name}": value for name, value in states.items()}
        logits, renewed = self.variants.step.predict_on_batch({**inputs.arrays(), **named})
        return softmax(logits), renewed


def softmax(logits):
    """Probabilities of logits, along the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)
