"""The Python functions write what the commands write."""

import json

import numpy as np
import pytest
import zarr

from finetune import api
from skyreel.errors import UserError
from tests.helpers.cubes import write_cube


def test_ingest_writes_a_data_set_and_its_record(tmp_path):
    for name in "ab":
        write_cube(tmp_path / f"in/{name}.fits")
    path = api.ingest(tmp_path / "in", source="hits", out=tmp_path / "x.zarr", quiet=True)
    assert path == tmp_path / "x.zarr"
    assert list(zarr.open_group(path)["test"]["object_id"][:]) == ["a", "b"]
    assert json.loads((tmp_path / "x.zarr.json").read_text())["runs"][0]["read"] == 2


def test_ingest_refuses_an_unknown_format(tmp_path):
    with pytest.raises(UserError, match="there is no such reader"):
        api.ingest(tmp_path, source="sdss", out=tmp_path / "x.zarr")


def test_an_output_that_is_a_file_is_refused_before_the_work(tmp_path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(UserError, match="is a file"):
        api.finetune("hits-compact", tmp_path / "none.zarr", out=tmp_path / "mine")
    with pytest.raises(UserError, match="is a file"):
        api.domain_gap(tmp_path / "none.zarr", out=tmp_path / "mine")
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.slow
def test_finetune_gives_the_adapted_model_and_writes_the_report(small_dataset, tmp_path):
    options = {"per_class": (1,), "trials": 1, "disjoint": "object", "homogenised": False}
    model = api.finetune(
        "hits-compact", small_dataset, out=tmp_path / "tuned", threads=1, quiet=True, **options
    )
    assert model.folder == tmp_path / "tuned" / "model"
    assert (tmp_path / "tuned" / "report.html").is_file()
    run = json.loads((tmp_path / "tuned" / "run.json").read_text())
    assert run["command"].startswith("skyreel.finetune('hits-compact'") and run["trials"] == 1
    draws = json.loads((tmp_path / "tuned" / "draws.json").read_text())
    assert not np.intersect1d(draws[0]["training"], draws[0]["test"]).size
