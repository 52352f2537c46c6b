"""A step by NumPy gives what the Keras model of the step gives."""

import numpy as np
import pytest

from classifier.models.recurrent import build_network
from classifier.models.recurrent.backend import keras
from classifier.models.recurrent.numpy_step import NumpyStep

N_BANDS = 3
NETWORKS = {
    "compact": {},
    "compact of planes": {"planes": ("template", "difference")},
    "multiband": {"n_bands": N_BANDS},
    "multiband per band": {"n_bands": N_BANDS, "encoder": "per_band"},
    "multiband shared": {"n_bands": N_BANDS, "encoder": "shared", "size_pix": 22},
    "multiband of planes": {"n_bands": N_BANDS, "planes": ("difference",), "times": False},
}


def variants_of(name, **choices):
    keras.utils.set_random_seed(3)
    return build_network(name, **{"size_pix": 21, "n_classes": 4} | choices)


def images_of(model, n, rng):
    """Arrays for the inputs of a step, states apart."""
    ranges = {"noise": (20, 90), "njy_per_e": (1, 9), "seeing": (2, 7), "days": (0, 900)}
    found = {}
    for name, tensor in model.input.items():
        shape = (n, *tensor.shape[1:])
        if name == "band":
            found[name] = rng.integers(0, N_BANDS, shape).astype(np.int32)
        elif name in ("usable", "present"):
            found[name] = np.ones(shape, dtype=np.float32)
        elif not name.startswith("state_"):
            drawn = (
                rng.uniform(*ranges[name], shape) if name in ranges else rng.normal(0, 50, shape)
            )
            found[name] = drawn.astype(np.float32)
    return found


@pytest.mark.parametrize("name", NETWORKS)
def test_a_step_by_numpy_is_that_of_keras(name):
    variants = variants_of(name.split()[0], **NETWORKS[name])
    model, rng = variants.step, np.random.default_rng(5)
    step = NumpyStep.of(model)
    states = {k: np.zeros((3, *shape), np.float32) for k, shape in variants.states.items()}
    seen = []
    for k in range(4):
        arrays = images_of(model, 3, rng)
        arrays["days"] = np.full((3, 1), 7.3 * k, dtype=np.float32)
        arrays |= {f"state_{key}": state for key, state in states.items()}
        expected, kept = model.predict_on_batch(arrays)
        found, renewed = step(arrays)
        np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)
        assert renewed.keys() == kept.keys()
        for key, state in renewed.items():
            assert state.dtype == np.float32
            scale = np.abs(kept[key]).max()
            np.testing.assert_allclose(state, kept[key], rtol=1e-4, atol=1e-5 * scale)
        states = kept
        seen.append(found)
    assert np.abs(np.diff(seen, axis=0)).max(axis=(1, 2)).min() > 1e-3


def test_a_network_with_other_layers_is_left_to_keras():
    assert NumpyStep.of(variants_of("rcnn", filters=4, dense=8, units=8).step) is None


def test_an_encoder_of_half_precision_is_left_to_keras():
    assert NumpyStep.of(variants_of("compact", dtype="bfloat16").step) is None
