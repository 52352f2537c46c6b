"""The state of a stream: one row of a few arrays for every object, in memory and in a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from classifier.models.protocol import StateArray, Steppable
from skyreel.atomic_files import read_arrays, write_arrays
from skyreel.errors import ClassifierError

FORMAT_VERSION = 2
_RENAMED = {"kept_answer": "kept_prediction", "kept_memory": "kept_hidden_state"}  # of format 1
_NEW = 0  # row of an object that is not known yet; it never changes
_ROWS_AT_FIRST = 64
_FIXED = {
    "first_mjd": (np.float64, 0.0),
    "last_mjd": (np.float64, -np.inf),
    "n_images": (np.int32, 0),
    "seeing_fwhm_pix": (np.float32, np.nan),
}


class StreamState:
    """Rows of arrays by the names of objects.

    Parameters
    ----------
    states : mapping of str to StateArray
        States of the model.
    n_classes : int
        Of the last prediction, which is kept too.
    """

    def __init__(self, states: Mapping[str, StateArray], n_classes: int):
        self.states = tuple(states)
        shapes = {name: ((), *form) for name, form in _FIXED.items()}
        shapes |= {"prediction": ((n_classes,), np.float32, np.nan)}
        shapes |= {name: (state.shape, state.dtype, 0) for name, state in states.items()}
        self._arrays = {
            name: np.full((_ROWS_AT_FIRST, *shape), otherwise, dtype=dtype)
            for name, (shape, dtype, otherwise) in shapes.items()
        }
        self._row: dict[str, int] = {}
        self._free = list(range(_ROWS_AT_FIRST - 1, _NEW, -1))

    def __len__(self) -> int:
        return len(self._row)

    def __contains__(self, name: str) -> bool:
        return name in self._row

    @property
    def bytes_per_object(self) -> int:
        """Memory of one row."""
        return sum(array[0].nbytes for array in self._arrays.values())

    def of(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Copies of the rows of some objects; for unknown ones, the start values."""
        rows = self._rows(names)
        return {key: array[rows] for key, array in self._arrays.items()}

    def one(self, names: Iterable[str], key: str) -> np.ndarray:
        """The same of one array."""
        return self._arrays[key][self._rows(names)]

    def _rows(self, names):
        return np.array([self._row.get(name, _NEW) for name in names], dtype=int)

    def put(self, names: Sequence[str], values: Mapping[str, np.ndarray]) -> None:
        """Replace the rows of some objects, each named once, or add them."""
        new = [name for name in names if name not in self._row]
        while len(self._free) < len(new):
            self._grow()
        self._row |= {name: self._free.pop() for name in new}
        rows = np.array([self._row[name] for name in names], dtype=int)
        for key, array in self._arrays.items():
            array[rows] = values[key]

    def forget(self, names: Iterable[str]) -> None:
        """Free the rows of some objects."""
        self._free.extend(self._row.pop(name) for name in names)

    def names(self) -> list[str]:
        """The objects, in the order they came."""
        return list(self._row)

    def shapes(self) -> dict[str, tuple]:
        """(shape of one row, dtype) of every array."""
        return {key: (array.shape[1:], array.dtype) for key, array in self._arrays.items()}

    def _grow(self):
        n = len(self._arrays["n_images"])
        self._arrays = {
            key: np.concatenate([array, np.repeat(array[:1], n, axis=0)])
            for key, array in self._arrays.items()
        }
        self._free = list(range(2 * n - 1, n - 1, -1)) + self._free


def write_state(path: str | Path, kept: StreamState, model: Steppable) -> None:
    """Write all rows to one file of plain arrays.

    Raises
    ------
    OutputError
    """
    about = {
        "format_version": FORMAT_VERSION,
        "model": model.name,
        "identity": model.state_identity,
    }
    names = kept.names()
    arrays = {f"kept_{key}": array for key, array in kept.of(names).items()}
    about, objects = np.array(json.dumps(about)), np.array(names, dtype=str)
    write_arrays(path, {"about": about, "objects": objects, **arrays})


def read_state(path: str | Path, kept: StreamState, model: Steppable) -> None:
    """Fill an empty ``kept`` from what `write_state` wrote.

    Raises
    ------
    ClassifierError
        The file is missing, damaged, or of another model.
    """
    if not Path(path).is_file():
        raise ClassifierError(f"{path}: there is no such file.")
    arrays = read_arrays(path, "The file cannot be loaded; start a new stream.")
    try:
        about = json.loads(str(arrays.pop("about")))
        version, identity = about["format_version"], about["identity"]
        name = about["network" if version == 1 else "model"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ClassifierError(f"{path} is damaged, or not of a stream.") from None
    if version not in (1, FORMAT_VERSION):
        raise ClassifierError(
            f"{path} has format {version}; this version reads 1 and {FORMAT_VERSION}."
        )
    if version == 1:
        arrays = {_RENAMED.get(key, key): array for key, array in arrays.items()}
    if identity != model.state_identity:
        raise ClassifierError(
            f"{path} is of the model {name!r} with other weights or classes than "
            f"{model.name!r} has; load it with the model that it was saved with."
        )
    names = arrays.pop("objects", np.empty(0))
    if not _is_sound(names, arrays, kept.shapes()):
        raise ClassifierError(f"{path} is damaged: its arrays do not fit together.")
    kept.put(names.tolist(), {key: arrays[f"kept_{key}"] for key in kept.shapes()})


def _is_sound(names, arrays, shapes) -> bool:
    expected = {
        f"kept_{key}": ((names.size, *shape), dtype) for key, (shape, dtype) in shapes.items()
    }
    if {key: (array.shape, array.dtype) for key, array in arrays.items()} != expected:
        return False
    finite = all(np.isfinite(a).all() for k, a in arrays.items() if k != "kept_seeing_fwhm_pix")
    named = names.ndim == 1 and names.dtype.kind == "U" and np.unique(names).size == names.size
    ordered = (arrays["kept_last_mjd"] >= arrays["kept_first_mjd"]).all()
    return bool(finite and named and ordered and (arrays["kept_n_images"] > 0).all())
