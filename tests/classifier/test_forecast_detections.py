"""First detections, and predictions at their place in time."""

import numpy as np
import pytest

from classifier.evaluation.predictions import Predictions
from classifier.forecast.detections import detections_of, median_by_band, signal_to_noise
from classifier.forecast.objects import draw_objects
from classifier.forecast.predictions_in_time import (
    Grid,
    SimulatedSplit,
    image_times,
    predictions_in_time,
)
from classifier.forecast.schedules import (
    Schedule,
    _length_notes,
    deepest_mag,
    of_one_population,
)
from classifier.image_selection import ImageSelection
from simulator.options import Options
from simulator.simulator import Simulator
from skyreel.errors import ClassifierError
from survey_profiles import load_profile

SIZE_PIX = 9
SMALL = {"cadence.max_epochs": "12", "cadence.min_epochs": "5"}


def schedule(name="lsst", seed=2, **changes):
    options = Options(seed=seed, stamp_size_pix=SIZE_PIX)
    simulator = Simulator(load_profile(name, {**SMALL, **changes}), options)
    return Schedule("one", "drawn", simulator, 100.0, ())


@pytest.fixture(scope="module")
def population():
    return of_one_population([schedule()])[0]


@pytest.fixture(scope="module")
def drawn(population):
    return population.simulator.drawn("test", np.arange(700))


def test_medians_are_those_of_the_images_in_a_band():
    magnitude = np.array([[20.0, 21.0, 22.0, 25.0, 26.0, 9.0]])
    band = np.array([[0, 0, 0, 1, 1, 0]])
    observed = np.array([[True, True, True, True, True, False]])
    found = median_by_band(magnitude, band, observed)
    np.testing.assert_array_equal(found, [[21, 21, 21, 25, 25, np.nan]])


def test_detections_of_what_appears_are_the_alerts_of_a_data_set(population, drawn):
    """Supernovae and asteroids: the simulator's own first alert is the first detection."""
    made = population.simulator.batch("test", np.arange(700))
    alert = made.objects["first_alert_epoch"].astype(int)
    appears = drawn.objects.alerts
    seen = detections_of(drawn)
    np.testing.assert_array_equal(seen.detected[appears], (alert >= 0)[appears])
    rows = np.flatnonzero(appears & (alert >= 0))
    times = made.epochs["mjd"][rows, alert[rows]]
    np.testing.assert_array_equal(seen.first_detection_mjd[rows], times)
    np.testing.assert_array_equal(seen.n_detections[rows], made.objects["n_detections"][rows])


def test_a_variable_star_is_detected_by_its_change(drawn, population):
    classes = population.simulator.classes
    seen, schedule = detections_of(drawn), drawn.conditions.schedule
    star = np.flatnonzero(drawn.label == classes.index("RRL"))
    signal = signal_to_noise(drawn)
    for row in star[:20]:
        for epoch in range(int(drawn.conditions.n_epochs[row])):
            same = (schedule.band[row] == schedule.band[row, epoch]) & schedule.observed[row]
            ordered = np.sort(drawn.objects.magnitude[row, same])
            level = ordered[(ordered.size - 1) // 2]
            one = schedule.rows(np.array([row]))
            expected = one.signal_to_noise(drawn.objects.magnitude[[row]], change_mag=level)
            assert signal[row, epoch] == pytest.approx(expected[0, epoch])
        assert seen.detected[row] == (signal[row] >= 5).any()
    assert 0 < seen.detected[star].mean() < 1


def test_galaxies_are_detected_in_their_first_image(drawn, population):
    galaxies = drawn.label == population.simulator.classes.index("GAL")
    seen = detections_of(drawn)
    assert seen.detected[galaxies].all()
    first = seen.first_detection_mjd[galaxies]
    np.testing.assert_array_equal(first, seen.first_mjd[galaxies])


def test_objects_are_drawn_until_every_class_has_enough(population):
    (objects,), notes = draw_objects([population], 210, lambda done, total: None)
    assert not notes
    for number in range(7):
        members = objects["label"] == number
        assert objects["detected"][members].sum() == 30
        assert objects["detected"][members][-1]  # none is drawn beyond the last that is needed
    assert (~objects["detected"]).any()


def test_more_objects_begin_with_the_same_ones(population):
    few, many = (
        draw_objects([population], n, lambda done, total: None)[0][0]["index"] for n in (70, 210)
    )
    assert set(few) <= set(many)


@pytest.mark.slow
def test_two_schedules_have_the_same_objects():
    other = schedule(**{"cadence.season.first_mjd": "61400"})
    pair = of_one_population([schedule(), other])
    (one, two), _ = draw_objects(pair, 140, lambda done, total: None)
    for name in ("index", "label", "subtype", "magnitude", "redshift", "period_d", "host_mag"):
        np.testing.assert_array_equal(one[name], two[name])
    assert (one["first_detection_mjd"] != two["first_detection_mjd"]).any()


def test_fewer_objects_than_classes_are_refused(population):
    with pytest.raises(ClassifierError, match="there are 7 classes"):
        draw_objects([population], 6, lambda done, total: None)


def test_the_depth_of_a_schedule_is_that_of_its_deepest_exposures(population):
    pointings = population.pointings
    depth = deepest_mag(population.simulator)
    for number in range(len(depth)):
        mine = (pointings.band == number) & np.isfinite(pointings.mjd)
        assert depth[number] == pointings.limiting_mag[mine].max()


# --- predictions in time -------------------------------------------------------------------------


class Recording:
    """A model that numbers its predictions: after k images the first class has k / 100."""

    selection = ImageSelection(images=12, bands=tuple("ugrizy"))
    prediction_selection = selection

    def predict(self, split, *, threads=1):
        n = split.n_epochs
        p = np.full((len(split), 12, 2), np.nan, dtype=np.float32)
        k = np.arange(1, 13) / 100
        p[:, :] = np.stack([k, 1 - k], axis=1)
        p[np.arange(12) >= n[:, None]] = np.nan
        label = np.minimum(split.labels, 1)
        return Predictions(("A", "B"), p, label, n, np.full(len(n), np.nan), split.object_ids)


@pytest.fixture(scope="module")
def split(population):
    return SimulatedSplit(population.simulator, np.arange(40))


def test_a_simulated_split_has_the_sequences_of_a_data_set(population, split):
    made = population.simulator.batch("test", np.arange(40))
    stamps = split.stamps(0, 40)
    np.testing.assert_array_equal(stamps.mjd, made.epochs["mjd"])
    unmasked = made.mask == 0
    used = np.arange(12) < made.objects["n_epochs"][:, None]
    shown = unmasked & used[:, :, None, None]
    np.testing.assert_array_equal(stamps.images_adu[shown], made.images[shown])
    assert split.survey == "lsst" and split.size_pix == SIZE_PIX


def test_a_band_left_out_leaves_the_images_of_the_others(split):
    selection = Recording.selection
    stamps, bands = split.stamps(0, 40), split.without("r").bands
    starts = np.zeros(40, dtype=int)
    fewer = selection.of(stamps, starts, split.profile, bands)
    all_of_them = selection.of(stamps, starts, split.profile, split.bands)
    r = list("ugrizy").index("r")
    in_r = (all_of_them.band == r) & (np.arange(12) < all_of_them.n_epochs[:, None])
    assert in_r.any()
    np.testing.assert_array_equal(fewer.n_epochs, all_of_them.n_epochs - in_r.sum(axis=1))
    assert not ((fewer.band == r) & (np.arange(12) < fewer.n_epochs[:, None])).any()


def test_probabilities_are_taken_at_images_and_days_since_the_detection(split):
    mjd = split.stamps(0, 40).mjd
    detection = mjd[:, 2].copy()
    grid = Grid((1, 3, 12), (0.0, 10.0))
    found = predictions_in_time(Recording(), split, detection, grid)
    n = split.n_epochs
    assert np.array_equal(image_times(Recording(), split, n), mjd, equal_nan=True)
    for row in range(40):
        counts = [min(2 + k, n[row]) for k in grid.images]
        np.testing.assert_allclose(found["by_images"][row, :, 0], np.array(counts) / 100)
        counts = [(mjd[row] <= detection[row] + d).sum() for d in grid.days]
        np.testing.assert_allclose(found["by_days"][row, :, 0], np.array(counts) / 100)
        assert found["final"][row, 0] == pytest.approx(n[row] / 100)


def test_before_the_first_image_there_is_no_prediction(split):
    detection = split.stamps(0, 40).mjd[:, 0] - 5.0
    found = predictions_in_time(Recording(), split, detection, Grid((1,), (0.0, 6.0)))
    assert np.isnan(found["by_days"][:, 0]).all() and np.isfinite(found["by_days"][:, 1]).all()


def test_a_grid_ends_with_the_longest_sequence():
    assert Grid.of(12, 33.3) == Grid(
        (1, 2, 3, 5, 7, 10, 12), (0.0, 1.0, 3.0, 7.0, 14.0, 21.0, 30.0, 34.0)
    )


def test_sequences_longer_than_a_model_reads_are_counted(population):
    class Short(Recording):
        bands, name = ("r", "i"), "short"
        selection = ImageSelection(images=2, bands=("r", "i"))
        prediction_selection = selection

    pointings, names = population.pointings, list(population.simulator.band_names)
    chosen = np.isin(pointings.band, [names.index("r"), names.index("i")])
    counts = (chosen & np.isfinite(pointings.mjd)).sum(axis=1)
    (note,) = _length_notes(Short(), population.simulator)
    assert note.startswith(f"{(counts > 2).sum():,} of {len(counts):,} sequences")
    assert f"up to {counts.max()}" in note and "is given the first 2" in note
