"""The command ``forecast`` as a user runs it."""

import json
import re

import numpy as np
import pyarrow.parquet as pq
import pytest

from classifier.cli import forecast as command
from classifier.forecast import forecast as steps
from classifier.forecast.schedules import open_schedule
from classifier.models.registry import open_model
from simulator.lightcurves import DEFAULT_CLASSES
from survey_profiles import load_profile
from tests.helpers.datasets import SMALL
from tests.helpers.running import run, untrained

SETTINGS = [part for key, value in SMALL.items() for part in ("--profile-set", f"{key}={value}")]
ASKED = ["--survey", "hits", "--n", 70, "--threads", 1, *SETTINGS, "--quiet"]
LSST = {"cadence.max_epochs": "20"}
SECONDARY = ("scores", "stable_times", "groups", "selection_function", "objects")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    profile = load_profile("hits", SMALL)
    for seed in (1, 2):
        untrained(folder / f"seed{seed}", profile, size_pix=9, seed=seed)
    return folder


def forecast(patch, models, out, *more, seeds=(1,)):
    named = ",".join(str(models / f"seed{seed}") for seed in seeds)
    return run(patch, "forecast", "--model", named, "--out", out, *ASKED, *more)


@pytest.fixture(scope="module")
def plain(models, tmp_path_factory):
    """A forecast of one schedule."""
    out = tmp_path_factory.mktemp("forecast") / "plain"
    with pytest.MonkeyPatch.context() as patch:
        assert forecast(patch, models, out) == 0
    return out


@pytest.fixture(scope="module")
def paired(models, tmp_path_factory):
    """A forecast of two models under two schedules, of which one is a file."""
    folder = tmp_path_factory.mktemp("paired")
    with pytest.MonkeyPatch.context() as patch:
        table = exposures(folder / "exposures.csv")
        assert forecast(patch, models, folder / "out", "--against", table, seeds=(1, 2)) == 0
    return folder / "out"


def exposures(path, bands="g", depth=23.0):
    """A table of 40 pointings of six exposures."""
    lines = [
        "mjd,band,exposure_time_s,airmass,seeing_fwhm_arcsec,sky_adu,zero_point_mag,"
        "limiting_mag,field"
    ]
    for field in range(40):
        for k in range(6):
            row = (57070 + 0.9 * k + field / 100, bands[k % len(bands)], 86, 1.2, 1.3, 250)
            lines.append(",".join(map(str, (*row, 25.1, depth, f"f{field}"))))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_forecast_is_a_page_a_record_and_tables(plain):
    names = {path.name for path in plain.iterdir()}
    assert {"index.html", "forecast.json"} | {f"{n}.parquet" for n in SECONDARY} <= names
    assert not [name for name in names if "partial" in name or name in ("blocks", "settings.json")]
    assert not plain.with_name("plain.partial").exists()
    page = (plain / "index.html").read_text()
    for heading in ("Time to a stable correct class", "Confusion matrix", "Efficiency"):
        assert f"<h2>{heading}</h2>" in page
    words = re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL)
    assert "signal-to-noise of 5" in words and not re.search(r"\bnan\b", words)


def test_the_record_agrees_with_the_tables(plain):
    found = json.loads((plain / "forecast.json").read_text())
    (schedule,) = found["schedules"]
    objects = pq.read_table(plain / "objects.parquet").to_pandas()
    (model,) = schedule["models"]
    for k, name in enumerate(DEFAULT_CLASSES):
        members = objects[objects["class"] == name]
        assert schedule["drawn"][name] == len(members)
        assert schedule["detected"][name] == members["detected"].sum() == 10
        seen = members[members["detected"]]
        recall = (seen["seed1: predicted"] == name).mean()
        assert model["final"]["recall"]["value"][k] == pytest.approx(recall)
        assert model["final_over_fields"]["recall"]["value"][k] == pytest.approx(recall)
        days = seen["seed1: days_to_stable"]
        assert model["days_to_stable"][name]["never"] == pytest.approx(days.isna().mean())
    scores = pq.read_table(plain / "scores.parquet").to_pandas()
    last = scores[(scores["since_detection"] == "days") & (scores["score"] == "macro_f1")]
    value = last.sort_values("at")["value"].iloc[-1]
    assert value == pytest.approx(model["by_days"]["macro_f1"]["value"][-1])
    everything = pq.read_table(plain / "selection_function.parquet").to_pandas()
    whole = everything[everything["quantity"] == "all"].set_index("group")
    assert whole.loc["SN", "n"] == schedule["drawn"]["SN"]


def test_the_area_of_a_list_of_nights_is_not_known(plain):
    found = json.loads((plain / "forecast.json").read_text())
    assert found["schedules"][0]["area_deg2"] is None
    assert found["schedules"][0]["models"][0]["expected_numbers_a_year"] == []
    assert "--area-deg2" in (plain / "index.html").read_text()


@pytest.mark.slow
def test_two_schedules_are_compared_object_by_object(paired):
    objects = pq.read_table(paired / "objects.parquet").to_pandas()
    one, two = (part.reset_index() for _, part in objects.groupby("schedule", sort=False))
    for name in ("index", "class", "subtype", "magnitude", "redshift", "period_d", "host_mag"):
        np.testing.assert_array_equal(one[name].to_numpy(), two[name].to_numpy())
    found = json.loads((paired / "forecast.json").read_text())
    assert [each["name"] for each in found["schedules"]] == ["hits, drawn", "exposures.csv"]
    both = one["detected"] & two["detected"]
    first = found["differences"][0]
    assert first["n_both"] == both.sum()
    for k, name in enumerate(DEFAULT_CLASSES):
        rows = both & (one["class"] == name)
        recalls = [(part["seed1: predicted"] == name)[rows].mean() for part in (one, two)]
        expected = recalls[1] - recalls[0]
        assert first["final"]["recall"]["value"][k] == pytest.approx(expected)
        rows = one["class"] == name
        share = two["detected"][rows].mean() - one["detected"][rows].mean()
        assert first["shares_of_all_drawn"]["detected"]["value"][k] == pytest.approx(share)
    assert "Differences between the schedules" in (paired / "index.html").read_text()


@pytest.mark.slow
def test_the_spread_over_models_is_their_standard_deviation(paired):
    found = json.loads((paired / "forecast.json").read_text())["schedules"][0]
    scores = [model["final"]["macro_f1"]["value"] for model in found["models"]]
    spread = found["over_models"]["macro_f1"]
    assert spread["value"] == pytest.approx(np.mean(scores))
    assert spread["error"] == pytest.approx(np.std(scores, ddof=1))


@pytest.mark.slow
def test_a_run_that_stopped_ends_as_one_that_did_not(models, plain, tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "BLOCK_IMAGED", 30)
    made, whole = [], steps._block

    def stopping(*arguments):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(arguments)
        return whole(*arguments)

    monkeypatch.setattr(steps, "_block", stopping)
    out = tmp_path / "out"
    assert forecast(monkeypatch, models, out) == 130
    assert not out.exists() and (tmp_path / "out.partial").is_dir()
    rest = []
    monkeypatch.setattr(steps, "_block", lambda *a: rest.append(a) or whole(*a))
    assert forecast(monkeypatch, models, out) == 0
    assert len(rest) == 1
    one, two = (pq.read_table(folder / "objects.parquet").to_pandas() for folder in (plain, out))
    probability = "seed1: probability"
    np.testing.assert_allclose(one.pop(probability), two.pop(probability), rtol=1e-4)
    assert one.equals(two)


@pytest.mark.slow
def test_blocks_of_other_arguments_are_not_used(models, tmp_path, monkeypatch):
    out = tmp_path / "out"
    monkeypatch.setattr(command, "_made", interrupted_after(command._made))
    assert forecast(monkeypatch, models, out, "--seed", 1) == 130
    monkeypatch.undo()
    assert forecast(monkeypatch, models, out, "--seed", 2) == 0
    found = json.loads((out / "forecast.json").read_text())
    assert found["about"]["settings"]["asked"]["seed"] == 2


def interrupted_after(made):
    def stopping(schedules, out, *rest):
        from classifier.forecast.blocks import unfinished_folder

        with unfinished_folder(out, {"other": 1}):
            raise KeyboardInterrupt

    return stopping


BAD = {
    ("--n", 6): "there are 7 classes",
    ("--n", 0): "at least one object",
    ("--area-deg2", -1): "allowed: above 0",
    ("--against-model", "x"): "--against-model needs --against",
    ("--schedule", "nosuch.csv"): "does not exist",
    ("--seed", -1): "--seed -1",
    ("--against", "lsstt"): "no such survey profile",
    ("--against", "delivered"): "hits has no such conditions (drawn, planned)",
    ("--position", "1,2"): "give --schedule",
    ("--threads", 0): "--threads 0",
}


@pytest.mark.parametrize("more", BAD)
def test_bad_arguments_are_one_sentence(models, tmp_path, monkeypatch, capsys, more):
    assert forecast(monkeypatch, models, tmp_path / "out", *more) == 2
    error = capsys.readouterr().err
    assert BAD[more] in error and error.count("\n") <= 2
    assert not list(tmp_path.iterdir())


def test_a_folder_with_files_is_refused(models, tmp_path, monkeypatch, capsys):
    (tmp_path / "mine.txt").write_text("x")
    assert forecast(monkeypatch, models, tmp_path) == 2
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.slow
def test_an_empty_folder_is_used(models, tmp_path, monkeypatch):
    assert forecast(monkeypatch, models, tmp_path) == 0
    assert (tmp_path / "forecast.json").is_file()


def test_models_of_other_stamps_are_refused(models, tmp_path, monkeypatch, capsys):
    untrained(tmp_path / "larger", load_profile("hits", SMALL), size_pix=11)
    asked = ["--model", models / "seed1", tmp_path / "larger", "--out", tmp_path / "out", *ASKED]
    assert run(monkeypatch, "forecast", *asked) == 2
    assert "stamps of 9 and 11 pixels" in capsys.readouterr().err


@pytest.mark.slow
def test_conditions_of_a_profile_are_a_schedule(tmp_path):
    profile = load_profile("lsst")
    untrained(tmp_path / "m", profile, size_pix=9)
    models = [open_model(tmp_path / "m")]
    found = [
        open_schedule("lsst", asked, models, seed=1, overrides=LSST)
        for asked in ("planned", "delivered")
    ]
    assert [each.name for each in found] == ["lsst, planned", "lsst, delivered"]
    planned, delivered = (each.simulator.profile for each in found)
    assert planned == load_profile("lsst", LSST)
    assert delivered == load_profile("lsst", LSST, "delivered") != planned
    assert command.against("lsst", "delivered") == ("lsst", "delivered")


def test_a_model_of_another_survey_is_refused(models, tmp_path, monkeypatch, capsys):
    asked = ["--survey", "ztf", "--n", 70, "--quiet"]
    model = models / "seed1"
    assert run(monkeypatch, "forecast", "--model", model, "--out", tmp_path / "o", *asked) == 2
    assert "was trained on hits" in capsys.readouterr().err


def test_a_schedule_without_a_band_of_the_profile_is_refused(models, tmp_path, monkeypatch, capsys):
    table = exposures(tmp_path / "r.csv", bands="r")
    assert forecast(monkeypatch, models, tmp_path / "out", "--schedule", table) == 2
    assert "no exposure in band g" in capsys.readouterr().err


def test_a_model_of_other_bands_is_refused(models, tmp_path, monkeypatch, capsys):
    bands = ["--profile-set", 'cadence.bands=["r"]']
    table = exposures(tmp_path / "r.csv", bands="r")
    more = (*bands, "--schedule", table)
    assert forecast(monkeypatch, models, tmp_path / "out", *more) == 2
    assert "classifies images in g" in capsys.readouterr().err


def test_models_of_other_classes_are_refused(models, tmp_path, monkeypatch, capsys):
    other = tmp_path / "other"
    untrained(other, load_profile("hits", SMALL), size_pix=9)
    card = json.loads((other / "model.json").read_text())
    card["classes"] = card["classes"][::-1]
    (other / "model.json").write_text(json.dumps(card))
    asked = ["--model", models / "seed1", other, "--out", tmp_path / "out", *ASKED]
    assert run(monkeypatch, "forecast", *asked) == 2
    assert "the same classes in the same order" in capsys.readouterr().err
