"""Identifiers of alerts and names of objects: exact, or refused."""

from __future__ import annotations

from skyreel.errors import SequenceError

_LONGEST_NAME = 200


def identifier(value: object, field_name: str) -> int:
    """The identifier of an alert, a whole number of 64 bits, or digits.

    Raises
    ------
    SequenceError
        It is anything else; numbers beyond would be rounded.
    """
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise SequenceError(
            f"its {field_name} is {str(value)[:30]!r}; needed is a whole number from 0 to 2^63 - 1."
        )
    return value


def object_name(value: object, field_name: str) -> str:
    """The name of an object as text: a text as it is, a whole number as its digits.

    Raises
    ------
    SequenceError
        It is blank, too long, holds control characters, or is neither.
    """
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**64
    text = str(value) if isinstance(value, str) or whole else ""
    if not text.strip() or len(text) > _LONGEST_NAME or not text.isprintable():
        raise SequenceError(
            f"its {field_name} is {str(value)[:30]!r}; needed is a name of 1 to {_LONGEST_NAME} "
            "characters."
        )
    return text
