"""Full wells, rounding, defects and resampling: charge is kept, marked, and where it should be."""

from __future__ import annotations

import galsim
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import correlate1d
from scipy.stats import kstest, poisson

from simulator.detector.defects import (
    BAD_PIXEL,
    COSMIC_RAY,
    MASK_BITS,
    SATURATED,
    add_cosmic_rays,
    place_fixed_defects,
)
from simulator.detector.lanczos import lanczos_weights, shift_stamp
from simulator.detector.noise import small_poisson
from simulator.detector.readout import apply_fixed_defects, bleed, digitise
from simulator.rng import Purpose, key_words
from tests.helpers.oracles import bled, lanczos_kernel
from tests.helpers.pictures import Picture, ours

FULL_WELL_E = 1000.0
SIGMAS = 5.0
LEAST_P = 1e-4
KEY = key_words(5)
MUON_E = 80.0 * 250.0  # straight through 250 micron of silicon
EXAMPLES = settings(deadline=None, max_examples=60, derandomize=True)

# whole electrons, an even number above the full well: halves are then exact in float32
charges = st.integers(0, 2000).map(lambda n: 2.0 * n)
stamps_of_charge = arrays(np.float32, (9, 3), elements=charges)


def counter(index):
    return (np.uint32(index), np.uint32(0), np.uint32(Purpose.DEFECTS << 24))


def read_out(electrons):
    held = np.array(electrons, dtype=np.float32)
    held = np.ascontiguousarray(held)
    mask = np.zeros(held.shape, dtype=np.uint8)
    bleed(held, mask, FULL_WELL_E)
    return held.astype(float), mask


# --- full wells ----------------------------------------------------------------------------


@EXAMPLES
@given(stamps_of_charge)
def test_bleeding_is_what_packets_one_by_one_do(electrons):
    held, mask = read_out(electrons)
    expected, saturated = bled(electrons, FULL_WELL_E)
    np.testing.assert_allclose(held, expected, atol=1e-3)
    np.testing.assert_array_equal(mask, np.where(saturated, SATURATED, 0))


@EXAMPLES
@given(stamps_of_charge)
def test_bleeding_only_moves_charge_down_and_up_its_own_column(electrons):
    held, _ = read_out(electrons)
    assert held.max(initial=0.0) <= FULL_WELL_E
    assert np.all(held >= np.minimum(electrons, FULL_WELL_E))
    assert np.all(held.sum(axis=0) <= electrons.sum(axis=0, dtype=float) + 1e-3)
    untouched = np.all(electrons <= FULL_WELL_E, axis=0)
    np.testing.assert_array_equal(held[:, untouched], electrons[:, untouched])


@settings(deadline=None, max_examples=30, derandomize=True)
@given(st.integers(8, 12), st.floats(1e3, 8e3, width=32), st.floats(0.0, 400.0))
def test_charge_that_finds_room_is_kept(row, charge, level):
    electrons = np.full((21, 5), level)
    electrons[row, 2] = charge
    held, mask = read_out(electrons)
    assert np.isclose(held.sum(), electrons.sum(), rtol=1e-6)
    assert bool(mask[row, 2]) == (charge > FULL_WELL_E)
    np.testing.assert_allclose(read_out(electrons[::-1])[0], held[::-1], atol=1e-3)


def test_charge_leaves_at_the_edges_when_a_column_is_full():
    electrons = np.zeros((5, 1))
    electrons[2] = 21_000.0
    held, mask = read_out(electrons)
    np.testing.assert_array_equal(held, FULL_WELL_E)
    np.testing.assert_array_equal(mask, SATURATED)


def test_the_pixel_in_which_bleeding_ends_is_not_saturated():
    electrons = np.zeros((7, 1))
    electrons[3] = 1000.0 + 2 * 1300.0
    held, mask = read_out(electrons)
    np.testing.assert_allclose(held[:, 0], [0, 300, 1000, 1000, 1000, 300, 0])
    np.testing.assert_array_equal(mask[:, 0], [0, 0, 1, 1, 1, 0, 0])


# --- counts --------------------------------------------------------------------------------


@EXAMPLES
@given(arrays(np.float32, 20, elements=st.floats(-50.0, 4e5, width=32)), st.floats(0.3, 8.0))
def test_counts_are_electrons_over_the_gain_rounded_and_clipped(electrons, gain):
    counts = np.empty(20, dtype=np.uint16)
    digitise(counts, electrons, gain)
    exact = np.clip(electrons.astype(float) / gain, 0.0, 65535.0)
    # half a count of rounding, and the float32 of up to 65535 counts
    assert np.all(np.abs(counts - exact) <= 0.5 + 65535 * 2.0**-23)
    small = exact < 1000
    halves = np.abs(exact % 1 - 0.5) < 1e-3
    sure = small & ~halves
    np.testing.assert_array_equal(counts[sure], np.floor(exact[sure] + 0.5))


def test_rounding_does_not_shift_the_mean():
    electrons = np.linspace(100.0, 500.0, 40_001, dtype=np.float32)
    counts = np.empty(electrons.size, dtype=np.uint16)
    digitise(counts, electrons, 4.0)
    residual = counts - electrons / 4.0
    assert abs(residual.mean()) < SIGMAS / np.sqrt(12 * electrons.size)
    assert np.isclose(residual.std(), 1 / np.sqrt(12), rtol=1e-2)


def test_counts_stop_at_what_sixteen_bits_hold():
    counts = np.empty(3, dtype=np.uint16)
    digitise(counts, np.array([-1e4, 1e9, 65535.4 * 2], dtype=np.float32), 2.0)
    np.testing.assert_array_equal(counts, [0, 65535, 65535])


# --- defects -------------------------------------------------------------------------------


def rays(index, mean_number, shape=(31, 31), first_draw=4096):
    electrons = np.zeros(shape, dtype=np.float32)
    mask = np.zeros(shape, dtype=np.uint8)
    silicon = (250.0, 15.0)  # depth and pixel, micron
    number = add_cosmic_rays(
        electrons, mask, mean_number, *silicon, counter(index), first_draw, KEY
    )
    return electrons.astype(float), mask, number


@pytest.mark.parametrize("mean", [0.01, 0.7, 6.0])
def test_small_poisson_counts_are_quantiles(mean):
    shares = (np.arange(2000) + 0.5) / 2000
    found = [small_poisson(mean, u) for u in shares]
    np.testing.assert_array_equal(found, poisson.ppf(shares, mean))


def test_cosmic_rays_come_at_their_rate():
    mean, n = 0.8, 4000
    number = np.array([rays(i, mean)[2] for i in range(n)])
    assert abs(number.mean() - mean) < SIGMAS * np.sqrt(mean / n)
    assert abs(number.var() - mean) < SIGMAS * np.sqrt((mean + 2 * mean**2) / n)


def test_cosmic_rays_mark_the_pixels_they_charge_and_no_others():
    hit = 0
    for i in range(200):
        electrons, mask, number = rays(i, 1.5)
        np.testing.assert_array_equal(mask, np.where(electrons > 0, COSMIC_RAY, 0))
        assert (number > 0) == mask.any()
        hit += number
    assert hit > 100


@pytest.mark.slow
def test_the_charge_of_a_ray_is_its_path_through_silicon():
    # from the middle of a stamp larger than the longest track, all charge is kept
    charges = [rays(i, 0.3, (241, 241)) for i in range(3000)]
    single = np.array([e.sum() for e, _, number in charges if number == 1])
    inside = np.array(
        [
            not (m[0].any() or m[-1].any() or m[:, 0].any() or m[:, -1].any())
            for _, m, number in charges
            if number == 1
        ]
    )
    cosine = MUON_E / single[inside]
    assert np.all((cosine > 0) & (cosine < 1 + 1e-5))
    # P(cos z < c) = c^4, less the few longest tracks that reach an edge
    assert kstest(cosine, lambda c: np.clip(c, 0, 1) ** 4).pvalue > LEAST_P


def test_cosmic_rays_land_evenly_and_in_every_direction():
    mask = sum((rays(i, 1.0)[1] > 0).astype(float) for i in range(4000))
    middle = mask[8:-8, 8:-8]
    assert abs(middle[:, :7].mean() / middle[:, -7:].mean() - 1) < 0.15
    assert abs(middle[:7].mean() / middle[-7:].mean() - 1) < 0.15


def test_cosmic_rays_are_new_in_every_exposure_and_the_same_at_the_same_address():
    first = rays(1, 5.0)
    np.testing.assert_array_equal(first[0], rays(1, 5.0)[0])
    assert np.any(rays(1, 5.0, first_draw=8192)[0] != first[0])
    assert np.any(rays(2, 5.0)[0] != first[0])


def fixed_defects(index, hot_fraction, column_fraction, size=21):
    defect = np.zeros((size, size), dtype=np.uint8)
    found = place_fixed_defects(defect, hot_fraction, column_fraction, counter(index), KEY)
    assert found == defect.any()
    return defect


def test_hot_pixels_come_at_their_rate_and_anywhere():
    fraction, n = 1e-3, 4000
    defects = np.array([fixed_defects(i, fraction, 0.0) for i in range(n)])
    mean = fraction * defects.size
    assert set(np.unique(defects)) == {0, 1}
    # two on one pixel count once: a share of half the mean number per stamp and pixel
    assert abs((defects == 1).sum() - mean) < SIGMAS * np.sqrt(mean) + mean * fraction
    rows, columns = np.nonzero(defects)[1:]
    for places in (rows, columns):
        error = np.sqrt((21**2 - 1) / 12 / places.size)
        assert abs(places.mean() - 10) < SIGMAS * error


def test_bad_columns_come_at_their_rate_and_are_bad_from_end_to_end():
    fraction, n = 2e-3, 4000
    defects = np.array([fixed_defects(i, 0.0, fraction) for i in range(n)])
    dead = (defects == 2).all(axis=1)
    np.testing.assert_array_equal(dead, (defects == 2).any(axis=1))
    mean = fraction * 21 * n
    assert abs(dead.sum() - mean) < SIGMAS * np.sqrt(mean)


def test_a_perfect_detector_has_no_defects():
    assert not any(fixed_defects(i, 0.0, 0.0).any() for i in range(500))


def test_hot_pixels_collect_dark_charge_and_dead_columns_none():
    defect = np.zeros((4, 4), dtype=np.uint8)
    defect[1, 2], defect[:, 3] = 1, 2
    for seconds in (10.0, 90.0):
        electrons = np.full((4, 4), 100.0, dtype=np.float32)
        mask = np.zeros((4, 4), dtype=np.uint8)
        apply_fixed_defects(electrons, mask, defect, seconds)
        np.testing.assert_array_equal(mask, np.where(defect > 0, BAD_PIXEL, 0))
        np.testing.assert_array_equal(electrons[defect == 0], 100.0)
        np.testing.assert_array_equal(electrons[:, 3], 0.0)
        assert np.isclose(electrons[1, 2], 100.0 + 200.0 * seconds)


def test_mask_bits_are_powers_of_two_and_distinct():
    assert sorted(MASK_BITS.values()) == [1, 2, 4, 8]


# --- resampling ----------------------------------------------------------------------------

orders = st.integers(1, 7)
shifts = st.floats(0.0, 1.0, exclude_max=True)


@EXAMPLES
@given(shifts, orders)
def test_lanczos_weights_are_galsims_and_add_up_to_one(shift, order):
    weights = lanczos_weights(shift, order)
    distance = shift - np.arange(1 - order, order + 1)
    kernel = lanczos_kernel(distance, order)
    judge = np.array([galsim.Lanczos(order, conserve_dc=False).xval(d) for d in distance])
    assert np.isclose(weights.sum(), 1.0)
    np.testing.assert_allclose(weights, kernel / kernel.sum(), atol=1e-8)
    np.testing.assert_allclose(weights, judge / judge.sum(), atol=1e-4)  # GalSim uses a table


def resampled(wide, x_shift, y_shift, order, size):
    out = np.empty((size, size))
    shift_stamp(out, wide, x_shift, y_shift, order)
    return out


@EXAMPLES
@given(st.floats(-1.99, 1.99), st.floats(-1.99, 1.99), orders, st.integers(0, 2**32 - 1))
def test_resampling_reads_a_stamp_at_shifted_places(x_shift, y_shift, order, seed):
    size, margin = 6, order + 1
    rng = np.random.default_rng(seed)
    wide = rng.integers(0, 65536, (size + 2 * margin, size + 2 * margin)).astype(np.uint16)
    found = resampled(wide, x_shift, y_shift, order, size)
    whole, part = np.divmod([y_shift, x_shift], 1.0)
    expected = wide.astype(float)
    for axis in (0, 1):
        # weights of pixels 1 - order to order around each: an odd window, its first weight zero
        window = np.append(np.zeros(1), lanczos_weights(part[axis], order))
        expected = correlate1d(expected, window, axis=axis, mode="constant")
    rows, columns = (np.arange(size) + margin + int(step) for step in whole)
    np.testing.assert_allclose(found, expected[np.ix_(rows, columns)], rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("shift", [(0, 0), (1, 0), (-1, 1), (0, -1)])
def test_resampling_by_whole_pixels_copies(shift):
    wide = np.random.default_rng(0).integers(0, 65536, (17, 17)).astype(np.uint16)
    out = resampled(wide, float(shift[0]), float(shift[1]), 3, 9)
    np.testing.assert_allclose(
        out, wide[4 + shift[1] : 13 + shift[1], 4 + shift[0] : 13 + shift[0]]
    )


@pytest.mark.parametrize("place", [(0.4, -0.7), (-0.25, 0.5), (1.7, -1.6)])
def test_resampling_brings_the_source_to_the_centre(place):
    size, order = 21, 3
    centred = ours(Picture(fwhm_pix=5.0, psf_e1=0.1), size)
    wide = ours(Picture(fwhm_pix=5.0, psf_e1=0.1, x_pix=place[0], y_pix=place[1]), size + 8)
    out = resampled(wide, *place, order, size)
    # a PSF of five pixels is well sampled: Lanczos 3 misses less than 0.5 % of its peak
    np.testing.assert_allclose(out, centred, atol=5e-3 * centred.max())


@pytest.mark.parametrize("order", [2, 3, 5])
def test_resampling_lowers_the_variance_and_correlates_neighbours_as_its_weights_say(order):
    size, shift = 400, (0.5, 0.2)
    wide = np.random.default_rng(3).normal(0.0, 1.0, (size + 2 * order + 2,) * 2)
    out = resampled(wide, *shift, order, size)
    along = [np.correlate(w, w, "full") for w in (lanczos_weights(s, order) for s in shift)]
    middle = 2 * order - 1
    sum_of_squares = np.sum(along[0] ** 2) * np.sum(along[1] ** 2)
    error = np.sqrt(2 * sum_of_squares / size**2)  # of any sample covariance, at most
    variance = along[0][middle] * along[1][middle]
    assert variance < 0.9
    assert abs(np.mean(out**2) - variance) < SIGMAS * error
    across_columns = along[0][middle + 1] * along[1][middle]
    assert abs(np.mean(out[:, 1:] * out[:, :-1]) - across_columns) < SIGMAS * error
    across_rows = along[0][middle] * along[1][middle + 1]
    assert abs(np.mean(out[1:] * out[:-1]) - across_rows) < SIGMAS * error
    assert across_columns > 5 * error


@pytest.mark.parametrize(
    "shift", [(-2.5, 0.0), (2.0, 0.0), (0.0, 3.0), (0.0, -2.01), (np.nan, 0.0)]
)
def test_a_shift_beyond_the_margin_reads_no_foreign_memory(shift):
    order, size = 3, 9
    wide, out = np.ones((size + 2 * order + 2,) * 2), np.empty((size, size))
    shift_stamp(out, wide, -2.0, 1.99, order)
    assert np.isfinite(out).all()
    with pytest.raises(ValueError, match="beyond the margin"):
        shift_stamp(out, wide, *shift, order)
