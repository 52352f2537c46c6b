"""Stamp classifiers: layers as published, invariance under rotations, preprocessing, loss."""

import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from classifier.models.recurrent.backend import keras
from classifier.models.stamp.loss import RegularisedCrossEntropy
from classifier.models.stamp.networks import NETWORKS, TWO_ALERTS, build_stamp_network
from classifier.models.stamp.preprocessing import MISSING, PREPROCESSINGS, calibrated, prepared
from classifier.models.stamp.preprocessing import quantiles as by_quantiles
from skyreel.errors import ClassifierError

N = 6


def built(name, **choices):
    keras.utils.set_random_seed(7)
    columns = {"deep-hits": 0, "alerce-stamp": 23}.get(name, 26)
    sizes = {"size_pix": 21, "n_planes": 3, "n_classes": 5, "n_metadata": columns}
    return build_stamp_network(name, **{**sizes, **choices})


def inputs_for(network, seed=0):
    generator = np.random.default_rng(seed)
    return {
        name: generator.normal(size=(N, *tensor.shape[1:])).astype(np.float32)
        for name, tensor in network.input.items()
    }


def turned(inputs, k):
    return {n: np.rot90(a, k, axes=(1, 2)) if a.ndim == 4 else a for n, a in inputs.items()}


def predicted(network, inputs):
    return keras.ops.convert_to_numpy(network(inputs, training=False))


@pytest.mark.parametrize("name", NETWORKS)
def test_cyclic_pooling_makes_predictions_invariant_under_quarter_turns(name):
    network = built(name, rotations="average")
    inputs = inputs_for(network)
    first = predicted(network, inputs)
    assert first.shape == (N, 5) and np.ptp(first, axis=0).min() > 1e-3
    for k in (1, 2, 3):
        np.testing.assert_allclose(predicted(network, turned(inputs, k)), first, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size_pix", [9, 21, 31, 63])
def test_strided_convolutions_read_stamps_of_any_size(name, size_pix):
    network = built(name, encoder="strided", rotations="none", size_pix=size_pix)
    inputs = inputs_for(network)
    assert predicted(network, inputs).shape == (N, 5)
    n_encoders = 2 if name == "two-stamp-separated" else 1
    side = min(-(-size_pix // 4), 4)
    per_encoder = sum(
        layer.count_params()
        for layer in network.layers
        if "convolution" in layer.name or "central_units" in layer.name
    )
    planes = 6 if name == "two-stamp-stacked" else 3
    expected = 25 * planes * 32 + 32 + 9 * 32 * 64 + 64 + 9 * 64 * 96 + 96 + side**2 * 96 * 64 + 64
    assert per_encoder == n_encoders * expected


def test_strided_convolutions_are_pooled_over_quarter_turns_alike():
    network = built("alerce-stamp", encoder="strided", rotations="average")
    inputs = inputs_for(network)
    first = predicted(network, inputs)
    np.testing.assert_allclose(predicted(network, turned(inputs, 1)), first, atol=1e-5)


@pytest.mark.parametrize("rotations", ["none", "concatenate"])
def test_other_networks_depend_on_the_orientation(rotations):
    network = built("deep-hits", rotations=rotations)
    inputs = inputs_for(network)
    apart = np.abs(predicted(network, turned(inputs, 1)) - predicted(network, inputs))
    assert apart.max() > 1e-3


def test_an_object_does_not_depend_on_the_others_of_its_batch():
    network = built("alerce-stamp")
    inputs = inputs_for(network)
    alone = {name: array[2:3] for name, array in inputs.items()}
    np.testing.assert_allclose(
        predicted(network, alone)[0], predicted(network, inputs)[2], atol=1e-5
    )


CONVOLUTIONS = [3 * 4 * 4 * 32 + 32, 9 * 32 * 32 + 32, 9 * 32 * 64 + 64, *[9 * 64 * 64 + 64] * 2]
BLOCK = sum(CONVOLUTIONS) + 2304 * 64 + 64  # table 4.1
SQUARE = 64 * 64 + 64
OUTPUT = 64 * 5 + 5


def test_numbers_of_weights_are_those_of_the_tables():
    assert built("deep-hits").count_params() == BLOCK + SQUARE + OUTPUT
    joined = built("deep-hits", rotations="concatenate").count_params()
    assert joined == BLOCK + 3 * 2304 * 64 + SQUARE + OUTPUT
    head = 87 * 64 + 64 + SQUARE + OUTPUT + 4 * 23  # table 4.2, and the batch normalisation
    assert built("alerce-stamp").count_params() == BLOCK + head
    second = 3 * 4 * 4 * 32  # three more planes
    head = 117 * 64 + 64 + SQUARE + OUTPUT + 4 * 53  # table 4.3
    assert built("two-stamp-stacked").count_params() == BLOCK + second + head
    alert = BLOCK + 90 * 64 + 64 + SQUARE + 4 * 26  # table 4.4
    last = 129 * 128 + 128 + 128 * 64 + 64 + OUTPUT  # 64 + 64 + 1 inputs
    assert built("two-stamp-separated").count_params() == 2 * alert + last


@pytest.mark.parametrize("name", TWO_ALERTS)
def test_the_time_between_alerts_is_read(name):
    network = built(name, n_metadata=0)
    inputs = inputs_for(network)
    later = {**inputs, "ln_days": inputs["ln_days"] + 2}
    assert np.abs(predicted(network, later) - predicted(network, inputs)).max() > 1e-3


def test_unknown_networks_and_metadata_for_deep_hits_are_refused():
    with pytest.raises(ClassifierError, match="known networks: deep-hits"):
        built("deep-hits-2")
    with pytest.raises(ClassifierError, match="reads no metadata; use alerce-stamp"):
        built("deep-hits", n_metadata=3)


@pytest.mark.parametrize("beta", [0.0, 1e-3, 0.5])
def test_the_loss_is_the_formula_of_the_report(beta):
    logits = np.random.default_rng(1).normal(0, 3, (40, 5)).astype(np.float32)
    labels = np.arange(40) % 5
    p = np.exp(logits.astype(float))
    p /= p.sum(axis=1, keepdims=True)
    expected = -np.log(p[np.arange(40), labels]) + beta * (p * np.log(p)).sum(axis=1)
    found = float(RegularisedCrossEntropy(beta)(labels, logits))
    assert found == pytest.approx(expected.mean(), rel=1e-5)
    sure = float(RegularisedCrossEntropy(beta)(np.array([0]), np.array([[200.0, 0, 0]], "f4")))
    assert sure == pytest.approx(0, abs=1e-6)


def test_quantiles_scale_a_plane_as_the_thesis_does():
    plane = np.arange(1, 442, dtype=np.float32).reshape(1, 1, 21, 21)
    plane[0, 0, 4, 4] = np.nan
    finite = plane[np.isfinite(plane)]
    low, high = np.quantile(finite, (0.1, 0.9))
    found = by_quantiles(plane)[0, 0]
    expected = np.clip((plane[0, 0] - low) / high, -1, 1)
    assert found[4, 4] == MISSING
    np.testing.assert_allclose(found[np.isfinite(expected)], expected[np.isfinite(expected)], 1e-5)


def test_calibrated_planes_do_not_depend_on_gain_and_sky():
    planes = np.random.default_rng(2).normal(0, 1, (3, 3, 63, 63)).astype(np.float32)
    found = calibrated(planes)
    np.testing.assert_allclose(calibrated(planes * 7 + 100), found, atol=1e-3)
    assert np.std(np.sinh(found) * 3) == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("name", PREPROCESSINGS)
@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_planes_without_content_become_finite_numbers(name, value):
    planes = np.random.default_rng(3).normal(5, 1, (2, 3, 21, 21)).astype(np.float32)
    planes[0, 1] = value
    found = prepared(planes, name, 21)
    assert found.shape == (2, 21, 21, 3) and np.isfinite(found).all()
    assert (found[0, ..., 1] == {"quantiles": MISSING, "calibrated": 0}[name]).all()
    np.testing.assert_array_equal(found[1], prepared(planes[1:], name, 21)[0])


@pytest.mark.parametrize("name", PREPROCESSINGS)
def test_the_ratio_of_signal_to_noise_is_a_fourth_plane(name):
    rng = np.random.default_rng(6)
    planes = rng.normal(5, 1, (2, 3, 25, 25)).astype(np.float32)
    ratio = rng.normal(0, 1, (2, 25, 25)).astype(np.float32)
    ratio[0, 12, 12] = np.nan
    found = prepared(planes, name, 21, ratio)
    np.testing.assert_array_equal(found[..., :3], prepared(planes, name, 21))
    assert found.shape == (2, 21, 21, 4)
    assert found[0, 10, 10, 3] == {"quantiles": MISSING, "calibrated": 0}[name]
    if name == "calibrated":
        inside = ratio[1, 2:-2, 2:-2]
        np.testing.assert_allclose(3 * np.sinh(found[1, ..., 3]), inside, atol=1e-5)


def test_stamps_are_cut_about_their_central_pixel():
    planes = np.random.default_rng(4).normal(5, 1, (1, 3, 63, 63)).astype(np.float32)
    planes[0, :, 31, 31] = 500
    whole, cut = (prepared(planes, "calibrated", size) for size in (63, 21))
    np.testing.assert_array_equal(cut, whole[:, 21:42, 21:42])
    assert (cut[0, 10, 10] == whole.max(axis=(0, 1, 2))).all()


@pytest.mark.parametrize("size", [0, 64, 22])
def test_sizes_that_do_not_fit_are_refused(size):
    with pytest.raises(ClassifierError, match="cannot be cut to"):
        prepared(np.zeros((1, 3, 63, 63), np.float32), "calibrated", size)
    with pytest.raises(ClassifierError, match="known are calibrated, quantiles"):
        prepared(np.zeros((1, 3, 63, 63), np.float32), "none", 21)


_ON_ANOTHER_BACKEND = """
import sys
import numpy as np
from tests.classifier.test_stamp_networks import built, keras, predicted
assert keras.backend.backend() == sys.argv[1]
arrays = np.load(sys.argv[2])
network = built("two-stamp-separated")
for k, variable in enumerate(network.weights):
    variable.assign(arrays[f"w{k}"])
inputs = {name: arrays[name] for name in network.input}
np.save(sys.argv[3], predicted(network, inputs))
"""


@pytest.mark.slow
@pytest.mark.parametrize("other", ["jax", "torch"])
def test_predictions_agree_between_backends(tmp_path, other):
    if other == keras.backend.backend() or find_spec(other) is None:
        pytest.skip(f"{other} is the backend of this run, or not installed")
    network = built("two-stamp-separated")
    inputs, out = inputs_for(network), tmp_path / "found.npy"
    weights = {f"w{k}": keras.ops.convert_to_numpy(v) for k, v in enumerate(network.weights)}
    np.savez(tmp_path / "arrays.npz", **weights, **inputs)
    command = [sys.executable, "-c", _ON_ANOTHER_BACKEND, other, tmp_path / "arrays.npz", out]
    subprocess.run(command, check=True, env={**os.environ, "KERAS_BACKEND": other})
    np.testing.assert_allclose(np.load(out), predicted(network, inputs), atol=1e-5)
