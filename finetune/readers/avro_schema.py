"""Is a schema out of a file of unknown origin safe to read with?

Avro lets a few bytes stand for any number of empty values, and lets types hold themselves without
end. What is refused here keeps the memory of a record in proportion to its bytes.
"""

from __future__ import annotations

import json

from fastavro import parse_schema

from finetune.errors import SequenceError

MAX_SCHEMA_BYTES = 2**20
_MOST_TYPES = 20_000
_DEEPEST = 24
_LEAST_RECORD_BYTES = 4  # of an array's records: each becomes a dictionary of 200 bytes or more
_LEAST_BYTES = {"null": 0, "float": 4, "double": 8}  # others take 1


def safe_schema(text: bytes):
    """The schema of a file, parsed.

    Raises
    ------
    SequenceError
        It is no schema of records, or one whose records can take far more memory than bytes.
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
    except Exception as error:  # fastavro answers nonsense with errors of every kind
        raise SequenceError(f"its schema cannot be understood ({type(error).__name__}).") from None
    if not (isinstance(schema, dict) and schema.get("type") == "record" and least):
        raise SequenceError("its schema is not one of records.")
    return parsed


class _Sizes:
    """The least number of bytes that a value of a type takes."""

    def __init__(self):
        self.named: dict[str, int | None] = {}
        self.records: set[str] = set()
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
            return self._remember(schema, max(int(schema["size"]), 0))
        if kind == "enum":
            return self._remember(schema, 1)
        if kind in ("array", "map"):
            self._check_items(schema.get("items", schema.get("values")), kind, deep)
            return 1
        return self.least(kind, deep + 1)

    def _least_named(self, name):
        name = name.rpartition(".")[2]
        if name in self.named:
            if self.named[name] is None:
                raise SequenceError("its schema has a record within itself, without end.")
            return self.named[name]
        return _LEAST_BYTES.get(name, 1)

    def _least_record(self, schema, deep):
        self._remember(schema, None)  # not known until its fields are
        self.records.add(schema["name"].rpartition(".")[2])
        fields = [self.least(field["type"], deep + 1) for field in schema["fields"]]
        return self._remember(schema, sum(fields))

    def _remember(self, schema, least):
        name = schema["name"].rpartition(".")[2]
        self.named[name] = least if least is None else min(least, self.named.get(name) or least)
        return least

    def _check_items(self, items, kind, deep):
        """Refuse items of no bytes (an array's; a map's have keys), and tiny records."""
        least = self.least(items, deep + 1)
        options = items if isinstance(items, list) else [items]
        around = (kind == "map") + isinstance(items, list)
        records = [around + self._size_of(o) for o in options if self._is_record(o)]
        if least + (kind == "map") < 1 or min(records, default=99) < _LEAST_RECORD_BYTES:
            raise SequenceError("its schema has arrays of values that take hardly any bytes.")

    def _is_record(self, option):
        name = option["name"] if isinstance(option, dict) and "name" in option else option
        return isinstance(name, str) and name.rpartition(".")[2] in self.records

    def _size_of(self, option):
        name = option["name"] if isinstance(option, dict) else option
        return self.named[name.rpartition(".")[2]] or 0
