"""Avro schemas from compact tables of fields: ``"jd:d diffmaglim:f?"``.

A field is its name and the letter of its type; ``?`` marks one that may be null, which is its
default. A table may serve two versions: ``+`` marks a field that only the newer one has, ``~`` one
that may be null in the older one only.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

TYPES = {
    "d": "double",
    "f": "float",
    "i": "int",
    "l": "long",
    "s": "string",
    "b": "boolean",
    "y": "bytes",
}


class Schema(NamedTuple):
    """The schema of a packet, and the schemas of its records by the names of their fields."""

    packet: dict[str, Any]
    parts: dict[str, dict[str, Any]]

    @property
    def text(self) -> str:
        """The schema as it stands in a file."""
        return json.dumps(self.packet, separators=(",", ":"))


def record(name: str, table: str, *, newer: bool = True) -> dict[str, Any]:
    """The schema of a record with the fields of a table.

    Parameters
    ----------
    name : str
    table : str
    newer : bool
        Whether it is the newer of two versions that the table serves.
    """
    fields = [_field(token, newer) for token in table.split() if newer or not token.endswith("+")]
    return {"type": "record", "name": name, "fields": fields}


def _field(token, newer):
    name, _, code = token.removesuffix("+").partition(":")
    kind = TYPES[code[0]]
    if code.endswith("?") or (code.endswith("~") and not newer):
        return {"name": name, "type": ["null", kind], "default": None}
    return {"name": name, "type": kind}
