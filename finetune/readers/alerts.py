"""Alert packets in any order become one sequence per object: the base class of alert readers."""

from __future__ import annotations

import pickle
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from finetune.readers.alert_photometry import joined_columns
from finetune.readers.alert_planes import ALERT_PLANE_ARRAYS, with_planes
from finetune.readers.cutout import placed
from finetune.readers.decompression import Room
from finetune.readers.packets import packet_files, packets_of
from finetune.readers.protocol import (
    CCD_NUMBER,
    MAX_EPOCHS,
    PUBLISHED_FLUX,
    OnFile,
    RealSequence,
    Skipped,
    border_sky_adu,
    in_time_order,
)
from simulator.dataset.schema import EPOCHS, OBJECTS, ArraySpec
from simulator.detector.defects import OUTSIDE
from skyreel.errors import IngestError, SequenceError, StoreError
from survey_profiles import load_profile
from survey_profiles.profile import Profile

_ALERT_ID = "identifier of the alert in the survey; -1 where none"
ALERT_ARRAYS = (
    ArraySpec("alert_id", EPOCHS, "int64", "", _ALERT_ID),
    *PUBLISHED_FLUX,
    ArraySpec("ra_deg", OBJECTS, "float64", "deg", "right ascension; NaN where unknown"),
    ArraySpec("dec_deg", OBJECTS, "float64", "deg", "declination; NaN where unknown"),
    CCD_NUMBER,
    *ALERT_PLANE_ARRAYS,
)
_PIXEL_SCALE_TOLERANCE = 0.1
_MALFORMED = (TypeError, ValueError, KeyError, AttributeError, OverflowError, IndexError)


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One packet that was read.

    ``images`` (row, column) have the names of the data set, and one odd square shape;
    ``photometry`` has the columns of `finetune.readers.alert_photometry`.
    """

    source: str
    alert_id: int
    images: dict[str, np.ndarray]
    mask: np.ndarray
    epochs: dict[str, float]
    objects: dict[str, object]
    photometry: dict[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class AlertReader(ABC):
    """Reader of packets; a subclass for each survey parses them."""

    name: str
    default_survey: str
    title: str
    extra = ALERT_ARRAYS

    @abstractmethod
    def kept(self, record: dict) -> tuple[str, Any]:
        """Name of the object, and the used part of a packet; SequenceError if it is none."""

    @abstractmethod
    def alert(self, source: str, kept: Any, profile: Profile) -> Alert:
        """The used part of a packet as an epoch; SequenceError if it cannot be used."""

    def corrected(self, alerts: list[Alert]) -> list[Alert]:
        """Alerts of one object after corrections that need all of them."""
        return alerts

    def profile(self, survey: str | None) -> Profile:
        """The profile of ``survey``, or of the reader's survey.

        Raises
        ------
        IngestError
            The pixels of ``survey`` are not those of the packets: it is another survey.
        """
        own = load_profile(self.default_survey)
        if survey is None:
            return own
        profile = load_profile(survey)
        here, there = own.camera.pixel_scale_arcsec, profile.camera.pixel_scale_arcsec
        if abs(there / here - 1) > _PIXEL_SCALE_TOLERANCE:
            raise IngestError(
                f"--survey {survey}: {self.title} alerts are images of survey {own.name}, with "
                f"pixels of {here:g} arcsec; those of {profile.name} are {there:g} arcsec wide. "
                "Leave --survey out, or give a profile of the same camera."
            )
        return profile

    def files(self, path: Path) -> list[Path]:
        """Files of packets under ``path``; IngestError if there are none."""
        return packet_files(path)

    def read(
        self, files: list[Path], profile: Profile, on_file: OnFile = lambda share: None
    ) -> Iterator[RealSequence | Skipped]:
        """One sequence per object, in the order in which objects first appear.

        Raises
        ------
        StoreError
            The temporary file of packets cannot be written.
        """
        room = Room()
        with Spool() as spool:
            for path in files:
                for item in packets_of(path, lambda share: on_file(share / 2), room):
                    skipped = item if isinstance(item, Skipped) else self._store(spool, item)
                    if skipped:
                        yield skipped
            for object_id, packets in spool.objects():
                yield from self._sequence(object_id, packets, profile)
                on_file(len(files) / 2 / len(spool))

    def _store(self, spool, packet):
        """Add a packet to those of its object; Skipped if it cannot be used."""
        try:
            object_id, kept = self.kept(packet.record)
        except SequenceError as error:
            return Skipped(packet.source, str(error))
        except _MALFORMED:
            return Skipped(packet.source, f"it is not a packet of {self.title}.")
        if not spool.add(object_id, (packet.source, kept)):
            most = f"at most {MAX_EPOCHS:,} packets"
            return Skipped(packet.source, f"{object_id} has more than is read: {most}.")
        return None

    def _sequence(self, object_id, packets, profile):
        alerts = []
        for source, kept in packets:
            try:
                alerts.append(self.alert(source, kept, profile))
            except SequenceError as error:
                yield Skipped(source, str(error))
            except _MALFORMED as error:
                what = type(error).__name__
                yield Skipped(source, f"its contents are not those of {self.title} ({what}).")
        if alerts:
            try:
                yield joined(object_id, self.corrected(alerts))
            except SequenceError as error:
                yield Skipped(alerts[0].source, str(error))


def joined(object_id: str, alerts: list[Alert]) -> RealSequence:
    """Alerts of one object as a sequence; repeated alerts are used once.

    Raises
    ------
    SequenceError
        None of them has a time.
    """
    distinct = list({alert.alert_id: alert for alert in alerts}.values())
    distinct.sort(key=lambda alert: (not isfinite(alert.epochs["mjd"]), alert.epochs["mjd"]))
    notes = [note for alert in distinct for note in alert.notes]
    if len(distinct) < len(alerts):
        notes.append(f"{len(alerts) - len(distinct)} duplicate packets.")
    rows, left_out, order_notes = in_time_order(
        np.array([alert.epochs["mjd"] for alert in distinct]),
        np.array([alert.epochs["exposure_time_s"] for alert in distinct]),
    )
    kept = [distinct[row] for row in rows]
    half_pix = max(len(alert.mask) for alert in kept) // 2
    epochs = {name: np.array([a.epochs[name] for a in kept]) for name in kept[0].epochs}
    names = list(dict.fromkeys(name for alert in kept for name in alert.images))
    images = {name: _stacked(kept, name, half_pix) for name in names}
    science = images.pop("images")
    sequence = RealSequence(
        object_id=object_id,
        class_name=None,
        source=kept[0].source,
        images=science,
        mask=np.stack([_mask(alert, half_pix) for alert in kept]),
        epochs={
            **epochs,
            "sky_adu": border_sky_adu(science),
            "alert_id": np.array([alert.alert_id for alert in kept], dtype=np.int64),
        },
        objects={**kept[0].objects, "first_alert_epoch": 0},
        notes=(*dict.fromkeys(notes), *order_notes),
        more_images=images,
        photometry=joined_columns([alert.photometry for alert in kept]),
        left_out=left_out,
    )
    return with_planes(sequence)


def _stacked(alerts, name, half_pix):
    missing = np.full((1, 1), np.nan, dtype=np.float32)
    return np.stack([_centred(alert.images.get(name, missing), half_pix) for alert in alerts])


def _centred(square, half_pix):
    middle = len(square) // 2
    return placed(square, (middle, middle), half_pix)


def _mask(alert, half_pix):
    around = _centred(np.ones(alert.mask.shape, dtype=np.float32), half_pix)
    mask = np.full(around.shape, OUTSIDE, dtype=np.uint8)
    mask[np.isfinite(around)] = alert.mask.ravel()
    return mask


class Spool:
    """Packets by object, in an anonymous temporary file."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115, closed by __exit__
        self._places: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, object_id: str, packet: object) -> bool:
        """Store a packet; False if its object already has as many as a sequence may have.

        Raises
        ------
        StoreError
            The disk is full.
        """
        places = self._places.setdefault(object_id, [])
        if len(places) == MAX_EPOCHS:
            return False
        try:
            places.append(self._file.seek(0, 2))
            pickle.dump(packet, self._file, protocol=pickle.HIGHEST_PROTOCOL)
        except OSError as error:
            raise StoreError(
                f"{tempfile.gettempdir()}: packets cannot be kept there ({error.strerror}); set "
                "TMPDIR to a folder with room for all of them."
            ) from error
        return True

    def objects(self) -> Iterator[tuple[str, Iterator[Any]]]:
        """Each object and its packets, one at a time, in the order in which they were added."""
        for object_id, places in self._places.items():
            yield object_id, map(self._packet, places)

    def _packet(self, place):
        self._file.seek(place)
        return pickle.load(self._file)
