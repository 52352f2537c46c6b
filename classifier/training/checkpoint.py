"""The state of a training run: everything the next iteration depends on, in one file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from classifier.models.recurrent.backend import keras
from skyreel.atomic_files import read_arrays, write_arrays
from skyreel.errors import ClassifierError

_META = "meta"
_AGAIN = "Remove it to start this training again."


def save_checkpoint(path: Path, model: keras.Model, meta: dict[str, Any]) -> None:
    """Write weights, states of random layers and of the optimiser, and ``meta`` (plain values).

    Raises
    ------
    OutputError
    """
    arrays = {f"{i:05d}": keras.ops.convert_to_numpy(v) for i, v in enumerate(_variables(model))}
    arrays[_META] = np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)
    write_arrays(path, arrays)


def load_checkpoint(path: Path, model: keras.Model) -> dict[str, Any]:
    """Assign a checkpoint to a model that is built and compiled in the same way; its ``meta``.

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
