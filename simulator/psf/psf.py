"""The PSF of every exposure, and how each kind of profile is drawn.

This is the one place that distinguishes kinds of profiles. ``SurveyPsf`` makes the PSFs of a
batch from a survey profile; ``add_star`` and ``psf_mixture`` draw them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from simulator.gaussian_mixture import add_concentric, covariance
from simulator.psf.empirical import PsfLibrary, add_library_star, read_library
from simulator.psf.kolmogorov import kolmogorov
from simulator.psf.moffat import (
    BETA_RANGE,
    MAX_ASYMMETRY,
    add_moffat,
    moffat_mixture,
    moffat_scale,
)

if TYPE_CHECKING:
    from simulator.rng import Draws
    from survey_profiles import Profile
    from survey_profiles.pointings import Pointings

MOFFAT, MIXTURE, LIBRARY = 0, 1, 2
_KINDS = {"moffat": MOFFAT, "kolmogorov": MIXTURE, "library": LIBRARY}  # as profiles name them
MIN_FWHM_PIX = 0.8  # narrower PSFs are drawn at this width
_MIN_BETA = 1.2  # a Moffat profile has a total only above 1
_PADDED_BETA = 3.0  # where there is no exposure
_SYMMETRIC = np.zeros((0, 0))


class Psf(NamedTuple):
    """The PSF of every exposure: width and shape, and how its profile is drawn.

    ``kind`` is MOFFAT (``beta`` per exposure), MIXTURE (one profile of Gaussians with
    ``weights`` and ``scales`` in units of FWHM^2) or LIBRARY (``index`` into ``images``,
    stretched; hosts are convolved with the Moffat profile closest to it). Only Moffat stars are
    asymmetric: see `simulator.psf.moffat.add_moffat`.
    """

    kind: int
    fwhm_pix: np.ndarray  # (object, epoch)
    beta: np.ndarray  # (object, epoch)
    e1: np.ndarray  # (object, epoch)
    e2: np.ndarray  # (object, epoch)
    weights: np.ndarray  # (component,)
    scales: np.ndarray  # (component,)
    index: np.ndarray  # (object, epoch)
    stretch: np.ndarray  # (object, epoch)
    images: np.ndarray  # (psf, row, column)
    oversampling: int
    asymmetry_x: np.ndarray = _SYMMETRIC  # (object, epoch), per FWHM; empty: none
    asymmetry_y: np.ndarray = _SYMMETRIC


class SurveyPsf:
    """The PSFs of a survey: the kind of its profile, and the data to draw it.

    Parameters
    ----------
    profile : survey_profiles.Profile

    Raises
    ------
    skyreel.errors.SimulationError
        The profile's library of PSFs cannot be read.
    """

    def __init__(self, profile: Profile) -> None:
        self._shape = profile.psf
        self._pixel_scale_arcsec = profile.camera.pixel_scale_arcsec
        self.kind = _KINDS[profile.psf.model]
        self._mixture = kolmogorov() if self.kind == MIXTURE else (np.ones(1), np.ones(1))
        self.library = PsfLibrary.none()
        if self.kind == LIBRARY:
            self.library = read_library(profile.psf.library)

    @property
    def beta_varies(self) -> bool:
        """True where every exposure has a beta of its own."""
        return self.kind == MOFFAT

    def of_shapes(
        self,
        fwhm_pix: np.ndarray,
        width_pix: np.ndarray,
        beta: np.ndarray,
        e1: np.ndarray,
        e2: np.ndarray,
        asymmetry: tuple[np.ndarray, ...] = (),
    ) -> Psf:
        """PSFs of given shapes, all (object, epoch).

        Parameters
        ----------
        fwhm_pix : array
            Width before integration over a pixel.
        width_pix : array
            Width as measured on pixels, by which a library image is chosen; its shape then
            replaces ``beta``, ``e1`` and ``e2``.
        asymmetry : (x, y) arrays, per FWHM, or nothing
        """
        index, stretch = np.zeros(fwhm_pix.shape, dtype=np.int64), np.ones(fwhm_pix.shape)
        library = self.library
        if self.kind == LIBRARY:
            index = library.nearest(width_pix)
            stretch = width_pix / library.fwhm_pix[index]
            beta, e1, e2, asymmetry = library.beta[index], library.e1[index], library.e2[index], ()
        drawn = (*self._mixture, index, stretch, library.images, library.oversampling)
        return Psf(self.kind, fwhm_pix, beta, e1, e2, *drawn, *asymmetry)

    def draw(self, pointings: Pointings, draws: Draws) -> Psf:
        """PSFs of the exposures of a batch, with the survey's scatter about their seeing."""
        shape = self._shape
        seeing_arcsec = np.nan_to_num(pointings.seeing_fwhm_arcsec, nan=1.0).astype(float)
        width = seeing_arcsec / self._pixel_scale_arcsec
        scatter = shape.fwhm_pointing_scatter * draws.normal()[:, None]
        scatter = scatter + shape.fwhm_exposure_scatter * draws.normals(width.shape[1])
        fwhm = np.sqrt(np.maximum(width**2 - shape.pixel_broadening_pix**2, 0.0)) * np.exp(scatter)
        fwhm = np.maximum(fwhm, MIN_FWHM_PIX)
        width = np.maximum(width * np.exp(scatter), MIN_FWHM_PIX)
        beta = np.nan_to_num(pointings.psf_beta, nan=_PADDED_BETA).clip(*BETA_RANGE).astype(float)
        e1, e2 = (np.nan_to_num(e).astype(float) for e in (pointings.psf_e1, pointings.psf_e2))
        return self.of_shapes(fwhm, width, beta, e1, e2, self._asymmetry(draws, fwhm.shape[1]))

    def _asymmetry(self, draws, n_epochs):
        """Asymmetry along x and y, per FWHM, each (object, epoch); nothing where there is none."""
        shape = self._shape
        if not (shape.lopsided_pointing_scatter or shape.lopsided_exposure_scatter):
            return ()
        common = [shape.lopsided_pointing_scatter * draws.normal()[:, None] for _ in range(2)]
        each = [shape.lopsided_exposure_scatter * draws.normals(n_epochs) for _ in range(2)]
        return tuple(
            np.clip(a + b, -MAX_ASYMMETRY, MAX_ASYMMETRY) for a, b in zip(common, each, strict=True)
        )


def noise_pixels(psf: Psf) -> np.ndarray:
    """Pixels whose noise a PSF-weighted measurement takes in, (object, epoch).

    The inverse integral of the squared profile: pi a^2 (2 beta - 1)/(beta - 1)^2 for a Moffat
    profile, the sum over pairs of Gaussians for a mixture; the pixel adds pi/3, as it adds
    1/12 to the variance of a Gaussian.
    """
    if psf.kind == MIXTURE:
        pairs = psf.weights[:, None] * psf.weights
        inverse = (pairs / (2 * np.pi * (psf.scales[:, None] + psf.scales))).sum()
        return psf.fwhm_pix**2 / inverse + np.pi / 3
    a2 = psf.fwhm_pix**2 / (4 * (2 ** (1 / psf.beta) - 1))
    return np.pi * a2 * (2 * psf.beta - 1) / (psf.beta - 1) ** 2 + np.pi / 3


@njit(cache=True, nogil=True, error_model="numpy")
def add_star(
    image: np.ndarray,
    grid: tuple[np.ndarray, np.ndarray, int],
    psf: Psf,
    i: int,
    epoch: int,
    flux: float,
    x: float,
    y: float,
    width_factor: float = 1.0,
    beta_factor: float = 1.0,
) -> None:
    """Add a star of total ``flux`` at (x, y) to a flattened stamp.

    Parameters
    ----------
    image : array of float32, shape (size * size,)
    grid : (x, y, size)
        Pixel centres and size of the stamp, see `simulator.gaussian_mixture.pixel_centres`.
    psf, i, epoch
        The PSF of object ``i`` at ``epoch`` is drawn.
    width_factor, beta_factor : float
        Applied to its width and, for Moffat profiles, to its beta.
    """
    x_grid, y_grid, size = grid
    fwhm, e1, e2 = width_factor * psf.fwhm_pix[i, epoch], psf.e1[i, epoch], psf.e2[i, epoch]
    if psf.kind == MOFFAT:
        beta = max(psf.beta[i, epoch] * beta_factor, _MIN_BETA)
        cxx, cxy, cyy = covariance(moffat_scale(fwhm, beta), e1, e2)
        skew_x, skew_y = 0.0, 0.0
        if psf.asymmetry_x.size > 0:
            skew_x, skew_y = psf.asymmetry_x[i, epoch] / fwhm, psf.asymmetry_y[i, epoch] / fwhm
        add_moffat(image, x_grid, y_grid, size, flux, x, y, beta, cxx, cxy, cyy, skew_x, skew_y)
    elif psf.kind == MIXTURE:
        gaussians = np.empty((4, psf.weights.size))
        gaussians[0] = flux * psf.weights
        shape = covariance(fwhm, e1, e2)
        for axis in range(3):
            gaussians[axis + 1] = psf.scales * shape[axis]
        add_concentric(image, size, x, y, gaussians)
    else:
        library_image = psf.images[psf.index[i, epoch]]
        stretch = width_factor * psf.stretch[i, epoch]
        add_library_star(image, size, flux, x, y, library_image, psf.oversampling, stretch)


@njit(cache=True, nogil=True, error_model="numpy")
def psf_mixture(
    psf: Psf, i: int, epoch: int
) -> tuple[np.ndarray, np.ndarray, tuple[float, float, float]]:
    """Weights, scales and covariance (cxx, cxy, cyy) of a PSF as a sum of Gaussians.

    Variances and covariance of a component are its scale times the covariance [pix^2].
    """
    e1, e2 = psf.e1[i, epoch], psf.e2[i, epoch]
    if psf.kind == MIXTURE:
        return psf.weights, psf.scales, covariance(psf.fwhm_pix[i, epoch], e1, e2)
    beta = psf.beta[i, epoch]
    weights, scales = moffat_mixture(beta)
    return weights, scales, covariance(moffat_scale(psf.fwhm_pix[i, epoch], beta), e1, e2)
