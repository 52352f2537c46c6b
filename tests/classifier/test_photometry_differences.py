"""Difference fluxes: noise for constant light, full amplitude for changes."""

from dataclasses import replace

import galsim
import numpy as np
import pytest

from classifier.photometry import Flag, PhotometrySettings, measure
from tests.helpers.stars import SEEING_PIX, SIZE_PIX, as_stamps, draw, expose, flux_of, hits_psf

N_EPOCHS, TEMPLATES = 8, 5


@pytest.fixture(scope="module")
def psf():
    return hits_psf()


def sequences(psf, *, rng, n, flux_of_epoch, copies=5, galaxy=None):
    """Stamps of n x copies sequences in changing seeing, a star at every centre, and a galaxy.

    Positions and widths scatter as in the survey; copies share them and have their own noise.
    ``galaxy`` is (profile of flux one, counts). Truth is ``flux_of_epoch`` (epoch,) in counts.
    """
    seeing = SEEING_PIX * np.exp(rng.normal(0, 0.15, (n, N_EPOCHS)))
    light = np.empty((n, N_EPOCHS, SIZE_PIX, SIZE_PIX))
    for i, epoch in np.ndindex(n, N_EPOCHS):
        x, y = rng.uniform(-0.5, 0.5, 2)
        shape = {"x": x, "y": y, "ln_width": rng.normal(0, 0.029)}
        light[i, epoch] = flux_of_epoch[epoch] * draw(psf, seeing[i, epoch], **shape)
        if galaxy is not None:
            profile, counts = galaxy
            light[i, epoch] += counts * draw(psf, seeing[i, epoch], galaxy=profile, **shape)
    images = expose(np.tile(light, (copies, 1, 1, 1)), rng)
    return as_stamps(images, seeing_pix=np.tile(seeing, (copies, 1)))


def pulls(curves, truth_njy=0.0):
    found = (curves.difference_flux_njy - truth_njy) / curves.difference_flux_error_njy
    return found[np.isfinite(found)]


def assert_noise(found, *, width, mean):
    """Epochs share templates: at least n/5 of them are independent."""
    independent = found.size / TEMPLATES
    assert abs(found.mean()) < mean + 5 / np.sqrt(independent)
    assert abs(found.std() - 1.0) < width + 5 / np.sqrt(2 * independent)


@pytest.mark.parametrize("signal_to_noise", [0.01, 5, 20, 60])
def test_differences_of_a_constant_star_are_noise(psf, signal_to_noise):
    flux = flux_of(draw(psf), signal_to_noise)
    stamps = sequences(psf, rng=_rng(1), n=40, flux_of_epoch=np.full(N_EPOCHS, flux), copies=8)
    assert_noise(pulls(measure(stamps, psf)), width=0.1, mean=0.1)


def test_differences_of_a_very_bright_star_are_within_the_calibration_error(psf):
    """These stars have no scatter of calibration: what is left are shapes, below its 0.6 %."""
    flux = flux_of(draw(psf), 500)
    stamps = sequences(psf, rng=_rng(2), n=60, flux_of_epoch=np.full(N_EPOCHS, flux), copies=1)
    curves = measure(stamps, psf)
    assert pulls(curves).std() < 1.1
    assert np.nanstd(curves.difference_flux_njy) < 0.008 * flux


@pytest.mark.parametrize("counts", [1e3, 1e4])
def test_the_difference_of_a_star_on_a_galaxy_does_not_contain_the_galaxy(psf, counts):
    """The galaxy is brighter than what changes, and off centre; errors may be too large."""
    profile = galsim.Exponential(half_light_radius=3.0).shear(g1=0.2, g2=0.1).shift(1.5, -1.0)
    star = flux_of(draw(psf), 10)
    truth = np.where(np.arange(N_EPOCHS) < TEMPLATES, 0.0, star)
    stamps = sequences(
        psf, rng=_rng(3), n=40, flux_of_epoch=truth, copies=8, galaxy=(profile, counts)
    )
    curves = measure(stamps, psf)
    found = pulls(curves, np.where(np.arange(N_EPOCHS) == 0, np.nan, truth))
    assert abs(found.mean()) < 0.3
    assert 0.4 < found.std() < 1.25


def _rng(seed):
    return np.random.default_rng(seed)


def test_a_change_of_brightness_is_measured_in_full(psf):
    """Five images at one brightness, three at another: their difference, to 5 sigma."""
    low, high = flux_of(draw(psf), 20), flux_of(draw(psf), 60)
    truth = np.where(np.arange(N_EPOCHS) < TEMPLATES, low, high)
    stamps = sequences(psf, rng=_rng(4), n=40, flux_of_epoch=truth, copies=6)
    curves = measure(stamps, psf)
    found = curves.difference_flux_njy[:, TEMPLATES:]
    assert abs(found.mean() / (high - low) - 1.0) < 0.01
    late = (found - (high - low)) / curves.difference_flux_error_njy[:, TEMPLATES:]
    assert abs(late.std() - 1.0) < 0.1 + 5 / np.sqrt(2 * late.size / TEMPLATES)


def noiseless(psf, fluxes, band):
    """One sequence without noise, in one seeing."""
    images = np.array(fluxes)[:, None, None] * draw(psf) + 100.0
    return as_stamps(images[None], band=np.array([band], dtype=np.uint8))


def test_a_template_is_the_first_five_images_of_the_band_before_the_image(psf):
    fluxes = [1000.0, 9e9, 2000.0, 3000.0, 1000.0, 1000.0, 1000.0, 5000.0]
    fluxes[1] = 7000.0
    stamps = noiseless(psf, fluxes, [0, 1, 0, 0, 0, 0, 0, 0])
    curves = measure(stamps, psf, PhotometrySettings(centre="fixed", psf_width="data set"))
    before = [f for k, f in enumerate(fluxes) if k != 1]
    expected = [np.nan, np.nan] + [before[k] - np.mean(before[: min(k, 5)]) for k in range(1, 7)]
    np.testing.assert_allclose(curves.difference_flux_njy[0], expected, rtol=2e-3, atol=1.0)


def test_images_without_a_flux_are_not_templates(psf):
    stamps = noiseless(psf, [1000.0, 1000.0, 3000.0], [0, 0, 0])
    stamps.images_adu[0, 0] = np.nan
    curves = measure(stamps, psf)
    assert np.isnan(curves.difference_flux_njy[0, :2]).all()
    assert curves.difference_flux_njy[0, 2] == pytest.approx(2000.0, rel=5e-3)


def test_masked_pixels_are_filled_with_the_star(psf):
    stamps = noiseless(psf, [1000.0, 1000.0, 3000.0], [0, 0, 0])
    whole = measure(stamps, psf)
    holes = stamps.images_adu.copy()
    holes[0, 2, 9:11, 12], holes[0, 1, 10, 8] = np.nan, np.nan
    holed = measure(replace(stamps, images_adu=holes), psf)
    assert holed.difference_flux_njy[0, 2] == pytest.approx(2000.0, rel=5e-3)
    error = whole.difference_flux_error_njy[0, 2]
    assert holed.difference_flux_error_njy[0, 2] == pytest.approx(error, rel=0.1)


def test_more_templates_make_smaller_errors_and_zero_templates_no_differences(psf):
    stamps = noiseless(psf, [100.0] * N_EPOCHS, [0] * N_EPOCHS)
    one, five = (
        measure(stamps, psf, PhotometrySettings(templates=k)).difference_flux_error_njy[0, -1]
        for k in (1, 5)
    )
    assert five / one == pytest.approx(np.sqrt(1.2 / 2.0), rel=0.02)
    none = measure(stamps, psf, PhotometrySettings(templates=0))
    assert np.isnan(none.difference_flux_njy).all()
    assert np.isfinite(none.flux_njy).all()


def test_the_error_floor_is_a_share_of_the_flux(psf):
    stamps = noiseless(psf, [1e5] * N_EPOCHS, [0] * N_EPOCHS)
    first = measure(stamps, psf).difference_flux_error_njy[0, 1] ** 2
    wide = measure(stamps, psf, PhotometrySettings(flux_error_floor=0.1))
    added = (0.1**2 - 0.006**2) * 2 * wide.flux_njy[0, 1] ** 2  # image and one template
    assert wide.difference_flux_error_njy[0, 1] ** 2 - first == pytest.approx(added, rel=0.01)


def test_a_bright_galaxy_is_flagged_as_extended(psf):
    profile = galsim.Exponential(half_light_radius=4.0)
    stamps = sequences(
        psf, rng=_rng(5), n=10, flux_of_epoch=np.zeros(N_EPOCHS), galaxy=(profile, 2e4)
    )
    assert ((measure(stamps, psf).flags & Flag.EXTENDED) > 0).mean() > 0.95
