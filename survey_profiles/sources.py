"""Where numbers come from: dotted keys of a profile and the source that covers each.

A source covers its own key and everything below it; ``*`` stands for any one name, so
``bands.*.exposure_time_s`` covers every band. The longest key that matches wins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def flat_items(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of every leaf of nested tables; a list is one leaf, of tables too."""
    for name, value in table.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict):
            yield from flat_items(value, f"{key}.")
        else:
            yield key, value


def holds_number(value: Any) -> bool:
    """Whether a value is a number, or a list or table with a number somewhere inside."""
    if isinstance(value, dict):
        return any(holds_number(v) for v in value.values())
    if isinstance(value, list | tuple):
        return any(holds_number(v) for v in value)
    return isinstance(value, int | float) and not isinstance(value, bool)


def covers(pattern: str, key: str) -> bool:
    """Whether a source given under ``pattern`` holds for ``key``."""
    wanted, given = pattern.split("."), key.split(".")
    pairs = zip(wanted, given, strict=False)
    return len(wanted) <= len(given) and all(w in ("*", g) for w, g in pairs)


def source_of(key: str, sources: Mapping[str, str]) -> str | None:
    """The source for a dotted key, or None."""
    found = [pattern for pattern in sources if covers(pattern, key)]
    best = max(found, key=lambda p: (p.count("."), p.count("*") == 0), default=None)
    return None if best is None else sources[best]


def unsourced_keys(table: Mapping[str, Any], sources: Mapping[str, str]) -> list[str]:
    """Dotted keys of the numbers that no source covers."""
    items = ((k, v) for k, v in flat_items(table) if not k.startswith("sources."))
    return [k for k, v in items if holds_number(v) and source_of(k, sources) is None]
