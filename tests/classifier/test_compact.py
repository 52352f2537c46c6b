"""The compact network and its layers."""

import numpy as np
import pytest

from classifier.dataset import DatasetSplit
from classifier.image_selection import ImageSelection, SelectedSplit
from classifier.models.recurrent import build_network
from classifier.models.recurrent.backend import keras
from classifier.models.recurrent.light_curve_layers import LightCurve, PsfPhotometry
from classifier.network_inputs import Inputs, inputs_of

SMALL = {"filters": (4, 6, 6, 8), "embedding": 8, "units": 12}
BETA = 3.8


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def answers(variants, inputs: Inputs):
    return numpy(variants.whole(inputs.arrays()))


@pytest.fixture(scope="module")
def inputs(small_dataset):
    return inputs_of(
        SelectedSplit(DatasetSplit(small_dataset, "train"), ImageSelection()).stamps(0, 6)
    )


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(1)
    return build_network("compact", size_pix=21, n_classes=7, **SMALL)


def stars(flux_njy, *, noise_njy=20.0, njy_per_e=0.0, seeing_pix=4.0, beta=3.8, seed=0, n=400):
    """One image each of stars at the centre of a stamp, with Gaussian and Poisson noise."""
    rng = np.random.default_rng(seed)
    axis = np.arange(21) - 10.0
    radius2 = axis[:, None] ** 2 + axis**2
    scale2 = seeing_pix**2 / (4 * (2 ** (1 / beta) - 1))
    profile = (1 + radius2 / scale2) ** -beta * (beta - 1) / (np.pi * scale2)
    light = flux_njy * profile
    variance = noise_njy**2 + njy_per_e * light
    images = light + rng.normal(size=(n, 1, 21, 21)) * np.sqrt(variance)
    known = (noise_njy, njy_per_e, seeing_pix)
    return [images, np.ones_like(images), *(np.full((n, 1), value) for value in known)]


@pytest.mark.parametrize("flux_njy", [0.0, 300.0, 30_000.0])
@pytest.mark.parametrize("njy_per_e", [0.0, 3.0])
def test_photometry_is_unbiased_and_its_errors_are_true(flux_njy, njy_per_e):
    arrays = [a.astype("float32") for a in stars(flux_njy, njy_per_e=njy_per_e)]
    flux, error, width, width_weight, _ = (numpy(x) for x in PsfPhotometry(BETA)(*arrays))
    pull = (flux - flux_njy) / error
    assert abs(pull.mean()) < 3.5 / np.sqrt(pull.size)
    assert abs(pull.std() - 1) < 3.5 / np.sqrt(2 * pull.size)
    extent = width / np.sqrt(width_weight)
    assert abs(extent.mean()) < 4 / np.sqrt(pull.size)
    assert abs(extent.std() - 1) < 4 / np.sqrt(2 * pull.size)


def test_photometry_errors_are_those_of_the_optimal_filter():
    arrays = [a.astype("float32") for a in stars(0.0, n=1)]
    error = numpy(PsfPhotometry(BETA)(*arrays)[1])[0, 0]
    axis = np.arange(21) - 10.0
    scale2 = 16 / (4 * (2 ** (1 / 3.8) - 1))
    profile = (1 + (axis[:, None] ** 2 + axis**2) / scale2) ** -3.8 * 2.8 / (np.pi * scale2)
    assert error == pytest.approx(20 / np.sqrt((profile**2).sum()), rel=1e-4)


def test_a_wider_object_shows_a_positive_width():
    wide = [a.astype("float32") for a in stars(30_000.0, seeing_pix=5.0)]
    wide[4][:] = 4.0
    _, _, width, width_weight, _ = (numpy(x) for x in PsfPhotometry(BETA)(*wide))
    assert (width / np.sqrt(width_weight)).mean() > 5


def test_masked_pixels_do_not_enter_photometry():
    images, usable, *known = (a.astype("float32") for a in stars(3000.0, n=5))
    before = numpy(PsfPhotometry(BETA)(images, usable, *known)[0])
    usable[:, :, 3, 4] = 0
    images[:, :, 3, 4] = 1e7
    after = numpy(PsfPhotometry(BETA)(images, usable, *known)[0])
    np.testing.assert_allclose(after, before, rtol=0.02)


def curve(n=4, length=9, seed=3):
    rng = np.random.default_rng(seed)
    days = np.sort(rng.uniform(0, 6, (n, length)), axis=1)
    made = {
        "flux": rng.normal(2000, 400, (n, length)),
        "error": rng.uniform(20, 60, (n, length)),
        "width": rng.normal(0, 1, (n, length)),
        "width_weight": rng.uniform(0.5, 2, (n, length)),
        "seeing": rng.uniform(3, 6, (n, length)),
        "noise": rng.uniform(10, 30, (n, length)),
        "days": days - days[:, :1],
        "present": np.ones((n, length)),
    }
    return {name: value.astype("float32") for name, value in made.items()}


def test_columns_are_what_they_are_called():
    made = curve()
    columns = numpy(LightCurve()(**made)[0])
    flux, error = made["flux"].astype(float), made["error"].astype(float)
    weight = 1 / (error**2 + (0.01 * flux) ** 2 + 1e-6)
    np.testing.assert_allclose(columns[..., 0], np.arcsinh(flux / error), rtol=1e-5)
    for j in range(1, flux.shape[1]):
        w, f = weight[:, :j], flux[:, :j]
        mean = (w * f).sum(axis=1) / w.sum(axis=1)
        sigma = np.sqrt(error[:, j] ** 2 + 1 / w.sum(axis=1) + (0.01 * mean) ** 2)
        change = np.arcsinh((flux[:, j] - mean) / sigma)
        np.testing.assert_allclose(columns[:, j, 3], change, rtol=2e-3, atol=2e-3)
        w, f = weight[:, : j + 1], flux[:, : j + 1]
        mean = (w * f).sum(axis=1) / w.sum(axis=1)
        chi2 = (w * (f - mean[:, None]) ** 2).sum(axis=1)
        np.testing.assert_allclose(columns[:, j, 7], np.log1p(chi2 / j), rtol=2e-3)
    assert (columns[:, 0, 3:7] == 0).all()


def test_columns_of_an_image_do_not_depend_on_later_ones_and_padding_is_zero():
    made = curve()
    before = numpy(LightCurve()(**made)[0])
    later = {name: value.copy() for name, value in made.items()}
    for name in ("flux", "error", "seeing"):
        later[name][:, 5:] *= 2
    later["present"][:, 7:] = 0
    after = numpy(LightCurve()(**later)[0])
    np.testing.assert_array_equal(after[:, :5], before[:, :5])
    assert (after[:, 7:] == 0).all() and np.isfinite(after).all()


def test_inputs_switched_off_are_zero():
    columns = numpy(LightCurve(times=False, conditions=False)(**curve())[0])
    assert (columns[..., 13:] == 0).all() and (columns[..., :3] != 0).all()


def test_image_by_image_gives_the_same_answers_as_the_whole_sequence(small, inputs):
    whole = answers(small, inputs)
    states = {f"state_{k}": np.zeros((6, *s), "float32") for k, s in small.states.items()}
    for j in range(inputs.images.shape[1]):
        image = {name: value[:, j : j + 1] for name, value in inputs.arrays().items()}
        answer, renewed = small.step({**image, **states})
        states = {f"state_{name}": numpy(value) for name, value in renewed.items()}
        seen = inputs.present[:, j] > 0
        np.testing.assert_allclose(numpy(answer)[seen], whole[seen, j], rtol=1e-4, atol=1e-5)


def test_answers_never_depend_on_later_images(small, inputs):
    changed = inputs.arrays()
    changed["images"] = changed["images"].copy()
    changed["images"][:, 8:] *= -3
    after = numpy(small.whole(changed))
    np.testing.assert_allclose(after[:, :8], answers(small, inputs)[:, :8], atol=1e-6)


def test_answers_do_not_depend_on_the_other_objects(small, inputs):
    alone = answers(small, inputs.of(slice(2, 3)))
    np.testing.assert_allclose(alone[0], answers(small, inputs)[2], rtol=1e-4, atol=1e-5)


def test_any_stamp_size_and_number_of_classes():
    for size, n_classes in ((15, 2), (33, 4)):
        variants = build_network("compact", size_pix=size, n_classes=n_classes, **SMALL)
        assert variants.whole.output_shape == (None, None, n_classes)


def test_stamps_too_small_are_refused_and_the_smallest_pass():
    with pytest.raises(ValueError, match="at least 9"):
        build_network("compact", size_pix=8, n_classes=2, **SMALL)
    assert build_network("compact", size_pix=9, n_classes=2, **SMALL).whole.output_shape[-1] == 2


def test_the_default_network_is_small():
    variants = build_network("compact", size_pix=21, n_classes=7)
    encoder = (25 * 2 + 1) * 24 + (9 * 24 + 1) * 32 + (9 * 32 + 1) * 48 + (9 * 48 + 1) * 64
    embedding = (4 * 4 * 64 + 1) * 64
    columns = LightCurve.COLUMNS
    gru = 3 * 128 * (96 + 128 + 2)
    rest = (64 + columns + 1) * 96 + gru + (128 + columns + 1) * 96 + (96 + 1) * 7
    assert variants.whole.count_params() == encoder + embedding + rest == 225_855
