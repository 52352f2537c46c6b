"""Cross-entropy that penalises confident predictions."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

PUBLISHED_BETA = 0.5
"""Of Castillo and Foix 2020, section 3.4."""


@keras.saving.register_keras_serializable(package="skyreel")
class RegularisedCrossEntropy(keras.losses.Loss):
    """Cross-entropy less ``beta`` times the entropy of the prediction, of logits.

    Castillo and Foix 2020, section 3.4: -sum y ln p + beta sum p ln p. With ``beta`` 0 it is the
    cross-entropy.
    """

    def __init__(self, beta: float = 1e-3, **kwargs: Any):
        super().__init__(**{"name": "regularised_cross_entropy", **kwargs})
        self.beta = float(beta)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of every object, from labels (object,) and logits (object, class)."""
        ln_p = ops.log_softmax(ops.cast(y_pred, "float32"), axis=-1)
        labels = ops.reshape(ops.cast(y_true, "int32"), (-1,))
        true = ops.one_hot(labels, ln_p.shape[-1], dtype="float32")
        return ops.sum((self.beta * ops.exp(ln_p) - true) * ln_p, axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "beta": self.beta}
