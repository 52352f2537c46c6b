"""The templates of a batch: one coadd of earlier exposures per object and band.

A template is drawn once, on a grid of its own that is wider than a stamp, with its own PSF and
noise, and is then moved to every exposure of its band: its noise is common to all of them. Arrays
are (object, band) unless said otherwise; a band that no exposure has is never drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simulator.observing.schedule import DETECTION_SIGMA
from simulator.psf.moffat import BETA_RANGE
from simulator.psf.psf import MIN_FWHM_PIX, Psf, SurveyPsf, noise_pixels
from simulator.rng import Draws, Purpose

if TYPE_CHECKING:
    from simulator.lightcurves.protocol import LightCurveModel
    from simulator.observing.exposures import Conditions
    from survey_profiles import Profile
    from survey_profiles.pointings import Pointings

LANCZOS_ORDER = 4  # of the kernel that moves a template
BORDER_PIX = 6  # by which a template is wider than the stamp from which it is subtracted
_OWN_OFFSET_PIX = 0.5  # largest distance of a source from the centre of a pixel of its template
_MOST_ERROR_SIGMAS = 5.0  # of the alignment
_MOST_DATES = 16  # at which the light of a source is averaged, at most


class Coadds(NamedTuple):
    """The templates of a batch, in electrons of one of their exposures."""

    exposure_time_s: np.ndarray
    zero_point_mag: np.ndarray
    gain_e_per_adu: np.ndarray  # (object, 1)
    fwhm_arcsec: np.ndarray
    limiting_mag: np.ndarray  # 5 sigma of a point source, without its own noise
    background_e: np.ndarray  # of one pixel and exposure, which has been subtracted
    variance_share: np.ndarray  # variance of a pixel, as a share of that of one exposure
    x_pix: np.ndarray  # of the source from the centre of the template's own grid
    y_pix: np.ndarray
    psf: Psf

    def electrons(self, relative_flux: np.ndarray) -> np.ndarray:
        """Electrons of sources of a flux 10^(-0.4 magnitude), of an exposure."""
        per_flux = 10.0 ** (0.4 * self.zero_point_mag) * self.exposure_time_s * self.gain_e_per_adu
        return relative_flux * per_flux

    def scale_to(self, conditions: Conditions) -> np.ndarray:
        """ADU of every exposure per electron of its template, (object, epoch).

        The images are matched in flux by the stars they share, so a template has the throughput
        of the exposure.
        """
        schedule = conditions.schedule
        adu = 10.0 ** (0.4 * schedule.zero_point_mag) * schedule.exposure_time_s
        adu = adu * conditions.throughput / self.at(self.electrons(np.array(1.0)), schedule.band)
        return np.nan_to_num(adu)

    @staticmethod
    def at(values: np.ndarray, band: np.ndarray) -> np.ndarray:
        """Values (object, band) at the bands of exposures, (object, epoch)."""
        return np.take_along_axis(values, band.astype(np.int64), axis=1)


@dataclass(frozen=True)
class TemplateDates:
    """Times of the exposures of templates at which the light of a source is averaged."""

    mjd: np.ndarray  # (object, band, date)
    counts: np.ndarray  # (object, band): dates that count

    def rows(self, rows: np.ndarray) -> TemplateDates:
        """The dates of some of the objects."""
        return TemplateDates(self.mjd[rows], self.counts[rows])

    def flat(self) -> tuple[np.ndarray, np.ndarray]:
        """Times and band numbers of all dates, each (object, band * date)."""
        n, bands, dates = self.mjd.shape
        band = np.broadcast_to(np.arange(bands)[:, None], self.mjd.shape)
        return self.mjd.reshape(n, bands * dates), band.reshape(n, bands * dates).copy()

    def mean(self, flux: np.ndarray) -> np.ndarray:
        """Mean over the dates that count of values as those of `flat`."""
        flux = flux.reshape(self.mjd.shape)
        counted = np.arange(flux.shape[2]) < self.counts[..., None]
        return np.where(counted, flux, 0.0).sum(axis=2) / self.counts


class TemplateBank:
    """Draws the templates of a survey's objects.

    Parameters
    ----------
    profile : survey_profiles.Profile
    pointings : survey_profiles.pointings.Pointings
        The exposures of the survey, whose medians those of the templates have.
    size_pix : int
        Rows and columns of a stamp.
    spare_pix : int
        By which templates are wider on every side than the usual errors of alignment need.
    """

    def __init__(
        self, profile: Profile, pointings: Pointings, size_pix: int, spare_pix: int = 0
    ) -> None:
        self._profile, self._settings = profile, profile.template
        self._psf = SurveyPsf(profile)
        self.wide_pix = size_pix + 2 * (_margin_pix(profile) + spare_pix)
        used = np.isfinite(pointings.mjd)
        columns = [used & (pointings.band == k) for k in range(len(profile.bands))]
        self._used = np.array([column.any() for column in columns])

        def middle(values, unused, percent=50.0):
            found = [np.percentile(values[c], percent) if c.any() else unused for c in columns]
            return np.array(found, dtype=float)

        self._exposure_time_s = middle(pointings.exposure_time_s, 1.0)
        self._zero_point_mag = middle(pointings.zero_point_mag, 25.0)
        self._sky_adu = middle(pointings.sky_adu, 0.0)
        percent = self._settings.fwhm_percentile
        self._fwhm_arcsec = middle(pointings.seeing_fwhm_arcsec, 1.0, percent)

    def draw(
        self, seed: int, objects: np.ndarray, conditions: Conditions
    ) -> tuple[Coadds, TemplateDates]:
        """Templates of the objects at these addresses, and the times of their exposures."""
        draws = Draws(seed, objects, Purpose.TEMPLATE)
        shape = len(objects), self._used.size
        choice = (draws.uniforms(shape[1]) * len(self._settings.epochs)).astype(np.int64)
        number = np.array(self._settings.epochs)[choice]
        dates = self._dates(draws, number, conditions.schedule.mjd)
        offsets = (2 * draws.uniforms(2 * shape[1]) - 1) * _OWN_OFFSET_PIX
        fwhm_arcsec = self._fwhm_arcsec * np.exp(
            self._settings.fwhm_scatter * draws.normals(shape[1])
        )
        psf = self._shapes(draws, fwhm_arcsec, number)
        gain = conditions.detector.gain_e_per_adu[:, None]
        background_e = self._sky_adu * gain
        share = 10.0 ** (-0.8 * self._settings.depth_offset_mag) / number
        pixel_variance_e2 = background_e + conditions.detector.read_noise_e[:, None] ** 2
        limit_e = DETECTION_SIGMA * np.sqrt(noise_pixels(psf) * pixel_variance_e2 * share)
        coadds = Coadds(
            exposure_time_s=np.broadcast_to(self._exposure_time_s, shape),
            zero_point_mag=np.broadcast_to(self._zero_point_mag, shape),
            gain_e_per_adu=gain,
            fwhm_arcsec=fwhm_arcsec,
            limiting_mag=self._magnitude(limit_e, gain),
            background_e=background_e,
            variance_share=share,
            x_pix=offsets[:, : shape[1]],
            y_pix=offsets[:, shape[1] :],
            psf=psf,
        )
        return coadds, dates

    def _magnitude(self, electrons, gain_e_per_adu):
        """Magnitude of a source of so many electrons in one exposure of a template."""
        adu_per_s = electrons / gain_e_per_adu / self._exposure_time_s
        return self._zero_point_mag - 2.5 * np.log10(adu_per_s)

    def _dates(self, draws, number, mjd) -> TemplateDates:
        """Times before the first exposure of each object, uniform within the profile's limits."""
        counts = np.minimum(number, _MOST_DATES)
        most = min(max(self._settings.epochs), _MOST_DATES)
        near, far = self._settings.days_before
        u = draws.uniforms(number.shape[1] * most).reshape(*number.shape, most)
        return TemplateDates(mjd[:, :1, None] - near - (far - near) * u, counts)

    def _shapes(self, draws, fwhm_arcsec, number) -> Psf:
        """PSFs of coadds, in which the scatter of single exposures averages out."""
        shape, scale_arcsec = self._profile.psf, self._profile.camera.pixel_scale_arcsec
        n_bands = number.shape[1]
        root = np.sqrt(number)
        width = np.maximum(fwhm_arcsec / scale_arcsec, MIN_FWHM_PIX)
        fwhm = np.sqrt(np.maximum(width**2 - shape.pixel_broadening_pix**2, MIN_FWHM_PIX**2))
        log_beta = shape.beta_fwhm_exponent * np.log(fwhm_arcsec)
        log_beta += shape.beta_exposure_scatter / root * draws.normals(n_bands)
        beta = np.clip(shape.beta_median * np.exp(log_beta), *shape.beta_range).clip(*BETA_RANGE)
        e1 = shape.e1_mean + shape.e1_exposure_scatter / root * draws.normals(n_bands)
        e2 = shape.e2_mean + shape.e2_exposure_scatter / root * draws.normals(n_bands)
        return self._psf.of_shapes(fwhm, width, beta, e1, e2)

    def shifts_pix(
        self,
        seed: int,
        objects: np.ndarray,
        coadds: Coadds,
        conditions: Conditions,
        position: Sequence[np.ndarray],
    ) -> tuple[np.ndarray, np.ndarray]:
        """How far a template is moved to every exposure, along x and y, each (object, epoch).

        Parameters
        ----------
        position : (x, y) of arrays (object, epoch)
            Of the source in the stamp [pix].
        """
        n_epochs = position[0].shape[1]
        draws = Draws(seed, objects, Purpose.REGISTRATION)
        errors = np.clip(draws.normals(2 * n_epochs), -_MOST_ERROR_SIGMAS, _MOST_ERROR_SIGMAS)
        errors *= self._settings.registration_error_pix
        band = conditions.schedule.band
        own = Coadds.at(coadds.x_pix, band), Coadds.at(coadds.y_pix, band)
        errors = errors[:, :n_epochs], errors[:, n_epochs:]
        return tuple(
            mine - there + error for mine, there, error in zip(own, position, errors, strict=True)
        )

    @property
    def transient_share(self) -> float:
        """Share of the largest flux of a transient that its template holds."""
        return self._settings.transient_share


def _margin_pix(profile):
    """Pixels by which a template is wider than a stamp on every side."""
    error = _MOST_ERROR_SIGMAS * profile.template.registration_error_pix
    moved = _OWN_OFFSET_PIX + profile.psf.largest_offset_pix + error
    return BORDER_PIX + ceil(moved) + LANCZOS_ORDER + 1


def template_flux(
    model: LightCurveModel,
    parameters: dict[str, np.ndarray],
    dates: TemplateDates,
    magnitude: np.ndarray,
    band: np.ndarray,
    transient_share: float,
) -> np.ndarray:
    """Mean light of the objects of one class in their templates, 10^(-0.4 AB mag), (object, band).

    Stars and transients have the mean of their light curve at the times of the exposures.
    Objects that move are elsewhere then and leave nothing.

    Parameters
    ----------
    model, parameters
        A class and what its ``sample`` gave.
    dates : TemplateDates
    magnitude, band : arrays, shape (object, epoch)
        Of the exposures of the sequences.
    transient_share : float
        Share of the largest flux in these that is in the template of a transient as well.
    """
    n, bands, _ = dates.mjd.shape
    if model.motion(parameters) is not None:
        return np.zeros((n, bands))
    mjd, number = dates.flat()
    found = np.nan_to_num(10.0 ** (-0.4 * model.magnitudes(parameters, mjd, number)))
    mean = dates.mean(found)
    if model.alerts and transient_share > 0:
        flux = np.nan_to_num(10.0 ** (-0.4 * magnitude))
        of_band = np.where(band[..., None] == np.arange(bands), flux[..., None], 0.0)
        mean = mean + transient_share * of_band.max(axis=1)
    return mean
