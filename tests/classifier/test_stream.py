"""A stream predicts as the model does for the whole sequence, image by image."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from astropy.utils.masked import Masked
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.dataset import DatasetSplit
from classifier.network_inputs import inputs_of
from classifier.stream import Conditions, Stream
from skyreel.errors import ClassifierError
from tests.helpers.streams import IMAGES, alert, followed, many, network_of

TOLERANCE = 1e-5
NAMES = ("compact", "rcnn")


@pytest.fixture(scope="module")
def split(small_dataset):
    return DatasetSplit(small_dataset, "test")


@pytest.fixture(scope="module", params=NAMES)
def network(request, tmp_path_factory, split):
    return network_of(request.param, tmp_path_factory.mktemp("networks"), split)


@pytest.fixture(scope="module")
def compact(tmp_path_factory, split):
    return network_of("compact", tmp_path_factory.mktemp("networks"), split)


@pytest.fixture(scope="module")
def stamps(split):
    """The images of the split that are shown."""
    return split.stamps(0, len(split))


def one_by_one(stream, stamps, alerts):
    return np.stack([stream.update(row, *alert(stamps, row, epoch)) for row, epoch in alerts])


def test_a_stream_predicts_as_the_network_does_for_the_split(network, split, stamps):
    """Also beyond the images of the training, which are read in windows of as many."""
    rows, shortest = list(range(24)), int(split.n_epochs.min())
    assert shortest > 2 * IMAGES
    found = followed(Stream(network), stamps, rows, range(shortest))
    expected = network.predict(split, threads=1).probabilities
    assert expected.shape[1] == split.longest
    assert np.abs(np.diff(expected[:, :shortest], axis=1)).max(axis=(0, 2)).min() > 1e-4
    np.testing.assert_allclose(found, expected[rows, :shortest], atol=TOLERANCE, rtol=0)


def test_further_images_change_no_bit_of_the_predictions_before_them(network, split):
    first = network.selected(split).stamps(0, len(split))
    expected = network.probabilities(inputs_of(first))
    assert expected.shape[1] == IMAGES
    found = network.predict(split, threads=1).probabilities
    np.testing.assert_array_equal(found[:, :IMAGES], expected)


def test_sequences_of_different_lengths_are_read_to_their_ends(compact, stamps):
    n_images = np.array([0, 1, IMAGES, IMAGES + 1, 2 * IMAGES, 2 * IMAGES + 1])
    places = np.tile(np.arange(15), (6, 1))
    cut = stamps.of(np.arange(6)).rearranged(places, n_images)
    found = compact.probabilities(inputs_of(cut))
    known = np.isfinite(found).all(axis=2)
    np.testing.assert_array_equal(known, np.arange(15) < n_images[:, None])
    alone = stamps.of(np.arange(6)).rearranged(places, np.full(6, 15))
    whole = compact.probabilities(inputs_of(alone))
    np.testing.assert_array_equal(found[known], whole[known])


def test_an_image_of_no_use_changes_nothing(network, stamps):
    images = stamps.images_adu[:4].copy()
    images[0, 0] = images[1, 2] = np.nan
    images[2, 3, :15] = np.nan
    images[3, 1, 5:8, 5:8] = np.inf  # a few masked pixels: of use
    few = {name: array[:4] for name, array in stamps.arrays().items()}
    damaged = replace(stamps, **{**few, "images_adu": images})
    stream = Stream(network)
    found = followed(stream, damaged, range(4), range(IMAGES))
    shown = damaged.rearranged(np.tile(np.arange(IMAGES), (4, 1)), np.full(4, IMAGES))
    expected = network.probabilities(inputs_of(shown))
    assert [stream.n_images(row) for row in range(4)] == [5, 5, 5, 6]
    assert np.isnan(found[0, 0]).all()
    for row, left_out in ((0, 0), (1, 2), (2, 3)):
        kept = np.delete(found[row], left_out, axis=0)
        np.testing.assert_allclose(kept, expected[row, :5], atol=TOLERANCE, rtol=0)
        if left_out:
            np.testing.assert_array_equal(found[row, left_out], found[row, left_out - 1])
    np.testing.assert_allclose(found[3], expected[3], atol=TOLERANCE, rtol=0)


def test_an_object_whose_first_image_is_of_no_use_is_not_known_yet(compact, stamps):
    stream = Stream(compact)
    _, conditions = alert(stamps, 0, 0)
    assert np.isnan(stream.update("a", np.full((21, 21), np.nan), conditions)).all()
    assert "a" not in stream and len(stream) == 0


def test_pixels_beyond_all_reckoning_change_nothing(network, stamps):
    stream = Stream(network)
    before = stream.update(0, *alert(stamps, 0, 0))
    for most in (3e38, 1e300):
        wild = np.full((21, 21), most)
        wild[:3] = -most
        again = stream.update(0, wild, alert(stamps, 0, 1)[1])
        np.testing.assert_array_equal(again, before)
    assert np.isfinite(stream.update(0, *alert(stamps, 0, 2))).all()


@pytest.fixture(scope="module")
def alone(compact, stamps):
    """Answers to the first images of three objects, alert by alert."""
    alerts = [(row, epoch) for epoch in range(4) for row in range(3)]
    return dict(zip(alerts, one_by_one(Stream(compact), stamps, alerts), strict=True))


@settings(deadline=None, max_examples=15)
@given(
    rows=st.permutations([0, 1, 2] * 4), cuts=st.sets(st.integers(1, 11)), seed=st.integers(0, 99)
)
def test_how_alerts_are_cut_into_batches_changes_nothing(compact, stamps, alone, rows, cuts, seed):
    """Objects interleave in any way, and lie in any order within a batch."""
    stream, rng = Stream(compact), np.random.default_rng(seed)
    alerts = [(row, rows[:place].count(row)) for place, row in enumerate(rows)]
    ends = [0, *sorted(cuts), 12]
    for first, end in pairwise(ends):
        batch = [alerts[k] for k in rng.permutation(np.arange(first, end))]
        expected = [alone[key] for key in batch]
        found = many(stream, stamps, batch)
        np.testing.assert_allclose(found, expected, atol=TOLERANCE, rtol=0)


def test_an_empty_batch_is_no_batch(compact):
    assert Stream(compact).update_many([], [], []).shape == (0, len(compact.classes))


def test_a_stream_saved_midway_goes_on_as_if_nothing_had_been(network, stamps, tmp_path):
    rows, whole, first = list(range(5)), Stream(network), Stream(network)
    followed(whole, stamps, rows, range(3))
    followed(first, stamps, rows, range(3))
    first.save(tmp_path / "stream.npz")
    again = Stream.load(tmp_path / "stream.npz", network)
    assert len(again) == 5 and again.n_images(3) == 3
    np.testing.assert_array_equal(
        followed(again, stamps, rows, range(3, IMAGES)),
        followed(whole, stamps, rows, range(3, IMAGES)),
    )


def test_a_stream_saved_by_version_0_1_is_continued(compact, stamps, tmp_path):
    first, whole = Stream(compact), Stream(compact)
    followed(first, stamps, range(4), range(2))
    followed(whole, stamps, range(4), range(2))
    first.save(tmp_path / "stream.npz")
    with np.load(tmp_path / "stream.npz") as file:
        arrays = {key: file[key] for key in file.files}
    about = json.loads(str(arrays["about"]))
    about = {"format_version": 1, "network": about["model"], "identity": about["identity"]}
    arrays |= {"about": np.array(json.dumps(about))}
    arrays["kept_answer"] = arrays.pop("kept_prediction")
    arrays["kept_memory"] = arrays.pop("kept_hidden_state")
    np.savez(tmp_path / "old.npz", **arrays)
    found = followed(Stream.load(tmp_path / "old.npz", compact), stamps, range(4), [2])
    np.testing.assert_array_equal(found, followed(whole, stamps, range(4), [2]))


def test_a_model_that_needs_all_images_at_once_is_refused():
    class Forest:
        name, card, states = "trees", {"kind": "forest"}, None

    with pytest.raises(ClassifierError, match="trees is a forest, which needs all images"):
        Stream(Forest())


def test_an_empty_stream_can_be_saved(compact, tmp_path):
    Stream(compact).save(tmp_path / "stream.npz")
    assert len(Stream.load(tmp_path / "stream.npz", compact)) == 0


def test_what_is_kept_of_an_object_does_not_grow(network, stamps, tmp_path):
    stream, sizes = Stream(network), []
    for epoch in range(15):  # far beyond the images the network is shown
        answers = followed(stream, stamps, range(8), [epoch])
        stream.save(tmp_path / "stream.npz")
        sizes.append((tmp_path / "stream.npz").stat().st_size)
        np.testing.assert_allclose(answers.sum(axis=-1), 1, atol=1e-5)
    assert len(set(sizes)) == 1 and stream.n_images(7) == 15
    states = sum(np.prod(shape) for shape in network.variants.states.values())
    assert stream.bytes_per_object == 4 * (states + len(network.classes)) + 24


def test_a_forgotten_object_begins_anew_and_makes_room(compact, stamps):
    stream = Stream(compact)
    first = followed(stream, stamps, range(6), range(2))
    stream.forget([2, 4])
    assert len(stream) == 4 and 2 not in stream and 3 in stream
    np.testing.assert_allclose(
        followed(stream, stamps, [2], range(2)), first[[2]], atol=TOLERANCE, rtol=0
    )
    kept = followed(stream, stamps, [3], [2])
    np.testing.assert_allclose(
        kept, followed(Stream(compact), stamps, [3], range(3))[:, 2:], atol=TOLERANCE, rtol=0
    )


def test_forgetting_what_is_not_known_is_refused_and_nothing_forgotten(compact, stamps):
    stream = Stream(compact)
    followed(stream, stamps, range(3), [0])
    with pytest.raises(ClassifierError, match="object 'Vega' is not among the 3"):
        stream.forget([1, "Vega"])
    assert len(stream) == 3


def test_names_are_text(compact, stamps):
    stream = Stream(compact)
    stream.update(17, *alert(stamps, 0, 0))
    stream.update("17", *alert(stamps, 0, 1))
    assert len(stream) == 1 and 17 in stream and stream.n_images("17") == 2
    assert stream.n_images("other") == 0 and stream.classes == compact.classes


def test_an_unknown_seeing_is_the_last_known_one_of_the_object(compact, stamps):
    seeing = {"seeing_fwhm_pix": stamps.seeing_fwhm_pix[0, 0]}
    found = {}
    for name, known in (
        ("same", seeing),
        ("nan", {"seeing_fwhm_pix": np.nan}),
        ("none", {"seeing_fwhm_pix": None}),
    ):
        stream = Stream(compact)
        stream.update(0, *alert(stamps, 0, 0))
        found[name] = stream.update(0, *alert(stamps, 0, 1, **known))
    np.testing.assert_array_equal(found["nan"], found["same"])
    np.testing.assert_array_equal(found["none"], found["same"])
    unknown = {"gain_e_per_adu": None, "read_noise_e": None, "seeing_fwhm_pix": None}
    assert np.isfinite(Stream(compact).update(0, *alert(stamps, 0, 0, **unknown))).all()


@pytest.mark.parametrize("image", [np.zeros((20, 21)), np.zeros(441), np.zeros((1, 21, 21)), 3.0])
def test_an_image_of_another_shape_is_refused(compact, stamps, image):
    stream = Stream(compact)
    good, conditions = alert(stamps, 0, 0)
    with pytest.raises(ClassifierError, match=r"object 'b': an image of shape .* takes \(21, 21\)"):
        stream.update_many(["a", "b"], [good, image], [conditions] * 2)
    assert len(stream) == 0


def test_an_image_that_holds_no_numbers_is_refused(compact, stamps):
    with pytest.raises(ClassifierError, match="must hold real numbers"):
        Stream(compact).update("a", np.full((21, 21), "x"), alert(stamps, 0, 0)[1])


@pytest.mark.parametrize("epochs", [[2, 2], [2, 1]])
def test_a_time_that_is_not_after_the_last_one_is_refused(compact, stamps, epochs):
    stream = Stream(compact)
    stream.update(0, *alert(stamps, 0, epochs[0]))
    with pytest.raises(ClassifierError, match=r"object '0': an image of MJD .* after one of"):
        many(stream, stamps, [(1, 0), (0, 4), (0, epochs[1])])
    assert len(stream) == 1 and stream.n_images(0) == 1
    with pytest.raises(ClassifierError, match="in the order of their times"):
        many(stream, stamps, [(1, 3), (0, 4), (1, 3)])
    assert len(stream) == 1 and stream.n_images(0) == 1


def test_a_batch_of_unequal_lengths_is_refused(compact, stamps):
    image, conditions = alert(stamps, 0, 0)
    with pytest.raises(ClassifierError, match="2 objects, 1 images and 1 conditions"):
        Stream(compact).update_many(["a", "b"], [image], [conditions])


GOOD = {"mjd": 57000.0, "zero_point_mag": 25.0, "exposure_time_s": 86.0}


@pytest.mark.parametrize(
    "name, value",
    [
        ("mjd", np.nan),
        ("mjd", 2457000.5),
        ("mjd", -999.0),
        ("zero_point_mag", np.inf),
        ("zero_point_mag", 99.0),
        ("zero_point_mag", np.ma.masked),
        ("exposure_time_s", 0.0),
        ("exposure_time_s", -5.0),
        ("exposure_time_s", np.nan),
        ("exposure_time_s", 1e300),
        ("exposure_time_s", None),
        ("seeing_fwhm_pix", 0.0),
        ("seeing_fwhm_pix", np.inf),
        ("gain_e_per_adu", -1.0),
        ("gain_e_per_adu", 0.0),
        ("gain_e_per_adu", "4"),
        ("read_noise_e", -np.inf),
        ("read_noise_e", -1.0),
    ],
)
def test_conditions_that_cannot_be_are_refused(name, value):
    with pytest.raises(ClassifierError, match=rf"{name} = .*; (it must be|allowed: )"):
        Conditions(**{**GOOD, name: value})


@pytest.mark.parametrize("name", ["seeing_fwhm_pix", "gain_e_per_adu", "read_noise_e"])
@pytest.mark.parametrize("unknown", [None, np.nan, np.float32(np.nan), np.ma.masked, pd.NA])
def test_conditions_may_be_unknown_in_any_form(name, unknown):
    assert np.isnan(getattr(Conditions(**GOOD, **{name: unknown}), name))
    assert Conditions(**GOOD, read_noise_e=0.0).read_noise_e == 0


@pytest.mark.parametrize("form", ["numpy", "astropy", "pandas", "objects"])
def test_masked_pixels_are_bad_pixels(compact, stamps, form):
    image, conditions = alert(stamps, 0, 0)
    hidden = np.zeros((21, 21), dtype=bool)
    hidden[:6] = True
    bright = np.where(hidden, 30000.0, image)
    with_nan = np.where(hidden, np.nan, image)
    masked = {
        "numpy": np.ma.masked_array(bright, hidden),
        "astropy": Masked(bright, mask=hidden),
        "pandas": pd.DataFrame(with_nan).astype("Float64"),
        "objects": np.where(hidden, None, image.astype(object)),
    }[form]
    expected = Stream(compact).update("a", with_nan, conditions)
    assert not np.array_equal(Stream(compact).update("a", bright, conditions), expected)
    np.testing.assert_array_equal(Stream(compact).update("a", masked, conditions), expected)
    of_many = Stream(compact).update_many(["a"], [masked], [conditions])
    np.testing.assert_array_equal(of_many, expected[None])
    if form == "numpy":
        whole = np.ma.masked_array(bright[None], hidden[None])
        found = Stream(compact).update_many(["a"], whole, [conditions])
        np.testing.assert_array_equal(found, expected[None])
