"""A trained stamp classifier on disk: a folder of one JSON card and one file of plain arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from classifier.dataset import PLANES, DatasetSplit
from classifier.evaluation.predictions import Predictions
from classifier.first_alerts import FirstAlerts, LastAlert, check_metadata, read_first_alerts
from classifier.image_selection import ImageSelection
from classifier.models.card_schema import CHOICES
from classifier.models.model_card import CARD, ShowsCard, read_card
from classifier.models.protocol import Embedding, StateArray
from classifier.models.recurrent.backend import keras, own_settings
from classifier.models.recurrent.trained_network import (
    WEIGHTS,
    load_weights,
    refuse_too_large,
    softmax,
)
from classifier.models.stamp.metadata_scale import MetadataScale
from classifier.models.stamp.networks import TWO_ALERTS, build_stamp_network
from classifier.models.stamp.preprocessing import check_cut, prepared
from skyreel.errors import ClassifierError

KIND = "stamp"
FORMAT_VERSION = 1
_KEYS = ("network", "choices", "size_pix", "metadata", "class_parts", "bands", "trained_on")
_BATCH = 256
N_PLANES = 1 + len(PLANES)


def n_alerts(network: str) -> int:
    """Alerts of an object that a stamp network reads."""
    return 2 if network in TWO_ALERTS else 1


def network_arrays(
    alerts: FirstAlerts, scale: MetadataScale, preprocessing: str, size_pix: int
) -> dict[str, np.ndarray]:
    """Inputs of a stamp network by name, each (object, ...)."""
    found = {}
    for k in range(alerts.stamps.shape[1]):
        found[f"stamps_{k + 1}"] = prepared(alerts.stamps[:, k], preprocessing, size_pix)
        if scale.columns:
            found[f"metadata_{k + 1}"] = scale.applied(alerts.metadata[:, k])
    if alerts.stamps.shape[1] > 1:
        found["ln_days"] = alerts.ln_days
    return found


def build(
    network: str, choices: Mapping[str, Any], *, size_pix: int, n_classes: int, n_metadata: int
) -> keras.Model:
    """The network of these choices with fresh weights, under our own Keras settings."""
    chosen = {name: choices[name] for name in ("rotations", "kernel", "dropout") if name in choices}
    with own_settings():
        return build_stamp_network(
            network,
            size_pix=size_pix,
            n_planes=N_PLANES,
            n_classes=n_classes,
            n_metadata=n_metadata,
            **chosen,
        )


def _refuse_unknown(columns, folder):
    try:
        check_metadata(columns)
    except ClassifierError as error:
        problem = str(error).removesuffix(".")
        raise ClassifierError(
            f"{folder / CARD} is damaged ({problem}). Train the model again."
        ) from None


@dataclass(frozen=True)
class StampClassifier(ShowsCard):
    """A trained stamp classifier: a `classifier.models.protocol.Model` of the first alerts.

    Its one prediction of an object counts as that after the first image. Stamps larger than
    ``crop_pix`` are cut to it. ``class_parts`` are the classes that merged classes consist of.
    """

    packages: ClassVar[tuple[str, ...]] = ("keras",)
    states: ClassVar[Mapping[str, StateArray] | None] = None
    size_pix: ClassVar[None] = None
    folder: Path
    classes: tuple[str, ...]
    class_parts: dict[str, tuple[str, ...]]
    survey: str
    bands: tuple[str, ...]
    crop_pix: int
    metadata: MetadataScale
    card: dict[str, Any]
    model: keras.Model = field(repr=False)

    @classmethod
    def open(cls, folder: str | Path) -> StampClassifier:
        """A model that was trained before.

        Raises
        ------
        ClassifierError
            No model is there, it is unfinished, damaged, or of another format.
        """
        folder = Path(folder)
        card = read_card(folder, kind=KIND, version=FORMAT_VERSION, keys=_KEYS)
        refuse_too_large(card, folder)
        _refuse_unknown(card["metadata"]["columns"], folder)
        scale, classes = MetadataScale.of_card(card["metadata"]), tuple(card["classes"])
        card["choices"] = CHOICES[card["network"]].model_validate(card["choices"]).model_dump()
        try:
            model = build(
                card["network"],
                card["choices"],
                size_pix=card["size_pix"],
                n_classes=len(classes),
                n_metadata=len(scale.columns),
            )
        except ValueError:  # of Keras, of stamps that are too small
            raise ClassifierError(f"{folder / CARD} is damaged. Train the model again.") from None
        load_weights(model, folder / WEIGHTS)
        parts = {name: tuple(names) for name, names in card["class_parts"].items()}
        bands, size_pix = tuple(card["bands"]), card["size_pix"]
        return cls(folder, classes, parts, card["survey"], bands, size_pix, scale, card, model)

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    @property
    def n_alerts(self) -> int:
        """Alerts of an object that it reads."""
        return n_alerts(self.card["network"])

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
        alerts = self._alerts(split)
        logits = self._applied(self.model, self._arrays(alerts))
        found = np.full((len(split), 1, len(self.classes)), np.nan, dtype=np.float32)
        found[alerts.rows, 0] = softmax(logits)
        has = np.isfinite(found).all(axis=(1, 2))
        found[~has] = np.nan
        magnitude = np.full(len(split), np.nan, dtype=np.float32)
        if "magnitude" in alerts.columns:
            magnitude[alerts.rows] = alerts.metadata[:, 0, alerts.columns.index("magnitude")]
        labels = split.labels_among(self.classes, self.class_parts)
        on_progress(len(split))
        counts = has.astype(int)
        return Predictions(self.classes, found, labels, counts, magnitude, split.object_ids)

    def embedding(self, split: DatasetSplit, rows: np.ndarray, *, threads: int = 1) -> Embedding:
        """Units before the logits, (object, unit); zero for objects without as many alerts."""
        alerts, hidden = self._alerts(split), self.model.layers[-1].input
        before = keras.Model(self.model.input, hidden)
        values = np.zeros((len(split), hidden.shape[-1]), dtype=np.float32)
        values[alerts.rows] = self._applied(before, self._arrays(alerts))
        return Embedding(values[rows], f"{hidden.shape[-1]} units before the prediction")

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

    def _alerts(self, split):
        self.check_split(split)
        columns = self.metadata.columns
        return read_first_alerts(split, alerts=self.n_alerts, metadata=columns)

    def _arrays(self, alerts):
        preprocessing = self.card["choices"]["preprocessing"]
        return network_arrays(alerts, self.metadata, preprocessing, self.crop_pix)

    @own_settings()
    def _applied(self, model, arrays):
        """Outputs in batches of one size, so that the model is compiled once."""
        n = len(next(iter(arrays.values())))
        found = []
        for first in range(0, n, _BATCH):
            rows = np.arange(first, first + _BATCH) % n
            part = {name: values[rows] for name, values in arrays.items()}
            found.append(np.asarray(model.predict_on_batch(part))[: min(_BATCH, n - first)])
        return np.concatenate(found)
