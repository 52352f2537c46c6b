"""``survey`` lists, shows, plots and checks, and no mistake ends in a traceback."""

import json
import subprocess
import sys
from importlib import resources

import numpy as np
import pytest
from typer.testing import CliRunner

from survey_profiles.cli import app, value_text
from tests.helpers.opsim import schedule_columns, visit_table

PNG = b"\x89PNG\r\n\x1a\n"


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments], prog_name="survey")


def value(printed, key):
    """The value of a key in a printed table."""
    (line,) = (line for line in printed.splitlines() if f"│ {key} " in line)
    return line.split("│")[2].strip()


def test_list_names_every_survey():
    result = run("list")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["hits", "lsst", "ztf"]
    assert ["--conditions delivered" in line for line in lines] == [False, True, False]


def test_show_prints_the_conditions_that_are_asked_for():
    planned, delivered = run("show", "lsst"), run("show", "lsst", "--conditions", "delivered")
    assert planned.exit_code == delivered.exit_code == 0
    found = [value(shown.stdout, "weather.cloudy_night_fraction") for shown in (planned, delivered)]
    assert found == ["0", "0.22"]
    refused = run("show", "ztf", "--conditions", "delivered")
    assert refused.exit_code == 2 and "allowed: planned" in refused.stderr


@pytest.mark.parametrize("survey", ["hits", "ztf", "lsst"])
def test_show_prints_every_key_with_its_source(survey):
    result = run("show", survey)
    assert result.exit_code == 0
    for text in ("camera.gain_e_per_adu", "psf.beta_median", "cadence.max_epochs", "Kolmogorov"):
        assert text in result.stdout


@pytest.mark.parametrize(
    ("flag", "suffix", "start"),
    [
        ("--out", "png", PNG),
        ("--plot", "png", PNG),
        ("--out", "pdf", b"%PDF"),
        ("--out", "svg", b"<?xml"),
        ("--out", "jpg", b"\xff\xd8"),
    ],
)
def test_show_draws_a_plot(tmp_path, flag, suffix, start):
    path = tmp_path / f"hits.{suffix}"
    result = run("show", "hits", flag, path, "--pointings", 40)
    assert result.exit_code == 0 and f"wrote {path}" in result.stdout
    assert path.read_bytes().startswith(start)


@pytest.mark.parametrize("target", ["no_such_folder/x.png", "x.docx", "."])
def test_a_plot_that_cannot_be_written_is_refused(tmp_path, target):
    result = run("show", "hits", "--plot", tmp_path / target)
    assert result.exit_code == 2 and result.stderr.startswith("survey show: --out")
    assert not result.stdout


def test_an_unknown_survey_names_the_nearest():
    result = run("show", "htis")
    assert result.exit_code == 2 and "Did you mean 'hits'?" in result.stderr


def test_check_accepts_a_good_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text((resources.files("survey_profiles") / "ztf.toml").read_text())
    result = run("check", path)
    assert result.exit_code == 0 and "OK" in result.stdout


def test_check_lists_every_problem_of_a_bad_file(tmp_path):
    path = tmp_path / "mine.toml"
    text = (resources.files("survey_profiles") / "ztf.toml").read_text()
    text = text.replace("gain_e_per_adu = 5.8", "gain_e_adu = 5.8").replace(
        "read_noise_e = 10.3", "read_noise_e = -1"
    )
    path.write_text(text)
    result = run("check", path)
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert any("camera.gain_e_per_adu: found nothing; it is required" in line for line in lines)
    assert any("Did you mean 'gain_e_per_adu'?" in line for line in lines)
    assert any("camera.read_noise_e: found -1; allowed" in line for line in lines)


def test_long_values_are_shortened():
    assert value_text(({"a": 1}, {"a": 2})) == "2 entries"
    assert value_text((0.5, 1.0)) == "0.5 1" and value_text(()) == "none"


def test_the_file_of_a_profile_can_be_printed_to_start_from(tmp_path):
    printed = subprocess.run(
        [sys.executable, "-m", "survey_profiles.cli", "show", "ztf", "--toml"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed == (resources.files("survey_profiles") / "ztf.toml").read_text()


def test_schedule_counts_visits_gaps_and_what_is_derived(tmp_path):
    columns = schedule_columns()  # 120 nights of six bands in three overlapping fields
    columns["scheduler_note"] = ["DD:COSMOS"] * 120 + ["pair"] * 600
    columns.pop("skyBrightness")
    path, plot, numbers = visit_table(tmp_path, columns), tmp_path / "a.png", tmp_path / "a.json"
    result = run("schedule", path, "--out", plot, "--json", numbers, "--dates", "61000,61200")
    assert result.exit_code == 0, result.stderr
    assert "720 visits in 120 nights" in result.stdout
    assert "the sky follows from the depth and the seeing." in result.stdout
    assert plot.read_bytes().startswith(PNG)
    summary = json.loads(numbers.read_text())
    assert summary["visits"] == 720 and summary["programmes"] == {"wfd": 600, "ddf": 120}
    assert {name: band["visits"] for name, band in summary["bands"].items()} == dict.fromkeys(
        "ugrizy", 120
    )
    assert sum(sum(counts.values()) for counts in summary["seasons"].values()) == 720
    # Fields are 0.8 degrees apart: of three nights in turn, a position has one, two or all.
    assert summary["positions"]["night_gap_day"][0] == pytest.approx(1.0, abs=0.03)
    depth = summary["bands"]["r"]["depth_mag"]
    r = columns["fiveSigmaDepth"][columns["band"] == "r"]
    assert depth == pytest.approx(np.percentile(r, [5, 50, 95]))


def test_a_file_that_is_no_schedule_is_refused_in_a_sentence(tmp_path):
    path = visit_table(tmp_path, {"a": [1.0], "b": [2.0]})
    result = run("schedule", path)
    assert result.exit_code == 2
    assert "no columns fieldRA" in result.stderr and "Traceback" not in result.stderr
