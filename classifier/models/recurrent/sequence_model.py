"""One network in the forms it is used in, which share every weight.

A network reads a sequence in time order. For training it is given whole sequences; in a stream
it is given one image and what it kept of those before, its states, which start as zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from keras import ops

from classifier.models.recurrent.backend import keras


@keras.saving.register_keras_serializable(package="skyreel")
class Views(keras.layers.Layer):
    """Images as a convolution should see them: in units of their noise, without long tails.

    Two channels through asinh(x / 3): the image, and what is left without the star.

    Call arguments
    --------------
    images, residual : (object, image, row, column)
        nJy; units of the noise.
    noise, shown : (object, image)

    Returns
    -------
    (object * image, row, column, 2)
    """

    CHANNELS = 2

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, images, residual, noise, shown):
        pair = ops.stack([images / noise[..., None, None], residual], axis=-1)
        pair = ops.arcsinh(pair / 3) * shown[..., None, None, None]
        return ops.reshape(pair, (-1, *images.shape[2:], self.CHANNELS))

    def compute_output_shape(self, images_shape, **_):
        return (None, *images_shape[2:], self.CHANNELS)


@keras.saving.register_keras_serializable(package="skyreel")
class InSequence(keras.layers.Layer):
    """Rows (object * image, feature) as sequences (object, image, feature) like ``shown``."""

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, rows, shown):
        return ops.reshape(rows, (-1, ops.shape(shown)[1], rows.shape[-1]))

    def compute_output_shape(self, rows_shape, shown_shape):
        return (*shown_shape, rows_shape[-1])


_PER_PIXEL = ("images", "usable")
_PER_IMAGE = ("noise", "njy_per_e", "seeing", "days", "shown")


@dataclass(frozen=True)
class ModelVariants:
    """A network; the inputs of all forms are named as in `classifier.network_inputs.Inputs`.

    Attributes
    ----------
    whole : keras.Model
        Sequences to logits (object, image, class).
    memory : keras.Model
        Sequences to what the recurrent layer remembers (object, image, unit).
    encoder : keras.Model
        Sequences to what the recurrent layer reads, by name, each (object, image, number).
    reader : keras.Model
        These by name to logits (object, image, class).
    step : keras.Model
        One image (the image axis has length 1) and the states to logits (object, class) and the
        new states by name.
    states : dict of str to tuple
        Shape of every state without the object axis.
    """

    whole: keras.Model
    memory: keras.Model
    encoder: keras.Model
    reader: keras.Model
    step: keras.Model
    states: dict[str, tuple[int, ...]]


def sequence_inputs(size_pix: int, n_images: int | None = None) -> dict:
    """Keras inputs for the arrays of `classifier.network_inputs.Inputs`."""
    shapes = {name: (n_images, size_pix, size_pix) for name in _PER_PIXEL}
    shapes |= {name: (n_images,) for name in _PER_IMAGE}
    return {name: keras.Input(shape, name=name, dtype="float32") for name, shape in shapes.items()}


def build_variants(
    name: str, encode: Callable, read: Callable, *, size_pix: int, states: dict[str, tuple]
) -> ModelVariants:
    """The forms of a network from what it does.

    Parameters
    ----------
    name : str
    encode : callable
        ``encode(inputs, states)`` gives (what is read, new states): a list of tensors (object,
        image, number), each image by itself or with those before it.
    read : callable
        ``read(encoded, states)`` gives (logits, memory, new states), all but the states with an
        image axis. ``states`` is None at the start of a sequence. Both are called several times
        and must use the same layers each time.
    size_pix : int
        Rows and columns of a stamp.
    states : dict of str to tuple
        Shape of every state without the object axis.
    """
    inputs = sequence_inputs(size_pix)
    encoded, _ = encode(inputs, None)
    logits, memory, _ = read(encoded, None)
    parts = {f"encoded_{i}": part for i, part in enumerate(encoded)}
    again = {
        name: keras.Input((None, part.shape[-1]), name=name, dtype="float32")
        for name, part in parts.items()
    }
    image = sequence_inputs(size_pix, 1)
    kept = {
        key: keras.Input(shape, name=f"state_{key}", dtype="float32")
        for key, shape in states.items()
    }
    one, renewed = encode(image, kept)
    answer, _, hidden_states = read(one, kept)
    last = keras.layers.Reshape((answer.shape[-1],), dtype="float32", name=f"{name}_answer")
    return ModelVariants(
        whole=keras.Model(inputs, logits, name=name),
        memory=keras.Model(inputs, memory, name=f"{name}_memory"),
        encoder=keras.Model(inputs, parts, name=f"{name}_encoder"),
        reader=keras.Model(again, read([*again.values()], None)[0], name=f"{name}_reader"),
        step=keras.Model(
            {**image, **_named(kept)},
            (last(answer), {**renewed, **hidden_states}),
            name=f"{name}_step",
        ),
        states=dict(states),
    )


def _named(kept):
    return {f"state_{key}": tensor for key, tensor in kept.items()}
