"""Tables of exposures, one reader per kind of file behind `read_exposures`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from skyreel.errors import ExposureTableError

if TYPE_CHECKING:
    from survey_profiles.pointings import Pointings
    from survey_profiles.profile import Profile

SQLITE_SUFFIXES = (".db", ".sqlite", ".sqlite3")


def read_exposures(path: str | Path, profile: Profile, seed: int = 0) -> Pointings:
    """Read the exposure sequences of a table.

    Parameters
    ----------
    path : str or Path
        ECSV, CSV or Parquet with the columns ``mjd, band, exposure_time_s, airmass,
        seeing_fwhm_arcsec, sky_adu, zero_point_mag, limiting_mag`` and, where known,
        ``field, ccd, psf_beta, psf_e1, psf_e2``; or a Rubin OpSim SQLite file. ``ccd`` is a
        CCD's name or its number, counted from 1 in the order of the profile.
    profile : Profile
        Rows in bands it has but does not use are left out, and so are rows wider than its
        ``seeing.max_fwhm_arcsec``.
    seed : int
        For what the table does not hold: PSF shapes, positions in an OpSim file.

    Returns
    -------
    Pointings
        Its ``unused_rows`` counts the rows that are left out, by reason.

    Raises
    ------
    ExposureTableError
        The file cannot be read, or a column or value is missing or impossible.
    """
    path = Path(path)
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise ExposureTableError(f"{path}: the exposure table {found}; give a file.")
    if path.suffix.lower() in SQLITE_SUFFIXES:
        from survey_profiles.exposure_tables.opsim import read_opsim

        return read_opsim(path, profile, seed)
    from survey_profiles.exposure_tables.plain import read_plain

    return read_plain(path, profile, seed)
