"""A trained stamp classifier on disk: a folder of one JSON card and one file of plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from classifier.dataset import PLANES, DatasetSplit
from classifier.first_alerts import FirstAlerts
from classifier.models.card_schema import CHOICES
from classifier.models.model_card import CARD, read_card
from classifier.models.protocol import Embedding
from classifier.models.recurrent.backend import keras, own_settings
from classifier.models.recurrent.trained_network import (
    WEIGHTS,
    load_weights,
    refuse_too_large,
    softmax,
)
from classifier.models.stamp.first_alert_model import FirstAlertModel, common_parts
from classifier.models.stamp.metadata_scale import MetadataScale
from classifier.models.stamp.networks import TWO_ALERTS, build_stamp_network
from classifier.models.stamp.preprocessing import prepared
from skyreel.errors import ClassifierError

KIND = "stamp"
FORMAT_VERSION = 1
_KEYS = ("network", "choices", "size_pix", "metadata", "class_parts", "bands", "trained_on")
_BATCH = 256
_OF_NETWORK = ("encoder", "rotations", "kernel", "dropout")
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
        ratio = None if alerts.signal_to_noise is None else alerts.signal_to_noise[:, k]
        found[f"stamps_{k + 1}"] = prepared(alerts.stamps[:, k], preprocessing, size_pix, ratio)
        if scale.columns:
            found[f"metadata_{k + 1}"] = scale.applied(alerts.metadata[:, k])
    if alerts.stamps.shape[1] > 1:
        found["ln_days"] = alerts.ln_days
    return found


def build(
    network: str, choices: Mapping[str, Any], *, size_pix: int, n_classes: int, n_metadata: int
) -> keras.Model:
    """The network of these choices with fresh weights, under our own Keras settings."""
    chosen = {name: choices[name] for name in _OF_NETWORK if name in choices}
    with own_settings():
        return build_stamp_network(
            network,
            size_pix=size_pix,
            n_planes=N_PLANES + bool(choices.get("snr_difference")),
            n_classes=n_classes,
            n_metadata=n_metadata,
            **chosen,
        )


@dataclass(frozen=True)
class StampClassifier(FirstAlertModel):
    """A trained stamp classifier."""

    packages: ClassVar[tuple[str, ...]] = ("keras",)
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
        parts = common_parts(folder, card)
        card["choices"] = CHOICES[card["network"]].model_validate(card["choices"]).model_dump()
        try:
            model = build(
                card["network"],
                card["choices"],
                size_pix=card["size_pix"],
                n_classes=len(parts["classes"]),
                n_metadata=len(parts["metadata"].columns),
            )
        except ValueError:  # of Keras, of stamps that are too small
            raise ClassifierError(f"{folder / CARD} is damaged. Train the model again.") from None
        load_weights(model, folder / WEIGHTS)
        return cls(**parts, model=model)

    @property
    def n_alerts(self) -> int:
        """Alerts of an object that it reads."""
        return n_alerts(self.card["network"])

    @property
    def reads_signal_to_noise(self) -> bool:
        """Whether it reads the difference over its noise, the fourth plane of Deep-HiTS."""
        return self.card["choices"]["snr_difference"]

    def probabilities(self, alerts: FirstAlerts) -> np.ndarray:
        """As `FirstAlertModel.probabilities`."""
        return softmax(self._applied(self.model, self._arrays(alerts)))

    def features(self, alerts: FirstAlerts) -> np.ndarray:
        """Inputs of the last layer, (object, unit)."""
        before = keras.Model(self.model.input, self.model.layers[-1].input)
        return self._applied(before, self._arrays(alerts))

    @property
    def last_layer(self) -> tuple[np.ndarray, np.ndarray]:
        """Kernel (unit, class) and bias (class,)."""
        kernel, bias = (keras.ops.convert_to_numpy(v) for v in self.model.layers[-1].weights)
        return kernel, bias

    def set_last_layer(self, kernel: np.ndarray, bias: np.ndarray) -> None:
        """Replace the weights of the last layer."""
        for variable, value in zip(self.model.layers[-1].weights, (kernel, bias), strict=True):
            variable.assign(value.astype(np.float32))

    def embedding(self, split: DatasetSplit, rows: np.ndarray, *, threads: int = 1) -> Embedding:
        """Units before the logits, (object, unit); zero for objects without as many alerts."""
        alerts = self.alerts_of(split)
        found = self.features(alerts)
        values = np.zeros((len(split), found.shape[1]), dtype=np.float32)
        values[alerts.rows] = found
        return Embedding(values[rows], f"{found.shape[1]} units before the prediction")

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
