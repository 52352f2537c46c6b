"""A trained stamp classifier opened and applied; damaged files and alerts it cannot use."""

import json
import shutil

import numpy as np
import pytest
import zarr

from classifier.dataset import DatasetSplit
from classifier.first_alerts import read_first_alerts
from classifier.models.recurrent.backend import keras
from classifier.models.registry import check_fit, open_model
from classifier.models.stamp.metadata_scale import MetadataScale
from classifier.models.stamp.preprocessing import calibrated
from classifier.models.stamp.stamp_classifier import StampClassifier
from skyreel.errors import ClassifierError
from tests.helpers.damaged_models import DAMAGES, edited
from tests.helpers.running import copy_of
from tests.helpers.stamp_models import MERGE


@pytest.fixture(scope="module")
def model(stamp_model):
    return stamp_model


@pytest.fixture(scope="module")
def test_split(planes_dataset):
    return DatasetSplit(planes_dataset, "test")


@pytest.fixture
def damaged(model, tmp_path):
    """A copy of the model that a test may damage."""
    return shutil.copytree(model.folder, tmp_path / "damaged")


@pytest.fixture
def own_data(planes_dataset, tmp_path):
    """A copy of the data set that a test may change."""
    return copy_of(planes_dataset, tmp_path)


def weights(model):
    return [keras.ops.convert_to_numpy(variable) for variable in model.model.weights]


def test_a_saved_model_loads_to_the_same_predictions(model, test_split):
    again = open_model(model.folder)
    assert isinstance(again, StampClassifier) and again.classes == ("SN", "VS", "AST")
    found, same = model.predict(test_split), again.predict(test_split)
    np.testing.assert_array_equal(found.probabilities, same.probabilities)
    some = found.probabilities[found.n_images > 0, 0]
    assert np.ptp(some, axis=0).min() > 1e-4


def test_every_object_with_an_alert_has_one_prediction(model, test_split):
    found = model.predict(test_split)
    alerts = read_first_alerts(test_split)
    assert found.probabilities.shape == (28, 1, 3)
    np.testing.assert_array_equal(np.flatnonzero(found.n_images), alerts.rows)
    np.testing.assert_array_equal(found.magnitude[alerts.rows], alerts.metadata[:, 0, 0])
    names = np.array(test_split.classes)[test_split.labels]
    merged = np.where(np.isin(names, MERGE["VS"]), "VS", names)
    assert (np.array(found.classes)[found.label] == merged).all()


def test_the_embedding_is_one_row_per_object(model, test_split):
    rows = read_first_alerts(test_split).rows[[0, 2, 3]]
    found = model.embedding(test_split, rows)
    assert found.values.shape == (3, 64) and "64 units" in found.description
    logits = found.values @ weights(model)[-2] + weights(model)[-1]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = model.predict(test_split).probabilities[rows, 0]
    np.testing.assert_allclose(p, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        *DAMAGES,
        (edited(network="compact"), "damaged .network: Input should be 'deep-hits', "),
        (edited(network="two-stamp-stacked"), "does not fit"),
        (edited(kind="network"), "a stamp is needed"),
        (edited(choices={"rotations": "some"}), r"damaged \(rotations: "),
        (edited(choices={"kernel": 10**30}), r"damaged \(kernel: "),
        (edited(size_pix=0), r"damaged \(size_pix: "),
        (edited(size_pix=1), "damaged|does not fit"),
        (edited(size_pix=1001), "does not fit weights.npz"),
        (edited(metadata={}), r"damaged \(metadata.columns: "),
        (edited(metadata={n: [] for n in ("columns", "low", "high", "median")}), "does not fit"),
        (edited(class_parts=[1]), r"damaged \(class_parts: "),
        (edited(bands=[]), r"damaged \(bands: "),
    ],
)
def test_a_damaged_model_is_one_sentence(damaged, damage, sentence):
    damage(damaged)
    with pytest.raises(ClassifierError, match=sentence) as caught:
        StampClassifier.open(damaged)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"low": [float("nan")] * 5}, r"damaged \(metadata.low.0: "),
        ({"low": [1e9] * 5}, "a low end of a range lies above its high end"),
        ({"median": [1.0]}, "need a number for every column"),
        ({"columns": ["drb"] * 5}, "damaged .metadata drb, .*; known are magnitude"),
    ],
)
def test_damaged_ranges_of_metadata_are_one_sentence(model, damaged, changes, sentence):
    edited(metadata={**model.card["metadata"], **changes})(damaged)
    with pytest.raises(ClassifierError, match=sentence) as caught:
        StampClassifier.open(damaged)
    assert "\n" not in str(caught.value)


def test_missing_choices_are_the_defaults(model, damaged, test_split):
    edited(choices={"rotations": "none"})(damaged)
    found = StampClassifier.open(damaged).predict(test_split).probabilities
    np.testing.assert_array_equal(found, model.predict(test_split).probabilities)


def test_unlabelled_objects_are_predicted(model, own_data):
    zarr.open_group(own_data)["test"]["label"][:] = 255
    found = model.predict(DatasetSplit(own_data, "test"))
    assert (found.label == -1).all() and found.longest == 1


def test_data_without_metadata_are_refused(model, own_data):
    shutil.rmtree(own_data / "test" / "difference_flux_adu")
    with pytest.raises(ClassifierError, match="lacks the arrays difference_flux_adu"):
        model.predict(DatasetSplit(own_data, "test"))
    del zarr.open_group(own_data).attrs["planes"]
    with pytest.raises(ClassifierError, match="has no difference_flux_adu of its alerts"):
        model.predict(DatasetSplit(own_data, "test"))


@pytest.mark.parametrize("size", [8, 10, 5])
def test_stamps_of_a_size_that_cannot_be_cut_are_refused(model, test_split, monkeypatch, size):
    monkeypatch.setattr(DatasetSplit, "size_pix", property(lambda self: size))
    with pytest.raises(ClassifierError, match=f"tiny: stamps of {size} pixels cannot be cut to 9"):
        check_fit("tiny", model, test_split, any_survey=False)


def test_larger_stamps_are_cut(model, test_split):
    check_fit("tiny", model, test_split, any_survey=False)
    assert test_split.size_pix == 21 and model.crop_pix == 9


@pytest.mark.parametrize("name", ["science", "template", "difference"])
def test_stamps_of_nan_lose_no_other_object(model, own_data, test_split, name):
    rows = read_first_alerts(test_split).rows
    array = {"science": "mask"}.get(name, name)
    zarr.open_group(own_data)["test"][array][int(rows[1])] = 2 if array == "mask" else np.nan
    found, before = model.predict(DatasetSplit(own_data, "test")), model.predict(test_split)
    assert found.n_images[rows[1]] == 0 and np.isnan(found.probabilities[rows[1]]).all()
    others = np.delete(rows, 1)
    np.testing.assert_allclose(
        found.probabilities[others], before.probabilities[others], rtol=1e-5, atol=1e-6
    )


def test_pixels_beyond_float32_lose_no_object(model, own_data):
    rows = read_first_alerts(DatasetSplit(own_data, "test")).rows
    difference = zarr.open_group(own_data)["test"]["difference"]
    difference[int(rows[0]), :, 10, 10] = 3e38
    difference[int(rows[1])] = np.random.default_rng(0).choice([-3e38, 3e38], difference.shape[1:])
    found = model.predict(DatasetSplit(own_data, "test"))
    np.testing.assert_array_equal(np.flatnonzero(found.n_images), rows)
    wild = np.full((1, 1, 9, 9), 3e38, np.float32) * np.where(np.arange(9) % 2, 1, -1)
    assert np.isfinite(calibrated(wild.astype(np.float32))).all()


def test_metadata_are_within_the_range_of_the_training_and_never_missing():
    rng = np.random.default_rng(5)
    values = rng.normal(size=(400, 1, 3))
    values[:, 0, 2] = np.nan
    values[::7, 0, 1] = np.nan
    scale = MetadataScale.of(("a", "b", "c"), values)
    assert MetadataScale.of_card(json.loads(json.dumps(scale.as_dict()))) == scale
    found = scale.applied(np.array([[np.nan, 9e30, np.inf], [-9e30, np.nan, 0.5]]))
    expected = [[np.median(values[:, 0, 0]), scale.high[1], 0], [scale.low[0], scale.median[1], 0]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    low, high = np.quantile(values[:, 0, 0], (0.005, 0.995))
    np.testing.assert_allclose((scale.low[0], scale.high[0]), (low, high), rtol=1e-6)
    assert MetadataScale.of((), np.zeros((4, 1, 0))) == MetadataScale()
