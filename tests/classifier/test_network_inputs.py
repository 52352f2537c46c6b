"""What a network is shown of a data set."""

from dataclasses import replace

import numpy as np
import pytest

from classifier.dataset import DatasetSplit
from classifier.image_selection import ImageSelection, SelectedSplit
from classifier.network_inputs import (
    BORDER_PIX,
    Inputs,
    border_scatter,
    border_sky,
    countable,
    inputs_of,
)
from classifier.training.sources import Batches, EndlessSource, StoredSource
from skyreel.errors import ClassifierError


@pytest.fixture(scope="module")
def stamps(small_dataset):
    return SelectedSplit(DatasetSplit(small_dataset, "train"), ImageSelection()).stamps(0, 30)


def same(one: Inputs, other: Inputs):
    for name, array in one.arrays().items():
        np.testing.assert_array_equal(array, other.arrays()[name], err_msg=name)
    np.testing.assert_array_equal(one.n_images, other.n_images)


def test_a_frame_gives_the_sky_and_its_scatter():
    rng = np.random.default_rng(0)
    images = rng.normal(500, 20, (2, 3, 21, 21)).astype(np.float32)
    images[0, 1, 0, :5] = np.nan
    images[1, 2] = np.nan
    images[0, 0, 5:15, 5:15] += 1e5
    sky, pixels = border_sky(images, BORDER_PIX)
    inside = np.zeros((21, 21), dtype=bool)
    inside[2:-2, 2:-2] = True
    for i, j in np.ndindex(2, 3):
        frame = images[i, j][~inside]
        frame = frame[np.isfinite(frame)]
        if frame.size:
            assert sky[i, j] == pytest.approx(np.median(frame))
            expected = 1.4826 * np.median(np.abs(frame - np.median(frame)))
            assert border_scatter(images[i, j], BORDER_PIX) == pytest.approx(expected, rel=1e-5)
    assert np.isnan(sky[1, 2]) and np.isnan(border_scatter(images[1, 2], BORDER_PIX))
    np.testing.assert_allclose(pixels, np.isfinite(images).mean(axis=(2, 3)), rtol=1e-6)


def test_counts_become_njy_whatever_zero_point_and_exposure_time(stamps):
    brighter = replace(
        stamps,
        zero_point_mag=stamps.zero_point_mag + np.float32(1.0),
        exposure_time_s=stamps.exposure_time_s * np.float32(2),
    )
    factor = 10**-0.4 / 2  # equation 3.3
    before, after = inputs_of(stamps), inputs_of(brighter)
    np.testing.assert_allclose(after.images, before.images * factor, rtol=1e-5, atol=1e-2)
    np.testing.assert_allclose(
        after.noise[after.present > 0], before.noise[before.present > 0] * factor, rtol=1e-5
    )
    flux_njy = 10 ** (0.4 * (31.4 - 22.0))
    counts = 10 ** (0.4 * (stamps.zero_point_mag[0, 0] - 22.0)) * stamps.exposure_time_s[0, 0]
    lit = stamps.images_adu.copy()
    lit[0, 0, 10, 10] += counts
    gained = inputs_of(replace(stamps, images_adu=lit)).images - before.images
    assert gained[0, 0, 10, 10] == pytest.approx(flux_njy, rel=1e-3)


def test_noise_is_that_of_empty_pixels(stamps):
    inputs = inputs_of(stamps)
    unknown = replace(stamps, gain_e_per_adu=np.full(len(stamps), np.nan, dtype=np.float32))
    measured = inputs_of(unknown)
    ratio = (measured.noise / inputs.noise)[inputs.present > 0]
    assert np.median(ratio) == pytest.approx(1, abs=0.05)
    assert (measured.njy_per_e == 0).all()


def test_masked_pixels_are_filled_and_flagged(stamps):
    images = stamps.images_adu.copy()
    images[3, 0, 4, 5] = np.nan
    inputs = inputs_of(replace(stamps, images_adu=images))
    assert inputs.usable[3, 0, 4, 5] == 0 and inputs.images[3, 0, 4, 5] == 0
    assert inputs.usable[3, 0].sum() >= 21 * 21 - 10


def test_an_image_without_pixels_is_left_out_and_the_rest_move_up(stamps):
    images = stamps.images_adu.copy()
    images[5, 2] = np.nan
    whole, cut = inputs_of(stamps), inputs_of(replace(stamps, images_adu=images))
    assert cut.n_images[5] == whole.n_images[5] - 1
    np.testing.assert_array_equal(cut.images[5, 2], whole.images[5, 3])
    np.testing.assert_array_equal(cut.days[5, 2], whole.days[5, 3])
    images[5] = np.nan
    none = inputs_of(replace(stamps, images_adu=images))
    assert none.n_images[5] == 0 and np.isfinite(none.days).all() and (none.present[5] == 0).all()


def test_a_stamp_of_one_value_is_left_out_as_dead(stamps):
    images = stamps.images_adu.copy()
    images[5, 2] = 100.0
    whole, cut = inputs_of(stamps), inputs_of(replace(stamps, images_adu=images))
    assert cut.n_images[5] == whole.n_images[5] - 1


def test_an_unknown_seeing_is_the_last_known_one(stamps):
    seeing = stamps.seeing_fwhm_pix.copy()
    seeing[0, 1], seeing[1], seeing[2, 3] = np.nan, np.nan, np.nan
    images = stamps.images_adu.copy()
    images[2, 2] = np.nan  # so its seeing does not count
    inputs = inputs_of(replace(stamps, seeing_fwhm_pix=seeing, images_adu=images))
    assert inputs.seeing[2, 2] == seeing[2, 1]
    assert inputs.seeing[0, 1] == seeing[0, 0]
    assert np.ptp(inputs.seeing[1]) == 0 and inputs.seeing[1, 0] > 0


def test_inputs_of_one_object_do_not_depend_on_the_others(stamps, small_dataset):
    alone = SelectedSplit(DatasetSplit(small_dataset, "train"), ImageSelection()).stamps(7, 8)
    same(inputs_of(alone), inputs_of(stamps).of(slice(7, 8)))


def test_eight_ways_to_turn_are_all_different_and_keep_the_light(stamps):
    images = stamps.images_adu.copy()
    images[:, :, 3, 15] = np.nan  # off the centre
    one = inputs_of(replace(stamps, images_adu=images)).of(slice(0, 1))
    eight = Inputs.joined([one] * 8).rotated(np.arange(8))
    seen = {eight.images[i, 0].tobytes() for i in range(8)}
    assert len(seen) == 8
    for i in range(8):
        np.testing.assert_array_equal(np.sort(eight.images[i].ravel()), np.sort(one.images.ravel()))
        np.testing.assert_array_equal(
            eight.images[i] != 0, (eight.usable[i] * eight.images[i]) != 0
        )


@pytest.mark.slow
@pytest.mark.parametrize("source_of", [StoredSource, EndlessSource.like])
def test_batch_i_is_the_same_wherever_one_begins(small_dataset, source_of):
    batches = Batches(source_of(DatasetSplit(small_dataset, "train"), ImageSelection(), 4, 32))
    run = batches.starting_at(0)
    first = [next(run) for _ in range(40)]
    for begin in (1, 7, 33):
        inputs, labels = next(batches.starting_at(begin))
        same(inputs, first[begin][0])
        np.testing.assert_array_equal(labels, first[begin][1])


def test_a_pass_over_a_split_shows_every_object_once_in_a_new_order(small_dataset):
    split = DatasetSplit(small_dataset, "train")
    batches = Batches(StoredSource(split, ImageSelection(), 1, 30), rotate=False)
    run = batches.starting_at(0)
    passes = [[next(run)[0] for _ in range(7)] for _ in range(2)]
    sums = [np.concatenate([b.images.sum(axis=(1, 2, 3)) for b in one]) for one in passes]
    assert not np.array_equal(*sums)
    np.testing.assert_array_equal(np.sort(sums[0]), np.sort(sums[1]))
    assert np.unique(sums[0]).size == 210


def test_simulation_on_the_fly_begins_as_the_data_set_and_never_repeats(small_dataset):
    split, selection = DatasetSplit(small_dataset, "train"), ImageSelection()
    source = EndlessSource.like(split, selection, 0, 64)
    made, labels = source.block(0, 0)
    stored = inputs_of(SelectedSplit(split, selection).stamps(0, 210))
    same(made.of(slice(0, 210)), stored)
    np.testing.assert_array_equal(labels[:210], split.labels)
    after, _ = source.block(1, 0)
    first = {image.tobytes() for image in made.images[:, 0]}
    assert not first & {image.tobytes() for image in after.images[:, 0]}
    other = EndlessSource.like(split, selection, 1, 64).block(0, 0)[0]
    assert not first & {image.tobytes() for image in other.images[:, 0]}


def test_sequences_with_errors_of_the_conditions_are_of_the_same_objects(small_dataset):
    split, selection = DatasetSplit(small_dataset, "train"), ImageSelection()
    planned, labels = EndlessSource.like(split, selection, 0, 64).block(0, 0)
    perturbed, same_labels = EndlessSource.like(split, selection, 0, 64, condition_error=1.0).block(
        0, 0
    )
    np.testing.assert_array_equal(labels, same_labels)
    change = np.log(perturbed.seeing[:, 0] / planned.seeing[:, 0])
    assert change.std() > 0.2 and change.min() < -0.2 and change.max() > 0.2
    assert (perturbed.n_images <= planned.n_images).all()


def test_starts_on_the_fly_differ_from_block_to_block(small_dataset, monkeypatch):
    split = DatasetSplit(small_dataset, "train")
    selection = ImageSelection(start_fractions=tuple(np.linspace(0, 1, 64)))
    source = EndlessSource.like(split, selection, 0, 64)
    drawn, starts_of = [], source._starts.starts

    def recorded(self, alert, n_epochs, objects=None):
        drawn.append(starts_of(np.full(len(alert), -1), np.full(len(alert), 64), objects))
        return starts_of(alert, n_epochs, objects)

    monkeypatch.setattr(type(source._starts), "starts", recorded)
    for number_of_pass in range(2):
        source.block(number_of_pass, 0)
    assert (drawn[0] != drawn[1]).mean() > 0.9


def test_more_sequences_than_a_seed_has_are_refused(small_dataset):
    source = EndlessSource.like(DatasetSplit(small_dataset, "train"), ImageSelection(), 0, 64)
    source.check_length(10**8)
    with pytest.raises(ClassifierError, match="a seed has 1,000,000,000 before those of the next"):
        source.check_length(10**9)


@pytest.mark.slow
def test_a_share_of_sequences_is_registered_and_has_correlated_noise(small_dataset):
    split, selection = DatasetSplit(small_dataset, "train"), ImageSelection()
    plain, labels = EndlessSource.like(split, selection, 0, 64).block(0, 0)
    mixed, mixed_labels = EndlessSource.like(split, selection, 0, 64, 0.5).block(0, 0)
    assert np.array_equal(np.bincount(labels), np.bincount(mixed_labels))
    known = {image.tobytes() for image in plain.images[:, 0]}
    share = np.mean([image.tobytes() not in known for image in mixed.images[:, 0]])
    assert abs(share - 0.5) < 4 * 0.5 / np.sqrt(len(labels))
    registered, _ = EndlessSource.like(split, selection, 0, 64, 1.0).block(0, 0)
    assert neighbour_correlation(registered) - neighbour_correlation(plain) > 0.05  # 8 errors


def neighbour_correlation(inputs):
    """Correlation of horizontal neighbours in the top two rows, where these are mere sky."""
    frame = inputs.images[:, 0, :2] / inputs.noise[:, :1, None]
    empty = frame[np.abs(frame).max(axis=(1, 2)) < 4]
    return np.corrcoef(empty[..., :-1].ravel(), empty[..., 1:].ravel())[0, 1]


def test_a_split_smaller_than_a_batch_is_refused(small_dataset):
    with pytest.raises(ClassifierError, match="fewer than one batch of 256"):
        StoredSource(DatasetSplit(small_dataset, "train"), ImageSelection(), 0, 256)


def test_countable_images_are_those_that_inputs_have(small_dataset):
    split = DatasetSplit(small_dataset, "test")
    stamps = SelectedSplit(split, ImageSelection(images=8)).stamps(0, 40)
    zero_point_mag = stamps.zero_point_mag.copy()
    zero_point_mag[::3, 2] = np.nan
    images_adu = stamps.images_adu.copy()
    images_adu[1::3, 0] = 7.0
    stamps = replace(stamps, zero_point_mag=zero_point_mag, images_adu=images_adu)
    kept, inputs = countable(stamps), inputs_of(stamps)
    assert (inputs.n_images < stamps.n_epochs).sum() >= 26
    np.testing.assert_array_equal(kept.n_epochs, inputs.n_images)
    same(inputs_of(kept), inputs)
