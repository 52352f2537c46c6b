"""Networks that read template and difference images beside those of the exposures."""

import numpy as np
import pytest

from classifier.dataset import DatasetSplit
from classifier.image_selection import ImageSelection, SelectedSplit
from classifier.models.recurrent import build_network
from classifier.models.recurrent.backend import keras
from classifier.models.recurrent.plane_layers import DetectionHistory
from classifier.models.recurrent.trained_network import Network
from classifier.network_inputs import inputs_of
from classifier.stream import Stream
from classifier.training.options import NetworkOptions
from classifier.training.sources import EndlessSource
from classifier.training.train import NetworkTraining
from skyreel.errors import ClassifierError

PLANES = ("template", "difference")
SMALL = {"filters": [4, 4, 6, 6], "embedding": 8, "units": 8}
N = 28


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.fixture(scope="module", params=["compact", "multiband"])
def case(request, planes_dataset):
    """(network variants, inputs) of science images and both planes."""
    bands = ("g", "r") if request.param == "multiband" else ("r",)
    selection = ImageSelection(images=6, bands=bands, planes=PLANES)
    stamps = SelectedSplit(DatasetSplit(planes_dataset, "test"), selection).stamps(0, N)
    keras.utils.set_random_seed(3)
    variants = build_network(
        request.param, size_pix=21, n_classes=4, n_bands=len(bands), planes=PLANES, **SMALL
    )
    return variants, inputs_of(stamps, multiband=selection.multiband)


def test_planes_are_in_units_of_their_noise(planes_dataset):
    split = DatasetSplit(planes_dataset, "test")
    stamps = split.with_planes(PLANES).stamps(0, N)
    for name in PLANES:
        values, noise, mask = (split.values(name + end) for end in ("", "_noise_adu", "_mask"))
        used = (np.arange(split.longest) < split.n_epochs[:, None])[..., None, None] & (mask == 0)
        found = getattr(stamps, f"{name}_snr")
        np.testing.assert_allclose(found[used], values[used] / noise[used], rtol=1e-5)
        assert np.isnan(found[~used]).all()
    assert split.stamps(0, N).template_snr is None


def test_the_inputs_keep_the_order_of_the_images(case, planes_dataset):
    _, inputs = case
    known = inputs.present > 0
    assert np.ptp(inputs.difference[known], axis=(1, 2)).min() > 0
    assert not inputs.difference[~known].any() and not inputs.detection[~known].any()
    turned = inputs.rotated(np.full(N, 1))
    for name in ("images", *PLANES):
        expected = np.rot90(getattr(inputs, name), axes=(2, 3))
        np.testing.assert_array_equal(getattr(turned, name), expected)


def test_image_by_image_it_predicts_as_for_the_whole_sequence(case):
    variants, inputs = case
    whole = variants.whole.predict_on_batch(inputs.arrays())
    states = {f"state_{k}": np.zeros((N, *shape), "f4") for k, shape in variants.states.items()}
    for j in range(inputs.images.shape[1]):
        image = {name: values[:, j : j + 1] for name, values in inputs.arrays().items()}
        logits, renewed = variants.step.predict_on_batch({**image, **states})
        there = inputs.n_images > j
        np.testing.assert_allclose(logits[there], whole[there, j], atol=1e-5)
        states = {f"state_{name}": value for name, value in renewed.items()}


@pytest.mark.parametrize("name", [*PLANES, "detection"])
def test_every_plane_changes_the_prediction(case, name):
    variants, inputs = case
    arrays = inputs.arrays()
    before = numpy(variants.whole(arrays))
    after = numpy(
        variants.whole(
            {
                **arrays,
                name: arrays[name]
                + 20
                * inputs.present.reshape(inputs.present.shape + (1,) * (arrays[name].ndim - 2)),
            }
        )
    )
    assert abs(after - before)[inputs.present > 0].max() > 1e-4


def test_detections_are_counted_by_sign_and_not_where_padded():
    signal = np.array([[6.0, -7.0, 4.9, 5.0, 9.0]], dtype=np.float32)
    present = np.array([[1, 1, 1, 1, 0]], dtype=np.float32)
    columns, state = (numpy(x) for x in DetectionHistory()(signal, present))
    np.testing.assert_allclose(np.expm1(columns[0, :4, 3]), [1, 1, 1, 2], rtol=1e-6)
    np.testing.assert_allclose(np.expm1(columns[0, :4, 4]), [0, 1, 1, 1], rtol=1e-6)
    np.testing.assert_allclose(np.expm1(columns[0, :4, 5]), [1, 2, 3, 4], rtol=1e-6)
    assert not columns[0, 4].any()
    np.testing.assert_array_equal(state, [[2, 1, 4]])


def test_sequences_made_for_training_are_those_stored(planes_dataset):
    selection = ImageSelection(images=8, bands=("r",), planes=PLANES)
    split = DatasetSplit(planes_dataset, "train")
    source = EndlessSource.like(split, selection, 0, 42)
    made, labels = source.block(0, 0)
    stored = inputs_of(SelectedSplit(split, selection).stamps(0, 42))
    np.testing.assert_array_equal(labels[:42], split.labels)
    for name, values in stored.arrays().items():
        np.testing.assert_array_equal(made.of(slice(42)).arrays()[name], values)


@pytest.fixture(scope="module")
def network(planes_dataset, tmp_path_factory):
    options = NetworkOptions(
        choices=SMALL,
        planes="template,difference",
        iterations=2,
        batch=16,
        images=4,
        precision="float32",
    )
    return NetworkTraining(
        planes_dataset, tmp_path_factory.mktemp("model") / "model", options
    ).run()


def test_a_trained_network_is_opened_with_its_planes(network, planes_dataset):
    again = Network.open(network.folder)
    assert again.selection.planes == PLANES
    split = DatasetSplit(planes_dataset, "test")
    found = again.predict(split).probabilities
    np.testing.assert_array_equal(found, network.predict(split).probabilities)
    assert np.isfinite(found[:, 0]).any()


def test_data_without_planes_are_refused(network, small_dataset):
    with pytest.raises(ClassifierError, match="has no template and no difference images"):
        network.predict(DatasetSplit(small_dataset, "test"))


def test_a_stream_refuses_a_network_planes_dataset(network):
    with pytest.raises(ClassifierError, match="use classify"):
        Stream(network)


def test_the_thesis_network_refuses_planes():
    with pytest.raises(ClassifierError, match="reads no template"):
        build_network("rcnn", size_pix=21, n_classes=4, planes=("template",))


@pytest.mark.parametrize("planes", [("science",), ("template", "template")])
def test_unknown_and_repeated_planes_are_refused(planes):
    with pytest.raises(ClassifierError, match="name one or both"):
        ImageSelection(planes=planes)


def test_a_selection_without_planes_is_written_as_before():
    assert "planes" not in ImageSelection().as_dict()
    chosen = ImageSelection(planes=("difference",))
    assert ImageSelection.of_dict(chosen.as_dict()) == chosen
