"""The tables printed by ``ingest``, and the record beside the data set."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from finetune.ingest.scan import Gathered
from skyreel.errors import OutputError, StoreError
from skyreel.json_io import write_json

_MOST_ROWS = 20


def show(console: Console, gathered: Gathered, out: Path, *, seconds: float) -> None:
    """Print tables of what was read, skipped and corrected."""
    console.print(_class_table(gathered))
    for title, items in (("skipped", gathered.skipped), ("noted", gathered.notes)):
        if items:
            console.print(_reason_table(title, items))
    console.print(
        f"Read {len(gathered.object_ids):,} sequences of up to {max(gathered.n_epochs)} epochs in "
        f"{seconds:.1f} s, skipped {len(gathered.skipped):,}. They are the split 'test' of {out}; "
        f"the record is {out}.json.",
        soft_wrap=True,
    )


def _class_counts(gathered):
    counts = Counter(gathered.class_names)
    named = {name: counts[name] for name in gathered.classes()}
    return named | ({"unlabelled": counts[None]} if counts[None] else {})


def _class_table(gathered):
    table = Table("class")
    for column in ("sequences", "epochs"):
        table.add_column(column, justify="right")
    epochs = Counter()
    for name, n in zip(gathered.class_names, gathered.n_epochs, strict=True):
        epochs[name or "unlabelled"] += n
    for name, count in _class_counts(gathered).items():
        table.add_row(name, f"{count:,}", f"{epochs[name]:,}")
    return table


def _reason_table(title, items):
    """One row per reason, the most common first."""
    by_reason: dict[str, list[str]] = {}
    for item in items:
        by_reason.setdefault(item.reason, []).append(item.source)
    rows = sorted(by_reason.items(), key=lambda row: -len(row[1]))
    table = Table(title, "why" if title == "skipped" else "what")
    for reason, sources in rows[:_MOST_ROWS]:
        more = f" and {len(sources) - 1:,} more" if len(sources) > 1 else ""
        table.add_row(_short(sources[0]) + more, reason)
    if len(rows) > _MOST_ROWS:
        table.add_row(f"{len(rows) - _MOST_ROWS:,} more reasons", "see the record")
    return table


def _short(source):
    """The last two parts of a path; the record has the whole path."""
    return "/".join(Path(source).parts[-2:])


def write_record(
    out: Path, gathered: Gathered, *, settings: dict[str, Any], command: str, seconds: float
) -> None:
    """Write settings, command, classes, skipped files and notes as JSON beside the data set.

    Raises
    ------
    StoreError
    """
    path = out.with_name(out.name + ".json")
    run = {
        "command": command,
        "read": len(gathered.object_ids),
        "classes": _class_counts(gathered),
        "skipped": _as_rows(gathered.skipped),
        "notes": _as_rows(gathered.notes),
        "seconds": round(seconds, 3),
        "bytes": sum(f.stat().st_size for f in out.rglob("*") if f.is_file()),
    }
    try:
        write_json(path, {"settings": settings, "runs": [run]})
    except OutputError as error:
        raise StoreError(f"{out} is complete, but its record is not: {error}") from error


def _as_rows(items):
    return [{"file": item.source, "reason": item.reason} for item in items]
