"""``compare``: one page, a record and predictions of models on the same objects."""

import json
import re
import shutil
from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import zarr

from classifier.dataset import DatasetSplit
from classifier.evaluation import Predictions
from classifier.evaluation.compared_models import ComparedModel, compared_models, predictions_of
from classifier.evaluation.embedding import (
    map_of,
)
from classifier.features.pipeline import FeaturePipeline
from classifier.image_selection import ImageSelection
from classifier.models.protocol import Embedding
from classifier.models.recurrent import build_network
from classifier.models.recurrent.trained_network import save_weights
from classifier.models.registry import model_folder, open_model
from simulator.dataset.plan import make_plan
from simulator.dataset.run import execute, writer_for
from simulator.options import Options
from skyreel.errors import ClassifierError
from tests.helpers.running import run

pytestmark = pytest.mark.slow


class Tags(HTMLParser):
    """Counts tags that are open, and lists attributes that load something."""

    def __init__(self, text):
        super().__init__()
        self.open, self.loads, self.tags = [], [], set()
        self.titles, self.anchors = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        self.loads += [value for key, value in attributes if key in ("src", "href", "srcset")]
        if tag == "h2":
            self.titles.append("")
        elif tag == "section":
            self.anchors.append(dict(attributes)["id"])

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.titles[-1] += data

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@dataclass
class Recurrent:
    """A model with the interface of a network; its embedding are noisy labels."""

    packages = ("keras",)
    states = None

    folder: Path
    survey: str = "hits"
    size_pix: int = 21
    classes: tuple = ("SN", "RRL", "CEP", "EB", "NV", "GAL", "AST")
    calls: int = 0
    selection: ImageSelection = field(default_factory=ImageSelection)
    bands: tuple = ("g",)

    @property
    def name(self):
        return self.folder.name

    @property
    def prediction_selection(self):
        return self.selection

    @cached_property
    def card(self):
        return {"kind": "network", "survey": self.survey, "classes": self.classes, "note": "<b>"}

    def predict(self, split, *, threads, on_progress):
        self.calls += 1
        on_progress(len(split))
        n, n_images = len(split), np.minimum(split.n_epochs, 4)
        p = np.random.default_rng(0).dirichlet(np.ones(7), size=(n, 4))
        p[np.arange(4) >= n_images[:, None]] = np.nan
        labels = split.labels_among(self.classes)
        return Predictions(self.classes, p, labels, n_images, np.full(n, 22.5), split.object_ids)

    def embedding(self, split, rows, *, threads=1):
        values = np.random.default_rng(1).normal(size=(len(rows), 8))
        values[np.arange(len(rows)), split.labels[rows]] += 5
        return Embedding(values, "hidden state of 8 units after the last image")


@pytest.fixture(scope="module")
def forest(small_dataset, tmp_path_factory):
    """A forest made by the command."""
    folder = tmp_path_factory.mktemp("models") / "forest"
    with pytest.MonkeyPatch.context() as patch:
        arguments = ["--data", small_dataset, "--out", folder, "--images", 3, "--quiet"]
        arguments += ["--model", "forest", "--trees", 5, "--depth", 5, "--light-curves", "science"]
        assert run(patch, "train", *arguments) == 0
    return folder


def known(patch, made):
    """Let ``open_model`` find a fake network by its folder."""
    patch.setattr(
        "classifier.models.registry.model_folder",
        lambda name: made.folder if Path(name).name == made.name else model_folder(name),
    )
    patch.setattr(
        "classifier.evaluation.compared_models.open_model",
        lambda name, threads=None: made if Path(name).name == made.name else open_model(name),
    )
    return made


@pytest.fixture
def network(tmp_path, monkeypatch):
    """A fake network."""
    return known(monkeypatch, Recurrent(tmp_path / "network"))


@pytest.fixture(scope="module")
def report(forest, small_dataset, tmp_path_factory):
    """The report on a forest and a network, made once."""
    folder = tmp_path_factory.mktemp("comparison")
    with pytest.MonkeyPatch.context() as patch:
        known(patch, Recurrent(folder / "network"))
        arguments = ["--models", forest, "network", "--data", small_dataset, "--quiet"]
        assert run(patch, "compare", *arguments, "--out", folder / "report") == 0
    return folder / "report"


@pytest.mark.slow
def test_the_features_on_a_map_are_the_ones_that_matter_most_in_the_table_of_the_model(
    forest, small_dataset, monkeypatch
):
    split, model = DatasetSplit(small_dataset, "test"), open_model(forest)
    lines = (forest / "importances.csv").read_text().splitlines()
    last = dict(zip(lines[0].split(","), lines[-1].split(","), strict=True))
    del last["n_images"]
    monkeypatch.setattr(
        "classifier.dataset.DatasetSplit.blocks", lambda self: [(0, 30), (30, 40), (40, 70)]
    )
    rows = np.array([0, 7, 29, 41, 42, 69])
    values, names = model.best_features(split, rows, threads=2)
    shares = [float(last[name]) for name in names]
    assert shares == sorted(map(float, last.values()), reverse=True)[:6]
    pipeline = FeaturePipeline(split, model.config)
    curves = pipeline.light_curves(0, 70)
    every = pipeline.features(curves, curves.n_epochs.astype(int))
    columns = [model.config.feature_names.index(name) for name in names]
    np.testing.assert_array_equal(values, every[np.ix_(rows, columns)])


def test_a_real_network_has_answers_and_a_map(small_dataset, tmp_path):
    split, folder = DatasetSplit(small_dataset, "test"), tmp_path / "tiny"
    choices = {"filters": (4, 4, 4, 4), "embedding": 4, "units": 6}
    variants = build_network("compact", size_pix=21, n_classes=7, **choices)
    save_weights(variants.whole, folder / "weights.npz")
    card = {
        "format_version": 1,
        "kind": "network",
        "classes": split.classes,
        "survey": "hits",
        "network": "compact",
        "choices": choices,
        "size_pix": 21,
        "trained_on": {},
        "showing": {"images": 3, "start_fractions": [], "band": "g"},
    }
    (folder / "model.json").write_text(json.dumps(card))
    (found,) = compared_models([folder], [], split, any_survey=False)
    answers = predictions_of(found, split, tmp_path / "p.parquet", threads=1)
    assert answers.probabilities.shape == (70, split.longest, 7)
    made = map_of(found.model, split, np.arange(20), threads=1)
    assert made.shows == "hidden state of 6 units after the last image"
    assert made.position.shape == (20, 2)


def test_the_report_is_a_page_a_record_and_predictions(report):
    found = {str(p.relative_to(report)) for p in report.rglob("*") if p.is_file()}
    assert {name for name in found if not name.startswith("objects/")} == {
        "index.html",
        "comparison.json",
        "predictions/forest.parquet",
        "predictions/network.parquet",
    }
    assert any(name.startswith("objects/forest_") for name in found)
    assert pq.read_table(report / "predictions" / "network.parquet").num_rows > 70


def test_the_page_is_whole_html_that_loads_nothing(report):
    page = Tags((report / "index.html").read_text())
    assert not page.open
    assert not page.tags & {"script", "link", "img", "iframe"}
    inside = [link[1:] for link in page.loads if link.startswith("#")]
    data = [link for link in page.loads if link.startswith("data:text/csv")]
    assert set(inside) == set(page.anchors) and len(data) > 5
    files = [link for link in page.loads if not link.startswith(("#", "data:"))]
    assert files and all((report / link).is_file() for link in files)


def test_the_page_says_what_was_compared_in_order(report, small_dataset):
    text = (report / "index.html").read_text()
    assert Tags(text).titles == [
        "Scores",
        "Differences between models",
        "Recall of every class",
        "Confusion",
        "Recall by number of images",
        "Scores by magnitude",
        "Recall at matched magnitudes",
        "Calibration",
        "Embeddings",
        "Most confident mistakes",
        "Model cards",
    ]
    assert f"{small_dataset}, split test" in text and re.search(r"supernova\s*<small>\(10\)", text)
    assert "network: hidden state of 8 units" in text and "forest: best features: " in text
    assert "&lt;b&gt;" in text  # of the card


def test_the_record_holds_the_numbers_of_the_page(report):
    record = json.loads((report / "comparison.json").read_text())
    assert [model["name"] for model in record["models"]] == ["forest", "network"]
    (difference,) = record["differences"]
    accuracy = [model["scores"]["accuracy"]["value"] for model in record["models"]]
    found = difference["scores"]["accuracy"]
    assert found["value"] == pytest.approx(accuracy[0] - accuracy[1], abs=1e-12)
    sign = f"{found['value']:+.3f}<".replace("-", "−")
    assert sign in (report / "index.html").read_text().replace("</b>", "")
    assert record["models"][0]["evaluation"]["summary"]["accuracy"]["value"] == accuracy[0]


@pytest.mark.slow
def test_a_second_run_reuses_predictions_and_gives_the_same_page(
    small_dataset, network, monkeypatch, tmp_path
):
    out = tmp_path / "report"
    arguments = ["--data", small_dataset, "--out", out, "--quiet", "--models", "network"]
    assert run(monkeypatch, "compare", *arguments) == 0
    first = (out / "index.html").read_bytes()
    assert run(monkeypatch, "compare", *arguments) == 0
    assert network.calls == 1
    assert (out / "index.html").read_bytes() == first


def test_predictions_of_another_model_or_damaged_ones_are_made_again(
    small_dataset, network, tmp_path
):
    split, path = DatasetSplit(small_dataset, "test"), tmp_path / "p.parquet"

    def answer():
        return predictions_of(ComparedModel("a", network), split, path, threads=1)

    made = answer()
    np.testing.assert_array_equal(answer().probabilities, made.probabilities)
    assert network.calls == 1
    network.card["trained"] = "again"
    answer()
    assert network.calls == 2
    path.write_bytes(b"half")
    answer()
    assert network.calls == 3
    network.folder.mkdir()
    (network.folder / "weights.npz").write_bytes(b"trained on, with the same card")
    answer()
    assert network.calls == 4


def test_other_labels_are_not_answered_with_old_predictions(small_dataset, network, tmp_path):
    data, path = shutil.copytree(small_dataset, tmp_path / "copy.zarr"), tmp_path / "p.parquet"
    predictions_of(ComparedModel("a", network), DatasetSplit(data, "test"), path, threads=1)
    label = zarr.open_group(data)["test"]["label"]
    label[:1] = (label[:1] + 1) % 7
    again = predictions_of(ComparedModel("a", network), DatasetSplit(data, "test"), path, threads=1)
    assert network.calls == 2
    np.testing.assert_array_equal(again.label, label[:])


def refused(monkeypatch, capsys, sentence, *arguments):
    assert run(monkeypatch, "compare", "--quiet", *arguments) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1 and "Traceback" not in error


def test_bad_requests_get_one_sentence_and_exit_code_2(
    forest, small_dataset, network, monkeypatch, tmp_path, capsys
):
    (tmp_path / "file").write_text("precious")
    (tmp_path / "empty").mkdir()
    data = ["--data", small_dataset, "--out", tmp_path / "out"]

    def refuse(sentence, *arguments):
        refused(monkeypatch, capsys, sentence, *arguments)

    refuse("neither a folder nor a model", "--models", "no-such-model", *data)
    refuse("no finished model", "--models", tmp_path / "empty", *data)
    refuse("two models are called 'forest'", "--models", forest, forest, *data)
    refuse("gives 1 names to 2 models", "--models", forest, "network", "--names", "a", *data)
    refuse("a name is empty", "--models", forest, "--names", " ", *data)
    refuse("no split 'all'", "--models", forest, *data, "--split", "all")
    refuse("--threads 0", "--models", forest, *data, "--threads", "0")
    out = ["--models", forest, "--data", small_dataset, "--out", tmp_path / "file"]
    refuse("is a file; give a folder", *out)
    network.size_pix = 9
    refuse("has stamps of 21 pixels; network takes 9", "--models", forest, "network", *data)
    network.size_pix, network.survey = 21, "ztf"
    refuse("network was trained on ztf", "--models", forest, "network", *data)
    network.survey, network.classes = "hits", ("SN", "QSO")
    refuse("only models of the same classes", "--models", forest, "network", *data)
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "file").read_text() == "precious"


def test_another_survey_is_compared_when_asked_for(small_dataset, network):
    network.survey = "ztf"
    split = DatasetSplit(small_dataset, "test")
    (found,) = compared_models(["network"], [], split, any_survey=True)
    assert found.model is network
    with pytest.raises(ClassifierError, match="--any-survey"):
        compared_models(["network"], [], split, any_survey=False)


def test_data_without_labels_or_objects_are_refused(forest, monkeypatch, tmp_path, capsys):
    plan = make_plan(
        "hits", Options(stamp_size_pix=9), tmp_path / "e.zarr", n=7, validation=0, test=7
    )
    with writer_for(plan) as writer:
        execute(plan, writer, threads=1)
    arguments = ["--models", forest, "--data", tmp_path / "e.zarr", "--out", tmp_path / "r"]
    refused(monkeypatch, capsys, "has no objects", *arguments, "--split", "validation")
    zarr.open_group(tmp_path / "e.zarr")["test"]["label"][:] = 255
    refused(monkeypatch, capsys, "has no labels; there is nothing to score", *arguments)


def test_a_stop_by_the_user_says_how_to_go_on(
    small_dataset, network, monkeypatch, tmp_path, capsys
):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Recurrent, "predict", stop)
    arguments = ["--models", "network", "--data", small_dataset, "--out", tmp_path / "r"]
    assert run(monkeypatch, "compare", *arguments, "--quiet") == 130
    sentence = "compare: stopped. Run the same command again to finish.\n"
    assert capsys.readouterr().err == sentence


def test_names_are_shown_and_become_files(small_dataset, network, monkeypatch, tmp_path, capsys):
    arguments = ["--models", "network", "--names", "ours / v2", "--data", small_dataset]
    assert run(monkeypatch, "compare", *arguments, "--out", tmp_path / "r") == 0
    assert "ours / v2" in capsys.readouterr().out
    assert (tmp_path / "r" / "predictions" / "ours_v2.parquet").exists()
    assert "Differences between" not in (tmp_path / "r" / "index.html").read_text()
