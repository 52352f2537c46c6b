"""Difference stamps over their noise: which alert, which pixels, and data that have none."""

import numpy as np
import pytest
import zarr

from classifier.dataset import DatasetSplit
from classifier.first_alerts import read_first_alerts
from classifier.snr_stamps import read_snr_stamps
from skyreel.errors import ClassifierError
from tests.helpers.running import copy_of


@pytest.fixture(scope="module")
def split(planes_dataset):
    return DatasetSplit(planes_dataset, "test")


@pytest.fixture
def own_data(planes_dataset, tmp_path):
    """A copy of the data set that a test may change."""
    return copy_of(planes_dataset, tmp_path)


def test_stamps_are_the_difference_over_its_noise_at_the_first_alert(split):
    found = read_snr_stamps(split)
    alerts = read_first_alerts(split)
    np.testing.assert_array_equal(found.rows, alerts.rows)
    np.testing.assert_array_equal(found.labels, alerts.labels)
    for i, row in enumerate(found.rows):
        epoch = int(np.flatnonzero(split.values("difference_detected")[row])[0])
        noise = split.values("difference_noise_adu")[row, epoch]
        expected = alerts.stamps[i, 0, 2] / noise
        np.testing.assert_allclose(found.snr[i], expected, rtol=1e-6)
    assert np.nanmax(np.abs(found.snr)) > 5


def test_the_middle_of_larger_stamps_is_read(split):
    whole, cut = read_snr_stamps(split), read_snr_stamps(split, size_pix=9)
    np.testing.assert_array_equal(cut.snr, whole.snr[:, 6:15, 6:15])
    np.testing.assert_array_equal(cut.rows, whole.rows)


def test_any_alert_is_drawn_by_the_seed(split):
    first, any_1, same = (read_snr_stamps(split, seed=seed) for seed in (None, 1, 1))
    np.testing.assert_array_equal(any_1.snr, same.snr)
    assert not np.array_equal(first.snr, any_1.snr)


def test_stamps_without_a_pixel_are_counted_and_left_out(own_data, split):
    rows = read_snr_stamps(split).rows
    root = zarr.open_group(own_data)["test"]
    root["difference"][int(rows[0])] = np.nan
    root["difference_noise_adu"][int(rows[1])] = 0
    root["difference_mask"][int(rows[2])] = 1
    root["difference"][int(rows[3]), :, 10, 10] = np.inf
    root["template_mask"][:] = 1  # not read
    found = read_snr_stamps(DatasetSplit(own_data, "test"))
    assert found.rows.tolist() == rows[3:].tolist()
    assert np.isnan(found.snr[0, 10, 10]) and np.isfinite(found.snr[0]).any()
    no_alert = 28 - rows.size
    assert found.notes("d") == [
        f"d: {no_alert} objects left out: no alert.",
        "d: 3 objects left out: no pixel of the difference is a number.",
    ]


def test_data_without_a_difference_or_a_pixel_are_one_sentence(own_data, small_dataset):
    with pytest.raises(ClassifierError, match="has no difference images; `simulate --planes"):
        read_snr_stamps(DatasetSplit(small_dataset, "test"))
    zarr.open_group(own_data)["test"]["difference_mask"][:] = 1
    with pytest.raises(ClassifierError, match="none of 28 objects has an alert with a pixel"):
        read_snr_stamps(DatasetSplit(own_data, "test"))


def test_stamps_that_are_too_small_are_one_sentence(split):
    with pytest.raises(ClassifierError, match="stamps of 21 pixels cannot be cut to 31"):
        read_snr_stamps(split, size_pix=31)
