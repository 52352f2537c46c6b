"""Real labelled first alerts as all compared methods get them: read once, kept in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.evaluation import Predictions
from classifier.models.stamp.stamp_classifier import StampClassifier
from classifier.prediction_notes import first_alerts_of
from finetune.left_out import Sieve
from finetune.real_sequences import RealObjects, leave_out_classes, refuse_one_class


@dataclass(frozen=True, kw_only=True)
class RealAlerts(RealObjects):
    """The first alerts of real objects; their magnitudes are unknown without metadata.

    Attributes
    ----------
    features : float32 (object, feature)
        Inputs of the last layer of the network; 0 for objects without the alerts.
    """

    features: np.ndarray

    @classmethod
    def read(cls, path: str | Path, name: str, model: StampClassifier) -> RealAlerts:
        """Read a split for a network of first alerts.

        Raises
        ------
        ClassifierError
            There is no such split, or it does not fit the network.
        FinetuneError
            It has usable objects of fewer than two classes.
        """
        split = DatasetSplit(path, name)
        split.refuse_empty()
        sieve = Sieve(split.object_ids)
        parts = [part for names in model.class_parts.values() for part in names]
        other_classes = leave_out_classes(sieve, split, (*model.classes, *parts))
        alerts = model.alerts_of(split)
        with_alerts = np.isin(np.arange(len(split)), alerts.rows)
        sieve.leave_out(~with_alerts, f"without {first_alerts_of(model)} that {model.name} can use")
        split = split.unlabelled(~sieve.used)
        labels = split.labels_among(model.classes, model.class_parts)
        refuse_one_class(split, labels, sieve.left_out)
        found = model.features(alerts)
        features = np.zeros((len(split), found.shape[1]), dtype=np.float32)
        features[alerts.rows] = found
        magnitude = np.full(len(split), np.nan)
        if "magnitude" in alerts.columns:
            magnitude[alerts.rows] = alerts.metadata[:, 0, alerts.columns.index("magnitude")]
        return cls(
            split=split,
            selection=model.selection,
            features=features,
            labels=labels,
            classes=model.classes,
            magnitude=magnitude,
            fields=split.values("field"),
            left_out=tuple(sieve.left_out),
            other_classes=other_classes,
        )

    def predictions(self, probabilities: np.ndarray) -> Predictions:
        """Probabilities (object, class) of any method as predictions after one image."""
        used = self.labels >= 0
        used &= np.isfinite(probabilities).all(axis=1)
        found = np.where(used[:, None], probabilities, np.nan)[:, None].astype(np.float32)
        counts, names = used.astype(int), self.split.object_ids
        return Predictions(self.classes, found, self.labels, counts, self.magnitude, names)
