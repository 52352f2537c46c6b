"""The first alerts of the objects of a split: stamps and metadata, simulated or real.

An alert is an epoch with a detection in the difference image; every epoch of a real sequence of
alerts is one. Stamps are (object, alert, plane, row, column), planes in the order of
`simulator.options.PLANES`, NaN where a pixel is masked. Metadata of simulated and real alerts are
computed alike, from arrays that both have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.image_selection import ImageSelection, SelectedSplit
from classifier.stamp_batch import StampBatch
from simulator.options import PLANES
from skyreel.errors import ClassifierError
from survey_profiles.physical_ranges import as_mjd

DETECTED = "difference_detected"
_NOISE = "difference_noise_adu"
_CATALOGUE = tuple(n for k in (1, 2, 3) for n in (f"star_score_{k}", f"distance_{k}_arcsec"))
_STORED = (
    *("star_score", "elongation", "reference_chi", "reference_sharpness"),
    *_CATALOGUE,
)
COMMON_METADATA = ("magnitude", "magnitude_error", "is_positive", "limiting_mag", "fwhm_pix")
"""Metadata that simulated and real alerts both have."""
COUNTS = ("n_detections_so_far", "n_exposures_so_far")
"""Real packets count from the start of the survey, simulations from that of the sequence."""
METADATA = (*COMMON_METADATA, *COUNTS, *_STORED)
_NEEDED = ("difference_flux_adu", "difference_flux_error_adu", "limiting_mag")
_PER_MAG = np.log(10) / 2.5


@dataclass(frozen=True)
class FirstAlerts:
    """The first alerts of the objects that have as many, in the order of the split.

    With several draws of an object each of them is an "object" of the axes below.

    Attributes
    ----------
    stamps : float32 (object, alert, plane, row, column)
        Counts of science, template and difference; NaN where masked.
    signal_to_noise : float32 (object, alert, row, column) or None
        The difference over its noise, NaN where masked or unknown; None unless it was asked for.
    metadata : float32 (object, alert, column)
        NaN where unknown.
    columns : tuple of str
        Names of the metadata.
    mjd : float (object, alert)
    labels : int (object,)
        Index into ``classes``, -1 where unknown.
    classes : tuple of str
    rows : int (object,)
        Rows of the split.
    left_out : dict of str to int
        Number of objects that were left out, by reason.
    """

    stamps: np.ndarray
    metadata: np.ndarray
    columns: tuple[str, ...]
    mjd: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    rows: np.ndarray
    left_out: dict[str, int]
    signal_to_noise: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def ln_days(self) -> np.ndarray:
        """Natural logarithm of the days between the first two alerts, (object, 1)."""
        return np.log(np.diff(self.mjd[:, :2], axis=1)).astype(np.float32)

    def notes(self, name: str) -> list[str]:
        """One sentence for each reason why objects of the split ``name`` were left out."""
        return [f"{name}: {n:,} objects left out: {why}." for why, n in self.left_out.items()]


def read_first_alerts(
    split: DatasetSplit,
    *,
    alerts: int = 1,
    metadata: Sequence[str] = COMMON_METADATA,
    merge: Mapping[str, Sequence[str]] | None = None,
    seed: int | None = None,
    draws: int = 1,
    signal_to_noise: bool = False,
) -> FirstAlerts:
    """The first ``alerts`` alerts of every object of a split that has them.

    Parameters
    ----------
    split : DatasetSplit
        With the planes template and difference.
    alerts : int
    metadata : sequence of str
        Of ``METADATA``.
    merge : mapping of str to sequence of str or None
        New classes and the classes they consist of; others keep their names.
    seed : int or None
        Not the first ones but any so many in a row, drawn at random for each object.
    draws : int
        With a ``seed``: so many different draws of each object, or as many as there are; the
        object then has so many places in what is returned.
    signal_to_noise : bool
        Also read the noise of the differences.

    Raises
    ------
    ClassifierError
        The split has no objects, no planes, none of the metadata asked for, or no object with so
        many alerts; or ``merge`` names a class twice.
    """
    if alerts < 1:
        raise ClassifierError(f"{alerts} alerts: at least 1.")
    split.refuse_empty()
    _check_arrays(split, metadata)
    split = split.with_planes(PLANES[1:])
    labels, classes = merged_labels(split.labels, split.classes, merge or {})
    rows, epochs = drawn_alerts(split, alerts, draws, seed)
    stamps, mjd = _stamps(split, epochs, rows), as_mjd(split.values("mjd"))[0]
    whole = np.isfinite(stamps).any(axis=(3, 4)).all(axis=(1, 2))
    timed = (np.diff(mjd[rows[:, None], epochs], axis=1) > 0).all(axis=1)
    kept = whole & timed
    left_out = _left_out(alerts, len(split), rows, rows[whole], rows[kept])
    rows, epochs = rows[kept], epochs[kept]
    if not rows.size:
        raise ClassifierError(
            f"{split.path}/{split.name}: none of {len(split):,} objects has {_number_of(alerts)} "
            "with science, template and difference images."
        )
    chosen = rows[:, None], epochs
    stamps = stamps[kept]
    ratio = _signal_to_noise(split, stamps[:, :, -1], *chosen) if signal_to_noise else None
    values = _metadata(split, metadata)
    columns = [np.asarray(values[name], dtype=np.float32)[chosen] for name in metadata]
    return FirstAlerts(
        stamps=stamps,
        metadata=np.stack(columns, axis=-1) if columns else np.zeros((*chosen[1].shape, 0), "f4"),
        columns=tuple(metadata),
        mjd=mjd[chosen],
        labels=labels[rows],
        classes=classes,
        rows=rows,
        left_out=left_out,
        signal_to_noise=ratio,
    )


class LastAlert(SelectedSplit):
    """Of every object of a split the image of the last of its first ``alerts`` alerts."""

    def __init__(self, split: DatasetSplit, selection: ImageSelection, alerts: int):
        super().__init__(split, selection)
        epochs, enough = alert_epochs(split, alerts)
        self._epoch, self._n = epochs[:, -1:], enough.astype(int)

    def stamps(self, first: int, end: int) -> StampBatch:
        """As `SelectedSplit.stamps`."""
        stamps = self.split.stamps(first, end)
        n_epochs = np.where(stamps.n_epochs > 0, self._n[first:end], 0)
        return stamps.rearranged(self._epoch[first:end], n_epochs)


def merged_labels(
    labels: np.ndarray, classes: Sequence[str], merge: Mapping[str, Sequence[str]]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels (object,) and classes with some classes merged, as ``{"VS": ("RRL", "EB")}``.

    Merged classes take the place of the first of their parts that is there.

    Raises
    ------
    ClassifierError
        A class is named twice, or a new name is that of a class that is kept.
    """
    parts = [name for names in merge.values() for name in names]
    if len(set(parts)) < len(parts):
        raise ClassifierError(f"merge: a class is named twice among {', '.join(parts)}.")
    kept = set(classes) - set(parts)
    if taken := sorted(kept & set(merge)):
        raise ClassifierError(f"merge: {', '.join(taken)} is a class already.")
    new = {part: name for name, names in merge.items() for part in names}
    named = [new.get(name, name) for name in classes]
    found = tuple(dict.fromkeys(named))
    place = np.array([*(found.index(name) for name in named), -1])
    return place[labels], found


def check_metadata(names: Sequence[str]) -> None:
    """Check that all names are of ``METADATA``.

    Raises
    ------
    ClassifierError
    """
    unknown = [name for name in names if name not in METADATA]
    if unknown:
        raise ClassifierError(f"metadata {', '.join(unknown)}; known are {', '.join(METADATA)}.")


def refuse_without_differences(split: DatasetSplit) -> None:
    """Check that a split has difference images, and what was detected in them.

    Raises
    ------
    ClassifierError
    """
    if split.values(DETECTED) is None:
        raise ClassifierError(
            f"{split.path} has no difference images; `simulate --planes science,template,"
            "difference` makes them, and `ingest --from ztf` or rubin keeps those of alerts."
        )


def _check_arrays(split, metadata):
    check_metadata(metadata)
    refuse_without_differences(split)
    if lacking := [name for name in _NEEDED if split.values(name) is None]:
        raise ClassifierError(f"{split.path} has no {', '.join(lacking)} of its alerts.")
    missing = [name for name in metadata if name in _STORED and split.values(name) is None]
    if missing:
        raise ClassifierError(
            f"{split.path} has no {', '.join(missing)}, which only packets of ZTF hold. Leave "
            "them out of the metadata."
        )


def _number_of(alerts):
    return "an alert" if alerts == 1 else f"{alerts} alerts"


def _left_out(alerts, number, *rows):
    """Numbers of objects left out by reason: of all, and rows with alerts, pixels, and times."""
    reasons = (
        "no alert" if alerts == 1 else f"fewer than {alerts} alerts",
        "a plane without a pixel",
        "alerts whose times are unknown or do not increase",
    )
    lost = -np.diff([number, *(np.unique(each).size for each in rows)])
    return {why: int(n) for why, n in zip(reasons, lost, strict=True) if n}


def drawn_alerts(
    split: DatasetSplit, alerts: int, draws: int, seed: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Rows (draw,) of a split, in its order, and the epochs (draw, alert) of their alerts.

    Without a ``seed`` the first alerts of every object that has so many; with one, ``draws``
    different ones in a row, or as many as there are.
    """
    order, number = _detections_first(split, alerts)
    choices = np.maximum(number - alerts + 1, 0)
    if seed is None:
        first, taken = np.zeros((len(order), 1), dtype=int), np.minimum(choices, 1)
    else:
        chance = np.random.default_rng([seed, len(order)]).random(order.shape)
        chance[np.arange(order.shape[1]) >= choices[:, None]] = np.inf
        first, taken = np.argsort(chance, axis=1)[:, :draws], np.minimum(choices, draws)
    rows, draw = np.nonzero(np.arange(first.shape[1]) < taken[:, None])
    return rows, order[rows[:, None], first[rows, draw][:, None] + np.arange(alerts)]


def alert_epochs(split: DatasetSplit, alerts: int) -> tuple[np.ndarray, np.ndarray]:
    """Epochs (object, alert) of the first alerts, and whether an object has so many (object,)."""
    order, number = _detections_first(split, alerts)
    return order[:, :alerts], number >= alerts


def _detections_first(split, alerts):
    """Epochs (object, epoch) with those of detections first, and the number of these (object,)."""
    detected = split.values(DETECTED) & (np.arange(split.longest) < split.n_epochs[:, None])
    order = np.argsort(~detected, axis=1, kind="stable")
    lacking = max(alerts - order.shape[1], 0)
    return np.pad(order, ((0, 0), (0, lacking))), detected.sum(axis=1)


def _stamps(split, epochs, rows):
    """Stamps of some objects, read block by block."""
    shape = (rows.size, epochs.shape[1], len(PLANES), split.size_pix, split.size_pix)
    found = np.empty(shape, dtype=np.float32)
    for here, block, at in _blocks_of(split, epochs, rows):
        for k, plane in enumerate(PLANES):
            found[here, :, k] = _plane(split, plane, block, at)
    return found


def _blocks_of(split, epochs, rows):
    """Which of ``rows`` are in a block, the block, and the places of their alerts in it."""
    for first, end in split.blocks():
        here = (rows >= first) & (rows < end)
        if here.any():
            yield here, slice(first, end), (rows[here, None] - first, epochs[here])


def _signal_to_noise(split, difference, rows, epochs):
    """Differences (object, alert, row, column) over their noise."""
    if split.values(_NOISE) is None:
        raise ClassifierError(
            f"{split.path} has no {_NOISE}, which --choice snr_difference=true reads."
        )
    found = np.full(difference.shape, np.nan, dtype=np.float32)
    for here, block, at in _blocks_of(split, epochs, rows[:, 0]):
        noise = split.part(_NOISE, block)[at].astype(np.float32)
        known = np.isfinite(noise) & (noise > 0)
        found[here] = np.where(known, difference[here] / np.where(known, noise, 1), np.nan)
    return found


def _plane(split, plane, block, at):
    name, mask = ("images", "mask") if plane == PLANES[0] else (plane, f"{plane}_mask")
    values = split.part(name, block)[at].astype(np.float32)
    values[(split.part(mask, block)[at] != 0) | ~np.isfinite(values)] = np.nan
    return values


def _metadata(split, names):
    """Arrays (object, epoch) by name."""
    flux, error, limit = (split.values(name).astype(float) for name in _NEEDED)
    zero_point, exposure_time_s = (
        split.values(name).astype(float) for name in ("zero_point_mag", "exposure_time_s")
    )
    scale = split.profile.camera.pixel_scale_arcsec
    detected = split.values(DETECTED)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {
            "magnitude": zero_point - 2.5 * np.log10(np.abs(flux) / exposure_time_s),
            "magnitude_error": error / np.abs(flux) / _PER_MAG,
            "is_positive": np.where(np.isfinite(flux), flux > 0, np.nan),
            "limiting_mag": limit,
            "fwhm_pix": split.values("seeing_fwhm_arcsec") / scale,
        }
    counted = (
        np.cumsum(detected, axis=1),
        np.broadcast_to(np.arange(flux.shape[1]) + 1.0, flux.shape),
    )
    for name, values in zip(COUNTS, counted, strict=True):
        stored = split.values(name)
        found[name] = values if stored is None else stored
    found |= {name: split.values(name) for name in names if name in _STORED}
    return {name: np.where(np.isfinite(found[name]), found[name], np.nan) for name in names}
