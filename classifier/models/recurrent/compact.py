"""A small network for two cores: every image encoded once, a light curve measured inside.

Each image passes through a small convolutional encoder and through photometry; a gated recurrent
unit reads both in time order, so that every answer rests on the images so far and a new image
costs the same however many came before. It knows seeing and noise of every image: pixels come
in units of their noise, photometry assumes the image's own seeing.
"""

from __future__ import annotations

from keras import layers

from classifier.models.recurrent.light_curve import LightCurve
from classifier.models.recurrent.psf_photometry import PsfPhotometry
from classifier.models.recurrent.sequence_model import (
    InSequence,
    ModelVariants,
    Views,
    build_variants,
)

LEAST_SIZE_PIX = 9  # leaves one place to the last convolution


def compact(
    *,
    size_pix: int,
    n_classes: int,
    beta: float = 3.8,
    filters=(24, 32, 48, 64),
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
    beta : float
        Of the Moffat profile of photometry.
    filters : four int
        Of the encoder's convolutions.
    embedding, units : int
        Sizes of an encoded image and of the memory.
    times, conditions : bool
        Whether it is told the times of images, and their seeing and noise as numbers.
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
    encoder = _encoder(filters, embedding, dtype)
    in_sequence = InSequence(name="in_sequence")
    light_curve = LightCurve(times=times, conditions=conditions, name="light_curve")
    joined = layers.Concatenate(dtype="float32", name="joined")
    mixed = layers.Dense(96, activation="relu", dtype="float32", name="mixed")
    gru = layers.GRU(units, return_sequences=True, return_state=True, dtype="float32", name="gru")
    with_memory = layers.Concatenate(dtype="float32", name="with_memory")
    answer = layers.Dense(96, activation="relu", dtype="float32", name="answer")
    logits = layers.Dense(n_classes, dtype="float32", name="logits")

    def encode(inputs, states):
        noise, shown = inputs["noise"], inputs["shown"]
        *measured, residual = photometry(
            inputs["images"], inputs["usable"], noise, inputs["njy_per_e"], inputs["seeing"]
        )
        encoded = views(inputs["images"], residual, noise, shown)
        for layer in encoder:
            encoded = layer(encoded)
        kept = states and states["light_curve"]
        columns, kept = light_curve(
            *measured, inputs["seeing"], noise, inputs["days"], shown, state=kept
        )
        return [in_sequence(encoded, shown), columns], {"light_curve": kept}

    def read(encoded, states):
        memory, last = gru(mixed(joined(encoded)), initial_state=states and states["memory"])
        return logits(answer(with_memory([memory, encoded[1]]))), memory, {"memory": last}

    states = {"light_curve": (LightCurve.STATE,), "memory": (units,)}
    return build_variants("compact", encode, read, size_pix=size_pix, states=states)


def _encoder(filters, embedding, dtype):
    sizes = [(5, 2, "same"), (3, 1, "same"), (3, 1, "same"), (3, 1, "valid")]
    convolutions = [
        layers.Conv2D(n, size, strides, padding, activation="relu", dtype=dtype, name=f"conv_{i}")
        for i, (n, (size, strides, padding)) in enumerate(zip(filters, sizes, strict=True), 1)
    ]
    pooling = layers.MaxPooling2D(2, padding="same", dtype=dtype, name="pool")
    flat = layers.Flatten(dtype=dtype, name="flat")
    last = layers.Dense(embedding, activation="relu", dtype=dtype, name="embedding")
    return [*convolutions[:2], pooling, *convolutions[2:], flat, last]
