"""Avro as bytes: values, and the head and blocks of container files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

MAGIC = b"Obj\x01"
SYNC_BYTES = 16
NULL, VALUE = b"\x00", b"\x02"
"""The branches of a value that may be null: null first."""


_SMALL = [bytes([value << 1]) for value in range(64)]  # whole numbers of one byte


def whole_number(value: int) -> bytes:
    """A whole number as Avro's int and long: zigzag, seven bits a byte."""
    if 0 <= value < len(_SMALL):
        return _SMALL[value]
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
