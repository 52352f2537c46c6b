"""The command: what a user types, and the one sentence for what cannot be done."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pytest
from astropy.table import Table
from pyarrow import parquet

from simulator.dataset.reader import open_dataset, stored_profile
from simulator.lightcurves import DEFAULT_CLASSES
from survey_profiles import load_profile
from tests.helpers.opsim import opsim, schedule
from tests.helpers.running import run

QUICK = ["--n", "28", "--stamp-size", "9", "--threads", "1", "--quiet"]


def simulate(monkeypatch, *arguments):
    """Exit code of ``simulate`` with these arguments."""
    return run(monkeypatch, "simulate", *arguments)


def test_one_line_makes_a_data_set_and_its_record(monkeypatch, tmp_path):
    out = tmp_path / "hits.zarr"
    assert simulate(monkeypatch, "--survey", "hits", "--out", out, *QUICK) == 0
    root = open_dataset(out)
    assert {split: root[split]["label"].shape[0] for split in root} == {
        "train": 28,
        "validation": 4,
        "test": 4,
    }
    record = json.loads((tmp_path / "hits.zarr.json").read_text())
    run = record["runs"][0]
    assert run["command"].startswith("simulate --survey hits --n 28 --validation 4 --test 4")
    assert run["made"] == 36


def test_errors_of_the_conditions_are_in_the_record_and_change_no_object(monkeypatch, tmp_path):
    found = []
    for size in ("0", "1.5"):
        out = tmp_path / f"{size}.zarr"
        given = ["--survey", "hits", "--condition-error", size, "--out", out, *QUICK]
        assert simulate(monkeypatch, *given) == 0
        found.append(open_dataset(out))
    record = json.loads((tmp_path / "1.5.zarr.json").read_text())
    assert "--condition-error 1.5" in record["runs"][0]["command"]
    planned, perturbed = (root["train"] for root in found)
    np.testing.assert_array_equal(planned["label"][:], perturbed["label"][:])
    seeing = [part["seeing_fwhm_arcsec"][:, 0] for part in (planned, perturbed)]
    assert (seeing[0] != seeing[1]).all()


def test_a_data_set_that_is_complete_is_said_to_be(monkeypatch, tmp_path, capsys):
    arguments = ["--survey", "hits", "--out", tmp_path / "hits.zarr", *QUICK]
    assert simulate(monkeypatch, *arguments) == 0
    assert simulate(monkeypatch, *arguments[:-1]) == 0
    assert "is complete: 36 sequences" in " ".join(capsys.readouterr().out.split())


def test_a_dry_run_writes_nothing(monkeypatch, tmp_path, capsys):
    arguments = ["--survey", "lsst", "--n", "7000", "--out", tmp_path / "x.zarr", "--dry-run"]
    assert simulate(monkeypatch, *arguments, "--stamp-size", "9") == 0
    printed = capsys.readouterr().out
    assert "GB" in printed and "AST" in printed and "1,000" in printed
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--survey", "hist"], "Did you mean 'hits'"),
        (["--survey", "hits", "--classes", "SN,RRLY"], "Did you mean RRL"),
        (["--survey", "hits", "--n", "0"], "0 sequences for train"),
        (["--survey", "hits", "--stamp-size", "4000"], "stamp size 4000; allowed"),
        (["--survey", "hits", "--condition-error", "4"], "--condition-error 4: a number from 0"),
        (["--survey", "hits", "--threads", "0"], "--threads 0; allowed"),
        (["--survey", "hits", "--magnitudes", "nowhere.csv"], "magnitudes 'nowhere.csv'"),
        (["--survey", "hits", "--templates", "nowhere"], "there is no such folder"),
        (["--survey", "hits", "--exposures", "nowhere.ecsv"], "nowhere.ecsv"),
        (["--survey", "hits", "--profile-set", "camera.gian_e_per_adu=4"], "gain_e_per_adu"),
        (
            ["--survey", "hits", "--profile-set", "camera.gain_e_per_adu=-4"],
            "greater than or equal to 0.000001",
        ),
        (["--survey", "hits", "--profile-set", "gain"], "write KEY=VALUE"),
        (["--survey", "hits", "--preview", "animation.jpeg"], ".png"),
        (["--survey", "hits", "--n", "900000000000"], "GB are free"),
        (["--survey", "hits", "--templates", "."], "SN Ia spectra models"),
        (
            [
                "--survey",
                "hits",
                "--profile-set",
                "psf.model='library'",
                "--profile-set",
                "psf.library='x.npz'",
            ],
            "x.npz: there is no such file",
        ),
        (["--survey", "hits", "--classes", "SN:1e10,NV"], "too rare"),
        (["--survey", "hits", "--profile-set", "bands.g.zero_point_mag=5"], "exposures reach"),
        (["--survey", "hits", "--profile-set", "camera.saturation_adu=1e9"], "65535"),
        (["--survey", "hits", "--conditions", "delivered"], "'delivered'; allowed: planned."),
        (
            ["--survey", "lsst", "--conditions", "delivered", "--exposures", "x.db"],
            "conditions of the profile and of exposures: choose one",
        ),
    ],
)
def test_bad_requests_get_one_sentence_and_exit_code_2(
    monkeypatch, tmp_path, capsys, arguments, sentence
):
    monkeypatch.chdir(tmp_path)
    assert simulate(monkeypatch, *arguments, "--quiet", "--out", "x.zarr") == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1 and "Traceback" not in error
    assert not list(tmp_path.iterdir())


def test_an_output_that_is_a_file_is_refused_and_kept(monkeypatch, tmp_path, capsys):
    out = tmp_path / "precious"
    out.write_text("precious")
    assert simulate(monkeypatch, "--survey", "hits", "--out", out, *QUICK) == 2
    assert "is a file" in capsys.readouterr().err
    assert out.read_text() == "precious"


def test_an_empty_folder_can_become_a_data_set(monkeypatch, tmp_path):
    (tmp_path / "x.zarr").mkdir()
    arguments = ["--survey", "hits", "--out", tmp_path / "x.zarr"]
    assert simulate(monkeypatch, *arguments, *QUICK) == 0
    split = open_dataset(tmp_path / "x.zarr")["test"]
    assert split.attrs["classes"][split["label"][0]] in DEFAULT_CLASSES


def test_what_became_of_an_exposure_table_is_said(monkeypatch, tmp_path, capsys):
    rows = [f"{60000 + i},{'gr'[i % 2]},90,1.2,1.0,120,25.1,24.0" for i in range(80)]
    names = (
        "mjd,band,exposure_time_s,airmass,seeing_fwhm_arcsec,sky_adu,zero_point_mag,limiting_mag"
    )
    (tmp_path / "e.csv").write_text("\n".join([names, *rows]))
    monkeypatch.chdir(tmp_path)
    arguments = ["--survey", "hits", "--exposures", "e.csv", "--n", "7", "--dry-run"]
    assert simulate(monkeypatch, *arguments, "--out", "x.zarr") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "2 pointings" in printed and "cadence.max_epochs = 30" in printed
    assert "40 rows left out: band not in use" in printed


def test_an_opsim_schedule_is_used_from_the_command(monkeypatch, tmp_path, capsys):
    path = opsim(tmp_path, schedule(np.random.default_rng(0)))
    arguments = ["--survey", "lsst", "--exposures", path, "--out", tmp_path / "x.zarr", "--n", "4"]
    arguments += ["--profile-set", 'cadence.bands=["g","r"]', "--profile-set"]
    arguments += ["cadence.min_epochs=5", "--stamp-size", "9", "--threads", "1"]
    assert simulate(monkeypatch, *arguments) == 0
    assert "480 rows left out: band not in use" in " ".join(capsys.readouterr().out.split())
    assert open_dataset(tmp_path / "x.zarr")["train"]["n_epochs"][:].min() >= 5


@pytest.mark.slow
def test_conditions_belong_to_the_data_set(monkeypatch, tmp_path, capsys):
    out = tmp_path / "x.zarr"
    arguments = ["--survey", "lsst", "--out", out, "--n", "4", "--stamp-size", "9"]
    delivered = [*arguments, "--conditions", "delivered"]
    assert simulate(monkeypatch, *delivered, "--threads", "1", "--quiet") == 0
    profile = stored_profile(open_dataset(out))
    assert profile == load_profile("lsst", conditions="delivered")
    assert profile.weather.cloud_loss_mean_mag > 0
    (run,) = json.loads((tmp_path / "x.zarr.json").read_text())["runs"]
    assert "--conditions delivered" in run["command"]
    assert simulate(monkeypatch, *delivered) == 0
    capsys.readouterr()
    assert simulate(monkeypatch, *arguments) == 2
    assert "profile" in capsys.readouterr().err


def test_a_table_of_magnitudes_sets_the_brightness(monkeypatch, tmp_path):
    (tmp_path / "m.csv").write_text("magnitude\n19.0\n19.1\n")
    out = tmp_path / "x.zarr"
    arguments = ["--survey", "hits", "--classes", "NV", "--magnitudes", tmp_path / "m.csv"]
    assert simulate(monkeypatch, *arguments, "--out", out, *QUICK) == 0
    magnitudes = open_dataset(out)["train"]["mean_mag"][:]
    assert (magnitudes > 18.5).all() and (magnitudes < 19.6).all()


@pytest.mark.slow
def test_a_stop_by_the_user_says_how_to_go_on(tmp_path):
    as_in_a_terminal = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    script = f"{as_in_a_terminal}; from skyreel.cli import simulate; simulate()"
    command = [sys.executable, "-c", script, "--survey", "hits", "--n", "200000"]
    process = subprocess.Popen(
        [*command, "--stamp-size", "9", "--out", str(tmp_path / "d.zarr")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (tmp_path / "d.zarr").exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 130
    assert error == "simulate: stopped. Run the same command again to finish.\n"


def exposures_as(folder, kind):
    """The same 24 exposures as every kind of file."""
    rows = 24
    table = Table(
        {
            "mjd": 57070.0 + np.arange(rows) * 0.5,
            "band": ["g"] * rows,
            "exposure_time_s": np.full(rows, 86.0),
            "airmass": np.full(rows, 1.2),
            "seeing_fwhm_arcsec": np.linspace(0.9, 1.1, rows),
            "sky_adu": np.full(rows, 110.0),
            "zero_point_mag": np.full(rows, 25.1),
            "limiting_mag": np.full(rows, 23.8),
        }
    )
    table["airmass"][5] = -999
    path = folder / f"e [1] #%41.{kind}"
    if kind == "parquet":
        parquet.write_table(pa.table({n: table[n].tolist() for n in table.colnames}), path)
    else:
        table.write(path, format=f"ascii.{kind}")
    return path


@pytest.mark.parametrize("kind", ["csv", "ecsv", "parquet"])
def test_tables_of_exposures_work_from_the_command(monkeypatch, tmp_path, capsys, kind):
    path = exposures_as(tmp_path, kind)
    arguments = ["--survey", "hits", "--out", tmp_path / "d.zarr", "--exposures", path]
    assert simulate(monkeypatch, *arguments, *QUICK[:-1]) == 0
    assert "1 row left out: airmass unknown." in capsys.readouterr().out
    assert open_dataset(tmp_path / "d.zarr")["train"]["n_epochs"][:].tolist() == [23] * 28
    record = json.loads((tmp_path / "d.zarr.json").read_text())["runs"][0]["exposures"]
    assert record == {"pointings": 1, "left_out": {"airmass unknown": 1}, "notes": []}
    expected = {path.name, "d.zarr", "d.zarr.json"}
    assert {file.name for file in tmp_path.iterdir()} <= {*expected, ".d.zarr.lock"}


@pytest.mark.slow
def test_a_rubin_schedule_works_from_the_command(monkeypatch, tmp_path, capsys):
    visits = [list(visit) for visit in schedule(np.random.default_rng(0))]
    visits[3][-1] = None
    path = opsim(tmp_path, visits)
    arguments = ["--survey", "lsst", "--out", tmp_path / "d.zarr", "--exposures", path]
    assert simulate(monkeypatch, *arguments, *QUICK[:-1]) == 0
    assert "1 row left out: fiveSigmaDepth unknown." in capsys.readouterr().out
