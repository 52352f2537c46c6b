"""Predictions that do not depend on the orientation of a stamp.

The four quarter turns of a stamp pass through the same layers; what they give is then averaged
(cyclic pooling: exactly invariant) or joined (only nearly so). Axis order is (object, row, column,
channel).
"""

from __future__ import annotations

from typing import Any, Literal

import keras
from keras import layers, ops

Rotations = Literal["none", "concatenate", "average"]
TURNS = 4


@keras.saving.register_keras_serializable(package="skyreel")
class QuarterTurns(keras.layers.Layer):
    """The four orientations of square stamps, one after the other along the first axis.

    Rotation k of object i is row 4 i + k.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, stamps: Any) -> Any:
        turned = ops.stack([ops.rot90(stamps, k, axes=(1, 2)) for k in range(TURNS)], axis=1)
        return ops.reshape(turned, (-1, *stamps.shape[1:]))

    def compute_output_shape(self, stamps_shape: tuple) -> tuple:
        return (None, *stamps_shape[1:])


@keras.saving.register_keras_serializable(package="skyreel")
class OfTurns(keras.layers.Layer):
    """Rows (4 * object, feature) of `QuarterTurns`, averaged or joined for every object.

    Parameters
    ----------
    average : bool
        Their mean (object, feature), else all of them (object, 4 * feature).
    """

    def __init__(self, average: bool = True, **kwargs: Any):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.average = bool(average)

    def call(self, rows: Any) -> Any:
        if not self.average:
            return ops.reshape(rows, (-1, TURNS * rows.shape[-1]))
        return ops.mean(ops.reshape(rows, (-1, TURNS, rows.shape[-1])), axis=1)

    def compute_output_shape(self, rows_shape: tuple) -> tuple:
        return (None, rows_shape[-1] * (1 if self.average else TURNS))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "average": self.average}


def convolved(
    stamps: Any, *, rotations: Rotations, kernel: int, name: str, dtype: str = "float32"
) -> Any:
    """Flat features of stamps, of all four turns one after the other unless ``rotations`` is none.

    The convolutions of Deep-HiTS (table 4.1 of Arredondo 2021): of 4 x 4 and ``kernel`` pixels with
    32 filters, a pooling, three of ``kernel`` pixels with 64 filters, a pooling, all with ReLU.
    """
    x = QuarterTurns(name=f"{name}_turns")(stamps) if rotations != "none" else stamps
    x = layers.ZeroPadding2D(_PADDING_PIX, name=f"{name}_padding")(x)
    for k, (filters, size) in enumerate(((32, 4), (32, kernel), *[(64, kernel)] * 3)):
        x = layers.Conv2D(
            filters,
            size,
            padding="valid" if k == 0 else "same",
            activation="relu",
            dtype=dtype,
            name=f"{name}_convolution_{k + 1}",
        )(x)
        if k in _POOLED_AFTER:
            x = layers.MaxPooling2D(2, name=f"{name}_pooling_{k + 1}")(x)
    return layers.Flatten(name=f"{name}_flat")(x)


_PADDING_PIX = 3
_POOLED_AFTER = (1, 4)


def of_turns(rows: Any, rotations: Rotations, name: str) -> Any:
    """Features of every object from those of its turns."""
    if rotations == "none":
        return rows
    return OfTurns(rotations == "average", name=f"{name}_of_turns")(rows)
