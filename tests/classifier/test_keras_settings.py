"""Settings of Keras, in a user's keras.json or session, change no network."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from classifier.dataset import DatasetSplit
from classifier.models.recurrent.backend import keras, own_settings
from classifier.models.registry import open_model
from classifier.training.options import NetworkOptions
from classifier.training.train import NetworkTraining
from tests.helpers.running import SMALL

OTHERS = ("channels_first", "float16", 1e-2, "mixed_bfloat16")


def settings():
    config = keras.config
    found = config.image_data_format(), config.floatx(), config.epsilon()
    return (*found, config.dtype_policy().name)


def choose(data_format, floatx, epsilon, policy):
    keras.config.set_image_data_format(data_format)
    keras.config.set_floatx(floatx)
    keras.config.set_epsilon(epsilon)
    keras.config.set_dtype_policy(policy)


@pytest.fixture
def other_settings():
    kept = settings()
    choose(*OTHERS)
    yield OTHERS
    choose(*kept)


def test_own_settings_hold_in_the_block_alone(other_settings):
    with own_settings():
        assert settings() == ("channels_last", "float32", 1e-7, "float32")
    assert settings() == other_settings
    with pytest.raises(KeyError), own_settings():
        raise KeyError
    assert settings() == other_settings


@pytest.mark.slow
def test_predictions_do_not_depend_on_the_settings(small_dataset, request):
    split = DatasetSplit(small_dataset, "test")
    expected = open_model("hits-compact").predict(split).probabilities
    others = request.getfixturevalue("other_settings")
    np.testing.assert_array_equal(open_model("hits-compact").predict(split).probabilities, expected)
    assert settings() == others


@pytest.mark.slow
def test_training_does_not_depend_on_the_settings(small_dataset, tmp_path, request):
    options = NetworkOptions(
        choices=SMALL, iterations=2, batch=16, images=3, validate_every=2, precision="float32"
    )
    expected = NetworkTraining(small_dataset, tmp_path / "one", options).run()
    others = request.getfixturevalue("other_settings")
    found = NetworkTraining(small_dataset, tmp_path / "other", options).run()
    weights = (network.variants.whole.weights for network in (found, expected))
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (one, other)))
    assert settings() == others


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [{"backend": "fortran"}, {"floatx": "float3"}])
def test_a_keras_that_cannot_start_is_one_sentence(small_dataset, tmp_path, wrong):
    (tmp_path / "keras.json").write_text(json.dumps(wrong))
    environment = {**os.environ, "KERAS_HOME": str(tmp_path)}
    environment.pop("KERAS_BACKEND", None)
    arguments = ["--model", "hits-compact", "--data", small_dataset, "--out", tmp_path / "p.csv"]
    command = [sys.executable, "-m", "classifier.cli.classify", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 2, done.stderr
    assert "KERAS_BACKEND" in done.stderr and "Traceback" not in done.stderr
