"""The members of a tar archive of unknown origin, one after another, in bounded memory.

Only plain files are given; nothing is written to disk. Behind a damaged header the next one that
is whole is searched, so that damage does not cost the members after it. The archive is read
forwards only, as gzip requires.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from typing import BinaryIO

from skyreel.errors import SequenceError

MAGIC_AT, MAGIC = 257, b"ustar"
_BLOCK = 512
_CHUNK_BYTES = 2**18
_MOST_NAME_BYTES = 2**16
_MOST_ZERO_BYTES = 2**20  # at the end, behind which nothing is searched
_END = bytes(_BLOCK)
_SPARSE = b"GNU.sparse"
_OF_THE_NEXT = (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_EXTENSIONS = (*_OF_THE_NEXT, tarfile.GNUTYPE_LONGLINK, tarfile.XGLTYPE)
_LARGE_HEADER = "a header in it claims more than any archive of packets needs."


def tar_members(
    file: BinaryIO, wanted: Callable[[str], str], limit_bytes: int
) -> Iterator[tuple[str, bytes | SequenceError]]:
    """Name and content of each member, or what is wrong with it; folders are passed over.

    Parameters
    ----------
    file : binary file
        Unpacked; read from its present position.
    wanted : function
        Of a name: why its member is not read, or an empty text.
    limit_bytes : int
        Size of the largest member that is read.

    Raises
    ------
    SequenceError
        The archive ends within a member.
    """
    stream, long_name, sparse = _Stream(file), "", False
    while (header := _next_header(stream)) is not None:
        if isinstance(header, SequenceError):
            yield long_name or "a member", header
            long_name, sparse = "", False
            continue
        if header.type in _EXTENSIONS:
            if header.size > _MOST_NAME_BYTES:
                yield header.name, SequenceError(_LARGE_HEADER)
                stream.search()
                continue
            content = stream.read(_padded(header.size))[: header.size]
            if header.type in _OF_THE_NEXT:
                sparse = sparse or _SPARSE in content
                long_name = _name_in(header.type, content) or long_name
            continue
        name = long_name or header.name
        yield from _member(stream, header, name, sparse, wanted, limit_bytes)
        long_name, sparse = "", False


def _member(stream, header, name, sparse, wanted, limit_bytes):
    if header.isdir():
        return
    plain = header.type in tarfile.REGULAR_TYPES and header.type != tarfile.GNUTYPE_SPARSE
    has_data = header.isreg() or header.type not in tarfile.SUPPORTED_TYPES
    if not plain or sparse:
        reason = "it is not a plain file (a link, for instance)."
    elif not (reason := wanted(name)) and header.size > limit_bytes:
        reason = f"it has {header.size:,} bytes; at most {limit_bytes // 2**20} MiB are read."
    if not reason:
        content = stream.read(header.size)
        if len(content) < header.size:
            raise SequenceError("it is cut short.")
        stream.skip(_padded(header.size) - header.size)
        yield name, content
        return
    yield name, SequenceError(reason)
    if has_data and header.size <= limit_bytes:
        stream.skip(_padded(header.size))
    elif has_data:  # a size that may be wrong
        stream.search()


def _next_header(stream):
    """The next header; SequenceError where one is damaged, None at the end."""
    zero_bytes = 0
    while True:
        block = stream.read(_BLOCK)
        if block == _END and zero_bytes < _MOST_ZERO_BYTES:
            zero_bytes += _BLOCK
            continue
        if not block or block == _END:
            return None
        break
    if len(block) < _BLOCK:
        raise SequenceError("it is cut short.")
    try:
        return _header_of(block)
    except tarfile.HeaderError:
        stream.search(block[1:])
        return SequenceError("a header of the archive is damaged; what belongs to it is lost.")


def _header_of(block):
    header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    if header.size < 0:
        raise tarfile.InvalidHeaderError("size")
    return header


def _name_in(kind, content):
    """The name that an extension gives the next member."""
    if kind == tarfile.GNUTYPE_LONGNAME:
        return content.partition(b"\0")[0].decode("utf-8", "surrogateescape")
    for line in content.split(b"\n"):  # "LENGTH path=NAME"
        key, _, value = line.partition(b"=")
        if key.partition(b" ")[2] == b"path":
            return value.decode("utf-8", "surrogateescape")
    return ""


def _padded(size):
    return -(-size // _BLOCK) * _BLOCK


class _Stream:
    """A file read forwards, with a search for the next tar header."""

    def __init__(self, file):
        self._file, self._ahead = file, b""

    def read(self, size):
        parts = [self._ahead[:size]]
        self._ahead = self._ahead[size:]
        left = size - len(parts[0])
        while left and (chunk := self._file.read(min(left, _CHUNK_BYTES))):
            parts.append(chunk)
            left -= len(chunk)
        return b"".join(parts)

    def skip(self, size):
        while size > 0:
            passed = len(self.read(min(size, _CHUNK_BYTES)))
            if not passed:
                raise SequenceError("it is cut short.")
            size -= passed

    def search(self, behind=b""):
        """Move to the next header, or to the end; ``behind`` is what was read already.

        Anywhere, because inserted or lost bytes shift the blocks.
        """
        tail = behind
        while chunk := self.read(_CHUNK_BYTES):
            window = tail + chunk
            at = window.find(MAGIC)
            while at >= 0:
                start = at - MAGIC_AT
                if 0 <= start <= len(window) - _BLOCK and self._is_header(window, start):
                    self._ahead = window[start:] + self._ahead
                    return
                at = window.find(MAGIC, at + 1)
            tail = window[1 - _BLOCK :]

    @staticmethod
    def _is_header(window, start):
        try:
            _header_of(window[start : start + _BLOCK])
        except tarfile.HeaderError:
            return False
        return True
