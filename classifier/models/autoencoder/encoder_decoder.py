"""Encoder and decoder of difference stamps, and the loss of both as one Keras model.

The encoder is that of Astorga et al. (2018, IJCNN): four convolutions of 3 x 3 pixels with strides
1, 2, 1 and 2, and a layer for mean and variance of the latent variables. The decoder mirrors it.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from classifier.models.autoencoder.elbo import Divergence, LogLikelihood
from skyreel.errors import ClassifierError

PRIORS = {"autoencoder": "none", "vae": "normal", "vade": "mixture"}
"""Prior of the latent variables by network."""
_STRIDES = (1, 2, 1, 2)
_FIRST_LOG_VARIANCE = -2.0


def build_autoencoder(
    network: str, *, size_pix: int, clusters: int, latent: int, filters: Sequence[int]
) -> keras.Model:
    """A network with fresh weights, from arrays by name to -ELBO of every object, (object,).

    Its layers "encoder" and "decoder" are models, and "divergence" holds the clusters. Inputs are
    ``stamps`` and ``precision`` (object, row, column, 1), and ``noise`` (object, latent), standard
    normal numbers that make the sample of the posterior.

    Parameters
    ----------
    network : str
        "autoencoder": without noise and without a prior; "vae": prior of zero mean and unit
        variance; "vade": a mixture of Gaussians.
    size_pix, clusters, latent : int
    filters : sequence of int
        Of the four convolutions.

    Raises
    ------
    ClassifierError
        An unknown network.
    """
    if network not in PRIORS:
        raise ClassifierError(f"autoencoder {network!r}; known are {', '.join(PRIORS)}.")
    shape = (size_pix, size_pix, 1)
    inputs = {name: keras.Input(shape, name=name) for name in ("stamps", "precision")}
    inputs["noise"] = keras.Input((latent,), name="noise")
    mean, log_variance = _encoder(shape, latent, filters, network)(inputs["stamps"])
    sample = mean
    if network != "autoencoder":
        sample = mean + keras.ops.exp(0.5 * log_variance) * inputs["noise"]
    decoded = _decoder(size_pix, latent, filters)(sample)
    likelihood = LogLikelihood(name="likelihood")
    log_likelihood = likelihood(inputs["stamps"], decoded, inputs["precision"])
    divergence = Divergence(clusters, PRIORS[network], name="divergence")
    loss = divergence(mean, log_variance, sample) - log_likelihood
    return keras.Model(inputs, loss, name=network)


def _encoder(shape, latent, filters, network):
    stamps = x = keras.Input(shape, name="encoder_stamps")
    for k, (width, stride) in enumerate(zip(filters, _STRIDES, strict=True), 1):
        x = layers.Conv2D(
            width, 3, stride, padding="same", activation="relu", name=f"encoder_convolution_{k}"
        )(x)
    x = layers.Flatten(name="encoder_flat")(x)
    mean = layers.Dense(latent, name="mean")(x)
    log_variance = layers.Dense(
        latent,
        bias_initializer=keras.initializers.Constant(_FIRST_LOG_VARIANCE),
        trainable=network != "autoencoder",
        name="log_variance",
    )(x)
    return keras.Model(stamps, [mean, log_variance], name="encoder")


def _decoder(size_pix, latent, filters):
    side = -(-size_pix // 4)
    latent_variables = keras.Input((latent,), name="decoder_latent")
    x = layers.Dense(side**2 * filters[3], activation="relu", name="decoder_dense")(
        latent_variables
    )
    x = layers.Reshape((side, side, filters[3]), name="decoder_places")(x)
    back = zip((filters[2], filters[1], filters[0]), _STRIDES[:0:-1], strict=True)
    for k, (width, stride) in enumerate(back, 1):
        x = layers.Conv2DTranspose(
            width, 3, stride, padding="same", activation="relu", name=f"decoder_convolution_{k}"
        )(x)
    x = layers.Conv2DTranspose(1, 3, padding="same", name="decoder_convolution_4")(x)
    extra = 4 * side - size_pix
    cut = (extra // 2, extra - extra // 2)
    x = layers.Cropping2D((cut, cut), name="decoder_cut")(x)
    return keras.Model(latent_variables, x, name="decoder")
