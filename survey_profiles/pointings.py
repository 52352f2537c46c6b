"""Sequences of exposures, drawn from a profile or read from a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from survey_profiles.profile import Psf

_FLOAT_COLUMNS = (
    "exposure_time_s",
    "airmass",
    "seeing_fwhm_arcsec",
    "sky_adu",
    "zero_point_mag",
    "limiting_mag",
    "psf_beta",
    "psf_e1",
    "psf_e2",
)


_OF_POINTING = ("ra_deg", "dec_deg", "programme")


@dataclass(frozen=True)
class Pointings:
    """Exposure sequences; arrays are (pointing, epoch), padded to the longest sequence.

    Parameters
    ----------
    mjd : float64
        Start of the exposure, strictly increasing along a row; NaN where padded.
    band : uint8
        Index into ``tuple(profile.bands)``; 0 where padded.
    exposure_time_s, airmass, sky_adu, zero_point_mag, limiting_mag : float32
        ``sky_adu`` is the whole background of one pixel, dark current included; a zero point
        is the AB magnitude of 1 ADU/s; the limit is 5 sigma for a point source. NaN where
        padded.
    seeing_fwhm_arcsec : float32
        Half-maximum width of the PSF, geometric mean of its two axes.
    psf_beta, psf_e1, psf_e2 : float32
        Moffat exponent; e = (a - b)/(a + b), so axis ratio q = (1 - e)/(1 + e);
        e1 = e cos 2 theta, e2 = e sin 2 theta, theta from +x (columns) towards +y (rows).
        The HiTS star fits these were measured from give chi = (a^2 - b^2)/(a^2 + b^2)
        instead (checked by refitting stamps); they were converted with
        e = chi / (1 + sqrt(1 - chi^2)).
    n_epochs : int16, shape (pointing,)
    ccd : int16, shape (pointing,)
        Index into ``profile.camera.ccds``; -1 where a table does not fix it.
    ra_deg, dec_deg : float64, shape (pointing,)
        Position; NaN where a table does not give it.
    programme : text array, shape (pointing,)
        "ddf" where most visits are of deep drilling, "wfd" where most are not, "" where a table
        does not say it.
    first_mjd : float
        Time from which seasons and years are counted: of the first visit of a table, whatever is
        selected, or the start of a drawn survey.
    unused_rows : mapping of str to int
        Rows of the table that are left out, by reason; empty for drawn pointings.
    notes : tuple of str
        What of the table was converted, and what follows from other columns.
    """

    mjd: np.ndarray
    band: np.ndarray
    exposure_time_s: np.ndarray
    airmass: np.ndarray
    seeing_fwhm_arcsec: np.ndarray
    sky_adu: np.ndarray
    zero_point_mag: np.ndarray
    limiting_mag: np.ndarray
    psf_beta: np.ndarray
    psf_e1: np.ndarray
    psf_e2: np.ndarray
    n_epochs: np.ndarray
    ccd: np.ndarray
    ra_deg: np.ndarray
    dec_deg: np.ndarray
    programme: np.ndarray
    first_mjd: float
    unused_rows: Mapping[str, int] = field(default_factory=dict, compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)

    def __len__(self) -> int:
        return len(self.n_epochs)

    def rows(self, rows: np.ndarray | slice) -> Pointings:
        """Some of the pointings."""
        names = ("mjd", "band", "n_epochs", "ccd", *_OF_POINTING, *_FLOAT_COLUMNS)
        return replace(self, **{name: getattr(self, name)[rows] for name in names})


def pack_left(
    keep: np.ndarray, columns: Mapping[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Move the kept entries of (pointing, epoch) arrays to the left, in order.

    Parameters
    ----------
    keep : bool array, shape (pointing, epoch)
    columns : dict of name to array, shape (pointing, epoch)

    Returns
    -------
    dict of name to array, int array
        Arrays cut to the longest row, NaN (0 for integers) where padded; the row lengths.
    """
    length = keep.sum(axis=1)
    order = np.argsort(~keep, axis=1, kind="stable")[:, : max(int(length.max(initial=0)), 1)]
    padded = np.arange(order.shape[1]) >= length[:, None]
    packed = {}
    for name, values in columns.items():
        moved = np.take_along_axis(values, order, axis=1)
        moved[padded] = 0 if np.issubdtype(moved.dtype, np.integer) else np.nan
        packed[name] = moved
    return packed, length


def as_pointings(
    columns: Mapping[str, np.ndarray],
    n_epochs: ArrayLike,
    ccd: ArrayLike,
    ra_deg: ArrayLike = np.nan,
    dec_deg: ArrayLike = np.nan,
    programme: ArrayLike = "",
    first_mjd: float | None = None,
) -> Pointings:
    """A ``Pointings`` of packed columns (pointing, epoch), in its data types.

    Seasons are counted from ``first_mjd``, by default the first exposure.
    """
    if first_mjd is None:
        first_mjd = float(np.nanmin(columns["mjd"]))
    n_epochs = np.asarray(n_epochs, dtype=np.int16)

    def of_each(value, dtype):
        return np.broadcast_to(np.asarray(value, dtype=dtype), n_epochs.shape)

    return Pointings(
        mjd=columns["mjd"].astype(np.float64),
        band=columns["band"].astype(np.uint8),
        n_epochs=n_epochs,
        ccd=np.asarray(ccd, dtype=np.int16),
        ra_deg=of_each(ra_deg, np.float64),
        dec_deg=of_each(dec_deg, np.float64),
        programme=of_each(programme, "<U3"),
        first_mjd=first_mjd,
        **{name: columns[name].astype(np.float32) for name in _FLOAT_COLUMNS},
    )


MAX_ELLIPTICITY = 0.4  # axis ratio 0.43; the roundest and flattest real stars lie well inside


def draw_shapes(
    psf: Psf, rng: np.random.Generator, fwhm_arcsec: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Moffat beta, e1 and e2 of each exposure (pointing, epoch), as ``Psf`` describes them.

    NaN widths give NaN shapes.
    """
    beta = psf.beta_median * fwhm_arcsec**psf.beta_fwhm_exponent
    beta = beta * np.exp(
        _two_scales(rng, beta.shape, psf.beta_pointing_scatter, psf.beta_exposure_scatter)
    )
    e1, e2 = (
        mean + _two_scales(rng, beta.shape, psf.ellipticity_pointing_scatter, scatter)
        for mean, scatter in (
            (psf.e1_mean, psf.e1_exposure_scatter),
            (psf.e2_mean, psf.e2_exposure_scatter),
        )
    )
    shrink = np.minimum(1.0, MAX_ELLIPTICITY / np.maximum(np.hypot(e1, e2), 1e-12))
    missing = np.where(np.isnan(fwhm_arcsec), np.nan, 1.0)
    return np.clip(beta, *psf.beta_range), e1 * shrink * missing, e2 * shrink * missing


def _two_scales(rng, shape, pointing_scatter, exposure_scatter):
    """A normal term common to each row plus one per entry."""
    common = rng.normal(0.0, pointing_scatter, (shape[0], 1))
    return common + rng.normal(0.0, exposure_scatter, shape)
