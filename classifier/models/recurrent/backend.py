"""Imports Keras without the log messages of TensorFlow's C++ code, and with settings of its own.

A user's ``keras.json`` may name the backend. Its other settings, and those of a session, would
change the networks; they hold outside of `own_settings` only.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from skyreel.errors import ClassifierError


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


def use_cores(cores: int) -> None:
    """Set the number of threads of TensorFlow, where it is the backend of Keras.

    It has an effect only before the first use of TensorFlow.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(cores)


__all__ = ["keras", "own_settings", "use_cores"]
