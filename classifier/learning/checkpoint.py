"""Where a training run stands: everything the next iteration depends on, in one file."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np

from classifier.errors import ClassifierError
from classifier.files import whole_file
from classifier.networks import keras

_META = "meta"


def save_checkpoint(path: Path, model, meta: dict) -> None:
    """Write weights, states of random layers, the optimiser's memory, and ``meta``."""
    arrays = {f"{i:05d}": keras.ops.convert_to_numpy(v) for i, v in enumerate(_variables(model))}
    arrays[_META] = np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)
    with whole_file(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, **arrays)


def load_checkpoint(path: Path, model) -> dict:
    """Put a checkpoint into a model that is built and compiled alike; its ``meta``.

    Raises
    ------
    ClassifierError
        The file is damaged, or of another model.
    """
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = json.loads(arrays.pop(_META).tobytes())
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ClassifierError(
            f"{path} is damaged ({error}). Remove it to begin this training again."
        ) from None
    variables = _variables(model)
    found = [arrays[name].shape for name in sorted(arrays)]
    if found != [tuple(variable.shape) for variable in variables]:
        raise ClassifierError(f"{path} is of another network. Remove it to begin again.")
    for variable, name in zip(variables, sorted(arrays), strict=True):
        variable.assign(arrays[name])
    return meta


def _variables(model):
    return [*model.variables, *model.optimizer.variables]
