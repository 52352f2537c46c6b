"""Light on pixels: kernels against plain integration, invariants, and GalSim as the judge."""

from __future__ import annotations

import galsim
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import gaussian_mixture as gaussians
from simulator.gaussian_mixture import add_concentric, covariance, pixel_centres
from simulator.psf.kolmogorov import kolmogorov
from simulator.psf.moffat import add_moffat, moffat_mixture, moffat_scale
from simulator.psf.psf import MIXTURE
from simulator.scene.sersic import sersic
from tests.helpers.oracles import gaussian_stamp, moffat_stamp
from tests.helpers.pictures import (
    Picture,
    disagreement,
    drawn_by_galsim,
    galsims,
    moffat_psf,
    ours,
    rendered,
    scene,
)

SIZE = 15
FLUX_E = 1000.0
PEAK_ERROR, FLUX_ERROR = 5e-3, 2e-3  # the limits the simulator promises against GalSim
QUADRATURE = 1e-3  # the kernels choose their points per pixel to stay below this share of a peak
ROUNDING = 3e-5  # a few hundred float32 sums, relative to the peak
EXAMPLES = settings(deadline=None, max_examples=40, derandomize=True)

offsets = st.floats(-7.0, 7.0)
ellipticities = st.tuples(st.floats(-0.4, 0.4), st.floats(-0.4, 0.4))


def moffat_image(size, *, x_pix, y_pix, beta, shape, flux_e=FLUX_E):
    image = np.zeros(size * size, dtype=np.float32)
    add_moffat(image, *pixel_centres(size), size, flux_e, x_pix, y_pix, beta, *shape)
    return image.reshape(size, size).astype(float)


def gaussian_image(size, x_pix, y_pix, components):
    image = np.zeros(size * size, dtype=np.float32)
    add_concentric(image, size, x_pix, y_pix, np.array(components, dtype=float).T.copy())
    return image.reshape(size, size).astype(float)


def mixture_psf(weights, scales, fwhm_pix):
    shape = moffat_psf(fwhm_pix)
    return shape._replace(kind=MIXTURE, weights=np.array(weights), scales=np.array(scales))


def turned(image):
    """The stamp turned by 90 degrees from x to y."""
    return image.T[:, ::-1]


# --- kernels against integration -----------------------------------------------------------


@EXAMPLES
@given(st.floats(0.8, 8.0), st.floats(1.5, 8.0), ellipticities, offsets, offsets)
def test_a_moffat_star_is_its_profile_integrated_over_pixels(fwhm, beta, e, x, y):
    shape = covariance(moffat_scale(fwhm, beta), *e)
    judge = moffat_stamp(
        SIZE,
        flux_e=FLUX_E,
        x_pix=x,
        y_pix=y,
        beta=beta,
        cxx=shape[0],
        cxy=shape[1],
        cyy=shape[2],
    )
    image = moffat_image(SIZE, x_pix=x, y_pix=y, beta=beta, shape=shape)
    assert disagreement(image, judge)[0] < 0.5 * PEAK_ERROR


@pytest.mark.parametrize("place", [(0.0, 0.0), (0.5, 0.0), (0.5, 0.5)])
@pytest.mark.parametrize("fwhm_pix", [0.81, 1.01, 1.2, 1.51, 1.8, 2.59, 2.61])
def test_a_narrow_star_is_integrated_with_points_enough(fwhm_pix, place):
    scale = moffat_scale(fwhm_pix, 3.5)
    judge = moffat_stamp(
        SIZE,
        flux_e=FLUX_E,
        x_pix=place[0],
        y_pix=place[1],
        beta=3.5,
        cxx=scale**2,
        cxy=0.0,
        cyy=scale**2,
    )
    shape = (scale**2, 0.0, scale**2)
    image = moffat_image(SIZE, x_pix=place[0], y_pix=place[1], beta=3.5, shape=shape)
    assert disagreement(image, judge)[0] < 0.5 * PEAK_ERROR


@EXAMPLES
@given(st.floats(0.3, 4.0), ellipticities, offsets, offsets)
def test_a_gaussian_is_its_profile_integrated_over_pixels(sigma, e, x, y):
    cxx, cxy, cyy = covariance(sigma, *e)
    judge = gaussian_stamp(SIZE, flux_e=FLUX_E, x_pix=x, y_pix=y, cxx=cxx, cxy=cxy, cyy=cyy)
    image = gaussian_image(SIZE, x, y, [(FLUX_E, cxx, cxy, cyy)])
    peak = FLUX_E / (2 * np.pi * np.sqrt((cxx + 1 / 12) * (cyy + 1 / 12) - cxy**2))
    assert np.abs(image - judge).max() < 1.5 * QUADRATURE * peak


@EXAMPLES
@given(st.floats(0.7, 4.0), ellipticities, offsets, offsets, st.integers(1, 4))
def test_stepping_along_rows_gives_what_exponentials_give(sigma, e, x, y, points):
    gaussian = np.array([FLUX_E, *covariance(sigma, *e)])
    stepped, direct = np.zeros((2, SIZE * SIZE), dtype=np.float32)
    gaussians._step_through(stepped, SIZE, x, y, gaussian[:, None], points)
    gaussians._add_point_by_point(direct, SIZE, x, y, gaussian, points)
    np.testing.assert_allclose(stepped, direct, rtol=1e-5, atol=1e-6 * direct.max() + 1e-30)


@pytest.mark.parametrize("sigma_pix", [0.2, 0.35, 0.6, 1.0])
@pytest.mark.parametrize("place", [(-10.0, 9.0), (14.0, 14.0), (40.0, 2.0), (-70.0, -65.0)])
def test_a_narrow_source_far_from_the_first_pixel_stays_finite(sigma_pix, place):
    size = 21
    wide, narrow = (FLUX_E, 9.0, 1.0, 8.0), (FLUX_E, sigma_pix**2, 0.0, sigma_pix**2)
    image = gaussian_image(size, *place, [wide, narrow])
    keys = dict(flux_e=FLUX_E, x_pix=place[0], y_pix=place[1])
    judge = gaussian_stamp(size, **keys, cxx=9.0, cxy=1.0, cyy=8.0)
    judge += gaussian_stamp(size, **keys, cxx=sigma_pix**2, cxy=0.0, cyy=sigma_pix**2)
    peak = FLUX_E / (2 * np.pi) * (1 / np.sqrt(71.0) + 1 / (sigma_pix**2 + 1 / 12))
    assert np.all(np.isfinite(image))
    assert np.abs(image - judge).max() < 1.5 * QUADRATURE * peak


def test_a_host_in_the_corner_under_sharp_seeing_has_as_much_light_as_one_in_the_middle():
    inner = ours(Picture(fwhm_pix=1.2, bulge_fraction=0.5), size_pix=21)
    corner = ours(Picture(fwhm_pix=1.2, bulge_fraction=0.5, x_pix=10, y_pix=10), size_pix=41)
    np.testing.assert_allclose(corner[20:, 20:], inner, rtol=1e-4, atol=ROUNDING * inner.max())


@EXAMPLES
@given(st.lists(st.tuples(st.floats(0.1, 10.0), st.floats(1.0, 4.0)), min_size=1, max_size=9))
def test_concentric_gaussians_add_up(parts):
    components = [(flux, *covariance(sigma, 0.2, -0.1)) for flux, sigma in parts]
    together = gaussian_image(SIZE, 0.3, -0.2, components)
    apart = sum(gaussian_image(SIZE, 0.3, -0.2, [one]) for one in components)
    np.testing.assert_allclose(together, apart, atol=1.5 * QUADRATURE * apart.max())


# --- shapes --------------------------------------------------------------------------------


@EXAMPLES
@given(st.floats(0.1, 10.0), st.floats(0.001, 0.66), st.floats(0.0, 3.14))
def test_a_covariance_has_the_size_axis_ratio_and_angle_asked_for(size, e, angle):
    cxx, cxy, cyy = covariance(size, e * np.cos(2 * angle), e * np.sin(2 * angle))
    small, large = np.linalg.eigvalsh([[cxx, cxy], [cxy, cyy]])
    assert np.isclose(np.sqrt(small * large), size**2)
    assert np.isclose(np.sqrt(small / large), (1 - e) / (1 + e))
    along = np.array([np.cos(angle), np.sin(angle)])
    assert np.isclose(along @ [[cxx, cxy], [cxy, cyy]] @ along, large)


def test_a_covariance_stays_an_ellipse_whatever_the_ellipticity():
    assert covariance(2.0, 0.0, 0.0) == (4.0, 0.0, 4.0)
    cxx, cxy, cyy = covariance(2.0, 3.0, 0.0)
    assert cxy == 0.0
    assert np.isclose(np.sqrt(cyy / cxx), (1 - 0.95) / (1 + 0.95))


@pytest.mark.parametrize("beta", [1.3, 1.5, 2.0, 2.5, 3.0, 3.8, 4.765, 6.0, 10.0, 30.0])
def test_the_gaussians_of_a_moffat_profile_enclose_its_flux_and_keep_its_peak(beta):
    weights, scales = moffat_mixture(beta)
    assert np.all(weights > 0)
    assert np.isclose(weights.sum(), 1.0)
    radius2 = np.linspace(0.0, 12.0, 100)[:, None] ** 2
    enclosed = 1 - np.exp(-0.5 * radius2 / scales) @ weights
    np.testing.assert_allclose(enclosed, 1 - (1 + radius2[:, 0]) ** (1 - beta), atol=1.2e-3)
    profile = np.exp(-0.5 * radius2 / scales) @ (weights / (2 * np.pi * scales))
    exact = (beta - 1) / np.pi * (1 + radius2[:, 0]) ** -beta
    assert np.abs(profile - exact).max() < 2.5e-3 * exact[0]


@pytest.mark.parametrize("n", [1, 4])
def test_half_the_light_of_a_galaxy_is_within_its_half_light_radius(n):
    weights, scales = sersic(n)
    assert np.all(weights > 0)
    assert np.all(np.diff(scales) > 0)
    assert np.isclose(weights.sum(), 1.0)
    assert abs(1 - weights @ np.exp(-0.5 / scales) - 0.5) < 5e-3
    judge = galsim.Sersic(n, half_light_radius=1.0)
    for radius in (0.3, 2.0, 4.0):
        enclosed = 1 - weights @ np.exp(-0.5 * radius**2 / scales)
        assert abs(enclosed - judge.calculateIntegratedFlux(radius)) < 1e-2


# --- invariants ----------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [2.5, 4.0])
def test_a_star_keeps_its_flux(beta):
    # the square stamp lies between its inscribed and its circumscribed circle
    size, fwhm = 101, 3.0
    scale = moffat_scale(fwhm, beta)
    image = moffat_image(size, x_pix=0, y_pix=0, beta=beta, shape=(scale**2, 0.0, scale**2))
    inner, outer = (1 - (1 + (r / scale) ** 2) ** (1 - beta) for r in (50.5, 50.5 * np.sqrt(2)))
    assert inner - 1e-4 < image.sum() / FLUX_E < outer + 1e-4


def test_a_host_keeps_its_flux():
    image = ours(Picture(bulge_fraction=0.0, disc_pix=2.0, e1=0.3, beta=4.5), size_pix=101)
    assert abs(image.sum() - 1) < FLUX_ERROR


PICTURES = {
    "star": Picture(psf_e1=0.1, psf_e2=-0.05, x_pix=0.3, y_pix=-0.4),
    "narrow star": Picture(fwhm_pix=1.2, psf_e1=0.1, psf_e2=-0.05, x_pix=0.3, y_pix=-0.4),
    "host": Picture(
        psf_e1=0.1, psf_e2=-0.05, x_pix=0.3, y_pix=-0.4, bulge_fraction=0.4, e1=-0.3, e2=0.2
    ),
}
each_picture = pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES)


def moved(picture, **changes):
    return Picture(**(vars(picture) | changes))


@each_picture
def test_a_shift_by_whole_pixels_moves_the_image(picture):
    image = ours(picture)
    shifted = ours(moved(picture, x_pix=picture.x_pix + 3, y_pix=picture.y_pix - 2))
    # rows of a narrow star change their points per pixel at a place that is not a whole pixel
    tolerance = QUADRATURE if picture.fwhm_pix < 2 else ROUNDING
    np.testing.assert_allclose(shifted[:-2, 3:], image[2:, :-3], atol=tolerance * image.max())


@each_picture
def test_turning_shape_and_place_by_90_degrees_turns_the_image(picture):
    other = moved(
        picture,
        x_pix=-picture.y_pix,
        y_pix=picture.x_pix,
        psf_e1=-picture.psf_e1,
        psf_e2=-picture.psf_e2,
        e1=-picture.e1,
        e2=-picture.e2,
    )
    image = ours(picture)
    np.testing.assert_allclose(ours(other), turned(image), atol=QUADRATURE * image.max())
    assert np.abs(ours(other) - image).max() > 10 * QUADRATURE * image.max()


@each_picture
def test_a_mirror_image_has_the_mirrored_shape(picture):
    other = moved(picture, x_pix=-picture.x_pix, psf_e2=-picture.psf_e2, e2=-picture.e2)
    image = ours(picture)
    np.testing.assert_allclose(ours(other), image[:, ::-1], atol=ROUNDING * image.max())


@settings(deadline=None, max_examples=10, derandomize=True)
@given(st.floats(1e-2, 1e6), st.floats(0.0, 1e4))
def test_light_is_linear_in_flux_and_lies_on_the_background(flux, background):
    host = [1.0, -2.0, 0.3, 1.5, 2.5, 0.2, 0.1]
    psf = moffat_psf(3.5)
    keys = dict(host=host, neighbour_x_pix=[[4.0]], neighbour_y_pix=[[3.0]], n_neighbours=1)
    light = dict(source_e=2.0, host_e=3.0, neighbour_e=0.7)
    one = rendered(scene(**keys, **light), psf, SIZE)
    brighter = {name: flux * value for name, value in light.items()}
    image = rendered(scene(**keys, **brighter, background_e=background), psf, SIZE)
    scale = flux * one.max() + background
    np.testing.assert_allclose(image, flux * one + background, atol=ROUNDING * scale)


def test_an_empty_scene_is_its_background():
    np.testing.assert_array_equal(rendered(scene(background_e=12.5), moffat_psf(3.0), 9), 12.5)


def test_neighbours_may_come_in_any_order_and_move_with_the_source():
    rng = np.random.default_rng(1)
    x, y, flux = rng.uniform(-7, 7, (2, 1, 5)), None, rng.uniform(1, 100, (1, 1, 5))
    x, y = x
    psf, order = moffat_psf(3.0, 3.0, 0.05, 0.02), [3, 0, 4, 1, 2]
    keys = dict(n_neighbours=5, x_pix=0.3, y_pix=0.1)
    image = rendered(
        scene(neighbour_x_pix=x, neighbour_y_pix=y, neighbour_e=flux, **keys), psf, SIZE
    )
    shuffled = rendered(
        scene(
            neighbour_x_pix=x[:, order],
            neighbour_y_pix=y[:, order],
            neighbour_e=flux[..., order],
            **keys,
        ),
        psf,
        SIZE,
    )
    np.testing.assert_allclose(shuffled, image, atol=ROUNDING * image.max())
    apart = sum(
        rendered(scene(x_pix=0.3 + x[0, k], y_pix=0.1 + y[0, k], source_e=flux[0, 0, k]), psf, SIZE)
        for k in range(5)
    )
    np.testing.assert_allclose(image, apart, atol=ROUNDING * image.max())


def test_only_as_many_neighbours_as_there_are_shine():
    keys = dict(neighbour_x_pix=[[2.0, 3.0]], neighbour_y_pix=[[1.0, -4.0]], neighbour_e=5.0)
    psf = moffat_psf(3.0)
    assert not rendered(scene(n_neighbours=0, **keys), psf, SIZE).any()
    one = rendered(scene(n_neighbours=1, **keys), psf, SIZE)
    two = rendered(scene(n_neighbours=2, **keys), psf, SIZE)
    assert np.isclose(two.sum() / one.sum(), 2.0, rtol=0.1)


# --- trails --------------------------------------------------------------------------------


def test_a_trail_without_length_is_a_point():
    psf = moffat_psf(3.0, 3.0, 0.1, 0.0)
    point = rendered(scene(source_e=50.0, x_pix=0.2), psf, SIZE)
    for angle in (0.0, 1.0):
        still = scene(source_e=50.0, x_pix=0.2, trail_pix=0.0, trail_angle_rad=angle)
        np.testing.assert_array_equal(rendered(still, psf, SIZE), point)


@pytest.mark.parametrize("length_pix", [0.3, 2.0, 9.0])
@pytest.mark.parametrize("angle_rad", [0.0, 0.7, 2.0])
def test_a_trail_spreads_the_same_light_along_a_line(length_pix, angle_rad):
    size, fwhm = 41, 4.0
    psf = mixture_psf([1.0], [1 / (8 * np.log(2))], fwhm)
    light = dict(source_e=FLUX_E, x_pix=0.3, y_pix=-0.6)
    point = rendered(scene(**light), psf, size)
    trail = rendered(scene(**light, trail_pix=length_pix, trail_angle_rad=angle_rad), psf, size)
    assert np.isclose(trail.sum(), point.sum(), rtol=1e-5)
    x, y = (axis.reshape(size, size).astype(float) for axis in pixel_centres(size))
    along = np.cos(angle_rad) * x + np.sin(angle_rad) * y
    across = np.cos(angle_rad) * y - np.sin(angle_rad) * x
    for axis, spread in ((along, length_pix**2 / 12), (across, 0.0)):
        mean, still = (np.sum(axis * im) / im.sum() for im in (trail, point))
        assert np.isclose(mean, still, atol=1e-4)
        widening = np.sum(axis**2 * trail) / trail.sum() - np.sum(axis**2 * point) / point.sum()
        # n points at the middles of n parts spread by L^2 (1 - 1/n^2) / 12; steps are <= FWHM/4
        n = 1 + np.ceil(length_pix / (0.25 * fwhm))
        assert np.isclose(widening, spread * (1 - 1 / n**2), atol=2e-3)


def test_a_trail_is_smooth_however_long():
    psf, length = moffat_psf(2.0, 3.0), 14.0
    trail = rendered(scene(source_e=1.0, trail_pix=length), psf, 25)
    along = (np.arange(700) + 0.5) / 700 * length - length / 2
    judge = sum(rendered(scene(source_e=1 / 700, x_pix=x), psf, 25) for x in along)
    # the ends of n parts are drawn in by 1/(2n) of the length at most: FWHM / 8 of the slope
    assert disagreement(trail, judge)[0] < 0.01


# --- hosts ---------------------------------------------------------------------------------


def test_light_is_shared_between_bulge_and_disc_by_flux():
    size = 21
    disc = ours(Picture(bulge_fraction=0.0, disc_pix=3.0, bulge_pix=9.0, e1=0.3), size)
    bulge = ours(Picture(bulge_fraction=1.0, disc_pix=9.0, bulge_pix=1.5, e1=0.3), size)
    both = ours(Picture(bulge_fraction=0.3, disc_pix=3.0, bulge_pix=1.5, e1=0.3), size)
    mixed = 0.7 * disc + 0.3 * bulge
    np.testing.assert_allclose(both, mixed, atol=QUADRATURE * mixed.max())


def test_a_host_much_smaller_than_the_psf_looks_like_a_star():
    star = ours(Picture(fwhm_pix=5.0))
    host = ours(Picture(fwhm_pix=5.0, bulge_fraction=0.5, bulge_pix=0.01, disc_pix=0.01))
    peak_error, flux_error = disagreement(host, star)
    assert peak_error < PEAK_ERROR
    assert flux_error < FLUX_ERROR


@pytest.mark.parametrize("fwhm_pix", [2.0, 8.0])
@pytest.mark.parametrize("half_light_pix", [0.3, 1.0, 3.0])
def test_merging_the_smallest_components_of_a_host_cannot_be_seen(fwhm_pix, half_light_pix):
    picture = Picture(
        fwhm_pix,
        x_pix=0.3,
        bulge_fraction=0.7,
        bulge_pix=half_light_pix,
        disc_pix=half_light_pix,
        e1=0.3,
        e2=0.2,
    )
    scale2 = moffat_scale(fwhm_pix, picture.beta) ** 2
    components = []
    for n, flux, roundness in ((1, 0.3, 1.0), (4, 0.7, 0.4)):
        shape = np.array(covariance(half_light_pix, roundness * 0.3, roundness * 0.2))
        for part, size2 in zip(*sersic(n), strict=True):
            for share, width2 in zip(*moffat_mixture(picture.beta), strict=True):
                psf = width2 * scale2 * np.array([1.0, 0.0, 1.0])
                components.append((flux * part * share, *(size2 * shape + psf)))
    whole = gaussian_image(21, picture.x_pix, 0.0, components)
    assert disagreement(ours(picture), whole)[0] < 2e-4


def test_a_host_is_where_it_is_from_the_source():
    psf = moffat_psf(3.0)
    host = [2.0, -3.0, 0.5, 1.0, 1.0, 0.0, 0.0]
    image = rendered(scene(x_pix=0.5, y_pix=1.0, host=host, host_e=1.0), psf, 31)
    centred = ours(
        Picture(
            fwhm_pix=3.0, bulge_fraction=0.5, bulge_pix=1.0, disc_pix=1.0, x_pix=2.5, y_pix=-2.0
        ),
        31,
    )
    np.testing.assert_allclose(image, centred, atol=ROUNDING * centred.max())
    row, column = np.unravel_index(image.argmax(), image.shape)
    assert (row - 15, column - 15) in {(-2, 2), (-2, 3)}


def test_epochs_and_objects_have_their_own_light_and_psf():
    psf = moffat_psf(np.array([[2.0, 3.0], [4.0, 5.0]]))
    many = scene(2, 2, source_e=[[1.0, 2.0], [3.0, 4.0]], x_pix=[[0.0, 0.1], [0.2, 0.3]])
    for i in range(2):
        for epoch in range(2):
            expected = (2 * i + epoch + 1) * ours(
                Picture(fwhm_pix=psf.fwhm_pix[i, epoch], x_pix=many.x_pix[i, epoch]), SIZE
            )
            found = rendered(many, psf, SIZE, i=i, epoch=epoch)
            np.testing.assert_allclose(found, expected, atol=ROUNDING * expected.max())


# --- GalSim --------------------------------------------------------------------------------

JUDGED = {
    "sharp star": Picture(2.0, 2.5, 0.08, -0.05, 0.5, 0.3),
    "wide star": Picture(8.0, 4.5, -0.1, 0.05, -3.2, 4.1),
    "disc": Picture(3.0, 3.0, 0.05, -0.03, 0.3, -0.6, 0.0, 1.0, 3.0, 0.4, 0.3),
    "thin disc": Picture(2.0, 3.5, 0.05, -0.03, 0.5, 0.5, 0.0, 1.0, 8.0, 0.5, -0.44),
    "round disc": Picture(8.0, 2.5, 0.0, 0.0, -1.3, 0.0, 0.0, 1.0, 0.5),
    "bulge": Picture(2.0, 4.5, 0.05, -0.03, 0.0, 0.0, 1.0, 3.0, 1.0, 0.4, 0.3),
    "small bulge": Picture(5.0, 8.0, 0.0, 0.1, 4.2, 6.6, 1.0, 0.5, 1.0, 0.0, 0.6),
    "large bulge": Picture(4.0, 3.0, 0.05, -0.03, 0.5, -0.5, 1.0, 8.0, 1.0, 0.2, 0.0),
    "bulge and disc": Picture(4.0, 3.0, 0.0, 0.06, 5.0, -2.4, 0.4, 1.2, 4.0, -0.3, 0.4),
}


@pytest.mark.parametrize("picture", JUDGED.values(), ids=JUDGED)
def test_galsim_draws_the_same_stars_and_galaxies(picture):
    peak_error, flux_error = disagreement(ours(picture), galsims(picture))
    assert peak_error < PEAK_ERROR
    assert flux_error < FLUX_ERROR


@pytest.mark.parametrize("fwhm_pix", [2.0, 3.5, 8.0])
def test_galsim_draws_the_same_kolmogorov_star(fwhm_pix):
    one = scene(source_e=1.0, x_pix=0.3, y_pix=-0.4)
    psf = mixture_psf(*kolmogorov(), fwhm_pix)._replace(
        e1=np.full((1, 1), 0.06), e2=np.full((1, 1), -0.04)
    )
    judge = galsim.Kolmogorov(fwhm=fwhm_pix).shear(g1=0.06, g2=-0.04)
    peak_error, flux_error = disagreement(
        rendered(one, psf, 21), drawn_by_galsim(judge, 0.3, -0.4, 21)
    )
    assert peak_error < PEAK_ERROR
    assert flux_error < FLUX_ERROR
