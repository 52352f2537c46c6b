"""Random forests on the metadata or the pixels of the first alert: baselines of stamp networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from classifier.dataset import PLANES, DatasetSplit
from classifier.first_alerts import FirstAlerts
from classifier.models.forest.forest import normal_ranks, read_forest
from classifier.models.forest.growing import probabilities
from classifier.models.model_card import read_card
from classifier.models.protocol import Embedding
from classifier.models.stamp.first_alert_model import FirstAlertModel, common_parts
from classifier.models.stamp.metadata_scale import MetadataScale
from classifier.models.stamp.preprocessing import prepared

KIND = "alert-forest"
FORMAT_VERSION = 1
FOREST = "forest.skops"
_KEYS = ("inputs", "size_pix", "metadata", "class_parts", "bands", "trained_on")
_EMBEDDED_FEATURES = 6


def alert_features(
    alerts: FirstAlerts, inputs: str, scale: MetadataScale, size_pix: int
) -> np.ndarray:
    """Features (object, feature) of first alerts: metadata, or calibrated pixels of all planes."""
    if inputs == "metadata":
        return scale.applied(alerts.metadata[:, 0])
    pixels = prepared(alerts.stamps[:, 0], "calibrated", size_pix)
    return pixels.reshape(len(pixels), -1)


@dataclass(frozen=True)
class AlertForest(FirstAlertModel):
    """A random forest on the ``inputs`` "metadata" or "pixels" of the first alert."""

    packages: ClassVar[tuple[str, ...]] = ()
    n_alerts: ClassVar[int] = 1
    forest: RandomForestClassifier

    @classmethod
    def open(cls, folder: str | Path) -> AlertForest:
        """A model that was trained before.

        Raises
        ------
        ClassifierError
            No model is there, it is unfinished, damaged, or of another format.
        """
        folder = Path(folder)
        card = read_card(folder, kind=KIND, version=FORMAT_VERSION, keys=_KEYS)
        parts = common_parts(folder, card)
        of_pixels = (1 + len(PLANES)) * card["size_pix"] ** 2
        n_features = len(parts["metadata"].columns) if card["inputs"] == "metadata" else of_pixels
        forest = read_forest(folder / FOREST, n_features, len(parts["classes"]))
        return cls(**parts, forest=forest)

    def probabilities(self, alerts: FirstAlerts) -> np.ndarray:
        """As `FirstAlertModel.probabilities`."""
        return probabilities(self.forest, self._features(alerts), len(self.classes))

    def embedding(self, split: DatasetSplit, rows: np.ndarray, *, threads: int = 1) -> Embedding:
        """The most important features as normal deviates of their ranks; 0 without an alert."""
        importances = self.forest.feature_importances_
        best = np.argsort(-importances, kind="stable")[:_EMBEDDED_FEATURES]
        alerts = self.alerts_of(split)
        values = np.full((len(split), best.size), np.nan)
        values[alerts.rows] = self._features(alerts)[:, best]
        description = f"{best.size} best features of {self.card['inputs']}"
        return Embedding(normal_ranks(values[rows]), description)

    def _features(self, alerts):
        return alert_features(alerts, self.card["inputs"], self.metadata, self.crop_pix)
