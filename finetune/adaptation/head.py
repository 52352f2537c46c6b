"""The last layer of a network, fitted to a few sequences with a penalty on its change.

The features of an image stay as they are; only the weights W and b that turn the last features f
into the logits f W + b are fitted, by

    minimise  mean cross-entropy  +  penalty (|W - W0|^2 + |b - b0|^2),

a multinomial logistic regression with a Gaussian prior about the trained weights W0 and b0
(compare Li et al. 2018, "Explicit inductive bias for transfer learning", arXiv:1802.01483). The
problem is convex, so the solution does not depend on a learning rate or an order of batches.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize

from classifier.models.recurrent.backend import keras
from classifier.models.recurrent.trained_network import Network
from classifier.network_inputs import Inputs

LAST = "logits"
_MOST_STEPS = 200
_BATCH = 256


def fitted_head(
    features: ArrayLike,
    labels: ArrayLike,
    weights: ArrayLike,
    kernel: np.ndarray,
    bias: np.ndarray,
    *,
    penalty: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Kernel (feature, class) and bias (class,) fitted to rows of features.

    Parameters
    ----------
    features : shape (row, feature)
    labels : int, shape (row,)
    weights : shape (row,)
        Weights of the rows in the mean; they are normalised.
    kernel, bias
        Trained weights, where the fit begins and the penalty is zero.
    penalty : float
        Above 0.
    """
    features = np.asarray(features, dtype=np.float64)
    weights = np.asarray(weights, dtype=np.float64) / np.sum(weights)
    start = np.concatenate([kernel, bias[None]]).astype(np.float64)
    truth = np.eye(start.shape[1])[labels]

    def loss(values):
        change = values.reshape(start.shape)
        logits = features @ (start[:-1] + change[:-1]) + start[-1] + change[-1]
        logits -= logits.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(logits).sum(axis=1, keepdims=True))
        entropy = weights @ ((log_sum - logits) * truth).sum(axis=1)
        slope = weights[:, None] * (np.exp(logits - log_sum) - truth)
        gradient = np.concatenate([features.T @ slope, slope.sum(axis=0)[None]])
        value = entropy + penalty * (change**2).sum()
        return value, (gradient + 2 * penalty * change).ravel()

    found = minimize(
        loss, np.zeros(start.size), jac=True, method="L-BFGS-B", options={"maxiter": _MOST_STEPS}
    )
    changed = start + found.x.reshape(start.shape)
    return changed[:-1], changed[-1]


class Head:
    """The last layer of a network, and the features it is applied to."""

    def __init__(self, network: Network) -> None:
        whole = network.variants.whole
        self._layer = whole.get_layer(LAST)
        self._features = keras.Model(whole.input, self._layer.input)

    def features(self, inputs: Inputs) -> np.ndarray:
        """Inputs of the last layer, (object, image, feature)."""
        parts = [
            keras.ops.convert_to_numpy(
                self._features.predict_on_batch(inputs.of(slice(a, a + _BATCH)).arrays())
            )
            for a in range(0, len(inputs), _BATCH)
        ]
        return np.concatenate(parts)

    @property
    def weights(self) -> tuple[np.ndarray, np.ndarray]:
        """Kernel (feature, class) and bias (class,)."""
        kernel, bias = (keras.ops.convert_to_numpy(v) for v in self._layer.weights)
        return kernel, bias

    def fit(self, inputs: Inputs, labels: ArrayLike, *, penalty: float) -> None:
        """Fit the layer to sequences with labels (object,); every image has the same weight."""
        features, present = self.features(inputs), inputs.present > 0
        repeated = np.broadcast_to(np.asarray(labels)[:, None], present.shape)
        kernel, bias = fitted_head(
            features[present],
            repeated[present],
            np.ones(present.sum()),
            *self.weights,
            penalty=penalty,
        )
        for variable, value in zip(self._layer.weights, (kernel, bias), strict=True):
            variable.assign(value.astype(np.float32))
