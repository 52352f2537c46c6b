"""Light-curve classes from a user's own file."""

import json

import numpy as np
import pytest

from simulator import lightcurves, plugins
from simulator.dataset.reader import open_dataset
from simulator.dataset.regenerate import simulator_of
from simulator.plugins import load_plugin
from skyreel.errors import SimulationError
from tests.helpers.running import run

PLUGIN = """
import numpy as np
from simulator import register


@register
class Flat:
    name = "FLAT"
    parameters = {"level_mag": "mean magnitude [mag]"}

    def __init__(self, bands, templates=None):
        pass

    def sample(self, draws, context):
        return {"level_mag": draws.uniform(19, 20)}

    def magnitudes(self, parameters, mjd, band):
        return np.repeat(parameters["level_mag"][:, None], mjd.shape[1], axis=1)
"""


@pytest.fixture(autouse=True)
def nothing_loaded(monkeypatch):
    monkeypatch.setattr(lightcurves, "_added", {})
    monkeypatch.setattr(plugins, "_loaded", {})


@pytest.fixture
def plugin(tmp_path):
    path = tmp_path / "my_classes.py"
    path.write_text(PLUGIN)
    return path


def test_a_plugin_registers_its_classes_once(plugin):
    first = load_plugin(plugin)
    assert first.classes == ("FLAT",) and load_plugin(plugin) == first
    assert "FLAT" in lightcurves.class_names()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "there is no such file"),
        ("x = 1", "registers no class"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def (", "SyntaxError"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_refused(tmp_path, text, sentence):
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SimulationError, match=sentence):
        load_plugin(path)


def test_a_data_set_names_its_plugin_and_is_regenerated_with_it(plugin, monkeypatch, tmp_path):
    out = tmp_path / "x.zarr"
    arguments = ["--survey", "hits", "--n", 14, "--classes", "FLAT,NV", "--stamp-size", 9]
    arguments += ["--out", out, "--threads", 1, "--quiet", "--plugin", plugin]
    assert run(monkeypatch, "simulate", *arguments) == 0
    (record,) = open_dataset(out).attrs["settings"]["plugins"]
    assert record["classes"] == ["FLAT"] and record["path"] == str(plugin)
    (written,) = json.loads((tmp_path / "x.zarr.json").read_text())["runs"]
    assert f"--plugin {plugin}" in written["command"]
    again = simulator_of(out).sequence(3, "train")
    np.testing.assert_array_equal(again.images[0], open_dataset(out)["train/images"][3])
    assert run(monkeypatch, "simulate", *arguments) == 0  # complete

    monkeypatch.setattr(plugins, "_loaded", {})
    with pytest.raises(SimulationError, match=r"classes FLAT of the plugin .*my_classes\.py"):
        simulator_of(out)


def test_data_sets_without_plugins_do_not_mention_any(small_dataset):
    assert "plugins" not in open_dataset(small_dataset).attrs["settings"]


def test_an_edited_plugin_replaces_its_classes_and_its_digest(plugin):
    first = load_plugin(plugin)
    plugin.write_text(PLUGIN.replace("uniform(19, 20)", "uniform(21, 22)"))
    second = load_plugin(plugin)
    assert second.sha256 != first.sha256
    assert [each["sha256"] for each in plugins.plugins_of(["FLAT"])] == [second.sha256]
    plugin.write_text(PLUGIN)
    assert load_plugin(plugin).sha256 == first.sha256
    assert [each["sha256"] for each in plugins.plugins_of(["FLAT"])] == [first.sha256]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda text: f"{text}\n1 / 0\n", "ZeroDivisionError"),
        (lambda text: text.replace('"FLAT"', '"SN"'), "registers SN, a class of the package"),
    ],
)
def test_a_refused_plugin_leaves_no_class_behind(plugin, change, sentence):
    load_plugin(plugin)
    kept = lightcurves.light_curve_class("FLAT")
    plugin.write_text(change(PLUGIN))
    with pytest.raises(SimulationError, match=sentence):
        load_plugin(plugin)
    assert lightcurves.light_curve_class("FLAT") is kept
    assert lightcurves.registered() == {"FLAT": kept}


def test_a_moved_plugin_of_the_same_content_continues_a_data_set(plugin, monkeypatch, tmp_path):
    options = ["--survey", "hits", "--classes", "FLAT,NV", "--n", "4", "--stamp-size", "9"]
    options += ["--quiet", "--out", tmp_path / "d.zarr"]
    assert run(monkeypatch, "simulate", *options, "--plugin", plugin) == 0
    moved = plugin.rename(tmp_path / "moved.py")
    plugins._loaded.clear()
    assert run(monkeypatch, "simulate", *options, "--plugin", moved) == 0
