"""The two terms of the evidence lower bound (ELBO) of an autoencoder, for every object.

With the approximate posterior q(z|x) = N(mu, sigma^2) and a sample z of it,

    ELBO = ln p(x|z) - D,

where D is the divergence from the prior. Of a mixture of Gaussians with weights pi_c, means mu_c
and variances sigma_c^2 it is (Jiang et al. 2017, section 3)

    D = 1/2 sum_c gamma_c sum_j [ln sigma_cj^2 + sigma_j^2 / sigma_cj^2
                                 + (mu_j - mu_cj)^2 / sigma_cj^2]
        - sum_c gamma_c ln(pi_c / gamma_c) - 1/2 sum_j [1 + ln sigma_j^2],

with gamma_c = p(c|z) = pi_c N(z; mu_c, sigma_c^2) / sum_c' pi_c' N(z; mu_c', sigma_c'^2).
Of a standard normal prior it is the D of one cluster of mean 0 and variance 1 (Kingma
& Welling 2014, appendix B).
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from classifier.models.autoencoder.mixture import Mixture

PRIORS = ("none", "normal", "mixture")
_LN_2PI = 1.8378770664093453


@keras.saving.register_keras_serializable(package="skyreel")
class Divergence(keras.layers.Layer):
    """D (object,) from mu and ln sigma^2 of the posterior and a sample z, each (object, dimension).

    Parameters
    ----------
    clusters : int
    prior : str
        "mixture": D of the mixture, whose parameters are trained; "normal": of a standard normal
        prior; "none": 0. With the last two the parameters of the mixture are kept, not trained.
    """

    def __init__(self, clusters: int, prior: str = "mixture", **kwargs: Any):
        super().__init__(**{"dtype": "float32", "trainable": prior == "mixture", **kwargs})
        self.clusters, self.prior = int(clusters), prior

    def build(self, mean_shape: tuple, *_: tuple) -> None:
        shape = (self.clusters, mean_shape[-1])
        self.log_weights = self.add_weight(shape[:1], "zeros", name="log_weights")
        self.means = self.add_weight(shape, "zeros", name="means")
        self.log_variances = self.add_weight(shape, "zeros", name="log_variances")
        self.built = True

    def call(self, mean: Any, log_variance: Any, sample: Any) -> Any:
        if self.prior == "none":
            return ops.zeros_like(mean[:, 0])
        entropy = ops.sum(1 + log_variance, axis=-1)
        if self.prior == "normal":
            return 0.5 * (ops.sum(ops.exp(log_variance) + ops.square(mean), axis=-1) - entropy)
        log_pi = ops.log_softmax(self.log_weights, axis=-1)
        log_gamma = ops.log_softmax(log_pi + self._log_normal(sample), axis=-1)
        precision = ops.exp(-self.log_variances)
        moments = ops.exp(log_variance)[:, None] + ops.square(mean[:, None] - self.means)
        of_cluster = 0.5 * ops.sum(self.log_variances + moments * precision, axis=-1)
        return ops.sum(ops.exp(log_gamma) * (of_cluster + log_gamma - log_pi), -1) - 0.5 * entropy

    def _log_normal(self, sample):
        """The ln N(z; mu_c, sigma_c^2), (object, cluster)."""
        squares = ops.square(sample[:, None] - self.means) * ops.exp(-self.log_variances)
        return -0.5 * ops.sum(squares + self.log_variances + _LN_2PI, axis=-1)

    def compute_output_shape(self, mean_shape: tuple, *_: tuple) -> tuple:
        return mean_shape[:1]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "clusters": self.clusters, "prior": self.prior}

    @property
    def mixture(self) -> Mixture:
        """The clusters, with float64."""
        arrays = (self.log_weights, self.means, self.log_variances)
        return Mixture(*(ops.convert_to_numpy(array).astype(float) for array in arrays))

    @mixture.setter
    def mixture(self, found: Mixture) -> None:
        self.log_weights.assign(found.log_weights)
        self.means.assign(found.means)
        self.log_variances.assign(found.log_variances)


@keras.saving.register_keras_serializable(package="skyreel")
class LogLikelihood(keras.layers.Layer):
    """ln p(x|z) (object,) of stamps and reconstructions (object, row, column, 1).

    Pixels are independent Gaussians about the reconstruction. ``precision`` (object, row, column,
    1) is one over their variances, 0 where a pixel is missing.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, stamps: Any, reconstructions: Any, precision: Any) -> Any:
        known = ops.cast(precision > 0, "float32")
        log_precision = ops.log(ops.where(precision > 0, precision, 1.0))
        squares = precision * ops.square(stamps - reconstructions)
        return 0.5 * ops.sum(log_precision - known * _LN_2PI - squares, axis=(1, 2, 3))

    def compute_output_shape(self, stamps_shape: tuple, *_: tuple) -> tuple:
        return stamps_shape[:1]


@keras.saving.register_keras_serializable(package="skyreel")
class MeanOutput(keras.losses.Loss):
    """The mean over objects of what a model gives, which is its loss already."""

    def __init__(self, **kwargs: Any):
        super().__init__(**{"name": "mean_output", **kwargs})

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return y_pred
