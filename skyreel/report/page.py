"""A report as one HTML page that needs no other file and no scripts.

>>> page = Page(title="A model", verdict=("It is right.", "It is early.", "It is sure."))
>>> "It is early." in page.html()
True
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import ClassVar

from jinja2 import Environment, PackageLoader, StrictUndefined

from skyreel.atomic_files import whole_file
from skyreel.report.figures import Figure
from skyreel.report.tables import Cell, Table
from skyreel.report.theme import DARK, FONTS, class_name, class_styles, css_colour

_LONG = 4  # sections; a longer page has a table of contents


@dataclass(frozen=True)
class Note:
    """A paragraph of explanation."""

    text: str
    kind: ClassVar[str] = "note"


@dataclass(frozen=True)
class Facts:
    """Names and values."""

    values: Mapping[str, str]
    kind: ClassVar[str] = "facts"


@dataclass(frozen=True)
class Text:
    """Text as it was written, with all its spaces."""

    text: str
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Fold:
    """Parts that the reader may unfold."""

    title: str
    parts: Sequence[Part]
    colour: str = ""
    kind: ClassVar[str] = "fold"

    @property
    def heading(self) -> Cell:
        """The title with its colour."""
        return Cell(self.title, colour=self.colour)


@dataclass(frozen=True)
class Cards(Fold):
    """Small parts side by side, under a heading of their own."""

    kind: ClassVar[str] = "cards"


Part = Figure | Table | Note | Facts | Text | Fold | Cards


@dataclass(frozen=True)
class Section:
    """Parts under a heading."""

    title: str
    parts: Sequence[Part]

    @property
    def anchor(self) -> str:
        """The address of the section within the page."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-") or "section"


@dataclass(frozen=True)
class Page:
    """All that a page holds.

    Attributes
    ----------
    title : str
    verdict : sequence of str
        The result in three lines.
    headline : Figure, optional
        The one figure to see first.
    sections : sequence of Section
    classes : mapping of str to int or None
        Classes that the page names by their abbreviations, with their numbers of objects.
    facts : mapping of str to str
        What was done with what.
    back : str
        Address of the page that this one belongs to.
    """

    title: str
    verdict: Sequence[str]
    headline: Figure | None = None
    sections: Sequence[Section] = ()
    classes: Mapping[str, int | None] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    back: str = ""

    @property
    def contents(self) -> Sequence[Section]:
        """Sections of the table of contents; none on a short page."""
        return self.sections if len(self.sections) > _LONG else ()

    @property
    def class_cells(self) -> list[tuple[Cell, str, int | None]]:
        """Abbreviation, name and number of objects of every class."""
        styles = class_styles(self.classes)
        return [
            (Cell(name, colour=colour), class_name(name), n)
            for (name, n), (colour, _) in zip(self.classes.items(), styles, strict=True)
        ]

    def html(self) -> str:
        """The page as HTML, with all text escaped."""
        return _templates().get_template("page.html.j2").render(page=self)

    def write(self, path: str | Path) -> None:
        """Write the page, whole or not at all.

        Raises
        ------
        skyreel.errors.OutputError
        """
        with whole_file(path) as unfinished:
            unfinished.write_text(self.html(), encoding="utf-8")


def facts_html(title: str, facts: Mapping[str, str]) -> str:
    """Names and values under a title, as a part of another page (a notebook)."""
    return _templates().get_template("facts.html.j2").render(title=title, facts=facts)


def picture_html(caption: str, png: bytes = b"") -> str:
    """A caption and a PNG picture, if there is one, as a part of another page (a notebook)."""
    data = base64.b64encode(png).decode()
    return _templates().get_template("picture.html.j2").render(caption=caption, data=data)


@cache
def _templates():
    found = Environment(
        loader=PackageLoader("skyreel.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals |= {
        "light": {css_colour(light)[4:-1]: light for light in DARK},
        "dark": {css_colour(light)[4:-1]: dark for light, dark in DARK.items()},
        "fonts": ", ".join(f'"{name}"' for name in FONTS),
    }
    return found
