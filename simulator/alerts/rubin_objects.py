"""``diaObject`` of Rubin packets: what the detections of an object so far amount to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from simulator.alerts.rubin_schema import BANDS


def object_rows(
    objects: np.ndarray, measured: Mapping[str, Any], is_asteroid: np.ndarray
) -> list[dict[str, Any] | None]:
    """The row of every detection; None for an asteroid, which belongs to no object.

    Mean fluxes are weighted by the inverse variance. Standard deviations are of the sample; they
    are null for one detection.

    Parameters
    ----------
    objects : int array, shape (detection,)
        In order of object and time.
    measured : mapping
        Columns of ``diaSource``.
    is_asteroid : bool array, shape (detection,)
    """
    rows: list[dict[str, Any] | None] = [None] * len(objects)
    starts = np.flatnonzero(np.r_[True, np.diff(objects) != 0])
    for own in np.split(np.arange(len(objects)), starts[1:]):
        own = own[~is_asteroid[own]]
        if own.size:
            for k, row in zip(own.tolist(), _rows_of_one(own, measured), strict=True):
                rows[k] = row
    return rows


def _rows_of_one(own, measured):
    time, band = measured["midpointMjdTai"][own], measured["band"][own]
    flux, error = measured["psfFlux"][own], measured["psfFluxErr"][own]
    counts = np.arange(1, len(own) + 1)
    ra0 = measured["ra"][own[0]]
    ra = (ra0 + np.cumsum((measured["ra"][own] - ra0 + 180) % 360 - 180) / counts) % 360
    dec = np.cumsum(measured["dec"][own]) / counts
    columns: dict[str, Any] = {
        "diaObjectId": [int(measured["diaObjectId"][own[0]])] * len(own),
        "validityStartMjdTai": measured["timeProcessedMjdTai"][own].tolist(),
        "ra": ra.tolist(),
        "dec": dec.tolist(),
        "firstDiaSourceMjdTai": [float(time[0])] * len(own),
        "lastDiaSourceMjdTai": time.tolist(),
        "nDiaSources": counts.tolist(),
    }
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    for letter in BANDS:
        here = band == letter
        so_far = np.cumsum(here)
        statistics = _statistics(flux[here], error[here], letter) if here.any() else []
        for row, n in zip(rows, so_far.tolist(), strict=True):
            row.update(statistics[n - 1] if n else {f"{letter}_psfFluxNdata": 0})
    return rows


def _statistics(flux, error, letter):
    """Fields of one band after each of its detections."""
    n = np.arange(1, len(flux) + 1)
    weight = 1.0 / np.asarray(error, dtype=float) ** 2
    total = np.cumsum(weight)
    mean = np.cumsum(flux) / n
    squares = np.cumsum((flux - flux[0]) ** 2) - n * (mean - flux[0]) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        scatter = np.sqrt(np.maximum(squares, 0.0) / (n - 1))
    columns = {
        "psfFluxMean": np.cumsum(weight * flux) / total,
        "psfFluxMeanErr": 1.0 / np.sqrt(total),
        "psfFluxSigma": scatter,
        "psfFluxMin": np.minimum.accumulate(flux),
        "psfFluxMax": np.maximum.accumulate(flux),
        "psfFluxErrMean": np.cumsum(error) / n,
        "psfFluxNdata": n,
    }
    lists = {f"{letter}_{name}": values.tolist() for name, values in columns.items()}
    return [
        {name: None if value != value else value for name, value in zip(lists, row, strict=True)}
        for row in zip(*lists.values(), strict=True)
    ]
