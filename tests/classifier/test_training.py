"""Training of networks: batches in, a model out, and on again after a stop."""

import json
import shutil

import numpy as np
import pytest

from classifier.dataset import DatasetSplit
from classifier.image_selection import ImageSelection, SelectedSplit
from classifier.models.recurrent import build_network
from classifier.models.recurrent.backend import keras
from classifier.models.recurrent.trained_network import (
    load_weights,
    save_weights,
    softmax,
)
from classifier.models.registry import open_model
from classifier.network_inputs import AssumedPsf, inputs_of
from classifier.training.history import read_history
from classifier.training.options import NetworkOptions, parsed_choices
from classifier.training.train import NetworkTraining, compile_for
from classifier.training.validation import ValidationSet
from skyreel.errors import ClassifierError
from tests.helpers.training import QUICK, SMALL, trained


@pytest.fixture
def network(trained_network):
    return trained_network


@pytest.fixture
def damaged(network, tmp_path):
    """A copy of the model that a test may damage."""
    return shutil.copytree(network.folder, tmp_path / "damaged")


def weights(network):
    return [keras.ops.convert_to_numpy(variable) for variable in network.variants.whole.weights]


def test_training_lowers_the_loss_and_keeps_the_best(network):
    records = read_history(network.folder / "history.csv")
    assert [record.iteration for record in records] == [4, 8, 12]
    assert records[-1].validation_loss < records[0].validation_loss
    best = min(records, key=lambda record: record.validation_loss)
    assert network.card["best"]["iteration"] == best.iteration
    kept = {path.name for path in network.folder.iterdir()}
    assert {"model.json", "weights.npz", "history.csv", "learning_curve.png"} <= kept
    events = next((network.folder / "tensorboard").glob("events.*")).read_bytes()
    assert events.count(b"validation_loss") == 3
    assert not kept & {"best.npz", "checkpoint.npz"}


def test_the_card_says_how_it_was_trained(network, small_dataset):
    card = json.loads((network.folder / "model.json").read_text())
    assert card["options"]["seed"] == 3 and card["options"]["batch"] == 32
    assert card["versions"]["backend"] == keras.backend.backend()
    assert (
        card["survey"] == "hits"
        and card["profile"] == DatasetSplit(small_dataset, "test").attributes["profile"]
    )
    assert card["parameters"] == network.variants.whole.count_params()


class StoppedError(Exception):
    """Stands for a kill."""


SMALL_RCNN = {"filters": 4, "dense": 8, "units": 6, "plain_steps": 2}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stop_at", "changes"),
    [
        (2, {}),
        (9, {"on_the_fly": True}),
        (9, {"network": "rcnn", "choices": SMALL_RCNN, "schedule": "cosine"}),
    ],
)
def test_a_run_that_was_stopped_ends_as_one_that_was_not(small_dataset, tmp_path, stop_at, changes):
    whole = trained(small_dataset, tmp_path / "whole", **changes)

    def stop(done, total, numbers):
        if done == stop_at:
            raise StoppedError

    options = NetworkOptions(**{**QUICK, **changes})
    with pytest.raises(StoppedError):
        NetworkTraining(small_dataset, tmp_path / "cut", options).run(stop)
    seen = []
    resumed = NetworkTraining(small_dataset, tmp_path / "cut", options).run(
        lambda done, total, numbers: seen.append(done)
    )
    assert seen == list(range(stop_at // 4 * 4 + 1, 13))
    for one, other in zip(weights(whole), weights(resumed), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def with_old_keys(folder):
    """The settings of a training as version 0.1 wrote them."""
    settings = json.loads((folder / "training.json").read_text())
    settings["showing"] = settings.pop("selection")
    settings["options"]["turned"] = settings["options"].pop("rotate")
    assert settings.pop("assumed_psf")
    (folder / "training.json").write_text(json.dumps(settings))


@pytest.mark.slow
def test_a_training_of_version_0_1_is_continued_with_its_own_psf(small_dataset, tmp_path):
    def stop(done, total, numbers):
        raise StoppedError

    options = NetworkOptions(**{**QUICK, "iterations": 2, "validate_every": 1})
    with pytest.raises(StoppedError):
        NetworkTraining(small_dataset, tmp_path / "cut", options).run(stop)
    with_old_keys(tmp_path / "cut")
    other = NetworkOptions(**{**QUICK, "iterations": 2, "validate_every": 1, "rotate": False})
    with pytest.raises(ClassifierError, match=r"options.rotate: True there, False now"):
        NetworkTraining(small_dataset, tmp_path / "cut", other)
    network = NetworkTraining(small_dataset, tmp_path / "cut", options).run()
    assert network.assumed_psf == AssumedPsf(4.0, 3.8) and network.card["choices"]["beta"] == 3.8


def test_a_network_assumes_the_psf_of_the_survey_it_is_trained_on(network, small_dataset):
    profile = DatasetSplit(small_dataset, "train").profile
    assert network.assumed_psf == AssumedPsf.of(profile)
    assert network.card["choices"]["beta"] == profile.psf.beta_median == network.assumed_psf.beta


@pytest.mark.slow
def test_training_goes_on_from_the_weights_of_another(network, small_dataset, tmp_path):
    gone_on = trained(
        small_dataset,
        tmp_path / "more",
        begin_with=str(network.folder),
        iterations=1,
        learning_rate=1e-6,
    )
    before, after = (weights_of(n) for n in (network, gone_on))
    assert all(np.allclose(before[name], after[name], atol=1e-4) for name in before)
    assert any(not np.array_equal(before[name], after[name]) for name in before)


def test_weights_of_another_shape_are_refused_as_a_beginning(network, small_dataset, tmp_path):
    with pytest.raises(ClassifierError, match="does not fit this network"):
        trained(small_dataset, tmp_path / "o", begin_with=str(network.folder), choices={"units": 9})


def weights_of(network):
    return {v.path: np.asarray(v) for v in network.variants.whole.weights}


def test_predictions_are_probabilities_after_every_image(network, small_dataset):
    split = DatasetSplit(small_dataset, "test")
    seen = []
    predictions = network.predict(split, on_progress=seen.append)
    assert sum(seen) == len(split) == len(predictions)
    assert predictions.longest == split.longest > 4 * network.selection.images
    assert np.isfinite(predictions.magnitude).mean() > 0.5
    inputs = inputs_of(SelectedSplit(split, network.prediction_selection).stamps(0, 5))
    in_one = softmax(keras.ops.convert_to_numpy(network.variants.whole(inputs.arrays())))
    expected = np.where(inputs.present[..., None] > 0, in_one, np.nan)
    np.testing.assert_allclose(predictions.probabilities[:5], expected, rtol=1e-4, atol=1e-5)


def test_the_embedding_is_one_row_per_object(network, small_dataset):
    split = DatasetSplit(small_dataset, "test")
    some = network.embedding(split, np.array([4, 9, 1])).values
    assert some.shape == (3, 12)
    np.testing.assert_allclose(
        network.embedding(split, np.array([9])).values[0], some[1], rtol=1e-4, atol=1e-5
    )


@pytest.mark.slow
def test_precision_of_training_does_not_change_what_is_kept(small_dataset, tmp_path):
    network = trained(small_dataset, tmp_path / "half", precision="bfloat16", iterations=4)
    assert {w.dtype for w in weights(network)} == {np.dtype("float32")}
    assert "bfloat16" not in network.variants.whole.get_layer("conv_1").dtype_policy.name


def test_loss_is_summed_over_images_and_averaged_over_labelled_sequences(small_dataset):
    from classifier.training.train import for_keras

    split = DatasetSplit(small_dataset, "train")
    inputs = inputs_of(SelectedSplit(split, ImageSelection(images=6)).stamps(0, 8))
    inputs.present[0, 4:] = 0
    labels = split.labels[:8].copy()
    labels[1] = -1
    keras.utils.set_random_seed(0)
    variants = build_network("compact", size_pix=21, n_classes=7, **SMALL)
    compile_for(variants.whole, NetworkOptions(**QUICK))
    chances = softmax(keras.ops.convert_to_numpy(variants.whole(inputs.arrays())))
    terms = -np.log(chances[np.arange(8), :, np.maximum(labels, 0)]) * inputs.present
    loss = variants.whole.test_on_batch(*for_keras(inputs, labels))
    assert float(loss) == pytest.approx(np.delete(terms.sum(axis=1), 1).mean(), rel=1e-4)


def test_another_request_for_the_same_folder_is_refused_and_says_what_differs(
    network, small_dataset
):
    with pytest.raises(ClassifierError, match=r"options.seed: 3 there, 4 now"):
        trained(small_dataset, network.folder, seed=4)


def test_a_finished_model_stays_one_when_packages_change(network, small_dataset, monkeypatch):
    monkeypatch.setattr(
        "classifier.training.train.used_versions", lambda: {"keras": "99", "backend": "other"}
    )
    assert trained(small_dataset, network.folder).name == network.name


@pytest.mark.slow
def test_a_loss_that_is_no_number_ends_the_training_with_a_sentence(
    small_dataset, tmp_path, monkeypatch
):
    for module in ("options", "train"):  # a beta that is no number is refused before
        monkeypatch.setattr(f"classifier.training.{module}.check_choices", lambda *_: 1)
    with pytest.raises(ClassifierError, match="no longer a number after iteration 4"):
        trained(
            small_dataset,
            tmp_path / "out",
            learning_rate=0.99,
            clip_norm=None,
            choices={**SMALL, "beta": float("nan")},
        )


def test_a_model_of_a_version_without_errors_of_the_conditions_stays_one(small_dataset, damaged):
    settings = json.loads((damaged / "training.json").read_text())
    assert settings["options"].pop("condition_error") == 0
    (damaged / "training.json").write_text(json.dumps(settings))
    assert trained(small_dataset, damaged).name == "damaged"
    with pytest.raises(ClassifierError, match=r"condition_error: 0.0 there, 1.0 now"):
        trained(small_dataset, damaged, condition_error=1.0, on_the_fly=True)


def test_validation_sequences_come_from_all_over_the_split(small_dataset):
    split, selection = DatasetSplit(small_dataset, "validation"), ImageSelection(images=6)
    found = ValidationSet.read(split, selection, 8)
    rows = np.linspace(0, len(split) - 1, 8).astype(int)
    np.testing.assert_array_equal(found.labels, split.labels[rows])
    last = inputs_of(SelectedSplit(split, selection).stamps(rows[-1], rows[-1] + 1))
    np.testing.assert_array_equal(found.inputs.images[-1], last.images[0])


def test_seeds_beyond_the_simulators_addresses_are_refused(small_dataset, tmp_path):
    with pytest.raises(ClassifierError, match="--on-the-fly: --seed 123456789"):
        trained(small_dataset, tmp_path / "out", seed=123_456_789, on_the_fly=True)


@pytest.mark.slow
def test_a_damaged_checkpoint_is_one_sentence(small_dataset, tmp_path):
    def stop(done, total, numbers):
        if done == 5:
            raise StoppedError

    options = NetworkOptions(**QUICK)
    with pytest.raises(StoppedError):
        NetworkTraining(small_dataset, tmp_path / "cut", options).run(stop)
    checkpoint = tmp_path / "cut" / "checkpoint.npz"
    checkpoint.write_bytes(checkpoint.read_bytes()[:5000])
    with pytest.raises(ClassifierError, match=r"checkpoint.npz is missing or damaged .*Remove it"):
        NetworkTraining(small_dataset, tmp_path / "cut", options).run()


@pytest.mark.parametrize(
    "wrong",
    [
        {"network": "transformer"},
        {"iterations": 0},
        {"batch": -1},
        {"schedule": "step"},
        {"precision": "int8"},
        {"learning_rate": 0.0},
        {"seed": -1},
        {"start": "last"},
        {"condition_error": 1.0},
        {"condition_error": -0.5, "on_the_fly": True},
        {"condition_error": float("nan"), "on_the_fly": True},
    ],
)
def test_wrong_options_are_one_sentence(small_dataset, tmp_path, wrong):
    with pytest.raises(ClassifierError, match="--"):
        trained(small_dataset, tmp_path / "out", **wrong)


def test_a_model_is_opened_by_folder_or_by_name(network, tmp_path):
    assert open_model(network.folder).name == "tiny"
    with pytest.raises(ClassifierError, match="neither a folder nor a model"):
        open_model("hits-huge")
    with pytest.raises(ClassifierError, match=r"no model\.json"):
        open_model(tmp_path)


def test_choices_of_a_network_are_written_name_equals_value(small_dataset, tmp_path):
    found = parsed_choices(["window=1", "normalisation=batch", "filters=[4, 6]", "times=false"])
    assert found == {"window": 1, "normalisation": "batch", "filters": [4, 6], "times": False}
    with pytest.raises(ClassifierError, match="write NAME=VALUE"):
        parsed_choices(["window"])
    assert parsed_choices(["filters=4,6,6,8"]) == {"filters": [4, 6, 6, 8]}
    for choices in ({"filterz": 3}, {"filters": "many"}, {"filters": [4, 4]}, {"units": 10**9}):
        with pytest.raises(ClassifierError, match="--model compact"):
            trained(small_dataset, tmp_path / "out", choices=choices)


def test_weights_travel_by_name(tmp_path):
    keras.utils.set_random_seed(1)
    one = build_network("compact", size_pix=21, n_classes=7, **SMALL)
    save_weights(one.whole, tmp_path / "w.npz")
    other = build_network("compact", size_pix=21, n_classes=7, **SMALL)
    load_weights(other.whole, tmp_path / "w.npz")
    for a, b in zip(one.whole.weights, other.whole.weights, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (a, b)))


def test_stamps_of_another_size_are_refused(network, small_dataset, monkeypatch):
    monkeypatch.setattr(DatasetSplit, "size_pix", property(lambda self: 33))
    with pytest.raises(ClassifierError, match="stamps of 33 pixels"):
        network.predict(DatasetSplit(small_dataset, "test"))
