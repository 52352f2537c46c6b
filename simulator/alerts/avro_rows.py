"""Rows of one record type as Avro, all rows of a field at once.

A measurement stands in the packet of its own detection and in the histories of all later ones. Rows
are therefore encoded once and joined. The bytes of all rows are laid out as one array, a column of
bytes for every byte that a field may have, of which those that a row has are kept.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from simulator.alerts.avro_bytes import NULL, VALUE, byte_string, text, whole_number

_FLOATS = {"float": "<f4", "double": "<f8"}
_BITS, _MORE = 7, 0x80  # of a whole number in a byte; the mark of a byte that others follow
_ONE = {
    "float": struct.Struct("<f").pack,
    "double": struct.Struct("<d").pack,
    "int": lambda value: whole_number(int(value)),
    "long": lambda value: whole_number(int(value)),
    "boolean": lambda value: b"\x01" if value else b"\x00",
    "string": text,
    "bytes": byte_string,
}


class _Field(NamedTuple):
    name: str
    kind: str
    may_be_null: bool


class _Cells(NamedTuple):
    """Bytes of one field: (row, byte), or (1, byte) for all rows; how many of them a row has."""

    content: np.ndarray
    sizes: np.ndarray | None  # None: all


class RowEncoder:
    """Encodes rows of one record type.

    Parameters
    ----------
    schema : mapping
        Of the record; its fields are of plain types, or null and a plain type, null being the
        default.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._fields = [_field(each) for each in schema["fields"]]

    def rows(self, columns: Mapping[str, Any], n: int) -> list[bytes]:
        """``n`` encoded rows of columns; a value that is not an array holds for all rows.

        NaN is null. Columns of other names are not used.

        Raises
        ------
        ValueError
            A column is missing, or null in some rows, whose field may not be null.
        """
        cells, same = [], b""
        for field in self._fields:
            values = columns.get(field.name)
            if isinstance(values, np.ndarray):
                cells += [_same(same), _cells(field, values)]
                same = b""
            else:
                same += _encoded(field, values)
        return _split(_joined([*cells, _same(same)], n))


def _field(field) -> _Field:
    kind = field["type"]
    if not isinstance(kind, list):
        return _Field(field["name"], kind, may_be_null=False)
    return _Field(field["name"], kind[1], may_be_null=True)


def _encoded(field: _Field, value) -> bytes:
    """One value."""
    if value is None or value != value:
        if field.may_be_null:
            return NULL
        raise ValueError(f"the field {field.name} is null, which its type does not allow")
    return (VALUE if field.may_be_null else b"") + _ONE[field.kind](value)


def _same(content: bytes) -> _Cells:
    return _Cells(np.frombuffer(content, np.uint8)[None], None)


def _cells(field: _Field, values: np.ndarray) -> _Cells:
    """All rows of a field."""
    if field.kind in _FLOATS and values.dtype.kind in "biuf":
        return _floats(field, values)
    if field.kind in ("int", "long") and values.dtype.kind in "biu":
        return _after_branch(field, _whole_numbers(values))
    if field.kind == "boolean" and values.dtype.kind == "b":
        return _after_branch(field, _Cells(values.astype(np.uint8)[:, None], None))
    encoded = [_encoded(field, value) for value in values.tolist()]
    sizes = np.array([len(each) for each in encoded], dtype=np.intp)
    width = int(sizes.max(initial=0))
    content = b"".join(each.ljust(width, b"\0") for each in encoded)
    return _Cells(np.frombuffer(content, np.uint8).reshape(len(encoded), width), sizes)


def _floats(field: _Field, values: np.ndarray) -> _Cells:
    with np.errstate(over="ignore"):
        content = values.astype(_FLOATS[field.kind])
    cells = content.view(np.uint8).reshape(len(values), content.itemsize)
    unknown = np.isnan(content)
    if not unknown.any():
        return _after_branch(field, _Cells(cells, None))
    if not field.may_be_null:
        _encoded(field, None)
    cells = _after_branch(field, _Cells(cells, None)).content
    cells[unknown, 0] = NULL[0]
    return _Cells(cells, np.where(unknown, 1, cells.shape[1]))


def _whole_numbers(values: np.ndarray) -> _Cells:
    """As `whole_number`, of many."""
    values = values.astype(np.int64)
    rest = ((values << 1) ^ (values >> 63)).view(np.uint64)
    sizes = np.ones(len(rest), dtype=np.intp)
    for bits in range(_BITS, 64, _BITS):
        sizes += rest >= np.uint64(1 << bits)
    steps = np.arange(sizes.max(initial=1))
    parts = rest[:, None] >> (_BITS * steps).astype(np.uint64)
    content = (parts & np.uint64(_MORE - 1)).astype(np.uint8)
    content |= np.where(steps < sizes[:, None] - 1, _MORE, 0).astype(np.uint8)
    return _Cells(content, sizes)


def _after_branch(field: _Field, cells: _Cells) -> _Cells:
    """Cells after the byte that says that a value is not null, where it might be."""
    if not field.may_be_null:
        return cells
    n, width = cells.content.shape
    content = np.full((n, width + 1), VALUE[0], dtype=np.uint8)
    content[:, 1:] = cells.content
    return _Cells(content, None if cells.sizes is None else cells.sizes + 1)


def _joined(cells: list[_Cells], n: int) -> tuple[bytes, np.ndarray]:
    """The bytes of all rows, and where each row ends."""
    width = sum(each.content.shape[1] for each in cells)
    content, kept = np.empty((n, width), dtype=np.uint8), np.ones((n, width), dtype=bool)
    at = 0
    for each in cells:
        own = slice(at, at + each.content.shape[1])
        content[:, own] = each.content
        if each.sizes is not None:
            kept[:, own] = np.arange(each.content.shape[1]) < each.sizes[:, None]
        at = own.stop
    return content[kept].tobytes(), np.cumsum(kept.sum(axis=1))


def _split(joined: tuple[bytes, np.ndarray]) -> list[bytes]:
    content, ends = joined
    return [content[a:b] for a, b in pairwise([0, *ends.tolist()])]
