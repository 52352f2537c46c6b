"""PSF shapes of exposures whose widths are known; arrays are (pointing, epoch)."""

from __future__ import annotations

import numpy as np

MAX_ELLIPTICITY = 0.4  # axis ratio 0.43; the roundest and flattest real stars lie well inside


def draw_shapes(psf, rng, fwhm_arcsec):
    """Moffat beta, e1 and e2 for each exposure, as ``Psf`` describes them; NaN stays NaN."""
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
