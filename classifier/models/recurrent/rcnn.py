"""The recurrent convolutional network of Carrasco-Davis (2019), section 3.2.2 and table 3.3.

Decided here, because the thesis does not say: half of the dense layer is dropped, the dense layer
is rectified as the convolutions are, renormalisation has the limits of its paper, and images are in
units of `IMAGE_SCALE_NJY`.
"""

from __future__ import annotations

from functools import partial

from keras import layers, ops

from classifier.models.recurrent.batch_renormalisation import BatchRenormalization
from classifier.models.recurrent.image_stack import ImageStack
from classifier.models.recurrent.sequence_model import InSequence, ModelVariants, build_variants

IMAGE_SCALE_NJY = 1_000.0
"""Pixels enter over this, the standard deviation of simulated HiTS pixels (1,074 nJy in 400
objects): the first normalisation then starts near its moving moments, 0 and 1."""

NORMALISATIONS = ("renormalisation", "batch", "none")


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
    with dropout; an LSTM that is also told the days, since the first image, of the images of
    the stack; and an answer at every image. Padded images enter no moments.

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
        Whether the LSTM is told the days.
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
    answer = layers.Dense(n_classes, dtype="float32", name="logits")

    def encode(inputs, states):
        before = states and {name: states[name] for name in stack.states(size_pix)}
        stacks, days, kept = stack(inputs["images"], inputs["days"], state=before)
        rows = to_rows(stacks, ops.reshape(inputs["shown"], (-1,)))
        features = sequence(rows, inputs["shown"])
        return [joined([features, days]) if times else features], kept

    def read(encoded, states):
        start = states and [states["lstm_h"], states["lstm_c"]]
        hidden, h, c = lstm(encoded[0], initial_state=start)
        return answer(hidden), hidden, {"lstm_h": h, "lstm_c": c}

    shapes = {**stack.states(size_pix), "lstm_h": (units,), "lstm_c": (units,)}
    return build_variants("rcnn", encode, read, size_pix=size_pix, states=shapes)


def _encoder(filters, dense, dropout, normalising, dtype):
    """Stacks and which of their rows count, to one vector each."""
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
    """What makes the normalising layers."""
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
