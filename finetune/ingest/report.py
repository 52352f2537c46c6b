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
_NAMED = 3
_MOST_LETTERS = 120


def show(console: Console, gathered: Gathered, out: Path, *, seconds: float) -> None:
    """Print tables of what was read, skipped and corrected."""
    console.print(_class_table(gathered))
    for title, items in (("skipped", gathered.skipped), ("noted", gathered.notes)):
        if len(items):
            console.print(_reason_table(title, items))
    for words in (_renamed(gathered), _epochs_left_out(gathered), _unknown_values(gathered)):
        if words:
            console.print(words, soft_wrap=True)
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
    rows = items.by_reason()
    table = Table(title, "why" if title == "skipped" else "what")
    for reason, count, first in rows[:_MOST_ROWS]:
        named = first[:_NAMED]
        more = f" and {count - len(named):,} more" if count > len(named) else ""
        table.add_row(", ".join(map(_short, named)) + more, reason)
    if len(rows) > _MOST_ROWS:
        table.add_row(f"{len(rows) - _MOST_ROWS:,} more reasons", "see the record")
    return table


def _class_names(gathered):
    """Number of labels by class and by the other names that they have in the table."""
    labels, names = gathered.selection.labels, {}
    for (label, name), count in sorted(labels.renamed.items()) if labels else ():
        names.setdefault(name, {})[label] = count
    return names


def _renamed(gathered):
    names = [
        f"{', '.join(list(labels)[:_MOST_ROWS])} as {name}"
        for name, labels in _class_names(gathered).items()
    ]
    return f"Labels taken as classes of the simulator: {'; '.join(names)}." if names else ""


def _epochs_left_out(gathered):
    counts = gathered.epochs_left_out
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in counts.most_common())
    return f"Epochs left out: {reasons}." if counts else ""


def _unknown_values(gathered):
    counts = gathered.unknown
    names = ", ".join(f"{name} {count:,}" for name, count in counts.most_common())
    return f"Unknown values, NaN in the data set: {names}." if counts else ""


def _short(source):
    """The last two parts of a path, cut if long; the record has the whole path."""
    text = "/".join(Path(source).parts[-2:])
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}..."


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
        "left_out": {
            "files_and_objects": len(gathered.skipped),
            "reasons": _as_counts(gathered.skipped),
            "epochs": dict(gathered.epochs_left_out),
        },
        "unknown_values": dict(gathered.unknown),
        "class_names": _class_names(gathered),
        "skipped": _as_rows(gathered.skipped.items),
        "notes": _as_rows(gathered.notes.items),
        "seconds": round(seconds, 3),
        "bytes": sum(f.stat().st_size for f in out.rglob("*") if f.is_file()),
    }
    try:
        write_json(path, {"settings": settings, "runs": [run]})
    except OutputError as error:
        raise StoreError(f"{out} is complete, but its record is not: {error}") from error


def _as_counts(items):
    return [
        {"reason": reason, "count": count, "first": first}
        for reason, count, first in items.by_reason()
    ]


def _as_rows(items):
    return [{"file": item.source, "reason": item.reason} for item in items]
