"""What the fuzzers of ``ingest`` share: a run of it, and what must hold of its data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from finetune.ingest.conversion import Request, run_request
from simulator.dataset.reader import open_dataset
from survey_profiles.physical_ranges import PHYSICAL_RANGES

_FINITE = ("images", "gain_e_per_adu", "read_noise_e", "sky_adu", "published_flux_adu", "airmass")
_IN_RANGE = ("mjd", "exposure_time_s", "zero_point_mag", "limiting_mag", "seeing_fwhm_arcsec")


def run_ingest(reader: str, path: Path, folder: Path, labels: Path | None = None) -> Path:
    """Path of the data set that ``ingest`` makes."""
    out = folder / "out.zarr"
    run_request(
        Request(
            reader=reader,
            path=path,
            out=out,
            survey=None,
            size_pix=None,
            quiet=True,
            labels=labels,
        )
    )
    return out


def fault_of(out: Path, expected: set[str] = frozenset()) -> str | None:
    """What is wrong with a data set: a lost object, a time, or a value that cannot be."""
    split = open_dataset(out)["test"]
    lost = expected - set(map(str, split["object_id"][:]))
    if lost:
        return f"lost {sorted(lost)}"
    for times, n in zip(split["mjd"][:], split["n_epochs"][:], strict=True):
        if not (np.isfinite(times[:n]).all() and (np.diff(times[:n]) > 0).all()):
            return "times that do not increase"
    for name in _FINITE:
        if name in split and np.isinf(split[name][:]).any():
            return f"infinite {name}"
    for name in _IN_RANGE:
        low, high, _ = PHYSICAL_RANGES[name]
        values = split[name][:]
        values = values[np.isfinite(values) | np.isinf(values)]
        # a zero point is that of 1 ADU/s, where packets have that of the whole exposure
        slack = 8 if name == "zero_point_mag" else 0
        if not ((values >= low - slack) & (values <= high)).all():
            return f"{name} of {values.min():g} to {values.max():g}"
    return None
