"""Zarr v2 stores as xarray writes them, read with a list of codecs."""

import json
import pickle
import shutil
import warnings

import numcodecs
import numpy as np
import pytest
import xarray

from skyreel import ingest, open_dataset
from skyreel.errors import IngestError, UserError
from tests.helpers.cubes import write_cube


class Executed:
    """Makes a file when it is unpickled."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return open, (str(self.place), "w")


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """A data set of real sequences, and the same written by xarray as Zarr v2."""
    folder = tmp_path_factory.mktemp("v2")
    for name in ("a", "b", "c"):
        write_cube(folder / f"in/{name}.fits")
    ingest(folder / "in", source="hits", out=folder / "v3.zarr", quiet=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of xarray, on the format of strings
        found = xarray.open_zarr(
            folder / "v3.zarr", group="test", consolidated=False, decode_times=False, chunks=None
        ).load()
        for name in found.variables:
            found[name].encoding = {}
        found.to_zarr(folder / "v2.zarr", group="test", zarr_format=2)
    return folder


@pytest.fixture
def v2(stores, tmp_path):
    return shutil.copytree(stores / "v2.zarr", tmp_path / "v2.zarr")


def converted(path, **options):
    out = path.with_name("out.zarr")
    ingest(path, source="zarr", out=out, quiet=True, **{"survey": "hits", **options})
    return open_dataset(out)["test"]


def test_a_store_that_xarray_wrote_is_read_as_the_data_set_it_was(stores, v2):
    found, expected = converted(v2), open_dataset(stores / "v3.zarr")["test"]
    assert set(found.array_keys()) == set(expected.array_keys())
    for name, array in expected.arrays():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name][:], array[:], err_msg=name)


def test_the_survey_of_a_store_without_a_profile_is_asked_for(v2):
    with pytest.raises(IngestError, match="holds no survey profile; give --survey"):
        converted(v2, survey=None)


def edited(path, **values):
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **values}))


CODEC = "allowed are the compressors"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"compressor": {"id": "pickle", "protocol": 5}}, CODEC),
        ({"filters": [{"id": "pickle"}]}, CODEC),
        ({"dtype": "|O", "filters": [{"id": "pickle"}]}, CODEC),
        ({"dtype": "|O", "filters": None}, CODEC),
        ({"dtype": "|V8"}, "dtype"),
        ({"shape": [10**12]}, "is damaged|claims|another shape|is missing"),
        ({"chunks": [10**12]}, "too large"),
        ({"chunks": [1], "shape": [10**12]}, "claims|is missing"),
        ({"chunks": [3, 3]}, "do not fit"),
        ({"shape": "x"}, "shape"),
    ],
)
@pytest.mark.parametrize("array", ["label", "object_id", "n_epochs"])
def test_other_codecs_and_claims_are_refused(v2, tmp_path, array, values, message):
    executed = tmp_path / "executed"
    edited(v2 / "test" / array / ".zarray", **values)
    (v2 / "test" / array / "0").write_bytes(pickle.dumps(Executed(executed)))
    with pytest.raises(UserError, match=message):
        converted(v2)
    assert not executed.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["v2.zarr"]


@pytest.mark.parametrize("name", ["images", "mjd", "n_epochs"])
def test_a_store_without_the_chunks_of_an_array_is_refused(v2, name):
    for chunk in (v2 / "test" / name).glob("[0-9]*"):
        chunk.unlink()
    with pytest.raises(IngestError, match=rf"{name}/0.* is missing"):
        converted(v2)


def test_packed_values_are_refused(v2):
    edited(v2 / "test" / "mjd" / ".zattrs", scale_factor=0.1)
    with pytest.raises(IngestError, match="packed"):
        converted(v2)


@pytest.mark.parametrize("codec", ["blosc", "gzip", "zstd"])
def test_chunks_that_become_large_are_refused(v2, codec):
    metadata = v2 / "test" / "label" / ".zarray"
    edited(metadata, compressor={"id": codec}, filters=None)
    content = numcodecs.get_codec({"id": codec}).encode(bytes(100_000_000))
    (metadata.parent / "0").write_bytes(content)
    with pytest.raises(IngestError, match=r"more than the [0-9]+ bytes that a chunk holds"):
        converted(v2)


def test_texts_that_claim_to_be_more_are_refused(v2):
    metadata = v2 / "test" / "object_id" / ".zarray"
    edited(metadata, compressor=None, dtype="|O", filters=[{"id": "vlen-utf8"}], fill_value="")
    (metadata.parent / "0").write_bytes(b"cos\nsystem")
    with pytest.raises(IngestError, match="claims 175,337,315 texts"):
        converted(v2)
