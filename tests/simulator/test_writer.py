"""Data sets on disk: laid out as documented, finished after a kill, refused when they differ."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray
import zarr

from simulator.dataset import writer
from simulator.dataset.plan import make_plan
from simulator.dataset.reader import open_dataset
from simulator.dataset.run import execute, writer_for
from simulator.dataset.schema import array_specs
from simulator.dataset.settings import refuse_other_settings
from simulator.dataset.writer import shard_objects
from simulator.options import Options
from skyreel.errors import SimulationError, StoreError
from tests.helpers.datasets import digest, make, plan_at


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "hits.zarr"
    make(path)
    return path


def test_every_array_is_there_with_its_dimensions_and_unit(dataset):
    root = open_dataset(dataset)
    plan = plan_at(dataset)
    for split, count in {"train": 300, "validation": 20, "test": 10}.items():
        for spec in array_specs(plan.simulator.parameters):
            array = root[split][spec.name]
            assert array.metadata.dimension_names == spec.dimensions
            assert array.shape[0] == count and array.dtype == spec.dtype
            assert array.attrs["description"] == spec.description
    assert root.attrs["classes"] == list(plan.simulator.classes)
    assert root.attrs["profile"]["camera"]["pixel_scale_arcsec"] > 0


def test_the_store_holds_what_the_simulator_makes(dataset):
    sequences = plan_at(dataset).simulator.batch("train", np.arange(300))
    group = open_dataset(dataset)["train"]
    np.testing.assert_array_equal(group["images"][:], sequences.images)
    np.testing.assert_array_equal(group["mask"][:], sequences.mask)
    for name, values in {**sequences.epochs, **sequences.objects}.items():
        np.testing.assert_array_equal(group[name][:], values, err_msg=name)


def test_xarray_reads_it_without_our_code(dataset):
    found = xarray.open_zarr(dataset, group="train", consolidated=False)
    assert found["images"].dims == ("object", "epoch", "y", "x")
    assert found["mjd"].attrs["units"] == "d"
    assert int(found["label"].max()) == 6


def test_object_i_does_not_depend_on_how_many_there_are(dataset, tmp_path):
    make(tmp_path / "few.zarr", n=50)
    few, many = open_dataset(tmp_path / "few.zarr"), open_dataset(dataset)
    np.testing.assert_array_equal(few["train"]["images"][:], many["train"]["images"][:50])


def test_two_threads_write_the_same_bytes_as_one(dataset, tmp_path):
    make(tmp_path / "hits.zarr", threads=2)
    assert digest(tmp_path / "hits.zarr") == digest(dataset)


def test_a_finished_data_set_is_left_alone(dataset):
    before = digest(dataset)
    assert make(dataset).made == 0
    assert digest(dataset) == before


def test_other_settings_are_refused_by_name(dataset):
    with pytest.raises(SimulationError, match=r"options\.seed is 1 there and 2 here"):
        make(dataset, seed=2)
    with pytest.raises(SimulationError, match="read_noise_e"):
        make(dataset, **{"camera.read_noise_e": "9.5"})


def with_version(path, package, version):
    """Change the version of a package in the settings of a data set."""
    file = path / "zarr.json"
    metadata = json.loads(file.read_text())
    metadata["attributes"]["settings"]["versions"][package] = version
    file.write_text(json.dumps(metadata))


@pytest.mark.slow
def test_a_finished_data_set_is_accepted_after_an_upgrade_and_an_unfinished_one_is_not(tmp_path):
    finished, started = tmp_path / "finished.zarr", tmp_path / "started.zarr"
    make(finished, n=8)
    writer_for(plan_at(started, n=8)).close()
    for path in (finished, started):
        with_version(path, "numpy", "1.0.0")
    assert make(finished, n=8).made == 0
    differing = refuse_other_settings(finished, plan_at(finished, n=8).settings())
    assert [text.split(" here")[0].split(" is ")[0] for text in differing] == ["versions.numpy"]
    with pytest.raises(SimulationError, match=r"unfinished .*\(pip install numpy==1\.0\.0"):
        make(started, n=8)


def test_a_package_that_only_writes_files_may_change_while_a_data_set_is_made(tmp_path):
    writer_for(plan_at(tmp_path / "d.zarr", n=8)).close()
    with_version(tmp_path / "d.zarr", "zarr", "3.0.0")
    assert make(tmp_path / "d.zarr", n=8).made == 38


def test_a_data_set_made_before_a_key_of_the_profile_existed_is_accepted(tmp_path):
    path = tmp_path / "d.zarr"
    make(path, n=8)
    file = path / "zarr.json"
    metadata = json.loads(file.read_text())
    del metadata["attributes"]["settings"]["profile"]["hosts"]["other_fraction"]
    file.write_text(json.dumps(metadata))
    assert make(path, n=8).made == 0


@pytest.mark.parametrize("content", ["a file", "a folder", "another group"])
def test_what_is_not_ours_is_refused(tmp_path, content):
    path = tmp_path / "out.zarr"
    if content == "a file":
        path.write_text("precious")
    elif content == "a folder":
        path.mkdir()
        (path / "precious").write_text("precious")
    else:
        zarr.create_group(path)
    before = digest(tmp_path)
    with pytest.raises(SimulationError, match=r"out\.zarr is a"):
        make(path)
    assert digest(tmp_path) == before


@pytest.fixture
def small_shards(monkeypatch):
    """Shards of 64 objects, so that a small run has many."""
    monkeypatch.setattr(writer, "_MAX_SHARD_OBJECTS", 64)


OTHER_ARRAYS = ("mask", "mjd", "label", "redshift")


@pytest.mark.slow
@pytest.mark.parametrize(
    "array",
    ["images", "shard_done", *(pytest.param(a, marks=pytest.mark.slow) for a in OTHER_ARRAYS)],
)
def test_a_write_that_fails_anywhere_can_be_resumed(tmp_path, monkeypatch, small_shards, array):
    make(tmp_path / "whole" / "d.zarr")
    broken = tmp_path / "broken" / "d.zarr"
    plan = plan_at(broken)
    with writer_for(plan) as writer, monkeypatch.context() as patch:
        setting = zarr.Array.__setitem__

        def full_at_third_shard(self, rows, values):
            if self.basename == array and np.size(values) != 1 and rows.start >= 128:
                raise OSError(28, "No space left on device")
            if self.basename == array == "shard_done" and rows == 2:
                raise OSError(28, "No space left on device")
            setting(self, rows, values)

        patch.setattr(zarr.Array, "__setitem__", full_at_third_shard)
        with pytest.raises(StoreError, match=r"No space left on device.*run the same command"):
            execute(plan, writer, threads=1)
    assert 0 < make(broken).made < 330
    assert digest(broken.parent) == digest(tmp_path / "whole")


def test_two_processes_do_not_write_one_data_set(tmp_path):
    path = tmp_path / "d.zarr"
    with writer_for(plan_at(path)), pytest.raises(StoreError, match="by another process"):
        writer_for(plan_at(path))
    make(path)


def test_another_order_of_classes_is_another_data_set(tmp_path):
    path = tmp_path / "d.zarr"
    for classes in ({"NV": 1, "AST": 1}, {"AST": 1, "NV": 1}):
        options = Options(classes=classes, stamp_size_pix=5)
        plan = make_plan("hits", options, path, n=4)
        if not path.exists():
            writer_for(plan).close()
    with pytest.raises(SimulationError, match="classes is"):
        writer_for(plan)


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from simulator.dataset import writer
writer._MAX_SHARD_OBJECTS = 64
from tests.helpers.datasets import make
print("ready", flush=True)
make(Path(sys.argv[1]), n=6000, threads=2)
"""


@pytest.mark.slow
def test_killed_at_random_moments_and_resumed_it_ends_byte_identical(tmp_path):
    script = SCRIPT.format(tests=str(Path(__file__).parents[2]))
    whole, broken = tmp_path / "whole" / "d.zarr", tmp_path / "broken" / "d.zarr"
    subprocess.run([sys.executable, "-c", script, whole], check=True, stdout=subprocess.DEVNULL)
    moments, shards = random.Random(7), []
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", script, broken], stdout=subprocess.PIPE)
        process.stdout.readline()
        while not (broken / "train" / "shard_done" / "c").exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(moments.uniform(0.0, 0.5))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        shards.append(len(list((broken / "train" / "shard_done" / "c").glob("*"))))
    assert 0 < shards[0] < 94
    subprocess.run([sys.executable, "-c", script, broken], check=True, stdout=subprocess.DEVNULL)
    assert digest(whole.parent) == digest(broken.parent)


def test_shards_stay_small_whatever_the_stamp():
    for epochs in (1, 30, 60, 1000):
        for size in (5, 21, 101):
            n = shard_objects(epochs, size)
            assert n >= 64 and n % 64 == 0
            assert n == 64 or n * epochs * size**2 * 2 <= 96 * 2**20
