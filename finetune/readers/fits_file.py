"""A FITS file of unknown origin as a header, a cube and a table, in bounded memory.

Files are unpacked in memory up to a limit, and the sizes in a header are checked against the size
of the file before anything is allocated.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from math import isfinite, prod
from pathlib import Path

import numpy as np
from astropy import units
from astropy.io import fits

from finetune.readers.decompression import unpacked
from finetune.readers.fits_headers import check_headers
from finetune.readers.fits_tiles import is_tile_compressed, tile_shape, unpacked_tiles
from finetune.readers.known_values import in_range, number
from skyreel.errors import SequenceError
from survey_profiles.physical_ranges import PHYSICAL_RANGES

MAX_FILE_BYTES = 64 * 2**20  # unpacked
MAX_PIXELS = 8 * 2**20  # of one cube: 4,000 epochs of 45 x 45 pixels
_MAX_EXTENSIONS = 16
_MAX_COLUMNS = 999  # of the FITS standard
_UNITS = {"mjd": "d", "exposure_time_s": "s", "seeing_fwhm_pix": "pix"}


@dataclass(frozen=True)
class CubeFile:
    """Keywords by name, ``cube`` (epoch, row, column; float32), and columns by name.

    ``texts`` are the numbers of the header as they are written, with all digits.
    """

    header: dict[str, object]
    cube: np.ndarray
    table: dict[str, np.ndarray]
    texts: dict[str, str] = field(default_factory=dict)

    def keyword(self, name: str, quantity: str) -> float:
        """A number of the header; SequenceError unless it is in the range of its quantity."""
        value = self.header.get(name)
        found = in_range(quantity, value)
        if not isfinite(found):
            given = "no" if name not in self.header else f"{value!r} for"
            allowed = PHYSICAL_RANGES[quantity]
            raise SequenceError(f"its header has {given} {name}; needed is a number, {allowed}.")
        return found

    def number(self, name: str) -> float:
        """A finite number of the header, NaN if there is none."""
        return number(self.header.get(name))

    def text(self, name: str) -> str:
        """A text of the header, empty if there is none; a number as it is written there."""
        value = self.texts.get(name, self.header.get(name))
        return "" if value is None or isinstance(value, fits.card.Undefined) else str(value).strip()

    def column(self, name: str) -> np.ndarray:
        """A column as float64, NaN where it is null; all NaN if there is none of this name."""
        if name not in self.table:
            return np.full(len(self.cube), np.nan)
        values = self.table[name]
        if values.ndim != 1 or values.dtype.kind not in "fiub":
            raise SequenceError(f"column {name} of EPOCHS must hold one number a row.")
        return values.astype(np.float64)


def read_cube_file(
    path: Path, *, keywords: Iterable[str], columns: Iterable[str], needed: Iterable[str]
) -> CubeFile:
    """The extension STAMPS, and the ``keywords`` and ``columns`` of EPOCHS that are present.

    Raises
    ------
    SequenceError
        It cannot be unpacked, is not FITS, lacks an extension or a ``needed`` column, is larger
        than allowed or than its own bytes, or has stamps that are not square.
    """
    content = _content(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the headers that matter are checked here
            return _parsed(content, keywords, columns, needed)
    except SequenceError:
        raise
    except Exception as error:  # damage raises errors of every kind
        message = str(error).strip().splitlines() or [""]
        raise SequenceError(
            f"it is not a FITS file that can be read ({type(error).__name__}: {message[0][:80]})."
        ) from error


def _content(path):
    try:
        with open(path, "rb") as file:
            content = unpacked(file, MAX_FILE_BYTES)
    except OSError as error:
        raise SequenceError(f"it cannot be read ({error.strerror or error}).") from None
    if not content.startswith(b"SIMPLE"):
        raise SequenceError("it is not a FITS file.")
    return content


def _parsed(content, keywords, columns, needed):
    check_headers(content, _MAX_EXTENSIONS)
    with fits.open(io.BytesIO(content), memmap=False, disable_image_compression=True) as hdus:
        found = {hdu.name: hdu for hdu in islice(hdus, _MAX_EXTENSIONS)}
        stamps = found.get("STAMPS")
        if not (isinstance(stamps, fits.ImageHDU) or is_tile_compressed(stamps)):
            raise SequenceError("it has no image extension STAMPS.")
        cube = _stamps(stamps, content)  # first: its size says where EPOCHS begins
        if not isinstance(found.get("EPOCHS"), fits.BinTableHDU):
            raise SequenceError("it has no table extension EPOCHS.")
        table = _table(found["EPOCHS"], len(content), columns, needed)
        with np.errstate(over="ignore"):  # values beyond float32 become infinite
            cube = cube.astype(np.float32)
        first = hdus[0].header
        header = {name: first[name] for name in keywords if name in first}
        texts = {name: _as_written(first.cards[name]) for name in header}
    n_rows = len(next(iter(table.values())))
    if n_rows != len(cube):
        raise SequenceError(f"it has {len(cube)} stamps and {n_rows} rows in EPOCHS.")
    return CubeFile(header, cube, table, {name: text for name, text in texts.items() if text})


def _as_written(card):
    """The text of a number in a header: ``007``, or an identifier of 18 digits; else empty."""
    plain = isinstance(card.value, int | float) and not isinstance(card.value, bool)
    return card.image[10:].partition("/")[0].strip() if plain else ""


def _stamps(hdu, content):
    """The cube of the extension STAMPS; its size is checked before it is read."""
    if is_tile_compressed(hdu):
        shape = tile_shape(hdu)
        _check_shape(shape)
        return unpacked_tiles(hdu, content)
    _check_cube(hdu, len(content))
    return hdu.data


def _check_cube(hdu, available_bytes):
    shape = hdu.shape
    _check_shape(shape)
    claimed = prod(shape) * abs(hdu.header["BITPIX"]) // 8
    if claimed > available_bytes or hdu.header.get("PCOUNT", 0):
        raise SequenceError(
            f"its header claims {_times(shape)} pixels ({claimed:,} bytes) in a file of "
            f"{available_bytes:,} bytes."
        )


def _check_shape(shape):
    if len(shape) != 3:
        raise SequenceError(f"STAMPS has {len(shape)} axes; needed are epoch, row and column.")
    if min(shape) < 1:
        raise SequenceError(f"STAMPS is empty: {_times(shape)}.")
    if shape[1] != shape[2]:
        raise SequenceError(f"its stamps are {shape[1]} x {shape[2]} pixels; needed are squares.")
    if prod(shape) > MAX_PIXELS:
        raise SequenceError(
            f"its header claims {_times(shape)} pixels; at most {MAX_PIXELS:,} are read."
        )


def _table(hdu, available_bytes, columns, needed):
    header = hdu.header
    claimed = header["NAXIS1"] * header["NAXIS2"]
    if not (0 <= claimed <= available_bytes and 0 <= header["TFIELDS"] <= _MAX_COLUMNS):
        raise SequenceError(
            f"the header of EPOCHS claims {claimed:,} bytes in a file of {available_bytes:,} bytes."
        )
    if header["NAXIS2"] < 1:
        raise SequenceError("it has no epochs: the table EPOCHS is empty.")
    names = _names(hdu.columns.names)
    missing = [name for name in needed if name not in names]
    if missing:
        raise SequenceError(f"its table EPOCHS has no column {', '.join(missing)}.")
    data = hdu.data
    return {
        name: _values(data.field(names[name]), hdu.columns[names[name]], name)
        for name in columns
        if name in names
    }


def _names(names):
    """Indices of columns by their names in lower case: FITS makes no difference."""
    found = {}
    for i, name in enumerate(names):
        found.setdefault(name.lower(), i)
    return found


def _values(values, column, name):
    """Values of a column in its unit of this package, NaN where they are null."""
    values = np.array(values)
    if column.null is not None and values.dtype.kind in "iuf":
        null = float(column.null) * (column.bscale or 1) + (column.bzero or 0)
        values = np.where(values == null, np.nan, values.astype(np.float64))
    if values.dtype.kind in "iuf" and column.unit and name in _UNITS:
        values = _converted(values, column.unit, name)
    return values


def _converted(values, unit, name):
    """Values in the unit of the package, which that of the column has to allow."""
    own = units.Unit(_UNITS[name])
    try:
        given = units.Unit(unit, parse_strict="silent")
        factor = 1.0 if isinstance(given, units.UnrecognizedUnit) else given.to(own)
    except (units.UnitConversionError, ValueError, TypeError):
        raise SequenceError(
            f"column {name} of EPOCHS is in {unit[:20]!r}; needed is {own}."
        ) from None
    return values if factor == 1 else values * factor


def _times(shape):
    return " x ".join(f"{n:,}" for n in shape)
