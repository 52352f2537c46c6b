"""Where a training run stands: everything the next iteration depends on, in one file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from classifier.models.recurrent.backend import keras
from skyreel.atomic_files import read_arrays, write_arrays
from skyreel.errors import ClassifierError

_META = "meta"
_AGAIN = "Remove it to begin this training again."


def save_checkpoint(path: Path, model, meta: dict) -> None:
    """Write weights, states of random layers, the optimiser's memory, and ``meta``."""
    arrays = {f"{i:05d}": keras.ops.convert_to_numpy(v) for i, v in enumerate(_variables(model))}
    arrays[_META] = np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)
    write_arrays(path, arrays)


def load_checkpoint(path: Path, model) -> dict:
    """Put a checkpoint into a model that is built and compiled alike; its ``meta``.

    Raises
    ------
    ClassifierError
        The file is damaged, or of another model.
    """
    arrays = read_arrays(path, _AGAIN)
    try:
        meta = json.loads(arrays.pop(_META).tobytes())
    except (KeyError, ValueError):
        raise ClassifierError(f"{path} is no checkpoint. {_AGAIN}") from None
    variables = _variables(model)
    found = [arrays[name].shape for name in sorted(arrays)]
    if found != [tuple(variable.shape) for variable in variables]:
        raise ClassifierError(f"{path} is of another network. {_AGAIN}")
    for variable, name in zip(variables, sorted(arrays), strict=True):
        variable.assign(arrays[name])
    return meta


def _variables(model):
    return [*model.variables, *model.optimizer.variables]
