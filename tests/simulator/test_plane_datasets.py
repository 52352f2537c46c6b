"""Data sets with planes are written, finished, read and regenerated as those without."""

import json
import shutil

import numpy as np
import pytest
import xarray
from PIL import Image

from classifier.dataset import DatasetSplit
from classifier.models.registry import open_model
from simulator import open_dataset, regenerate
from simulator.dataset.plan import make_plan
from simulator.dataset.run import command_line, execute, writer_for
from simulator.dataset.schema import PIXELS, array_specs, plane_specs
from simulator.dataset.writer import CHUNK_OBJECTS, shard_shape
from simulator.options import Options, parse_planes
from simulator.preview.stored import dataset_html
from skyreel.errors import SimulationError
from tests.helpers.datasets import SMALL, digest
from tests.helpers.running import run

ALL = ("science", "template", "difference")
N = 40


def plan_of(path, planes=ALL, n=N, size=21, **options):
    given = Options(seed=2, stamp_size_pix=size, planes=planes, **options)
    return make_plan("hits", given, path, n=n, validation=6, test=0, overrides=SMALL)


def make(path, threads=1, **options):
    plan = plan_of(path, **options)
    with writer_for(plan) as writer:
        return execute(plan, writer, threads=threads)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    path = tmp_path_factory.mktemp("planes") / "p.zarr"
    make(path)
    return path


def test_every_plane_is_there_with_its_unit(dataset):
    root = open_dataset(dataset)
    assert root.attrs["planes"] == list(ALL) and root.attrs["options"]["planes"] == list(ALL)
    for spec in array_specs(plan_of(dataset).simulator.parameters, ALL):
        array = root["train"][spec.name]
        assert array.metadata.dimension_names == spec.dimensions and array.dtype == spec.dtype
        assert array.attrs["description"] == spec.description
    assert {spec.name for spec in plane_specs(ALL)} <= set(root["train"].array_keys())
    without = {spec.name for spec in array_specs({})}
    assert without.isdisjoint(spec.name for spec in plane_specs(ALL))
    found = xarray.open_zarr(dataset, group="train", consolidated=False)
    assert found["difference"].dims == PIXELS and found["template"].attrs["units"] == "adu"


def test_objects_regenerate_to_the_last_bit(dataset):
    again, stored = regenerate(dataset, [7, 3]), open_dataset(dataset)["train"]
    for name, values in again.arrays().items():
        for row, index in enumerate((7, 3)):
            np.testing.assert_array_equal(stored[name][index], values[row], err_msg=name)


def test_threads_and_interruptions_change_no_byte(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("simulator.dataset.writer._PLANES_SHARD_BYTES", 2**21)  # several shards
    make(tmp_path / "whole" / "p.zarr", threads=2)
    plan = plan_of(tmp_path / "parts" / "p.zarr")
    with writer_for(plan) as writer:
        todo = writer.pending()
        assert len(todo) > 2
        split, shard, first, end = todo[1]
        made = plan.simulator.batch(split, np.arange(first, end))
        writer.write_shard(split, shard, made.arrays())
    assert make(tmp_path / "parts" / "p.zarr").made == N + 6 - (end - first)
    assert digest(tmp_path / "parts" / "p.zarr") == digest(tmp_path / "whole" / "p.zarr")
    one, other = (open_dataset(p)["train"] for p in (dataset, tmp_path / "whole" / "p.zarr"))
    for name in one.array_keys():
        if name != "shard_done":
            np.testing.assert_array_equal(one[name][:], other[name][:], err_msg=name)


def test_other_planes_or_another_template_are_other_settings(dataset, tmp_path):
    with pytest.raises(SimulationError, match=r"options\.planes is .* there and .* here"):
        make(dataset, planes=("science",))
    copy = shutil.copytree(dataset, tmp_path / "copy.zarr")
    file = copy / "zarr.json"
    metadata = json.loads(file.read_text())
    metadata["attributes"]["settings"]["profile"]["template"]["epochs"] = [7]
    file.write_text(json.dumps(metadata))
    with pytest.raises(SimulationError, match=r"profile\.template\.epochs"):
        make(copy)


def test_a_data_set_without_planes_does_not_depend_on_the_template(tmp_path):
    path = tmp_path / "s.zarr"
    make(path, planes=("science",), n=4)
    file = path / "zarr.json"
    metadata = json.loads(file.read_text())
    settings = metadata["attributes"]["settings"]
    del settings["profile"]["template"], settings["profile"]["difference"]
    del settings["options"]["planes"], metadata["attributes"]["planes"]
    sources = settings["profile"]["sources"]
    for key in [key for key in sources if key.startswith(("template", "difference"))]:
        del sources[key]
    file.write_text(json.dumps(metadata))  # as earlier versions wrote it
    assert make(path, planes=("science",), n=4).made == 0
    assert regenerate(path, [1]).planes == {}


def test_a_data_set_that_lacks_a_plane_is_refused(dataset, tmp_path):
    copy = shutil.copytree(dataset, tmp_path / "copy.zarr")
    shutil.rmtree(copy / "train" / "template_noise_adu")
    with pytest.raises(SimulationError, match="lacks the arrays template_noise_adu"):
        open_dataset(copy)


def test_the_stored_command_makes_the_planes_again(dataset):
    command = command_line(plan_of(dataset))
    assert "--planes science,template,difference" in command
    assert "--planes" not in command_line(plan_of(dataset, planes=("science",)))


@pytest.mark.parametrize(("n_epochs", "size"), [(40, 63), (60, 63), (30, 21), (1000, 63)])
def test_shards_with_planes_stay_small(n_epochs, size):
    specs = array_specs({}, ALL)
    shard, chunk = shard_shape(specs, n_epochs, size)
    each = sum(np.dtype(s.dtype).itemsize for s in specs if s.dimensions == PIXELS)
    assert shard % chunk == 0 and 1 <= chunk <= CHUNK_OBJECTS
    assert shard == 1 or shard * each * n_epochs * size**2 <= 128 * 2**20


# --- what reads such data sets --------------------------------------------------------------------


def test_networks_read_the_same_of_data_sets_with_and_without_planes(dataset, tmp_path):
    make(tmp_path / "s.zarr", planes=("science",))
    with_planes, without = (DatasetSplit(p, "train") for p in (dataset, tmp_path / "s.zarr"))
    one, other = with_planes.stamps(0, N), without.stamps(0, N)
    for name, values in vars(one).items():
        np.testing.assert_array_equal(values, vars(other)[name], err_msg=name)


@pytest.mark.slow
def test_a_network_predicts_the_same_with_and_without_planes(tmp_path):
    for name, planes in (("t.zarr", ("template",)), ("s.zarr", ("science",))):
        make(tmp_path / name, planes=planes)
    model = open_model("hits-compact")
    found, expected = (
        model.predict(DatasetSplit(tmp_path / name, "train")).probabilities
        for name in ("t.zarr", "s.zarr")
    )
    np.testing.assert_array_equal(found, expected)


def test_a_notebook_and_a_preview_draw_the_planes(dataset, tmp_path, monkeypatch):
    assert "img" in dataset_html(open_dataset(dataset))
    out = tmp_path / "triplets.png"
    arguments = ("--survey", "hits", "--planes", ",".join(ALL), "--preview", out, "--dry-run")
    assert run(monkeypatch, "simulate", *arguments, "--classes", "SN,NV", "--quiet") == 0
    with Image.open(out) as image:
        assert image.width > 500 and np.asarray(image.convert("L")).std() > 10


# --- bad requests ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--planes", "science,templates"], "plane 'templates'; allowed are science, template"),
        (["--planes", "difference", "--stamp-size", "19"], "stamp size 19 with planes science"),
        (["--planes", "template", "--stamp-size", "65"], "difference are 21 to 63"),
        (["--profile-set", "template.epochs=[0]"], "template.epochs.0"),
        (["--profile-set", "template.epochs=[]"], "at least one number"),
        (["--profile-set", "template.days_before=[9, 3]"], "near <= far"),
        (["--profile-set", "difference.method='hotpants'"], "zogy"),
    ],
)
def test_bad_planes_get_one_sentence_and_exit_code_2(
    monkeypatch, tmp_path, capsys, arguments, sentence
):
    monkeypatch.chdir(tmp_path)
    given = ("--survey", "hits", "--quiet", "--out", "x.zarr", *arguments)
    assert run(monkeypatch, "simulate", *given) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1 and "Traceback" not in error
    assert not list(tmp_path.iterdir())


def test_planes_are_kept_in_one_order():
    assert Options(planes=parse_planes(" Difference,template")).planes == ALL
    assert Options(planes=()).planes == ("science",) and not Options().has_planes
