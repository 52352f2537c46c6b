"""The exposures of a batch of objects: schedule, PSF and detector from a bank of pointings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulator.expose import Detector
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


class PointingBank:
    """Draws a pointing and a detector for every object, and with them its exposures."""

    def __init__(self, profile: Profile, pointings: Pointings) -> None:
        self._profile = profile
        self.pointings = pointings
        self._psf = SurveyPsf(profile)

    def draw(self, seed: int, objects: np.ndarray) -> Conditions:
        """Conditions of the objects at these addresses, shape (object,)."""
        draws = Draws(seed, objects, Purpose.POINTING)
        number = draws.integers(len(self.pointings))
        rows = self.pointings.rows(number)
        ccd = self._ccd(draws, rows)
        gain, read_noise, saturation = self._amplifiers(ccd)
        camera = self._profile.camera
        psf = self._psf.draw(rows, Draws(seed, objects, Purpose.PSF))
        gain_e = gain[:, None]
        background_e = rows.sky_adu * gain_e
        error_mag = Draws(seed, objects, Purpose.CALIBRATION).normals(rows.mjd.shape[1])
        error_mag *= self._profile.weather.calibration_scatter_mag
        noise_limit = noise_limited_mag(
            noise_pixels(psf),
            background_e,
            read_noise[:, None],
            rows.zero_point_mag,
            rows.exposure_time_s,
            gain_e,
        )
        schedule = Schedule(
            rows.mjd,
            rows.band.astype(np.int64),
            rows.exposure_time_s,
            rows.zero_point_mag,
            np.fmin(rows.limiting_mag, noise_limit),
            gain_e,
            noise_limit,
            rows.seeing_fwhm_arcsec,
        )
        detector = Detector(
            gain,
            read_noise,
            saturation * gain,
            np.nan_to_num(rows.exposure_time_s),
            camera.cosmic_ray_rate_per_mpix_s * 1e-6,
            camera.hot_pixel_fraction,
            camera.bad_column_fraction,
            self._profile.psf.lanczos_order,
            camera.silicon_um,
            camera.pixel_um,
            self._edges(Draws(seed, objects, Purpose.EDGE)),
        )
        return Conditions(
            schedule,
            rows.n_epochs,
            ccd,
            rows.limiting_mag,
            rows.airmass,
            rows.seeing_fwhm_arcsec,
            rows.sky_adu,
            np.nan_to_num(background_e),
            10.0 ** (-0.4 * error_mag),
            psf,
            detector,
        )

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
