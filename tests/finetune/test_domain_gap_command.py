"""``survey gap`` from the command line: a whole report, and one sentence for a mistake."""

import json
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from types import SimpleNamespace

import numpy as np
import pytest
import zarr

from finetune.domain_gap import gap as comparing
from finetune.domain_gap import matched_samples as matched
from finetune.domain_gap.quantities import GROUPS, QUANTITIES, SELECTION
from simulator.dataset.plan import make_plan
from simulator.dataset.run import execute, writer_for
from simulator.options import Options
from tests.helpers.running import copy_of
from tests.helpers.running import run as run_command


@pytest.fixture(scope="module")
def taken_for_real(tmp_path_factory):
    """A simulated data set of 90 constant stars and RR Lyrae, taken for a real one."""
    path = tmp_path_factory.mktemp("gap") / "taken.zarr"
    plan = make_plan(
        "hits", Options(classes={"NV": 1, "RRL": 1}, seed=5), path, n=2, validation=0, test=90
    )
    with writer_for(plan) as writer:
        execute(plan, writer, threads=1)
    return path


@pytest.fixture(autouse=True)
def small_pools(monkeypatch):
    monkeypatch.setattr(comparing, "_LEAST_POOL", 90)
    monkeypatch.setattr(matched, "_BLOCK", 128)


def run(*arguments):
    """Result of ``survey`` with these arguments."""
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        code = run_command(patch, "survey", *arguments)
    return SimpleNamespace(exit_code=code, stdout=out.getvalue(), stderr=err.getvalue())


def test_help_lists_the_added_command_after_the_own_ones():
    text = run("--help").stdout
    assert text.index("check") < text.index("gap")
    assert "--real" in run("gap", "--help").stdout


@pytest.mark.slow
@pytest.mark.parametrize("exposures", ["drawn", "real"])
def test_simulated_objects_taken_for_real_ones_are_not_distinguished(
    taken_for_real, tmp_path, exposures
):
    result = run(
        "gap",
        "--real",
        taken_for_real,
        "--out",
        tmp_path / "gap",
        "--matched",
        2,
        "--bootstrap",
        10,
        "--images",
        8,
        "--exposures",
        exposures,
        "--seed",
        77,
    )
    assert result.exit_code == 0, result.stderr
    record = json.loads((tmp_path / "gap/gap.json").read_text())
    assert record["auc"]["auc"] == pytest.approx(0.5, abs=5 * record["auc"]["error"])
    assert set(record["auc_by_group"]) == set(GROUPS)
    assert [m["name"] for m in record["quantities"]] == [q.name for q in (*QUANTITIES, *SELECTION)]
    page = (tmp_path / "gap/gap.html").read_text()
    assert page.count("<svg") == page.count("Data (CSV)") == len(GROUPS) + 2
    assert "<img" not in page and "<script" not in page
    assert "all quantities" in result.stdout and "gap.html" in result.stdout


@pytest.mark.slow
def test_a_wrong_noise_is_found_and_the_key_named(taken_for_real, tmp_path):
    result = run(
        "gap",
        "--real",
        taken_for_real,
        "--out",
        tmp_path,
        "--matched",
        2,
        "--bootstrap",
        10,
        "--images",
        8,
        "--quiet",
        "--profile-set",
        "psf.lanczos_order=2",
        "--profile-set",
        "psf.e2_exposure_scatter=0.15",
    )
    assert result.exit_code == 0 and not result.stdout
    record = json.loads((tmp_path / "gap.json").read_text())
    found = {m["name"]: m for m in record["quantities"]}
    assert found["e2_scatter"]["verdict"] in ("strong discrepancy", "very strong discrepancy")
    assert "psf.e2_exposure_scatter" in found["e2_scatter"]["suggested_parameter"]
    assert record["auc_by_group"]["noise"]["auc"] > 0.75


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--survey", "htis"), "Did you mean 'hits'?"),
        (("--survey", "lsst"), "has the bands"),
        (("--survey", "ztf"), "pixels of 1.01"),
        (("--profile-set", "psf.beta_median"), "write KEY=VALUE"),
        (("--split", "nothing"), "has no split"),
    ],
)
def test_mistakes_cost_one_sentence(taken_for_real, tmp_path, arguments, says):
    result = run("gap", "--real", taken_for_real, "--out", tmp_path / "gap", *arguments)
    assert result.exit_code == 2 and says in result.stderr
    assert "Traceback" not in result.stderr and not (tmp_path / "gap").exists()


@pytest.mark.slow
def test_faint_supernovae_give_a_page_that_names_what_is_left_out(tmp_path):
    """None is bright enough to measure its shape, and two classes cannot be simulated."""
    data = tmp_path / "few.zarr"
    plan = make_plan("hits", Options(classes={"SN": 1}, seed=5), data, n=1, validation=0, test=10)
    with writer_for(plan) as writer:
        execute(plan, writer, threads=1)
    root = zarr.open_group(data)
    root.attrs["classes"] = ["SN", "LBV", "nova"]
    root["test/label"][:] = [0, 0, 0, 1, 0, 0, 2, 1, 255, 0]
    result = run(
        "gap", "--real", data, "--out", tmp_path / "gap", "--matched", 1, "--bootstrap", 10
    )
    assert result.exit_code == 0, result.stderr
    said = " ".join(result.stdout.split())
    assert "6 objects are compared. Left out: 1 without a class (8)" in said
    assert "2 of the class LBV, which cannot be simulated (3, 7)" in said
    assert "Left out, as no object has a value: " in said
    record = json.loads((tmp_path / "gap/gap.json").read_text())
    assert record["objects"] == {"SN": 6} and np.isfinite(record["auc"]["auc"])
    assert [each["objects"] for each in record["left_out"]] == [1, 2, 1]
    assert "e1" in record["not_measured"] and record["auc_by_group"]["psf"]["auc"] is None


def test_too_few_objects_to_distinguish_are_refused_before_the_work(taken_for_real, tmp_path):
    data = copy_of(taken_for_real, tmp_path)
    labels = zarr.open_group(data)["test/label"]
    labels[:] = np.where(np.arange(labels.shape[0]) < 4, labels[:], 255)
    result = run("gap", "--real", data, "--out", tmp_path / "gap")
    assert result.exit_code == 2 and "4 objects have a class" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_output_that_is_a_file_is_refused_before_the_work(taken_for_real, tmp_path):
    (tmp_path / "gap").write_text("mine")
    result = run("gap", "--real", taken_for_real, "--out", tmp_path / "gap")
    assert result.exit_code == 2 and "is a file" in result.stderr
    assert (tmp_path / "gap").read_text() == "mine"


def test_a_data_set_that_is_not_there_is_refused(tmp_path):
    result = run("gap", "--real", tmp_path / "none.zarr", "--out", tmp_path / "gap")
    assert result.exit_code == 2 and "none.zarr" in result.stderr
