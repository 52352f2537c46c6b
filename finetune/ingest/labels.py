"""The CSV table of labels, and the selection of classes."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from finetune.readers.protocol import RealSequence, Skipped, printable
from skyreel.errors import IngestError

_ALERT_COLUMNS = ("candid", "alert", "alert_id", "diasourceid")
_OBJECT_COLUMNS = ("objectid", "object", "object_id", "oid", "diaobjectid")
_LABEL_COLUMNS = ("label", "class", "classification")
_DOCTORED_COLUMN = "meta_doctored"
# Names that surveys and brokers use for the simulated classes; other names are kept.
_SAME_CLASS = {
    "SN": r"(sn|supernova)e?([ _-]?(i|ia|ib|ic|ibc|ii|iip|iil|iin|iib)([ _-].*)?)?",
    "AST": r"ast|asteroids?|sso|solar[ _-]system object",
    "RRL": r"rrl|rrlyr(ae)?|rr[ _-]?lyrae?|rrab|rrc",
    "CEP": r"ceph?|cepheids?|dcep|delta[ _-]?cep",
    "EB": r"eb|ea|ew|eclipsing[ _-]binar(y|ies)|eclipsing",
    "NV": r"nv|non[ _-]?variable|constant",
    "GAL": r"gal|galax(y|ies)",
}


def class_of(label: str) -> str:
    """Name of the class that a label means: the simulator's where it has one."""
    for name, pattern in _SAME_CLASS.items():
        if re.fullmatch(pattern, label.strip(), flags=re.IGNORECASE):
            return name
    return label.strip()


@dataclass
class Labels:
    """Labels by alert or by object.

    ``doctored`` are the keys with overwritten metadata (column meta_doctored), ``used`` those of
    sequences that were read.
    """

    path: Path
    by_alert: dict[int, str] = field(default_factory=dict)
    by_object: dict[str, list[str]] = field(default_factory=dict)
    doctored: set = field(default_factory=set)
    used: set = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.by_alert) + len(self.by_object)

    def names_of(self, sequence: RealSequence) -> list[str]:
        """All labels of an object and its alerts."""
        alerts = [int(alert) for alert in sequence.epochs.get("alert_id", ())]
        here = [alert for alert in alerts if alert in self.by_alert]
        names = [self.by_alert[alert] for alert in here]
        self.used.update(here)
        if sequence.object_id in self.by_object:
            self.used.add(sequence.object_id)
            names += self.by_object[sequence.object_id]
        return names

    def is_doctored(self, sequence: RealSequence) -> bool:
        """Whether metadata of the object or one of its alerts were overwritten."""
        alerts = {int(alert) for alert in sequence.epochs.get("alert_id", ())}
        return bool(self.doctored & {*alerts, sequence.object_id})


def read_labels(path: Path) -> Labels:
    """Read a CSV table of labels.

    Columns are candid (or alert, alert_id, diaSourceId), object (or objectId, object_id, oid,
    diaObjectId) and label (or class, classification), in upper or lower case. A row with an alert
    and an object labels the alert.

    Raises
    ------
    IngestError
        It cannot be read, or a column is missing.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            return _labels(path, csv.DictReader(file))
    except OSError as error:
        raise IngestError(f"{path}: labels cannot be read ({error.strerror}).") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise IngestError(f"{path} is not a CSV table that can be read ({error}).") from None


def _labels(path, rows):
    columns = {str(name).strip().lower(): name for name in rows.fieldnames or ()}
    alert, obj, label = (
        _first(columns, n) for n in (_ALERT_COLUMNS, _OBJECT_COLUMNS, _LABEL_COLUMNS)
    )
    if label is None or (alert is None and obj is None):
        found = ", ".join(columns)[:100] or "none"
        raise IngestError(
            f"{path} has the columns {found}; labels need candid or object (or both), and label."
        )
    labels, doctored = Labels(path), columns.get(_DOCTORED_COLUMN)
    for row in rows:
        text = (row[label] or "").strip()
        key = _key(path, rows.line_num, row, alert, obj)
        if not text or key is None:
            continue
        if isinstance(key, int):
            labels.by_alert[key] = _agreed(path, labels.by_alert.get(key), class_of(text), key)
        else:
            labels.by_object.setdefault(key, []).append(class_of(text))
        if doctored and (row[doctored] or "0").strip().lower() not in ("0", "false", ""):
            labels.doctored.add(key)
    if not len(labels):
        raise IngestError(f"{path} has no labels.")
    return labels


def _first(columns, names):
    return next((columns[name] for name in names if name in columns), None)


def _key(path, line, row, alert, obj):
    """Identifier of the alert of a row, or else name of its object."""
    text = (row[alert] or "").strip() if alert else ""
    if text:
        if not text.isdecimal():
            raise IngestError(
                f"{path}, line {line}: {text[:40]!r} is no identifier of an alert. Spreadsheets "
                "drop digits of such numbers when they save a table."
            )
        return int(text)
    return ((row[obj] or "").strip() or None) if obj else None


def _agreed(path, before, now, key):
    if before not in (None, now):
        raise IngestError(f"{path} labels alert {key} both {before} and {now}.")
    return now


@dataclass
class Selection:
    """Labels added to sequences from a table, and classes that are kept."""

    labels: Labels | None = None
    classes: tuple[str, ...] = ()

    def chosen(self, items: Iterable[RealSequence | Skipped]) -> Iterator[RealSequence | Skipped]:
        """Items with their labels; sequences of other classes become `Skipped`."""
        wanted = {class_of(name) for name in self.classes} | set(self.classes)
        for item in items:
            if isinstance(item, RealSequence):
                item = self._labelled(item) if self.labels else item
                if wanted and item.class_name not in wanted:
                    name = item.class_name or "unlabelled"
                    item = Skipped(item.source, f"its class, {name}, is not selected.")
            yield item

    def _labelled(self, sequence):
        names, notes = self.labels.names_of(sequence), sequence.notes
        if self.labels.is_doctored(sequence):
            notes += (f"{sequence.object_id}: jd, ra and dec were overwritten (meta_doctored).",)
        if not names:
            return replace(sequence, notes=notes)
        (first, count), *others = Counter(names).most_common()
        if others:
            tied = others[0][1] == count
            counts = ", ".join(f"{name} ({n} x)" for name, n in Counter(names).most_common())
            first = None if tied else first
            used = first or "unlabelled"
            notes += (f"{sequence.object_id} has the labels {counts}: taken as {used}.",)
        return replace(sequence, class_name=first, notes=notes)

    def unused(self) -> list[Skipped]:
        """A note on labels of objects that were not read, if there are any."""
        left = len(self.labels) - len(self.labels.used) if self.labels else 0
        if not left:
            return []
        note = f"{left:,} of {len(self.labels):,} labels are of objects that were not read."
        return [Skipped(printable(self.labels.path), note)]
