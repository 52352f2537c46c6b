"""Permutation importance of metadata: of a model whose dependence on them is known."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from classifier.evaluation.metadata_importance import check_metadata_model, metadata_importance
from classifier.first_alerts import COMMON_METADATA, FirstAlerts
from classifier.models.registry import open_model
from skyreel.errors import ClassifierError
from tests.helpers.running import run

N = 4000


@dataclass
class Threshold:
    """Class 1 where the first column is positive, with a probability of 0.9."""

    classes: tuple = ("A", "B")
    seen: list = field(default_factory=list)

    def probabilities(self, alerts):
        self.seen.append(alerts.metadata)
        p = np.where(alerts.metadata[:, 0, 0] > 0, 0.9, 0.1)
        return np.stack([1 - p, p], axis=1)


@pytest.fixture(scope="module")
def alerts():
    metadata = np.random.default_rng(2).normal(size=(N, 2, 3)).astype(np.float32)
    empty = np.zeros((N, 2, 0, 0, 0), np.float32)
    times = np.zeros((N, 2))
    labels = (metadata[:, 0, 0] > 0).astype(int)
    columns = COMMON_METADATA[:3]
    return FirstAlerts(empty, metadata, columns, times, labels, ("A", "B"), np.arange(N), {})


def test_only_the_column_that_is_read_is_important(alerts):
    model = Threshold()
    found = metadata_importance(model, alerts, alerts.labels, repeats=8)
    assert found.columns == COMMON_METADATA[:3] and found.n_objects == N
    assert found.mean_recall == 1 and found.log_loss == pytest.approx(-np.log(0.9))
    # a shuffled column is right for half of the objects; four standard errors of N and 8 repeats
    tolerance = 4 * 0.5 / np.sqrt(N)
    np.testing.assert_allclose(found.recall_loss[0], 0.5, atol=tolerance)
    expected = 0.5 * (-np.log(0.1) + np.log(0.9))
    np.testing.assert_allclose(found.log_loss_gain[0], expected, atol=tolerance * np.log(9))
    assert (found.recall_loss[1:] == 0).all() and (found.log_loss_gain[1:] == 0).all()


def test_alerts_of_an_object_are_shuffled_together_and_nothing_else_changes(alerts):
    model = Threshold()
    metadata_importance(model, alerts, alerts.labels, repeats=1)
    _, first, second, third = model.seen
    for column, shuffled in enumerate((first, second, third)):
        others = [k for k in range(3) if k != column]
        np.testing.assert_array_equal(shuffled[..., others], alerts.metadata[..., others])
        pairs = {tuple(pair) for pair in alerts.metadata[..., column].tolist()}
        assert {tuple(pair) for pair in shuffled[..., column].tolist()} == pairs
        assert (shuffled[..., column] != alerts.metadata[..., column]).mean() > 0.9


def test_objects_without_a_label_are_not_scored(alerts):
    labels = np.where(np.arange(N) < 100, 1 - alerts.labels, -1)
    found = metadata_importance(Threshold(), alerts, labels, repeats=1)
    assert found.n_objects == 100 and found.mean_recall == 0
    with pytest.raises(ClassifierError, match="no object has a label"):
        metadata_importance(Threshold(), alerts, np.full(N, -1), repeats=1)
    with pytest.raises(ClassifierError, match="--importance 0: at least 1"):
        metadata_importance(Threshold(), alerts, labels, repeats=0)


def test_models_without_metadata_are_refused():
    with pytest.raises(ClassifierError, match="hits-compact reads no metadata of first alerts"):
        check_metadata_model(open_model("hits-compact"))


def test_the_command_prints_every_column(
    stamp_model, planes_dataset, tmp_path, monkeypatch, capsys
):
    asked = ["--model", stamp_model.folder, "--data", planes_dataset, "--out", tmp_path / "p.csv"]
    assert run(monkeypatch, "classify", *asked, "--importance", 2) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in COMMON_METADATA) and "loss of mean recall" in said
    assert run(monkeypatch, "classify", *asked, "--importance", 0) == 2
    assert "--importance 0: at least 1" in capsys.readouterr().err
