"""An adapted network and trees on the light curves of the objects it was taught, as one model.

The network knows what simulated skies look like, the trees what the taught objects look like. They
are joined as experts whose logarithms add (Hinton 2002, "products of experts"),

    p proportional to p_network (p_trees + e)^w,

where e keeps classes open that were not taught. On disk the trees are the features they were
grown on: they are grown again when the model is opened, so that no file holds more than numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from classifier.arrays import read_arrays, write_arrays
from classifier.card import CARD, read_card
from classifier.errors import ClassifierError
from classifier.evaluation import Predictions
from classifier.files import whole_file
from classifier.networks.model import Network
from classifier.showing import Showing
from classifier.stamps import Split
from finetune.real_only import feature_names, real_only_features, real_only_predictions

KIND = "committee"
FORMAT_VERSION = 1
NETWORK, TAUGHT = "network", "taught.npz"
FLOOR = 0.01
_AGAIN = "Run finetune again."


def joined(network, trees, weight: float) -> np.ndarray:
    """Probabilities (object, image, class) of network and trees as one; NaN as the network's."""
    product = network.astype(np.float64) * (trees.astype(np.float64) + FLOOR) ** weight
    return (product / product.sum(axis=-1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True)
class Taught:
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
            every, np.concatenate([self.n_images, n_images]), labels, np.arange(n), classes,
            seed=self.seed,
        )  # fmt: skip
        return found[n:, : features.shape[1]]


def _longer(features, length):
    padding = ((0, 0), (0, length - features.shape[1]), (0, 0))
    return np.pad(features, padding, constant_values=np.nan)


@dataclass(frozen=True)
class Committee:
    """A model folder with the kind "committee"; what a `Network` has for commands, it has."""

    folder: Path
    network: Network
    taught: Taught
    weight: float
    card: dict = field(repr=False)

    @classmethod
    def open(cls, folder) -> Committee:
        """A model that ``finetune`` wrote.

        Raises
        ------
        ClassifierError
            It is unfinished, damaged, or of another format.
        """
        folder = Path(folder)
        card = read_card(folder, kind=KIND, version=FORMAT_VERSION, keys=("weight", "seed"))
        arrays = read_arrays(folder / TAUGHT, _AGAIN)
        network = Network.open(folder / NETWORK)
        try:
            taught = Taught(
                arrays["features"], arrays["n_images"].astype(int), arrays["labels"].astype(int),
                int(card["seed"]),
            )  # fmt: skip
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
    def showing(self) -> Showing:
        """Which images it is shown."""
        return self.network.showing

    @property
    def size_pix(self) -> int:
        """Rows and columns of a stamp."""
        return self.network.size_pix

    def remembered(self, split: Split, rows) -> np.ndarray:
        """What the network remembers of some objects after their last image, (object, unit)."""
        return self.network.remembered(split, rows)

    def predict(
        self, split: Split, *, threads: int = 1, on_progress: Callable[[int], None] = lambda _: None
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
            found.classes, joined(found.probabilities, trees, self.weight), found.label,
            found.n_images, found.magnitude, found.object_id,
        )  # fmt: skip


def _check(taught, network, folder):
    n = len(taught.labels)
    fits = taught.features.ndim == 3 and taught.features.shape[0] == n == len(taught.n_images)
    fits = fits and taught.features.shape[2] == len(feature_names())
    known = fits and n and 0 <= taught.labels.min() <= taught.labels.max() < len(network.classes)
    if not known or taught.n_images.max() > taught.features.shape[1]:
        raise ClassifierError(f"{folder / TAUGHT} is damaged. {_AGAIN}")


def save_committee(folder: Path, network_card: dict, taught: Taught, weight: float) -> None:
    """Write what is beside the network, which is in ``folder / NETWORK`` already.

    Raises
    ------
    OutputError
    """
    arrays = {"features": taught.features, "n_images": taught.n_images, "labels": taught.labels}
    write_arrays(folder / TAUGHT, arrays)
    names = ("classes", "survey", "size_pix", "showing", "trained_on", "adapted", "versions")
    card = {
        "format_version": FORMAT_VERSION, "kind": KIND, "weight": weight, "seed": taught.seed,
        **{name: network_card[name] for name in names if name in network_card},
    }  # fmt: skip
    with whole_file(folder / CARD) as path:
        path.write_text(json.dumps(card, indent=1))
