"""The example of the baseline of one alert: from packets to a table, and on real alerts."""

import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from classifier.dataset import DatasetSplit
from classifier.features.first_alert_planes import first_planes
from finetune.single_epoch import few_shot_scores
from tests.helpers.alert_packets import stamp, write_packets, ztf_packet
from tests.helpers.alert_stamps import CLASSES, SIZE, stamps, star
from tests.helpers.ingestion import ingest

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "ztf_single_epoch.py")


def packets(n, fading):
    """Alerts of as many objects, new light or a star that fades."""
    for i in range(n):
        new = -star(1e4) if fading else star(1e4)
        science, template, difference = stamps(new, star(2e4) * fading, seed=100 * fading + i)
        cutouts = {
            "Science": stamp(science),
            "Template": stamp(template),
            "Difference": stamp(-difference if fading else difference),
        }
        yield ztf_packet(
            f"ZTF{'ab'[fading]}{i}",
            cutouts=cutouts,
            isdiffpos="f" if fading else "t",
            field=300 + 20 * fading + i,
            jd=2459000.7 + i + 50 * fading,
        )


@pytest.fixture(scope="module")
def alerts(tmp_path_factory):
    """A data set of six alerts of each of two classes, and one without a template."""
    folder = tmp_path_factory.mktemp("alerts")
    found = [*packets(6, False), *packets(6, True)]
    found.append(ztf_packet("ZTFx", cutouts={"Template": b"no FITS"}, jd=2459200.7))
    write_packets(folder / "a.avro", *found)
    rows = [f"ZTF{c}{i},{name}" for c, name in (("a", "AST"), ("b", "star")) for i in range(6)]
    (folder / "labels.csv").write_text("\n".join(["objectId,label", *rows, "ZTFx,star"]))
    with pytest.MonkeyPatch.context() as patch:
        code = ingest(
            patch,
            folder / "a.avro",
            "--from",
            "ztf",
            "--labels",
            folder / "labels.csv",
            "--out",
            folder / "real.zarr",
            "--quiet",
        )
    assert code == 0
    return folder / "real.zarr"


def example(*arguments):
    return runpy.run_path(EXAMPLE)["main"]([str(a) for a in arguments])


def test_planes_are_those_of_the_packets(alerts):
    split = DatasetSplit(alerts, "test")
    planes = first_planes(split)
    assert [p is None for p in planes] == [str(i) == "ZTFx" for i in split.object_ids]
    (fading,) = (p for p, name in zip(planes, split.object_ids, strict=True) if name == "ZTFb0")
    middle = SIZE // 2
    assert fading.difference[middle, middle] < -20
    assert fading.template[middle, middle] > 20


def copy_without_planes(path, copy):
    """A copy that does not say that it has planes, as data sets of earlier versions."""
    shutil.copytree(path, copy)
    metadata = json.loads((copy / "zarr.json").read_text())
    metadata["attributes"]["planes"] = ["science"]
    (copy / "zarr.json").write_text(json.dumps(metadata))


def test_cutouts_of_earlier_data_sets_are_read(alerts, tmp_path):
    copy = tmp_path / "copy.zarr"
    copy_without_planes(alerts, copy)
    for plane in ("template", "difference"):
        (copy / "test" / plane).rename(copy / "test" / f"{plane}_images")
    expected, found = (first_planes(DatasetSplit(path, "test")) for path in (alerts, copy))
    assert sum(planes is None for planes in found) == 1
    for now, then in zip(expected, found, strict=True):
        assert (now is None) == (then is None)
        if now is not None:
            np.testing.assert_array_equal(now.difference, then.difference)


def test_the_example_prints_recall_and_confusion(alerts, capsys):
    options = ("--classes", "AST,star", "--per-class", "1,3", "--trials", 3)
    assert example(alerts, *options) == 0
    out = capsys.readouterr().out
    assert "1.000 ± 0.000" in out
    assert "k = 3" in out
    assert "1 without three" in " ".join(out.split())
    assert example(alerts, *options, "--without-brightness", "--disjoint", "object") == 0
    assert "12 features" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--classes", "AST,comet"], "has no comet; it has AST, star"),
        (["--classes", "AST"], "has no second class"),
        (["--classes", "AST,star", "--per-class", "6"], "Give fewer"),
        (["--classes", "AST,star", "--per-class", "few"], "give whole numbers"),
        (["--classes", "AST,star", "--per-class", "0"], "1 or more"),
        (["--classes", "AST,star", "--trials", "1"], "at least 2"),
    ],
)
def test_a_mistake_is_reported_in_one_sentence(alerts, options, message, capsys):
    assert example(alerts, *options) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_data_without_a_template_or_too_small_are_refused(alerts, tmp_path, monkeypatch, capsys):
    copy, small = tmp_path / "copy.zarr", tmp_path / "small.zarr"
    copy_without_planes(alerts, copy)
    shutil.rmtree(copy / "test" / "template")
    arguments = ("--from", "zarr", "--size", 15, "--out", small, "--quiet")
    assert ingest(monkeypatch, alerts, *arguments) == 0
    for path, message in (
        (copy, "has no template; "),
        (small, "are 15 pixels"),
        (tmp_path / "none.zarr", "none.zarr"),
    ):
        assert example(path) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def test_help_of_the_example_needs_no_learning_library():
    code = (
        "import runpy, sys; sys.argv = ['x', '--help']\n"
        f"try: runpy.run_path({EXAMPLE!r}, run_name='__main__')\n"
        "except SystemExit: pass\n"
        "assert not {'sklearn', 'keras', 'zarr'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


# --- real alerts --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.real
def test_ten_real_alerts_per_class_give_the_documented_recall(real_data, tmp_path, monkeypatch):
    out = tmp_path / "real.zarr"
    source, labels = real_data / "ztf" / "alerts.avro", real_data / "ztf" / "labels.csv"
    arguments = ("--from", "ztf", "--labels", labels, "--out", out, "--quiet")
    assert ingest(monkeypatch, source, *arguments) == 0
    values, labels, fields, left_out = runpy.run_path(EXAMPLE)["read"](out, CLASSES)
    assert [int((labels == i).sum()) for i in range(4)] == [33, 163, 92, 87]
    assert left_out == 0
    found = few_shot_scores(
        values, labels, fields, CLASSES, per_class=10, trials=5, disjoint="object"
    )
    # docs/explanation/ztf_single_epoch.md, 50 draws: 0.805 with a standard deviation of 0.025
    assert abs(found.mean_recall.mean() - 0.805) < 4 * 0.025 / np.sqrt(5)
