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


NEW_STAR = (6000.0, 23.3, -31.6)  # flux and position from the centre, in the science image only


def pair_of_fields(
    seed, *, size=160, fwhm=(3.2, 2.6), sigma=(10.0, 6.0), scale=1.0, n_stars=25, new=NEW_STAR
):
    """Science and template (row, column) of one field with noise; the template times ``scale``.

    All stars are constant but ``new``, which the template does not have.
    """
    rng = np.random.default_rng(seed)
    places = rng.uniform(-0.45 * size, 0.45 * size, (n_stars, 2))
    fluxes = np.exp(rng.uniform(np.log(5e3), np.log(3e5), n_stars))
    stars = [(f, x, y) for f, (x, y) in zip(fluxes, places, strict=True)]
    now = stars + ([new] if new else [])
    science = field_of_stars(size, fwhm[0], now) + rng.normal(100, sigma[0], (size, size))
    template = field_of_stars(size, fwhm[1], stars, beta=3.0)
    template = scale * template + rng.normal(40, sigma[1], (size, size))
    return science, template
