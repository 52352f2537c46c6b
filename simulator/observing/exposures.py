"""The exposures of a batch of objects: schedule, PSF and detector from a bank of pointings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.expose import Detector
from simulator.observing.schedule import Schedule, noise_limited_mag
from simulator.psf.empirical import read_library
from simulator.rng import Draws, Purpose
from simulator.scene.profiles import kolmogorov
from simulator.scene.scene import LIBRARY, MIXTURE, MOFFAT, Psf, noise_pixels

MIN_FWHM_PIX = 0.8  # narrower PSFs are drawn at this width
_BETA_RANGE = (1.3, 30.0)  # of the Moffat profiles that can be drawn
_MOST_LOPSIDED = 0.4  # on each axis: the profile then still falls in every direction
_NO_LIBRARY = np.zeros((1, 4, 4), dtype=np.float32)


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
    throughput: np.ndarray  # light that arrives, over what the zero point says
    psf: Psf
    detector: Detector


class PointingBank:
    """Gives every object a pointing, a detector and with them its exposures."""

    def __init__(self, profile, pointings):
        self._profile = profile
        self.pointings = pointings
        self._library = None
        self._mixture = (np.ones(1), np.ones(1))
        if profile.psf.model == "library":
            self._library = read_library(profile.psf.library)
        elif profile.psf.model == "kolmogorov":
            self._mixture = kolmogorov()

    def draw(self, seed, objects) -> Conditions:
        """Conditions of the objects at these addresses."""
        draws = Draws(seed, objects, Purpose.POINTING)
        number = draws.integers(len(self.pointings))
        rows = self.pointings.rows(number)
        ccd = self._ccd(draws, rows)
        gain, read_noise, saturation = self._amplifiers(ccd)
        camera = self._profile.camera
        psf = self._psf(rows, Draws(seed, objects, Purpose.PSF))
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

    def _lopsided(self, draws, shape):
        """Lopsidedness along x and y, per FWHM; arrays (object, epoch)."""
        psf = self._profile.psf
        if not (psf.lopsided_pointing_scatter or psf.lopsided_exposure_scatter):
            return ()
        common = [psf.lopsided_pointing_scatter * draws.normal()[:, None] for _ in range(2)]
        each = [psf.lopsided_exposure_scatter * draws.normals(shape[1]) for _ in range(2)]
        return [
            np.clip(a + b, -_MOST_LOPSIDED, _MOST_LOPSIDED)
            for a, b in zip(common, each, strict=True)
        ]

    def _psf(self, rows, draws) -> Psf:
        seeing_arcsec = np.nan_to_num(rows.seeing_fwhm_arcsec, nan=1.0).astype(float)
        width = seeing_arcsec / self._profile.camera.pixel_scale_arcsec
        broadening = self._profile.psf.pixel_broadening_pix
        shape = self._profile.psf
        scatter = shape.fwhm_pointing_scatter * draws.normal()[:, None]
        scatter = scatter + shape.fwhm_exposure_scatter * draws.normals(width.shape[1])
        fwhm = np.sqrt(np.maximum(width**2 - broadening**2, 0.0)) * np.exp(scatter)
        fwhm = np.maximum(fwhm, MIN_FWHM_PIX)
        width = np.maximum(width * np.exp(scatter), MIN_FWHM_PIX)
        beta = np.nan_to_num(rows.psf_beta, nan=3.0).clip(*_BETA_RANGE).astype(float)
        e1, e2 = (np.nan_to_num(e).astype(float) for e in (rows.psf_e1, rows.psf_e2))
        index, stretch = np.zeros(fwhm.shape, dtype=np.int64), np.ones(fwhm.shape)
        if self._library is None:
            kind = MOFFAT if self._profile.psf.model == "moffat" else MIXTURE
            lopsided = self._lopsided(draws, fwhm.shape)
            return Psf(
                kind, fwhm, beta, e1, e2, *self._mixture, index, stretch, _NO_LIBRARY, 1, *lopsided
            )
        library = self._library
        index = library.nearest(width)  # both widths are measured on pixels
        stretch = width / library.fwhm_pix[index]
        beta, e1, e2 = library.beta[index], library.e1[index], library.e2[index]
        return Psf(
            LIBRARY,
            fwhm,
            beta,
            e1,
            e2,
            *self._mixture,
            index,
            stretch,
            library.images,
            library.oversampling,
        )
