"""What all models of first alerts have in common, whatever they compute from them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from classifier.dataset import PLANES, DatasetSplit
from classifier.evaluation.predictions import Predictions
from classifier.first_alerts import FirstAlerts, LastAlert, check_metadata, read_first_alerts
from classifier.image_selection import ImageSelection
from classifier.models.model_card import CARD, ShowsCard
from classifier.models.protocol import StateArray
from classifier.models.stamp.metadata_scale import MetadataScale
from classifier.models.stamp.preprocessing import check_cut
from skyreel.errors import ClassifierError


@dataclass(frozen=True)
class FirstAlertModel(ShowsCard, ABC):
    """A `classifier.models.protocol.Model` of the first alerts of an object.

    Its one prediction of an object counts as that after the first image. Stamps larger than
    ``crop_pix`` are cut to it. ``class_parts`` are the classes that merged classes consist of.
    """

    states: ClassVar[Mapping[str, StateArray] | None] = None
    size_pix: ClassVar[None] = None
    reads_signal_to_noise: ClassVar[bool] = False
    folder: Path
    classes: tuple[str, ...]
    class_parts: dict[str, tuple[str, ...]]
    survey: str
    bands: tuple[str, ...]
    crop_pix: int
    metadata: MetadataScale
    card: dict[str, Any]

    @property
    @abstractmethod
    def n_alerts(self) -> int:
        """Alerts of an object that it reads."""

    @abstractmethod
    def probabilities(self, alerts: FirstAlerts) -> np.ndarray:
        """Class probabilities (object, class) from alerts."""

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    @property
    def selection(self) -> ImageSelection:
        """One image of any band, with its planes."""
        return ImageSelection(images=1, bands=self.bands, planes=PLANES)

    @property
    def prediction_selection(self) -> ImageSelection:
        """The same."""
        return self.selection

    def images_of(self, split: DatasetSplit) -> LastAlert:
        """The science images of the last alert that it reads, of every object."""
        return LastAlert(split, self.selection, self.n_alerts)

    def predict(
        self,
        split: DatasetSplit,
        *,
        threads: int = 1,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> Predictions:
        """Class probabilities (object, 1, class) from the first alerts of every object.

        Objects without as many alerts have no image. Keras uses its own threads.

        Raises
        ------
        ClassifierError
            No object has the alerts, or there is none of the planes or metadata.
        """
        alerts = self.alerts_of(split)
        found = np.full((len(split), 1, len(self.classes)), np.nan, dtype=np.float32)
        found[alerts.rows, 0] = self.probabilities(alerts)
        has = np.isfinite(found).all(axis=(1, 2))
        found[~has] = np.nan
        magnitude = np.full(len(split), np.nan, dtype=np.float32)
        if "magnitude" in alerts.columns:
            magnitude[alerts.rows] = alerts.metadata[:, 0, alerts.columns.index("magnitude")]
        labels = split.labels_among(self.classes, self.class_parts)
        on_progress(len(split))
        counts = has.astype(int)
        return Predictions(self.classes, found, labels, counts, magnitude, split.object_ids)

    def check_split(self, split: DatasetSplit) -> None:
        """Check that a split has stamps from which this model can cut its own.

        Raises
        ------
        ClassifierError
        """
        try:
            check_cut(split.size_pix, self.crop_pix)
        except ClassifierError as error:
            raise ClassifierError(f"{split.path}, {self.name}: {error}") from None

    def alerts_of(self, split: DatasetSplit) -> FirstAlerts:
        """The alerts of a split that it reads.

        Raises
        ------
        ClassifierError
        """
        self.check_split(split)
        return read_first_alerts(
            split,
            alerts=self.n_alerts,
            metadata=self.metadata.columns,
            signal_to_noise=self.reads_signal_to_noise,
        )


def common_parts(folder: Path, card: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a `FirstAlertModel` by name, from its card.

    Raises
    ------
    ClassifierError
        Metadata of an unknown name.
    """
    try:
        check_metadata(card["metadata"]["columns"])
    except ClassifierError as error:
        problem = str(error).removesuffix(".")
        raise ClassifierError(
            f"{folder / CARD} is damaged ({problem}). Train the model again."
        ) from None
    return {
        "folder": folder,
        "classes": tuple(card["classes"]),
        "class_parts": {name: tuple(names) for name, names in card["class_parts"].items()},
        "survey": card["survey"],
        "bands": tuple(card["bands"]),
        "crop_pix": card["size_pix"],
        "metadata": MetadataScale.of_card(card["metadata"]),
        "card": card,
    }
