"""The thesis's network: its table, its memory, and that padding and later images do not matter."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from classifier.models.recurrent.rcnn import ImageStack, rcnn

# Keras 3.15 reads its variables in a way NumPy 2.4 warns of
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SMALL = {"filters": 4, "dense": 16, "units": 8}
CHOICES = {
    "thesis": {},
    "one image": {"window": 1},
    "five images": {"window": 5},
    "no times": {"times": False},
    "batch": {"normalisation": "batch"},
    "not normalised": {"normalisation": "none"},
}
ROUNDING = 1e-5


def network(*, size_pix=21, n_classes=7, seed=0, **choices):
    """A small network none of whose weights is as it was made, moving moments included."""
    keras.utils.set_random_seed(seed)
    variants = rcnn(size_pix=size_pix, n_classes=n_classes, **{**SMALL, **choices})
    rng = np.random.default_rng(seed)
    for weight in variants.whole.weights:
        change = 0.1 * rng.normal(size=weight.shape)
        value = ops.convert_to_numpy(weight) + (change if weight.trainable else np.abs(change))
        weight.assign(value.astype(np.float32))
    return variants


def sequences(n_images, *, longest=None, size_pix=21, seed=1):
    """Arrays a network takes; sequences of the given lengths, padded with zeros."""
    n_images = np.asarray(n_images)
    longest = longest or n_images.max()
    rng = np.random.default_rng(seed)
    shown = np.arange(longest) < n_images[:, None]
    step_day = rng.exponential(0.5, shown.shape) * (np.arange(longest) > 0)
    images = rng.normal(0, 1500, (*shown.shape, size_pix, size_pix)) * shown[:, :, None, None]
    arrays = {
        "images": images,
        "usable": np.broadcast_to(shown[:, :, None, None], images.shape),
        "noise": np.where(shown, 25.0, 1.0),
        "njy_per_e": shown * 0.3,
        "seeing": np.full(shown.shape, 4.4),
        "days": np.cumsum(step_day, axis=1) * shown,
        "present": shown,
    }
    return {name: values.astype(np.float32) for name, values in arrays.items()}


def image(arrays, j):
    return {name: values[:, j : j + 1] for name, values in arrays.items()}


def answers(model, arrays, **kwargs):
    return ops.convert_to_numpy(model(arrays, **kwargs))


@pytest.fixture(scope="module")
def variants():
    return network()


@pytest.fixture(scope="module")
def full():
    return rcnn(size_pix=21, n_classes=7)


def test_every_layer_gives_what_table_3_3_says(full):
    layer = full.whole.get_layer
    arrays = sequences([2, 2])
    x, days, _ = layer("stack")(arrays["images"], arrays["days"])
    images = len(arrays["present"]) * 2
    table = {
        "scaled": (21, 21, 3),
        "normal_0": (21, 21, 3),
        "conv_1": (21, 21, 64),
        "normal_1": (21, 21, 64),
        "conv_2": (21, 21, 64),
        "normal_2": (21, 21, 64),
        "conv_3": (21, 21, 64),
        "normal_3": (21, 21, 64),
        "pool_1": (11, 11, 64),
        "conv_4": (11, 11, 64),
        "normal_4": (11, 11, 64),
        "conv_5": (11, 11, 64),
        "normal_5": (11, 11, 64),
        "conv_6": (11, 11, 64),
        "normal_6": (11, 11, 64),
        "pool_2": (6, 6, 64),
        "flat": (2304,),
        "dense": (1024,),
        "dropout": (1024,),
    }
    for name, shape in table.items():
        x = layer(name)(x)
        assert x.shape == (images, *shape), name
    x = layer("with_days")([layer("in_sequence")(x, arrays["present"]), days])
    assert x.shape == (2, 2, 1024 + 3)
    hidden, h, c = layer("lstm")(x)
    assert (hidden.shape, h.shape, c.shape) == ((2, 2, 512), (2, 512), (2, 512))
    logits = ops.convert_to_numpy(layer("logits")(hidden))
    assert logits.shape == (2, 2, 7)
    np.testing.assert_allclose(logits, answers(full.whole, arrays), rtol=1e-5, atol=1e-5)


def test_it_has_as_many_parameters_as_the_table(full):
    convolutions = (3 * 3 * 3 + 1) * 64 + 5 * (3 * 3 * 64 + 1) * 64
    normals = 2 * 3 + 6 * 2 * 64  # gamma and beta
    dense = (2304 + 1) * 1024
    lstm = 4 * (1024 + 3 + 512 + 1) * 512  # four gates
    answer = (512 + 1) * 7
    trained = sum(int(np.prod(w.shape)) for w in full.whole.trainable_weights)
    assert trained == convolutions + normals + dense + lstm + answer == 5_705_037
    kept = [w for w in full.whole.non_trainable_weights if "seed" not in w.path]
    assert sum(int(np.prod(w.shape)) for w in kept) == normals + 7  # moments, and steps


@pytest.mark.parametrize(("size_pix", "n_classes", "pooled"), [(21, 7, 6), (33, 5, 9), (8, 2, 2)])
def test_any_stamp_size_and_number_of_classes(size_pix, n_classes, pooled):
    variants = network(size_pix=size_pix, n_classes=n_classes)
    arrays = sequences([2, 1], size_pix=size_pix)
    assert answers(variants.whole, arrays).shape == (2, 2, n_classes)
    assert answers(variants.hidden_states, arrays).shape == (2, 2, SMALL["units"])
    dense = variants.whole.get_layer("dense").kernel.shape
    assert dense == (pooled**2 * SMALL["filters"], SMALL["dense"])


@pytest.mark.parametrize("choices", CHOICES.values(), ids=CHOICES)
def test_image_by_image_gives_the_answers_of_the_whole_sequence(choices):
    variants, arrays = network(**choices), sequences([7, 7, 7])
    expected = answers(variants.whole, arrays)
    assert np.abs(np.diff(expected, axis=1)).max() > 1e-3  # the answers do change
    states = {name: np.zeros((3, *shape), np.float32) for name, shape in variants.states.items()}
    for j in range(7):
        named = {f"state_{name}": value for name, value in states.items()}
        got, states = keras.tree.map_structure(
            ops.convert_to_numpy, variants.step({**image(arrays, j), **named})
        )
        np.testing.assert_allclose(got, expected[:, j], rtol=ROUNDING, atol=ROUNDING)
        assert {name: value.shape[1:] for name, value in states.items()} == variants.states
    hidden = answers(variants.hidden_states, arrays)[:, -1]
    np.testing.assert_allclose(states["lstm_h"], hidden, atol=ROUNDING)


def test_the_answer_is_read_from_the_memory(variants):
    arrays = sequences([4, 2])
    read = variants.whole.get_layer("logits")(variants.hidden_states(arrays))
    np.testing.assert_array_equal(ops.convert_to_numpy(read), answers(variants.whole, arrays))


@pytest.mark.parametrize("j", [0, 2, 5])
def test_an_image_changes_no_answer_before_it(variants, j):
    arrays = sequences([6, 6])
    changed = {name: values.copy() for name, values in arrays.items()}
    changed["images"][:, j:] += 3_000
    changed["days"][:, j:] += 1.5
    before, after = (answers(variants.whole, shown) for shown in (arrays, changed))
    np.testing.assert_array_equal(before[:, :j], after[:, :j])
    assert np.all(np.abs(after - before)[:, j].max(axis=-1) > 1e-3)


def test_padding_changes_no_answer_of_the_images_shown(variants):
    n_images = [5, 3, 1]
    padded = sequences(n_images, longest=9)
    padded["images"][padded["present"] == 0] = 1e4
    padded["days"][padded["present"] == 0] = 50
    expected = answers(variants.whole, sequences(n_images, longest=9))
    for row, n in enumerate(n_images):
        alone = {name: values[row : row + 1, :n] for name, values in padded.items()}
        for arrays, at in ((padded, row), (alone, 0)):
            got = answers(variants.whole, arrays)[at, :n]
            np.testing.assert_allclose(got, expected[row, :n], rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.slow
@pytest.mark.parametrize("normalisation", ["renormalisation", "batch"])
def test_padding_enters_no_moments_while_training(normalisation):
    n_images, found = [5, 3, 1], []
    for rubbish in (0, 1e5):
        variants = network(normalisation=normalisation, dropout=0.0)
        arrays = sequences(n_images)
        arrays["images"][arrays["present"] == 0] = rubbish
        logits = answers(variants.whole, arrays, training=True)
        names = ("moving_mean", "moving_std")
        weights = [w for w in variants.whole.weights if w.path.endswith(names)]
        assert len(weights) == 14
        found.append([logits[arrays["present"] > 0], *map(ops.convert_to_numpy, weights)])
    for clean, dirty in zip(*found, strict=True):
        np.testing.assert_allclose(dirty, clean, rtol=ROUNDING, atol=ROUNDING)


def test_the_order_of_the_objects_and_their_company_do_not_matter(variants):
    arrays = sequences([4, 2, 3])
    expected = answers(variants.whole, arrays)
    turned = {name: values[::-1].copy() for name, values in arrays.items()}
    got = answers(variants.whole, turned)[::-1]
    np.testing.assert_allclose(got, expected, rtol=ROUNDING, atol=ROUNDING)


def test_without_times_the_days_change_nothing():
    variants, arrays = network(times=False), sequences([4, 4])
    later = {**arrays, "days": arrays["days"] * 3}
    np.testing.assert_array_equal(answers(variants.whole, arrays), answers(variants.whole, later))


@pytest.mark.slow
@pytest.mark.parametrize(
    "policy", ["float32", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)]
)
def test_a_training_step_moves_every_weight_and_answers_in_float32(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = network(n_classes=3).whole
    finally:
        keras.config.set_dtype_policy(before)
    arrays = sequences([5, 4, 5, 2], seed=4)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-2), loss)
    old = [ops.convert_to_numpy(w) for w in model.trainable_weights]
    labels = np.broadcast_to(np.array([[0], [1], [2], [1]]), arrays["present"].shape)
    value = model.train_on_batch(arrays, labels, sample_weight=arrays["present"])
    assert np.isfinite(value)
    for weight, was in zip(model.trainable_weights, old, strict=True):
        assert np.any(ops.convert_to_numpy(weight) != was), weight.path
    logits = answers(model, arrays)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()


def test_both_saved_forms_come_back_with_equal_bits(variants, tmp_path):
    arrays = sequences([3, 2])
    states = {
        f"state_{name}": np.ones((2, *shape), np.float32) for name, shape in variants.states.items()
    }
    for model, given_ in (
        (variants.whole, arrays),
        (variants.step, {**image(arrays, 1), **states}),
    ):
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        for got, expected in zip(
            keras.tree.flatten(loaded(given_)), keras.tree.flatten(model(given_)), strict=True
        ):
            np.testing.assert_array_equal(*map(ops.convert_to_numpy, (got, expected)))


def test_an_unknown_normalisation_is_refused_in_a_sentence():
    sentence = "normalisation 'layer'; allowed: renormalisation, batch, none"
    with pytest.raises(ValueError, match=sentence):
        rcnn(size_pix=21, n_classes=7, normalisation="layer")


def stacks_in_numpy(values, window):
    """Windows of a sequence (image, ...), their own axis last, one by one."""
    rows = [np.maximum(np.arange(j - window + 1, j + 1), 0) for j in range(len(values))]
    return np.stack([np.moveaxis(values[row], 0, -1) for row in rows])


@settings(deadline=None, max_examples=25)
@given(window=st.integers(1, 4), n_images=st.integers(1, 6), data=st.data())
def test_stacks_and_times_equal_numpy_however_a_sequence_is_cut(window, n_images, data):
    arrays = sequences([n_images, n_images], size_pix=3, seed=n_images)
    layer, state, got = ImageStack(window), None, []
    cuts = data.draw(st.sets(st.integers(1, n_images)))
    for first, end in zip([0, *sorted(cuts)], [*sorted(cuts), n_images], strict=True):
        if end > first:
            images, days = (arrays[name][:, first:end] for name in ("images", "days"))
            stacks, times, state = layer(images, days, state=state)
            stacks = ops.reshape(stacks, (2, end - first, 3, 3, window))
            got.append([ops.convert_to_numpy(stacks), ops.convert_to_numpy(times)])
    for name, pieces in zip(("images", "days"), zip(*got, strict=True), strict=True):
        expected = np.stack([stacks_in_numpy(values, window) for values in arrays[name]])
        np.testing.assert_array_equal(np.concatenate(pieces, axis=1), expected)


def test_a_state_of_zeros_is_a_fresh_start():
    arrays, layer = sequences([4, 4], size_pix=3), ImageStack(3)
    zeros = {name: np.zeros((2, *shape), np.float32) for name, shape in layer.states(3).items()}
    fresh, given_ = (layer(arrays["images"], arrays["days"], state=s) for s in (None, zeros))
    for mine, other in zip(*map(keras.tree.flatten, (fresh, given_)), strict=True):
        np.testing.assert_array_equal(*map(ops.convert_to_numpy, (mine, other)))


def test_a_stack_of_no_images_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="window = 0; a stack needs at least one image"):
        ImageStack(0)
