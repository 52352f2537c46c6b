"""The records of an Avro container file, block after block, in bounded memory.

Header, blocks and sync markers are read here, so that every claimed size is checked before it is
used, and a damaged block does not affect the others; fastavro reads the records.
"""

from __future__ import annotations

import bz2
import io
import json
import lzma
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from fastavro import parse_schema, schemaless_reader

from skyreel.errors import SequenceError

MAGIC = b"Obj\x01"
MAX_BLOCK_BYTES = 8 * 2**20  # packed or unpacked; a block holds one alert of 30 to 350 kB
_MAX_METADATA_BYTES = 2**21
_MOST_KEYS = 100
_SYNC_BYTES = 16
_SEARCHED_BYTES = 2**20


def avro_records(file: BinaryIO) -> Iterator[dict | SequenceError]:
    """Every record of a seekable binary file, and an error in place of damaged ones.

    Raises
    ------
    SequenceError
        It is no Avro container, or its schema or compression is not supported.
    """
    schema, unpack, sync = _header(file)
    while True:
        start = file.tell()
        try:
            block = _block(file, unpack, sync)
        except SequenceError as damage:
            yield damage
            if not _find_sync(file, start, sync):
                return
            continue
        if block is None:
            return
        yield from _records_of(*block, schema)


def _header(file):
    if file.read(len(MAGIC)) != MAGIC:
        raise SequenceError("it is not an Avro container file.")
    metadata = _metadata(file)
    codec = metadata.get("avro.codec", b"null").decode(errors="replace") or "null"
    if codec not in _UNPACKING:
        raise SequenceError(
            f"its compression {codec[:20]!r} is not one of {', '.join(_UNPACKING)}; pack it anew."
        )
    if "avro.schema" not in metadata:
        raise SequenceError("it has no schema inside.")
    sync = _exactly(file, _SYNC_BYTES)
    return safe_schema(metadata["avro.schema"]), _UNPACKING[codec], sync


def _metadata(file):
    found, room = {}, _MAX_METADATA_BYTES
    while count := _whole_number(file):
        if count < 0:
            count = -count
            _whole_number(file)  # size of this part in bytes, not needed
        if len(found) + count > _MOST_KEYS:
            raise SequenceError("its Avro header is damaged.")
        for _ in range(count):
            key = _text(file, room)
            value = _text(file, room)
            room -= len(key) + len(value)
            found[key.decode(errors="replace")] = value
    return found


def _text(file, room):
    size = _whole_number(file)
    if not 0 <= size <= room:
        raise SequenceError("its Avro header is damaged.")
    return _exactly(file, size)


def _block(file, unpack, sync):
    """(number of records, bytes) of the next block; None at the end of the file."""
    if not file.read(1):
        return None
    file.seek(-1, io.SEEK_CUR)
    count, size = _whole_number(file), _whole_number(file)
    if not (0 <= size <= MAX_BLOCK_BYTES and count >= 0):
        raise SequenceError(
            f"a block claims {count:,} packets in {size:,} bytes; at most "
            f"{MAX_BLOCK_BYTES // 2**20} MiB are read."
        )
    packed = _exactly(file, size)
    if _exactly(file, _SYNC_BYTES) != sync:
        raise SequenceError("a block of it is damaged: no sync marker follows.")
    content = unpack(packed)
    if count > len(content):
        raise SequenceError(f"a block claims {count:,} packets in {len(content):,} bytes.")
    return count, content


def _records_of(count, content, schema):
    block = io.BytesIO(content)
    for _ in range(count):
        try:
            yield schemaless_reader(block, schema, None)
        except Exception as error:  # damage raises errors of every kind
            yield SequenceError(f"it does not fit its own schema ({type(error).__name__}).")
            return


def _find_sync(file, start, sync):
    """Move behind the next sync marker after ``start``; False if there is none."""
    file.seek(start)
    before = b""
    while chunk := file.read(_SEARCHED_BYTES):
        searched = before + chunk
        where = searched.find(sync)
        if where >= 0:
            file.seek(where + len(sync) - len(searched), io.SEEK_CUR)
            return True
        before = searched[1 - len(sync) :]
    return False


def _whole_number(file):
    """A zigzag number of up to ten bytes."""
    value = 0
    for shift in range(0, 70, 7):
        byte = _exactly(file, 1)[0]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1)
    raise SequenceError("its Avro frame is damaged.")


def _exactly(file, size):
    content = file.read(size)
    if len(content) < size:
        raise SequenceError("it is cut short.")
    return content


def _unpacked_by(make):
    def unpack(packed):
        try:
            content = make().decompress(packed, MAX_BLOCK_BYTES + 1)
        except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError):
            raise SequenceError("a block of it cannot be unpacked.") from None
        if len(content) > MAX_BLOCK_BYTES:
            limit = f"{MAX_BLOCK_BYTES // 2**20} MiB"
            raise SequenceError(f"a block of it unpacks to more than the {limit} allowed.")
        return content

    return unpack


_UNPACKING = {
    "null": bytes,
    "deflate": _unpacked_by(lambda: zlib.decompressobj(-zlib.MAX_WBITS)),
    "bzip2": _unpacked_by(bz2.BZ2Decompressor),
    "xz": _unpacked_by(lzma.LZMADecompressor),
}


MAX_SCHEMA_BYTES = 2**20
_MOST_TYPES = 20_000
_DEEPEST = 24
_LEAST_RECORD_BYTES = 4  # of records in an array: each becomes a dictionary of 200 bytes or more
_LEAST_BYTES = {"null": 0, "float": 4, "double": 8}  # others take 1


def safe_schema(text: bytes) -> dict[str, Any]:
    """The parsed schema of a file.

    Raises
    ------
    SequenceError
        It is no schema of records, or its records can take far more memory than bytes.
    """
    if len(text) > MAX_SCHEMA_BYTES:
        raise SequenceError(
            f"its schema is longer than the {MAX_SCHEMA_BYTES // 2**20} MiB allowed."
        )
    try:
        schema = json.loads(text)
        least = _Sizes().least(schema)
        parsed = parse_schema(schema)
    except SequenceError:
        raise
    except Exception as error:  # a malformed schema raises errors of every kind
        raise SequenceError(f"its schema cannot be understood ({type(error).__name__}).") from None
    if not (isinstance(schema, dict) and schema.get("type") == "record" and least):
        raise SequenceError("its schema is not one of records.")
    return parsed


class _Sizes:
    """Minimum number of bytes of a value of each type."""

    def __init__(self):
        self.named: dict[str, int | None] = {}
        self.records: set[str] = set()
        self.count = 0

    def least(self, schema, deep=0) -> int:
        self.count += 1
        if deep > _DEEPEST or self.count > _MOST_TYPES:
            raise SequenceError("its schema is deeper or longer than that of any alert.")
        if isinstance(schema, list):
            return 1 + min((self.least(option, deep + 1) for option in schema), default=0)
        if isinstance(schema, str):
            return self._least_named(schema)
        kind = schema["type"]
        if kind in ("record", "error"):
            return self._least_record(schema, deep)
        if kind == "fixed":
            return self._set_named(schema, max(int(schema["size"]), 0))
        if kind == "enum":
            return self._set_named(schema, 1)
        if kind in ("array", "map"):
            self._check_items(schema.get("items", schema.get("values")), kind, deep)
            return 1
        return self.least(kind, deep + 1)

    def _least_named(self, name):
        name = name.rpartition(".")[2]
        if name in self.named:
            if self.named[name] is None:
                raise SequenceError("its schema has a record within itself, without end.")
            return self.named[name]
        return _LEAST_BYTES.get(name, 1)

    def _least_record(self, schema, deep):
        self._set_named(schema, None)  # not known until its fields are
        self.records.add(schema["name"].rpartition(".")[2])
        fields = [self.least(field["type"], deep + 1) for field in schema["fields"]]
        return self._set_named(schema, sum(fields))

    def _set_named(self, schema, least):
        name = schema["name"].rpartition(".")[2]
        self.named[name] = least if least is None else min(least, self.named.get(name) or least)
        return least

    def _check_items(self, items, kind, deep):
        """Refuse items of no bytes (an array's; a map's have keys), and tiny records."""
        least = self.least(items, deep + 1)
        options = items if isinstance(items, list) else [items]
        around = (kind == "map") + isinstance(items, list)
        records = [around + self._size_of(o) for o in options if self._is_record(o)]
        if least + (kind == "map") < 1 or min(records, default=99) < _LEAST_RECORD_BYTES:
            raise SequenceError("its schema has arrays of values that take too few bytes.")

    def _is_record(self, option):
        name = option["name"] if isinstance(option, dict) and "name" in option else option
        return isinstance(name, str) and name.rpartition(".")[2] in self.records

    def _size_of(self, option):
        name = option["name"] if isinstance(option, dict) else option
        return self.named[name.rpartition(".")[2]] or 0
