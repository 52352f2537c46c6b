"""Shuffled batches hold every object once, in an order that the seed fixes."""

import numpy as np
import pytest
import zarr

from simulator.dataset.batches import shuffled_batches
from skyreel.errors import SimulationError


def passed(path, **options):
    """The batches of one pass over the training split, in small blocks."""
    return list(shuffled_batches(path, block_objects=16, buffer_blocks=3, **options))


def row_of(batches):
    return np.concatenate([batch["mjd"][:, 0] for batch in batches])


def test_every_object_comes_once_with_its_own_arrays(small_dataset):
    train = zarr.open_group(small_dataset, mode="r")["train"]
    batches = passed(small_dataset, batch_size=32, arrays=("images", "label"))
    assert [len(batch["images"]) for batch in batches] == [32] * 6 + [18]
    found = [pair for b in batches for pair in zip(b["images"], b["label"], strict=True)]
    expected = zip(train["images"][:], train["label"][:], strict=True)
    assert sorted((i.tobytes(), k) for i, k in found) == sorted(
        (i.tobytes(), k) for i, k in expected
    )


def test_the_seed_fixes_the_order_and_another_changes_it(small_dataset):
    first, again, other = (
        row_of(passed(small_dataset, arrays=("mjd", "label"), seed=seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.5


def test_neighbours_in_the_file_are_not_neighbours_in_a_batch(small_dataset):
    train = zarr.open_group(small_dataset, mode="r")["train"]
    place = {images.tobytes(): row for row, images in enumerate(train["images"][:])}
    batches = passed(small_dataset, arrays=("images",))
    rows = np.array([place[i.tobytes()] for batch in batches for i in batch["images"]])
    assert (np.diff(rows) == 1).mean() < 0.1


def test_workers_share_the_objects(small_dataset):
    parts = [passed(small_dataset, arrays=("max_signal_to_noise",), part=(k, 3)) for k in range(3)]
    found = [np.concatenate([b["max_signal_to_noise"] for b in part]) for part in parts]
    assert all(len(values) for values in found)
    whole = zarr.open_group(small_dataset, mode="r")["train"]["max_signal_to_noise"][:]
    np.testing.assert_array_equal(np.sort(np.concatenate(found)), np.sort(whole))


def test_a_missing_array_or_split_is_refused_at_once(small_dataset):
    with pytest.raises(SimulationError, match="nosuch"):
        shuffled_batches(small_dataset, arrays=("images", "nosuch"))
    with pytest.raises(SimulationError, match="'tests'"):
        shuffled_batches(small_dataset, "tests")
