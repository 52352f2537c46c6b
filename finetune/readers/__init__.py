"""Readers of real sequences, one module per format; this registry is where one is added."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module

from skyreel.errors import IngestError

_HOMES = {
    "hits": "finetune.readers.fits_cube:FitsCubes",
    "ztf": "finetune.readers.ztf:ZtfAlerts",
    "rubin": "finetune.readers.rubin:RubinAlerts",
    "zarr": "finetune.readers.zarr_dataset:OwnZarr",
}


def reader_names() -> tuple[str, ...]:
    """What ``--from`` may be."""
    return tuple(_HOMES)


def reader_named(name: str):
    """The reader of this name.

    Raises
    ------
    IngestError
        There is none.
    """
    if name not in _HOMES:
        near = get_close_matches(name.lower(), _HOMES, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(_HOMES)}."
        raise IngestError(f"--from {name}: there is no such reader. {hint}")
    module, attribute = _HOMES[name].split(":")
    return getattr(import_module(module), attribute)()
