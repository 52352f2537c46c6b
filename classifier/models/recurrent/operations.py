"""The operations of our layers: those of Keras or, for single images, the same ones of NumPy.

A layer that takes ``ops`` from here is written once. A Keras model runs it on the tensors of its
backend; `numpy_step` runs its ``call`` on NumPy arrays within `numpy_operations`, without the
backend's cost of starting every operation.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np


class NumpyLayer(keras.layers.Layer):
    """A layer without weights whose ``call`` also takes NumPy arrays within `numpy_operations`."""


_AS_NUMPY = (
    "abs arange arcsinh concatenate cos cumsum log log1p maximum power reshape shape sin sqrt "
    "square stack where zeros zeros_like"
)
_OF_NUMPY = {name: getattr(np, name) for name in _AS_NUMPY.split()} | {
    "cast": lambda x, dtype: x.astype(dtype),
    "clip": lambda x, least, most: np.minimum(np.maximum(x, least), most),
    "one_hot": lambda x, n, dtype: np.eye(n, dtype=dtype)[x],
    "relu": lambda x: np.maximum(x, 0),
    "sum": np.add.reduce,
}  # for float32 arrays; as many as the layers use


class _Operations(threading.local):
    """Those of `keras.ops`, but for those that are set in this thread."""

    def __getattr__(self, name: str) -> Any:
        return getattr(keras.ops, name)


ops = _Operations()


@contextmanager
def numpy_operations() -> Iterator[None]:
    """Within the block, in this thread, ``ops`` are those of NumPy."""
    vars(ops).update(_OF_NUMPY)
    try:
        yield
    finally:
        vars(ops).clear()
