"""``diaObject`` of Rubin packets: what the detections of an object so far amount to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from simulator.alerts.rubin_schema import BANDS

_OF_BANDS = (
    *("psfFluxMean", "psfFluxMeanErr", "psfFluxSigma", "psfFluxMin", "psfFluxMax"),
    "psfFluxErrMean",
)


def object_columns(objects: np.ndarray, measured: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Columns of ``diaObject`` after every detection; NaN where nothing is known.

    Mean fluxes are weighted by the inverse variance. Standard deviations are of the sample; they
    are not known for one detection.

    Parameters
    ----------
    objects : int array, shape (detection,)
        In order of object and time, without asteroids, whose detections belong to no object.
    measured : mapping
        Columns of ``diaSource`` of these detections.
    """
    n = len(objects)
    columns: dict[str, np.ndarray] = {
        "diaObjectId": measured["diaObjectId"].astype(np.int64),
        "validityStartMjdTai": measured["timeProcessedMjdTai"],
        "lastDiaSourceMjdTai": measured["midpointMjdTai"],
    }
    columns |= {name: np.zeros(n) for name in ("ra", "dec", "firstDiaSourceMjdTai")}
    columns["nDiaSources"] = np.zeros(n, dtype=np.int64)
    for letter in BANDS:
        columns |= {f"{letter}_{name}": np.full(n, np.nan) for name in _OF_BANDS}
        columns[f"{letter}_psfFluxNdata"] = np.zeros(n, dtype=np.int64)
    starts = np.flatnonzero(np.r_[True, np.diff(objects) != 0]) if n else np.zeros(0, dtype=int)
    for first, end in zip(starts, [*starts[1:], n], strict=True):
        _fill_one(columns, measured, slice(first, end))
    return columns


def _fill_one(columns, measured, own):
    """Columns of the detections of one object."""
    time, band = measured["midpointMjdTai"][own], measured["band"][own]
    flux, error = measured["psfFlux"][own], measured["psfFluxErr"][own]
    ra, dec = measured["ra"][own], measured["dec"][own]
    counts = np.arange(1, len(time) + 1)
    columns["ra"][own] = (ra[0] + np.cumsum((ra - ra[0] + 180) % 360 - 180) / counts) % 360
    columns["dec"][own] = np.cumsum(dec) / counts
    columns["firstDiaSourceMjdTai"][own] = time[0]
    columns["nDiaSources"][own] = counts
    for letter in BANDS:
        here = band == letter
        if not here.any():
            continue
        so_far = np.cumsum(here)
        columns[f"{letter}_psfFluxNdata"][own] = so_far
        for name, values in _statistics(flux[here], error[here]).items():
            after = np.concatenate([[np.nan], values])
            columns[f"{letter}_{name}"][own] = after[so_far]


def _statistics(flux, error):
    """Fields of one band after each of its detections."""
    n = np.arange(1, len(flux) + 1)
    weight = 1.0 / np.asarray(error, dtype=float) ** 2
    total = np.cumsum(weight)
    mean = np.cumsum(flux) / n
    squares = np.cumsum((flux - flux[0]) ** 2) - n * (mean - flux[0]) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        scatter = np.sqrt(np.maximum(squares, 0.0) / (n - 1))
    values = (
        *(np.cumsum(weight * flux) / total, 1.0 / np.sqrt(total), scatter),
        *(np.minimum.accumulate(flux), np.maximum.accumulate(flux), np.cumsum(error) / n),
    )
    return dict(zip(_OF_BANDS, values, strict=True))
