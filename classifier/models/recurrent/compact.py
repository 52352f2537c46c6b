"""A small network for two cores: every image is encoded once and its star measured.

Each image passes through a small convolutional encoder and through photometry; a gated recurrent
unit reads both in time order, so that a prediction depends on the images so far and a new image
costs the same however many came before. Seeing and noise of every image are inputs: pixels are in
units of their noise, photometry assumes the image's own seeing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import layers

from classifier.models.card_schema import LEAST_SIZE_PIX
from classifier.models.recurrent.light_curve_layers import LightCurve, PsfPhotometry
from classifier.models.recurrent.multiband_layers import BandConvolution
from classifier.models.recurrent.operations import NumpyLayer, ops
from classifier.models.recurrent.plane_layers import PlaneBranch
from classifier.models.recurrent.variants import InSequence, ModelVariants, build_variants

ENCODER_CONVOLUTIONS = ((5, 2, "same"), (3, 1, "same"), (3, 1, "same"), (3, 1, "valid"))
"""Size, strides and padding of each."""
KOLMOGOROV_BETA = 4.765  # Moffat profile of a turbulent atmosphere (Trujillo et al. 2001)


@keras.saving.register_keras_serializable(package="skyreel")
class Views(NumpyLayer):
    """Input channels of the convolutions: in units of the noise, without long tails.

    Two channels through asinh(x / 3): the image, and the residual without the central star.

    Call arguments
    --------------
    images, residual : (object, image, row, column)
        nJy; units of the noise.
    noise, present : (object, image)

    Returns
    -------
    (object * image, row, column, 2)
    """

    CHANNELS = 2

    def __init__(self, **kwargs: Any):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, images: Any, residual: Any, noise: Any, present: Any) -> Any:
        pair = ops.stack([images / noise[..., None, None], residual], axis=-1)
        pair = ops.arcsinh(pair / 3) * present[..., None, None, None]
        return ops.reshape(pair, (-1, *images.shape[2:], self.CHANNELS))

    def compute_output_shape(self, images_shape: tuple, **_: Any) -> tuple:
        return (None, *images_shape[2:], self.CHANNELS)


def compact(
    *,
    size_pix: int,
    n_classes: int,
    planes: Sequence[str],
    beta: float = KOLMOGOROV_BETA,
    filters: Sequence[int] = (24, 32, 48, 64),
    embedding: int = 64,
    units: int = 128,
    times: bool = True,
    conditions: bool = True,
    dtype: str = "float32",
) -> ModelVariants:
    """The network.

    Parameters
    ----------
    size_pix : int
        Rows and columns of a stamp.
    n_classes : int
    planes : sequence of str
        Planes beside the science images, as in `classifier.image_selection.ImageSelection`.
    beta : float
        Of the Moffat profile of photometry; training takes it from the survey profile.
    filters : four int
        Of the encoder's convolutions.
    embedding, units : int
        Sizes of an encoded image and of the hidden state.
    times, conditions : bool
        Whether times of images, and their seeing and noise as numbers, are inputs.
    dtype : str
        Keras dtype policy of the encoder; all else is float32.

    Raises
    ------
    ValueError
        Stamps that are too small, or a number a layer refuses.
    """
    if size_pix < LEAST_SIZE_PIX:
        raise ValueError(f"stamps of {size_pix} pixels; at least {LEAST_SIZE_PIX} are needed.")
    photometry = PsfPhotometry(beta, name="photometry")
    views = Views(name="views")
    branch = PlaneBranch(planes)
    encoder = encoder_layers(filters, embedding, dtype)
    in_sequence = InSequence(name="in_sequence")
    light_curve = LightCurve(times=times, conditions=conditions, name="light_curve")
    read = recurrent_reader(96, units, n_classes, "answer")  # of saved files

    def encode(inputs, states):
        noise, present = inputs["noise"], inputs["present"]
        *measured, residual = photometry(
            inputs["images"], inputs["usable"], noise, inputs["njy_per_e"], inputs["seeing"]
        )
        encoded = branch.with_channels(views(inputs["images"], residual, noise, present), inputs)
        for layer in encoder:
            encoded = layer(encoded)
        sums = states and states["light_curve"]
        columns, sums = light_curve(
            *measured, inputs["seeing"], noise, inputs["days"], present, state=sums
        )
        columns, counts = branch.with_columns(columns, inputs, states)
        return [in_sequence(encoded, present), columns], {"light_curve": sums, **counts}

    states = {"light_curve": (LightCurve.STATE,), "hidden_state": (units,), **branch.states}
    return build_variants(
        "compact", encode, read, size_pix=size_pix, states=states, planes=branch.planes
    )


def _scanned(gru, inputs, start):
    return gru(inputs, initial_state=start)


def recurrent_reader(
    n_mixed: int,
    units: int,
    n_classes: int,
    dense_name: str = "dense",
    follow: Callable[..., tuple[Any, Any]] = _scanned,
) -> Callable[[list[Any], dict[str, Any] | None], tuple[Any, Any, dict[str, Any]]]:
    """The recurrent part, from encoded images and columns to logits, for `build_variants`.

    ``follow`` applies the recurrent layer to inputs from a state on, as `followed`.
    """
    joined = layers.Concatenate(dtype="float32", name="joined")
    mixed = layers.Dense(n_mixed, activation="relu", dtype="float32", name="mixed")
    gru = layers.GRU(units, return_sequences=True, return_state=True, dtype="float32", name="gru")
    with_columns = layers.Concatenate(dtype="float32", name="with_columns")
    dense = layers.Dense(96, activation="relu", dtype="float32", name=dense_name)
    logits = layers.Dense(n_classes, dtype="float32", name="logits")

    def read(encoded, states):
        start = states and states["hidden_state"]
        hidden, last = follow(gru, mixed(joined(encoded)), start)
        return logits(dense(with_columns([hidden, encoded[1]]))), hidden, {"hidden_state": last}

    return read


def encoder_layers(
    filters: Sequence[int], embedding: int, dtype: str, n_bands: int = 1, n_per_band: int = 0
) -> list[Any]:
    """The encoder's layers; the first ``n_per_band`` convolutions have weights of each band."""
    convolutions = []
    for i, (n, shape) in enumerate(zip(filters, ENCODER_CONVOLUTIONS, strict=True)):
        settings = {"dtype": dtype, "name": f"conv_{i + 1}"}
        if i < n_per_band:
            convolutions.append(BandConvolution(n_bands, n, *shape, **settings))
        else:
            convolutions.append(layers.Conv2D(n, *shape, activation="relu", **settings))
    pooling = layers.MaxPooling2D(2, padding="same", dtype=dtype, name="pool")
    flat = layers.Flatten(dtype=dtype, name="flat")
    last = layers.Dense(embedding, activation="relu", dtype=dtype, name="embedding")
    return [*convolutions[:2], pooling, *convolutions[2:], flat, last]
