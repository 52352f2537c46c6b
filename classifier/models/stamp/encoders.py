"""Convolutions of the stamp classifiers, by name. Axis order is (object, row, column, channel)."""

from __future__ import annotations

from typing import Any, Literal

from keras import layers

from classifier.models.stamp.rotation_layers import QuarterTurns, Rotations

Encoder = Literal["deep-hits", "strided"]
_PADDING_PIX = 3
_POOLED_AFTER = (1, 4)
_STRIDED = ((32, 5, 2), (64, None, 2), (96, None, 1))  # filters, pixels (None: kernel), stride
_CENTRAL = 4  # rows and columns of the last convolution: 16 pixels of a stamp
_CENTRAL_UNITS = 64


def encoded(
    stamps: Any,
    *,
    encoder: Encoder,
    rotations: Rotations,
    kernel: int,
    name: str,
    dtype: str = "float32",
) -> Any:
    """Flat features of stamps, of all four turns one after the other unless ``rotations`` is none.

    Parameters
    ----------
    stamps : tensor (object, row, column, plane)
    encoder : str
        "deep-hits": the convolutions of Deep-HiTS (table 4.1 of Arredondo 2021): of 4 x 4 and
        ``kernel`` pixels with 32 filters, a pooling, three of ``kernel`` pixels with 64 filters, a
        pooling. "strided": of 5 x 5 pixels with 32 filters and stride 2, ``kernel`` pixels with 64
        filters and stride 2, ``kernel`` pixels with 96 filters; their means over the stamp, and 64
        units of the central 16 x 16 pixels. On 31 x 31 pixels it needs
        a seventh of the multiplications. All have ReLU.
    rotations : str
    kernel : int
        Pixels of all convolutions but the first.
    name : str
        Of the layers.
    """
    x = QuarterTurns(name=f"{name}_turns")(stamps) if rotations != "none" else stamps
    layer = {"activation": "relu", "dtype": dtype}
    return (_strided if encoder == "strided" else _deep_hits)(x, kernel, name, layer)


def _deep_hits(x, kernel, name, layer):
    x = layers.ZeroPadding2D(_PADDING_PIX, name=f"{name}_padding")(x)
    for k, (filters, size) in enumerate(((32, 4), (32, kernel), *[(64, kernel)] * 3)):
        padding = "valid" if k == 0 else "same"
        named = f"{name}_convolution_{k + 1}"
        x = layers.Conv2D(filters, size, padding=padding, name=named, **layer)(x)
        if k in _POOLED_AFTER:
            x = layers.MaxPooling2D(2, name=f"{name}_pooling_{k + 1}")(x)
    return layers.Flatten(name=f"{name}_flat")(x)


def _strided(x, kernel, name, layer):
    for k, (filters, size, stride) in enumerate(_STRIDED):
        named = f"{name}_convolution_{k + 1}"
        x = layers.Conv2D(
            filters, size or kernel, strides=stride, padding="same", name=named, **layer
        )(x)
    mean = layers.GlobalAveragePooling2D(dtype="float32", name=f"{name}_mean")(x)
    outside = max(x.shape[1] - _CENTRAL, 0)
    cut = (outside // 2, outside - outside // 2)
    x = layers.Cropping2D((cut, cut), name=f"{name}_central")(x)
    x = layers.Flatten(name=f"{name}_flat")(x)
    x = layers.Dense(
        _CENTRAL_UNITS, activation="relu", dtype="float32", name=f"{name}_central_units"
    )(x)
    return layers.Concatenate(dtype="float32", name=f"{name}_features")([mean, x])
