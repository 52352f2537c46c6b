"""What a stored data set claims is checked before it is read, and what it lost is never made up."""

import json
import os
import random
import resource
import shutil
import signal

import numpy as np
import pytest
import zarr

from simulator.dataset import writer
from simulator.dataset.metadata import NEEDED
from simulator.dataset.reader import is_complete, open_dataset
from simulator.dataset.run import writer_for
from skyreel.errors import SimulationError
from tests.helpers.datasets import NO_ARRAYS, as_version_0_2, digest, make, plan_at, put_in_place


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "d.zarr"
    make(path, n=130)
    return path


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "d.zarr")


@pytest.fixture
def old(whole, tmp_path):
    """The same data set as version 0.2 wrote real ones."""
    return as_version_0_2(whole, tmp_path / "old.zarr")


def chunks(path, array="*"):
    """Chunk files of the test split."""
    return sorted(f for f in path.glob(f"test/{array}/c/**/*") if f.is_file())


# --- chunks that are missing or damaged ---------------------------------------------------------


def test_every_chunk_is_written_and_carries_a_checksum(whole):
    for split in ("train", "validation", "test"):
        for name, array in open_dataset(whole)[split].arrays():
            assert list((whole / split / name / "c").rglob("*")), name
            metadata = (whole / split / name / "zarr.json").read_text()
            assert '"crc32c"' in metadata.split('"index_codecs"')[0], name
            assert array[:].shape == array.shape


def test_without_one_of_its_chunks_a_data_set_is_not_opened(copy):
    for file in chunks(copy):
        content = file.read_bytes()
        file.unlink()
        expected = "not finished" if file.parts[-3] == "shard_done" else f"{file} is missing"
        with pytest.raises(SimulationError, match=expected):
            open_dataset(copy)
        assert not is_complete(copy)
        file.write_bytes(content)
    assert is_complete(copy)


def test_simulate_makes_what_is_missing_again(whole, copy):
    shutil.rmtree(copy / "test" / "images" / "c")
    (copy / "train" / "label" / "c" / "0").unlink()
    assert make(copy, n=130).made == 140
    assert digest(copy) == digest(whole)


def test_a_chunk_that_is_lost_while_it_is_read_is_no_fill_value(copy):
    group = open_dataset(copy)["test"]
    assert (group["label"][:] >= 0).all()
    shutil.rmtree(copy / "test" / "images" / "c")
    with pytest.raises(SimulationError, match=r"images is damaged.*c/0/0/0/0 is missing"):
        group["images"][3:5]
    shutil.rmtree(copy)
    with pytest.raises(SimulationError, match="label is damaged"):
        group["label"][:]


@pytest.mark.slow
def test_one_flipped_bit_is_noticed_wherever_it_is(copy):
    rng = random.Random(1)
    files = [f for f in chunks(copy) if f.parts[-3] != "shard_done"]
    for _ in range(150):
        file = rng.choice(files)
        content = file.read_bytes()
        damaged = bytearray(content)
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        file.write_bytes(damaged)
        name = file.relative_to(copy).parts[1]
        with pytest.raises(SimulationError, match=rf"{name} is damaged \(objects 0 to 9\).*again"):
            open_dataset(copy)["test"][name][:]
        file.write_bytes(content)


def test_other_objects_of_a_damaged_array_are_read(copy, whole):
    file = copy / "train" / "images" / "c" / "0" / "0" / "0" / "0"
    content = bytearray(file.read_bytes())
    content[20] ^= 4  # in the first 64 objects
    file.write_bytes(content)
    images = open_dataset(copy)["train"]["images"]
    expected = open_dataset(whole)["train"]["images"]
    np.testing.assert_array_equal(images[64:], expected[64:])
    with pytest.raises(SimulationError, match=r"objects 0 to 63\): its checksum differs"):
        images[60:70]
    with pytest.raises(IndexError):
        images[200]


# --- data sets of version 0.2 -------------------------------------------------------------------


def test_data_sets_of_version_0_2_are_read_as_before(whole, old):
    found, expected = open_dataset(old)["test"], open_dataset(whole)["test"]
    for name, array in expected.arrays():
        np.testing.assert_array_equal(found[name][:], array[:], err_msg=name)
    assert not (old / "test" / "band" / "c").exists()  # all of the first band


@pytest.mark.parametrize("array", ["images", "mjd", "n_epochs", "label"])
def test_a_half_copied_data_set_of_version_0_2_is_refused(old, array):
    shutil.rmtree(old / "test" / array / "c")
    with pytest.raises(SimulationError, match=rf"test/{array}/c/.* is missing.*ingest it again"):
        open_dataset(old)


def test_labels_of_the_first_class_alone_are_read_from_version_0_2(old):
    root = zarr.open_group(old, mode="r+")
    root.attrs["classes"] = ["NV"]
    for split in ("train", "validation", "test"):
        shutil.rmtree(old / split / "label" / "c")
    assert (open_dataset(old)["test"]["label"][:] == 0).all()


# --- claims of metadata -------------------------------------------------------------------------


def edited(path, change, where="test/label/zarr.json"):
    file = path / where
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def with_length(n, *, chunk=None):
    def change(content):
        content["shape"][0] = n
        if chunk:
            content["chunk_grid"]["configuration"]["chunk_shape"][0] = chunk

    return change


def refused_within_bounds(path):
    """The message of a refusal, which may take no memory worth the name."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SimulationError) as refusal:
        open_dataset(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 500
    return str(refusal.value)


@pytest.mark.parametrize("n", [5000, 10**7, 10**12, 2**62])
@pytest.mark.parametrize("chunk", [None, 10**7])
def test_a_length_claimed_by_all_arrays_is_not_believed(copy, n, chunk):
    for file in (copy / "test").glob("*/zarr.json"):
        if file.parent.name != "shard_done":
            edited(copy, with_length(n, chunk=chunk), file.relative_to(copy))
    refused_within_bounds(copy)


CLAIMS = {
    "label: length": (with_length(10**12), "damaged"),
    "label: chunk": (with_length(10, chunk=10**9), "claims chunks"),
    "label: type": (lambda c: c.update(data_type="float32"), "is float32"),
    "label: unknown type": (lambda c: c.update(data_type="complex128"), "data_type"),
    "label: dimensions": (lambda c: c.update(dimension_names=["epoch"]), "dimensions 'epoch'"),
    "label: no dimensions": (lambda c: c.pop("dimension_names"), "dimensions none"),
    "label: negative": (lambda c: c.update(shape=[-1]), "shape.0"),
    "label: axes": (lambda c: c.update(shape=[10, 10]), "do not fit"),
    "label: codecs": (lambda c: c.update(codecs=[]), "codecs"),
    "label: pickle": (lambda c: c.update(codecs=[{"name": "numcodecs.pickle"}]), "codecs"),
    "label: numcodecs": (lambda c: c["codecs"].append({"name": "numcodecs.zlib"}), "codecs"),
    "label: format": (lambda c: c.update(zarr_format=2), "zarr_format"),
    "label: keys": (lambda c: c["chunk_key_encoding"].update(name="v2"), "chunk_key_encoding"),
    "label: transformers": (lambda c: c.update(storage_transformers=[{}]), "storage_transf"),
    "label: more": (lambda c: c.update(surprise=1), "surprise"),
    "mjd: narrow": (lambda c: c.update(data_type="float32"), "is float32"),
    "images: epochs": (lambda c: c["shape"].__setitem__(1, 7), "do not fit|along 'epoch'"),
    "images: not square": (lambda c: c["shape"].__setitem__(3, 4), "pixels|along 'x'"),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_metadata_are_checked_against_the_layout(copy, name):
    change, message = CLAIMS[name]
    edited(copy, change, f"test/{name.partition(':')[0]}/zarr.json")
    with pytest.raises(SimulationError, match=message):
        open_dataset(copy)


ATTRIBUTES = {
    "classes": 3,
    "bands": [],
    "survey": None,
    "profile": "hits",
    "settings": [],
    "inputs": {"psf_library": "x"},
    "format_version": [1],
}


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_attributes_are_checked_too(copy, name):
    edited(copy, lambda c: c["attributes"].update({name: ATTRIBUTES[name]}), "zarr.json")
    with pytest.raises(SimulationError, match=rf"zarr\.json is damaged.*{name}|has data format"):
        open_dataset(copy)


def test_a_class_that_occurs_twice_is_refused(copy):
    edited(copy, lambda c: c["attributes"].update(classes=["SN", "SN"]), "zarr.json")
    with pytest.raises(SimulationError, match="classes has a name twice"):
        open_dataset(copy)


@pytest.mark.parametrize("content", ["", "{}", "null", "[" * 100_000, '{"a":' * 100_000, "\0", "{"])
@pytest.mark.parametrize("where", ["zarr.json", "test/zarr.json", "test/label/zarr.json"])
def test_metadata_that_are_no_such_json_are_refused(copy, where, content):
    (copy / where).write_text(content)
    refused_within_bounds(copy)


def test_every_array_that_is_needed_is_named_when_it_is_missing(copy):
    for name in NEEDED:
        (copy / "test" / name).rename(copy / name)
        with pytest.raises(SimulationError, match=f"lacks the arrays {name},"):
            open_dataset(copy)
        (copy / name).rename(copy / "test" / name)


@pytest.mark.parametrize("kind", NO_ARRAYS)
@pytest.mark.parametrize("name", ["label", "shard_done", "redshift"])
def test_links_and_other_files_in_place_of_an_array(copy, kind, name):
    put_in_place(copy / "test" / name, kind)
    if kind in ("pipe", "passwd") or name == "label":
        assert "root:" not in refused_within_bounds(copy)
    else:
        assert name not in open_dataset(copy)["test"]


def test_folders_beside_the_splits_are_not_looked_at(copy):
    (copy / "notes").mkdir()
    (copy / "notes" / "zarr.json").write_text("[" * 100_000)
    assert dict(open_dataset(copy).groups()).keys() == {"train", "validation", "test"}


def test_consolidated_metadata_are_not_read(copy):
    edited(copy, lambda c: c.update(consolidated_metadata={"metadata": 3}), "zarr.json")
    assert len(open_dataset(copy)["test"]["label"][:]) == 10


def test_a_zarr_v2_store_is_named_with_the_way_to_convert_it(tmp_path):
    zarr.create_group(tmp_path / "v2.zarr", zarr_format=2, attributes={"format_version": 1})
    with pytest.raises(SimulationError, match=r"Zarr v2 store.*ingest --from zarr"):
        open_dataset(tmp_path / "v2.zarr")


# --- interrupts ---------------------------------------------------------------------------------


def test_an_interrupt_while_a_data_set_is_laid_out_leaves_no_unfinished_folder(
    tmp_path, monkeypatch
):
    laying_out = writer.DatasetWriter._create_split

    def interrupted(self, *arguments):
        os.kill(os.getpid(), signal.SIGINT)
        laying_out(self, *arguments)

    monkeypatch.setattr(writer.DatasetWriter, "_create_split", interrupted)
    with pytest.raises(KeyboardInterrupt):
        writer_for(plan_at(tmp_path / "d.zarr"))
    assert {p.name for p in tmp_path.iterdir()} <= {"d.zarr"}
    monkeypatch.undo()
    make(tmp_path / "d.zarr")


def test_an_interrupt_while_a_shard_is_written_waits_for_its_end(tmp_path, monkeypatch):
    plan = plan_at(tmp_path / "d.zarr", n=4)
    made = plan.simulator.batch("test", np.arange(10))
    arrays = {"images": made.images, "mask": made.mask, **made.epochs, **made.objects}
    setting = zarr.Array.__setitem__

    def interrupted(self, rows, values):
        if self.basename == "mjd":
            os.kill(os.getpid(), signal.SIGINT)
        setting(self, rows, values)

    with writer_for(plan) as dataset:
        monkeypatch.setattr(zarr.Array, "__setitem__", interrupted)
        with pytest.raises(KeyboardInterrupt):
            dataset.write_shard("test", 0, arrays)
        assert ("test", 0, 0, 10) not in dataset.pending()
