"""Imports Keras without the log messages of TensorFlow's C++ code, and with settings of its own.

A user's ``keras.json`` may name the backend. Its other settings, and those of a session, would
change the networks; they hold outside of `own_settings` only.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from skyreel.errors import ClassifierError

if TYPE_CHECKING:
    import numpy as np


@contextmanager
def _silent_stderr():
    """Suppress log messages of TensorFlow's C++ code."""
    try:
        terminal = sys.stderr.fileno()
        kept = os.dup(terminal)
    except (OSError, ValueError):  # no real terminal, for instance under a test runner
        yield
        return
    sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, terminal)
    try:
        yield
    finally:
        os.dup2(kept, terminal)
        os.close(kept)
        os.close(nowhere)


with _silent_stderr():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import keras
    except (AssertionError, ImportError, TypeError, ValueError) as error:
        raise ClassifierError(
            f"Keras cannot be imported with the backend of KERAS_BACKEND "
            f"({os.environ.get('KERAS_BACKEND', 'not set')}) and keras.json ({error!r}). Install "
            "that backend, or set KERAS_BACKEND to tensorflow, jax or torch."
        ) from None

logging.getLogger("tensorflow").setLevel(logging.ERROR)  # else it warns of a new batch size


_EPSILON = 1e-7


@contextmanager
def own_settings() -> Iterator[None]:
    """Within the block Keras has the settings that networks are built, trained and used with."""
    config = keras.config
    kept = config.image_data_format(), config.floatx(), config.epsilon(), config.dtype_policy()
    try:
        _set("channels_last", "float32", _EPSILON, "float32")
        yield
    finally:
        _set(*kept)


def _set(data_format, floatx, epsilon, policy):
    keras.config.set_image_data_format(data_format)
    keras.config.set_floatx(floatx)
    keras.config.set_epsilon(epsilon)
    keras.config.set_dtype_policy(policy)


def compiled(model: keras.Model) -> Callable[[Mapping[str, np.ndarray]], Any]:
    """A model as a function of arrays by the names of its inputs, quick for few objects.

    With TensorFlow it has one graph of a single object and one of any number of them. They take
    less time to call than `keras.Model.predict_on_batch`.
    """
    if keras.backend.backend() != "tensorflow":
        return model.predict_on_batch
    import tensorflow as tf

    graphs: dict[int | None, Any] = {}

    def graph_of(n):
        inputs = {
            name: tf.TensorSpec((n, *tensor.shape[1:]), tensor.dtype, name=name)
            for name, tensor in model.input.items()
        }
        called = tf.function(lambda arrays: model(arrays, training=False))
        return called.get_concrete_function(inputs)

    def call(arrays):
        n = len(next(iter(arrays.values())))
        size = 1 if n == 1 else None
        if size not in graphs:
            graphs[size] = graph_of(size)
        outputs = graphs[size]({name: tf.constant(array) for name, array in arrays.items()})
        return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)

    return call


def use_cores(cores: int) -> None:
    """Set the number of threads of TensorFlow, where it is the backend of Keras.

    It has an effect only before the first use of TensorFlow.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(cores)


__all__ = ["compiled", "keras", "own_settings", "use_cores"]
