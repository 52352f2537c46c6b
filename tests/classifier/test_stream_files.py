"""Saved streams: what is not a saved stream of this network is refused, and the old file kept."""

import json

import numpy as np
import pytest

from classifier.dataset import DatasetSplit
from classifier.stream import Stream
from skyreel.errors import ClassifierError, OutputError
from tests.helpers.streams import followed, network_of


@pytest.fixture(scope="module")
def split(small_dataset):
    return DatasetSplit(small_dataset, "test")


@pytest.fixture(scope="module")
def compact(tmp_path_factory, split):
    return network_of("compact", tmp_path_factory.mktemp("networks"), split)


@pytest.fixture(scope="module")
def stamps(split):
    """The images of the split."""
    return split.stamps(0, len(split))


@pytest.fixture
def saved(compact, stamps, tmp_path):
    stream = Stream(compact)
    followed(stream, stamps, range(4), range(2))
    stream.save(tmp_path / "stream.npz")
    return tmp_path / "stream.npz"


def test_a_stream_of_another_network_is_refused(saved, split, tmp_path):
    other = network_of("compact", tmp_path, split, seed=2)
    with pytest.raises(ClassifierError, match="of the model 'compact' with other weights"):
        Stream.load(saved, other)


def test_a_missing_file_is_named(compact, tmp_path):
    with pytest.raises(ClassifierError, match="there is no such file"):
        Stream.load(tmp_path / "nowhere.npz", compact)


def changed(path, **arrays):
    """The file with some arrays replaced; None removes one."""
    with np.load(path) as file:
        found = {key: file[key] for key in file.files} | arrays
    np.savez(path, **{key: value for key, value in found.items() if value is not None})


@pytest.mark.parametrize(
    "damage",
    [
        {"kept_hidden_state": None},
        {"kept_hidden_state": np.zeros((4, 3), np.float32)},
        {"kept_hidden_state": np.full((4, 128), np.nan, np.float32)},
        {"objects": np.array(["a", "a", "b", "c"])},
        {"objects": np.arange(4)},
        {"objects": np.array(["a"])},
        {"kept_n_images": np.zeros(4, np.int32)},
        {"kept_last_mjd": np.zeros(4)},
        {"about": np.array("{}")},
        {"about": np.array("[1]")},
        {"about": None},
        {"more": np.zeros(3)},
        {"kept_prediction": np.array([{}] * 4, dtype=object)},
        {"objects": None},
    ],
)
def test_a_damaged_file_gets_one_sentence(saved, compact, damage):
    changed(saved, **damage)
    with pytest.raises(ClassifierError, match="damaged"):
        Stream.load(saved, compact)


def test_a_cut_or_flipped_or_foreign_file_gets_one_sentence(saved, compact):
    whole = saved.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    for content in (whole[:-30], whole[: len(whole) // 2], bytes(flipped), b"", b"text", b"PK"):
        saved.write_bytes(content)
        with pytest.raises(ClassifierError, match="damaged"):
            Stream.load(saved, compact)
    with saved.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ClassifierError, match="damaged"):
        Stream.load(saved, compact)


def test_another_format_is_named(saved, compact):
    with np.load(saved) as file:
        about = json.loads(str(file["about"]))
    changed(saved, about=np.array(json.dumps(about | {"format_version": 9})))
    with pytest.raises(ClassifierError, match="has format 9; this version reads 1 and 2"):
        Stream.load(saved, compact)


def test_a_stream_that_cannot_be_written_leaves_the_old_file(saved, compact, stamps, monkeypatch):
    before = saved.read_bytes()
    with pytest.raises(OutputError, match="cannot be written"):
        Stream(compact).save(saved / "below" / "a.npz")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OutputError, match="No space left"):
        Stream(compact).save(saved)
    assert saved.read_bytes() == before and list(saved.parent.iterdir()) == [saved]
