"""A trained network on disk: a folder of one JSON card and one file of plain arrays.

Nothing in it is code: the network is built by this program from its name and choices, and the
arrays are assigned where their names and shapes fit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.evaluation.predictions import Predictions, joined, sound_only
from classifier.features.pipeline import observed_magnitudes, psf_of
from classifier.image_selection import ImageSelection, SelectedSplit
from classifier.models.card_schema import check_choices
from classifier.models.model_card import CARD, ShowsCard, read_card
from classifier.models.protocol import Embedding, StateArray
from classifier.models.recurrent import build_network
from classifier.models.recurrent.backend import compiled, keras, own_settings
from classifier.models.recurrent.numpy_step import NumpyStep
from classifier.models.recurrent.variants import ModelVariants
from classifier.network_inputs import AssumedPsf, Inputs, inputs_of
from classifier.stamp_batch import StampBatch
from skyreel.array_archives import check_archive, n_values
from skyreel.atomic_files import read_arrays, write_arrays
from skyreel.errors import ClassifierError

KIND = "network"
FORMAT_VERSION = 1
WEIGHTS = "weights.npz"
_CARD_KEYS = ("network", "choices", "size_pix", "selection", "assumed_psf", "trained_on")
_BATCH = 256
_LEAST_BATCH = 32
FEW = 8  # objects whose step takes NumPy less time than a backend


def save_weights(model: keras.Model, path: Path) -> None:
    """Write the arrays of a Keras model by their names, whole or not at all.

    Raises
    ------
    OutputError
    """
    write_arrays(path, {v.path: keras.ops.convert_to_numpy(v) for v in model.weights})


def load_weights(model: keras.Model, path: Path) -> None:
    """Assign the arrays of a file to a Keras model.

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


def refuse_too_large(card: Mapping[str, Any], folder: Path) -> None:
    """Check that the file holds as many numbers as the largest layer has, which is built next.

    Raises
    ------
    ClassifierError
    """
    held = n_values(check_archive(folder / WEIGHTS, "Train it again."))
    if check_choices(card["network"], card["choices"], card["size_pix"]) > held:
        raise ClassifierError(
            f"{folder / CARD} does not fit {WEIGHTS}, which holds {held:,} numbers. Train again."
        )


@dataclass(frozen=True)
class Network(ShowsCard):
    """A trained recurrent network: a `classifier.models.protocol.Steppable` model.

    ``classes`` are in the order of the probabilities; ``size_pix`` is the stamp size it takes;
    ``assumed_psf`` is the PSF it assumes where the seeing is unknown.
    """

    packages: ClassVar[tuple[str, ...]] = ("keras",)
    folder: Path
    classes: tuple[str, ...]
    survey: str
    selection: ImageSelection
    size_pix: int
    assumed_psf: AssumedPsf
    card: dict[str, Any]
    variants: ModelVariants = field(repr=False)

    @classmethod
    def open(cls, folder: str | Path) -> Network:
        """A model that was trained before.

        Raises
        ------
        ClassifierError
            No model is there, it is unfinished, damaged, or of another format.
        """
        folder = Path(folder)
        card = read_card(folder, kind=KIND, version=FORMAT_VERSION, keys=_CARD_KEYS)
        refuse_too_large(card, folder)
        try:
            selection, size_pix = ImageSelection.of_dict(card["selection"]), int(card["size_pix"])
            classes = tuple(str(name) for name in card["classes"])
            assumed = AssumedPsf.of_card(card)
            variants = build_network(
                card["network"],
                size_pix=size_pix,
                n_classes=len(classes),
                n_bands=len(selection.bands),
                planes=selection.planes,
                **card["choices"],
            )
        except (KeyError, TypeError, ValueError) as error:
            reason = str(error).split("\n")[0]
            raise ClassifierError(f"{folder / CARD} is damaged ({reason}). Train again.") from None
        load_weights(variants.whole, folder / WEIGHTS)
        survey = str(card["survey"])
        return cls(folder, classes, survey, selection, size_pix, assumed, card, variants)

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    @property
    def bands(self) -> tuple[str, ...]:
        """The bands whose images it uses."""
        return self.selection.bands

    @property
    def prediction_selection(self) -> ImageSelection:
        """The images that it predicts from: as ``selection``, however many there are."""
        return self.selection.without_limit()

    def selected(
        self, split: DatasetSplit, selection: ImageSelection | None = None
    ) -> SelectedSplit:
        """The images of a split by ``selection``, by default by that of the training.

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
        selection = selection or self.selection
        return SelectedSplit(split.assuming(self.assumed_psf.fwhm_pix), selection)

    def predict(
        self,
        split: DatasetSplit,
        *,
        threads: int = 1,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> Predictions:
        """Class probabilities of every object of a split after 1, 2, ... images.

        Sequences that are longer than those of the training are read in windows of that length,
        with the states of one window at the start of the next; all predictions follow from all
        images so far. Keras uses its own threads, whatever ``threads`` says.

        Raises
        ------
        ClassifierError
            As `selected`; objects of a class that the network does not have.
        """
        return joined(self.predict_blocks(split, threads=threads, on_progress=on_progress))

    def predict_blocks(
        self,
        split: DatasetSplit,
        *,
        threads: int = 1,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> Iterator[Predictions]:
        """The same, of one block of objects after another."""
        selected = self.selected(split, self.prediction_selection)
        labels = split.labels_among(self.classes)
        psf, names = psf_of(split), split.object_ids
        for first, end in split.blocks():
            stamps = selected.stamps(first, end)
            inputs = inputs_of(stamps, multiband=self.selection.multiband)
            scores, n_images = sound_only(self.probabilities(inputs), inputs.n_images)
            magnitude = np.full(end - first, np.nan)
            if split.measures_magnitudes:
                magnitude = observed_magnitudes(stamps, psf)
            on_progress(end - first)
            known = labels[first:end], n_images, magnitude, names[first:end]
            yield Predictions(self.classes, scores, *known)

    def probabilities(self, inputs: Inputs) -> np.ndarray:
        """Class probabilities (object, image, class), NaN where an object has no image."""
        if inputs.images.shape[1] > self.selection.images:
            logits = self._in_windows(inputs)
        else:
            logits = self._applied(self.variants.whole, inputs)
        return np.where(inputs.present[..., None] > 0, softmax(logits), np.nan).astype(np.float32)

    def embedding(self, split: DatasetSplit, rows: np.ndarray, *, threads: int = 1) -> Embedding:
        """Hidden states of some objects after their last image, (object, unit).

        Images beyond the number of ``selection`` are not used. Keras uses its own threads,
        whatever ``threads`` says.
        """
        selected, rows = self.selected(split), np.asarray(rows)
        n_units = self.variants.hidden_states.output_shape[-1]
        found = np.zeros((len(rows), n_units), dtype=np.float32)
        for first, end in split.blocks():
            wanted = np.flatnonzero((rows >= first) & (rows < end))
            if wanted.size:
                stamps = selected.stamps(first, end)
                inputs = inputs_of(stamps, multiband=self.selection.multiband)
                inputs = inputs.of(rows[wanted] - first)
                found[wanted] = self.last_hidden_states(inputs)
        return Embedding(found, f"hidden state of {n_units} units after the last image")

    def last_hidden_states(self, inputs: Inputs) -> np.ndarray:
        """Hidden states after the last image of sequences, (object, unit)."""
        states = self._applied(self.variants.hidden_states, inputs)
        return states[np.arange(len(inputs)), np.maximum(inputs.n_images, 1) - 1]

    @own_settings()
    def _applied(self, model, inputs):
        """Outputs of a Keras model, in batches of one size so that it is compiled once."""
        n, found = len(inputs), []
        for first in range(0, n, _BATCH):
            rows = np.arange(first, first + _BATCH) % n if n < first + _BATCH else None
            part = inputs.of(rows if rows is not None else slice(first, first + _BATCH))
            found.append(model.predict_on_batch(part.arrays())[: min(_BATCH, n - first)])
        return np.concatenate(found)

    def _in_windows(self, inputs):
        """Logits (object, image, class) of sequences longer than those of the training."""
        parts = [inputs.of(slice(k, k + _BATCH)) for k in range(0, len(inputs), _BATCH)]
        return np.concatenate([self._part_in_windows(part) for part in parts])

    @own_settings()
    def _part_in_windows(self, inputs):
        """The same of at most `_BATCH` objects; those without an image left are not read on."""
        n, size = len(inputs), self.selection.images
        found = np.zeros((n, inputs.images.shape[1], len(self.classes)), dtype=np.float32)
        states = {name: np.zeros((n, *s.shape), s.dtype) for name, s in self.states.items()}
        for begin in range(0, int(inputs.n_images.max(initial=0)), size):
            left = np.flatnonzero(inputs.n_images > begin)
            batch = -(-left.size // _LEAST_BATCH) * _LEAST_BATCH  # few sizes, compiled once each
            rows = np.resize(left, batch)
            images = {k: v[rows, begin : begin + size] for k, v in inputs.arrays().items()}
            named = {f"state_{name}": kept[rows] for name, kept in states.items()}
            logits, renewed = self.variants.window.predict_on_batch({**images, **named})
            found[left, begin : begin + size] = logits[: left.size]
            for name, kept in states.items():
                kept[left] = renewed[name][: left.size]
        # to the last bit as of sequences that are not longer
        found[:, :size] = self._applied(self.variants.whole, inputs.of(slice(None), size))
        return found

    @cached_property
    def states(self) -> dict[str, StateArray]:
        """What it keeps of an object from one image to the next."""
        return {name: StateArray(shape) for name, shape in self.variants.states.items()}

    @cached_property
    def _step(self):
        step = self.variants.step
        # in graphs of its own the last bits of `compact` differ from those of whole sequences
        return compiled(step) if self.selection.multiband else step.predict_on_batch

    @property
    def state_identity(self) -> str:
        """A digest of classes, stamp size, choices and weights."""
        choices = [self.card.get(key) for key in ("network", "choices")]
        digest = hashlib.sha256(json.dumps([self.classes, self.size_pix, *choices]).encode())
        for weight in self.variants.whole.weights:
            digest.update(weight.path.encode())
            digest.update(np.ascontiguousarray(weight, dtype=np.float32).tobytes())
        return digest.hexdigest()

    @cached_property
    def _numpy_step(self):
        """The same for few objects; None for a network with layers that NumPy does not have."""
        with own_settings():
            return NumpyStep.of(self.variants.step)

    def step(
        self, inputs: Inputs, stamps: StampBatch, states: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Probabilities (object, class) after one more image of every object, and new states.

        As `classifier.models.protocol.Steppable.step`; ``stamps`` are not needed.
        """
        named = {f"state_{name}": states[name] for name in self.states}
        arrays = {**inputs.arrays(), **named}
        if len(inputs) <= FEW and self._numpy_step is not None:
            logits, renewed = self._numpy_step(arrays)
        else:
            with own_settings():
                logits, renewed = self._step(arrays)
        return softmax(logits), renewed


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits, along the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)
