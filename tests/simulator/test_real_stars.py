"""Real stars and the same stars simulated, and the PSF fit that measures both."""

import galsim
import numpy as np
import pytest

from benchmarks.psf_fit import fit_stars, moffat_stamps
from benchmarks.real_stars import (
    TOLERANCE,
    chosen_stars,
    compare,
    lonely_profile,
    ratios,
    simulate,
    standard_error,
)

SIZE_PIX = 21
N_STARS = 40
SIGMAS = 3.0


@pytest.fixture(scope="module")
def stars(real_data):
    return chosen_stars(real_data, N_STARS)


@pytest.fixture(scope="module")
def measured(stars):
    profile = lonely_profile()
    return ratios([compare(star, profile, seed) for seed, star in enumerate(stars)])


def galsim_star(*, flux, fwhm, beta, e, angle_deg, x, y):
    shape = galsim.Shear(g=e, beta=angle_deg * galsim.degrees)
    star = galsim.Moffat(beta=beta, fwhm=fwhm, flux=flux).shear(shape).shift(x, y)
    image = star.drawImage(nx=SIZE_PIX, ny=SIZE_PIX, scale=1.0, method="auto")
    return image.array.astype(float)


@pytest.mark.parametrize(
    ("fwhm", "beta", "e", "angle_deg"), [(2.5, 3.0, 0.1, 20), (4.0, 3.8, 0.0, 0), (6, 5, 0.2, 110)]
)
def test_the_fit_finds_a_star_that_galsim_drew(fwhm, beta, e, angle_deg):
    """GalSim convolves in Fourier space, good to 5e-4; both treat the pixel as a square."""
    drawn = galsim_star(flux=3e4, fwhm=fwhm, beta=beta, e=e, angle_deg=angle_deg, x=0.3, y=-0.4)
    fitted = fit_stars(drawn[None] + 100.0, gain_e_per_adu=4.0, read_noise_e=6.0)
    assert fitted.good[0]
    assert fitted.flux_adu[0] == pytest.approx(3e4, rel=2e-3)
    assert fitted.fwhm_pix[0] == pytest.approx(fwhm, rel=2e-3)
    assert fitted.beta[0] == pytest.approx(beta, rel=2e-2)
    assert (fitted.x_pix[0], fitted.y_pix[0]) == pytest.approx((0.3, -0.4), abs=2e-3)
    angle = np.radians(2 * angle_deg)
    expected = (e * np.cos(angle), e * np.sin(angle))
    assert (fitted.e1[0], fitted.e2[0]) == pytest.approx(expected, abs=1e-3)


def test_the_slopes_of_the_profile_are_its_finite_differences():
    theta = np.array([[1000.0, 0.3, -0.2, 0.1, 0.02, 0.12, 3.3, 50.0]])
    _, slopes = moffat_stamps(theta, SIZE_PIX, slopes=True)
    for k in range(8):
        step = np.zeros(8)
        step[k] = 1e-5 * max(abs(theta[0, k]), 0.1)
        up, down = (moffat_stamps(theta + sign * step, SIZE_PIX) for sign in (1, -1))
        numeric = (up - down) / (2 * step[k])
        scale = np.abs(numeric).max()
        np.testing.assert_allclose(slopes[..., k], numeric, atol=1e-6 * scale)


def test_fitted_fluxes_scatter_by_their_photon_noise():
    """Mean within 5 standard errors; chi2 per degree of freedom within 5 of its own."""
    n = 100
    theta = np.repeat([[2e4, 0.2, -0.3, 0.1, 0.01, 0.11, 3.5, 100.0]], n, axis=0)
    rng = np.random.default_rng(5)
    electrons = rng.poisson(4.0 * moffat_stamps(theta, SIZE_PIX)) + rng.normal(0, 6, (n, 441))
    fitted = fit_stars(electrons.reshape(n, SIZE_PIX, SIZE_PIX) / 4.0, 4.0, 6.0)
    assert fitted.good.all()
    assert abs(fitted.flux_adu.mean() - 2e4) < 5 * fitted.flux_adu.std() / np.sqrt(n)
    assert abs(fitted.chi2.mean() - 1.0) < 5 * np.sqrt(2.0 / (n * 441))


def test_masked_pixels_do_not_move_the_fit():
    theta = np.array([[2e4, 0.2, -0.3, 0.1, 0.01, 0.11, 3.5, 100.0]])
    stamp = moffat_stamps(theta, SIZE_PIX).reshape(1, SIZE_PIX, SIZE_PIX)
    stamp[0, 3, 5], stamp[0, 10, 11] = np.nan, np.nan
    fitted = fit_stars(stamp, 4.0, 6.0)
    assert fitted.flux_adu[0] == pytest.approx(2e4, rel=1e-4)


@pytest.mark.slow
@pytest.mark.real
def test_chosen_stars_are_unsaturated_and_spread_over_fields_and_magnitudes(stars):
    assert len({star.name for star in stars}) == N_STARS
    assert len({star.field for star in stars}) >= 3
    magnitudes = [star.magnitude for star in stars]
    assert max(magnitudes) - min(magnitudes) > 1.5
    assert all(np.nanmax(star.stamps_adu) < star.saturation_adu for star in stars)


@pytest.mark.slow
@pytest.mark.real
def test_a_simulated_star_has_the_exposures_and_the_detector_of_the_real_one(stars):
    profile = lonely_profile()
    ccds = {ccd.name: ccd for ccd in profile.camera.ccds}
    stamps, rows = simulate(stars[0], profile, seed=0)
    widths = np.asarray(stars[0].exposures["seeing_fwhm_pix"], float) * 0.263
    assert rows.tolist() == np.flatnonzero(widths <= profile.seeing.max_fwhm_arcsec).tolist()
    assert stamps.shape == (rows.size, SIZE_PIX, SIZE_PIX)
    for star in stars:
        ccd = ccds[star.ccd]
        assert ccd.gain_e_per_adu == pytest.approx(star.gain_e_per_adu, abs=1e-3)
        assert ccd.read_noise_e == pytest.approx(star.read_noise_e, abs=1e-2)


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize("name", TOLERANCE)
def test_simulated_stars_measure_like_real_ones(measured, name):
    """The median over few stars may miss by its own standard error, too."""
    ratio = measured[name]
    allowed = TOLERANCE[name] + SIGMAS * standard_error(ratio)
    assert abs(np.median(np.concatenate(ratio)) - 1.0) < allowed
