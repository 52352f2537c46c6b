"""Light curves of single supernovae: synthetic photometry, compiled kernels, and their physics.

Independent judges: sncosmo's own bandmag for the photometry, plain NumPy for the kernels.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.lightcurves.filters import bandpass, filter_names
from simulator.lightcurves.supernovae import light_curve_kernels as kernels
from simulator.lightcurves.supernovae import seds
from simulator.lightcurves.supernovae import type_ii as supernova_ii
from simulator.lightcurves.supernovae.sed_templates import hsiao_source
from simulator.lightcurves.supernovae.type_ia import X1, split_normal_cdf, stretch
from simulator.rng import Draws, Purpose
from tests.helpers.supernovae import (
    LSST,
    light_curve,
    lsst_supernova,
    sncosmo_ia,
    type_ia,
    type_ii,
)


@pytest.fixture(scope="module")
def lsst():
    return lsst_supernova()


# Synthetic photometry -----------------------------------------------------------------------


def test_a_flat_source_has_the_same_ab_magnitude_in_every_filter_and_redshift():
    """F_nu = AB 0 at rest dims by -2.5 log10(1 + z); a 10 A sum leaves 0.003 mag in narrow u."""
    flux = 3.631e-20 * 2.99792458e18 / seds.WAVE_ANGSTROM**2
    weights = seds.band_weights([bandpass(name) for name in filter_names()])
    table = seds.magnitude_table([seds.SedSeries("flat", flux[None])], weights)[0, :, :, 0]
    expected = np.broadcast_to(-2.5 * np.log10(1 + seds.REDSHIFTS), table.shape)
    np.testing.assert_allclose(table, expected, atol=0.004)


@pytest.mark.parametrize("redshift", [0.055, 0.2, 0.5])
def test_ia_photometry_is_that_of_sncosmo_with_the_same_spectra(lsst, redshift):
    """One-day steps leave m'' / 8 = 0.01 mag where the light curve bends most."""
    phase_day = np.arange(-14.0, 60.0, 0.7)
    for band, name in enumerate(LSST.filters):
        age_day = (phase_day + 18.5) * (1 + redshift)
        ours = light_curve(lsst, type_ia(redshift), age_day, band)
        theirs = sncosmo_ia(hsiao_source(), name, redshift, phase_day)
        np.testing.assert_allclose(ours, theirs, atol=0.012)


# Kernels against plain NumPy --------------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(row=st.floats(0, 3.999), column=st.floats(0, 5.999))
def test_look_up_is_bilinear_interpolation(row, column):
    table = np.random.default_rng(0).normal(size=(5, 7))
    i, j = int(row), int(column)
    corners = table[i : i + 2, j : j + 2]
    expected = np.array([1 - row + i, row - i]) @ corners @ np.array([1 - column + j, column - j])
    np.testing.assert_allclose(kernels.bilinear(table, row, column), expected, atol=1e-12)


def oracle_look_up(table, first, step, redshift, x):
    """Bilinear by two calls of np.interp."""
    axis = first + step * np.arange(table.shape[-1])
    z = redshift / seds.REDSHIFT_STEP
    low = min(int(z), len(table) - 2)
    lower, upper = (np.interp(x, axis, table[k]) for k in (low, low + 1))
    return lower + (z - low) * (upper - lower)


def test_the_ia_kernel_is_its_numpy_expression(lsst):
    row = type_ia(0.237, c=0.11, stretch_factor=0.93)
    grid = lsst._grids[0]
    age_day = np.linspace(0.3, 110, 200)
    warped = age_day / 1.237 / 0.93
    base = oracle_look_up(
        grid.magnitude[0, 2], grid.first, grid.step, 0.237, np.maximum(warped, 4.5)
    )
    rise = -5 * np.log10(np.minimum(warped / 4.5, 1))
    dust = 0.11 * np.interp(0.237, seds.REDSHIFTS, grid.reddening[2])
    np.testing.assert_allclose(light_curve(lsst, row, age_day, 2), base + rise + dust, atol=1e-9)


def test_the_ii_kernel_is_its_numpy_expression(lsst):
    row = type_ii(0.237, reddening=0.3, log_temperature_factor=0.05)
    grid = lsst._grids[1]
    age_day = np.linspace(0.3, 250, 300)
    t = age_day / 1.237
    temperature_K = np.clip(10_800 * (t / 10) ** -0.45, 5_000, 30_000) * np.exp(0.05)
    colour = oracle_look_up(
        grid.magnitude[0, 1], grid.first, grid.step, 0.237, np.log(temperature_K)
    )
    rising = -2.5 * np.log10(1 - (1 - np.minimum(t / 7.5, 1)) ** 2)
    decline = np.interp(t, [7.5, 35, 83.7], np.cumsum([0, 0.0265 * 27.5, 0.0127 * 48.7]))
    tail = 0.0147 * np.maximum(t - 83.7, 0) + 2.35 / (1 + np.exp((83.7 - t) / 5))
    dust = 0.3 * np.interp(0.237, seds.REDSHIFTS, grid.reddening[1])
    expected = colour + rising + decline + tail + dust
    np.testing.assert_allclose(light_curve(lsst, row, age_day, 1), expected, atol=1e-9)


# Physics ----------------------------------------------------------------------------------


def test_blanketing_is_the_published_table_at_its_nodes():
    for temperature_K, row in zip(
        supernova_ii.BLANKETING_TEMPERATURE_K, supernova_ii.BLANKETING, strict=True
    ):
        wave = supernova_ii.BLANKETING_WAVE_ANGSTROM
        np.testing.assert_allclose(supernova_ii.blanketing(temperature_K, wave), row)
    assert supernova_ii.blanketing(5000.0, np.array([6000.0])) == 1.0


def test_there_is_no_light_before_the_explosion_nor_at_padded_epochs(lsst):
    for row in (type_ia(), type_ii()):
        magnitude = light_curve(lsst, row, [-100, -1e-6, 0, np.nan, 5])
        assert np.all(np.isposinf(magnitude[:4])) and np.isfinite(magnitude[4])


def test_the_first_light_of_a_type_ia_grows_as_time_squared(lsst):
    early = light_curve(lsst, type_ia(0.1), np.array([1.0, 2.0]) * 1.1, band=1)
    np.testing.assert_allclose(early[0] - early[1], 5 * np.log10(2), atol=1e-9)


def test_colour_dims_blue_bands_most_and_b_by_beta(lsst):
    """Dimming per unit of c falls from u to y; g and r straddle B - V = c, so differ by about c."""
    at_peak = [18.5 * 1.01]
    change = [
        (
            light_curve(lsst, type_ia(0.01, c=0.1), at_peak, b)
            - light_curve(lsst, type_ia(0.01), at_peak, b)
        )[0]
        for b in range(6)
    ]
    assert np.all(np.diff(change) < 0)
    assert 0.07 < change[1] - change[2] < 0.13
    b_law = seds.dust_law(2.1)[np.argmin(np.abs(seds.WAVE_ANGSTROM - 4400))] * 2.1
    assert b_law == pytest.approx(3.1, abs=0.05)


def test_time_is_dilated_by_one_plus_redshift(lsst):
    """The fall off the plateau, with equal slopes on both sides of it, is fastest in its middle."""
    for redshift in (0.02, 0.3):
        age_day = np.arange(60.0, 130.0, 0.1)
        decline = np.gradient(light_curve(lsst, type_ii(redshift, slope_3=0.0127), age_day, 2))
        fastest_day = age_day[np.argmax(decline)]
        assert fastest_day == pytest.approx(83.7 * (1 + redshift), abs=0.1)


def test_the_stretch_law_is_that_of_guy_2007_and_lengthens_the_light_curve(lsst):
    assert stretch(1.0) == pytest.approx(0.98 + 0.091 + 0.003 - 0.00075)
    narrow = light_curve(lsst, type_ia(0.1, stretch_factor=0.9), [0.9 * 30.0], 1)
    np.testing.assert_allclose(light_curve(lsst, type_ia(0.1), [30.0], 1), narrow, atol=1e-9)


def test_shapes_x1_have_the_mean_of_the_published_law():
    x, cdf = split_normal_cdf(**X1)
    uniform = Draws(3, np.arange(20_000), Purpose.PHYSICS).uniform()
    sample = np.interp(uniform, cdf, x)
    mean = np.sum(0.5 * (x[1:] + x[:-1]) * np.diff(cdf))
    assert sample.mean() == pytest.approx(mean, abs=5 * sample.std() / np.sqrt(sample.size))


def test_a_type_ii_peaks_at_its_drawn_magnitude_in_rest_frame_r(lsst):
    row = type_ii(0.0, offset_mag=-17.0)
    age_day = np.linspace(0.5, 60, 400)
    assert light_curve(lsst, row, age_day, 2).min() == pytest.approx(-17.0, abs=0.02)
