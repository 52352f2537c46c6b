"""Simulations from Python write what the command writes, and a data set shows itself."""

import numpy as np
import pytest

from simulator.api import simulate
from simulator.dataset.reader import Dataset, open_dataset
from skyreel.errors import UserError
from tests.helpers.running import run

SMALL = {"n": 14, "stamp_size_pix": 9, "seed": 4, "threads": 1, "quiet": True}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return simulate("hits", out=tmp_path_factory.mktemp("data") / "a.zarr", **SMALL)


def test_the_command_and_the_function_write_the_same_arrays(dataset, monkeypatch, tmp_path):
    options = ["--n", "14", "--stamp-size", "9", "--seed", "4", "--threads", "1", "--quiet"]
    assert run(monkeypatch, "simulate", "--survey", "hits", "--out", tmp_path / "b", *options) == 0
    other = open_dataset(tmp_path / "b")
    for name, array in dataset["train"].arrays():
        np.testing.assert_array_equal(array[:], other["train"][name][:])


def test_a_data_set_shows_its_counts_and_a_picture(dataset):
    html = dataset._repr_html_()
    assert isinstance(dataset, Dataset)
    assert "hits: train 14, validation 2, test 2 sequences of SN, RRL" in html
    assert 'src="data:image/png;base64,' in html


def test_classes_are_given_as_text_or_as_weights(tmp_path):
    found = [
        simulate("hits", out=tmp_path / f"{k}.zarr", classes=classes, **SMALL)
        for k, classes in enumerate(["SN:2,NV", {"SN": 2, "NV": 1}])
    ]
    labels = [dataset["train"]["label"][:] for dataset in found]
    np.testing.assert_array_equal(*labels)


def test_a_dry_run_writes_nothing(tmp_path):
    assert simulate("hits", out=tmp_path / "c.zarr", dry_run=True, **SMALL) is None
    assert not (tmp_path / "c.zarr").exists()


def test_a_wrong_request_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="no such profile"):
        simulate("hitz", out=tmp_path / "d.zarr", **SMALL)
