"""Stars of two images with different PSFs, drawn by GalSim, for subtraction to remove."""

from __future__ import annotations

import galsim
import numpy as np


def moffat_star(size, fwhm_pix, *, x=0.0, y=0.0, beta=3.5, e1=0.0, flux=1.0):
    """A Moffat star on pixels (row, column), at (x, y) from the centre; sum about ``flux``."""
    profile = galsim.Moffat(beta=beta, fwhm=fwhm_pix, flux=flux).shear(g1=e1, g2=0.0)
    rows, columns = np.broadcast_to(size, 2)
    return profile.shift(x, y).drawImage(nx=columns, ny=rows, scale=1.0, dtype=float).array


def moffat_psf(size, fwhm_pix, **shape):
    """Image of a PSF, float32 of sum 1."""
    image = moffat_star(size, fwhm_pix, **shape)
    return (image / image.sum()).astype(np.float32)


def field_of_stars(size, fwhm_pix, stars, **shape):
    """Sum of stars (flux, x, y), the positions from the centre of the image."""
    return sum(moffat_star(size, fwhm_pix, x=x, y=y, flux=f, **shape) for f, x, y in stars)


def rms_of_background(difference, excluded):
    """Robust standard deviation (from the median absolute deviation) outside some pixels."""
    values = difference[~excluded]
    return 1.4826 * np.median(np.abs(values - np.median(values)))
