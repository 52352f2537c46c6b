"""The operations of our layers: those of Keras or, for single images, the same ones of NumPy.

A layer that takes ``ops`` from here is written once. A Keras model runs it on the tensors of its
backend; `numpy_step` runs its ``call`` on NumPy arrays within `numpy_operations`, without the
backend's cost of starting every operation.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
import numpy as np


class NumpyLayer(keras.layers.Layer):
    """A layer without weights whose ``call`` also takes NumPy arrays within `numpy_operations`."""


class _NumpyOperations:
    """Operations named as in `keras.ops`, for float32 arrays; as many as the layers use."""

    abs = staticmethod(np.abs)
    arange = staticmethod(np.arange)
    arcsinh = staticmethod(np.arcsinh)
    concatenate = staticmethod(np.concatenate)
    cos = staticmethod(np.cos)
    cumsum = staticmethod(np.cumsum)
    log = staticmethod(np.log)
    log1p = staticmethod(np.log1p)
    maximum = staticmethod(np.maximum)
    power = staticmethod(np.power)
    reshape = staticmethod(np.reshape)
    shape = staticmethod(np.shape)
    sin = staticmethod(np.sin)
    sqrt = staticmethod(np.sqrt)
    square = staticmethod(np.square)
    stack = staticmethod(np.stack)
    sum = staticmethod(np.add.reduce)
    where = staticmethod(np.where)
    zeros = staticmethod(np.zeros)
    zeros_like = staticmethod(np.zeros_like)

    @staticmethod
    def cast(x: np.ndarray, dtype: str) -> np.ndarray:
        return x.astype(dtype)

    @staticmethod
    def clip(x: np.ndarray, least: float, most: float) -> np.ndarray:
        return np.minimum(np.maximum(x, least), most)

    @staticmethod
    def one_hot(x: np.ndarray, n: int, dtype: str) -> np.ndarray:
        return np.eye(n, dtype=dtype)[x]

    @staticmethod
    def relu(x: np.ndarray) -> np.ndarray:
        return np.maximum(x, 0)


_library: ContextVar[Any] = ContextVar("library", default=keras.ops)


class _Operations:
    def __getattr__(self, name):
        return getattr(_library.get(), name)


ops = _Operations()


@contextmanager
def numpy_operations() -> Iterator[None]:
    """Within the block, in this thread, ``ops`` are those of NumPy."""
    token = _library.set(_NumpyOperations)
    try:
        yield
    finally:
        _library.reset(token)
