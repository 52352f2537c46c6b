"""The table of labels, and the selection of classes."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from finetune.ingest.class_names import class_of
from finetune.ingest.text_tables import read_text_table
from finetune.readers.protocol import RealSequence, Skipped, stored_name
from skyreel.errors import IngestError

# Names of columns in lower case, without Fink's prefixes; of several, the first is used.
_ALERT_COLUMNS = ("candid", "alert", "alert_id", "diasourceid")
_NAME_LISTS = ("internal_names", "internal_name", "disc. internal name/s")  # of TNS: A, B, ...
_OBJECT_COLUMNS = (
    *("objectid", "object", "object_id", "oid", "diaobjectid", "ztfid", "ztf_id", "obj_id"),
    *_NAME_LISTS,
)
_LABEL_COLUMNS = (
    *("label", "class", "classification", "class_name", "classname", "classalerce"),
    *("finkclass", "fink_class", "spec_class", "type", "obj. type", "object_type"),
)
_DOCTORED_COLUMN = "meta_doctored"
_NO_LABEL = ("", "-", "--", "---", "nan", "none", "null", "n/a")
_LONGEST_NAME = 200
_NAMED = 3
_MOST_RENAMED = 1000


def _is_name(text):
    return len(text) <= _LONGEST_NAME and text.isprintable()


@dataclass
class Labels:
    """Labels by alert or by object.

    ``doctored`` are the keys with overwritten metadata (column meta_doctored), ``used`` those of
    sequences that were read. ``renamed`` counts rows by (label, class) where the names differ.
    """

    path: Path
    by_alert: dict[int, str] = field(default_factory=dict)
    by_object: dict[str, list[str]] = field(default_factory=dict)
    doctored: set = field(default_factory=set)
    used: set = field(default_factory=set)
    renamed: Counter = field(default_factory=Counter)
    _contradicting: dict[int, str] = field(default_factory=dict)
    _problems: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _n_problems: Counter = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.by_alert) + len(self.by_object)

    def add(
        self, line: int, label: str, alert_id: str, names: Iterable[str], doctored: bool
    ) -> None:
        """Label an alert if there is an identifier of one, else objects; note rows of neither."""
        if alert_id:
            keys = self._alerts(line, alert_id)
        else:
            keys = [name for name in names if name]
            if not keys:
                self._left_out("have a label and no name", f"line {line}")
            if not all(map(_is_name, keys)):
                self._left_out("have no name that can be printed", f"line {line}")
                keys = []
        if not _is_name(label):
            self._left_out("have no class that can be printed", f"line {line}")
            keys = []
        name = class_of(label)
        for key in keys:
            if isinstance(key, int):
                self._label_alert(key, name, line)
            else:
                self.by_object.setdefault(key, []).append(name)
            if doctored:
                self.doctored.add(key)
        if keys and name != label and len(self.renamed) < _MOST_RENAMED:
            self.renamed[label, name] += 1

    def _alerts(self, line, text):
        if text.isascii() and text.isdecimal() and len(text) < 20 and int(text) < 2**63:
            return [int(text)]
        found = f"line {line}: {text[:40]!r} is no identifier of an alert. Spreadsheets drop digits"
        self._left_out("have no identifier of an alert", f"{found} of such numbers")
        return []

    def _label_alert(self, key, name, line):
        before = self._contradicting.get(key, self.by_alert.get(key, name))
        if key in self._contradicting and before == name:
            return
        if before != name:
            self._contradicting[key] = before
            self.by_alert.pop(key, None)
            what = f"line {line} labels alert {key} both {before} and {name}"
            self._left_out("contradict another; their alerts are unlabelled", what)
        else:
            self.by_alert[key] = name

    def _left_out(self, why, where):
        self._n_problems[why] += 1
        if len(self._problems[why]) < _NAMED:
            self._problems[why].append(where)

    def problem_sentences(self) -> Iterator[str]:
        """One sentence for each reason why rows were left out."""
        for why, count in self._n_problems.most_common():
            yield f"{count:,} rows {why}: {'; '.join(self._problems[why])}."

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
    """Read a table of labels: CSV, ECSV, FITS, Parquet, JSON or JSON lines.

    Columns are candid (or alert, alert_id, diaSourceId), object (or objectId, object_id, oid,
    diaObjectId, ZTFID, internal_names) and label (or class, classification, class_name, type,
    finkclass), in upper or lower case. A row with an alert and an object labels the alert. Names
    and identifiers are text, to the last digit. Rows that cannot be used are left out and noted.

    Raises
    ------
    IngestError
        It cannot be read, a column is missing, or no row can be used.
    """
    table = read_text_table(path)
    columns = _columns(table.names)
    alert, obj, label = (
        _first(columns, n) for n in (_ALERT_COLUMNS, _OBJECT_COLUMNS, _LABEL_COLUMNS)
    )
    if label is None or (alert is None and obj is None):
        found = ", ".join(columns)[:100] or "none"
        raise IngestError(
            f"{path} has the columns {found}; labels need candid or object (or both), and label."
        )
    labels, chosen = Labels(path), [label, alert, obj, columns.get(_DOCTORED_COLUMN)]
    several = obj is not None and _normalised(obj) in _NAME_LISTS
    present = [name for name in dict.fromkeys(chosen) if name is not None]
    for line, cells in table.rows(present):
        row = dict(zip(present, (cell.strip() for cell in cells), strict=True))
        text, alert_id, name, doctored = (row.get(column, "") for column in chosen)
        if text.lower() not in _NO_LABEL:
            names = re.split(r"[,;\s]+", name) if several else [name]
            labels.add(line, text, alert_id, names, doctored.lower() not in ("0", "false", ""))
    if not len(labels):
        problem = next(iter(labels.problem_sentences()), "")
        raise IngestError(f"{path} has no labels that can be used. {problem}".rstrip())
    return labels


def _columns(names):
    """Names as they are, by their names in lower case without prefix; of equal ones the first."""
    found = {}
    for name in names:
        found.setdefault(_normalised(name), name)
    return found


def _normalised(name):
    return re.sub(r"^[idv]:", "", name.strip().lower())


def _first(columns, names):
    return next((columns[name] for name in names if name in columns), None)


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

    def notes(self) -> list[Skipped]:
        """Rows of the table that were left out, and labels of objects that were not read."""
        if not self.labels:
            return []
        notes = list(self.labels.problem_sentences())
        if left := len(self.labels) - len(self.labels.used):
            notes.append(
                f"{left:,} of {len(self.labels):,} labels are of objects that were not read."
            )
        return [Skipped(stored_name(self.labels.path), note) for note in notes]
