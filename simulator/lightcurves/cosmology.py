"""Distances and volumes in the Planck 2018 cosmology, tabulated once and interpolated.

Redshifts are between 0.0001 and 2; beyond these the end values hold.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy.integrate import cumulative_trapezoid

MIN_REDSHIFT, MAX_REDSHIFT = 1e-4, 2.0
_NODES = 2000


@lru_cache(maxsize=1)
def _tables():
    """Log redshift, distance modulus [mag] and comoving volume per redshift [Mpc^3]."""
    from astropy.cosmology import Planck18

    redshift = np.geomspace(MIN_REDSHIFT, MAX_REDSHIFT, _NODES)
    volume = 4 * np.pi * Planck18.differential_comoving_volume(redshift).value
    return np.log(redshift), Planck18.distmod(redshift).value, volume


def distance_modulus_mag(redshift: np.ndarray) -> np.ndarray:
    """Distance modulus [mag], the shape of ``redshift``."""
    log_redshift, modulus, _ = _tables()
    return np.interp(np.log(redshift), log_redshift, modulus)


def volume_per_redshift_mpc3(redshift: np.ndarray) -> np.ndarray:
    """Comoving volume of the whole sky per unit redshift [Mpc^3]."""
    log_redshift, _, volume = _tables()
    return np.interp(np.log(redshift), log_redshift, volume)


def explosions_per_year(
    redshift: np.ndarray, rate_per_mpc3_year: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Explosions on the whole sky per observer's year, cumulative over ``redshift``.

    The integral of rate x volume / (1 + z); the last factor is time dilation.

    Parameters
    ----------
    redshift : array, shape (node,)
        Increasing; the volume below the first is Euclidean.
    rate_per_mpc3_year : callable of redshift
    """
    density = rate_per_mpc3_year(redshift) * volume_per_redshift_mpc3(redshift) / (1 + redshift)
    nearest = density[0] * redshift[0] / 3
    return nearest + cumulative_trapezoid(density, redshift, initial=0)
