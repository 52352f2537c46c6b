"""Maps of predicted classes: positions, distances from both planes, and what is said."""

import matplotlib.image
import numpy as np
import pytest
import zarr

from classifier.evaluation.predictions import Predictions
from classifier.reports.sky_map import PredictedSky, save_sky_map, sky_map
from skyreel.report.figures import plotted
from tests.helpers.running import copy_of, run

CLASSES = ("SN", "AST", "RRL")


def predicted_sky(ra_deg, dec_deg, predicted):
    return PredictedSky(CLASSES, np.array(predicted), np.array(ra_deg), np.array(dec_deg), 0)


class Positions:
    """Two arrays of a data set, by name."""

    path, name = "alerts.zarr", "test"

    def __init__(self, ra_deg, dec_deg):
        self._arrays = {"ra_deg": np.array(ra_deg), "dec_deg": np.array(dec_deg)}

    def values(self, name):
        return self._arrays[name]


def test_distances_from_both_planes():
    """Poles of the Galaxy (IAU 1958) and of the ecliptic, and the vernal equinox."""
    sky = predicted_sky([192.85948, 270.0, 0.0], [27.12825, 66.56071, 0.0], [0, 1, 2])
    assert sky.galactic_latitude_deg[0] == pytest.approx(90, abs=0.01)
    assert sky.ecliptic_latitude_deg[1] == pytest.approx(90, abs=0.01)
    assert sky.ecliptic_latitude_deg[2] == pytest.approx(0, abs=0.01)
    assert sky.summary()[1].startswith("AST: 1 objects") and "90 deg of the ecl" in sky.summary()[1]


def test_objects_without_position_or_prediction_are_left_out_and_counted():
    probabilities = np.eye(3, dtype=np.float32)[[0, 1, 2, 1]][:, None]
    probabilities[3] = np.nan
    plain = np.zeros(4), np.arange(4)
    predictions = Predictions(
        CLASSES, probabilities, np.full(4, -1), np.array([1, 1, 1, 0]), *plain
    )
    sky = PredictedSky.of(Positions([10, np.nan, 30, 40], [0, 0, 5, 0]), predictions)
    np.testing.assert_array_equal(sky.ra_deg, [10, 30])
    np.testing.assert_array_equal(sky.predicted, [0, 2])
    assert sky.n_without == 2


def test_a_map_holds_every_object_in_the_panel_of_its_class(tmp_path):
    ra = np.linspace(0, 350, 36)
    sky = predicted_sky(ra, np.zeros(36), np.arange(36) % 2)
    series = plotted(sky_map(sky))
    assert [each.label for each in series] == ["SN", "AST"]
    np.testing.assert_array_equal(series[1].x, ra[1::2])
    save_sky_map(tmp_path / "map.png", sky)
    assert matplotlib.image.imread(tmp_path / "map.png").std() > 0


def test_classify_draws_a_map_where_positions_are_known(
    small_dataset, tmp_path, monkeypatch, capsys
):
    path = copy_of(small_dataset, tmp_path)
    arguments = ["--model", "hits-compact", "--out", tmp_path / "p.parquet"]
    drawn = ["--map", tmp_path / "map.png"]
    assert run(monkeypatch, "classify", *arguments, "--data", path, *drawn) == 2
    assert "no positions" in capsys.readouterr().err
    group = zarr.open_group(path, mode="r+")["test"]
    n = group["label"].shape[0]
    for name, values in (("ra_deg", np.linspace(0, 359, n)), ("dec_deg", np.linspace(-60, 60, n))):
        group.create_array(name, data=values)
    assert run(monkeypatch, "classify", *arguments, "--data", path, *drawn) == 0
    assert "deg of the ecliptic" in " ".join(capsys.readouterr().out.split())
    assert (tmp_path / "map.png").exists()
