"""A network of several bands: each band by itself, colours, and the same in a stream."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import json

import keras
import numpy as np
import pytest
from keras import ops

from classifier.dataset import DatasetSplit
from classifier.features import FEATURES, features_of
from classifier.features.pipeline import FeatureConfig, FeaturePipeline
from classifier.image_selection import ImageSelection, SelectedSplit
from classifier.models.recurrent import build_network
from classifier.models.recurrent.backend import compiled
from classifier.models.recurrent.light_curve_layers import LightCurve
from classifier.models.recurrent.multiband import ENCODERS
from classifier.models.recurrent.multiband_layers import BandConvolution, MultibandLightCurve
from classifier.models.recurrent.trained_network import Network
from classifier.network_inputs import inputs_of
from classifier.stream import Conditions, Stream
from finetune.homogenise import Homogenising
from finetune.real_sequences import RealSet
from skyreel.errors import ClassifierError, FinetuneError
from tests.helpers.running import run

N_BANDS = 3
PER_IMAGE = ("flux", "error", "width", "width_weight", "seeing", "noise", "days", "present")


def light_curves(seed=0, n=5, length=9, n_bands=N_BANDS):
    """Made-up measurements (object, image) by name; the last object is shorter."""
    rng = np.random.default_rng(seed)
    found = {
        "flux": rng.normal(1000, 300, (n, length)),
        "error": rng.uniform(10, 40, (n, length)),
        "width": rng.normal(0, 5, (n, length)),
        "width_weight": rng.uniform(1, 9, (n, length)),
        "seeing": rng.uniform(3, 6, (n, length)),
        "noise": rng.uniform(50, 150, (n, length)),
        "days": np.cumsum(rng.uniform(0.01, 3, (n, length)), axis=1),
        "present": np.ones((n, length)),
    }
    found = {name: values.astype(np.float32) for name, values in found.items()}
    band = rng.integers(0, n_bands, (n, length)).astype(np.int32)
    found["present"][-1, 6:], band[-1, 6:] = 0, 0
    return found, band


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def test_the_columns_of_a_band_are_those_of_its_images_alone():
    curves, band = light_curves()
    columns = numpy(MultibandLightCurve(N_BANDS)(**curves, band=band)[0])
    for k in range(N_BANDS):
        for i in range(len(band)):
            rows = np.flatnonzero((band[i] == k) & (curves["present"][i] > 0))
            if rows.size:
                alone = {name: values[i : i + 1, rows] for name, values in curves.items()}
                expected = numpy(LightCurve()(**alone)[0])[0]
                found = columns[i, rows, : LightCurve.COLUMNS]
                np.testing.assert_allclose(found, expected, atol=2e-4)


def test_colours_follow_from_the_last_flux_in_every_band():
    curves, band = light_curves()
    columns = numpy(MultibandLightCurve(N_BANDS)(**curves, band=band)[0])
    own, seen, ratio, age = np.split(columns[..., LightCurve.COLUMNS :], 4, axis=-1)
    for i, j in np.ndindex(band.shape):
        if not curves["present"][i, j]:
            assert not columns[i, j].any()
            continue
        np.testing.assert_array_equal(own[i, j], np.eye(N_BANDS)[band[i, j]])
        for k in range(N_BANDS):
            before = np.flatnonzero(band[i, : j + 1] == k)
            assert seen[i, j, k] == (before.size > 0)
            if before.size:
                last = before[-1]
                f, g = curves["flux"][i, last], curves["flux"][i, j]
                scale = abs(f) + abs(g) + curves["error"][i, last] + curves["error"][i, j]
                assert ratio[i, j, k] == pytest.approx(2 * (f - g) / scale, abs=1e-5)
                days = curves["days"][i, j] - curves["days"][i, last]
                assert age[i, j, k] == pytest.approx(np.log1p(days), abs=1e-5)


@pytest.mark.parametrize(("strides", "padding"), [(1, "same"), (2, "same"), (1, "valid")])
def test_a_band_convolution_is_that_of_the_kernel_of_each_band(strides, padding):
    rng = np.random.default_rng(1)
    images, band = rng.normal(size=(7, 11, 11, 2)).astype(np.float32), np.arange(7) % N_BANDS
    layer = BandConvolution(N_BANDS, 4, 3, strides, padding)
    found = numpy(layer(images, band))
    assert found.shape[1:] == layer.compute_output_shape(images.shape)[1:]
    kernels, biases = (numpy(w) for w in layer.weights)
    for k in range(N_BANDS):
        kernel = kernels[k].reshape(3, 3, 2, 4)
        expected = ops.conv(images[band == k], kernel, strides, padding) + biases[k]
        np.testing.assert_allclose(found[band == k], np.maximum(numpy(expected), 0), atol=1e-5)


@pytest.fixture(scope="module", params=ENCODERS)
def variants(request):
    keras.utils.set_random_seed(3)
    return build_network(
        "multiband",
        size_pix=21,
        n_classes=4,
        n_bands=N_BANDS,
        encoder=request.param,
        filters=(4, 4, 6, 6),
        embedding=8,
        units=8,
    )


@pytest.fixture(scope="module")
def three_bands(tmp_path_factory):
    """Simulated LSST sequences; g, r and i are read, u, z and y are not."""
    from simulator.dataset.plan import make_plan
    from simulator.dataset.run import execute, writer_for
    from simulator.options import Options

    path = tmp_path_factory.mktemp("data") / "lsst.zarr"
    cadence = {"cadence.min_epochs": 10, "cadence.max_epochs": 24}
    plan = make_plan("lsst", Options(seed=2), path, n=84, validation=42, test=42, overrides=cadence)
    with writer_for(plan) as writer:
        execute(plan, writer, threads=1)
    return path


SELECTION = ImageSelection(images=12, bands=("g", "r", "i"))


def inputs_in(path):
    selected = SelectedSplit(DatasetSplit(path, "test"), SELECTION)
    return inputs_of(selected.stamps(0, 42), multiband=True)


def test_image_by_image_it_predicts_as_for_the_whole_sequence(variants, three_bands):
    inputs = inputs_in(three_bands)
    whole = numpy(variants.whole(inputs.arrays()))
    states = {f"state_{k}": np.zeros((42, *shape), "f4") for k, shape in variants.states.items()}
    for j in range(inputs.images.shape[1]):
        image = {name: values[:, j : j + 1] for name, values in inputs.arrays().items()}
        logits, renewed = variants.step.predict_on_batch({**image, **states})
        there = inputs.n_images > j
        np.testing.assert_allclose(logits[there], whole[there, j], atol=1e-4)
        states = {f"state_{name}": value for name, value in renewed.items()}


@pytest.mark.parametrize("n", [1, 5])
def test_a_compiled_step_predicts_as_keras_does(variants, three_bands, n):
    inputs = inputs_in(three_bands).of(slice(n), 1)
    rng = np.random.default_rng(n)
    states = {
        f"state_{name}": rng.uniform(0.5, 1.5, (n, *shape)).astype(np.float32)
        for name, shape in variants.states.items()
    }
    step, arrays = compiled(variants.step), {**inputs.arrays(), **states}
    logits, renewed = step(arrays)
    expected, expected_states = variants.step.predict_on_batch(arrays)
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(logits, expected, atol=1e-6, rtol=0)
    assert renewed.keys() == expected_states.keys()
    for name, values in renewed.items():
        np.testing.assert_allclose(values, expected_states[name], rtol=1e-6, atol=1e-6)


def test_the_images_of_the_bands_are_selected_in_order_of_time(three_bands):
    split = DatasetSplit(three_bands, "test")
    stamps = SelectedSplit(split, SELECTION).stamps(0, 42)
    whole = split.stamps(0, 42)
    for i in range(42):
        used = np.flatnonzero(np.isin(whole.band[i, : whole.n_epochs[i]], [1, 2, 3]))[:12]
        assert stamps.n_epochs[i] == used.size
        np.testing.assert_array_equal(stamps.mjd[i, : used.size], whole.mjd[i, used])
        np.testing.assert_array_equal(stamps.band[i, : used.size], whole.band[i, used] - 1)


def test_the_order_of_bands_is_that_of_the_model(three_bands):
    split = DatasetSplit(three_bands, "test")
    one, other = (
        SelectedSplit(split, ImageSelection(bands=bands)).stamps(0, 9)
        for bands in (("g", "r"), ("r", "g"))
    )
    used = np.arange(one.mjd.shape[1]) < one.n_epochs[:, None]
    np.testing.assert_array_equal(one.band[used], 1 - other.band[used])
    np.testing.assert_array_equal(one.images_adu, other.images_adu)


def test_a_selection_of_one_band_in_an_old_card_is_read():
    old = {"images": 22, "start_fractions": [0.5], "band": "r"}
    assert ImageSelection.of_dict(old) == ImageSelection(start_fractions=(0.5,), bands=("r",))


@pytest.mark.parametrize("bands", [(), ("g", "g")])
def test_no_bands_and_repeated_bands_are_refused(bands):
    with pytest.raises(ClassifierError, match="name each once"):
        ImageSelection(bands=bands)


def test_a_network_of_several_bands_refuses_one():
    with pytest.raises(ClassifierError, match="use compact for one"):
        build_network("multiband", size_pix=21, n_classes=4, n_bands=1)


def test_a_network_of_one_band_refuses_several():
    with pytest.raises(ClassifierError, match="use multiband"):
        build_network("compact", size_pix=21, n_classes=4, n_bands=2)


SMALL = ("filters=[4,4,6,6]", "embedding=8", "units=8")


@pytest.fixture(scope="module")
def trained(three_bands, tmp_path_factory):
    """A network trained by its command on g, r and i for a few steps."""
    folder = tmp_path_factory.mktemp("model") / "multiband"
    choices = [word for choice in SMALL for word in ("--choice", choice)]
    with pytest.MonkeyPatch.context() as patch:
        where = ["--data", three_bands, "--out", folder, "--band", "g,r,i"]
        short = ["--images", 12, "--iterations", 3, "--batch", 16, "--validate-every", 3]
        code = run(patch, "train", "--model", "multiband", *where, *short, *choices, "--quiet")
    assert code == 0
    return folder


@pytest.mark.slow
def test_the_command_trains_and_evaluates_it(trained):
    card = json.loads((trained / "model.json").read_text())
    assert card["selection"]["bands"] == ["g", "r", "i"]
    assert card["choices"]["encoder"] == "first_layer"
    assert (trained / "evaluation" / "index.html").is_file()


@pytest.mark.slow
def test_a_stream_of_several_bands_predicts_as_the_model_does(trained, three_bands):
    network, split = Network.open(trained), DatasetSplit(three_bands, "test")
    assert network.bands == ("g", "r", "i")
    expected = network.predict(split)
    stamps, stream = network.selected(split).stamps(0, 8), Stream(network)
    for i in range(8):
        for j in range(int(stamps.n_epochs[i])):
            conditions = Conditions(
                mjd=stamps.mjd[i, j],
                zero_point_mag=float(stamps.zero_point_mag[i, j]),
                exposure_time_s=float(stamps.exposure_time_s[i, j]),
                seeing_fwhm_pix=float(stamps.seeing_fwhm_pix[i, j]),
                gain_e_per_adu=float(stamps.gain_e_per_adu[i]),
                read_noise_e=float(stamps.read_noise_e[i]),
                band=network.bands[stamps.band[i, j]],
            )
            found = stream.update(i, stamps.images_adu[i, j], conditions)
            np.testing.assert_allclose(found, expected.probabilities[i, j], atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("band", [None, "y"])
def test_a_stream_refuses_a_band_that_the_model_does_not_have(trained, band):
    stream = Stream(Network.open(trained))
    conditions = Conditions(mjd=61300.0, zero_point_mag=28.0, exposure_time_s=30.0, band=band)
    with pytest.raises(ClassifierError, match="the model takes g, r, i"):
        stream.update("a", np.ones((21, 21)), conditions)
    assert len(stream) == 0


def test_features_of_several_bands_are_those_of_each_and_colours(three_bands):
    split, bands = DatasetSplit(three_bands, "test"), ("g", "r")
    config = FeatureConfig(images=12, bands=bands, light_curves="science")
    pipeline = FeaturePipeline(split, config)
    curves, n_images = pipeline.light_curves(0, 42), np.full(42, 9)
    found = pipeline.features(curves, n_images)
    names = config.feature_names
    assert found.shape == (42, len(names))
    assert len(names) == 2 * len(FEATURES) + 1
    for i in range(42):
        for k, band in enumerate(bands):
            images = np.flatnonzero(curves.band[i, : min(9, curves.n_epochs[i])] == k)
            one = (values[i, images] for values in (curves.mjd, curves.flux_njy))
            expected = features_of(*one, curves.flux_error_njy[i, images])
            for name in ("Mean", "Std", "PeriodLS", "Skew"):
                value = found[i, names.index(f"{band}_{name}")]
                assert value == pytest.approx(expected[name], rel=1e-5, nan_ok=True)
    mean_g, mean_r = (found[:, names.index(f"{band}_Mean")] for band in bands)
    with np.errstate(invalid="ignore", divide="ignore"):
        colour = np.where((mean_g > 0) & (mean_r > 0), -2.5 * np.log10(mean_g / mean_r), np.nan)
    np.testing.assert_allclose(found[:, names.index("colour_g-r")], colour, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_a_forest_of_several_bands_is_trained_by_the_command(three_bands, tmp_path, monkeypatch):
    where = ["--data", three_bands, "--out", tmp_path / "forest", "--band", "g,r"]
    small = ["--images", 4, "--trees", 3, "--depth", 3, "--light-curves", "science"]
    code = run(monkeypatch, "train", "--model", "forest", *where, *small, "--quiet")
    assert code == 0
    card = json.loads((tmp_path / "forest" / "model.json").read_text())
    assert card["feature_config"]["bands"] == ["g", "r"]
    assert "colour_g-r" in card["features"]


@pytest.mark.slow
def test_finetune_refuses_it(trained, three_bands):
    with pytest.raises(FinetuneError, match="reads the bands g, r, i"):
        RealSet.read(three_bands, "test", Network.open(trained), Homogenising())
