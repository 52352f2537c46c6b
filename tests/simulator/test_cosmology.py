"""Distances and explosions per year against astropy and quadrature."""

import numpy as np
from astropy.cosmology import Planck18
from scipy.integrate import quad

from simulator.lightcurves.cosmology import distance_modulus_mag, explosions_per_year
from simulator.lightcurves.supernovae.type_ia import rate_per_mpc3_year


def test_distances_are_those_of_planck18():
    redshift = np.array([0.003, 0.0417, 0.3, 1.234])
    expected = Planck18.distmod(redshift).value
    np.testing.assert_allclose(distance_modulus_mag(redshift), expected, atol=1e-4)


def test_explosions_per_year_are_the_integral_over_volume_and_dilated_time():
    def density(z):
        volume = 4 * np.pi * Planck18.differential_comoving_volume(z).value
        return rate_per_mpc3_year(z) * volume / (1 + z)

    nodes = np.geomspace(0.001, 0.8, 400)
    total = explosions_per_year(nodes, rate_per_mpc3_year)[-1]
    np.testing.assert_allclose(total, quad(density, 0, 0.8)[0], rtol=1e-3)
