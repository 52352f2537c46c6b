"""Objects of a forecast: drawn without images until each class has enough that are detected.

Every object drawn counts in the efficiencies; images are made only of those that are detected.
Object i has the same class, redshift, luminosity, magnitude, period and host under every schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from classifier.forecast.detections import detections_of
from classifier.forecast.lengths import SPLIT, in_chunks
from classifier.forecast.schedules import Schedule
from simulator.lightcurves.protocol import HostPlacement
from simulator.simulator import Simulator
from skyreel.errors import ClassifierError

BLOCK_OBJECTS = 2048
"""Objects that are drawn at a time, fewer where sequences are long: `BLOCK_EPOCHS`."""
BLOCK_EPOCHS = 400_000
LENGTH_STEP = 60
MOST_DRAWN = 100
"""So many objects are drawn at most for one that is asked for."""
Columns = dict[str, np.ndarray]
QUANTITIES = {
    "magnitude": "magnitude in the reference band, at peak for supernovae [AB mag]",
    "redshift": "redshift",
    "period_d": "period [d]",
    "host_mag": "magnitude of the host galaxy in the reference band [AB mag]",
}


def draw_objects(
    schedules: Sequence[Schedule], n: int, on_progress: Callable[[int, int], None]
) -> tuple[list[Columns], list[str]]:
    """Columns (object,) of the objects under each schedule, in the same rows, and notes.

    Parameters
    ----------
    schedules : sequence of Schedule
        Of one population.
    n : int
        Objects that one of the schedules at least detects.
    on_progress : callable of (done, total)

    Raises
    ------
    ClassifierError
        ``n`` is below the number of classes, or no object is detected.
    """
    simulator = schedules[0].simulator
    quota = _quota(simulator, n)
    longest = max(each.simulator.n_epochs for each in schedules)
    size = max(min(BLOCK_OBJECTS, BLOCK_EPOCHS // longest), 1)
    found, parts, first = np.zeros_like(quota), [], 0
    while (found < quota).any() and first < MOST_DRAWN * n + BLOCK_OBJECTS:
        indices = np.arange(first, first + size)
        label = simulator.labels(SPLIT, indices)
        indices = indices[(found < quota)[label]]
        first += size
        if not indices.size:
            continue
        blocks = [object_columns(each, indices) for each in schedules]
        detected = np.any([block["detected"] for block in blocks], axis=0)
        kept, added = _within(quota - found, blocks[0]["label"], detected)
        found += added
        parts.append([{name: v[kept] for name, v in block.items()} for block in blocks])
        on_progress(int(found.sum()), int(quota.sum()))
    tables = [
        {name: np.concatenate([part[k][name] for part in parts]) for name in parts[0][k]}
        for k in range(len(schedules))
    ]
    if not found.any():
        raise ClassifierError(
            f"{schedules[0].asked}: no object is detected (5 sigma) in {first:,} drawn; check the "
            "depths of the schedule."
        )
    return tables, _shortages(simulator.classes, quota, found)


def _quota(simulator, n):
    """Objects of every class among the first ``n``."""
    n_classes = len(simulator.classes)
    if n < n_classes:
        raise ClassifierError(
            f"--n {n}: there are {n_classes} classes; at least one object of each is needed."
        )
    return np.bincount(simulator.labels(SPLIT, np.arange(n)), minlength=n_classes)


def _within(missing, label, detected):
    """Which objects are kept, up to the last one that is needed, and how many are detected."""
    kept, added = np.zeros(label.size, dtype=bool), np.zeros_like(missing)
    for number, count in enumerate(missing):
        rows = np.flatnonzero(label == number)
        before = np.cumsum(detected[rows]) - detected[rows]
        kept[rows] = before < count
        added[number] = detected[rows][kept[rows]].sum()
    return kept, added


def _shortages(classes, quota, found):
    return [
        f"Only {have:,} of {wanted:,} objects of the class {name} are detected among all drawn."
        for name, wanted, have in zip(classes, quota, found, strict=True)
        if have < wanted
    ]


def object_columns(schedule: Schedule, indices: np.ndarray) -> Columns:
    """What is known of objects under a schedule without their images, arrays (object,)."""
    limits = {"step": LENGTH_STEP, "images": BLOCK_EPOCHS, "most": BLOCK_OBJECTS}
    chunks = in_chunks(schedule.simulator, indices, **limits)
    parts = [_columns(schedule, chunk.simulator, indices[chunk.places]) for chunk in chunks]
    back = np.argsort(np.concatenate([chunk.places for chunk in chunks]))
    return {name: np.concatenate([part[name] for part in parts])[back] for name in parts[0]}


def _columns(schedule, simulator, indices):
    drawn = simulator.drawn(SPLIT, indices)
    seen, pointing = detections_of(drawn), simulator.pointing_numbers(SPLIT, indices)
    return {
        "index": np.asarray(indices, dtype=np.int64),
        "label": drawn.label.astype(np.int16),
        "subtype": _parameter(drawn, "subtype"),
        **_quantities(simulator, drawn),
        "pointing": pointing.astype(np.int32),
        **_positions(schedule.pointings, pointing),
        "n_epochs": seen.n_epochs.astype(np.int32),
        "first_mjd": seen.first_mjd,
        "last_mjd": seen.last_mjd,
        "detected": seen.detected,
        "first_detection_mjd": seen.first_detection_mjd,
        "n_detections": seen.n_detections.astype(np.int32),
    }


def _parameter(drawn, name):
    values = drawn.objects.parameters.get(name)
    return np.full(len(drawn.label), np.nan) if values is None else values


def _quantities(simulator: Simulator, drawn):
    """Values of `QUANTITIES`, NaN where they mean nothing."""
    peak, mean = _parameter(drawn, "peak_mag"), _parameter(drawn, "mean_mag")
    own, galaxy = (
        _placed(simulator, drawn, p) for p in (HostPlacement.OWN_HOST, HostPlacement.GALAXY)
    )
    host = drawn.objects.host_magnitude[:, simulator.bands.reference]
    return {
        "magnitude": np.where(np.isfinite(peak), peak, mean),
        "redshift": np.where(own, _parameter(drawn, "redshift"), np.nan),
        "period_d": _parameter(drawn, "period_d"),
        "host_mag": np.where(np.isfinite(host) & ~galaxy, host, np.nan),
    }


def _placed(simulator, drawn, placement):
    """Whether objects are of classes of this placement, bool (object,)."""
    names = enumerate(simulator.classes)
    chosen = [k for k, name in names if simulator.models[name].host_placement is placement]
    return np.isin(drawn.label, chosen)


def _positions(pointings, number):
    """Position and programme of each object's pointing; NaN and "" where unknown."""
    return {
        "ra_deg": pointings.ra_deg[number],
        "dec_deg": pointings.dec_deg[number],
        "programme": pointings.programme[number],
    }
