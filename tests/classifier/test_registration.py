"""Stamps registered on their source: found where it is, moved whole, and nothing else touched."""

from dataclasses import replace

import galsim
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.dataset import DatasetSplit
from classifier.image_selection import ImageSelection, SelectedSplit
from classifier.registration import LANCZOS_ORDER, moved, registered, windowed_offset
from finetune.homogenise import HomogenisedSplit, Homogenising, common_length
from simulator.detector.lanczos import lanczos_weights
from tests.helpers.running import copy_of
from tests.helpers.stars import SKY_ADU, as_stamps

SIZE_PIX, SIGMA_PIX = 21, 1.7
AXIS = np.arange(SIZE_PIX) - SIZE_PIX // 2
NOTHING = (0.0, 1e-12)  # sky and variance of images without noise
SHIFTS = st.floats(-1, 1)


def gaussian(x, y, sigma_pix=SIGMA_PIX):
    """A star of flux one."""
    along = [np.exp(-((AXIS - c) ** 2) / (2 * sigma_pix**2)) for c in (y, x)]
    return np.outer(*along) / (2 * np.pi * sigma_pix**2)


# --- where the source is ------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(x=st.floats(-0.9, 0.9), y=st.floats(-0.9, 0.9), fwhm_pix=st.floats(3, 6))
def test_a_moffat_star_without_noise_is_found_where_galsim_drew_it(x, y, fwhm_pix):
    star = galsim.Moffat(beta=3.5, fwhm=fwhm_pix)
    image = star.drawImage(nx=SIZE_PIX, ny=SIZE_PIX, scale=1, offset=(x, y), dtype=float).array
    found = windowed_offset(image, *NOTHING, fwhm_pix / 2.3548)
    np.testing.assert_allclose(found, [x, y], atol=0.01)


@pytest.mark.parametrize("signal_to_noise", [20, 100])
def test_the_scatter_of_what_is_found_is_that_of_the_noise(signal_to_noise):
    """With a window as wide as the star the error is sqrt(8 pi) s^2 noise / flux.

    The window's flux is half of the star's and its noise sqrt(pi) s that of a pixel.
    """
    rng, n, noise = np.random.default_rng(0), 400, 3.0
    flux = 2 * np.sqrt(np.pi) * SIGMA_PIX * noise * signal_to_noise
    error_pix = np.sqrt(8 * np.pi) * SIGMA_PIX**2 * noise / flux
    true = rng.uniform(-0.5, 0.5, (n, 2))
    found = [
        windowed_offset(
            SKY_ADU + flux * gaussian(x, y) + noise * rng.normal(size=(SIZE_PIX, SIZE_PIX)),
            SKY_ADU,
            noise**2,
            SIGMA_PIX,
        )
        for x, y in true
    ]
    pull = (np.array(found) - true) / error_pix
    assert (abs(pull.mean(axis=0)) < 5 / np.sqrt(n)).all()
    # beyond the first order the error grows by about 1 / signal to noise
    assert (abs(pull.std(axis=0) - 1) < 5 / np.sqrt(2 * n) + 1 / signal_to_noise).all()


def test_a_source_is_found_from_a_signal_to_noise_of_ten():
    rng, n = np.random.default_rng(1), 200
    star = 2 * np.sqrt(np.pi) * SIGMA_PIX * gaussian(0.1, -0.2)
    share = {
        s: np.mean(
            [
                np.isfinite(
                    windowed_offset(s * star + rng.normal(size=star.shape), 0.0, 1.0, SIGMA_PIX)
                ).all()
                for _ in range(n)
            ]
        )
        for s in (0, 5, 16)
    }
    assert share[0] == 0 and share[5] < 0.02 and share[16] > 0.98


@pytest.mark.parametrize(
    "image",
    [
        gaussian(1.6, 0),
        gaussian(0, -3),
        np.full((SIZE_PIX, SIZE_PIX), np.nan),
        -gaussian(0, 0),
        np.zeros((SIZE_PIX, SIZE_PIX)),
    ],
    ids=["beside", "far", "no pixels", "negative", "empty"],
)
def test_an_unmeasurable_offset_is_nan(image):
    assert np.isnan(windowed_offset(image, *NOTHING, SIGMA_PIX)).all()


# --- moving -------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(x=SHIFTS, y=SHIFTS)
def test_a_moved_source_well_inside_keeps_its_flux(x, y):
    image = np.where(gaussian(0.2, 0.1) > 1e-6, gaussian(0.2, 0.1), 0.0)
    assert image[:3].sum() == 0
    assert moved(image, x, y, LANCZOS_ORDER).sum() == pytest.approx(image.sum(), rel=1e-12)


@settings(deadline=None, max_examples=30)
@given(x=SHIFTS, y=SHIFTS)
def test_a_star_is_read_where_it_is_and_so_ends_in_the_centre(x, y):
    after = moved(gaussian(x, y), x, y, LANCZOS_ORDER)
    np.testing.assert_allclose(windowed_offset(after, *NOTHING, SIGMA_PIX), 0, atol=0.02)
    centred = gaussian(0, 0)
    assert abs(after - centred).max() < 0.05 * centred.max()


def test_whole_pixels_are_moved_exactly_and_no_shift_is_none():
    image = np.random.default_rng(0).normal(100, 10, (SIZE_PIX, SIZE_PIX))
    np.testing.assert_allclose(moved(image, 0.0, 0.0, LANCZOS_ORDER), image, rtol=1e-13)
    one = moved(image, 1.0, -1.0, LANCZOS_ORDER)
    np.testing.assert_allclose(one[1:, :-1], image[:-1, 1:], rtol=1e-13)
    np.testing.assert_allclose(one[0, :-1], image[0, 1:], rtol=1e-13)  # the mirror image


@settings(deadline=None, max_examples=40)
@given(x=SHIFTS, y=SHIFTS, row=st.integers(0, SIZE_PIX - 1), column=st.integers(0, SIZE_PIX - 1))
def test_nan_spreads_only_to_the_pixels_made_of_it(x, y, row, column):
    image = np.random.default_rng(0).normal(100, 10, (SIZE_PIX, SIZE_PIX))
    alone = np.zeros_like(image)
    alone[row, column] = 1
    share = abs(moved(alone, x, y, LANCZOS_ORDER))  # what each new pixel takes from it
    whole = moved(image, x, y, LANCZOS_ORDER)
    image[row, column] = np.nan
    lost = moved(image, x, y, LANCZOS_ORDER)
    assert np.isnan(lost[share > 0.021]).all() and np.isfinite(lost[share < 0.019]).all()
    np.testing.assert_allclose(lost[share == 0], whole[share == 0], rtol=1e-12)


def test_a_stamp_without_pixels_stays_one():
    assert np.isnan(moved(np.full((9, 9), np.nan), 0.3, 0.2, LANCZOS_ORDER)).all()


def test_moved_white_noise_is_as_correlated_as_the_weights_say():
    x, y, n = 0.3, -0.4, 300
    rng = np.random.default_rng(0)
    margin = 3  # what the mirrored edge does not reach
    inside = np.stack(
        [
            moved(rng.normal(size=(SIZE_PIX, SIZE_PIX)), x, y, LANCZOS_ORDER)[
                margin:-margin, margin:-margin
            ]
            for _ in range(n)
        ]
    )
    along = [
        np.correlate(w, w, "full") for w in (lanczos_weights(s % 1, LANCZOS_ORDER) for s in (y, x))
    ]
    expected = np.outer(*along)  # covariance by lag, row and column
    centre = 2 * LANCZOS_ORDER - 1
    for lag in ((0, 0), (0, 1), (1, 0), (1, 1), (0, 2)):
        ends = [slice(None, -k or None) for k in lag], [slice(k, None) for k in lag]
        product = inside[:, *ends[0]] * inside[:, *ends[1]]
        # scatter of a mean of products of correlated Gaussians, at most
        five_sigma = 5 * np.sqrt(2 * (expected**2).sum() / product.size)
        assert abs(product.mean() - expected[centre + lag[0], centre + lag[1]]) < five_sigma
    assert expected[centre, centre] < 0.7 and expected[centre, centre + 1] > 0.05


# --- stamps and splits --------------------------------------------------------------------------


def star_stamps(seed=0, n=6, flux_adu=5e4):
    """Bright stars off the centre, two images each, the second of the last one padded."""
    rng = np.random.default_rng(seed)
    light = [[gaussian(*place) for place in pair] for pair in rng.uniform(-0.8, 0.8, (n, 2, 2))]
    noise = rng.normal(0, 5, (n, 2, SIZE_PIX, SIZE_PIX))
    images = SKY_ADU + flux_adu * np.array(light) + noise
    images[-1, 1] = np.nan
    return as_stamps(images, n_epochs=np.array([2] * (n - 1) + [1], dtype=np.int16))


def test_only_wanted_objects_are_registered_and_on_their_source():
    stamps = star_stamps()
    before = stamps.images_adu.copy()
    wanted = np.array([True, False, True, False, False, True])
    after = registered(stamps, wanted, np.full((6, 2, 2), np.nan))  # no shift is drawn
    np.testing.assert_array_equal(stamps.images_adu, before)
    np.testing.assert_array_equal(after.images_adu[~wanted], before[~wanted])
    for i in np.flatnonzero(wanted):
        for epoch in range(stamps.n_epochs[i]):
            offset = windowed_offset(after.images_adu[i, epoch], SKY_ADU, 1.0, SIGMA_PIX)
            np.testing.assert_allclose(offset, 0, atol=0.02)
    assert np.isnan(after.images_adu[-1, 1]).all()
    for name in ("mjd", "saturated", "n_epochs", "seeing_fwhm_pix", "zero_point_mag"):
        assert getattr(after, name) is getattr(stamps, name)


@pytest.mark.parametrize("unknown", ["gain_e_per_adu", "read_noise_e"])
def test_a_source_is_found_where_the_detector_is_not_known(unknown):
    stamps = star_stamps()
    wanted, drawn_pix = np.ones(len(stamps), bool), np.full((*stamps.mjd.shape, 2), 0.5)
    known = registered(stamps, wanted, drawn_pix)
    blind = replace(stamps, **{unknown: np.full(len(stamps), np.nan, np.float32)})
    np.testing.assert_array_equal(registered(blind, wanted, drawn_pix).images_adu, known.images_adu)


def test_stamps_without_a_source_are_moved_as_drawn():
    stamps = star_stamps(flux_adu=0.0)
    drawn_pix = np.random.default_rng(0).uniform(-0.5, 0.5, (6, 2, 2))
    after = registered(stamps, np.ones(6, dtype=bool), drawn_pix)
    expected = moved(stamps.images_adu[2, 1], *drawn_pix[2, 1], LANCZOS_ORDER)
    np.testing.assert_array_equal(after.images_adu[2, 1], expected.astype(np.float32))


@pytest.fixture(scope="module")
def as_real(small_dataset, tmp_path_factory):
    """The small data set, of whose tested sequences two in three were resampled before."""
    data = copy_of(small_dataset, tmp_path_factory.mktemp("real"))
    group = zarr.open_group(data)["test"]
    group.create_array("resampled", data=np.arange(group["label"].shape[0]) % 3 > 0)
    return data


def test_a_homogenised_split_leaves_what_was_resampled_before(as_real):
    published = DatasetSplit(as_real, "test").stamps(0, 70).images_adu
    split = HomogenisedSplit(as_real, "test")
    found, native = split.stamps(0, 70).images_adu, np.arange(70) % 3 == 0
    np.testing.assert_array_equal(found[~native], published[~native])
    changed = (found != published) & np.isfinite(found)
    assert changed[native].any(axis=(1, 2, 3)).all()


def test_a_homogenised_split_does_not_care_how_it_is_read(as_real):
    split = HomogenisedSplit(as_real, "test")
    whole = split.stamps(0, 70).images_adu
    again = HomogenisedSplit(as_real, "test")
    parts = [again.stamps(a, b).images_adu for a, b in ((0, 1), (1, 34), (34, 70))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_without_the_array_every_object_is_registered(as_real, small_dataset):
    alike, other = HomogenisedSplit(small_dataset, "test"), HomogenisedSplit(as_real, "test")
    np.testing.assert_array_equal(alike.stamps(9, 10).images_adu, other.stamps(9, 10).images_adu)
    published = DatasetSplit(small_dataset, "test").stamps(0, 70).images_adu
    moved_ones = alike.stamps(0, 70).images_adu
    assert ((moved_ones != published) & np.isfinite(moved_ones)).any(axis=(1, 2, 3)).all()


def lengths(split, selection):
    return SelectedSplit(split, selection).stamps(0, len(split)).n_epochs


def test_a_common_length_is_that_nearly_all_of_the_shortest_class_have(small_dataset, tmp_path):
    data = copy_of(small_dataset, tmp_path)
    group = zarr.open_group(data)["test"]
    labels, n_epochs = group["label"][:], group["n_epochs"][:]
    n_epochs[labels == labels[0]], n_epochs[labels != labels[0]] = 9, 12
    group["n_epochs"][:] = n_epochs
    split, selection = DatasetSplit(data, "test"), ImageSelection()
    shown = lengths(split, selection)
    found = common_length(split, selection)
    shares = [np.mean(shown[labels == c] >= found) for c in np.unique(labels)]
    assert found <= 9 and min(shares) >= 0.9
    assert min(np.mean(shown[labels == c] > found) for c in np.unique(labels)) < 0.95
    assert common_length(split, ImageSelection(images=4)) == 4
    group["label"][:] = np.where(labels == labels[0], 255, labels)  # has no say any more
    assert common_length(DatasetSplit(data, "test"), selection) > found
    assert Homogenising(length=False).selection(split, selection) is selection
    cut = Homogenising(registration=False).selection(split, selection)
    assert cut.images == found and cut.band == selection.band
    assert not Homogenising(registration=False, length=False)


def test_objects_without_an_image_do_not_shorten_the_others(small_dataset, tmp_path):
    data = copy_of(small_dataset, tmp_path)
    before = common_length(DatasetSplit(data, "test"), ImageSelection(images=30))
    group = zarr.open_group(data)["test"]
    group["n_epochs"][:20] = 0
    assert common_length(DatasetSplit(data, "test"), ImageSelection(images=30)) >= before > 1
