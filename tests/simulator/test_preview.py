"""Previews show what the sequences hold, pixel for pixel, and fail in one clear sentence."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simulator.dataset.plan import make_plan
from simulator.dataset.reader import open_dataset
from simulator.dataset.run import execute, writer_for
from simulator.dataset.schema import EPOCHS, OBJECTS
from simulator.options import Options
from simulator.preview import preview
from simulator.preview.animation import animation
from simulator.preview.contact_sheet import COLUMNS, contact_sheet
from simulator.preview.examples import Example, example_objects, shown_epochs
from simulator.simulator import Sequences, Simulator
from skyreel.errors import SimulationError
from survey_profiles import load_profile

CLASSES = ("SN", "RRL", "CEP", "EB", "NV", "GAL", "AST")
SKY_ADU, GAIN, READ_NOISE_E = 200.0, 4.0, 6.0


def made_up(n_classes=7, n_epochs=12, size=21, n_bands=1, per_class=4):
    """Sequences with a star that brightens from object to object; class 0 has an alert."""
    rng = np.random.default_rng(1)
    n = n_classes * per_class
    label = np.repeat(np.arange(n_classes), per_class)
    shape = (n, n_epochs)
    noise_adu = np.sqrt(SKY_ADU / GAIN + (READ_NOISE_E / GAIN) ** 2)
    images = SKY_ADU + noise_adu * rng.normal(size=(*shape, size, size))
    signal = np.tile(30.0 * (1 + np.arange(per_class)), n_classes)
    images[:, :, size // 2, size // 2] += 8 * signal[:, None]
    mjd = 57000 + np.cumsum(rng.uniform(0.1, 3, size=shape), axis=1)
    constant = {"sky_adu": SKY_ADU, "magnitude": 21.0, "limiting_mag": 23.5}
    epochs = {name: np.full(shape, value, np.float32) for name, value in constant.items()}
    epochs |= {"mjd": mjd, "band": rng.integers(n_bands, size=shape).astype(np.uint8)}
    objects = {
        "label": label.astype(np.uint8),
        "n_epochs": np.full(n, n_epochs, np.int16),
        "first_alert_epoch": np.where(label == 0, n_epochs // 3, -1).astype(np.int16),
        "max_signal_to_noise": signal.astype(np.float32),
        "gain_e_per_adu": np.full(n, GAIN, np.float32),
        "read_noise_e": np.full(n, READ_NOISE_E, np.float32),
        "has_host": np.zeros(n, bool),
        "host_mag": np.full(n, np.nan, np.float32),
    }
    mask = np.zeros(images.shape, np.uint8)
    return Sequences(images.round().astype(np.uint16), mask, epochs, objects)


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def frames(path):
    with Image.open(path) as image:
        for number in range(image.n_frames):
            image.seek(number)
            yield np.asarray(image.convert("RGB")).astype(int)


def enlarged(size):
    return -(-110 // size) * size


def stored_sequences(split, rows):
    """Objects ``rows`` of one split of an open data set, as ``Sequences``."""
    kinds = {name: array.metadata.dimension_names for name, array in split.arrays()}
    images, mask, epochs, objects = (
        {n: split[n].oindex[np.asarray(rows)] for n, kind in kinds.items() if wanted in (n, kind)}
        for wanted in ("images", "mask", EPOCHS, OBJECTS)
    )
    return Sequences(images["images"], mask["mask"], epochs, objects)


@pytest.mark.parametrize(
    ("n_classes", "n_epochs", "size", "n_bands"),
    [(1, 1, 21, 1), (7, 27, 21, 1), (9, 60, 5, 6), (2, 3, 63, 3), (1, 12, 101, 2)],
)
def test_a_sheet_has_the_size_its_rows_and_columns_need(
    tmp_path, n_classes, n_epochs, size, n_bands
):
    names = [f"C{k}" for k in range(n_classes)]
    sequences = made_up(n_classes, n_epochs, size, n_bands)
    contact_sheet(sequences, names, "ugrizy"[:n_bands], tmp_path / "sheet.png", title="A survey")
    columns, side = min(COLUMNS, n_epochs), enlarged(size)
    width = max(1300, 150 + columns * (side + 12) + 84 + 520 + 28)
    height = 134 + n_classes * (26 + side + 40) + 84
    image = pixels(tmp_path / "sheet.png")
    assert image.shape == (height, width, 3)
    for row in range(n_classes):
        top = 134 + row * (26 + side + 40) + 26
        stamp = image[top : top + side, 150 : 150 + side]
        assert stamp.std() > 5  # noise and a star, not blank paper
        curve = image[top : top + side, 150 + columns * (side + 12) + 84 :]
        assert (curve.min(axis=-1) < 128).sum() > 20


def test_a_stamp_on_the_sheet_is_the_data_pixel_for_pixel(tmp_path):
    sequences = made_up(n_classes=1, n_epochs=4)
    sequences.mask[:, :, 3, 5] = 4
    contact_sheet(sequences, ["NV"], ["g"], tmp_path / "sheet.png")
    (row,) = example_objects(sequences, 0)
    obj = Example(sequences, row, "NV", ["g"])
    expected = obj.picture(2, obj.white_sigma(np.arange(4)), enlarged(21) // 21)
    x = 150 + 2 * (126 + 12)
    found = pixels(tmp_path / "sheet.png")[134 + 26 : 134 + 26 + 126, x : x + 126]
    np.testing.assert_array_equal(found, expected)


def test_brighter_pixels_are_never_darker_and_masked_ones_are_tinted():
    sequences = made_up(n_classes=1, n_epochs=1)
    sequences.images[0, 0, 0] = np.linspace(150, 900, 21).astype(np.uint16)
    sequences.mask[0, 0, 20, 20] = 1
    picture = Example(sequences, 0, "NV", ["g"]).picture(0, 50.0, 1).astype(int)
    ramp = picture[-1]  # row 0 is drawn at the bottom
    assert (np.diff(ramp[:, 0]) >= 0).all()
    assert ramp[-1, 0] - ramp[0, 0] > 150
    assert np.ptp(picture, axis=-1).max() == np.ptp(picture[0, 20]) > 50  # the only coloured one
    assert (np.ptp(picture, axis=-1) > 0).sum() == 1


def test_pictures_are_in_units_of_the_noise_of_the_sky():
    sequences = made_up(n_classes=1, per_class=1, n_epochs=40)
    border = Example(sequences, 0, "NV", ["g"]).sigma[:, :5].ravel()
    assert abs(border.mean()) < 5 / np.sqrt(border.size) + 0.01
    assert abs(border.std() - 1) < 5 / np.sqrt(2 * border.size) + 0.01


@pytest.mark.parametrize("n_epochs", [1, 2, 3, 9, 10, 11, 27, 60])
@pytest.mark.parametrize("columns", [2, 10])
def test_wanted_epochs_are_always_among_those_shown(n_epochs, columns):
    for alert in range(n_epochs):
        for best in range(n_epochs):
            wanted = tuple({alert, best})
            shown = shown_epochs(n_epochs, columns, wanted)
            assert set(wanted) <= set(shown.tolist())
            assert shown.size == min(columns, n_epochs)
            assert (np.diff(shown) > 0).all()


def test_the_alert_is_framed_on_the_sheet_and_only_where_there_is_one(tmp_path):
    wine = (0x88, 0x22, 0x55)
    counts = []
    for first in (7, -1):
        sequences = made_up(n_classes=1, n_epochs=60)
        sequences.objects["first_alert_epoch"][:] = first
        contact_sheet(sequences, ["SN"], ["g"], tmp_path / "sheet.png")
        stamps = pixels(tmp_path / "sheet.png")[:, : 150 + 10 * 138]
        counts.append((stamps == wine).all(axis=-1).sum())
    assert counts[0] > 4 * 126 and counts[1] == 0


def test_an_example_is_well_seen_of_its_class_and_always_the_same():
    sequences = made_up(n_classes=3, per_class=20)
    for number in range(3):
        first, again = (example_objects(sequences, number) for _ in range(2))
        assert first.tolist() == again.tolist()
        assert sequences.objects["label"][first] == number
        signal = sequences.objects["max_signal_to_noise"]
        assert np.median(signal) < signal[first[0]] < signal.max()
    assert len(set(example_objects(sequences, 1, 3).tolist())) == 3


def test_an_example_is_not_lost_in_its_host_nor_an_alert_at_once():
    sequences = made_up(n_classes=1, per_class=3)
    sequences.objects["max_signal_to_noise"][:] = (60, 40, 50)
    sequences.objects["host_mag"][:] = (16, np.nan, np.nan)
    sequences.objects["first_alert_epoch"][:] = (5, 5, 0)
    assert example_objects(sequences, 0).tolist() == [1]


def test_classes_without_objects_are_left_out(tmp_path):
    sequences = made_up(n_classes=2)
    contact_sheet(sequences, ["SN", "RRL", "EB"], ["g"], tmp_path / "sheet.png")
    assert len(pixels(tmp_path / "sheet.png")) == 134 + 2 * (26 + 126 + 40) + 84


def test_an_animation_has_one_frame_per_epoch_of_the_longest_and_loops(tmp_path):
    sequences = made_up(n_epochs=30)
    sequences.objects["n_epochs"][sequences.objects["label"] != 3] = 17
    animation(sequences, CLASSES, ["g"], tmp_path / "movie.gif", title="A survey")
    with Image.open(tmp_path / "movie.gif") as image:
        assert image.n_frames == 30
        assert image.info["loop"] == 0
        assert image.size == (2 * 16 + 7 * (126 + 14) - 14, 44 + 24 + 126 + 22 + 56 + 14 + 4)
    assert (tmp_path / "movie.gif").stat().st_size < 3e6


def test_every_panel_of_every_frame_shows_its_stamp(tmp_path):
    animation(made_up(n_epochs=5, n_bands=6), CLASSES, "ugrizy", tmp_path / "movie.gif")
    for frame in frames(tmp_path / "movie.gif"):
        for panel in range(7):
            x = 16 + panel * (126 + 14)
            assert frame[68 : 68 + 126, x : x + 126].std() > 5


def test_many_classes_go_on_a_second_line_of_the_animation(tmp_path):
    names = [f"C{k}" for k in range(11)]
    animation(made_up(n_classes=11, n_epochs=2, size=63), names, ["g"], tmp_path / "movie.gif")
    assert next(frames(tmp_path / "movie.gif")).shape[0] == 44 + 2 * (24 + 126 + 22 + 56 + 14) + 4


SLOW_SURVEYS = (pytest.param(name, marks=pytest.mark.slow) for name in ("ztf", "lsst"))


@pytest.mark.parametrize("survey", ["hits", *SLOW_SURVEYS])
def test_a_survey_is_shown_with_all_its_classes(tmp_path, survey):
    simulator = Simulator(load_profile(survey), Options(seed=2))
    preview(simulator, tmp_path / "sheet.png")
    assert len(pixels(tmp_path / "sheet.png")) == 134 + 7 * (26 + 126 + 40) + 84
    preview(simulator, tmp_path / "movie.gif")
    assert 20 <= len(list(frames(tmp_path / "movie.gif"))) <= simulator.n_epochs


def test_one_class_and_a_large_stamp_are_enough(tmp_path):
    simulator = Simulator(load_profile("ztf"), Options(classes={"AST": 1}, stamp_size_pix=63))
    preview(simulator, tmp_path / "SHEET.PNG")
    assert len(pixels(tmp_path / "SHEET.PNG")) == 134 + 26 + 126 + 40 + 84


def test_a_stored_data_set_gives_the_same_sheet_as_the_simulator(tmp_path):
    plan = make_plan("hits", Options(classes={"SN": 1, "GAL": 1}), tmp_path / "d.zarr", n=30)
    simulator = plan.simulator
    with writer_for(plan) as writer:
        execute(plan, writer, threads=1)
    root = open_dataset(tmp_path / "d.zarr")
    rows = [3, 20, 4, 11]
    stored, made = stored_sequences(root["train"], rows), simulator.batch("train", rows)
    np.testing.assert_array_equal(stored.images, made.images)
    assert set(stored.epochs) == set(made.epochs)
    assert set(made.objects) <= set(stored.objects)
    for sequences, path in ((stored, "stored.png"), (made, "made.png")):
        contact_sheet(sequences, root.attrs["classes"], root.attrs["bands"], tmp_path / path)
    np.testing.assert_array_equal(pixels(tmp_path / "stored.png"), pixels(tmp_path / "made.png"))


@pytest.mark.parametrize("name", ["sheet.jpeg", "sheet", "movie.mp4"])
def test_another_suffix_is_refused_before_any_work(tmp_path, name):
    with pytest.raises(SimulationError, match=r"allowed are \.png and \.gif"):
        preview(None, tmp_path / name)


@pytest.mark.parametrize("draw", [contact_sheet, animation])
def test_places_that_cannot_be_written_are_named(tmp_path, draw, monkeypatch):
    sequences = made_up(n_classes=1, n_epochs=2)
    with pytest.raises(SimulationError, match="there is no folder"):
        draw(sequences, ["SN"], ["g"], tmp_path / "absent" / "x.png")
    with pytest.raises(SimulationError, match="is a folder"):
        draw(sequences, ["SN"], ["g"], tmp_path)

    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SimulationError, match=r"x\.png: cannot be written \(No space left"):
        draw(sequences, ["SN"], ["g"], tmp_path / "x.png")


def test_an_empty_batch_is_refused(tmp_path):
    with pytest.raises(SimulationError, match="no object to draw"):
        contact_sheet(made_up(per_class=0), CLASSES, ["g"], tmp_path / "x.png")
