"""The recurrent convolutional network of Carrasco-Davis (2019), section 3.2.2 and table 3.3.

The thesis leaves open, and this module decides: half of the dense layer is dropped, the dense
layer is rectified as the convolutions are, renormalisation has the limits of its paper, and images
are in units of `IMAGE_SCALE_NJY`. The thesis gives its first prediction when n_w images are there;
here copies of the first image replace missing ones, so that there is one from the first image on.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
from keras import layers, ops

from classifier.models.recurrent.batch_renormalisation import BatchRenormalization
from classifier.models.recurrent.variants import InSequence, ModelVariants, build_variants

IMAGE_SCALE_NJY = 1_000.0
"""Pixels enter in microjansky; the first normalisation learns their mean and scatter."""

NORMALISATIONS = ("renormalisation", "batch", "none")


@keras.saving.register_keras_serializable(package="skyreel")
class ImageStack(keras.layers.Layer):
    """Every image with the ``window`` - 1 before it, and the times of all of them.

    Parameters
    ----------
    window : int
        Images in a stack, n_w; at least 1.

    Raises
    ------
    ValueError
        A window below 1.

    Call arguments
    --------------
    images : (object, image, row, column)
    days : (object, image)
    state : dict, optional
        As an earlier call returned it, or zeros: nothing came before. Shapes as in `states`.

    Returns
    -------
    stacks : (object * image, row, column, window)
    times : (object, image, window)
        Days of the images of each stack.
    state : dict
        The last ``window`` - 1 images and days, and 1 for having started; empty for a window
        of 1. It counts padded images like others.
    """

    def __init__(self, window: int = 3, **kwargs: Any):
        super().__init__(**{"dtype": "float32", **kwargs})
        if not window >= 1:
            raise ValueError(f"ImageStack: window = {window}; a stack needs at least one image.")
        self.window = int(window)

    def states(self, size_pix: int) -> dict[str, tuple[int, ...]]:
        """Shape of every state without the object axis."""
        before = self.window - 1
        if before == 0:
            return {}
        return {
            "stack_images": (before, size_pix, size_pix),
            "stack_days": (before,),
            "stack_started": (1,),
        }

    def call(self, images: Any, days: Any, state: dict[str, Any] | None = None) -> tuple:
        state = state or {}
        started = state.get("stack_started")
        images, images_kept = self._windows(images, state.get("stack_images"), started)
        days, days_kept = self._windows(days, state.get("stack_days"), started)
        stacks = ops.reshape(images, (-1, *images.shape[2:]))
        if self.window == 1:
            return stacks, days, {}
        kept = {"stack_images": images_kept, "stack_days": days_kept}
        return stacks, days, {**kept, "stack_started": ops.ones_like(days[:, 0, :1])}

    def _windows(self, values, before, started):
        """Windows over the image axis, their own axis last; and the values to keep."""
        first = ops.repeat(values[:, :1], self.window - 1, axis=1)
        if before is not None:
            started = ops.reshape(started, (-1, *[1] * (len(values.shape) - 1)))
            first = ops.where(started > 0, before, first)
        n_images = ops.shape(values)[1]
        values = ops.concatenate([first, values], axis=1)
        windows = [values[:, k : k + n_images] for k in range(self.window)]
        return ops.stack(windows, axis=-1), values[:, n_images:]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "window": self.window}


def rcnn(
    *,
    size_pix: int,
    n_classes: int,
    window: int = 3,
    filters: int = 64,
    dense: int = 1024,
    units: int = 512,
    dropout: float = 0.5,
    normalisation: str = "renormalisation",
    times: bool = True,
    plain_steps: int = 5_000,
    dtype: str = "float32",
) -> ModelVariants:
    """The network, from the arrays of `classifier.network_inputs.Inputs` to logits.

    Six 3 x 3 convolutions, each rectified and then normalised, with two poolings; a dense layer
    with dropout; an LSTM that also reads the days, since the first image, of the images of the
    stack; and a prediction at every image. Padded images enter no moments.

    Parameters
    ----------
    size_pix : int
        Rows and columns of a stamp.
    n_classes : int
    window : int
        Images stacked, n_w.
    filters, dense, units : int
        Of every convolution, of the dense layer and of the LSTM.
    dropout : float
    normalisation : str
        One of `NORMALISATIONS`.
    times : bool
        Whether the LSTM reads the days.
    plain_steps : int
        Training steps of plain batch normalisation; renormalisation reaches its full r and d after
        8 and 5 times as many, as in its paper.
    dtype : str
        Keras dtype policy of the layers before the LSTM.

    Raises
    ------
    ValueError
        An unknown normalisation, or a number a layer refuses.
    """
    stack = ImageStack(window, name="stack")
    to_rows = _encoder(filters, dense, dropout, _normalising(normalisation, plain_steps), dtype)
    sequence = InSequence(name="in_sequence")
    joined = layers.Concatenate(dtype="float32", name="with_days")
    lstm = layers.LSTM(
        units, return_sequences=True, return_state=True, dtype="float32", name="lstm"
    )
    logits = layers.Dense(n_classes, dtype="float32", name="logits")

    def encode(inputs, states):
        before = states and {name: states[name] for name in stack.states(size_pix)}
        stacks, days, kept = stack(inputs["images"], inputs["days"], state=before)
        rows = to_rows(stacks, ops.reshape(inputs["present"], (-1,)))
        features = sequence(rows, inputs["present"])
        return [joined([features, days]) if times else features], kept

    def read(encoded, states):
        start = states and [states["lstm_h"], states["lstm_c"]]
        hidden, h, c = lstm(encoded[0], initial_state=start)
        return logits(hidden), hidden, {"lstm_h": h, "lstm_c": c}

    shapes = {**stack.states(size_pix), "lstm_h": (units,), "lstm_c": (units,)}
    return build_variants("rcnn", encode, read, size_pix=size_pix, states=shapes)


def _encoder(filters, dense, dropout, normalising, dtype):
    """A function of stacks, and of which rows count, that gives one vector per stack."""
    chain = [
        layers.Rescaling(1 / IMAGE_SCALE_NJY, dtype="float32", name="scaled"),
        normalising(dtype="float32", name="normal_0"),
    ]
    for block in range(2):
        for k in range(3 * block + 1, 3 * block + 4):
            chain += [
                layers.Conv2D(
                    filters, 3, padding="same", activation="relu", dtype=dtype, name=f"conv_{k}"
                ),
                normalising(dtype=dtype, name=f"normal_{k}"),
            ]
        pooling = layers.MaxPooling2D(2, padding="same", dtype=dtype, name=f"pool_{block + 1}")
        chain.append(pooling)
    chain += [
        layers.Flatten(dtype=dtype, name="flat"),
        layers.Dense(dense, activation="relu", dtype=dtype, name="dense"),
        layers.Dropout(dropout, dtype=dtype, name="dropout"),
    ]

    def encode(stacks, counted):
        for layer in chain:
            mask = {"mask": counted} if isinstance(layer, BatchRenormalization) else {}
            stacks = layer(stacks, **mask)
        return stacks

    return encode


def _normalising(choice, plain_steps):
    """The class of the normalising layers, with its options."""
    if choice not in NORMALISATIONS:
        raise ValueError(f"rcnn: normalisation {choice!r}; allowed: {', '.join(NORMALISATIONS)}.")
    if choice == "none":
        return layers.Identity
    if choice == "batch":
        return partial(BatchRenormalization, r_max=1.0, d_max=0.0)
    return partial(
        BatchRenormalization,
        plain_steps=plain_steps,
        d_steps=5 * plain_steps,
        r_steps=8 * plain_steps,
    )
