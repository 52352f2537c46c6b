"""A network trained on one Keras backend answers the same on another."""

import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from classifier.dataset import DatasetSplit
from classifier.image_selection import SelectedSplit
from classifier.models.recurrent.backend import keras
from classifier.models.recurrent.trained_network import Network, save_weights
from classifier.network_inputs import inputs_of
from classifier.training.options import NetworkOptions
from classifier.training.train import NetworkTraining

_ANSWERS = """
import sys
import numpy as np
from classifier.network_inputs import inputs_of
from classifier.models.recurrent.backend import keras
from classifier.models.recurrent.trained_network import Network
from classifier.dataset import DatasetSplit
assert keras.backend.backend() == sys.argv[4], keras.backend.backend()
network = Network.open(sys.argv[1])
selected = network.selected(DatasetSplit(sys.argv[2], "test"))
inputs = inputs_of(selected.stamps(0, 16))
np.save(sys.argv[3], network.probabilities(inputs))
"""


@pytest.mark.slow
@pytest.mark.parametrize("other", ["jax", "torch", "tensorflow"])
@pytest.mark.parametrize("name", ["compact", "rcnn"])
def test_answers_agree_between_backends(small_dataset, tmp_path, name, other):
    if other == keras.backend.backend() or find_spec(other) is None:
        pytest.skip(f"{other} is the backend of this run, or not installed")
    sizes = {"compact": {}, "rcnn": {"filters": 4, "dense": 16, "units": 8}}
    options = NetworkOptions(
        network=name,
        choices=sizes[name],
        iterations=3,
        batch=32,
        images=5,
        validate_every=3,
        precision="float32",
        schedule="constant",
    )
    network = NetworkTraining(small_dataset, tmp_path / "model", options).run()
    inputs = inputs_of(
        SelectedSplit(DatasetSplit(small_dataset, "test"), network.selection).stamps(0, 16)
    )
    out = tmp_path / "answers.npy"
    command = [sys.executable, "-c", _ANSWERS, network.folder, small_dataset, out, other]
    subprocess.run(command, check=True, env={**os.environ, "KERAS_BACKEND": other})
    np.testing.assert_allclose(np.load(out), network.probabilities(inputs), atol=1e-5)


@pytest.mark.slow
def test_saved_weights_come_back_to_equal_bits(small_dataset, tmp_path):
    options = NetworkOptions(iterations=1, batch=32, images=3, precision="float32")
    network = NetworkTraining(small_dataset, tmp_path / "model", options).run()
    save_weights(network.variants.whole, network.folder / "weights.npz")
    again = Network.open(network.folder)
    for one, other in zip(
        network.variants.whole.weights, again.variants.whole.weights, strict=True
    ):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (one, other)))
