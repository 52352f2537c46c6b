"""Readers of real sequences, one module per format; a reader is added in this registry.

What a reader must offer is described by `finetune.readers.protocol.Reader`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from skyreel.errors import IngestError, nearest

if TYPE_CHECKING:
    from finetune.readers.protocol import Reader

_READERS = {
    "hits": "finetune.readers.fits_cube:FitsCubes",
    "ztf": "finetune.readers.ztf:ZtfAlerts",
    "rubin": "finetune.readers.rubin:RubinAlerts",
    "zarr": "finetune.readers.zarr_dataset:ZarrDataset",
}


def reader_names() -> tuple[str, ...]:
    """Names of the formats, as ``--from`` takes them."""
    return tuple(_READERS)


def reader_named(name: str) -> Reader:
    """The reader of a format.

    Raises
    ------
    IngestError
        There is none of this name.
    """
    if name not in _READERS:
        raise IngestError(f"--from {name}: there is no such reader. {nearest(name, _READERS)}")
    module, attribute = _READERS[name].split(":")
    return getattr(import_module(module), attribute)()
