"""The variants of a recurrent network, as Keras models that share every weight.

A network reads a sequence in time order. For training it is given whole sequences; in a stream
it is given one image and the states after those before, which start as zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from classifier.models.recurrent.backend import keras
from classifier.models.recurrent.operations import NumpyLayer, ops


@keras.saving.register_keras_serializable(package="skyreel")
class InSequence(NumpyLayer):
    """Rows (object * image, feature) as sequences (object, image, feature) like ``present``."""

    def __init__(self, **kwargs: Any):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, rows: Any, present: Any) -> Any:
        return ops.reshape(rows, (-1, ops.shape(present)[1], rows.shape[-1]))

    def compute_output_shape(self, rows_shape: tuple, present_shape: tuple) -> tuple:
        return (*present_shape, rows_shape[-1])


def followed(gru: keras.layers.GRU, sequence: Any, start: Any) -> tuple[Any, Any]:
    """Hidden states (object, image, unit) of a sequence, and the last of them.

    Of one image after ``start`` (object, unit) they follow without a loop over images, which
    takes longer than the image itself.
    """
    if start is None or sequence.shape[1] != 1:
        return gru(sequence, initial_state=start)
    last, _ = gru.cell(sequence[:, 0], start)
    return last[:, None], last


_PER_PIXEL = ("images", "usable")
_PER_IMAGE = ("noise", "njy_per_e", "seeing", "days", "present")


@dataclass(frozen=True)
class ModelVariants:
    """The variants of a network; inputs are named as in `classifier.network_inputs.Inputs`.

    Attributes
    ----------
    whole : keras.Model
        Sequences to logits (object, image, class).
    hidden_states : keras.Model
        Sequences to hidden states of the recurrent layer (object, image, unit).
    encoder : keras.Model
        Sequences to inputs of the recurrent part, by name, each (object, image, number).
    reader : keras.Model
        These by name to logits (object, image, class).
    step : keras.Model
        One image (the image axis has length 1) and the states to logits (object, class) and the
        new states by name.
    window : keras.Model
        Some consecutive images and the states before them to logits (object, image, class) and
        the states after the last image by name.
    states : dict of str to tuple
        Shape of every state without the object axis.
    """

    whole: keras.Model
    hidden_states: keras.Model
    encoder: keras.Model
    reader: keras.Model
    step: keras.Model
    window: keras.Model
    states: dict[str, tuple[int, ...]]


def sequence_inputs(
    size_pix: int,
    n_images: int | None = None,
    *,
    multiband: bool = False,
    planes: Sequence[str] = (),
) -> dict[str, Any]:
    """Keras inputs for the arrays of `classifier.network_inputs.Inputs`."""
    detection = ("detection",) if "difference" in planes else ()
    shapes = {name: (n_images, size_pix, size_pix) for name in (*_PER_PIXEL, *planes)}
    shapes |= {name: (n_images,) for name in (*_PER_IMAGE, *detection)}
    found = {name: keras.Input(shape, name=name, dtype="float32") for name, shape in shapes.items()}
    if multiband:
        found["band"] = keras.Input((n_images,), name="band", dtype="int32")
    return found


def build_variants(
    name: str,
    encode: Callable,
    read: Callable,
    *,
    size_pix: int,
    states: dict[str, tuple],
    multiband: bool = False,
    planes: Sequence[str] = (),
) -> ModelVariants:
    """The variants of a network from its two parts.

    Parameters
    ----------
    name : str
    encode : callable
        ``encode(inputs, states)`` gives (encoded, new states): a list of tensors (object, image,
        number), each image by itself or with those before it.
    read : callable
        ``read(encoded, states)`` gives (logits, hidden states, new states), all but the last with
        an image axis. ``states`` is None at the start of a sequence. Both are called several times
        and must use the same layers each time.
    size_pix : int
        Rows and columns of a stamp.
    states : dict of str to tuple
        Shape of every state without the object axis.
    multiband : bool
        Whether the bands of images are an input.
    planes : sequence of str
        Planes that are inputs beside the science images.
    """
    own = {"multiband": multiband, "planes": planes}
    inputs = sequence_inputs(size_pix, **own)
    encoded, _ = encode(inputs, None)
    logits, hidden_states, _ = read(encoded, None)
    parts = {f"encoded_{i}": part for i, part in enumerate(encoded)}
    part_inputs = {
        key: keras.Input((None, part.shape[-1]), name=key, dtype="float32")
        for key, part in parts.items()
    }
    read_logits, _, _ = read([*part_inputs.values()], None)
    images = {n: sequence_inputs(size_pix, n, **own) for n in (1, None)}
    return ModelVariants(
        whole=keras.Model(inputs, logits, name=name),
        hidden_states=keras.Model(inputs, hidden_states, name=f"{name}_hidden_states"),
        encoder=keras.Model(inputs, parts, name=f"{name}_encoder"),
        reader=keras.Model(part_inputs, read_logits, name=f"{name}_reader"),
        step=_model_with_states(f"{name}_step", encode, read, states, images[1], one_image=True),
        window=_model_with_states(f"{name}_window", encode, read, states, images[None]),
        states=dict(states),
    )


def _model_with_states(name, encode, read, states, images, one_image=False):
    """A model that also takes the states before its images and gives those after the last one."""
    before = {
        key: keras.Input(shape, name=f"state_{key}", dtype="float32")
        for key, shape in states.items()
    }
    encoded, encoder_states = encode(images, before)
    logits, _, reader_states = read(encoded, before)
    if one_image:
        last = keras.layers.Reshape((logits.shape[-1],), dtype="float32", name=f"{name}_last")
        logits = last(logits)
    return keras.Model(
        {**images, **{f"state_{key}": tensor for key, tensor in before.items()}},
        (logits, {**encoder_states, **reader_states}),
        name=name,
    )
