"""Schemas of Avro files of unknown origin, refused where few bytes become much memory."""

from __future__ import annotations

import json
from typing import Any

from fastavro import parse_schema

from skyreel.errors import SequenceError

MAX_SCHEMA_BYTES = 2**20
_MOST_TYPES = 20_000
_DEEPEST = 24
_LEAST_BYTES = {"null": 0, "float": 4, "double": 8}  # others take 1
# A record becomes a dictionary: memory of an empty one, and of each entry with its value.
_RECORD_BYTES, _ENTRY_BYTES = 200, 32
_MOST_MEMORY_PER_BYTE = 96  # of records in an array; those of alerts take 30 to 60
_MOST_EMPTY_FIELDS = 16  # of one record; alerts have none


def safe_schema(text: bytes) -> dict[str, Any]:
    """The parsed schema of a file.

    Raises
    ------
    SequenceError
        It is no schema of records, or its records can take far more memory than bytes.
    """
    if len(text) > MAX_SCHEMA_BYTES:
        raise SequenceError(
            f"its schema is longer than the {MAX_SCHEMA_BYTES // 2**20} MiB allowed."
        )
    try:
        schema = json.loads(text)
        least = _Sizes().least(schema)
        parsed = parse_schema(schema)
    except SequenceError:
        raise
    except Exception as error:  # a malformed schema raises errors of every kind
        raise SequenceError(f"its schema cannot be understood ({type(error).__name__}).") from None
    if not (isinstance(schema, dict) and schema.get("type") == "record" and least):
        raise SequenceError("its schema is not one of records.")
    return parsed


class _Sizes:
    """Minimum number of bytes of a value of each type, and the memory that a record takes."""

    def __init__(self):
        self.named: dict[str, int | None] = {}
        self.memory: dict[str, int] = {}
        self.count = 0

    def least(self, schema, deep=0) -> int:
        self.count += 1
        if deep > _DEEPEST or self.count > _MOST_TYPES:
            raise SequenceError("its schema is deeper or longer than that of any alert.")
        if isinstance(schema, list):
            return 1 + min((self.least(option, deep + 1) for option in schema), default=0)
        if isinstance(schema, str):
            return self._least_named(schema)
        kind = schema["type"]
        if kind in ("record", "error"):
            return self._least_record(schema, deep)
        if kind == "fixed":
            return self._set_named(schema, max(int(schema["size"]), 0))
        if kind == "enum":
            return self._set_named(schema, 1)
        if kind in ("array", "map"):
            self._check_items(schema.get("items", schema.get("values")), kind, deep)
            return 1
        return self.least(kind, deep + 1)

    def _least_named(self, name):
        name = _short(name)
        if name in self.named:
            if self.named[name] is None:
                raise SequenceError("its schema has a record within itself, without end.")
            return self.named[name]
        return _LEAST_BYTES.get(name, 1)

    def _least_record(self, schema, deep):
        self._set_named(schema, None)  # not known until its fields are
        types = [field["type"] for field in schema["fields"]]
        fields = [self.least(kind, deep + 1) for kind in types]
        if fields.count(0) > _MOST_EMPTY_FIELDS:
            raise SequenceError("its schema has many fields that take too few bytes: none at all.")
        memory = _RECORD_BYTES + sum(_ENTRY_BYTES + self._memory_of(kind) for kind in types)
        name = _short(schema["name"])
        self.memory[name] = max(memory, self.memory.get(name, 0))
        return self._set_named(schema, sum(fields))

    def _set_named(self, schema, least):
        name = _short(schema["name"])
        self.named[name] = least if least is None else min(least, self.named.get(name) or least)
        return least

    def _memory_of(self, kind):
        """Memory of the records in a value that is no array: 0 if there are none."""
        if isinstance(kind, list):
            return max((self._memory_of(option) for option in kind), default=0)
        if isinstance(kind, dict):
            inner = kind.get("name") if "name" in kind else kind.get("type")
            return self._memory_of(inner) if inner not in ("array", "map") else 0
        return self.memory.get(_short(kind), 0) if isinstance(kind, str) else 0

    def _check_items(self, items, kind, deep):
        """Refuse items of no bytes (an array's; a map's have keys), and records of too few."""
        least = self.least(items, deep + 1)
        options = items if isinstance(items, list) else [items]
        around = (kind == "map") + isinstance(items, list)
        for option in options:
            n_bytes = around + self.least(option, deep + 1) if self._memory_of(option) else 1
            if self._memory_of(option) > _MOST_MEMORY_PER_BYTE * n_bytes:
                least = -1
        if least + (kind == "map") < 1:
            raise SequenceError("its schema has arrays of values that take too few bytes.")


def _short(name):
    return name.rpartition(".")[2]
