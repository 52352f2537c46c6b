"""The records of an Avro container file, block after block, in bounded memory.

Header, blocks and sync markers are read here, so that every claimed size is checked before it is
used, and a damaged block does not affect the others; fastavro reads the records.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

from fastavro import schemaless_reader

from finetune.readers.avro_codecs import MAX_BLOCK_BYTES, codec_names, unpacker
from finetune.readers.avro_schema import safe_schema
from finetune.readers.decompression import Room
from skyreel.errors import SequenceError

MAGIC = b"Obj\x01"
_MAX_METADATA_BYTES = 2**21
_MOST_KEYS = 100
_SYNC_BYTES = 16
_FIRST_SEARCHED_BYTES, _MOST_SEARCHED_BYTES = 2**10, 2**20
_LEAST_PACKET_BYTES = 64  # on average, beyond the first few of a block; real ones have thousands
_FEW_BYTES = 4096


def avro_records(file: BinaryIO, room: Room | None = None) -> Iterator[dict | SequenceError]:
    """Every record of a seekable binary file, and an error in place of damaged ones.

    ``room`` limits what its blocks unpack to in all.

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
            if block is not None and room is not None:
                room.take(len(block[1]))
        except SequenceError as damage:
            yield damage
            if not (_skip_marker(file, start, sync) or _find_sync(file, start, sync)):
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
    if codec not in codec_names():
        known = ", ".join(codec_names())
        raise SequenceError(f"its compression {codec[:20]!r} is not one of {known}; pack it anew.")
    if "avro.schema" not in metadata:
        raise SequenceError("it has no schema inside.")
    sync = _exactly(file, _SYNC_BYTES)
    return safe_schema(metadata["avro.schema"]), unpacker(codec), sync


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
    begin = file.tell()
    file.seek(size, io.SEEK_CUR)  # a block without a sync marker behind it is not read at all
    if _exactly(file, _SYNC_BYTES) != sync:
        raise SequenceError("a block of it is damaged: no sync marker follows.")
    file.seek(begin)
    content = unpack(_exactly(file, size))
    file.seek(_SYNC_BYTES, io.SEEK_CUR)
    least = count if count * _LEAST_PACKET_BYTES <= _FEW_BYTES else count * _LEAST_PACKET_BYTES
    if least > len(content):
        raise SequenceError(f"a block claims {count:,} packets in {len(content):,} bytes.")
    return count, content


def _records_of(count, content, schema):
    block = io.BytesIO(content)
    for left in range(count - 1, -1, -1):
        try:
            yield schemaless_reader(block, schema, None)
        except Exception as error:  # damage raises errors of every kind
            more = f" The {left:,} after it in its block are lost with it." if left else ""
            name = type(error).__name__
            yield SequenceError(f"it does not fit its own schema ({name}).{more}")
            return


def _skip_marker(file, start, sync):
    """Move behind a block whose marker alone is damaged; False if no whole block follows it."""
    file.seek(start)
    try:
        for _ in range(2):
            behind = file.tell()
            _whole_number(file)
            size = _whole_number(file)
            if not 0 <= size <= MAX_BLOCK_BYTES:
                return False
            file.seek(size, io.SEEK_CUR)
            marker = _exactly(file, _SYNC_BYTES)
    except SequenceError:
        return False
    file.seek(max(behind - 2 * _SYNC_BYTES, start))
    if sync in file.read(3 * _SYNC_BYTES):  # moved by bytes that were lost or added
        return False
    file.seek(behind)
    return marker == sync


def _find_sync(file, start, sync):
    """Move behind the next sync marker after ``start``; False if there is none."""
    file.seek(start)
    before, size = b"", _FIRST_SEARCHED_BYTES
    while chunk := file.read(size):
        searched = before + chunk
        where = searched.find(sync)
        if where >= 0:
            file.seek(where + len(sync) - len(searched), io.SEEK_CUR)
            return True
        before = searched[1 - len(sync) :]
        size = min(2 * size, _MOST_SEARCHED_BYTES)
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
