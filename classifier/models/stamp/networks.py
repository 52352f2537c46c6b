"""The stamp classifiers by name, each as one Keras model of arrays by name.

Inputs are ``stamps_1`` and, of two alerts, ``stamps_2`` (object, row, column, plane);
``metadata_1`` and ``metadata_2`` (object, column); ``ln_days`` (object, 1), the natural logarithm
of the days between two alerts. Outputs are logits (object, class).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from classifier.models.card_schema import STAMP_NETWORKS
from classifier.models.stamp.encoders import Encoder, encoded
from classifier.models.stamp.rotation_layers import Rotations, of_turns
from skyreel.errors import ClassifierError

NETWORKS = STAMP_NETWORKS
TWO_ALERTS = NETWORKS[2:]
_UNITS = 64


def build_stamp_network(
    name: str,
    *,
    size_pix: int,
    n_planes: int,
    n_classes: int,
    n_metadata: int = 0,
    encoder: Encoder = "deep-hits",
    rotations: Rotations = "average",
    kernel: int = 3,
    dropout: float = 0.5,
    dtype: str = "float32",
) -> keras.Model:
    """A stamp classifier with fresh weights.

    Parameters
    ----------
    name : str
        One of ``NETWORKS``. "deep-hits": `arch7` of the code of Cabrera-Vives et al. 2017;
        "alerce-stamp", "two-stamp-stacked", "two-stamp-separated": tables 4.2, 4.3 and 4.4 of
        Arredondo 2021.
    size_pix, n_planes, n_classes : int
    n_metadata : int
        Columns of metadata of an alert; 0: none. "deep-hits" reads none.
    encoder : str
        The convolutions, of `classifier.models.stamp.encoders.encoded`.
    rotations : str
        "none", "concatenate" (as Deep-HiTS) or "average" (cyclic pooling: the prediction does not
        depend on quarter turns).
    kernel : int
        Of all convolutions but the first.
    dropout : float
        After both hidden layers of "deep-hits", else after the first that follows the metadata.

    Raises
    ------
    ClassifierError
        An unknown network, or metadata for one that reads none.
    """
    if name not in NETWORKS:
        raise ClassifierError(f"stamp network {name!r}; known networks: {', '.join(NETWORKS)}.")
    if name == "deep-hits" and n_metadata:
        raise ClassifierError("network 'deep-hits' reads no metadata; use alerce-stamp.")
    inputs = _inputs(name, size_pix, n_planes, n_metadata)
    block = {"encoder": encoder, "rotations": rotations, "kernel": kernel, "dtype": dtype}
    if name == "deep-hits":
        x = _deep_hits(inputs["stamps_1"], dropout, block)
    elif name == "two-stamp-separated":
        x = _separated(inputs, dropout, block)
    else:
        x = _stacked(inputs, dropout, block)
    logits = layers.Dense(n_classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name=name.replace("-", "_"))


def _inputs(name, size_pix, n_planes, n_metadata):
    found = {}
    for alert in (1, 2) if name in TWO_ALERTS else (1,):
        found[f"stamps_{alert}"] = (size_pix, size_pix, n_planes)
        if n_metadata:
            found[f"metadata_{alert}"] = (n_metadata,)
    if name in TWO_ALERTS:
        found["ln_days"] = (1,)
    return {key: keras.Input(shape, name=key, dtype="float32") for key, shape in found.items()}


def _deep_hits(stamps, dropout, block):
    """Turns are joined before the first hidden layer, or averaged after it."""
    rotations, x = block["rotations"], encoded(stamps, name="stamps", **block)
    if rotations == "average":
        x = of_turns(_dense(x, "dense_1"), rotations, "stamps")
    else:
        x = _dense(of_turns(x, rotations, "stamps"), "dense_1")
    x = layers.Dropout(dropout, name="dropout_1")(x)
    return layers.Dropout(dropout, name="dropout_2")(_dense(x, "dense_2"))


def _stamp_features(stamps, name, block):
    """64 units for each turn, then averaged or joined: with "deep-hits" the whole of table 4.1."""
    x = _dense(encoded(stamps, name=name, **block), f"{name}_dense")
    return of_turns(x, block["rotations"], name)


def _stacked(inputs, dropout, block):
    """Stamps of all alerts as channels, and their metadata as columns of one."""
    stamps = [inputs[key] for key in inputs if key.startswith("stamps")]
    x = _stamp_features(_joined(stamps, "stacked"), "stamps", block)
    columns = [inputs[key] for key in inputs if not key.startswith("stamps")]
    x = _with_metadata(x, columns, "")
    x = layers.Dropout(dropout, name="dropout")(_dense(x, "dense_1"))
    return _dense(x, "dense_2")


def _separated(inputs, dropout, block):
    """Each alert through layers of its own; their features and the time between them joined."""
    parts = []
    for alert in (1, 2):
        end = f"_{alert}"
        x = _stamp_features(inputs[f"stamps{end}"], f"stamps{end}", block)
        columns = [inputs[key] for key in (f"metadata{end}",) if key in inputs]
        x = _with_metadata(x, columns, end)
        x = layers.Dropout(dropout, name=f"dropout{end}")(_dense(x, f"dense_1{end}"))
        parts.append(_dense(x, f"dense_2{end}"))
    x = _joined([*parts, inputs["ln_days"]], "alerts")
    return _dense(_dense(x, "joint_1", 2 * _UNITS), "joint_2")


def _with_metadata(features: Any, columns: Sequence[Any], end: str) -> Any:
    """Features with metadata after batch normalisation."""
    if not columns:
        return features
    normal = layers.BatchNormalization(dtype="float32", name=f"normalisation{end}")
    return _joined([features, normal(_joined(columns, f"columns{end}"))], f"with_metadata{end}")


def _joined(parts, name):
    if len(parts) == 1:
        return parts[0]
    return layers.Concatenate(axis=-1, dtype="float32", name=name)(parts)


def _dense(x, name, units=_UNITS):
    return layers.Dense(units, activation="relu", dtype="float32", name=name)(x)
