"""Tables of a report, as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar

import numpy as np

from skyreel.report.theme import css_colour


@dataclass(frozen=True)
class Cell:
    """One cell: its text, small lines below it, and its style.

    ``colour`` puts a square of it before the text; ``link`` is an address.
    """

    text: str
    notes: tuple[str, ...] = ()
    bold: bool = False
    colour: str = ""
    link: str = ""

    @property
    def css_colour(self) -> str:
        """The colour for a style sheet."""
        return css_colour(self.colour) if self.colour else ""


@dataclass(frozen=True)
class Column:
    """The head of a column; text is set left and wraps, numbers are set right.

    ``group`` is a heading above neighbouring columns of the same group.
    """

    heading: str
    text: bool = False
    group: str = ""


@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row is its heading. It scrolls inside its box if it must.

    ``caption`` says what the numbers are, and stands beside the table where there is room.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell | str]]
    caption: str = ""
    kind: ClassVar[str] = "table"

    @property
    def groups(self) -> list[tuple[str, int]]:
        """(heading, number of columns) of the groups; empty where no column has one."""
        if not any(column.group for column in self.columns):
            return []
        found = groupby(column.group for column in self.columns)
        return [(name, len(list(members))) for name, members in found]

    @property
    def cells(self) -> list[list[Cell]]:
        """The rows; text becomes a plain cell."""
        return [[c if isinstance(c, Cell) else Cell(str(c)) for c in row] for row in self.rows]


def columns(*headings: str, group: str = "", text: bool = False) -> list[Column]:
    """Columns of one kind."""
    return [Column(heading, text, group) for heading in headings]


def number(
    value: float,
    error: float = np.nan,
    *,
    sign: str = "",
    bold: bool = False,
    digits: int = 3,
    of: str = "",
) -> Cell:
    """A number with its standard error below; a dash where it is undefined.

    ``sign`` "+" writes the sign of differences; ``of`` says what an error is of.
    """
    if not np.isfinite(value):
        return Cell("–")
    text = f"{value:{sign}.{digits}f}".replace("-", "−")
    notes = (f"± {error:.{digits}f} {of}".rstrip(),) if np.isfinite(error) else ()
    return Cell(text, notes, bold)
