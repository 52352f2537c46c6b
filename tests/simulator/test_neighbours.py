"""The number of stars around a target: Poisson, at a density that varies over the sky."""

import numpy as np
import pytest
from scipy.special import ndtri

from simulator.lightcurves.protocol import Bands
from simulator.scene.neighbours import Neighbours
from skyreel.errors import SimulationError
from survey_profiles import load_profile

BANDS = Bands(("g", "r", "i"), ("ztfg", "ztfr", "ztfi"), reference=1)
N, SIZE = 4000, 63
SCATTER_DEX = 0.35


def numbers(power=0.0, scatter_dex=SCATTER_DEX, density=2.0):
    """Numbers of neighbours of many objects, and their mean if the density did not vary."""
    given = {
        "field.neighbours_per_arcmin2": density,
        "field.neighbours_scatter_dex": scatter_dex,
    }
    profile = load_profile("ztf", given)
    neighbours = Neighbours(profile, BANDS, SIZE)
    number, x, y, magnitude = neighbours.draw(3, np.arange(N, dtype=np.uint64), SIZE, power)
    assert x.shape == y.shape == magnitude.shape[:2] and number.max() <= x.shape[1]
    side_arcmin = (SIZE + 6) * profile.camera.pixel_scale_arcsec / 60
    return number, density * side_arcmin**2


@pytest.mark.parametrize("power", [-1.0, 0.0, 1.0])
def test_objects_follow_the_density_of_stars_by_the_power_of_their_class(power):
    number, mean = numbers(power)
    sigma = SCATTER_DEX * np.log(10)
    z = ndtri((np.arange(100_000) + 0.5) / 100_000).clip(-3, 3)
    means = mean * np.exp(sigma * z + (power - 0.5) * sigma**2)
    expected, variance = means.mean(), means.mean() + means.var()  # of a mixture of Poissons
    assert number.mean() == pytest.approx(expected, abs=5 * np.sqrt(variance / N))
    fourth = ((number - number.mean()) ** 4).mean()
    assert number.var() == pytest.approx(variance, abs=5 * np.sqrt((fourth - variance**2) / N))


def test_without_scatter_the_class_does_not_matter():
    number, mean = numbers(1.0, scatter_dex=0.0)
    assert np.array_equal(number, numbers(-1.0, scatter_dex=0.0)[0])
    assert number.var() == pytest.approx(mean, abs=5 * mean * np.sqrt(2 / N))


def test_an_empty_field_has_no_neighbours():
    assert not numbers(1.0, density=0.0)[0].any()


def test_fields_with_too_many_stars_are_refused():
    numbers(1.0, density=7.0)
    with pytest.raises(SimulationError, match=r"gives \d+ stars in a stamp of 63"):
        numbers(1.0, density=20.0)
