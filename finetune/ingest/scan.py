"""A scan of everything under a path: usable sequences, their number, length and size.

Sequences are kept in memory up to a limit. Beyond it they are read again when they are written,
so that memory does not grow with the number of objects.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from finetune.ingest.labels import Selection
from finetune.ingest.real_arrays import UNLABELLED
from finetune.readers.protocol import OnFile, Reader, RealSequence, Skipped
from simulator.dataset.schema import ArraySpec
from simulator.dataset.writer import CHUNK_OBJECTS
from simulator.lightcurves import DEFAULT_CLASSES
from skyreel.errors import IngestError
from survey_profiles.profile import Profile

KEPT_BYTES = 512 * 2**20
MOST_NAMED = 10_000  # files and objects that are named one by one; beyond, they are counted
_MOST_REASONS = 1_000
_FIRST_NAMES = 5
_OTHER_REASONS = "other reasons"
_COUNTED = (
    *("airmass", "seeing_fwhm_arcsec", "zero_point_mag", "limiting_mag", "sky_adu"),
    *("gain_e_per_adu", "read_noise_e"),
)
_MOST_BLOCK_BYTES = 4 * 2**30
_PIXEL_BYTES = 4  # and a byte of mask
MAX_SIZE_PIX = 999


class LeftOutCounts:
    """What was left out or noted: counted by reason, and named as far as memory allows.

    Attributes
    ----------
    items : list of Skipped
        The first ones.
    """

    def __init__(self) -> None:
        self.items: list[Skipped] = []
        self._counts: Counter[str] = Counter()
        self._first: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return self._counts.total()

    def add(self, item: Skipped) -> None:
        """Count one, and keep its name while there is room."""
        known = item.reason in self._first or len(self._first) < _MOST_REASONS
        reason = item.reason if known else _OTHER_REASONS
        self._counts[reason] += 1
        names = self._first.setdefault(reason, [])
        if len(names) < _FIRST_NAMES:
            names.append(item.source)
        if len(self.items) < MOST_NAMED:
            self.items.append(item)

    def by_reason(self) -> list[tuple[str, int, list[str]]]:
        """Reason, number and first names, the most common first."""
        return [(reason, n, self._first[reason]) for reason, n in self._counts.most_common()]


@dataclass
class Gathered:
    """The sequences to be written, counted; their pixels only if they fit into memory."""

    reader: Reader
    files: list[Path]
    profile: Profile
    selection: Selection = field(default_factory=Selection)
    object_ids: list[str] = field(default_factory=list)
    class_names: list[str | None] = field(default_factory=list)
    arrays: set[str] = field(default_factory=set)
    more_images: set[str] = field(default_factory=set)
    sizes_pix: Counter = field(default_factory=Counter)
    n_epochs: list[int] = field(default_factory=list)
    skipped: LeftOutCounts = field(default_factory=LeftOutCounts)
    notes: LeftOutCounts = field(default_factory=LeftOutCounts)
    epochs_left_out: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    kept: list[RealSequence] | None = field(default_factory=list)
    kept_bytes: int = 0

    def add(self, sequence: RealSequence) -> None:
        """Count a sequence, and keep it while memory allows."""
        self.object_ids.append(sequence.object_id)
        self.class_names.append(sequence.class_name)
        self.arrays |= {*sequence.epochs, *sequence.objects, *sequence.more_images}
        self.more_images |= set(sequence.more_images)
        self.sizes_pix[max(sequence.images.shape[1:])] += 1
        self.n_epochs.append(len(sequence.images))
        for note in sequence.notes:
            self.notes.add(Skipped(sequence.source, note))
        self.epochs_left_out.update(sequence.left_out)
        self.unknown.update(_unknown_values(sequence))
        self.kept_bytes += sequence.nbytes
        if self.kept_bytes > KEPT_BYTES:
            self.kept = None
        if self.kept is not None:
            self.kept.append(sequence)

    def sequences(self) -> Iterator[RealSequence]:
        """Every sequence, in order; read again if they were not kept."""
        if self.kept is not None:
            yield from self.kept
            return
        for item in self.items(lambda share: None):
            if isinstance(item, RealSequence):
                yield item

    def items(self, on_file: OnFile) -> Iterator[RealSequence | Skipped]:
        """The selected sequences, each object once, and what is left out."""
        read = self.reader.read(self.files, self.profile, on_file)
        return self.selection.chosen(_distinct(read))

    def classes(self) -> tuple[str, ...]:
        """Classes that occur, in the simulator's order, then others by name."""
        present = set(self.class_names) - {None}
        known = [name for name in DEFAULT_CLASSES if name in present]
        classes = (*known, *sorted(present - set(known)))
        if len(classes) > UNLABELLED:
            raise IngestError(f"there are {len(classes)} classes; allowed are {UNLABELLED}.")
        return classes

    def specs(self, specs: Iterable[ArraySpec]) -> tuple[ArraySpec, ...]:
        """Those of ``specs`` that are required, or that a sequence has."""
        optional = {spec.name for spec in self.reader.extra}
        return tuple(s for s in specs if s.name not in optional or s.name in self.arrays)

    def size_pix(self, asked: int | None) -> int:
        """Rows and columns of the stamps to be written: ``asked``, or the most common, made odd.

        Raises
        ------
        IngestError
            A padded block of objects does not fit into memory.
        """
        most = max(self.sizes_pix.values())
        common = max(size for size, count in self.sizes_pix.items() if count == most)
        size = asked or common - (common % 2 == 0)
        longest = max(self.n_epochs)
        pixel_bytes = _PIXEL_BYTES * (1 + len(self.more_images)) + 1
        if CHUNK_OBJECTS * longest * size**2 * pixel_bytes > _MOST_BLOCK_BYTES:
            name = self.object_ids[self.n_epochs.index(longest)]
            raise IngestError(
                f"sequences are padded to the longest, {longest:,} epochs of {name}: with stamps "
                f"of {size} x {size} pixels that needs too much memory. Leave it out, or give a "
                "smaller --size."
            )
        return size


def gather(
    reader: Reader, files: list[Path], profile: Profile, on_file: OnFile, selection: Selection
) -> Gathered:
    """Read everything once.

    Raises
    ------
    IngestError
        No sequence can be used.
    """
    gathered = Gathered(reader, files, profile, selection)
    for item in gathered.items(on_file):
        if isinstance(item, RealSequence):
            gathered.add(item)
        else:
            gathered.skipped.add(item)
    if not gathered.object_ids:
        first = gathered.skipped.items[0]
        others = len(gathered.skipped) - 1
        more = f" {others:,} others could not be used either." * (others > 0)
        raise IngestError(f"no sequence can be used. {first.source}: {first.reason}{more}")
    for note in selection.notes():
        gathered.notes.add(note)
    return gathered


def _unknown_values(sequence):
    """Number of values that are unknown, by quantity."""
    values = {**sequence.epochs, **sequence.objects}
    counts = {name: np.isnan(values[name]).sum() for name in _COUNTED if name in values}
    return {name: int(count) for name, count in counts.items() if count}


def _distinct(items):
    """The same items; sequences of an object that occurred before become `Skipped`."""
    seen: dict[str, str] = {}
    for item in items:
        if isinstance(item, RealSequence):
            if item.object_id in seen:
                before = seen[item.object_id]
                yield Skipped(item.source, f"object {item.object_id} was read from {before}.")
                continue
            seen[item.object_id] = item.source
        yield item


def files_digest(files: list[Path], root: Path) -> str:
    """Start of a SHA-256 over the names (below ``root``) and contents of files."""
    total = hashlib.sha256()
    for path in files:
        try:
            with open(path, "rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:  # the reader reports it and continues
            content = str(error.errno)
        name = path.relative_to(root) if path != root else path.name
        total.update(f"{name} {content}\n".encode(errors="surrogateescape"))
    return total.hexdigest()[:16]
