"""Batch renormalisation: against NumPy step by step, and against Keras' batch normalisation."""

import keras
import numpy as np
import pytest
from keras import ops

from classifier.models.recurrent.batch_renormalisation import BatchRenormalization

# Keras 3.15 reads its variables in a way NumPy 2.4 warns of
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SCHEDULE = {"plain_steps": 2, "d_steps": 6, "r_steps": 9, "r_max": 1.5, "d_max": 0.8}
SHAPES = [(40, 3), (12, 5, 3), (9, 4, 5, 3)]
ROUNDING = 2e-5  # some hundred float32 roundings of values up to 10


class Oracle:
    """The layer in float64."""

    def __init__(self, channels, *, plain_steps, r_steps, d_steps, r_max, d_max):
        self.mean, self.std, self.step = np.zeros(channels), np.ones(channels), 0
        self.plain_steps, self.r_steps, self.d_steps = plain_steps, r_steps, d_steps
        self.r_max, self.d_max = r_max, d_max

    def train(self, x, counted=None):
        x = np.asarray(x, dtype=float)
        kept = x if counted is None else x[np.asarray(counted, dtype=bool)]
        axes = tuple(range(x.ndim - 1))
        mean, std = kept.mean(axis=axes), np.sqrt(kept.var(axis=axes) + 1e-3)
        r_max = np.interp(self.step, (self.plain_steps, self.r_steps), (1, self.r_max))
        d_max = np.interp(self.step, (self.plain_steps, self.d_steps), (0, self.d_max))
        r = np.clip(std / self.std, 1 / r_max, r_max)
        d = np.clip((mean - self.mean) / self.std, -d_max, d_max)
        self.mean, self.std = 0.99 * self.mean + 0.01 * mean, 0.99 * self.std + 0.01 * std
        self.step += 1
        return (x - mean) / std * r + d

    def infer(self, x):
        return (x - self.mean) / self.std


def numbers(shape, seed, *, mean=0.0, std=1.0):
    drawn = np.random.default_rng(seed).normal(size=shape) * std + mean
    return drawn.astype(np.float32)


def drifting(shape, step):
    """Batches whose moments differ by channel and leave every limit of r and d behind."""
    mean = np.array([0.0, -3.0, 0.3]) * (1 + step)
    return numbers(shape, step, mean=mean, std=np.array([1.0, 0.2, 4.0]))


def applied(layer, x, **kwargs):
    return ops.convert_to_numpy(layer(x, **kwargs))


def moving(layer):
    return [ops.convert_to_numpy(w) for w in (layer.moving_mean, layer.moving_std)]


def assert_moved_like(layer, oracle):
    mean, std = moving(layer)
    np.testing.assert_allclose(mean, oracle.mean, rtol=ROUNDING, atol=ROUNDING)
    np.testing.assert_allclose(std, oracle.std, rtol=ROUNDING)


def gradients(function, *arrays):
    """Derivatives of a scalar function with respect to every array, whatever the backend."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return [np.asarray(g) for g in jax.grad(function, range(len(arrays)))(*arrays)]
    tensors = [ops.convert_to_tensor(array) for array in arrays]
    if backend == "torch":
        tensors = [tensor.clone().requires_grad_() for tensor in tensors]
        function(*tensors).backward()
        return [ops.convert_to_numpy(tensor.grad) for tensor in tensors]
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = function(*tensors)
    return [gradient.numpy() for gradient in tape.gradient(value, tensors)]


def weighted_output(layer, weight):
    """A scalar of the layer's training output, of its input and of gamma and beta."""
    fixed = [variable.value for variable in layer.non_trainable_variables]

    def function(x, gamma, beta):
        y, _ = layer.stateless_call([gamma, beta], fixed, x, training=True)
        return ops.sum(ops.multiply(y, weight))

    return function


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_training_step_and_inference_equal_numpy(shape, masked):
    layer, oracle = BatchRenormalization(**SCHEDULE), Oracle(3, **SCHEDULE)
    for step in range(12):
        x = drifting(shape, step)
        counted = np.arange(shape[0]) % 3 != step % 3 if masked else None
        kwargs = {"mask": counted.astype(np.float32)} if masked else {}
        expected = oracle.train(x, counted)
        # where a channel's spread is small against its mean, x - mean keeps fewer digits
        np.testing.assert_allclose(
            applied(layer, x, training=True, **kwargs), expected, rtol=1e-4, atol=1e-3
        )
        assert_moved_like(layer, oracle)
        np.testing.assert_allclose(applied(layer, x), oracle.infer(x), rtol=1e-4, atol=1e-4)


def test_compiled_training_moves_the_statistics_as_numpy_does():
    layer, oracle = BatchRenormalization(**SCHEDULE), Oracle(3, **SCHEDULE)
    model = keras.Sequential([keras.Input((4, 5, 3)), layer])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    for step in range(4):
        x = drifting((9, 4, 5, 3), step)
        oracle.train(x)
        model.train_on_batch(x, x)
    assert_moved_like(layer, oracle)


@pytest.mark.parametrize("shape", SHAPES)
def test_in_its_plain_steps_it_is_batch_normalisation_in_output_and_gradients(shape):
    x, weight = numbers(shape, 1, mean=0.7, std=2.0), numbers(shape, 2)
    gamma, beta = numbers(3, 3, mean=1.0, std=0.2), numbers(3, 4)
    ours, theirs = BatchRenormalization(), keras.layers.BatchNormalization(epsilon=1e-3)
    for layer in (ours, theirs):
        layer.build(shape)
        layer.gamma.assign(gamma)
        layer.beta.assign(beta)
    got = [gradients(weighted_output(layer, weight), x, gamma, beta) for layer in (ours, theirs)]
    np.testing.assert_allclose(
        applied(ours, x, training=True),
        applied(theirs, x, training=True),
        rtol=ROUNDING,
        atol=ROUNDING,
    )
    for mine, other in zip(*got, strict=True):
        scale = np.abs(other).max()
        np.testing.assert_allclose(mine, other, rtol=ROUNDING, atol=ROUNDING * scale)


def test_no_gradient_passes_r_and_d():
    x, weight = numbers((30, 3), 5, mean=0.4, std=1.3), numbers((30, 3), 6)
    layer = BatchRenormalization(r_max=10.0, d_max=10.0, plain_steps=0, r_steps=1, d_steps=1)
    layer.build((30, 3))
    layer.steps.assign(1)
    ones, zeros = np.ones(3, np.float32), np.zeros(3, np.float32)
    got, _, _ = gradients(weighted_output(layer, weight), x, ones, zeros)
    std = np.sqrt(x.var(axis=0) + 1e-3)
    normal, r = (x - x.mean(axis=0)) / std, std  # the moving standard deviation is 1
    through_moments = weight.mean(axis=0) + normal * (weight * normal).mean(axis=0)
    np.testing.assert_allclose(got, r / std * (weight - through_moments), atol=ROUNDING)
    # r and d are far from their limits: with their gradients it would be that of x / 1
    assert np.abs(got - weight).max() > 0.1


def test_moving_statistics_converge_to_those_of_a_fixed_distribution():
    rows, momentum, mean, std = 256, 0.9, np.array([3.0, -40.0]), np.array([0.5, 12.0])
    layer = BatchRenormalization(momentum=momentum, epsilon=1e-9)
    for step in range(250):  # 0.9^250 of the first values is left
        layer(numbers((rows, 2), step, mean=mean, std=std), training=True)
    averaged = np.sqrt((1 - momentum) / (1 + momentum))  # scatter of a moving average
    found_mean, found_std = moving(layer)
    assert np.all(np.abs(found_mean - mean) < 5 * std / np.sqrt(rows) * averaged)
    bias = std * 0.75 / rows  # of the standard deviation of a sample, n in the denominator
    assert np.all(np.abs(found_std - std) < 5 * std / np.sqrt(2 * rows) * averaged + bias)


def test_limits_rise_from_batch_normalisation_as_in_the_paper():
    layer = BatchRenormalization()
    layer.build((None, 3))
    steps = [0, 5_000, 15_000, 22_500, 25_000, 40_000, 100_000]
    found = []
    for step in steps:
        layer.steps.assign(step)
        found.append([float(ops.convert_to_numpy(limit)) for limit in layer.limits()])
    r_max, d_max = np.transpose(found)
    np.testing.assert_allclose(r_max, [1, 1, 1 + 4 / 7, 2, 1 + 8 / 7, 3, 3], rtol=1e-6)
    np.testing.assert_allclose(d_max, [0, 0, 2.5, 4.375, 5, 5, 5], rtol=1e-6)


def test_rows_that_do_not_count_are_normalised_by_those_that_do():
    x = numbers((8, 4, 3), 7)
    garbage = x.copy()
    garbage[5:] = 1e6
    mask = np.arange(8) < 5
    short, long = BatchRenormalization(), BatchRenormalization()
    expected = applied(short, x[:5], training=True)
    got = applied(long, garbage, training=True, mask=mask)
    np.testing.assert_allclose(got[:5], expected, rtol=ROUNDING, atol=ROUNDING)
    for mine, other in zip(moving(long), moving(short), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-8)


def test_a_batch_without_a_row_that_counts_moves_nothing():
    layer = BatchRenormalization()
    layer(numbers((6, 3), 8), training=True)
    before = moving(layer)
    after_output = applied(layer, numbers((6, 3), 9), training=True, mask=np.zeros(6, bool))
    np.testing.assert_array_equal(moving(layer), before)
    assert np.isfinite(after_output).all()


def test_a_frozen_layer_infers_while_training():
    layer = BatchRenormalization(trainable=False)
    x = numbers((6, 3), 10, mean=5.0)
    np.testing.assert_array_equal(applied(layer, x, training=True), applied(layer, x))
    np.testing.assert_array_equal(moving(layer), [np.zeros(3), np.ones(3)])


def test_statistics_stay_float32_under_mixed_precision():
    coarse = BatchRenormalization(dtype="mixed_bfloat16", **SCHEDULE)
    fine = BatchRenormalization(**SCHEDULE)
    for step in range(5):
        x = ops.cast(drifting((9, 4, 3), step), "bfloat16")
        got = coarse(x, training=True)
        expected = applied(fine, ops.cast(x, "float32"), training=True)
    assert keras.backend.standardize_dtype(got.dtype) == "bfloat16"
    got = ops.convert_to_numpy(ops.cast(got, "float32"))
    np.testing.assert_allclose(got, expected, rtol=2.0**-8, atol=1e-5)  # 8 bits of mantissa
    for mine, other in zip(moving(coarse), moving(fine), strict=True):
        assert mine.dtype == np.float32
        np.testing.assert_allclose(mine, other, rtol=1e-6)


def test_a_saved_layer_comes_back_with_its_settings_and_equal_bits(tmp_path):
    layer = BatchRenormalization(momentum=0.9, epsilon=1e-2, **SCHEDULE)
    model = keras.Sequential([keras.Input((4, 3)), layer])
    for step in range(4):
        model(drifting((9, 4, 3), step), training=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].get_config() == layer.get_config()
    x = drifting((9, 4, 3), 5)
    for training in (False, True, True):
        np.testing.assert_array_equal(
            applied(loaded, x, training=training), applied(model, x, training=training)
        )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"r_max": 0.5}, r"r_max = 0\.5, d_max = 5\.0; r_max must be at least 1"),
        ({"d_max": -1}, r"d_max = -1; .* d_max at least 0"),
        ({"r_max": float("nan")}, "r_max = nan"),
        ({"d_max": float("inf")}, "d_max = inf; .* both finite"),
        ({"plain_steps": -1}, "plain_steps = -1, .* must be from 0"),
        ({"plain_steps": 25_000}, "d_steps = 25000; plain_steps must be .* below the smaller"),
        ({"momentum": 1.0}, r"momentum = 1\.0, .* from 0 to below 1"),
        ({"epsilon": 0}, r"epsilon = 0; .* epsilon above 0"),
    ],
)
def test_arguments_out_of_range_are_refused_in_a_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        BatchRenormalization(**arguments)


def test_a_mask_of_another_shape_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"the mask has the shape \(6, 1\); it must be \(row,\)"):
        BatchRenormalization()(numbers((6, 3), 11), training=True, mask=np.ones((6, 1)))
