"""Logistic regression on features of the first alert: a baseline of stamp networks in one card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy.special import softmax

from classifier.dataset import DatasetSplit
from classifier.first_alerts import FirstAlerts
from classifier.models.model_card import CARD, read_card
from classifier.models.protocol import Embedding
from classifier.models.stamp.first_alert_model import FirstAlertModel, common_parts
from classifier.models.stamp.metadata_scale import MetadataScale
from classifier.models.stamp.stamp_features import METADATA, NAMES, stamp_features
from skyreel.errors import ClassifierError

KIND = "logistic-regression"
FORMAT_VERSION = 1
_KEYS = ("size_pix", "metadata", "stamp_features", "coefficients", "class_parts", "bands")


def features_of(alerts: FirstAlerts, metadata: MetadataScale, size_pix: int) -> np.ndarray:
    """Features (object, feature) of first alerts, NaN where undefined.

    Unknown metadata have their median in the training data.
    """
    known = dict(zip(metadata.columns, metadata.applied(alerts.metadata[:, 0]).T, strict=True))
    return stamp_features(alerts.stamps[:, 0], known, size_pix)


@dataclass(frozen=True)
class Coefficients:
    """Of standardised features.

    Attributes
    ----------
    mean, deviation : numpy.ndarray, shape (feature,)
    weights : numpy.ndarray, shape (class, feature)
    intercepts : numpy.ndarray, shape (class,)
    trained : numpy.ndarray of bool, shape (class,)
        Classes of the training data; others have the probability 0.
    """

    mean: np.ndarray
    deviation: np.ndarray
    weights: np.ndarray
    intercepts: np.ndarray
    trained: np.ndarray

    @classmethod
    def of_card(cls, values: dict[str, Any]) -> Coefficients:
        """From what `as_dict` returned."""
        numbers = ("mean", "deviation", "weights", "intercepts")
        arrays = (np.array(values[name], dtype=float) for name in numbers)
        return cls(*arrays, np.array(values["trained"], dtype=bool))

    def as_dict(self) -> dict[str, list]:
        """Plain values, for JSON."""
        return {name: getattr(self, name).tolist() for name in self.__dataclass_fields__}

    def standardised(self, features: np.ndarray) -> np.ndarray:
        """Features (object, feature) of mean 0 and deviation 1 in the training data."""
        return (features - self.mean) / self.deviation

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Class probabilities (object, class), float32."""
        logits = self.standardised(features) @ self.weights.T + self.intercepts
        return softmax(np.where(self.trained, logits, -np.inf), axis=1).astype(np.float32)


@dataclass(frozen=True)
class LogisticRegression(FirstAlertModel):
    """Multinomial logistic regression on `stamp_features` of the first alert."""

    packages: ClassVar[tuple[str, ...]] = ()
    n_alerts: ClassVar[int] = 1
    scale: MetadataScale
    coefficients: Coefficients

    @classmethod
    def open(cls, folder: str | Path) -> LogisticRegression:
        """A model that was trained before.

        Raises
        ------
        ClassifierError
            No model is there, it is unfinished, damaged, or of another format or features.
        """
        folder = Path(folder)
        card = read_card(folder, kind=KIND, version=FORMAT_VERSION, keys=_KEYS)
        scale = MetadataScale.of_card(card["stamp_features"])
        if scale.columns != NAMES or not set(METADATA) <= set(card["metadata"]["columns"]):
            raise ClassifierError(
                f"{folder / CARD} has other features than this version computes. Train the model "
                "again."
            )
        coefficients = Coefficients.of_card(card["coefficients"])
        return cls(**common_parts(folder, card), scale=scale, coefficients=coefficients)

    def probabilities(self, alerts: FirstAlerts) -> np.ndarray:
        """As `FirstAlertModel.probabilities`."""
        return self.coefficients.probabilities(self._features(alerts))

    def embedding(self, split: DatasetSplit, rows: np.ndarray, *, threads: int = 1) -> Embedding:
        """Standardised features (object, feature); 0 without an alert."""
        alerts = self.alerts_of(split)
        values = np.zeros((len(split), len(NAMES)), dtype=np.float32)
        values[alerts.rows] = self.coefficients.standardised(self._features(alerts))
        return Embedding(values[rows], f"{len(NAMES)} features of the stamps")

    def _features(self, alerts):
        return self.scale.applied(features_of(alerts, self.metadata, self.crop_pix))
