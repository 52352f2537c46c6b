"""Ranges of physical values, and what stands for an unknown one: the table of all readers.

Masked elements, None, NaN and infinities are unknown. So is what lies outside the range of its
quantity, for instance the -999, -99, 99 and 99.999 that catalogues write for no measurement.
"""

from __future__ import annotations

from numbers import Real
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skyreel.errors import UserError

JD_OF_MJD_ZERO = 2400000.5


class PhysicalRange(NamedTuple):
    """Lowest and highest value of a quantity, both allowed, and its unit."""

    low: float
    high: float
    unit: str

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g} {self.unit}".rstrip()


PHYSICAL_RANGES = {
    "mjd": PhysicalRange(15020, 88069, "d"),  # the years 1900 to 2099
    "exposure_time_s": PhysicalRange(1e-3, 86400, "s"),
    "airmass": PhysicalRange(1, 10, ""),
    "seeing_fwhm_arcsec": PhysicalRange(0.01, 60, "arcsec"),
    "seeing_fwhm_pix": PhysicalRange(0.1, 200, "pixels"),
    "sky_adu": PhysicalRange(0, 1e7, "ADU"),
    "sky_e": PhysicalRange(1e-3, 1e7, "electrons"),
    "zero_point_mag": PhysicalRange(5, 40, "mag"),
    "limiting_mag": PhysicalRange(1, 40, "mag"),  # 0 is written for none
    "sky_mag_per_arcsec2": PhysicalRange(1, 40, "mag"),
    "gain_e_per_adu": PhysicalRange(1e-6, 1e6, "electrons/ADU"),
    "read_noise_e": PhysicalRange(0, 1e4, "electrons"),
    "pixel_scale_arcsec": PhysicalRange(1e-3, 100, "arcsec"),
    "magnitude": PhysicalRange(-30, 40, "mag"),
    "magnitude_error": PhysicalRange(0, 9, "mag"),  # DAOPHOT writes 9.999 for none
    "ra_deg": PhysicalRange(-180, 360, "deg"),
    "dec_deg": PhysicalRange(-90, 90, "deg"),
    "redshift": PhysicalRange(-0.1, 20, ""),
    "psf_beta": PhysicalRange(1.01, 100, ""),
    "psf_e1": PhysicalRange(-0.95, 0.95, ""),
    "psf_e2": PhysicalRange(-0.95, 0.95, ""),
}


def filled(values: ArrayLike) -> NDArray[np.float64]:
    """Values as float64, NaN where they are masked, None or the NA of pandas.

    NumPy masked arrays, columns and masked values of astropy, arrays of pandas and sequences of
    any of them are understood.

    Raises
    ------
    TypeError, ValueError
        If they are not numbers.
    """
    if isinstance(values, np.ma.MaskedArray):
        return np.ma.filled(values.astype(np.float64), np.nan)
    if hasattr(values, "to_numpy"):  # pandas and its NA
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    if hasattr(values, "unmasked"):  # astropy.utils.masked.Masked
        return np.where(values.mask, np.nan, np.asarray(values.unmasked, dtype=np.float64))
    if is_missing(values):
        return np.array(np.nan)
    if isinstance(values, list | tuple) and any(_may_be_masked(value) for value in values):
        return np.array([filled(value) for value in values])
    if isinstance(values, np.ndarray) and values.dtype == object:
        flat = [np.nan if is_missing(value) else value for value in values.flat]
        return np.array(flat, dtype=np.float64).reshape(values.shape)
    return np.asarray(values, dtype=np.float64)


def is_missing(value: object) -> bool:
    """Whether a value is None, a masked one of NumPy, or the NA of pandas."""
    return value is None or value is np.ma.masked or type(value).__name__ == "NAType"


def _may_be_masked(value):
    return (
        is_missing(value)
        or isinstance(value, list | tuple | np.ma.MaskedArray)
        or hasattr(value, "to_numpy")
        or hasattr(value, "unmasked")
    )


def known(quantity: str, values: ArrayLike) -> NDArray[np.float64]:
    """Values of a quantity as float64, NaN where they are unknown (see the module).

    Parameters
    ----------
    quantity : str
        A key of `PHYSICAL_RANGES`.
    values : array_like
        In the unit of the range.
    """
    low, high, _ = PHYSICAL_RANGES[quantity]
    values = filled(values)
    with np.errstate(invalid="ignore"):
        return np.where((values >= low) & (values <= high), values, np.nan)


def check_known(quantity: str, values: ArrayLike, error: type[UserError] = UserError) -> None:
    """Refuse values that are unknown; arguments of Python functions are checked by this.

    Raises
    ------
    UserError
        Of the type ``error``.
    """
    low, high, _ = PHYSICAL_RANGES[quantity]
    if isinstance(values, Real) and low <= values <= high:
        return
    values = np.atleast_1d(filled(values))
    bad = values[np.isnan(known(quantity, values))]
    if bad.size:
        hint = ""
        if quantity == "mjd" and not np.isnan(as_mjd(bad[0])[0]):
            hint = f" It looks like a Julian date: the MJD is {as_mjd(bad[0])[0]:.6f}."
        allowed = PHYSICAL_RANGES[quantity]
        raise error(f"{quantity} = {bad[0]:g}; allowed: {allowed}.{hint}")


def as_mjd(times_day: ArrayLike) -> tuple[NDArray[np.float64], int]:
    """Modified Julian dates of times that are MJD or JD, and how many were JD.

    A time is taken as a JD where this gives an MJD in the physical range, which no MJD does.
    Others that are no MJD are NaN.
    """
    times_day = filled(times_day)
    shifted = known("mjd", times_day - JD_OF_MJD_ZERO)
    is_jd = ~np.isnan(shifted)
    return np.where(is_jd, shifted, known("mjd", times_day)), int(np.count_nonzero(is_jd))
