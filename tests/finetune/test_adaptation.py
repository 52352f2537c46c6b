"""Networks adapted to a few sequences: what changes, what must not, and how far."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.dataset import DatasetSplit
from classifier.image_selection import SelectedSplit
from classifier.models.recurrent import build_network
from classifier.models.recurrent.backend import keras
from classifier.models.recurrent.trained_network import WEIGHTS, load_weights
from classifier.models.registry import open_model
from classifier.network_inputs import Inputs, inputs_of
from classifier.training.sources import MOST_SEEDS
from finetune.adaptation.fine_tuner import (
    LATEST_START,
    MOST_LEFT_OUT,
    FineTuner,
    augmented,
    balanced_rows,
    thinned,
    variants,
)
from finetune.adaptation.head import LAST, Head
from finetune.adaptation.methods import METHODS, GradientMethod, HeadMethod, method_named
from finetune.compared_methods import SEED_OFFSET, simulator_for
from finetune.options import MOST_SEED
from skyreel.errors import FinetuneError
from survey_profiles import load_profile
from tests.helpers.running import SMALL, untrained

SEEDS = st.integers(0, 10_000)


@pytest.fixture(scope="module")
def sequences(small_dataset, network):
    """(inputs, labels) of the training sequences, of 1 to 22 images."""
    split = DatasetSplit(small_dataset, "train")
    shown = SelectedSplit(split, replace(network.selection, images=22))
    inputs = inputs_of(shown.stamps(0, len(split)))
    kept = np.arange(22) < np.maximum(np.arange(len(inputs)) % 23, 1)[:, None]
    return thinned(inputs, kept & (inputs.present > 0)), split.labels


@settings(deadline=None, max_examples=10)
@given(seed=SEEDS)
def test_variants_are_fewer_images_of_the_same_sequences_in_order(sequences, seed):
    inputs, _ = sequences
    rows = np.random.default_rng(seed).integers(len(inputs), size=40)
    made = variants(inputs, rows, np.random.default_rng(seed))
    assert len(made) == 40
    for i, row in enumerate(rows):
        n, n_before = made.n_images[i], inputs.n_images[row]
        assert min(n_before, 5) <= n <= n_before
        np.testing.assert_array_equal(made.present[i], np.arange(22) < n)
        before = inputs.noise[row, :n_before].tolist()  # no two images have the same
        places = [before.index(noise) for noise in made.noise[i, :n].tolist()]
        assert places == sorted(set(places))
        days = inputs.days[row, places] - inputs.days[row, places[0]]
        np.testing.assert_allclose(made.days[i, :n], days, atol=1e-3)
        assert made.days[i, 0] == 0 and not made.days[i, n:].any()
        np.testing.assert_array_equal(made.seeing[i, :n], inputs.seeing[row, places])
        ways = [made.of([i]).rotated([way]).images[0, :n] for way in range(8)]
        assert any(np.array_equal(way, inputs.images[row, places]) for way in ways)


def test_variants_begin_late_and_lack_images_as_often_as_they_say(sequences):
    inputs, _ = sequences
    whole = int(inputs.n_images.argmax())
    longest, n = int(inputs.n_images[whole]), 2000
    made = variants(inputs, np.full(n, whole), np.random.default_rng(0))
    expected = (longest - LATEST_START / 2) * (1 - MOST_LEFT_OUT / 2)
    five_sigma = 5 * made.n_images.std() / np.sqrt(n)
    assert abs(made.n_images.mean() - expected) < five_sigma
    assert made.n_images.min() < expected - 3 and made.n_images.max() == longest


def test_the_longest_and_the_shortest_sequences_stay_possible(sequences):
    inputs, _ = sequences
    shortest = np.flatnonzero(inputs.n_images <= 5)
    made = variants(inputs, shortest, np.random.default_rng(0))
    np.testing.assert_array_equal(made.n_images, inputs.n_images[shortest])


@settings(deadline=None, max_examples=50)
@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=5), n=st.integers(1, 200), seed=SEEDS
)
def test_classes_are_balanced_and_no_object_is_left_out(counts, n, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    rows = balanced_rows(labels, n, np.random.default_rng(seed))
    times = np.bincount(rows, minlength=labels.size)
    by_class = [times[labels == c] for c in range(len(counts))]
    assert len({int(t.sum()) for t in by_class}) == 1 and rows.size >= n
    assert rows.size < n + len(counts) * (max(counts) + 1)
    assert all(t.max() - t.min() <= 1 and t.min() >= 1 for t in by_class)


@pytest.mark.parametrize("name", METHODS)
def test_variants_of_every_method_keep_their_labels(sequences, name):
    inputs, labels = sequences
    few = np.flatnonzero(inputs.n_images > 5)[:12]
    thin = method_named(name).thinned
    made, rows = augmented(inputs.of(few), labels[few], thin=thin, n=30, seed=0)
    assert len(made) == rows.size >= 30
    first = inputs.noise[few][rows]
    for i in range(len(made)):
        assert made.noise[i, 0] in first[i]
    assert (made.n_images < inputs.n_images[few][rows]).any() == thin


SMALL_RCNN = {"filters": 4, "dense": 8, "units": 6, "plain_steps": 2}
STEPS = {"batch": 16, "learning_rate": 5e-3, "thinned": False}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return untrained(tmp_path_factory.mktemp("models") / "tiny", load_profile("hits"))


@pytest.fixture(autouse=True)
def reset(network):
    """Every test begins with the same weights."""
    yield
    load_weights(network.variants.whole, network.folder / WEIGHTS)


@pytest.fixture
def training(sequences):
    """(inputs, labels) of twelve sequences, of three classes."""
    inputs, labels = sequences
    long = inputs.n_images >= 6
    rows = np.concatenate([np.flatnonzero(long & (labels == c))[:4] for c in (0, 2, 4)])
    return inputs.of(rows, 6), labels[rows]


def values(model):
    return {v.path: keras.ops.convert_to_numpy(v).copy() for v in model.weights}


def loss(network, inputs: Inputs, labels):
    chances = network.probabilities(inputs)[np.arange(len(labels)), :, labels]
    return -np.log(chances).mean()


def adapted(network, method, training, *, iterations=12, simulated=None, seed=0, **options):
    fine_tuner = FineTuner(network, method, iterations, simulated)
    fine_tuner.fit(*training, seed=seed, **options)
    return fine_tuner


@pytest.mark.parametrize(("name", "choices"), [("compact", SMALL), ("rcnn", SMALL_RCNN)])
def test_encoder_and_reader_are_the_whole_network(sequences, name, choices):
    keras.utils.set_random_seed(0)
    variants = build_network(name, size_pix=21, n_classes=7, **choices)
    arrays = sequences[0].of(slice(40, 60)).arrays()
    whole = keras.ops.convert_to_numpy(variants.whole(arrays))
    read = keras.ops.convert_to_numpy(variants.reader(variants.encoder(arrays)))
    assert whole.shape == (20, 22, 7) and whole.std() > 0
    np.testing.assert_allclose(read, whole, rtol=1e-4, atol=1e-5)
    parts = [set(values(model)) for model in (variants.encoder, variants.reader)]
    assert not parts[0] & parts[1] and parts[0] | parts[1] == set(values(variants.whole))


def test_only_the_last_layer_of_head_changes_and_its_loss_falls(network, training):
    before, loss_before = values(network.variants.whole), loss(network, *training)
    fine_tuner = adapted(network, HeadMethod(penalty=0.01), training)
    after, loss_after = values(network.variants.whole), loss(network, *training)
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {v.path for v in network.variants.whole.get_layer(LAST).weights}
    assert loss_after < 0.8 * loss_before
    fine_tuner.reset()
    for name, value in values(network.variants.whole).items():
        np.testing.assert_array_equal(value, before[name])


def test_a_fit_does_not_depend_on_the_fit_before_it(network, training):
    fine_tuner = adapted(network, HeadMethod(), training)
    once = values(network.variants.whole)
    fine_tuner.fit(training[0].of(slice(0, 8)), training[1][:8], seed=5)
    assert any(
        not np.array_equal(v, once[name]) for name, v in values(network.variants.whole).items()
    )
    fine_tuner.fit(*training, seed=0)
    for name, value in values(network.variants.whole).items():
        np.testing.assert_allclose(value, once[name], rtol=1e-6, atol=1e-7)
    fine_tuner.reset()


def test_features_and_weights_of_the_last_layer_give_the_logits(network, training):
    head = Head(network)
    kernel, bias = head.weights
    logits = head.features(training[0]) @ kernel + bias
    whole = keras.ops.convert_to_numpy(network.variants.whole(training[0].arrays()))
    np.testing.assert_allclose(logits, whole, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_reader_leaves_the_encoder_and_all_does_not(network, training, sequences):
    before, loss_before = values(network.variants.whole), loss(network, *training)
    asked, encoder = [], set(values(network.variants.encoder))

    def simulated():
        asked.append(True)
        inputs, labels = sequences
        return inputs.of(slice(0, 60), 6), labels[:60]

    for part, share in (("reader", 0.5), ("all", 0.0)):
        seen = []
        fine_tuner = adapted(
            network,
            GradientMethod(part=part, simulated=share, **STEPS),
            training,
            simulated=simulated,
            on_step=lambda done, loss, seen=seen: seen.append((done, loss)),
        )
        after = values(network.variants.whole)
        changed = {name for name in before if not np.array_equal(before[name], after[name])}
        assert bool(changed & encoder) == (part == "all") and changed - encoder
        assert loss(network, *training) < loss_before
        assert [done for done, _ in seen] == list(range(1, 13))
        assert np.isfinite([loss for _, loss in seen]).all()
        if share:
            fine_tuner.fit(*training, seed=0)
        fine_tuner.reset()
        for name, value in values(network.variants.whole).items():
            np.testing.assert_array_equal(value, before[name])
    assert len(asked) == 1  # once, by the method that needs any


@pytest.mark.slow
def test_the_parts_of_the_thesis_network_are_fitted_too(network, training):
    keras.utils.set_random_seed(0)
    variants = build_network("rcnn", size_pix=21, n_classes=7, **SMALL_RCNN)
    other, before = replace(network, variants=variants), values(variants.whole)
    adapted(other, HeadMethod(penalty=0.1), training).reset()
    adapted(other, GradientMethod(part="reader", simulated=0.0, **STEPS), training, iterations=2)
    changed = {
        name for name, v in values(variants.whole).items() if not np.array_equal(v, before[name])
    }
    assert changed and changed <= set(values(variants.reader))


@pytest.mark.slow
def test_a_saved_adapted_network_gives_the_same_probabilities(network, training, tmp_path):
    fine_tuner = adapted(network, HeadMethod(penalty=0.01), training)
    fine_tuner.save(tmp_path / "adapted", {"objects": 12})
    opened = open_model(tmp_path / "adapted")
    np.testing.assert_array_equal(
        opened.probabilities(training[0]), network.probabilities(training[0])
    )
    fine_tuner.reset()
    assert abs(opened.probabilities(training[0]) - network.probabilities(training[0])).max() > 0.01
    adapted_by = json.loads((tmp_path / "adapted" / "model.json").read_text())["adapted"]
    assert adapted_by["objects"] == 12 and adapted_by["method"]["part"] == "head"
    assert adapted_by["method"]["penalty"] == 0.01 and opened.selection == network.selection


def test_training_ends_early_once_its_loss_is_small(network, training):
    inputs, labels = training
    one = labels == labels[0]
    steps = []
    method = replace(METHODS["reader"], simulated=0.0, learning_rate=0.02, batch=8)
    fine_tuner = FineTuner(network, method, 400, None)
    fine_tuner.fit(
        inputs.of(one), labels[one], seed=0, on_step=lambda done, loss: steps.append(done)
    )
    fine_tuner.reset()
    assert 50 <= len(steps) < 400


def test_a_loss_that_is_no_number_is_one_sentence(network, training):
    inputs, labels = training
    broken = replace(inputs, noise=np.full_like(inputs.noise, np.nan))
    fine_tuner = FineTuner(network, GradientMethod(part="reader", simulated=0.0, **STEPS), 2, None)
    with pytest.raises(FinetuneError, match="no longer a number after iteration 1"):
        fine_tuner.fit(broken, labels, seed=0)
    fine_tuner.reset()


def test_a_network_whose_survey_cannot_be_simulated_says_so(network):
    for wrong in ({"profile": {}}, {"classes": ["bogus"]}):
        card = {key: v for key, v in {**network.card, **wrong}.items() if v != {}}
        other = replace(network, card=card, classes=tuple(card["classes"]))
        with pytest.raises(FinetuneError, match=r"cannot be simulated again .*plain") as caught:
            simulator_for(other)
        assert "\n" not in str(caught.value)
    assert simulator_for(network).options.stamp_size_pix == 21


def test_the_largest_seed_is_the_largest_that_the_simulator_has():
    assert MOST_SEED + SEED_OFFSET == MOST_SEEDS - 1


@pytest.mark.parametrize(("name", "meant"), [("committee", "ensemble"), ("head", "head")])
def test_former_names_of_methods_are_accepted(name, meant):
    assert method_named(name) is METHODS[meant]
