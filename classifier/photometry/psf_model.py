"""The expected PSF of an exposure of given seeing, drawn as the simulator draws it.

Shapes are those of the survey profile without their scatter. Positions are in pixels from
the stamp's centre, x along columns; images are flattened (row, column) stamps.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot

import numpy as np
from numba import njit

from simulator.psf.psf import MIN_FWHM_PIX, Psf, SurveyPsf, add_star
from survey_profiles.profile import Profile

# shape of a star: position [pix], ln of FWHM and of Moffat beta over their expected values
X, Y, WIDTH, BETA = range(4)
N_SHAPE = 4
LEAST_WIDTH_SCATTER = 0.01  # in ln; smallest error of the seeing that is assumed
UNKNOWN_WIDTH_SCATTER = 0.25  # in ln; scatter of exposures about a survey's median seeing


@dataclass(frozen=True, kw_only=True)
class PsfModel:
    """PSFs as a function of the seeing.

    Parameters
    ----------
    survey : simulator.psf.psf.SurveyPsf
        The kind of profile, and how it is drawn.
    pixel_scale_arcsec : float
    typical_fwhm_pix : float
        Width assumed for exposures of unknown seeing: the median of the profile.
    width_scatter, beta_scatter : float
        Scatter in ln of the width and of beta about the values expected for the seeing.
    pixel_broadening_pix : float
        Subtracted from the seeing in quadrature, see `survey_profiles.profile.Psf`.
    beta_median, beta_fwhm_exponent, beta_range : float, float, (float, float)
        Moffat beta = median x (seeing / 1 arcsec)^exponent, within the range.
    e1, e2 : float
        Mean ellipticity, (a - b)/(a + b) at twice the angle of the long axis from +x.
    """

    survey: SurveyPsf
    pixel_scale_arcsec: float
    typical_fwhm_pix: float
    width_scatter: float
    beta_scatter: float
    pixel_broadening_pix: float
    beta_median: float
    beta_fwhm_exponent: float
    beta_range: tuple[float, float]
    e1: float
    e2: float

    @classmethod
    def of(cls, profile: Profile) -> PsfModel:
        """The PSFs of a survey profile.

        Raises
        ------
        skyreel.errors.SimulationError
            The profile's library of PSFs cannot be read.
        """
        psf, scale = profile.psf, profile.camera.pixel_scale_arcsec
        survey = SurveyPsf(profile)
        width_scatter = hypot(psf.fwhm_pointing_scatter, psf.fwhm_exposure_scatter)
        beta_scatter = hypot(psf.beta_pointing_scatter, psf.beta_exposure_scatter)
        seeing = np.interp(0.5, profile.seeing.probabilities, profile.seeing.zenith_fwhm_arcsec)
        return cls(
            survey=survey,
            pixel_scale_arcsec=scale,
            typical_fwhm_pix=float(seeing) / scale,
            width_scatter=max(width_scatter, LEAST_WIDTH_SCATTER),
            beta_scatter=beta_scatter if survey.beta_varies else 0.0,
            pixel_broadening_pix=psf.pixel_broadening_pix,
            beta_median=psf.beta_median,
            beta_fwhm_exponent=psf.beta_fwhm_exponent,
            beta_range=tuple(psf.beta_range),
            e1=psf.e1_mean,
            e2=psf.e2_mean,
        )

    def expected(self, seeing_fwhm_pix: np.ndarray) -> Psf:
        """PSFs of exposures with this seeing, (object, epoch); typical ones where it is NaN."""
        seeing = np.nan_to_num(np.asarray(seeing_fwhm_pix, float), nan=self.typical_fwhm_pix)
        arcsec = np.maximum(seeing, 1e-3) * self.pixel_scale_arcsec
        beta = np.clip(self.beta_median * arcsec**self.beta_fwhm_exponent, *self.beta_range)
        fwhm = np.sqrt(np.maximum(seeing**2 - self.pixel_broadening_pix**2, MIN_FWHM_PIX**2))
        width = np.maximum(seeing, MIN_FWHM_PIX)
        e1, e2 = np.full(seeing.shape, self.e1), np.full(seeing.shape, self.e2)
        return self.survey.of_shapes(fwhm, width, beta, e1, e2)


@njit(cache=True, nogil=True, error_model="numpy")
def draw_star(image: np.ndarray, star: tuple, shape: np.ndarray) -> None:
    """Fill ``image`` with a star of flux one.

    ``star`` is (grid, psf, object, epoch); ``grid`` is x and y of every pixel and the size of the
    stamp. ``shape`` (N_SHAPE,) holds X, Y, WIDTH and BETA. ``image`` is (pixel,).
    """
    grid, psf, i, epoch = star
    image[:] = np.float32(0.0)
    width, beta = np.exp(shape[WIDTH]), np.exp(shape[BETA])
    add_star(image, grid, psf, i, epoch, 1.0, shape[X], shape[Y], width, beta)
