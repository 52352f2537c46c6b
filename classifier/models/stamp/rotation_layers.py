"""Predictions that do not depend on the orientation of a stamp.

The four quarter turns of a stamp pass through the same layers; what they give is then averaged
(cyclic pooling: exactly invariant) or joined (only nearly so). Axis order is (object, row, column,
channel).
"""

from __future__ import annotations

from typing import Any, Literal

import keras
from keras import ops

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


def of_turns(rows: Any, rotations: Rotations, name: str) -> Any:
    """Features of every object from those of its turns."""
    if rotations == "none":
        return rows
    return OfTurns(rotations == "average", name=f"{name}_of_turns")(rows)
