"""From the rows of a table to sequences: which rows are used, and how they are packed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skyreel.errors import ExposureTableError
from survey_profiles.exposure_tables.columns import MEASURED, SHAPES
from survey_profiles.input_tables import UsableRows
from survey_profiles.observing_conditions import random_stream
from survey_profiles.pointings import Pointings, as_pointings, draw_shapes

if TYPE_CHECKING:
    from survey_profiles.profile import Profile

_SHAPE_STREAM = 1000  # away from the rounds of ``draw_pointings``


def leave_out_unused(
    path: Path, columns: Mapping[str, np.ndarray], rows: UsableRows, profile: Profile
) -> list[str]:
    """Leave out rows in bands that are not in use and those of too wide a PSF.

    Returns
    -------
    list of str
        A sentence, where a band in use has no row.

    Raises
    ------
    ExposureTableError
        No band in use has a row, or no row is sharp enough.
    """
    used = [profile.band_names.index(name) for name in profile.cadence.bands]
    there = columns["band"][rows.mask]
    absent = [profile.band_names[b] for b in used if not (there == b).any()]
    if len(absent) == len(used):
        left_out = "".join(f"; {n:,} rows left out: {why}" for why, n in rows.left_out.items())
        raise ExposureTableError(
            f"{path}: no exposure in band {', '.join(absent)}, which the profile {profile.name!r} "
            f"uses{left_out}. Add some, or set cadence.bands to the bands of the table."
        )
    rows.leave_out(~np.isin(columns["band"], used), "band not in use")
    with np.errstate(invalid="ignore"):
        wide = columns["seeing_fwhm_arcsec"] > profile.seeing.max_fwhm_arcsec
    rows.leave_out(wide, "seeing too wide")
    if not rows.mask.any():
        raise ExposureTableError(
            f"{path}: every exposure in use is wider than seeing.max_fwhm_arcsec = "
            f"{profile.seeing.max_fwhm_arcsec:g} arcsec; raise that limit."
        )
    plural = "s" if len(absent) > 1 else ""
    return [f"no exposure in band{plural} {', '.join(absent)}."] if absent else []


def pack_windows(
    columns: Mapping[str, np.ndarray],
    windows: Sequence[np.ndarray],
    ccd: Sequence[int],
    profile: Profile,
    seed: int,
) -> Pointings:
    """Pointings of the given rows of the columns; missing PSF shapes are drawn."""
    length = np.array([len(w) for w in windows])
    taken = np.arange(length.max()) < length[:, None]
    rows = np.zeros(taken.shape, dtype=np.int64)
    rows[taken] = np.concatenate(windows)
    packed = {name: np.where(taken, columns[name][rows], np.nan) for name in MEASURED}
    packed["band"] = np.where(taken, columns["band"][rows], 0)
    rng = random_stream(seed, _SHAPE_STREAM)
    drawn = draw_shapes(profile.psf, rng, packed["seeing_fwhm_arcsec"])
    for name, shape in zip(SHAPES, drawn, strict=True):
        given = name in columns
        packed[name] = np.where(taken, columns[name][rows], np.nan) if given else shape
    return as_pointings(packed, length, ccd)
