"""Alert packets in Avro files, folders and tar archives, gzipped or not.

Archives are read member by member in memory. Nothing is extracted to disk, so the paths of members
cannot do harm.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from finetune.readers.avro import MAGIC, avro_records
from finetune.readers.decompression import GZIP, unpacked
from finetune.readers.protocol import Skipped, printable
from skyreel.errors import IngestError, SequenceError

SUFFIXES = (".avro", ".avro.gz", ".tar", ".tar.gz", ".tgz")
MAX_MEMBER_BYTES = 64 * 2**20
_MAX_TAR_HEADER_BYTES = 2**16  # of long names, which tarfile reads at once
_CHUNK_BYTES = 2**18
_TAR_MAGIC_AT, _TAR_MAGIC = 257, b"ustar"
_DAMAGE = (OSError, EOFError, zlib.error, tarfile.TarError, ValueError, RecursionError)


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


def packets_of(path: Path, on_share: Callable[[float], None]) -> Iterator[Packet | Skipped]:
    """Every packet of a file, with `Skipped` for unreadable ones; no file raises an error.

    ``on_share`` is called with the shares of the file that were read.
    """
    name, done = printable(path), 0.0
    try:
        with open(path, "rb") as file:
            size = max(path.stat().st_size, 1)
            for item in _items_of(file, name):
                now = min(file.tell() / size, 1.0)
                on_share(max(now - done, 0.0))
                done = max(now, done)
                yield item
    except SequenceError as error:
        yield Skipped(name, str(error))
    except OSError as error:
        yield Skipped(name, f"it cannot be read ({error.strerror or 'damaged'}).")
    on_share(1.0 - done)


def _items_of(file, name):
    head, packed = _head(file)
    if head[_TAR_MAGIC_AT:].startswith(_TAR_MAGIC):
        yield from _members_of(gzip.GzipFile(fileobj=file) if packed else file, name)
    elif packed:
        yield from _records_of(io.BytesIO(unpacked(file, MAX_MEMBER_BYTES)), name)
    else:
        yield from _records_of(file, name)


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


def _records_of(file, name):
    head = file.read(len(MAGIC))
    file.seek(0)
    if head != MAGIC:
        raise SequenceError(_not_avro(head))
    found = None
    for number, record in enumerate(avro_records(file), start=1):
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


class _LimitedFile:
    """A file for tarfile that refuses to read much at once, whatever a header claims."""

    def __init__(self, file):
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size=-1):
        if not 0 <= size <= _MAX_TAR_HEADER_BYTES:
            raise SequenceError("a header in it claims more than any archive of packets needs.")
        return self._file.read(size)


def _members_of(file, name):
    try:
        with tarfile.open(fileobj=_LimitedFile(file), mode="r:") as archive:
            while (member := archive.next()) is not None:
                archive.members, archive.pax_headers = [], {}  # they would grow with the archive
                yield from _packets_of_member(file, member, name)
    except SequenceError:
        raise
    except _DAMAGE as error:
        raise SequenceError(f"it is cut short or damaged ({type(error).__name__}).") from None


def _packets_of_member(file, member, archive_name):
    name = f"{archive_name}:{printable(member.name)}"
    if member.isdir():
        return
    try:
        if not member.isreg() or member.issparse():
            raise SequenceError("it is not a plain file (a link, for instance).")
        if not member.name.lower().endswith((".avro", ".avro.gz")):
            raise SequenceError("its name does not end in .avro.")
        if member.size > MAX_MEMBER_BYTES:
            raise SequenceError(
                f"it has {member.size:,} bytes; at most {MAX_MEMBER_BYTES // 2**20} MiB are read."
            )
        content = io.BytesIO(_content_of(file, member))
        if content.getbuffer()[:2] == GZIP:
            content = io.BytesIO(unpacked(content, MAX_MEMBER_BYTES))
        yield from _records_of(content, name)
    except SequenceError as error:
        yield Skipped(name, str(error))


def _content_of(file, member):
    file.seek(member.offset_data)
    content = bytearray()
    while len(content) < member.size:
        chunk = file.read(min(_CHUNK_BYTES, member.size - len(content)))
        if not chunk:
            raise SequenceError("it is cut short.")
        content += chunk
    return bytes(content)
