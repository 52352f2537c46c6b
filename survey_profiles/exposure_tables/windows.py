"""From the rows of a table to sequences: which rows are used, and how they are packed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skyreel.errors import ExposureTableError
from survey_profiles.exposure_tables.columns import MEASURED, SHAPES
from survey_profiles.observing_conditions import random_stream
from survey_profiles.pointings import Pointings, as_pointings, draw_shapes

if TYPE_CHECKING:
    from survey_profiles.profile import Profile

_SHAPE_STREAM = 1000  # away from the rounds of ``draw_pointings``


def usable_rows(
    path: Path, columns: Mapping[str, np.ndarray], profile: Profile
) -> tuple[np.ndarray, dict[str, int]]:
    """A mask (row,) of the rows to use, and how many are left out for each reason.

    Raises
    ------
    ExposureTableError
        A band in use has no row, or no row is sharp enough.
    """
    used = [profile.band_names.index(name) for name in profile.cadence.bands]
    absent = [profile.band_names[b] for b in used if not (columns["band"] == b).any()]
    if absent:
        raise ExposureTableError(
            f"{path}: no exposure in band {', '.join(absent)}, which the profile {profile.name!r} "
            "uses; add some, or set cadence.bands to the bands of the table."
        )
    in_band = np.isin(columns["band"], used)
    sharp = columns["seeing_fwhm_arcsec"] <= profile.seeing.max_fwhm_arcsec
    if not (in_band & sharp).any():
        raise ExposureTableError(
            f"{path}: every exposure in use is wider than seeing.max_fwhm_arcsec = "
            f"{profile.seeing.max_fwhm_arcsec:g} arcsec; raise that limit."
        )
    unused = {
        "band not in use": int((~in_band).sum()),
        "seeing too wide": int((in_band & ~sharp).sum()),
    }
    return in_band & sharp, unused


def pack_windows(
    columns: Mapping[str, np.ndarray],
    windows: Sequence[np.ndarray],
    ccd: Sequence[int],
    profile: Profile,
    seed: int,
    unused_rows: Mapping[str, int],
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
    return as_pointings(packed, length, ccd, unused_rows)
