"""The Kolmogorov PSF of atmospheric turbulence as a sum of Gaussians."""

from __future__ import annotations

from functools import cache
from math import log

import numpy as np

from simulator.gaussian_mixture import Mixture, fit_mixture


@cache
def kolmogorov() -> Mixture:
    """(weights, scales) of a Kolmogorov PSF in units of its half-maximum width squared.

    GalSim gives the profile once; one fit serves every seeing.
    """
    import galsim

    psf = galsim.Kolmogorov(fwhm=1.0)
    radius = np.exp(np.linspace(log(0.02), log(12.0), 300))
    profile = np.array([psf.xValue(r, 0.0) for r in radius])
    # its narrowest Gaussian is 0.38 FWHM wide: a grid that steps over that misses the core
    return fit_mixture(radius, profile, np.exp(np.arange(log(0.38), log(9.0), log(1.4))))
