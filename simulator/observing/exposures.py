"""The exposures of a batch of objects: schedule, PSF and detector from a bank of pointings."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from simulator.expose import Detector
from simulator.observing.condition_errors import perturbed
from simulator.observing.schedule import Schedule, noise_limited_mag
from simulator.psf.psf import Psf, SurveyPsf, noise_pixels
from simulator.rng import Draws, Purpose

if TYPE_CHECKING:
    from survey_profiles import Profile
    from survey_profiles.pointings import Pointings


@dataclass(frozen=True)
class Conditions:
    """Observing conditions of a batch; arrays (object, epoch) unless said otherwise."""

    schedule: Schedule
    n_epochs: np.ndarray  # (object,)
    ccd: np.ndarray  # (object,): -1 where the camera has no list of detectors
    limiting_mag: np.ndarray  # as the survey reports it
    airmass: np.ndarray
    seeing_fwhm_arcsec: np.ndarray
    sky_adu: np.ndarray
    background_e: np.ndarray  # of one pixel; 0 where padded
    throughput: np.ndarray  # light that arrives, relative to the zero point
    psf: Psf
    detector: Detector

    def until(self, n_epochs: int) -> Conditions:
        """The same, in arrays of at most so many epochs."""
        return _until(self, self.schedule.mjd.shape, n_epochs)


def _until(value: Any, shape: tuple[int, int], n_epochs: int) -> Any:
    """A record with its arrays of this shape (object, epoch) cut."""
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value[:, :n_epochs]) if value.shape == shape else value
    if is_dataclass(value):
        names = [f.name for f in fields(value)]
        return replace(value, **{n: _until(getattr(value, n), shape, n_epochs) for n in names})
    if isinstance(value, tuple):  # Psf, Detector
        return type(value)(*(_until(each, shape, n_epochs) for each in value))
    return value


class PointingBank:
    """Draws a pointing and a detector for every object, and with them its exposures.

    ``condition_error`` is the size of the errors by which conditions differ from those planned.
    """

    def __init__(
        self, profile: Profile, pointings: Pointings, condition_error: float = 0.0
    ) -> None:
        self._profile = profile
        self._condition_error = condition_error
        self.pointings = pointings
        self.n_epochs = pointings.mjd.shape[1]
        self._psf = SurveyPsf(profile)
        camera = profile.camera
        self._common = {
            "cosmic_ray_rate_per_pix_s": camera.cosmic_ray_rate_per_mpix_s * 1e-6,
            "hot_pixel_fraction": camera.hot_pixel_fraction,
            "bad_column_fraction": camera.bad_column_fraction,
            "lanczos_order": profile.psf.lanczos_order,
            "silicon_um": camera.silicon_um,
            "pixel_um": camera.pixel_um,
        }

    def of_length(self, n_epochs: int) -> Self:
        """The same, with conditions in arrays of at most so many epochs."""
        other = copy(self)
        other.n_epochs = min(n_epochs, self.n_epochs)
        return other

    def draw(self, seed: int, objects: np.ndarray) -> Conditions:
        """Conditions of the objects at these addresses, shape (object,)."""
        conditions = self._drawn(seed, objects)
        longest = conditions.schedule.mjd.shape[1]
        return conditions if self.n_epochs == longest else conditions.until(self.n_epochs)

    def _drawn(self, seed, objects):
        draws = Draws(seed, objects, Purpose.POINTING)
        number = self._numbers(draws)
        rows = self.pointings.rows(number)
        rows = perturbed(rows, self._profile, seed, objects, self._condition_error)
        ccd = self._ccd(draws, rows)
        gain, read_noise, saturation = self._amplifiers(ccd)
        psf = self._psf.draw(rows, Draws(seed, objects, Purpose.PSF))
        background_e = rows.sky_adu * gain[:, None]
        error_mag = Draws(seed, objects, Purpose.CALIBRATION).normals(rows.mjd.shape[1])
        error_mag *= self._profile.weather.calibration_scatter_mag
        return Conditions(
            schedule=_schedule(rows, noise_pixels(psf), background_e, read_noise, gain),
            n_epochs=rows.n_epochs,
            ccd=ccd,
            limiting_mag=rows.limiting_mag,
            airmass=rows.airmass,
            seeing_fwhm_arcsec=rows.seeing_fwhm_arcsec,
            sky_adu=rows.sky_adu,
            background_e=np.nan_to_num(background_e),
            throughput=10.0 ** (-0.4 * error_mag),
            psf=psf,
            detector=Detector(
                gain_e_per_adu=gain,
                read_noise_e=read_noise,
                full_well_e=saturation * gain,
                exposure_time_s=np.nan_to_num(rows.exposure_time_s),
                edges=self._edges(Draws(seed, objects, Purpose.EDGE)),
                **self._common,
            ),
        )

    def numbers(self, seed: int, objects: np.ndarray) -> np.ndarray:
        """Which pointing the objects at these addresses are given, int (object,)."""
        return self._numbers(Draws(seed, objects, Purpose.POINTING))

    def _numbers(self, draws):
        return draws.integers(len(self.pointings))

    def _ccd(self, draws, rows):
        n_ccds = len(self._profile.camera.ccds)
        if not n_ccds:
            return np.full(len(rows), -1)
        return np.where(rows.ccd >= 0, rows.ccd, draws.integers(n_ccds))

    def _amplifiers(self, ccd):
        """Gain [e/ADU], read noise [e] and saturation [ADU] of each object."""
        camera = self._profile.camera
        each = camera.ccds or (camera,)
        values = [(c.gain_e_per_adu, c.read_noise_e, c.saturation_adu) for c in each]
        return np.array(values, dtype=float)[np.maximum(ccd, 0)].T

    def _edges(self, draws):
        """(first row, end row, first column, end column) on the detector, as shares of a stamp.

        A stamp that is cut has lost up to half of itself on one side.
        """
        edges = np.tile([0.0, 1.0, 0.0, 1.0], (len(draws), 1))
        cut = draws.uniform() < self._profile.camera.edge_stamp_fraction
        side, lost = draws.integers(4), draws.uniform(0.0, 0.5)
        rows = np.flatnonzero(cut)
        edges[rows, side[rows]] += np.where(side[rows] % 2, -lost[rows], lost[rows])
        return edges


def _schedule(rows, n_noise_pixels, background_e, read_noise_e, gain_e_per_adu) -> Schedule:
    """The exposures with the depth that their own noise allows."""
    gain = gain_e_per_adu[:, None]
    noise_limit = noise_limited_mag(
        n_noise_pixels,
        background_e,
        read_noise_e[:, None],
        rows.zero_point_mag,
        rows.exposure_time_s,
        gain,
    )
    return Schedule(
        mjd=rows.mjd,
        band=rows.band.astype(np.int64),
        exposure_time_s=rows.exposure_time_s,
        zero_point_mag=rows.zero_point_mag,
        limiting_mag=np.fmin(rows.limiting_mag, noise_limit),
        gain_e_per_adu=gain,
        noise_limit_mag=noise_limit,
        seeing_fwhm_arcsec=rows.seeing_fwhm_arcsec,
    )
