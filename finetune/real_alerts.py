"""Real labelled first alerts as all compared methods get them: read once, kept in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from classifier.dataset import DatasetSplit
from classifier.evaluation import Predictions
from classifier.image_selection import ImageSelection
from classifier.models.stamp.stamp_classifier import StampClassifier
from classifier.prediction_notes import first_alerts_of
from finetune.left_out import LeftOut, Sieve
from finetune.real_sequences import leave_out_classes, refuse_one_class


@dataclass(frozen=True)
class RealAlerts:
    """The first alerts of real objects.

    Attributes
    ----------
    split : DatasetSplit
    selection : ImageSelection
    features : float32 (object, feature)
        Inputs of the last layer of the network; 0 for objects without the alerts.
    labels : int (object,)
        Indices into ``classes``; -1 where unknown or without the alerts.
    classes : tuple of str
        Of the network.
    magnitude : float (object,)
        Of the first alert, AB; NaN where the network reads no metadata.
    fields : int (object,) or None
    left_out : tuple of LeftOut
        Objects that are neither trained nor tested on.
    other_classes : tuple of str
        Classes of such objects that the network does not have.
    """

    split: DatasetSplit
    selection: ImageSelection
    features: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    magnitude: np.ndarray
    fields: np.ndarray | None
    left_out: tuple[LeftOut, ...] = ()
    other_classes: tuple[str, ...] = ()

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
            split,
            model.selection,
            features,
            labels,
            model.classes,
            magnitude,
            split.values("field"),
            tuple(sieve.left_out),
            other_classes,
        )

    @property
    def present(self) -> tuple[str, ...]:
        """Classes that have objects."""
        return tuple(self.classes[label] for label in np.unique(self.labels[self.labels >= 0]))

    def names(self, rows: ArrayLike) -> list[str]:
        """Names of some objects."""
        return [str(name) for name in self.split.object_ids[rows]]

    def predictions(self, probabilities: np.ndarray) -> Predictions:
        """Probabilities (object, class) of any method as predictions after one image."""
        used = self.labels >= 0
        used &= np.isfinite(probabilities).all(axis=1)
        found = np.where(used[:, None], probabilities, np.nan)[:, None].astype(np.float32)
        counts, names = used.astype(int), self.split.object_ids
        return Predictions(self.classes, found, self.labels, counts, self.magnitude, names)
