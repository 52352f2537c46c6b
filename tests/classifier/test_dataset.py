"""What a classifier is given of a data set, and which images of it."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import zarr

from classifier.dataset import DatasetSplit
from classifier.image_selection import (
    IMAGES_BEFORE_ALERT,
    SequenceStartDistribution,
    selected_images,
)
from skyreel.errors import ClassifierError


@pytest.fixture
def broken(small_dataset, tmp_path):
    """A copy of the small data set that a test may damage."""
    path = tmp_path / "broken.zarr"
    shutil.copytree(small_dataset, path)
    return path


def test_stamps_are_the_stored_counts_without_masked_pixels(small_dataset):
    split, stored = (
        DatasetSplit(small_dataset, "train"),
        zarr.open_group(small_dataset, mode="r")["train"],
    )
    stamps = split.stamps(3, 20)
    images, mask = stored["images"][3:20], stored["mask"][3:20]
    used = np.arange(images.shape[1]) < stored["n_epochs"][3:20][:, None]
    good = (mask == 0) & used[:, :, None, None]
    assert mask.any()
    np.testing.assert_array_equal(stamps.images_adu[good], images[good])
    assert np.isnan(stamps.images_adu[~good]).all()
    np.testing.assert_array_equal(stamps.saturated, (mask & 1).any(axis=(2, 3)))
    np.testing.assert_allclose(
        stamps.seeing_fwhm_pix * split.profile.camera.pixel_scale_arcsec,
        stored["seeing_fwhm_arcsec"][3:20],
        rtol=1e-6,
    )


def test_blocks_cover_every_object_once(small_dataset):
    split = DatasetSplit(small_dataset, "train")
    covered = [i for first, end in split.blocks(37) for i in range(first, end)]
    assert covered == list(range(len(split)))


def test_epochs_can_be_chosen_and_the_rest_is_padding(small_dataset):
    stamps = DatasetSplit(small_dataset, "test").stamps(0, 8)
    epochs = np.tile([2, 0, 5], (8, 1))
    chosen = stamps.rearranged(epochs, np.full(8, 2))
    np.testing.assert_array_equal(chosen.images_adu[:, 0], stamps.images_adu[:, 2])
    np.testing.assert_array_equal(chosen.mjd[:, 1], stamps.mjd[:, 0])
    assert np.isnan(chosen.mjd[:, 2]).all() and np.isnan(chosen.images_adu[:, 2]).all()
    assert (chosen.n_epochs == 2).all()


def test_images_shown_are_consecutive_ones_of_one_band(small_dataset):
    stamps = DatasetSplit(small_dataset, "test").stamps(0, 8)
    band = stamps.band.copy()
    band[:, 1::2] = 1
    cut = selected_images(replace(stamps, band=band), np.full(8, 4), bands=[0], longest=6)
    for i in range(8):
        expected = stamps.mjd[i, 4 : stamps.n_epochs[i] : 2][:6]
        np.testing.assert_array_equal(cut.mjd[i, : cut.n_epochs[i]], expected)
        assert cut.n_epochs[i] == len(expected)


def test_images_wider_than_the_survey_uses_are_not_shown(small_dataset):
    stamps = DatasetSplit(small_dataset, "test").stamps(0, 8)
    seeing = stamps.seeing_fwhm_pix.copy()
    seeing[:, 2], seeing[:, 3] = 9.0, np.nan
    wide = replace(stamps, seeing_fwhm_pix=seeing)
    cut = selected_images(wide, np.zeros(8), bands=[0], longest=30, widest_fwhm_pix=8.0)
    np.testing.assert_array_equal(cut.n_epochs, stamps.n_epochs - 1)
    np.testing.assert_array_equal(cut.mjd[:, 2], stamps.mjd[:, 3])


def test_an_alert_comes_in_the_sixth_image():
    alert = np.array([0, 3, 5, 9, 29])
    starts = SequenceStartDistribution((0.5,)).starts(alert, np.full(5, 30))
    np.testing.assert_array_equal(alert - starts, np.minimum(alert, IMAGES_BEFORE_ALERT))


def test_objects_without_an_alert_start_like_those_with_one():
    rng = np.random.default_rng(1)
    n = 40_000
    n_epochs = rng.integers(15, 31, n)
    alert = np.where(rng.random(n) < 0.5, rng.integers(0, n_epochs), -1)
    starts = SequenceStartDistribution.fitted(alert, n_epochs).starts(alert, n_epochs)
    with_alert, without = (
        np.bincount(starts[chosen], minlength=30) / chosen.sum()
        for chosen in (alert >= 0, alert < 0)
    )
    # 5 sigma of a difference of two shares; 256 quantiles misplace up to 1/512 of the objects
    tolerance = 5 * np.sqrt(2 * with_alert * (1 - with_alert) / (n / 2)) + 1 / 512
    # rounding of fractions to whole images moves some from one start to the next
    assert (np.abs(np.cumsum(with_alert - without)) < 2 * tolerance.max() + 0.02).all()
    assert ((n_epochs - starts)[alert < 0] > IMAGES_BEFORE_ALERT).all()


def test_a_start_depends_on_the_object_alone():
    law, alert, n_epochs = (
        SequenceStartDistribution((0.1, 0.4, 0.9)),
        np.full(50, -1),
        np.full(50, 30),
    )
    whole = law.starts(alert, n_epochs)
    np.testing.assert_array_equal(law.starts(alert[:20], n_epochs[:20]), whole[:20])
    assert (SequenceStartDistribution().starts(alert, n_epochs) == 0).all()


def test_starts_of_later_objects_are_other_draws():
    law = SequenceStartDistribution(tuple(np.linspace(0, 1, 200)))
    alert, n_epochs = np.full(300, -1), np.full(300, 200)
    whole = law.starts(alert, n_epochs)
    rows = np.r_[100:150, 200:300]
    np.testing.assert_array_equal(law.starts(alert[rows], n_epochs[rows], rows), whole[rows])
    later = law.starts(alert, n_epochs, np.arange(300) + 10**12)
    assert (later != whole).mean() > 0.9


def test_times_from_the_first_image_on_do_not_distinguish_classes(small_dataset):
    """Lengths and time differences of one campaign are the same for every class."""
    split = DatasetSplit(small_dataset, "train")
    spread = [split.n_epochs[split.labels == label].mean() for label in range(len(split.classes))]
    n = np.bincount(split.labels).min()
    assert np.ptp(spread) < 5 * np.sqrt(2 / n) * split.n_epochs.std()


def test_what_is_no_data_set_is_named(tmp_path, small_dataset):
    with pytest.raises(ClassifierError, match="there is no such data set"):
        DatasetSplit(tmp_path / "nowhere.zarr", "test")
    with pytest.raises(ClassifierError, match="no split 'tset'; it has train, validation, test"):
        DatasetSplit(small_dataset, "tset")


def test_a_missing_array_is_named(broken):
    shutil.rmtree(broken / "test" / "zero_point_mag")
    with pytest.raises(ClassifierError, match="lacks the arrays zero_point_mag"):
        DatasetSplit(broken, "test")


def test_an_unfinished_data_set_is_refused(broken):
    zarr.open_group(broken)["test"]["shard_done"][0] = False
    with pytest.raises(ClassifierError, match="not finished"):
        DatasetSplit(broken, "test")


def test_a_damaged_profile_is_named(broken):
    zarr.open_group(broken).attrs["profile"] = {"name": "half"}
    with pytest.raises(ClassifierError, match="survey profile is damaged"):
        DatasetSplit(broken, "test").stamps(0, 2)


@pytest.mark.parametrize("damage", [np.nan, "equal", "backwards", 1e300])
def test_an_object_whose_times_do_not_increase_is_left_out_and_named(broken, damage):
    good = DatasetSplit(broken, "test").stamps(0, 8)
    mjd = zarr.open_group(broken)["test"]["mjd"]
    first = mjd[2, 3]
    mjd[2, 4] = {"equal": first, "backwards": first - 1}.get(damage, damage)
    split = DatasetSplit(broken, "test")
    stamps, others = split.stamps(0, 8), [0, 1, 3, 4, 5, 6, 7]
    assert stamps.n_epochs[2] == 0 and np.isnan(stamps.images_adu[2]).all()
    np.testing.assert_array_equal(stamps.images_adu[others], good.images_adu[others])
    assert f"{split.name}: 1 objects left out, as their times" in split.notes()[-1]
    assert split.notes()[-1].endswith(": 2.")


def test_objects_of_a_block_without_any_times_are_left_out(broken):
    zarr.open_group(broken)["test"]["mjd"][:] = 99
    split = DatasetSplit(broken, "test")
    assert not split.stamps(0, 8).n_epochs.any()
    assert "8 objects left out, as their times" in split.notes()[-1]


def test_a_finished_split_is_read_beside_an_unfinished_one(broken):
    marks = zarr.open_group(broken)["train"]["shard_done"]
    marks[:] = False
    assert len(DatasetSplit(broken, "test")) == 70
    with pytest.raises(ClassifierError, match="not finished"):
        DatasetSplit(broken, "train")


@pytest.mark.parametrize(
    ("name", "value", "place"),
    [
        ("zero_point_mag", 99, (3, 1)),
        ("zero_point_mag", -999, (3, 1)),
        ("exposure_time_s", 1e30, (3, 1)),
        ("exposure_time_s", 0, (3, 1)),
        ("seeing_fwhm_arcsec", 0, (3, 1)),
        ("sky_adu", np.inf, (3, 1)),
        ("gain_e_per_adu", 0, (3,)),
        ("read_noise_e", -1, (3,)),
    ],
)
def test_a_value_out_of_range_is_unknown_and_said(broken, name, value, place):
    zarr.open_group(broken)["test"][name][place] = value
    split = DatasetSplit(broken, "test")
    stamps = split.stamps(0, 8)
    field = {"seeing_fwhm_arcsec": "seeing_fwhm_pix"}.get(name, name)
    found = np.isnan(getattr(stamps, field))
    assert found[place]
    if len(place) == 1:
        assert found.sum() == 1
    assert len(split.notes()) == 1 and f"with {name} outside" in split.notes()[0]


def test_julian_dates_are_taken_as_mjd_and_said(broken):
    good = DatasetSplit(broken, "test").stamps(0, 8)
    mjd = zarr.open_group(broken)["test"]["mjd"]
    mjd[1] = mjd[1] + 2400000.5
    split = DatasetSplit(broken, "test")
    np.testing.assert_allclose(split.stamps(0, 8).mjd, good.mjd, rtol=0, atol=1e-9)
    assert "1 objects whose times are Julian dates" in split.notes()[0]


@pytest.mark.parametrize("value", [-3, 31, 20_000])
def test_an_impossible_number_of_images_leaves_the_object_out(broken, value):
    zarr.open_group(broken)["test"]["n_epochs"][4] = value
    split = DatasetSplit(broken, "test")
    assert split.n_epochs[4] == 0 and (split.n_epochs[5:] > 0).all()
    assert split.stamps(0, 8).n_epochs[4] == 0
    assert "number of images" in split.notes()[0]


def test_infinite_counts_are_unmeasured_pixels(broken):
    group = zarr.open_group(broken)["test"]
    values = group["images"][:].astype("float32")
    values[0, 0, 3, 3] = np.inf
    chunks, names = group["images"].shape, group["images"].metadata.dimension_names
    chunks = (group["images"].metadata.chunk_grid.chunk_shape[0], *chunks[1:])
    shutil.rmtree(broken / "test" / "images")
    array = group.create_array(
        "images", shape=values.shape, chunks=chunks, dtype="float32", dimension_names=names
    )
    array[:] = values
    assert np.isnan(DatasetSplit(broken, "test").stamps(0, 1).images_adu[0, 0, 3, 3])


@pytest.mark.parametrize(
    ("longest", "size"), [(1, 1024), (60, 1024), (64, 1024), (65, 960), (200, 320), (900, 64)]
)
def test_blocks_of_long_sequences_hold_fewer_objects(longest, size):
    class Long(DatasetSplit):
        def __init__(self):
            pass

        def __len__(self):
            return 3000

    Long.longest, Long.size_pix = longest, 21
    blocks = list(Long().blocks())
    assert blocks[0] == (0, size) and size * longest <= 65_536
    assert [i for first, end in blocks for i in range(first, end)] == list(range(3000))
    assert next(Long().blocks(50)) == (0, 50)
