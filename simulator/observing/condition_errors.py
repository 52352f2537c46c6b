"""Conditions perturbed at random around those planned, as a forecast of them errs.

Errors are drawn for every object from the sizes of ``[condition_errors]`` of the profile. Those of
seeing, sky, zero point, depth and ellipticity are symmetric; clouds only dim, and nights are only
lost. How the extinction is spread over the nights is drawn too, from a few opaque nights
to thin clouds in all of them. Arrays are (object, epoch), NaN where padded.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from simulator.rng import Draws, Purpose
from skyreel.errors import SimulationError
from survey_profiles.pointings import MAX_ELLIPTICITY, pack_left

if TYPE_CHECKING:
    from survey_profiles import Profile
    from survey_profiles.conditions_schema import ConditionErrors
    from survey_profiles.pointings import Pointings

MAX_SIZE = 3.0
OPAQUE_MAG = 10.0  # extinction counted at most
_LEAST_CLOUDY = 0.1  # fraction of nights that share the clouds of a sequence; at most all nights
_BANDS, _NIGHTS, _SHAPES, _CLOUDS, _LOST, _SEQUENCE = range(1, 7)  # append, never renumber


def check_size(size: float) -> None:
    """Refuse a size of the errors outside 0 to `MAX_SIZE`.

    Raises
    ------
    SimulationError
    """
    if not 0 <= size <= MAX_SIZE:
        raise SimulationError(
            f"--condition-error {size:g}: a number from 0 (conditions as planned) to {MAX_SIZE:g}; "
            "1 stands for errors as large as those published."
        )


def perturbed(
    rows: Pointings, profile: Profile, seed: int, objects: np.ndarray, size: float
) -> Pointings:
    """Exposures of objects under conditions that differ from those planned.

    The 5-sigma depth follows the other conditions as 1.25 log10 of the sky, 2.5 log10 of the seeing
    and the zero point (Ivezic et al. 2019, equation 6). Exposures wider than
    ``seeing.max_fwhm_arcsec`` and those of lost nights are taken out, and the later ones move up,
    unless none would be left.

    Parameters
    ----------
    rows : Pointings
        Planned exposures, one row for each object.
    seed : int
    objects : array of int, shape (object,)
        Addresses of the objects, on which alone their errors depend.
    size : float
        Of the errors: 1 as published, 0 none.
    """
    if not size:
        return rows
    draws = Draws(seed, objects, Purpose.CONDITION_ERROR)
    sizes, night = profile.condition_errors, night_numbers(rows.mjd, profile.site.longitude_deg)
    of_band = _each(draws, _BANDS, 4, len(profile.bands), rows.band, size)
    of_night = _each(draws, _NIGHTS, 2, rows.mjd.shape[1], night, size)
    ln_width = sizes.seeing_band_scatter * of_band[0] + sizes.seeing_night_scatter * of_night[0]
    sky_mag = sizes.sky_band_scatter_mag * of_band[1] + sizes.sky_night_scatter_mag * of_night[1]
    fraction, mean_mag, lost_fraction = _of_sequence(draws, sizes, size)
    extinction_mag = _clouds_mag(draws, night, fraction, mean_mag)
    zero_point_mag = sizes.zero_point_band_scatter_mag * of_band[2] - extinction_mag
    change_mag = zero_point_mag + 0.5 * sky_mag - 2.5 / np.log(10.0) * ln_width
    change_mag = change_mag + sizes.depth_band_scatter_mag * of_band[3]
    e1, e2 = _shapes(rows, draws, size * sizes.ellipticity_scatter)
    columns = {
        "seeing_fwhm_arcsec": rows.seeing_fwhm_arcsec * np.exp(ln_width),
        "sky_adu": rows.sky_adu * 10.0 ** (-0.4 * sky_mag),
        "zero_point_mag": rows.zero_point_mag + zero_point_mag,
        "limiting_mag": rows.limiting_mag + change_mag,
        "psf_e1": e1,
        "psf_e2": e2,
    }
    lost = _nightly(draws, _LOST, night) < lost_fraction[:, None]
    lost |= columns["seeing_fwhm_arcsec"] > profile.seeing.max_fwhm_arcsec
    columns = {name: values.astype(np.float32) for name, values in columns.items()}
    return without(replace(rows, **columns), lost)


def night_numbers(mjd: np.ndarray, longitude_deg: float) -> np.ndarray:
    """Number of the night of each exposure within its sequence, from 0; local noon divides them."""
    date = np.floor(mjd + longitude_deg / 360.0 + 0.5)
    later = np.diff(date, axis=1, prepend=date[:, :1]) > 0
    return np.cumsum(later, axis=1)


def _each(draws, stream, n_quantities, n_places, place, size):
    """Normal errors (quantity, object, epoch), equal for equal ``place`` of an object."""
    values = size * draws.attempt(stream).normals(n_quantities * n_places)
    values = values.reshape(len(draws), n_quantities, n_places)
    return np.stack(
        [np.take_along_axis(values[:, k], place.astype(int), axis=1) for k in range(n_quantities)]
    )


def _nightly(draws, stream, night):
    """A uniform number of every night, given to each of its exposures."""
    values = draws.attempt(stream).uniforms(night.shape[1])
    return np.take_along_axis(values, night, axis=1)


def _of_sequence(draws: Draws, sizes: ConditionErrors, size: float):
    """Fraction of cloudy nights, mean extinction in them [mag], and fraction of lost nights."""
    own = draws.attempt(_SEQUENCE)
    fraction = own.uniform(_LEAST_CLOUDY, 1.0)
    mean_mag = own.uniform(0.0, 2.0 * size * sizes.cloud_mean_mag) / fraction
    return fraction, mean_mag, own.uniform(0.0, 2.0 * size * sizes.lost_night_fraction)


def _clouds_mag(draws, night, fraction, mean_mag):
    """Extinction, exponential in the cloudy nights."""
    share = np.minimum(_nightly(draws, _CLOUDS, night) / fraction[:, None], 1.0)
    return np.minimum(-np.log(share) * mean_mag[:, None], OPAQUE_MAG)


def _shapes(rows, draws, scatter):
    """Components of the ellipticity with an error in each exposure, at most `MAX_ELLIPTICITY`."""
    length = rows.mjd.shape[1]
    error = scatter * draws.attempt(_SHAPES).normals(2 * length)
    e1, e2 = rows.psf_e1 + error[:, :length], rows.psf_e2 + error[:, length:]
    shrink = np.minimum(1.0, MAX_ELLIPTICITY / np.maximum(np.hypot(e1, e2), 1e-12))
    return e1 * shrink, e2 * shrink


def without(rows: Pointings, lost: np.ndarray) -> Pointings:
    """Sequences without their lost exposures; those that would have none keep all.

    Their arrays keep their length.
    """
    taken = np.isfinite(rows.mjd)
    keep = taken & ~lost
    keep = np.where(keep.any(axis=1, keepdims=True), keep, taken)
    names = [
        name
        for name, values in vars(rows).items()
        if isinstance(values, np.ndarray) and values.shape == rows.mjd.shape
    ]
    packed, n_epochs = pack_left(keep, {name: getattr(rows, name) for name in names})
    missing = rows.mjd.shape[1] - packed["mjd"].shape[1]
    padded = {name: _padded(values, missing) for name, values in packed.items()}
    return replace(rows, **padded, n_epochs=n_epochs.astype(rows.n_epochs.dtype))


def _padded(values, missing):
    fill = 0 if np.issubdtype(values.dtype, np.integer) else np.nan
    return np.pad(values, ((0, 0), (0, missing)), constant_values=fill)
