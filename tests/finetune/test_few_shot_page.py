"""The page of the few-shot report: sections, the joint embedding, pictures of mistakes."""

import json
from html.parser import HTMLParser
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from classifier.dataset import DatasetSplit
from classifier.evaluation import Predictions, write_predictions
from finetune.reports import headline, write_few_shot_report
from finetune.reports.few_shot_figures import laid_out, read_states
from skyreel.errors import ClassifierError, FinetuneError
from tests.helpers.few_shot_folder import CLASSES, made_folder


def test_simulated_and_real_are_laid_out_together(tmp_path):
    rng = np.random.default_rng(1)
    states = {
        "simulated": rng.normal(size=(30, 6)),
        "simulated_label": np.arange(30) % 4,
        "real": rng.normal(size=(12, 6)),
        "real_label": np.arange(12) % 4,
    }
    np.savez(tmp_path / "states.npz", **states)
    position, label, real, _ = laid_out(read_states(tmp_path / "states.npz"), CLASSES)
    assert position.shape == (42, 2) and real.sum() == 12 and real[30:].all()
    np.testing.assert_array_equal(label[real], states["real_label"])
    assert laid_out({key: values[:3] for key, values in states.items()}, CLASSES) is None
    np.savez(tmp_path / "states.npz", **{**states, "real": states["real"][:, :5]})
    with pytest.raises(FinetuneError, match="one label for each row"):
        read_states(tmp_path / "states.npz")
    (tmp_path / "states.npz").write_bytes(b"no zip")
    with pytest.raises(ClassifierError, match="missing or damaged"):
        read_states(tmp_path / "states.npz")


class Reader(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.links, self.headings, self.tags, self.captions = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        found = dict(attributes)
        self.links += [found[key] for key in ("src", "href") if key in found]
        self.captions += [found["aria-label"]] if "aria-label" in found else []

    def handle_data(self, data):
        if self.tags and self.tags[-1] == "h2" and data.strip():
            self.headings.append(data)


def test_the_page_has_all_sections_and_loads_nothing(tmp_path, small_dataset):
    split = DatasetSplit(small_dataset, "test")
    rows = np.flatnonzero(np.isin(split.labels, [split.classes.index(c) for c in CLASSES[:4]]))
    labels = np.array([CLASSES.index(split.classes[k]) for k in split.labels[rows]])
    made_folder(tmp_path, n=rows.size, ids=split.object_ids[rows], labels=labels, sizes=(1, 2))
    rng = np.random.default_rng(1)
    np.savez(
        tmp_path / "states.npz",
        simulated=rng.normal(size=(20, 4)),
        simulated_label=np.arange(20) % 5,
        real=rng.normal(size=(20, 4)),
        real_label=np.arange(20) % 4,
    )
    printed = StringIO()
    path = write_few_shot_report(tmp_path, split, console=Console(file=printed, width=200))
    page = Reader(path.read_text())
    assert not {"script", "link", "img"} & {*page.tags}
    objects = [link for link in page.links if not link.startswith(("#", "data:text/csv"))]
    assert objects == [] or all((tmp_path / link).is_file() for link in objects)
    assert page.headings == [
        "Mean recall",
        "Label equivalence",
        "Gains and leads",
        "Recall by number of images",
        "Confusion",
        "Calibration",
        "Recall at matched magnitudes",
        "Joint embedding of simulated and real sequences",
        "Misclassified sequences",
    ]
    assert "Mean recall by real labels per class" in printed.getvalue()
    assert str(path) in printed.getvalue().replace("\n", "")
    record = json.loads((tmp_path / "report.json").read_text())
    assert record["scores"] == headline(tmp_path)["scores"]
    assert set(record) >= {
        "differences",
        "by_images",
        "confusion",
        "same_magnitudes",
        "misclassified",
    }
    assert len(record["misclassified"]) > 0 and record["run"]["method"] == "mixed"
    assert "Seconds" in path.read_text(), "the page says how long it took; the record does not"
    assert not {"Seconds", "seconds"} & {*record["about"], *record["run"]}


@pytest.mark.slow
def test_misclassified_sequences_are_drawn_from_the_real_data(tmp_path, small_dataset):
    """Predictions that count the images of the data get pictures, others a line of text."""
    split = DatasetSplit(small_dataset, "test")
    rows = np.flatnonzero(split.labels < 4)[:8]
    n_images = np.minimum(split.n_epochs[rows], 22)
    values = np.full((8, 22, len(split.classes)), np.nan)
    for row, n in enumerate(n_images):
        values[row, :n] = np.eye(len(split.classes))[6]
    made = Predictions(
        split.classes,
        values,
        split.labels[rows],
        n_images,
        np.full(8, 20.0),
        split.object_ids[rows],
    )
    write_predictions(tmp_path / "predictions/network/k0_t0.parquet", made, {})
    (tmp_path / "draws.json").write_text("[]")
    (tmp_path / "run.json").write_text(json.dumps({"model": "hits-compact"}))
    page = Reader(write_few_shot_report(tmp_path, split).read_text())
    assert sum(link.startswith("objects/") for link in page.links) == 8
    captions = [text for text in page.captions if ": true class " in text]
    assert len(captions) == 8
    assert {text.split(":")[0] for text in captions} == set(split.object_ids[rows])
