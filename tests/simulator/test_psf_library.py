"""Measured PSFs: what the file must hold, and stars drawn from it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.gaussian_mixture import covariance
from simulator.psf.empirical import _cubic, add_library_star, read_library
from simulator.psf.moffat import moffat_scale
from simulator.psf.psf import LIBRARY
from tests.helpers.oracles import moffat_stamp
from tests.helpers.pictures import disagreement, moffat_psf, rendered, scene

SIZE = 21
OVERSAMPLING = 4
GRID = 129  # 32 pixels across
BETA = 3.0
# Catmull-Rom errs by h^3 f'''/ 24 and more: with h = 1/4 pixel and FWHM 3 that is below 0.3 %
INTERPOLATION = 5e-3


def effective_psf(fwhm_pix, e1=0.0, e2=0.0):
    """A Moffat star integrated over pixels that overlap, one per grid point."""
    shape = covariance(moffat_scale(fwhm_pix, BETA), e1, e2)
    cxx, cxy, cyy = (OVERSAMPLING**2 * c for c in shape)
    fine = moffat_stamp(
        GRID + OVERSAMPLING - 1,
        flux_e=1.0,
        x_pix=0.0,
        y_pix=0.0,
        beta=BETA,
        cxx=cxx,
        cxy=cxy,
        cyy=cyy,
    )
    windows = np.lib.stride_tricks.sliding_window_view(fine, (OVERSAMPLING, OVERSAMPLING))
    return windows.sum(axis=(2, 3))


def arrays(fwhm_pix=(5.0, 3.0, 4.0)):
    n = len(fwhm_pix)
    images = np.stack([effective_psf(fwhm) for fwhm in fwhm_pix])
    return {
        "epsf": images,
        "epsf_oversampling": np.full(n, OVERSAMPLING),
        "epsf_fwhm_pix": np.array(fwhm_pix),
        "epsf_beta": np.full(n, BETA),
        "epsf_e1": np.zeros(n),
        "epsf_e2": np.full(n, 0.01),
    }


@pytest.fixture(scope="module")
def library_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("library") / "psfs.npz"
    np.savez(path, **arrays())
    return path


def star(psf, *, x_pix=0.0, y_pix=0.0, stretch=1.0, flux_e=1.0, size=SIZE):
    image = np.zeros(size * size, dtype=np.float32)
    add_library_star(image, size, flux_e, x_pix, y_pix, psf, OVERSAMPLING, stretch)
    return image.reshape(size, size).astype(float)


def test_a_library_keeps_its_shapes_and_is_normalised(library_path):
    library = read_library(library_path)
    assert library.images.dtype == np.float32
    np.testing.assert_allclose(library.images.sum(axis=(1, 2)), OVERSAMPLING**2, rtol=1e-5)
    assert library.oversampling == OVERSAMPLING
    np.testing.assert_array_equal(library.fwhm_pix, [5.0, 3.0, 4.0])
    np.testing.assert_array_equal(library.e2, 0.01)


def test_the_nearest_psf_in_width_is_taken(library_path):
    library = read_library(library_path)
    widths = np.array([[0.1, 3.4, 3.6], [4.4, 4.6, 99.0]])
    np.testing.assert_array_equal(library.nearest(widths), [[1, 1, 2], [2, 0, 0]])
    assert library.nearest(np.array([np.nan])).item() in range(3)


def test_a_library_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"PSF library .*none\.npz: there is no such file"):
        read_library(tmp_path / "none.npz")


def test_every_missing_array_is_named(tmp_path):
    some = arrays((3.0,))
    del some["epsf_beta"], some["epsf_e2"]
    np.savez(tmp_path / "some.npz", **some)
    with pytest.raises(ValueError, match=r"some\.npz: it has no array epsf_beta, epsf_e2\."):
        read_library(tmp_path / "some.npz")


@pytest.mark.parametrize("kind", ["text", "empty", "cut", "spoilt", "npy"])
def test_a_file_of_another_kind_is_refused(tmp_path, library_path, kind):
    path = tmp_path / "other.npz"
    whole = library_path.read_bytes()
    content = {"text": b"not a library", "empty": b"", "cut": whole[:5000]}
    content["spoilt"] = whole[:5000] + bytes(5000) + whole[10000:]
    if kind == "npy":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    else:
        path.write_bytes(content[kind])
    with pytest.raises(ValueError, match=r"other\.npz: not a readable npz file"):
        read_library(path)


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.floats(0.0, 1.0, exclude_max=True))
def test_cubic_weights_keep_constants_lines_and_parabolas(t):
    weights = np.empty(4)
    _cubic(weights, t)
    places = np.array([-1.0, 0.0, 1.0, 2.0])
    for power in (0, 1, 2):
        assert np.isclose(weights @ places**power, t**power, atol=1e-12)


@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.5, 0.5), (-0.3, 0.12), (4.6, -7.2)])
@pytest.mark.parametrize("fwhm_pix", [3.0, 5.0])
def test_a_star_from_a_library_of_moffat_psfs_is_a_moffat_star(offset, fwhm_pix):
    e1, e2 = 0.08, -0.05
    psf = effective_psf(fwhm_pix, e1, e2).astype(np.float32)
    cxx, cxy, cyy = covariance(moffat_scale(fwhm_pix, BETA), e1, e2)
    judge = moffat_stamp(
        SIZE, flux_e=1.0, x_pix=offset[0], y_pix=offset[1], beta=BETA, cxx=cxx, cxy=cxy, cyy=cyy
    )
    image = star(psf, x_pix=offset[0], y_pix=offset[1])
    assert disagreement(image, judge)[0] < INTERPOLATION


def test_a_star_from_a_library_keeps_its_flux_at_any_stretch(library_path):
    psf = read_library(library_path).images[1]
    for stretch in (0.8, 1.0, 1.3):
        image = star(psf, stretch=stretch, flux_e=100.0, x_pix=0.2, size=61)
        assert np.isclose(image.sum(), 100.0, rtol=2e-3)


def test_stretching_makes_a_star_wider_in_proportion(library_path):
    psf = read_library(library_path).images[1]

    def effective_radius(image):  # sqrt(1 / sum of squares) scales with the width
        return np.sum((image / image.sum()) ** 2) ** -0.5

    stretched = effective_radius(star(psf, stretch=1.5, size=61))
    assert np.isclose(stretched / effective_radius(star(psf, size=61)), 1.5, rtol=5e-3)


def test_a_shift_by_whole_pixels_moves_a_star_from_a_library(library_path):
    psf = read_library(library_path).images[0]
    image, moved = star(psf, x_pix=0.25), star(psf, x_pix=3.25, y_pix=-2.0)
    np.testing.assert_allclose(moved[:-2, 3:], image[2:, :-3], rtol=1e-6, atol=1e-9)


def test_the_scene_draws_each_exposure_with_its_own_psf_of_the_library(library_path):
    library = read_library(library_path)
    psf = moffat_psf(np.array([[3.0, 5.0]]))._replace(
        kind=LIBRARY,
        index=np.array([[1, 0]]),
        stretch=np.array([[1.0, 1.2]]),
        images=library.images,
        oversampling=library.oversampling,
    )
    one = scene(
        1,
        2,
        source_e=1.0,
        x_pix=0.3,
        n_neighbours=1,
        neighbour_x_pix=[[5.0]],
        neighbour_y_pix=[[-4.0]],
        neighbour_e=0.5,
    )
    for epoch, (index, stretch) in enumerate([(1, 1.0), (0, 1.2)]):
        drawn = library.images[index]
        expected = star(drawn, x_pix=0.3, stretch=stretch)
        expected += 0.5 * star(drawn, x_pix=5.3, y_pix=-4.0, stretch=stretch)
        found = rendered(one, psf, SIZE, epoch=epoch)
        np.testing.assert_allclose(found, expected, atol=1e-6 * expected.max())
