"""An adapted network and trees on the light curves of the objects it was taught, as one model.

The network knows what simulated skies look like, the trees what the taught objects look like. They
are joined as experts whose logarithms add (Hinton 2002, "products of experts"),

    p proportional to p_network (p_trees + e)^w,

where e keeps classes open that were not taught. On disk the trees are the features they were
grown on: they are grown again when the model is opened, so that no file holds more than numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier

from classifier.dataset import DatasetSplit
from classifier.evaluation import Predictions
from classifier.features.sequence_features import feature_names, real_only_features
from classifier.image_selection import ImageSelection
from classifier.models.forest.growing import probabilities, refuse_one_class
from classifier.models.model_card import CARD, read_card
from classifier.models.recurrent.network import Network
from skyreel.atomic_files import read_arrays, whole_file, write_arrays
from skyreel.errors import ClassifierError

TREES = 150


def real_only_predictions(
    features, n_images, labels, training_rows, classes: Sequence[str], *, seed: int
) -> np.ndarray:
    """Probabilities (object, image, class) of all objects by trees grown on a few of them.

    For every number of images other trees are grown, on the taught objects after so many images,
    or after their last; NaN where an object has not so many. Classes that are not taught have
    probability 0. All features and thresholds are drawn at random, and classes weigh the same
    whatever their numbers.

    Parameters
    ----------
    features : numpy.ndarray, shape (object, image, feature)
        From `real_only_features`.
    n_images : numpy.ndarray of int, shape (object,)
        Images an object has; one without any is neither taught nor classified.
    labels : numpy.ndarray of int, shape (object,)
        Indices into ``classes``; -1 where unknown, which cannot be taught.
    training_rows : array_like of int
        Objects to learn from.
    classes : sequence of str
    seed : int

    Raises
    ------
    ClassifierError
        Taught objects of fewer than two classes, or without a label; features that are not known
        for as many images.
    """
    features, labels = np.asarray(features), np.asarray(labels)
    n_images, taught = np.asarray(n_images), np.asarray(training_rows, dtype=int)
    known = np.arange(features.shape[1]) < n_images[:, None]
    if n_images.max(initial=0) > features.shape[1] or not np.isfinite(features[known]).all():
        raise ClassifierError("real-only: n_images counts images whose features are not known.")
    taught = taught[n_images[taught] > 0]
    if (labels[taught] < 0).any():
        raise ClassifierError("real-only: an object without a label cannot be learned from.")
    refuse_one_class(labels[taught], "real-only: the draw")
    scores = np.full((*known.shape, len(classes)), np.nan, dtype=np.float32)
    for k in range(int(n_images.max())):
        trees = _grown(features[taught, np.minimum(k, n_images[taught] - 1)], labels[taught], seed)
        there = known[:, k]
        scores[there, k] = probabilities(trees, features[there, k], len(classes))
    return scores


def _grown(features, labels, seed):
    trees = ExtraTreesClassifier(
        TREES, max_features=1, class_weight="balanced", random_state=seed, n_jobs=1
    )
    return trees.fit(features, labels)


KIND = "committee"
FORMAT_VERSION = 1
NETWORK, TREE_FILE = "network", "taught.npz"
FLOOR = 0.01
_AGAIN = "Run finetune again."


def joined(network, trees, weight: float) -> np.ndarray:
    """Probabilities (object, image, class) of network and trees as one; NaN as the network's."""
    product = network.astype(np.float64) * (trees.astype(np.float64) + FLOOR) ** weight
    return (product / product.sum(axis=-1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True)
class TreeTrainingSet:
    """What trees are grown on.

    ``features`` (object, image, feature) as of `real_only_features`, ``n_images`` and ``labels``
    (object,) of the taught objects.
    """

    features: np.ndarray
    n_images: np.ndarray
    labels: np.ndarray
    seed: int

    def scores(self, features, n_images, classes) -> np.ndarray:
        """Probabilities (object, image, class) of other objects."""
        length = max(features.shape[1], self.features.shape[1])
        every = np.concatenate([_longer(self.features, length), _longer(features, length)])
        n = len(self.labels)
        labels = np.concatenate([self.labels, np.full(len(features), -1)])
        found = real_only_predictions(
            every,
            np.concatenate([self.n_images, n_images]),
            labels,
            np.arange(n),
            classes,
            seed=self.seed,
        )
        return found[n:, : features.shape[1]]


def _longer(features, length):
    padding = ((0, 0), (0, length - features.shape[1]), (0, 0))
    return np.pad(features, padding, constant_values=np.nan)


@dataclass(frozen=True)
class Ensemble:
    """A model folder with the kind "committee"; what a `Network` has for commands, it has."""

    folder: Path
    network: Network
    taught: TreeTrainingSet
    weight: float
    card: dict = field(repr=False)

    @classmethod
    def open(cls, folder) -> Ensemble:
        """A model that ``finetune`` wrote.

        Raises
        ------
        ClassifierError
            It is unfinished, damaged, or of another format.
        """
        folder = Path(folder)
        card = read_card(folder, kind=KIND, version=FORMAT_VERSION, keys=("weight", "seed"))
        arrays = read_arrays(folder / TREE_FILE, _AGAIN)
        network = Network.open(folder / NETWORK)
        try:
            taught = TreeTrainingSet(
                arrays["features"],
                arrays["n_images"].astype(int),
                arrays["labels"].astype(int),
                int(card["seed"]),
            )
            weight = float(card["weight"])
        except (KeyError, TypeError, ValueError) as error:
            raise ClassifierError(f"{folder} is damaged ({error}). {_AGAIN}") from None
        _check(taught, network, folder)
        return cls(folder, network, taught, weight, card)

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Of the probabilities, in order."""
        return self.network.classes

    @property
    def survey(self) -> str:
        """Survey the network was trained for."""
        return self.network.survey

    @property
    def selection(self) -> ImageSelection:
        """Which images it is shown."""
        return self.network.selection

    @property
    def size_pix(self) -> int:
        """Rows and columns of a stamp."""
        return self.network.size_pix

    def hidden_states(self, split: DatasetSplit, rows) -> np.ndarray:
        """What the network remembers of some objects after their last image, (object, unit)."""
        return self.network.hidden_states(split, rows)

    def predict(
        self,
        split: DatasetSplit,
        *,
        threads: int = 1,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> Predictions:
        """Class probabilities of every object of a split after 1, 2, ... images.

        Raises
        ------
        ClassifierError
        """
        found = self.network.predict(split, threads=threads, on_progress=on_progress)
        features = real_only_features(self.network.shown(split))
        length = found.probabilities.shape[1]
        features = _longer(features[:, :length], length)
        trees = self.taught.scores(features, found.n_images, self.classes)
        return Predictions(
            found.classes,
            joined(found.probabilities, trees, self.weight),
            found.label,
            found.n_images,
            found.magnitude,
            found.object_id,
        )


def _check(taught, network, folder):
    n = len(taught.labels)
    fits = taught.features.ndim == 3 and taught.features.shape[0] == n == len(taught.n_images)
    fits = fits and taught.features.shape[2] == len(feature_names())
    known = fits and n and 0 <= taught.labels.min() <= taught.labels.max() < len(network.classes)
    if not known or taught.n_images.max() > taught.features.shape[1]:
        raise ClassifierError(f"{folder / TREE_FILE} is damaged. {_AGAIN}")


def save_ensemble(folder: Path, network_card: dict, taught: TreeTrainingSet, weight: float) -> None:
    """Write what is beside the network, which is in ``folder / NETWORK`` already.

    Raises
    ------
    OutputError
    """
    arrays = {"features": taught.features, "n_images": taught.n_images, "labels": taught.labels}
    write_arrays(folder / TREE_FILE, arrays)
    names = ("classes", "survey", "size_pix", "showing", "trained_on", "adapted", "versions")
    card = {
        "format_version": FORMAT_VERSION,
        "kind": KIND,
        "weight": weight,
        "seed": taught.seed,
        **{name: network_card[name] for name in names if name in network_card},
    }
    with whole_file(folder / CARD) as path:
        path.write_text(json.dumps(card, indent=1))
