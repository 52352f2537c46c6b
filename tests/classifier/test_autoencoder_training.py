"""Autoencoders trained: with and without labels, stopped and resumed, and what cannot be used."""

import json
import shutil

import numpy as np
import pytest
import zarr

from classifier.dataset import DatasetSplit
from classifier.models.recurrent.backend import keras
from classifier.snr_stamps import read_snr_stamps
from classifier.training.history import read_history
from skyreel.errors import ClassifierError
from tests.helpers.autoencoders import autoencoder_training
from tests.helpers.running import copy_of


@pytest.fixture
def own_data(planes_dataset, tmp_path):
    """A copy of the data set that a test may change."""
    return copy_of(planes_dataset, tmp_path)


def weights(model):
    return [keras.ops.convert_to_numpy(variable) for variable in model.model.weights]


def assert_equal_weights(one, other, **tolerance):
    for a, b in zip(weights(one), weights(other), strict=True):
        np.testing.assert_allclose(a, b, **(tolerance or {"rtol": 0, "atol": 0}))


def test_a_training_keeps_the_best_and_says_how_it_was_made(vade_model):
    records = read_history(vade_model.folder / "history.csv")
    assert [record.iteration for record in records] == [2, 4]
    best = min(records, key=lambda record: record.validation_loss)
    card = json.loads((vade_model.folder / "model.json").read_text())
    assert card["best"]["iteration"] == best.iteration and card["best"]["accuracy"] is None
    assert card["kind"] == "autoencoder" and card["network"] == "vade"
    assert card["classes"] == ["cluster_1", "cluster_2", "cluster_3"]
    assert card["labels_in_training"] == ["SN", "RRL", "EB", "AST"]
    assert card["parameters"] == sum(array.size for array in weights(vade_model))
    kept = {path.name for path in vade_model.folder.iterdir()}
    assert {"weights.npz", "learning_curve.png", "pretraining"} <= kept
    assert not kept & {"best.npz", "checkpoint.npz"}


class StoppedError(Exception):
    """Stands for a kill."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stopped_at", "seen", "changes"),
    [
        (1, [1, 2, 3, 4, 5, 6], {}),  # of the training before
        (5, [5, 6], {}),
        (3, [3, 4], {"network": "vae", "alerts": "any", "schedule": "constant"}),
    ],
)
def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    planes_dataset, tmp_path, stopped_at, seen, changes
):
    whole = autoencoder_training(planes_dataset, tmp_path / "whole", **changes).run()

    def stop(done, total, numbers):
        if done == stopped_at:
            raise StoppedError

    with pytest.raises(StoppedError):
        autoencoder_training(planes_dataset, tmp_path / "cut", **changes).run(stop)
    found = []
    resumed = autoencoder_training(planes_dataset, tmp_path / "cut", **changes).run(
        lambda done, total, numbers: found.append(done)
    )
    assert found == seen
    assert_equal_weights(whole, resumed, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_labels_do_not_matter(vade_model, own_data, tmp_path):
    root = zarr.open_group(own_data)
    for name in ("train", "validation", "test"):
        root[name]["label"][:] = 255
    found = autoencoder_training(own_data, tmp_path / "out").run()
    assert found.card["labels_in_training"] == []
    assert_equal_weights(vade_model, found, rtol=1e-5, atol=1e-6)


def test_data_with_one_split_are_divided(own_data, tmp_path):
    for name in ("train", "validation"):
        shutil.rmtree(own_data / name)
    training = autoencoder_training(own_data, tmp_path / "out")
    n = len(read_snr_stamps(DatasetSplit(own_data, "test")))
    train, held = (training.stamps[name] for name in ("train", "validation"))
    assert len(held) == n // 8 and len(train) + len(held) == n
    assert not set(train.rows) & set(held.rows)
    assert any(f"no splits train and validation: {len(held)} of its" in s for s in training.notes())
    same = autoencoder_training(own_data, tmp_path / "other").stamps["validation"]
    np.testing.assert_array_equal(same.rows, held.rows)


def test_batches_depend_on_seed_and_step_alone(planes_dataset, tmp_path):
    one, later = (
        autoencoder_training(planes_dataset, tmp_path / name).batches(begun)
        for name, begun in (("a", 0), ("b", 1))
    )
    first, second, same = next(one)[0], next(one)[0], next(later)[0]
    for name, values in second.items():
        np.testing.assert_array_equal(values, same[name])
        assert not np.array_equal(values, first[name]) or name == "precision"


@pytest.mark.parametrize("brightness", ["latent", "given"])
def test_missing_pixels_have_no_weight(own_data, tmp_path, brightness):
    rows = read_snr_stamps(DatasetSplit(own_data, "train")).rows
    difference = zarr.open_group(own_data)["train"]["difference"]
    for row in rows:
        difference[int(row), :, 10, 10] = np.nan
    training = autoencoder_training(own_data, tmp_path / "out", choices={"brightness": brightness})
    arrays, _ = next(training.batches(0))
    assert all(np.isfinite(values).all() for values in arrays.values())
    middle = np.s_[:, 4, 4]
    assert not arrays["stamps"][middle].any() and not arrays["precision"][middle].any()
    assert (arrays["precision"].sum(axis=(1, 2, 3)) > 0).all()
    most = np.abs(arrays["stamps"]).max(axis=(1, 2, 3))
    assert (most <= 1).all() if brightness == "given" else (most > 1).any()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"network": "compact"}, "--network 'compact'; allowed: autoencoder, vae, vade"),
        ({"alerts": "last"}, "--alerts 'last'; allowed: first, any"),
        ({"choices": {"clusters": 500}}, r"--choice clusters=500: .* has \d+ stamps to train with"),
        ({"choices": {"clusters": 0}}, "--choice of --model vade: clusters"),
        ({"choices": {"kernel": 3}}, "--choice of --model vade: kernel"),
        ({"choices": {"brightness": "none"}}, "--choice of --model vade: brightness"),
        ({"crop_pix": 7}, "--crop 7: at least 9"),
        ({"crop_pix": 31}, "stamps of 21 pixels cannot be cut to 31"),
        ({"iterations": 0}, "--iterations 0: at least 1"),
    ],
)
def test_wrong_options_are_one_sentence(planes_dataset, tmp_path, wrong, sentence):
    with pytest.raises(ClassifierError, match=sentence) as caught:
        autoencoder_training(planes_dataset, tmp_path / "out", **wrong)
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()


def test_data_that_cannot_be_used_are_one_sentence(small_dataset, own_data, tmp_path):
    with pytest.raises(ClassifierError, match="has no difference images; `simulate --planes"):
        autoencoder_training(small_dataset, tmp_path / "out")
    with pytest.raises(ClassifierError, match=r"nothing\.zarr"):
        autoencoder_training(tmp_path / "nothing.zarr", tmp_path / "out")
    zarr.open_group(own_data)["train"]["difference_mask"][:] = 1
    with pytest.raises(ClassifierError, match="none of 42 objects has an alert with a pixel"):
        autoencoder_training(own_data, tmp_path / "out")
    shutil.rmtree(own_data / "train" / "difference" / "c")  # no other split in its place
    with pytest.raises(ClassifierError, match=r"train/difference.* is missing"):
        autoencoder_training(own_data, tmp_path / "out")
