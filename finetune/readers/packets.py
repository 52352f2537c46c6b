"""Alert packets in Avro files, folders and tar archives, gzipped or not.

Archives are read member by member in memory. Nothing is extracted to disk, so the paths of members
cannot do harm.
"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from finetune.readers.avro import MAGIC, avro_records
from finetune.readers.decompression import GZIP, Room, unpacked
from finetune.readers.protocol import Skipped, stored_name
from finetune.readers.tar_members import MAGIC as TAR_MAGIC
from finetune.readers.tar_members import MAGIC_AT as TAR_MAGIC_AT
from finetune.readers.tar_members import tar_members
from skyreel.errors import IngestError, SequenceError

SUFFIXES = (".avro", ".avro.gz", ".tar", ".tar.gz", ".tgz")
MAX_MEMBER_BYTES = 64 * 2**20
_ARCHIVE_BYTES, _ARCHIVE_RATIO = 256 * 2**20, 100
_DAMAGE = (OSError, EOFError, zlib.error)


@dataclass(frozen=True)
class Packet:
    """One record and its source: the file, the member of the archive, and the number in it."""

    source: str
    record: dict


def packet_files(path: Path) -> list[Path]:
    """A file itself, or the packet files of a folder at any depth, sorted by name.

    Raises
    ------
    IngestError
        There is nothing at ``path``, or no packet file.
    """
    path = Path(path)
    if not path.exists():
        raise IngestError(f"{path}: there is no such file or folder.")
    if not path.is_dir():
        return [path]
    found = []
    for folder, _, names in os.walk(path):
        inside = [Path(folder) / name for name in names if name.lower().endswith(SUFFIXES)]
        found += [file for file in inside if file.is_file()]
    if not found:
        raise IngestError(f"{path} holds no {' or '.join('*' + s for s in SUFFIXES)} file.")
    return sorted(found)


def packets_of(
    path: Path, on_share: Callable[[float], None], room: Room
) -> Iterator[Packet | Skipped]:
    """Every packet of a file, with `Skipped` for unreadable ones; no file raises an error.

    ``on_share`` is called with the shares of the file that were read; ``room`` limits what all
    files of a run unpack to.
    """
    name, done = stored_name(path), 0.0
    try:
        with open(path, "rb") as file, room.reading(file):
            size = max(path.stat().st_size, 1)
            for item in _items_of(file, name, room):
                now = min(file.tell() / size, 1.0)
                on_share(max(now - done, 0.0))
                done = max(now, done)
                yield item
    except SequenceError as error:
        yield Skipped(name, str(error))
    except OSError as error:
        yield Skipped(name, f"it cannot be read ({error.strerror or 'damaged'}).")
    on_share(1.0 - done)


def _items_of(file, name, room):
    head, packed = _head(file)
    if head[TAR_MAGIC_AT:].startswith(TAR_MAGIC):
        yield from _members_of(_GzipFile(fileobj=file) if packed else file, name, room)
    elif packed:
        content = unpacked(file, MAX_MEMBER_BYTES)
        room.take(len(content))
        yield from _records_of(io.BytesIO(content), name, room)
    else:
        yield from _records_of(file, name, room)


def _head(file):
    """The first 512 bytes, unpacked, and whether the file is gzipped."""
    head = file.read(512)
    file.seek(0)
    packed = head.startswith(GZIP)
    if packed:
        try:
            head = gzip.GzipFile(fileobj=file).read(512)
        except _DAMAGE:
            raise SequenceError("its gzip compression is cut short or damaged.") from None
        finally:
            file.seek(0)
    return head, packed


def _records_of(file, name, room):
    head = file.read(len(MAGIC))
    file.seek(0)
    if head != MAGIC:
        raise SequenceError(_not_avro(head))
    found = None
    for number, record in enumerate(avro_records(file, room), start=1):
        found = number
        source = f"{name}, packet {number}"
        if isinstance(record, SequenceError):
            yield Skipped(source, str(record))
        else:
            yield Packet(source, record)
    if found is None:
        raise SequenceError("it holds no packets.")


def _not_avro(head):
    if not head:
        return "it is empty."
    if head[0] == 0:  # Confluent: a zero and four bytes that name a schema kept elsewhere
        return (
            "it begins like a message in Confluent wire format, whose schema is kept by a server "
            "and not inside; write it as an Avro container file with its schema."
        )
    return "it is not an Avro file."


class _GzipFile(gzip.GzipFile):
    """A gzip file that refuses to unpack to far more than its bytes."""

    unpacked_bytes = 0

    def read(self, size: int = -1) -> bytes:
        content = super().read(size)
        self.unpacked_bytes += len(content)
        most = _ARCHIVE_BYTES + _ARCHIVE_RATIO * self.fileobj.tell()
        if self.unpacked_bytes > most:
            raise SequenceError(
                f"it unpacks to more than {_ARCHIVE_RATIO} times its bytes, which no archive of "
                "packets does."
            )
        return content


def _members_of(file, name, room):
    try:
        for member, content in tar_members(file, _not_wanted, MAX_MEMBER_BYTES):
            source = f"{name}:{stored_name(member)}"
            try:
                yield from _packets_of_member(content, source, room)
            except SequenceError as error:
                yield Skipped(source, str(error))
    except SequenceError:
        raise
    except _DAMAGE as error:
        raise SequenceError(f"it is cut short or damaged ({type(error).__name__}).") from None


def _not_wanted(name):
    wanted = name.lower().endswith((".avro", ".avro.gz"))
    return "" if wanted else "its name does not end in .avro."


def _packets_of_member(content, source, room):
    if isinstance(content, SequenceError):
        raise content
    file = io.BytesIO(content)
    if content[:2] == GZIP:
        content = unpacked(file, MAX_MEMBER_BYTES)
        room.take(len(content))
        file = io.BytesIO(content)
    yield from _records_of(file, source, room)
