"""Reports on disk: whole, and drawn whatever the predictions lack."""

import csv
import json
from dataclasses import fields, replace
from io import StringIO

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from classifier.evaluation import (
    EvaluationError,
    evaluate,
    plot_comparison,
    summary_table,
    write_report,
)
from classifier.reports.evaluation_figures import PLOTS
from classifier.reports.evaluation_files import as_dict
from skyreel.errors import OutputError
from tests.helpers.made_up_predictions import CLASSES, certain, made_up, with_gaps

REPORT = {
    "index.html",
    "evaluation.json",
    "by_images.csv",
    "by_magnitude.csv",
    "confusion.csv",
    *PLOTS,
}


def test_a_path_that_is_not_a_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_report(evaluate(made_up()), tmp_path / "file" / "report", "x")


def numbers(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_report_contains_the_evaluation(tmp_path):
    evaluation = evaluate(with_gaps(), n_bootstrap=20, magnitude_edges=[19, 21, 22, 23])
    write_report(evaluation, tmp_path / "report", "a model on $5 data_x")
    folder = tmp_path / "report"
    assert {file.name for file in folder.iterdir()} == REPORT
    by_images, by_magnitude = (
        numbers(folder / "by_images.csv"),
        numbers(folder / "by_magnitude.csv"),
    )
    np.testing.assert_array_equal(
        [float(row["accuracy"]) for row in by_images], evaluation.by_images.accuracy
    )
    assert [int(row["n_with_k"]) for row in by_images] == evaluation.n_with_k.tolist()
    np.testing.assert_array_equal(
        [float(row["log_loss_error"] or "nan") for row in by_magnitude],
        evaluation.by_magnitude_error.log_loss,
    )
    counts = [
        [int(row[f"predicted_{name}"]) for name in CLASSES]
        for row in numbers(folder / "confusion.csv")
    ]
    np.testing.assert_array_equal(counts, evaluation.final.confusion)


def test_the_json_file_holds_everything_with_null_for_undefined(tmp_path):
    evaluation = evaluate(certain([0, 1], [0, 1]), n_bootstrap=0)
    write_report(evaluation, tmp_path, "two objects")

    def refuse(constant):
        raise ValueError(constant)

    found = json.loads((tmp_path / "evaluation.json").read_text(), parse_constant=refuse)
    assert found == {**as_dict(evaluation, "two objects"), "notes": []}
    assert {field.name for field in fields(evaluation)} <= set(found)
    assert found["summary"]["accuracy"] == {"value": 1.0, "error": None}
    assert found["by_images"]["recall"] == [[1.0, 1.0, None, None]]
    assert found["matched"] is None
    header = (tmp_path / "by_magnitude.csv").read_text().splitlines()
    assert len(header) == 1  # no bin holds 20 objects
    assert header[0].startswith("low_mag,high_mag,n_objects,n_SN")


def picture_sizes(folder):
    sizes = {}
    for file in folder.glob("*.png"):
        with Image.open(file) as image:
            image.load()
            sizes[file.name] = image.size
            assert np.asarray(image.convert("L")).std() > 1, f"{file.name} is blank"
    return sizes


def test_models_with_different_classes_and_lengths_share_plots(tmp_path):
    models = {
        "forest": evaluate(made_up(1, longest=3), n_bootstrap=10),
        "network with a $long name": evaluate(made_up(2), n_bootstrap=10),
        "other": evaluate(made_up(3, classes=("SN", "a long name")), n_bootstrap=10),
    }
    plot_comparison(models, tmp_path)
    sizes = picture_sizes(tmp_path)
    assert set(sizes) == set(PLOTS)
    assert min(map(min, sizes.values())) >= 400


def test_one_object_and_no_magnitudes_can_be_plotted(tmp_path):
    plot_comparison({"one": evaluate(certain([0], [1]))}, tmp_path)
    assert set(picture_sizes(tmp_path)) == set(PLOTS)


def test_plotting_no_evaluation_is_refused(tmp_path):
    with pytest.raises(EvaluationError, match="no evaluations to plot"):
        plot_comparison({}, tmp_path)


def test_the_summary_fits_a_terminal():
    console = Console(width=80, file=StringIO())
    console.print(summary_table(evaluate(with_gaps())))
    text = console.file.getvalue()
    assert "38 objects, 1 without a label left out, 1 without an image left out" in text
    for name in ("accuracy", "mean recall", "Brier score", "recall_SN", "±"):
        assert name in text


@pytest.mark.parametrize("labels", [[0] * 5, [0, 1, 2, 3, -1], [2], [0] * 12])
def test_few_objects_one_class_or_no_magnitude_make_a_report_all_the_same(tmp_path, labels):
    n = len(labels)
    predictions = replace(made_up(n=n, labels=labels), magnitude=np.full(n, np.nan))
    evaluation = evaluate(predictions)
    write_report(evaluation, tmp_path, "few", predictions=predictions)
    found = json.loads((tmp_path / "evaluation.json").read_text())
    known = sum(label >= 0 for label in labels)
    assert found["n_objects"] == known and found["n_unlabelled"] == n - known
    assert found["n_without_magnitude"] == known and found["magnitude_bins"] == []
    absent = [CLASSES[k] for k in range(len(CLASSES)) if k not in labels]
    assert all(found["summary"][f"recall_{name}"]["value"] is None for name in absent)
