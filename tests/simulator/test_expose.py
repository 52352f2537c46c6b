"""Whole sequences: each object by itself, each exposure by itself, and all of the detector."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from simulator.detector.defects import BAD_PIXEL, COSMIC_RAY, OUTSIDE, SATURATED
from simulator.detector.lanczos import lanczos_weights
from simulator.expose import Detector, expose
from simulator.psf.psf import Psf
from tests.helpers.pictures import moffat_psf, rendered, scene

SIZE = 15
N_OBJECTS, N_EPOCHS = 6, 4
SIGMAS = 5.0
WHOLE = (0.0, 1.0, 0.0, 1.0)  # first and end row and column on the detector
SOURCE_PER_OBJECT = np.arange(1, N_OBJECTS + 1)[:, None] * 3000.0


def detector(n_objects=N_OBJECTS, n_epochs=N_EPOCHS, **changed):
    """A quiet detector, but for what is changed."""
    quiet = Detector(
        gain_e_per_adu=np.full(n_objects, 4.0),
        read_noise_e=np.full(n_objects, 6.0),
        full_well_e=np.full(n_objects, 2e5),
        exposure_time_s=np.full((n_objects, n_epochs), 90.0),
        cosmic_ray_rate_per_pix_s=0.0,
        hot_pixel_fraction=0.0,
        bad_column_fraction=0.0,
        lanczos_order=0,
        silicon_um=250.0,
        pixel_um=15.0,
        edges=np.tile(WHOLE, (n_objects, 1)),
    )
    return quiet._replace(**changed)


ROUGH = dict(
    cosmic_ray_rate_per_pix_s=5e-5,
    hot_pixel_fraction=3e-3,
    bad_column_fraction=1e-2,
    full_well_e=np.full(N_OBJECTS, 3000.0),
)


def full_scene():
    """Sources, trails, hosts and neighbours at places that differ by object and epoch."""
    rng = np.random.default_rng(2)
    x, y = rng.uniform(-0.5, 0.5, (2, N_OBJECTS, N_EPOCHS))
    host = [1.0, -0.5, 0.4, 1.0, 2.5, 0.2, -0.3]
    return scene(
        N_OBJECTS,
        N_EPOCHS,
        n_epochs=[4, 3, 2, 4, 1, 4],
        x_pix=x,
        y_pix=y,
        source_e=SOURCE_PER_OBJECT,
        trail_pix=[[0.0], [2.5]] * 3,
        trail_angle_rad=0.7,
        host=host,
        host_e=4000.0,
        n_neighbours=[0, 1, 2, 0, 1, 2],
        neighbour_x_pix=[[4.0, -3.0]],
        neighbour_y_pix=[[-2.0, 5.0]],
        neighbour_e=5000.0,
        background_e=300.0,
    )


def full_psf():
    return moffat_psf(np.linspace(2.5, 4.5, N_OBJECTS * N_EPOCHS).reshape(N_OBJECTS, N_EPOCHS))


def rows_of(table, rows):
    """The objects ``rows`` of a Scene, Psf or Detector."""
    shared = {"weights", "scales", "images"} if isinstance(table, Psf) else set()
    kept = {
        name: np.ascontiguousarray(value[rows])
        for name, value in table._asdict().items()
        if isinstance(value, np.ndarray) and name not in shared and value.size  # else: no rows
    }
    return table._replace(**kept)


def filmed(objects, one_scene, psf, one_detector, *, seed=11, size_pix=SIZE):
    shape = (len(objects), one_scene.x_pix.shape[1], size_pix, size_pix)
    images, mask = np.zeros(shape, dtype=np.uint16), np.zeros(shape, dtype=np.uint8)
    expose(
        objects,
        one_scene,
        psf,
        one_detector,
        seed=seed,
        size_pix=size_pix,
        images=images,
        mask=mask,
    )
    return images, mask


OBJECTS = np.array([5, 17, 2**32 + 5, 3, 99, 1000])


@pytest.mark.parametrize("lanczos_order", [0, 3])
def test_an_object_is_the_same_alone_in_any_company_and_in_any_thread(lanczos_order):
    all_rows = full_scene(), full_psf(), detector(**ROUGH, lanczos_order=lanczos_order)
    images, mask = filmed(OBJECTS, *all_rows)
    order = np.array([4, 0, 5, 2])

    def one(i):
        return filmed(OBJECTS[[i]], *(rows_of(table, [i]) for table in all_rows))

    shuffled = filmed(OBJECTS[order], *(rows_of(table, order) for table in all_rows))
    np.testing.assert_array_equal(shuffled[0], images[order])
    np.testing.assert_array_equal(shuffled[1], mask[order])
    with ThreadPoolExecutor(2) as pool:
        for i, (image, flags) in enumerate(pool.map(one, range(N_OBJECTS))):
            np.testing.assert_array_equal(image[0], images[i])
            np.testing.assert_array_equal(flags[0], mask[i])


def test_epochs_beyond_the_last_stay_zero_and_change_nothing_before():
    long = full_scene()._replace(n_epochs=np.full(N_OBJECTS, N_EPOCHS))
    images, mask = filmed(OBJECTS, full_scene(), full_psf(), detector(**ROUGH))
    all_images, all_mask = filmed(OBJECTS, long, full_psf(), detector(**ROUGH))
    for i, n in enumerate(full_scene().n_epochs):
        assert not images[i, n:].any()
        assert not mask[i, n:].any()
        assert images[i, :n].any(axis=(1, 2)).all()
        np.testing.assert_array_equal(images[i, :n], all_images[i, :n])
        np.testing.assert_array_equal(mask[i, :n], all_mask[i, :n])


def test_other_seeds_and_other_objects_have_other_noise():
    same = scene(2, 2, background_e=1000.0)
    psf, quiet = moffat_psf(np.full((2, 2), 3.0)), detector(2, 2)
    first, _ = filmed([5, 2**32 + 5], same, psf, quiet)
    other, _ = filmed([5, 2**32 + 5], same, psf, quiet, seed=12)
    stamps = [*first.reshape(4, -1), *other.reshape(4, -1)]
    for i, one in enumerate(stamps):
        for another in stamps[:i]:
            # 1000 e of sky scatter by 8 counts: equal ones are about 1 in 28
            assert np.mean(one == another) < 0.1


def test_the_mean_and_scatter_of_many_stamps_are_those_of_the_scene():
    n, gain, read_noise = 2000, 2.5, 8.0
    light = dict(
        x_pix=0.3,
        y_pix=-0.2,
        source_e=20_000.0,
        host=[1, 1, 0.5, 1, 2, 0.1, 0.1],
        host_e=5000.0,
        n_neighbours=1,
        neighbour_x_pix=[[4.0]],
        neighbour_y_pix=[[3.0]],
        neighbour_e=3000.0,
        background_e=150.0,
    )
    expected_e = rendered(scene(**light), moffat_psf(3.0), SIZE)
    images, mask = filmed(
        np.arange(n),
        scene(n, 1, **light),
        moffat_psf(np.full((n, 1), 3.0)),
        detector(n, 1, gain_e_per_adu=np.full(n, gain), read_noise_e=np.full(n, read_noise)),
    )
    counts = images[:, 0].astype(float)
    # rounding adds the variance of a uniform number
    variance = (expected_e + read_noise**2) / gain**2 + 1 / 12
    assert not mask.any()
    deviation = (counts.mean(axis=0) - expected_e / gain) / np.sqrt(variance / n)
    assert np.abs(deviation).max() < SIGMAS
    assert abs(deviation.mean()) < SIGMAS / SIZE
    ratio = counts.var(axis=0) / variance
    assert np.abs(ratio - 1).max() < SIGMAS * np.sqrt((2 + 1 / expected_e.min()) / n)


def test_saturated_pixels_are_marked_and_hold_the_full_well():
    full_well, gain = 40_000.0, 4.0
    bright = scene(1, 3, source_e=[[100.0, 3e6, 100.0]], background_e=200.0)
    images, mask = filmed(
        [1],
        bright,
        moffat_psf(np.full((1, 3), 3.0)),
        detector(1, 3, full_well_e=np.array([full_well])),
    )
    assert not mask[0, [0, 2]].any()
    saturated = mask[0, 1] == SATURATED
    assert saturated[:, SIZE // 2].all()  # three million electrons fill the column
    assert saturated.sum() < 0.7 * SIZE**2
    assert np.all(images[0, 1][saturated] == full_well / gain)
    assert np.all(images[0, 1][~saturated] <= full_well / gain)


def test_hot_pixels_and_bad_columns_stay_where_they_are():
    n, epochs = 60, 5
    images, mask = filmed(
        np.arange(n),
        scene(n, epochs, background_e=400.0),
        moffat_psf(np.full((n, epochs), 3.0)),
        detector(n, epochs, hot_pixel_fraction=2e-3, bad_column_fraction=5e-3),
    )
    bad = mask & BAD_PIXEL > 0
    np.testing.assert_array_equal(bad, bad[:, :1].repeat(epochs, axis=1))
    assert 0 < bad[:, 0].any(axis=(1, 2)).sum() < n
    assert set(np.unique(mask)) == {0, BAD_PIXEL}
    good_adu, hot_adu = 400.0 / 4.0, (400.0 + 200.0 * 90.0) / 4.0
    dead = bad.all(axis=2, keepdims=True) & bad
    assert abs(images[~bad].mean() - good_adu) < 1.0
    assert np.all(images[dead] < 12)  # six sigma of read noise
    np.testing.assert_allclose(images[bad & ~dead], hot_adu, rtol=0.05)


def test_cosmic_rays_come_with_exposure_time_anew_in_every_epoch():
    n, rate = 400, 1e-5
    seconds = np.tile([10.0, 40.0], (n, 1))
    images, mask = filmed(
        np.arange(n),
        scene(n, 2, background_e=400.0),
        moffat_psf(np.full((n, 2), 3.0)),
        detector(n, 2, cosmic_ray_rate_per_pix_s=rate, exposure_time_s=seconds),
    )
    hit = (mask & COSMIC_RAY > 0).any(axis=(2, 3))
    for epoch, time in enumerate((10.0, 40.0)):
        # a stamp is hit unless no track starts in it
        share = 1 - np.exp(-rate * time * SIZE**2)
        assert abs(hit[:, epoch].mean() - share) < SIGMAS * np.sqrt(share * (1 - share) / n)
    marked = mask[:, 1] & COSMIC_RAY > 0
    assert images[:, 1][marked].mean() > 5 * images[:, 1][~marked].mean()
    both = (mask[:, 0] & mask[:, 1] & COSMIC_RAY > 0).sum()
    assert both < 0.1 * (mask[:, 0] & COSMIC_RAY > 0).sum()


def test_only_documented_bits_are_set_in_a_rough_detector():
    _, mask = filmed(OBJECTS, full_scene(), full_psf(), detector(**ROUGH))
    for bit in (SATURATED, BAD_PIXEL, COSMIC_RAY):
        assert (mask & bit).any()
    assert not (mask & ~np.uint8(SATURATED | BAD_PIXEL | COSMIC_RAY)).any()


def test_beyond_the_edge_of_the_detector_there_is_nothing_in_any_epoch():
    edges = np.array([WHOLE, (0.2, 1.0, 0.0, 1.0), (0.0, 1.0, 0.0, 0.6), (0.4, 0.8, 0.2, 1.0)])
    whole_rows = full_scene(), full_psf(), detector(**ROUGH)
    images, mask = filmed(OBJECTS, *whole_rows)
    all_edges = np.concatenate([edges, edges[:2]])
    cut_images, cut_mask = filmed(OBJECTS, *whole_rows[:2], detector(**ROUGH, edges=all_edges))
    row, column = np.mgrid[:SIZE, :SIZE]
    for i, (first_row, end_row, first_column, end_column) in enumerate(SIZE * all_edges):
        outside = (row < first_row) | (row >= end_row)
        outside |= (column < first_column) | (column >= end_column)
        n = full_scene().n_epochs[i]
        assert not cut_images[i][:, outside].any()
        assert np.all(cut_mask[i, :n][:, outside] == OUTSIDE)
        assert not cut_mask[i, n:].any()
        np.testing.assert_array_equal(cut_images[i][:, ~outside], images[i][:, ~outside])
        np.testing.assert_array_equal(cut_mask[i][:, ~outside], mask[i][:, ~outside])


@pytest.mark.parametrize("jitter_pix", [0.5, 1.95])
def test_resampled_sources_lie_in_the_centre_whatever_the_jitter(jitter_pix):
    n = 40
    x, y = np.random.default_rng(4).uniform(-jitter_pix, jitter_pix, (2, n, 1))
    bright = scene(n, 1, x_pix=x, y_pix=y, source_e=3e6, background_e=100.0)
    images, mask = filmed(
        np.arange(n),
        bright,
        moffat_psf(np.full((n, 1), 4.0)),
        detector(
            n, 1, lanczos_order=3, full_well_e=np.full(n, 1e9), gain_e_per_adu=np.full(n, 40.0)
        ),
    )
    light = np.clip(images[:, 0] - 2.5, 0, None)
    axis = np.arange(SIZE) - SIZE // 2
    # the weights of Lanczos 3 have their own centre up to 0.02 pixels from where they read
    shifts = np.linspace(0, 1, 50, endpoint=False)
    centres = [lanczos_weights(shift, 3) @ np.arange(-2, 4) - shift for shift in shifts]
    tolerance = np.abs(centres).max() + 0.002
    assert tolerance < 0.03
    for places in (light.sum(axis=1) @ axis, light.sum(axis=2) @ axis):
        np.testing.assert_allclose(places / light.sum(axis=(1, 2)), 0.0, atol=tolerance)
    assert not mask.any()


def test_the_mask_is_moved_with_a_resampled_stamp():
    n = 30
    x, y = np.random.default_rng(5).uniform(-1.9, 1.9, (2, n, 1))
    full_well = 8000.0
    bright = scene(n, 1, x_pix=x, y_pix=y, source_e=2e5, background_e=100.0)
    _, mask = filmed(
        np.arange(n),
        bright,
        moffat_psf(np.full((n, 1), 2.5)),
        detector(n, 1, lanczos_order=3, full_well_e=np.full(n, full_well)),
    )
    assert (mask[:, 0, SIZE // 2, SIZE // 2] & SATURATED).all()


def test_resampling_averages_the_noise():
    n, order = 100, 3
    sky = scene(n, 1, x_pix=0.5, y_pix=0.5, background_e=10_000.0)
    psf = moffat_psf(np.full((n, 1), 3.0))
    variance = [
        filmed(np.arange(n), sky, psf, detector(n, 1, lanczos_order=o))[0].var() for o in (0, order)
    ]
    # the half-pixel weights of Lanczos 3 have a sum of squares of 0.80 along each axis
    positions = np.arange(1 - order, order + 1) - 0.5
    weights = np.sinc(positions) * np.sinc(positions / order)
    expected = (np.sum(weights**2) / weights.sum() ** 2) ** 2
    n_pixels = n * SIZE**2
    # two sample variances, the second of correlated pixels (at most 2 / expected as noisy)
    error = np.sqrt(2 / n_pixels * (1 + 1 / expected))
    assert abs(variance[1] / variance[0] / expected - 1) < SIGMAS * error
