"""Values of a column of Arrow or astropy: as float64 in our units, or as names.

A number that is masked, empty or no number is NaN; times may be dates in ISO 8601. A name keeps
every digit and leading zero of the file; spaces around it do not count.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from skyreel.errors import UserError
from survey_profiles.physical_ranges import PHYSICAL_RANGES, filled

MOST_EXACT_WHOLE = 2**53  # above it, floating-point numbers skip whole numbers
_MOST_EXACT = {"float": 2**24, "halffloat": 2**11, "f4": 2**24, "f2": 2**11}
_MJD_OF_1970 = 40587.0
_ASTROPY_UNITS = {"pixels": "pix", "ADU": "adu", "electrons/ADU": "electron/adu"}


def as_numbers(name: str, column: Any, quantity: str) -> NDArray[np.float64]:
    """A column of Arrow or astropy as numbers in the unit of a quantity.

    Raises
    ------
    UserError
        It holds neither numbers nor text, or has a unit that does not convert.
    """
    if isinstance(column, pa.ChunkedArray):
        return _arrow_numbers(name, column, quantity)
    if hasattr(column, "mjd") and hasattr(column, "scale"):
        return _mjd_of_times(name, column, quantity)
    kind = _flat_kind(name, column)
    gone = np.ma.getmaskarray(column)
    if kind in "OSU":
        texts = np.asarray(column).tolist()
        cells = [None if m else v for v, m in zip(texts, gone, strict=True)]
        values = _parsed(cells, quantity)
    elif kind in "fiu":
        values = np.where(gone, np.nan, np.asarray(column, dtype=np.float64))
    else:
        raise UserError(f"column {name} holds {column.dtype.name}; allowed: numbers.")
    return _converted(name, values, getattr(column, "unit", None), quantity)


def _flat_kind(name, column):
    """Kind of the values of an astropy column of one value a row."""
    if getattr(column, "ndim", 0) != 1 or not hasattr(column, "dtype"):
        raise UserError(f"column {name} holds arrays or objects; allowed: one value a row.")
    return column.dtype.kind


def _mjd_of_times(name, times, quantity):
    if quantity != "mjd":
        raise UserError(f"column {name} holds times; allowed: numbers.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of years far from now
        times = times if times.scale in ("utc", "ut1", "local") else times.utc
        return filled(times.mjd)


def _converted(name, values, unit, quantity):
    """Values in the unit of the quantity."""
    wanted = PHYSICAL_RANGES[quantity].unit
    if unit is None or not str(unit):
        return values
    from astropy import units

    given = getattr(unit, "function_unit", unit)  # of mag(AB)
    try:
        return given.to(units.Unit(_ASTROPY_UNITS.get(wanted, wanted)), values)
    except (units.UnitsError, TypeError, AttributeError, ValueError):
        raise UserError(
            f"column {name} is in {unit}; allowed: {wanted or 'numbers without unit'}, or a unit "
            "that converts to it."
        ) from None


def _arrow_numbers(name, column, quantity):
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind, types = column.type, pa.types
    if is_text(kind):
        return _parsed(_python_values(name, column), quantity)
    if quantity == "mjd" and (types.is_timestamp(kind) or types.is_date(kind)):
        column = column.cast(pa.timestamp("us", tz=getattr(kind, "tz", None)), safe=False)
        micros = column.cast(pa.int64()).cast(pa.float64(), safe=False).to_numpy()
        return micros / 86400e6 + _MJD_OF_1970
    if types.is_float16(kind) or types.is_null(kind):
        return np.array(column.to_pylist(), dtype=np.float64)
    if not (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)):
        raise UserError(f"column {name} holds {kind}; allowed: numbers.")
    return column.cast(pa.float64(), safe=False).to_numpy()


def _number(text):
    try:
        if isinstance(text, int | float):
            return float(text)
        text = _text(text)
        return float(text) if text and text.isascii() and "_" not in text else np.nan
    except (ValueError, OverflowError):
        return np.nan


def _parsed(texts, quantity):
    """Numbers of texts; of times, also the MJD of dates in ISO 8601."""
    found = np.array([_number(text) for text in texts], dtype=np.float64)
    if quantity == "mjd":
        for k in np.flatnonzero(np.isnan(found)):
            found[k] = _mjd_of_iso(_text(texts[k]))
    return found


def _mjd_of_iso(text):
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=moment.tzinfo or UTC)
        return moment.timestamp() / 86400.0 + _MJD_OF_1970
    except (ValueError, OverflowError):
        return np.nan


class Names(NamedTuple):
    """A column of names: row i holds ``values[codes[i]]``, or nothing where the code is -1.

    ``values`` are in the order in which they first appear.
    """

    values: NDArray[np.object_]
    codes: NDArray[np.int64]

    def places_in(self, known: Mapping[str, int]) -> NDArray[np.int64]:
        """The place of the name of every row, -1 where it is none of the known ones."""
        of_value = [known.get(value, -1) for value in self.values]
        return np.array([*of_value, -1], dtype=np.int64)[self.codes]


def as_names(name: str, column: Any) -> Names:
    """A column of Arrow or astropy as names.

    Raises
    ------
    UserError
        It holds neither text nor numbers.
    """
    if not isinstance(column, pa.ChunkedArray):
        return _astropy_names(name, column)
    is_encoded = pa.types.is_dictionary(column.type)
    kind = column.type.value_type if is_encoded else column.type
    fractional = pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if not (fractional or is_text(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        raise UserError(f"column {name} holds {kind}; allowed: text or whole numbers.")
    if str(kind) == "string_view":
        column, is_encoded = column.cast(pa.string()), False
    column = (column if is_encoded else column.dictionary_encode()).unify_dictionaries()
    values = _python_values(name, column.chunk(0).dictionary) if column.num_chunks else []
    if fractional:
        exact = _MOST_EXACT.get(str(kind), MOST_EXACT_WHOLE)
        values = [None if value is None else _whole(name, value, exact) for value in values]
    else:
        _require_text(name, values)
    parts = [chunk.indices.cast(pa.int64()).fill_null(-1).to_numpy() for chunk in column.chunks]
    codes = np.concatenate([np.empty(0, dtype=np.int64), *parts])
    return _compact([_text(value) for value in values], codes)


def is_text(kind: pa.DataType) -> bool:
    """Whether an Arrow type is text or bytes."""
    return str(kind) in ("string", "large_string", "string_view", "binary", "large_binary")


def _astropy_names(name, column):
    kind, values = _flat_kind(name, column), np.asarray(column)
    gone = np.ma.getmaskarray(column)
    if kind == "f":
        exact = _MOST_EXACT.get(values.dtype.str[1:], MOST_EXACT_WHOLE)
        texts = [_whole(name, v, exact) for v in np.where(gone, np.nan, values).tolist()]
    elif kind in "iuUSO":
        texts = [_text(v) for v in values.tolist()]
    else:
        raise UserError(f"column {name} holds {column.dtype.name}; allowed: text.")
    places: dict[str, int] = {}
    codes = np.array([places.setdefault(text, len(places)) for text in texts], dtype=np.int64)
    return _compact(list(places), np.where(gone, -1, codes))


def _python_values(name, column):
    try:
        return column.to_pylist()
    except UnicodeDecodeError:
        raise UserError(f"column {name} holds bytes that are not UTF-8 text.") from None


def _require_text(name, values):
    """Refuse bytes that are no text: with other characters in their place, names become equal."""
    for value in values:
        if isinstance(value, bytes):
            try:
                value.decode()
            except UnicodeDecodeError:
                raise UserError(f"column {name} holds bytes that are not UTF-8 text.") from None


def _whole(name, value, exact):
    """The text of a name that a table holds as a floating-point number."""
    if value != value:
        return ""
    if abs(value) >= exact or (exact < MOST_EXACT_WHOLE and value != int(value)):
        raise UserError(
            f"column {name} holds floating-point numbers as {float(value):.17g}, whose last "
            "digits are lost; write it as text or whole numbers."
        )
    return str(int(value)) if value == int(value) else repr(float(value))


def _text(value):
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return "" if value is None else str(value).strip()


def _compact(values, codes):
    """Names in order of appearance; blank ones, and values that no row has, are left out."""
    numbers: dict[str, int] = {}
    of_value = [numbers.setdefault(v, len(numbers)) if v else -1 for v in values]
    codes = np.array([*of_value, -1], dtype=np.int64)[codes]
    used, first = np.unique(codes, return_index=True)
    used, first = used[used >= 0], first[used >= 0]
    used = used[np.argsort(first)]
    rank = np.full(len(numbers) + 1, -1, dtype=np.int64)
    rank[used] = np.arange(used.size)
    return Names(np.array([*numbers, ""], dtype=object)[used], rank[codes])
