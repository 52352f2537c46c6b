"""Template and difference images as further inputs of a network, and the detections so far.

Section 4.4.1 of Carrasco-Davis 2019 proposes both. Planes are in units of their noise, as in
`classifier.network_inputs.Inputs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import layers

from classifier.models.recurrent.light_curve_layers import running_sum
from classifier.models.recurrent.operations import NumpyLayer, ops
from simulator.observing.schedule import DETECTION_SIGMA


@keras.saving.register_keras_serializable(package="skyreel")
class PlaneChannels(NumpyLayer):
    """Channels of the convolutions from planes (object, image, row, column), as in `Views`.

    Call arguments
    --------------
    planes : list of (object, image, row, column)
        In units of their noise.

    Returns
    -------
    (object * image, row, column, plane)
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, planes: Sequence[Any]) -> Any:
        stacked = ops.arcsinh(ops.stack(list(planes), axis=-1) / 3)
        return ops.reshape(stacked, (-1, *stacked.shape[2:]))

    def compute_output_shape(self, planes_shape: Sequence[tuple]) -> tuple:
        return (None, *planes_shape[0][2:], len(planes_shape))


@keras.saving.register_keras_serializable(package="skyreel")
class DetectionHistory(NumpyLayer):
    """Detections in the difference image, this one and those so far.

    Call arguments
    --------------
    signal_to_noise, present : (object, image)
    state : (object, 3) or None
        Earlier positive and negative detections, and images.

    Returns
    -------
    columns : (object, image, 6)
        Signal to noise, whether it is a positive or a negative detection, the logarithms of their
        numbers so far and of the number of images; 0 where padded.
    state : (object, 3)
    """

    COLUMNS, STATE = 6, 3

    def __init__(self, **kwargs: Any):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, signal_to_noise: Any, present: Any, state: Any = None) -> tuple[Any, Any]:
        if state is None:
            state = ops.zeros_like(present[:, :1]) * ops.zeros((1, self.STATE), dtype="float32")
        positive = ops.cast(signal_to_noise >= DETECTION_SIGMA, "float32") * present
        negative = ops.cast(signal_to_noise <= -DETECTION_SIGMA, "float32") * present
        counts = running_sum(ops.stack([positive, negative, present], axis=-1), state[:, None])
        current = ops.stack([ops.arcsinh(signal_to_noise), positive, negative], axis=-1)
        columns = ops.concatenate([current, ops.log1p(counts)], axis=-1) * present[..., None]
        return columns, counts[:, -1]

    def compute_output_shape(self, signal_shape: tuple, *_: Any, **__: Any) -> tuple[tuple, tuple]:
        return (*signal_shape, self.COLUMNS), (signal_shape[0], self.STATE)


class PlaneBranch:
    """What planes add to a network: channels of its encoder and columns of its light curve."""

    def __init__(self, planes: Sequence[str]):
        self.planes = tuple(planes)
        self._has_difference = "difference" in self.planes
        self.states = {"detections": (DetectionHistory.STATE,)} if self._has_difference else {}
        self._channels = PlaneChannels(name="plane_channels")
        self._history = DetectionHistory(name="detection_history")
        self._joined = layers.Concatenate(axis=-1, dtype="float32", name="with_planes")
        self._with_history = layers.Concatenate(axis=-1, dtype="float32", name="with_detections")

    def with_channels(self, views: Any, inputs: Mapping[str, Any]) -> Any:
        """Channels (object * image, row, column, channel) with those of the planes."""
        if not self.planes:
            return views
        return self._joined([views, self._channels([inputs[name] for name in self.planes])])

    def with_columns(
        self, columns: Any, inputs: Mapping[str, Any], states: Mapping[str, Any] | None
    ) -> tuple[Any, dict[str, Any]]:
        """Columns (object, image, number) with those of the detections, and the new states."""
        if not self._has_difference:
            return columns, {}
        history, counts = self._history(
            inputs["detection"], inputs["present"], state=states and states["detections"]
        )
        return self._with_history([columns, history]), {"detections": counts}
