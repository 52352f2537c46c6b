"""Imports Keras without the log messages of TensorFlow's C++ code."""

from __future__ import annotations

import logging
import os
import sys
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
    except (ImportError, ValueError) as error:
        raise ClassifierError(
            f"Keras cannot use the backend {os.environ.get('KERAS_BACKEND', 'tensorflow')!r} "
            f"({error}). Install it, or set KERAS_BACKEND to tensorflow, jax or torch."
        ) from None

logging.getLogger("tensorflow").setLevel(logging.ERROR)  # else it warns of a new batch size


def use_cores(cores: int) -> None:
    """Set the number of threads of TensorFlow, where it is the backend of Keras.

    It has an effect only before the first use of TensorFlow.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(cores)


__all__ = ["keras", "use_cores"]
