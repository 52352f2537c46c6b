"""Reads FITS files with a cube STAMPS and a table EPOCHS with one row per stamp, as for HiTS.

``ALERT`` in the header is a row number from 0, and -1 means no alert: in the HiTS supernovae the
published flux first exceeds 5 sigma in that row.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from pathlib import Path

import numpy as np

from finetune.readers.fits_file import CubeFile, read_cube_file
from finetune.readers.known_values import KnownValues
from finetune.readers.protocol import (
    CCD_NUMBER,
    FIELD,
    PUBLISHED_FLUX,
    OnFile,
    RealSequence,
    Skipped,
    border_sky_adu,
    find_files,
    in_time_order,
    stored_name,
)
from simulator.dataset.schema import EPOCHS, OBJECTS, ArraySpec
from simulator.detector.defects import BAD_PIXEL, SATURATED
from skyreel.errors import SequenceError
from survey_profiles import load_profile
from survey_profiles.profile import Profile

SUFFIXES = (".fits.gz", ".fits")
_NEEDED = ("mjd", "band", "exposure_time_s", "seeing_fwhm_pix", "zero_point_mag")
_COLUMNS = (
    *(*_NEEDED, "airmass", "limiting_mag", "sky_adu", "sky_border_adu", "saturated"),
    *("lc_flux_adu", "lc_flux_err_adu"),
)
_KEYWORDS = (
    *("OBJECT", "CLASS", "FIELD", "CCD", "CCDNUM", "GAIN", "RDNOISE", "SATURATE", "PIXSCALE"),
    *("MAG", "ALERT", "RESAMPLE"),
)
# HiTS flags stamps whose peak is above this fraction of SATURATE (its flagged ones: 0.90 to 0.95).
_FLAGGED_FRACTION = 0.9
_PIXEL_SCALE_TOLERANCE = 0.1

_FIELD_SKY = "sky level of the whole field; NaN where unknown"
_RESAMPLED = "whether the stamps were interpolated onto another grid; False where unknown"
_EXTRA = (
    ArraySpec("field_sky_adu", EPOCHS, "float32", "adu", _FIELD_SKY),
    *PUBLISHED_FLUX,
    FIELD,
    CCD_NUMBER,
    ArraySpec("catalogue_mag", OBJECTS, "float32", "mag", "catalogue magnitude; NaN where unknown"),
    ArraySpec("resampled", OBJECTS, "bool", "", _RESAMPLED),
)


class FitsCubes:
    """Reader of a folder ``CLASS/*.fits.gz``, a flat folder, or one file."""

    name = "hits"
    extra = _EXTRA

    def profile(self, survey: str | None) -> Profile:
        """The profile of ``survey``, or of HiTS."""
        return load_profile(survey or self.name)

    def files(self, path: Path) -> list[Path]:
        """FITS files under ``path``; IngestError if there are none."""
        return find_files(path, SUFFIXES)

    def read(
        self, files: list[Path], profile: Profile, on_file: OnFile = lambda share: None
    ) -> Iterator[RealSequence | Skipped]:
        """One sequence per file, in the order of ``files``."""
        for path in files:
            try:
                yield read_sequence(path, profile)
            except SequenceError as error:
                yield Skipped(stored_name(path), str(error))
            on_file(1)


def read_sequence(path: Path, profile: Profile) -> RealSequence:
    """The sequence of one file.

    Raises
    ------
    SequenceError
        It cannot be read, lacks a column or keyword, or does not fit the survey.
    """
    file = read_cube_file(path, keywords=_KEYWORDS, columns=_COLUMNS, needed=_NEEDED)
    known = KnownValues()
    epochs = _epochs(file, profile, known)
    has_band = epochs["band"] >= 0
    rows, left_out, notes = in_time_order(epochs["mjd"], epochs["exposure_time_s"], has_band)
    alert, alert_notes = _first_alert(file, epochs["mjd"], rows)
    images = np.where(np.isfinite(file.cube), file.cube, np.float32(np.nan))
    published = "sky_border_adu" in file.table
    epochs["sky_adu"] = (
        known.column("sky_adu", file.column("sky_border_adu"), "sky_border_adu")
        if published
        else border_sky_adu(images)
    )
    objects = _objects(file, profile, known)
    return RealSequence(
        object_id=file.text("OBJECT") or stored_name(path.name).split(".")[0],
        class_name=file.text("CLASS") or None,
        source=stored_name(path),
        images=images[rows],
        mask=_mask(file, images)[rows],
        epochs={name: values[rows] for name, values in epochs.items()},
        objects={**objects, "first_alert_epoch": alert},
        notes=notes + alert_notes + known.notes,
        left_out=left_out,
    )


def _epochs(file: CubeFile, profile, known):
    pixel_scale_arcsec = file.keyword("PIXSCALE", "pixel_scale_arcsec")
    own = profile.camera.pixel_scale_arcsec
    if abs(pixel_scale_arcsec / own - 1) > _PIXEL_SCALE_TOLERANCE:
        raise SequenceError(
            f"its pixels are {pixel_scale_arcsec:g} arcsec wide, those of survey {profile.name} "
            f"{own:g}; give the survey it comes from with --survey."
        )
    same = ("exposure_time_s", "airmass", "zero_point_mag", "limiting_mag")
    arrays = {name: known.column(name, file.column(name)) for name in same}
    arrays["mjd"] = known.times(file.column("mjd"), "mjd")
    arrays["field_sky_adu"] = known.column("sky_adu", file.column("sky_adu"))
    seeing_pix = known.column("seeing_fwhm_pix", file.column("seeing_fwhm_pix"))
    arrays["seeing_fwhm_arcsec"] = seeing_pix * own  # the FWHM is in pixels
    if "lc_flux_adu" in file.table:
        arrays["published_flux_adu"] = file.column("lc_flux_adu")
        arrays["published_flux_error_adu"] = file.column("lc_flux_err_adu")
    arrays["band"] = _bands(file, profile)
    return arrays


def _bands(file, profile):
    names = list(profile.bands)
    found = [str(value).strip() for value in file.table["band"]]
    unknown = sorted(set(found) - set(names))
    if len(unknown) == len(set(found)):
        raise SequenceError(
            f"band {unknown[0]!r} is not one of {', '.join(names)} of survey {profile.name}."
        )
    return np.array([names.index(name) if name in names else -1 for name in found])


def _mask(file, images):
    finite = np.isfinite(images)
    counts = np.where(finite, images, -np.inf)
    saturation_adu = file.number("SATURATE")
    if not saturation_adu > 0:
        saturation_adu = np.inf  # unknown
    flagged = np.nan_to_num(file.column("saturated")) != 0
    flag_adu = np.minimum(counts.max(axis=(1, 2)), _FLAGGED_FRACTION * saturation_adu)
    limit_adu = np.where(flagged, flag_adu, saturation_adu)[:, None, None]
    saturated = finite & (counts >= limit_adu)
    return (SATURATED * saturated + BAD_PIXEL * ~finite).astype(np.uint8)


def _first_alert(file, mjd, rows):
    """Epoch of the first alert among the kept ``rows``; -1 where there is none."""
    alert = file.number("ALERT")
    if not isfinite(alert) or alert == -1:
        return -1, ()
    if alert not in range(len(mjd)):
        return -1, (f"ALERT = {alert:g} is not one of its rows 0 to {len(mjd) - 1}.",)
    epoch = int(np.searchsorted(mjd[rows], mjd[int(alert)]))
    return (epoch if epoch < len(rows) else -1), ()


def _objects(file, profile, known):
    ccds = [ccd.name for ccd in profile.camera.ccds]
    ccd = file.text("CCD")
    return {
        "gain_e_per_adu": file.keyword("GAIN", "gain_e_per_adu"),
        "read_noise_e": file.keyword("RDNOISE", "read_noise_e"),
        "ccd": ccds.index(ccd) if ccd in ccds else -1,
        "ccd_number": _whole(file.number("CCDNUM"), np.int16),
        "field": _whole(file.number("FIELD"), np.int32),
        "catalogue_mag": known.number("magnitude", file.header.get("MAG"), "MAG"),
        "resampled": file.text("RESAMPLE").lower() not in ("", "none"),
    }


def _whole(value, dtype):
    """An integer that fits the type, or -1."""
    fits_in = isfinite(value) and value == int(value) and 0 <= value <= np.iinfo(dtype).max
    return int(value) if fits_in else -1
