"""The headers of a FITS file of unknown origin, checked before astropy interprets them.

astropy reads as many keywords as a header claims axes, whatever their number, and headers of any
length.
"""

from __future__ import annotations

import re
from math import prod

from skyreel.errors import SequenceError

_BLOCK_BYTES, _CARD_BYTES = 2880, 80
_MOST_HEADER_BLOCKS = 200  # 7,200 keywords
_MOST_AXES = 16
_NUMBER = re.compile(rb"= *([+-]?\d{1,18}) *(?:/.*)?")
_COUNTS = (b"BITPIX", b"NAXIS", b"PCOUNT", b"GCOUNT")


def check_headers(content: bytes, most_extensions: int) -> None:
    """Refuse headers that are too long, claim too many axes, or claim two sizes.

    Parameters
    ----------
    content : bytes
        Of a whole file, unpacked.
    most_extensions : int
        How many headers are read.

    Raises
    ------
    SequenceError
    """
    start = 0
    for _ in range(most_extensions):
        if start >= len(content):
            return
        cards, start = _cards(content, start)
        axes = [_whole(cards.get(f"NAXIS{i + 1}".encode(), b"")) for i in range(_axes(cards))]
        pcount = _whole(cards.get(b"PCOUNT", b""))
        groups = max(_whole(cards.get(b"GCOUNT", b"= 1")), 1)
        size = abs(_whole(cards.get(b"BITPIX", b""))) // 8 * groups * (pcount + prod(axes))
        n_bytes = size if axes else 0
        start += -(-max(n_bytes, 0) // _BLOCK_BYTES) * _BLOCK_BYTES


def _axes(cards):
    text = cards.get(b"NAXIS", b"= 0")
    n_axes = _whole(text) if _NUMBER.fullmatch(text.rstrip()) else -1
    if not 0 <= n_axes <= _MOST_AXES:
        found = text.lstrip(b"= ").split(b"/")[0].strip()[:20].decode(errors="replace")
        raise SequenceError(
            f"a header of it has NAXIS = {found or 'nothing'}; 0 to {_MOST_AXES} axes are read."
        )
    return n_axes


def _cards(content, start):
    """Sizes by keyword of the header at ``start``, and where it ends."""
    cards, end = {}, start + _MOST_HEADER_BLOCKS * _BLOCK_BYTES
    for at in range(start, min(end, len(content)), _CARD_BYTES):
        keyword = content[at : at + 8].rstrip()
        if keyword == b"END":
            return cards, start + -(-(at + _CARD_BYTES - start) // _BLOCK_BYTES) * _BLOCK_BYTES
        card = content[at + 8 : at + _CARD_BYTES]
        if keyword.startswith(_COUNTS) and cards.setdefault(keyword, card) != card:
            named = keyword.decode(errors="replace")
            raise SequenceError(f"a header of it has two values of {named}.")
    if end < len(content):
        raise SequenceError(
            f"a header of it is longer than {_MOST_HEADER_BLOCKS * _BLOCK_BYTES:,} bytes."
        )
    return cards, len(content)


def _whole(text):
    found = _NUMBER.fullmatch(text.rstrip())
    return int(found[1]) if found else 0
