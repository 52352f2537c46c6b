"""An adapted network and trees on the light curves of its real training objects, as one model.

The network is trained on simulated sequences, the trees on real ones. They are joined as experts
whose logarithms add (Hinton 2002, "products of experts"),

    p proportional to p_network (p_trees + e)^w,

where e gives a non-zero probability to classes absent from the training set of the trees. The file
holds training features; the trees are refitted when they are needed, so no file holds code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.evaluation import Predictions
from classifier.evaluation.predictions import sound_only
from classifier.features.handcrafted_features import (
    N_POINTS,
    RunningFeatures,
    feature_names,
    handcrafted_features,
)
from classifier.image_selection import ImageSelection, SelectedSplit
from classifier.models.forest.extra_trees import TreeTrainingSet
from classifier.models.model_card import ShowsCard, read_card, write_card
from classifier.models.protocol import Embedding, StateArray
from classifier.models.recurrent.trained_network import Network
from classifier.network_inputs import AssumedPsf, Inputs
from classifier.photometry import PsfModel
from classifier.stamp_batch import StampBatch
from skyreel.atomic_files import read_arrays, write_arrays
from skyreel.errors import ClassifierError, SimulationError
from survey_profiles.profile import Profile

KIND = "ensemble"
FORMAT_VERSION = 1
NETWORK, TREE_FILE, _OLD_TREE_FILE = "network", "trees.npz", "taught.npz"
FLOOR = 0.01
_AGAIN = "Run finetune again."
_FROM_NETWORK = ("classes", "survey", "size_pix", "selection", "trained_on", "adapted", "versions")


def joined(network: np.ndarray, trees: np.ndarray, weight: float) -> np.ndarray:
    """Probabilities (..., class) of network and trees as one; NaN as the network's."""
    product = network.astype(np.float64) * (trees.astype(np.float64) + FLOOR) ** weight
    return (product / product.sum(axis=-1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True)
class NetworkAndTrees(ShowsCard):
    """What an ensemble has of its network: most of a `classifier.models.protocol.Model`."""

    folder: Path
    network: Any
    training: TreeTrainingSet = field(repr=False)
    weight: float
    card: dict[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes in the order of the probabilities."""
        return self.network.classes

    @property
    def survey(self) -> str:
        """Survey the network was trained for."""
        return self.network.survey

    @property
    def bands(self) -> tuple[str, ...]:
        """Bands whose images it uses."""
        return self.network.bands

    @property
    def selection(self) -> ImageSelection:
        """Which images of a sequence it is given."""
        return self.network.selection

    @property
    def prediction_selection(self) -> ImageSelection:
        """The images of a sequence that it predicts from."""
        return self.network.prediction_selection

    def embedding(self, split: DatasetSplit, rows: np.ndarray, *, threads: int = 1) -> Embedding:
        """How the network represents some objects, (object, unit)."""
        return self.network.embedding(split, rows, threads=threads)


@dataclass(frozen=True)
class Ensemble(NetworkAndTrees):
    """A network and trees: a `classifier.models.protocol.Steppable` model.

    One image at a time the trees use the PSFs of the survey in the model's card, `predict` uses
    those of the data set.
    """

    packages: ClassVar[tuple[str, ...]] = Network.packages
    network: Network

    @classmethod
    def open(cls, folder: str | Path) -> Ensemble:
        """A model that ``finetune`` wrote.

        Raises
        ------
        ClassifierError
            It is unfinished, damaged, or of another format.
        """
        folder = Path(folder)
        card = read_card(folder, kind=KIND, version=FORMAT_VERSION, keys=("weight", "seed"))
        path, old = folder / TREE_FILE, folder / _OLD_TREE_FILE
        path = old if old.exists() and not path.exists() else path
        arrays = read_arrays(path, _AGAIN)
        network = Network.open(folder / NETWORK)
        try:
            training = TreeTrainingSet(
                arrays["features"],
                _whole(arrays["n_images"]),
                _whole(arrays["labels"]),
                int(card["seed"]),
            )
            weight = float(card["weight"])
        except (KeyError, TypeError, ValueError) as error:
            raise ClassifierError(f"{folder} is damaged ({error}). {_AGAIN}") from None
        _check(training, network, path)
        return cls(folder, network, training, weight, card)

    @property
    def size_pix(self) -> int:
        """Rows and columns of a stamp."""
        return self.network.size_pix

    @property
    def assumed_psf(self) -> AssumedPsf:
        """The PSF it assumes where it is not known."""
        return self.network.assumed_psf

    def selected(self, split: DatasetSplit) -> SelectedSplit:
        """The images of a split that it is given; errors as of `Network.selected`."""
        return self.network.selected(split)

    def predict(
        self,
        split: DatasetSplit,
        *,
        threads: int = 1,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> Predictions:
        """Class probabilities of every object of a split after 1, 2, ... images.

        Images beyond those of the training change the network's part alone.

        Raises
        ------
        ClassifierError
            As `Network.predict`.
        """
        found = self.network.predict(split, threads=threads, on_progress=on_progress)
        features = handcrafted_features(
            self.network.selected(split, self.prediction_selection),
            beta=self.assumed_psf.beta,
            images=self.selection.images,
        )
        measured = np.minimum(found.n_images, features.shape[1])
        _, n_images = sound_only(features, measured)
        trees = self.training.scores(features, n_images, self.classes)
        last = np.minimum(np.arange(found.probabilities.shape[1]), features.shape[1] - 1)
        scores = np.where(
            (n_images > 0)[:, None, None],
            joined(found.probabilities, trees[:, last], self.weight),
            np.float32(np.nan),
        )
        return Predictions(
            found.classes,
            scores,
            found.label,
            np.where(n_images > 0, found.n_images, 0),
            found.magnitude,
            found.object_id,
        )

    @cached_property
    def states(self) -> dict[str, StateArray]:
        """What it keeps of an object: the network's states, and what features follow from."""
        shapes = RunningFeatures.shapes(self.selection.images, self.size_pix)
        return self.network.states | {name: StateArray(*of) for name, of in shapes.items()}

    @property
    def state_identity(self) -> str:
        """A digest of the network, the trees and the survey profile."""
        about = [self.network.state_identity, self.weight, self.training.seed, self._profile]
        digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
        for array in (self.training.features, self.training.n_images, self.training.labels):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def step(
        self, inputs: Inputs, stamps: StampBatch, states: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Probabilities (object, class) after one more image of every object, and new states.

        As `classifier.models.protocol.Steppable.step`. Images beyond those of the selection
        change the network's part alone.

        Raises
        ------
        ClassifierError
            The survey profile in the card is damaged, or its PSFs cannot be read.
        """
        network, network_states = self.network.step(inputs, stamps, states)
        features, tree_states = self._running_features.step(stamps, states)
        trees = self.training.scores_after(features, tree_states[N_POINTS], self.classes)
        return joined(network, trees, self.weight), network_states | tree_states

    @property
    def _profile(self):
        """Of the survey of the training set; models of earlier versions keep the network's."""
        return self.card.get("profile") or self.network.card.get("profile")

    @cached_property
    def _running_features(self) -> RunningFeatures:
        try:
            psf = PsfModel.of(Profile.model_validate(self._profile))
        except (ValueError, SimulationError) as error:
            reason = str(error).split("\n")[0]
            raise ClassifierError(f"{self.folder}: its survey profile: {reason}") from None
        return RunningFeatures(psf, self.assumed_psf.beta, self.selection.images)


def _check(training, network, path):
    if not _is_sound(training):
        raise ClassifierError(f"{path} is damaged. {_AGAIN}")
    n = len(training.labels)
    fits = training.features.ndim == 3 and training.features.shape[0] == n == len(training.n_images)
    fits = fits and training.features.shape[2] == len(feature_names())
    known = fits and n and 0 <= training.labels.min() <= training.labels.max()
    known = known and training.labels.max() < len(network.classes)
    if not known or not 0 < training.n_images.max() <= training.features.shape[1]:
        raise ClassifierError(f"{path} is damaged. {_AGAIN}")


def _whole(array):
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError("whole numbers are needed")
    return array.astype(int)


def _is_sound(training):
    """Whether the arrays have their axes, and the features of every image are numbers."""
    features, n_images = training.features, training.n_images
    if features.ndim != 3 or features.dtype.kind != "f" or n_images.shape != features.shape[:1]:
        return False
    used = np.arange(features.shape[1]) < n_images[:, None]
    return bool((np.abs(features[used]) <= np.finfo(np.float32).max).all())


def save_ensemble(
    folder: Path,
    network_card: dict[str, Any],
    training: TreeTrainingSet,
    weight: float,
    profile: Profile,
) -> None:
    """Write trees and card beside the network, which is in ``folder / NETWORK`` already.

    ``profile`` is the survey profile of the training objects.

    Raises
    ------
    OutputError
    """
    arrays = {
        "features": training.features,
        "n_images": training.n_images,
        "labels": training.labels,
    }
    write_arrays(folder / TREE_FILE, arrays)
    about = {name: network_card[name] for name in _FROM_NETWORK if name in network_card}
    about |= {"weight": weight, "seed": training.seed, "profile": profile.model_dump(mode="json")}
    write_card(folder, {"format_version": FORMAT_VERSION, "kind": KIND, **about})
