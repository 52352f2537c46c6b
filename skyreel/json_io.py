"""JSON as every file of the project holds it: null is "no number" (NaN or an infinity)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from skyreel.atomic_files import whole_file


def plain(value: Any) -> Any:
    """A value as JSON can hold it.

    Mappings become dictionaries with text keys; sequences and arrays become lists; NumPy numbers
    become Python's; numbers that are not finite become None; paths become text.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, float | np.floating):
        return float(value) if isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    return str(value) if isinstance(value, Path) else value


def write_json(path: str | Path, value: Any) -> None:
    """Write a value as indented JSON, whole or not at all.

    Raises
    ------
    skyreel.errors.OutputError
    """
    with whole_file(path) as unfinished:
        unfinished.write_text(json.dumps(plain(value), indent=1, allow_nan=False), encoding="utf-8")
