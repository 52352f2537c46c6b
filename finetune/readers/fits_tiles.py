"""Cubes of a FITS file that are tile-compressed (fpack), checked before they are unpacked.

RICE and gzip tiles are read; a header can claim any size of tile, and gzip unpacks to a thousand
times its bytes.
"""

from __future__ import annotations

import io
import zlib
from math import prod

import numpy as np
from astropy.io import fits

from skyreel.errors import SequenceError

_CODECS = ("RICE_1", "GZIP_1", "GZIP_2", "NOCOMPRESS")
_BITPIX = (8, 16, 32, 64, -32, -64)
_ALLOWED = {"BLOCKSIZE": (16, 32, 64, 128), "BYTEPIX": (1, 2, 4, 8), "NOISEBIT": range(33)}
_GZIP_COLUMNS = ("COMPRESSED_DATA", "GZIP_COMPRESSED_DATA")
_ANY_GZIP = 47  # window bits of zlib for gzip and zlib headers
_MOST_VALUE_BYTES = 8


def is_tile_compressed(hdu: object) -> bool:
    """Whether a table (opened without unpacking) holds a compressed image."""
    return isinstance(hdu, fits.BinTableHDU) and bool(hdu.header.get("ZIMAGE"))


def tile_shape(hdu: fits.BinTableHDU) -> tuple[int, ...]:
    """Shape of the image within, as its header claims."""
    sizes = [hdu.header.get(f"ZNAXIS{i}") for i in range(_axes(hdu.header), 0, -1)]
    if not all(isinstance(size, int) for size in sizes):
        raise SequenceError("the header of its tile-compressed STAMPS is damaged.")
    return tuple(sizes)


def unpacked_tiles(hdu: fits.BinTableHDU, content: bytes) -> np.ndarray:
    """The image in a table whose shape was checked; ``content`` is the whole file.

    Raises
    ------
    SequenceError
        Its compression is not supported, or its tiles do not fit its shape.
    """
    header, shape = hdu.header, tile_shape(hdu)
    codec = str(header.get("ZCMPTYPE", "")).strip().upper()
    if codec not in _CODECS:
        raise SequenceError(
            f"its STAMPS are tile-compressed by {codec[:20]!r}; {', '.join(_CODECS)} are read. "
            "Unpack the file with funpack."
        )
    tile = [header.get(f"ZTILE{i}", 1) for i in range(len(shape), 0, -1)]
    fits_in = all(isinstance(t, int) and 1 <= t <= n for t, n in zip(tile, shape, strict=True))
    n_tiles = prod(-(-n // t) for n, t in zip(shape, tile, strict=True)) if fits_in else 0
    table_bytes = header["NAXIS1"] * header["NAXIS2"] + header.get("PCOUNT", 0)
    if not (
        header["NAXIS2"] == n_tiles > 0
        and 0 <= table_bytes <= len(content)
        and header["TFIELDS"] <= 16
        and header.get("ZBITPIX") in _BITPIX
        and _parameters_allowed(header)
    ):
        raise SequenceError("the header of its tile-compressed STAMPS is damaged.")
    _check_gzip(hdu, codec, prod(tile) * _MOST_VALUE_BYTES)
    with fits.open(io.BytesIO(content), memmap=False) as hdus:
        return np.array(hdus[hdu.name].data)


def _axes(header):
    n_axes = header.get("ZNAXIS")
    return n_axes if isinstance(n_axes, int) and 0 <= n_axes <= 16 else 0


def _parameters_allowed(header):
    """Whether the parameters of the compression are ones that occur; others loop for ever."""
    for i in range(1, 10):
        name = str(header.get(f"ZNAME{i}", "")).strip().upper()
        if name and header.get(f"ZVAL{i}") not in _ALLOWED.get(name, ()):
            return False
    return True


def _check_gzip(hdu, codec, most_bytes):
    """Refuse tiles that unpack to more than a tile."""
    names = [name for name in _GZIP_COLUMNS if name in hdu.columns.names]
    for name in names if codec.startswith("GZIP") else names[1:]:
        for packed in hdu.data.field(name):
            content = np.asarray(packed).tobytes()
            unpacker = zlib.decompressobj(_ANY_GZIP)
            if content and len(unpacker.decompress(content, most_bytes + 1)) > most_bytes:
                raise SequenceError("a tile of its STAMPS unpacks to more than a tile.")
