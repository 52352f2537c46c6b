"""Rows read from the files of chunks, against Zarr."""

import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec

from simulator.dataset.chunk_files import ChunkFiles, UnreadableChunkError
from simulator.dataset.reader import open_dataset

CHECKED = (BloscCodec(cname="zstd", shuffle="bitshuffle"), Crc32cCodec())


def created(folder, **options):
    given = {"chunks": (4, 3), "compressors": CHECKED, "dtype": "float32"} | options
    values = np.random.default_rng(1).normal(size=(14, 3))
    array = zarr.create_array(folder, shape=values.shape, **given)
    array[:] = values.astype(given["dtype"])
    return array


def files_of(array):
    return ChunkFiles.of(array.store.root / array.path, array.metadata)


@pytest.mark.parametrize("kind", ["float64", "uint8", "bool", "int16"])
@pytest.mark.parametrize("chunks", [{}, {"shards": (8, 3)}])
def test_any_rows_are_those_of_zarr(tmp_path, chunks, kind):
    array = created(tmp_path / "a", dtype=kind, **chunks)
    files, expected = files_of(array), array[:]
    for first in range(14):
        for last in range(first + 1, 15):
            found = files.rows(first, last)
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected[first:last])


def test_a_data_set_is_read_without_zarr(small_dataset, monkeypatch):
    expected = {
        name: zarr.Array.__getitem__(array, slice(None))
        for name, array in open_dataset(small_dataset)["train"].arrays()
        if name != "shard_done"
    }
    split = open_dataset(small_dataset)["train"]
    monkeypatch.delattr(zarr.Array, "__getitem__")
    for name, values in expected.items():
        np.testing.assert_array_equal(split[name][:], values)
        np.testing.assert_array_equal(split[name][60:70], values[60:70])


def test_values_at_pairs_of_object_and_epoch(small_dataset):
    split = open_dataset(small_dataset)["train"]
    objects, epochs = np.array([0, 0, 63, 64, 64, 209]), np.array([2, 0, 1, 4, 4, 0])
    for name in ("images", "mjd"):
        found = split[name].at(objects, epochs)
        np.testing.assert_array_equal(found, split[name][:][objects, epochs])
    assert split["mjd"].at(objects[:0], epochs[:0]).shape == (0,)


@pytest.mark.parametrize(
    "options",
    [
        {"compressors": (GzipCodec(), Crc32cCodec())},
        {"compressors": BloscCodec()},
        {"chunks": (4, 1)},
        {"dtype": ">f4"},
        {"dtype": "complex64"},
        {"shards": (8, 3), "chunks": (4, 1)},
    ],
)
def test_chunks_of_other_forms_are_left_to_zarr(tmp_path, options):
    assert files_of(created(tmp_path / "a", **options)) is None


@pytest.mark.parametrize("shards", [None, (8, 3)])
def test_damaged_chunks_are_not_read(tmp_path, shards):
    array = created(tmp_path / "a", shards=shards)
    file = tmp_path / "a/c/0/0"
    content = file.read_bytes()
    for at in range(len(content)):
        damaged = bytearray(content)
        damaged[at] ^= 16
        file.write_bytes(damaged)
        try:
            found = files_of(array).rows(0, 4)
        except UnreadableChunkError:
            continue
        file.write_bytes(content)  # the byte belongs to the other chunk of the shard
        np.testing.assert_array_equal(found, array[:4])
    for end in range(len(content)):
        file.write_bytes(content[:end])
        with pytest.raises(UnreadableChunkError):
            files_of(array).rows(0, 4)
    file.unlink()
    with pytest.raises(UnreadableChunkError):
        files_of(array).rows(0, 4)
