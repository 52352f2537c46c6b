"""Stamp classifiers trained: steps, what is kept, options and data that cannot be used."""

import json

import numpy as np
import pytest
import zarr

from classifier.dataset import DatasetSplit
from classifier.first_alerts import read_first_alerts
from classifier.models.recurrent.backend import keras
from classifier.models.stamp.stamp_classifier import StampClassifier
from classifier.training.history import read_history
from classifier.training.orientations import rotate
from classifier.training.stamp_options import parsed_merge
from skyreel.errors import ClassifierError
from tests.helpers.running import copy_of
from tests.helpers.stamp_models import stamp_training


@pytest.fixture(scope="module")
def model(stamp_model):
    return stamp_model


@pytest.fixture
def own_data(planes_dataset, tmp_path):
    """A copy of the data set that a test may change."""
    return copy_of(planes_dataset, tmp_path)


def weights(model):
    return [keras.ops.convert_to_numpy(variable) for variable in model.model.weights]


def test_a_training_keeps_the_best_and_says_how_it_was_made(model, planes_dataset):
    records = read_history(model.folder / "history.csv")
    assert [record.iteration for record in records] == [2, 4, 6]
    best = min(records, key=lambda record: record.validation_loss)
    card = json.loads((model.folder / "model.json").read_text())
    assert best.accuracy_1 == best.accuracy and np.isnan(best.accuracy_3)
    assert card["best"]["iteration"] == best.iteration and card["kind"] == "stamp"
    assert card["classes"] == ["SN", "VS", "AST"] and card["class_parts"] == {"VS": ["RRL", "EB"]}
    assert card["size_pix"] == 9 and card["options"]["seed"] == 3
    assert card["choices"]["preprocessing"] == "calibrated" and "assumed_psf" not in model.card
    assert card["parameters"] == sum(array.size for array in weights(model))
    kept = {path.name for path in model.folder.iterdir()}
    assert {"model.json", "weights.npz", "learning_curve.png"} <= kept
    assert not kept & {"best.npz", "checkpoint.npz"}


class StoppedError(Exception):
    """Stands for a kill."""


def stop_at(step):
    def stop(done, total, numbers):
        if done == step:
            raise StoppedError

    return stop


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"balance": "weights", "choices": {"metadata": False}},
        {
            "network": "two-stamp-separated",
            "balance": "undersample",
            "choices": {"snr_difference": True},
            "schedule": "constant",
        },
    ],
)
def test_a_run_that_was_stopped_ends_as_one_that_was_not(planes_dataset, tmp_path, changes):
    whole = stamp_training(planes_dataset, tmp_path / "whole", **changes).run()
    with pytest.raises(StoppedError):
        stamp_training(planes_dataset, tmp_path / "cut", **changes).run(stop_at(5))
    seen = []
    resumed = stamp_training(planes_dataset, tmp_path / "cut", **changes).run(
        lambda done, total, numbers: seen.append(done)
    )
    assert seen == [5, 6]
    for one, other in zip(weights(whole), weights(resumed), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    found = resumed.predict(DatasetSplit(planes_dataset, "test"))
    assert np.isfinite(found.probabilities[found.n_images > 0]).all() and found.longest == 1


def test_batches_depend_on_seed_and_step_alone(planes_dataset, tmp_path):
    one, other = (stamp_training(planes_dataset, tmp_path / name).batches(0) for name in "ab")
    later = stamp_training(planes_dataset, tmp_path / "c").batches(2)
    for _ in range(2):
        next(one), next(other)
    third = [next(batches) for batches in (one, other, later)]
    for arrays, labels, _ in third[1:]:
        np.testing.assert_array_equal(labels, third[0][1])
        for name, values in arrays.items():
            np.testing.assert_array_equal(values, third[0][0][name])
    assert not np.array_equal(third[0][0]["stamps_1"], next(one)[0]["stamps_1"])


def test_training_stamps_are_turned_and_both_alerts_of_an_object_alike():
    stamps = np.random.default_rng(0).normal(size=(8, 5, 5, 3)).astype(np.float32)
    arrays = {"stamps_1": stamps.copy(), "stamps_2": stamps.copy(), "ln_days": np.zeros((8, 1))}
    rotate([arrays["stamps_1"], arrays["stamps_2"]], np.arange(8))
    np.testing.assert_array_equal(arrays["stamps_1"], arrays["stamps_2"])
    first = np.moveaxis(arrays["stamps_1"], 3, 1)
    seen = {np.rot90(np.arange(25).reshape(5, 5), k).tobytes() for k in range(4)}
    seen |= {np.rot90(np.arange(25).reshape(5, 5).T, k).tobytes() for k in range(4)}
    for k in range(8):  # eight different orientations, each a turn or a mirrored turn
        order = np.array(
            [np.flatnonzero(stamps[k, ..., 0].ravel() == v)[0] for v in first[k, 0].flat]
        )
        seen.remove(order.reshape(5, 5).astype(int).tobytes())
        np.testing.assert_array_equal(first[k, 2].ravel(), stamps[k, ..., 2].ravel()[order])


@pytest.mark.slow
def test_a_damaged_checkpoint_is_one_sentence(planes_dataset, tmp_path):
    with pytest.raises(StoppedError):
        stamp_training(planes_dataset, tmp_path / "cut").run(stop_at(3))
    checkpoint = tmp_path / "cut" / "checkpoint.npz"
    checkpoint.write_bytes(checkpoint.read_bytes()[:5000])
    with pytest.raises(ClassifierError, match=r"checkpoint.npz is missing or damaged .*Remove it"):
        stamp_training(planes_dataset, tmp_path / "cut").run()


def test_another_request_for_the_same_folder_says_what_differs(model, planes_dataset):
    with pytest.raises(ClassifierError, match=r"options.crop_pix: 9 there, 11 now"):
        stamp_training(planes_dataset, model.folder, crop_pix=11)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, {}),
        ("", {}),
        ("VS=RRL+CEP+EB", {"VS": ("RRL", "CEP", "EB")}),
        (" VS = RRL + EB , X=SN", {"VS": ("RRL", "EB"), "X": ("SN",)}),
    ],
)
def test_merged_classes_are_written_new_equals_parts(text, expected):
    assert parsed_merge(text) == expected


@pytest.mark.parametrize("text", ["VS", "VS=", "=RRL", "VS=+", "VS=RRL,VS=EB", "VS=RRL,EB"])
def test_merged_classes_written_otherwise_are_refused(text):
    with pytest.raises(ClassifierError, match=r"write NEW=CLASS\+CLASS, as VS=RRL\+CEP\+EB"):
        parsed_merge(text)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"network": "compact"}, "--network 'compact'; allowed: deep-hits"),
        ({"balance": "equal"}, "--balance 'equal'; allowed: batches"),
        ({"crop_pix": 7}, "--crop 7: at least 9"),
        ({"alerts": "any", "alerts_per_object": 0}, "--alerts-per-object 0: at least 1"),
        ({"alerts_per_object": 2}, "--alerts-per-object: only with --which-alerts any"),
        ({"choices": {"encoder": "fast"}}, "--choice of --model alerce-stamp: encoder"),
        ({"choices": {"metadata": True}, "network": "deep-hits"}, "deep-hits reads none"),
        ({"choices": {"units": 3}}, "--choice of --model alerce-stamp: units"),
        ({"choices": {"dropout": 1.0}}, "--choice of --model alerce-stamp: dropout"),
        ({"iterations": 0}, "--iterations 0: at least 1"),
        ({"learning_rate": 0.0}, "between 0 and 1"),
        ({"crop_pix": 10}, "cannot be cut to 10 about their centre: an odd number up to 21"),
        ({"crop_pix": 23}, "stamps of 21 pixels cannot be cut to 23"),
        ({"merge": {"VS": ("RLR",)}}, r"--merge VS=RLR: .* has none of these classes; it has SN,"),
        ({"merge": {"SN": ("RRL",)}}, "SN is a class already"),
        ({"merge": {"VS": ("RRL",), "X": ("RRL",)}}, "named twice"),
    ],
)
def test_wrong_options_are_one_sentence(planes_dataset, tmp_path, wrong, sentence):
    with pytest.raises(ClassifierError, match=sentence):
        stamp_training(planes_dataset, tmp_path / "out", **wrong)
    assert not (tmp_path / "out").exists()


def test_a_part_of_a_merged_class_may_be_absent_and_is_said(planes_dataset, tmp_path):
    merge = {"VS": ("RRL", "CEP", "EB")}
    notes = stamp_training(planes_dataset, tmp_path / "out", merge=merge).notes()
    assert any("has no class CEP of --merge" in note for note in notes)


def test_more_alerts_of_an_object_are_for_training_alone(planes_dataset, tmp_path):
    changes = {"alerts": "any", "alerts_per_object": 3, "choices": {"encoder": "strided"}}
    training = stamp_training(planes_dataset, tmp_path / "out", **changes)
    rows = {name: alerts.rows for name, alerts in training.alerts.items()}
    assert np.bincount(rows["train"]).max() == 3 and np.bincount(rows["validation"]).max() == 1
    training.run()
    assert StampClassifier.open(tmp_path / "out").card["choices"]["encoder"] == "strided"


def test_objects_left_out_of_a_training_are_counted(own_data, tmp_path):
    root = zarr.open_group(own_data)
    rows = read_first_alerts(DatasetSplit(own_data, "train")).rows
    root["train"]["template"][int(rows[0])] = np.nan
    root["train"]["difference"][int(rows[1]), :, :9, :9] = np.nan  # some pixels alone
    without = 42 - rows.size
    notes = stamp_training(own_data, tmp_path / "out").notes()
    assert f"{own_data}/train: {without} objects left out: no alert." in notes
    assert f"{own_data}/train: 1 objects left out: a plane without a pixel." in notes
    arrays, _, _ = next(stamp_training(own_data, tmp_path / "out").batches(0))
    assert all(np.isfinite(values).all() for values in arrays.values())


def relabelled(data, **labels):
    for name, label in labels.items():
        zarr.open_group(data)[name]["label"][:] = label


@pytest.mark.parametrize("labels", [{"train": 255}, {"validation": 255}, {"train": 1}])
def test_unlabelled_sets_and_those_of_one_class_are_refused(own_data, tmp_path, labels):
    relabelled(own_data, **labels)
    with pytest.raises(ClassifierError, match="labelled alerts of fewer than two classes"):
        stamp_training(own_data, tmp_path / "out")


def test_a_class_without_an_alert_in_the_training_set_is_said(own_data, tmp_path):
    split = DatasetSplit(own_data, "train")
    labels = np.where(split.labels == split.classes.index("AST"), 0, split.labels)
    relabelled(own_data, train=labels)
    notes = stamp_training(own_data, tmp_path / "out").notes()
    assert f"{own_data}/train has no alert of the class AST." in notes


def test_data_without_planes_are_refused(model, small_dataset, tmp_path):
    with pytest.raises(ClassifierError, match="has no difference images; `simulate --planes"):
        stamp_training(small_dataset, tmp_path / "out")
    with pytest.raises(ClassifierError, match="has no difference images; `simulate --planes"):
        model.predict(DatasetSplit(small_dataset, "test"))


def test_alerts_at_unknown_times_are_left_out(own_data):
    rows = read_first_alerts(DatasetSplit(own_data, "test"), alerts=2).rows
    zarr.open_group(own_data)["test"]["mjd"][int(rows[0])] = np.nan
    found = read_first_alerts(DatasetSplit(own_data, "test"), alerts=2)
    assert found.rows.tolist() == rows[1:].tolist() and np.isfinite(found.ln_days).all()
    assert found.left_out["alerts whose times are unknown or do not increase"] == 1
