"""Chunks that decode to more than they hold are refused before they take memory."""

import json
import resource
import shutil

import numcodecs
import numpy as np
import pytest

from simulator.dataset.bounded_codecs import check_text_count, chunk_bytes, decoded
from simulator.dataset.reader import open_dataset
from skyreel.errors import SimulationError
from tests.helpers.datasets import make

CODECS = ("blosc", "lz4", "zlib", "gzip", "bz2", "zstd")
LARGE = 100_000_000


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "d.zarr"
    make(path, n=14)
    return path


def encoded(codec, content):
    return bytes(numcodecs.get_codec({"id": codec}).encode(content))


def memory_kb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize("codec", CODECS)
def test_chunks_of_their_size_are_decoded(codec):
    for content in (bytes(1000), np.random.default_rng(0).bytes(1000), b"x"):
        assert bytes(decoded(codec, encoded(codec, content), len(content))) == content
        with pytest.raises(ValueError, match="more than the"):
            decoded(codec, encoded(codec, content + b"."), len(content))


@pytest.mark.parametrize("codec", CODECS)
def test_chunks_that_become_large_are_refused_within_bounds(codec):
    content = encoded(codec, bytes(LARGE))
    before = memory_kb()
    with pytest.raises(ValueError, match="more than the 4,000 bytes"):
        decoded(codec, content, 4000)
    assert memory_kb() - before < LARGE / 1024 / 4


def test_texts_are_counted():
    content = numcodecs.VLenUTF8().encode(np.array(["a", "b", "c"], dtype=object))
    check_text_count(bytes(content), (3,))
    with pytest.raises(ValueError, match="claims 3 texts"):
        check_text_count(bytes(content), (2,))


def test_sizes_of_chunks_are_those_of_their_values():
    assert chunk_bytes((3, 4), np.dtype("f4")) == 48
    assert chunk_bytes((), np.dtype("i2")) == 2
    assert chunk_bytes((5,), np.dtype("O")) > 5 * 100


@pytest.mark.parametrize(
    ("codecs", "content"),
    [
        (["bytes", "blosc"], encoded("blosc", bytes(LARGE))),
        (["bytes", "zstd"], encoded("zstd", bytes(LARGE))),
        (["bytes", "gzip"], encoded("gzip", bytes(LARGE))),
        (["vlen-utf8"], b"cos\nsystem"),
    ],
)
def test_a_data_set_with_such_a_chunk_is_refused(whole, tmp_path, codecs, content):
    path = shutil.copytree(whole, tmp_path / "d.zarr")
    file = path / "test" / "mean_mag" / "zarr.json"
    metadata = json.loads(file.read_text())
    options = {
        "bytes": {"endian": "little"},
        "blosc": {"cname": "zstd", "clevel": 1, "shuffle": "noshuffle", "blocksize": 0},
        "zstd": {"level": 1, "checksum": False},
        "gzip": {"level": 1},
    }
    metadata["codecs"] = [{"name": n, "configuration": options.get(n, {})} for n in codecs]
    file.write_text(json.dumps(metadata))
    for chunk in (file.parent / "c").iterdir():
        chunk.write_bytes(content)
    before = memory_kb()
    array = open_dataset(path)["test"]["mean_mag"]
    with pytest.raises(SimulationError, match=r"more than (the [0-9,]+ bytes that )?a chunk holds"):
        array[:]
    assert memory_kb() - before < LARGE / 1024 / 4
