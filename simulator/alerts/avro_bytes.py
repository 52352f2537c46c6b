"""Avro as bytes: rows of one record type, and packets joined of parts that are encoded once.

A measurement stands in the packet of its own detection and in the histories of all later ones. Rows
are therefore encoded once and joined, which is most of the speed of writing.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from fastavro import parse_schema, schemaless_writer

MAGIC = b"Obj\x01"
SYNC_BYTES = 16
NULL, VALUE = b"\x00", b"\x02"
"""The branches of a value that may be null: null first."""


def whole_number(value: int) -> bytes:
    """A whole number as Avro's int and long: zigzag, seven bits a byte."""
    rest, out = (value << 1) ^ (value >> 63), bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def text(value: str) -> bytes:
    """A string."""
    return byte_string(value.encode())


def byte_string(value: bytes) -> bytes:
    """Bytes, with their number before them."""
    return whole_number(len(value)) + value


def nullable(value: bytes | None) -> bytes:
    """A value that may be null, already encoded."""
    return NULL if value is None else VALUE + value


def nullable_list(items: Sequence[bytes]) -> bytes:
    """A list that may be null, of items that are encoded; null where there are none."""
    if not items:
        return NULL
    return b"".join((VALUE, whole_number(len(items)), *items, b"\x00"))


class RowEncoder:
    """Encodes rows of one record type.

    Parameters
    ----------
    schema : mapping
        Of the record; its fields with a default may be missing in a row.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = parse_schema(dict(schema))
        self.names = tuple(field["name"] for field in schema["fields"])

    def rows(self, columns: Mapping[str, Any], n: int) -> list[bytes]:
        """``n`` encoded rows of columns; a value that is not an array holds for all rows.

        NaN is null. Columns of other names are not used.
        """
        used = [name for name in self.names if name in columns]
        lists = [_as_list(columns[name], n) for name in used]
        return [self.row(dict(zip(used, row, strict=True))) for row in zip(*lists, strict=True)]

    def row(self, values: Mapping[str, Any]) -> bytes:
        """One encoded row."""
        out = io.BytesIO()
        schemaless_writer(out, self._schema, values)
        return out.getvalue()


def _as_list(values, n):
    if not isinstance(values, np.ndarray):
        return [values] * n
    found = values.tolist()
    if values.dtype.kind == "f" and np.isnan(values).any():
        found = [None if value != value else value for value in found]
    return found


def container_header(schema: str) -> bytes:
    """The head of an Avro container file; its sync marker depends on the schema alone."""
    metadata = {"avro.schema": schema.encode(), "avro.codec": b"null"}
    entries = b"".join(text(key) + byte_string(value) for key, value in metadata.items())
    return MAGIC + whole_number(len(metadata)) + entries + b"\x00" + sync_marker(schema)


def sync_marker(schema: str) -> bytes:
    """The marker behind every block of a file with this schema."""
    return hashlib.sha256(schema.encode()).digest()[:SYNC_BYTES]


def block(packets: Iterable[bytes], sync: bytes) -> bytes:
    """A block of a container file that holds some packets."""
    packets = list(packets)
    content = b"".join(packets)
    return b"".join((whole_number(len(packets)), byte_string(content), sync))
