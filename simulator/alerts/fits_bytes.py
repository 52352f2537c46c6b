"""Small FITS images as bytes, without the overhead of a general writer.

The layout is that of the FITS standard 4.0, sections 3 and 4: cards of 80 characters, headers and
data padded to 2,880 bytes, data in big-endian order.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from functools import lru_cache

import numpy as np

_BLOCK_BYTES = 2880
_GZIP_START = (
    b"\x1f\x8b\x08\0\0\0\0\0\4\xff"  # deflate, no time, fastest, unknown system (RFC 1952)
)
_GZIP_END = struct.Struct("<II")  # checksum and number of bytes
_BITPIX = {"f4": -32, "f8": -64}
Value = str | int | float | bool


def card(keyword: str, value: Value) -> bytes:
    """One card of a header in fixed format."""
    if isinstance(value, str):
        shown = f"'{value:<8}'"
    elif isinstance(value, bool):
        shown = f"{'T' if value else 'F':>20}"
    else:
        shown = f"{value:>20d}" if isinstance(value, int) else f"{value:>20.13E}"
    return f"{keyword:<8}= {shown}".ljust(80).encode("ascii")


def header(cards: Mapping[str, Value]) -> bytes:
    """A header with these cards, padded."""
    return padded_header(b"".join(card(name, value) for name, value in cards.items()))


def padded_header(cards: bytes) -> bytes:
    """Cards with their END, padded with blanks."""
    content = cards + b"END".ljust(80)
    return content.ljust(-(-len(content) // _BLOCK_BYTES) * _BLOCK_BYTES)


def data(image: np.ndarray) -> bytes:
    """The pixels of an image, padded with zeros."""
    kind = image.dtype.newbyteorder("=").str[1:]
    content = image.astype(f">{kind}").tobytes()
    return content.ljust(-(-len(content) // _BLOCK_BYTES) * _BLOCK_BYTES, b"\0")


@lru_cache(maxsize=64)
def first_cards(shape: tuple[int, int], kind: str, *, primary: bool, extended: bool) -> bytes:
    """The mandatory cards of an image; ``kind`` is "f4" or "f8"."""
    start: dict[str, Value] = {"SIMPLE": True} if primary else {"XTENSION": "IMAGE"}
    cards = start | {
        "BITPIX": _BITPIX[kind],
        "NAXIS": 2,
        "NAXIS1": shape[1],
        "NAXIS2": shape[0],
    }
    cards |= ({"EXTEND": True} if extended else {}) if primary else {"PCOUNT": 0, "GCOUNT": 1}
    return b"".join(card(name, value) for name, value in cards.items())


def primary(image: np.ndarray, cards: bytes = b"", *, extended: bool = False) -> bytes:
    """A primary image with further cards; ``extended`` where extensions follow."""
    first = first_cards(image.shape, image.dtype.str[1:], primary=True, extended=extended)
    return padded_header(first + cards) + data(image)


def extension(image: np.ndarray, name: str, cards: bytes = b"") -> bytes:
    """An image extension of a name."""
    first = first_cards(image.shape, image.dtype.str[1:], primary=False, extended=False)
    return padded_header(first + cards + card("EXTNAME", name)) + data(image)


def gzipped(content: bytes) -> bytes:
    """Content compressed as gzip, the same bytes every time."""
    packer = _packer(16 + zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


def gzipped_primary(image: np.ndarray, cards: bytes = b"") -> bytes:
    """`primary` compressed as gzip; headers that are equal are compressed once."""
    head, checksum, n_bytes = _packed_header(image.shape, image.dtype.str[1:], cards)
    content, packer = data(image), _packer(-zlib.MAX_WBITS)
    end = _GZIP_END.pack(zlib.crc32(content, checksum), n_bytes + len(content))
    return b"".join((head, packer.compress(content), packer.flush(), end))


@lru_cache(maxsize=64)
def _packed_header(shape, kind, cards):
    """The beginning of a gzip file with the header of an image: its bytes, checksum and size."""
    first = first_cards(shape, kind, primary=True, extended=False)
    content, packer = padded_header(first + cards), _packer(-zlib.MAX_WBITS)
    packed = packer.compress(content) + packer.flush(zlib.Z_SYNC_FLUSH)
    return _GZIP_START + packed, zlib.crc32(content), len(content)


def _packer(window_bits):
    """Looks for runs of equal bytes alone (zlib's ``Z_RLE``).

    On noisy pixels that is as small as a search for longer matches and up to eight times as fast.
    """
    return zlib.compressobj(1, zlib.DEFLATED, window_bits, 9, zlib.Z_RLE)
