"""One cutout of an alert: a small FITS file of unknown origin, gzipped or not."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from itertools import islice
from math import prod

import numpy as np
from astropy.io import fits

from finetune.readers.decompression import unpacked
from finetune.readers.fits_headers import check_headers
from simulator.detector.defects import BAD_PIXEL, OUTSIDE, SATURATED
from skyreel.errors import SequenceError

MAX_CUTOUT_BYTES = 4 * 2**20  # unpacked; ZTF's have 20 kB, Rubin's 50 kB
MOST_PIX = 255
_MOST_EXTENSIONS = 6


@dataclass(frozen=True)
class Plane:
    """One image of a cutout, float32 (row, column), and its header."""

    image: np.ndarray
    header: fits.Header


def kept_cutout(content: object) -> bytes | None:
    """The bytes of a cutout in a packet: no more than are needed to refuse one that is too large.

    None if it is no bytes.
    """
    return content[: MAX_CUTOUT_BYTES + 1] if isinstance(content, bytes) else None


def planes_of(content: object) -> dict[str, Plane]:
    """The images of a cutout (bytes) by the names of their extensions, in their order.

    Raises
    ------
    SequenceError
        It cannot be unpacked, is not FITS, has no image, or claims one larger than the file.
    """
    if not isinstance(content, bytes) or not content:
        raise SequenceError("its cutout is empty.")
    content = unpacked(io.BytesIO(content), MAX_CUTOUT_BYTES)
    if not content.startswith(b"SIMPLE"):
        raise SequenceError("its cutout is not a FITS file.")
    check_headers(content, _MOST_EXTENSIONS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ZTF's headers are not quite standard
            planes = _planes(content)
    except SequenceError:
        raise
    except Exception as error:  # damage raises errors of every kind
        raise SequenceError(
            f"its cutout is not FITS that can be read ({type(error).__name__})."
        ) from error
    if not planes:
        raise SequenceError("its cutout holds no image.")
    return planes


def _planes(content):
    planes = {}
    with fits.open(io.BytesIO(content), memmap=False, disable_image_compression=True) as hdus:
        for hdu in islice(hdus, _MOST_EXTENSIONS):
            if isinstance(hdu, fits.PrimaryHDU | fits.ImageHDU) and len(hdu.shape) == 2:
                _check_size(hdu, len(content))
                with np.errstate(over="ignore", invalid="ignore"):
                    image = np.asarray(hdu.data, dtype=np.float32)
                planes[hdu.name] = Plane(image, hdu.header)
    return planes


def _check_size(hdu, available_bytes):
    claimed = prod(hdu.shape) * abs(hdu.header["BITPIX"]) // 8
    if claimed > available_bytes or not 1 <= min(hdu.shape) <= max(hdu.shape) <= MOST_PIX:
        rows, columns = hdu.shape
        raise SequenceError(
            f"its cutout claims {rows:,} x {columns:,} pixels in {available_bytes:,} bytes; at "
            f"most {MOST_PIX} x {MOST_PIX} are read."
        )


def placed(image: np.ndarray, centre: tuple[int, int], half_pix: int) -> np.ndarray:
    """A square of 2 ``half_pix`` + 1 rows, float32, centred on pixel ``centre`` (row, column).

    Pixels outside the image are NaN.
    """
    size = 2 * half_pix + 1
    square = np.full((size, size), np.nan, dtype=np.float32)
    first = [c - half_pix for c in centre]
    old = tuple(slice(max(f, 0), max(f + size, 0)) for f in first)
    part = image[old]
    to = tuple(slice(max(-f, 0), max(-f, 0) + n) for f, n in zip(first, part.shape, strict=True))
    square[to] = part
    return square


def mask_of(
    image: np.ndarray, centre: tuple[int, int], half_pix: int, saturation_adu: float
) -> np.ndarray:
    """Mask of ``placed(image, centre, half_pix)``: pixels outside, not finite or saturated."""
    inside = np.isfinite(placed(np.ones_like(image), centre, half_pix))
    square = placed(image, centre, half_pix)
    finite = np.isfinite(square)
    full = finite & (np.where(finite, square, 0) >= saturation_adu)
    return (OUTSIDE * ~inside + BAD_PIXEL * (inside & ~finite) + SATURATED * full).astype(np.uint8)
