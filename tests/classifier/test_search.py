"""Random search: what is drawn, which trainings end early, and a search that goes on."""

import csv
import json

import numpy as np
import pytest
from scipy import stats

from classifier.search import random_search
from classifier.search.random_search import HyperparameterSearch, Trial
from classifier.search.space import Hyperparameter, SearchSpace
from classifier.training.history import ValidationRecord, write_history
from classifier.training.keras_training import BEST, CHECKPOINT, HISTORY
from classifier.training.options import NetworkOptions
from skyreel.errors import ClassifierError
from tests.helpers.running import run

SPACE = ("learning_rate=1e-4..1e-2", "batch=8|16|32", "embedding=4|8", "window=1|2")


def test_values_depend_on_seed_and_trial_only():
    space = SearchSpace.parsed(SPACE, ["compact", "rcnn"])
    shorter = SearchSpace.parsed(SPACE[:2], ["compact"])
    first = space.draw(3, 7)
    assert first == space.draw(3, 7) != space.draw(3, 8)
    assert {name: first[name] for name in ("learning_rate", "batch")} == shorter.draw(3, 7)


def test_the_logarithm_of_a_range_is_uniform_and_values_of_a_list_are_equally_likely():
    rate, batch = map(Hyperparameter.parsed, SPACE[:2])
    rng, n = np.random.default_rng(1), 3000
    found = np.log10([rate.draw(rng) for _ in range(n)])
    assert stats.kstest(found, stats.uniform(-4, 2).cdf).pvalue > 1e-3
    share = np.mean([batch.draw(rng) == 16 for _ in range(n)])
    assert share == pytest.approx(1 / 3, abs=4 * np.sqrt(2 / 9 / n))


def test_whole_ends_give_whole_numbers():
    batch = Hyperparameter.parsed("batch=8..64")
    found = {batch.draw(np.random.default_rng(k)) for k in range(50)}
    assert all(isinstance(value, int) and 8 <= value <= 64 for value in found)


def test_a_network_gets_its_own_hyperparameters_only():
    space = SearchSpace.parsed(SPACE, ["compact", "rcnn"])
    values = space.draw(0, 0)
    compact = space.options(NetworkOptions(network="compact"), values)
    rcnn = space.options(NetworkOptions(network="rcnn"), values)
    assert "window" not in compact.choices and rcnn.choices["window"] == values["window"]
    assert compact.learning_rate == rcnn.learning_rate == values["learning_rate"]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "--vary is missing"),
        (["batch"], "NAME=A"),
        (["batch=8..4"], "a range rises"),
        (["batch=0..4"], "a range rises"),
        (["batch=a..b"], "NAME=LOW..HIGH"),
        (["learning_rat=1e-4..1e-2"], "learning_rate"),
        (["batch=8|16", "batch=32"], "named twice"),
        (["window=1|2"], "not known"),
        (["seed=1|2"], "not known"),
    ],
)
def test_spaces_that_cannot_be_searched(texts, message):
    with pytest.raises(ClassifierError, match=message):
        SearchSpace.parsed(texts, ["compact"])


def test_a_training_below_the_median_of_earlier_ones_ends(tmp_path):
    earlier = [Trial("compact", k, 0, {}, {10: 0.1 * k, 20: 0.5}) for k in range(4)]
    for accuracy, ends in ((0.14, True), (0.16, False)):
        record = ValidationRecord(10, 80, 1.0, 1e-3, 1.0, 1.0, accuracy, *[accuracy] * 4, 0.0)
        write_history(tmp_path / "history.csv", [record])
        if ends:
            with pytest.raises(random_search._EarlyStopError):
                random_search._refuse_worse_than_median(tmp_path, 10, earlier)
        random_search._refuse_worse_than_median(tmp_path, 10, earlier[:3] if ends else earlier)


class PoorTraining:
    """Stands for a training of low accuracy, by what it writes until its first validation."""

    def __init__(self, data, folder, *_):
        self.folder = folder

    def run(self, on_step):
        self.folder.mkdir(parents=True)
        record = ValidationRecord(10, 80, 1.0, 1e-3, 1.0, 1.0, 0.1, *[0.1] * 4, 0.0)
        write_history(self.folder / HISTORY, [record])
        for name in (BEST, CHECKPOINT):
            (self.folder / name).touch()
        on_step(10, 20, {})


def test_a_training_that_was_stopped_keeps_its_history_alone(small_dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(random_search, "training_of", PoorTraining)
    base = NetworkOptions(network="compact", iterations=20, validate_every=10, batch=8)
    space = SearchSpace.parsed(["batch=4|8"], ["compact"])
    search = HyperparameterSearch(small_dataset, tmp_path / "search", (base,), space)
    earlier = [Trial("compact", k, 0, {}, {10: 0.5}) for k in range(4)]
    folder = tmp_path / "search" / "trial"
    trial = Trial("compact", 4, 0, {"batch": 8})
    found = search._trained(trial, base, folder, earlier, lambda *_: None)
    assert found.stopped and found.accuracies == {10: 0.1}
    assert {path.name for path in folder.iterdir()} == {HISTORY, "trial.json"}


@pytest.fixture(scope="module")
def arguments(small_dataset):
    """Of a search of seconds: two combinations of a small network."""
    small = ["--combinations", 2, "--repeats", 2, "--iterations", 4, "--validate-every", 2]
    vary = ["embedding=4|8", "learning_rate=1e-5..1e-2", "filters=2,2,2,2|2,2,2,4", "batch=4|8"]
    options = [part for text in vary for part in ("--vary", text)]
    return ["--data", small_dataset, "--images", 2, *small, *options, "--threads", 1, "--quiet"]


@pytest.mark.slow
def test_a_search_that_was_killed_finds_the_same(arguments, tmp_path, monkeypatch, capsys):
    assert run(monkeypatch, "search", *arguments, "--out", tmp_path / "whole") == 0
    trained, calls = HyperparameterSearch._trained, []

    def killed(self, *given):
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return trained(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(HyperparameterSearch, "_trained", killed)
        assert run(patch, "search", *arguments, "--out", tmp_path / "killed") == 130
    assert run(monkeypatch, "search", *arguments, "--out", tmp_path / "killed") == 0
    tables = [_rows(tmp_path / name / "trials.csv") for name in ("whole", "killed")]
    assert tables[0] == tables[1] and len(tables[0]) == 4
    found = json.loads((tmp_path / "whole" / "search.json").read_text())["networks"][0]
    best = max(tables[0][:2], key=lambda row: float(row["accuracy"]))
    assert str(found["values"]["learning_rate"]) == best["learning_rate"]
    assert 0 < found["test_accuracy"]["mean"] < 1
    changed = [*arguments, "--seed", 1, "--out", tmp_path / "whole"]
    assert run(monkeypatch, "search", *changed) == 2
    assert "seed" in capsys.readouterr().err


def _rows(path):
    with path.open(newline="") as file:
        return [
            {name: value for name, value in row.items() if name != "ms_each"}
            for row in csv.DictReader(file)
        ]


def test_a_search_without_test_labels_or_with_wrong_options_is_refused(
    small_dataset, tmp_path, monkeypatch, capsys
):
    given = ["--data", small_dataset, "--out", tmp_path / "s", "--quiet"]
    for wrong, message in (
        (["--vary", "batch=0|4"], "--batch 0"),
        (["--vary", "batch=4|8", "--model", "forest"], "known networks"),
        (["--vary", "batch=4|8", "--repeats", "1"], "at least 1 and 2"),
    ):
        assert run(monkeypatch, "search", *given, *wrong) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "s").exists()
