"""An adapted stamp classifier and trees on features of its real training alerts, as one model.

The network is trained on simulated alerts, the trees on real ones; they are joined as in
`classifier.models.ensemble`. An alert without the features has the network's probabilities.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.evaluation.predictions import Predictions
from classifier.features.alert_features import FEATURES, first_alert_features
from classifier.first_alerts import LastAlert
from classifier.models.ensemble import NETWORK, TREE_FILE, NetworkAndTrees, joined
from classifier.models.forest.extra_trees import TreeTrainingSet
from classifier.models.model_card import read_card, write_card
from classifier.models.stamp.stamp_classifier import StampClassifier
from skyreel.atomic_files import read_arrays, write_arrays
from skyreel.errors import ClassifierError

KIND = "alert-ensemble"
FORMAT_VERSION = 1
_AGAIN = "Run finetune again."
_FROM_NETWORK = ("classes", "class_parts", "survey", "bands", "trained_on", "adapted", "versions")


@dataclass(frozen=True)
class AlertEnsemble(NetworkAndTrees):
    """A stamp classifier and trees: a `classifier.models.protocol.Model` of first alerts."""

    packages: ClassVar[tuple[str, ...]] = StampClassifier.packages
    states: ClassVar[None] = None
    size_pix: ClassVar[None] = None
    network: StampClassifier

    @classmethod
    def open(cls, folder: str | Path) -> AlertEnsemble:
        """A model that ``finetune`` wrote.

        Raises
        ------
        ClassifierError
            It is unfinished, damaged, or of another format.
        """
        folder = Path(folder)
        card = read_card(folder, kind=KIND, version=FORMAT_VERSION, keys=("weight", "seed"))
        network = StampClassifier.open(folder / NETWORK)
        arrays = read_arrays(folder / TREE_FILE, _AGAIN)
        features, labels = (arrays.get(name) for name in ("features", "labels"))
        if not _are_sound(features, labels, len(network.classes)):
            raise ClassifierError(f"{folder / TREE_FILE} is damaged. {_AGAIN}")
        training = TreeTrainingSet.of_alerts(features, labels, card["seed"])
        return cls(folder, network, training, float(card["weight"]), card)

    @property
    def class_parts(self) -> dict[str, tuple[str, ...]]:
        """Classes that merged classes consist of."""
        return self.network.class_parts

    @property
    def n_alerts(self) -> int:
        """Alerts of an object that the network reads; the trees read the first."""
        return self.network.n_alerts

    def images_of(self, split: DatasetSplit) -> LastAlert:
        """As `StampClassifier.images_of`."""
        return self.network.images_of(split)

    def check_split(self, split: DatasetSplit) -> None:
        """As `StampClassifier.check_split`."""
        self.network.check_split(split)

    def predict(
        self,
        split: DatasetSplit,
        *,
        threads: int = 1,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> Predictions:
        """As `StampClassifier.predict`.

        Raises
        ------
        ClassifierError
            Also for stamps below 21 pixels, of which the trees' features cannot be measured.
        """
        found = self.network.predict(split, threads=threads, on_progress=on_progress)
        trees = self.training.scores_of_alerts(first_alert_features(split), self.classes)
        together = with_trees(found.probabilities[:, 0], trees, self.weight)[:, None]
        return replace(found, probabilities=together)


def with_trees(network: np.ndarray, trees: np.ndarray, weight: float) -> np.ndarray:
    """Probabilities (object, class) of both as one; the network's where the trees have none."""
    known = np.isfinite(trees)
    return np.where(known, joined(network, np.where(known, trees, 0), weight), network)


def _are_sound(features, labels, n_classes):
    """Whether the arrays have their axes, and hold numbers and classes."""
    if not all(isinstance(array, np.ndarray) for array in (features, labels)):
        return False
    if features.shape != (len(labels), len(FEATURES)) or features.dtype.kind != "f":
        return False
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or len(np.unique(labels)) < 2:
        return False
    return bool(np.isfinite(features).all() and labels.min() >= 0 and labels.max() < n_classes)


def save_alert_ensemble(
    folder: Path, network_card: dict[str, Any], training: TreeTrainingSet, weight: float
) -> None:
    """Write trees and card beside the network, which is in ``folder / NETWORK`` already.

    Raises
    ------
    OutputError
    """
    arrays = {"features": training.features[:, 0], "labels": training.labels}
    write_arrays(folder / TREE_FILE, arrays)
    about = {name: network_card[name] for name in _FROM_NETWORK if name in network_card}
    about |= {"weight": weight, "seed": training.seed}
    write_card(folder, {"format_version": FORMAT_VERSION, "kind": KIND, **about})
