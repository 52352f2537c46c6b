"""First alerts of simulated and real objects: which epochs, pixels and metadata."""

import numpy as np
import pytest

from classifier.dataset import DatasetSplit
from classifier.first_alerts import (
    COMMON_METADATA,
    COUNTS,
    METADATA,
    merged_labels,
    read_first_alerts,
)
from simulator.options import PLANES
from skyreel.errors import ClassifierError
from tests.helpers.alert_packets import CANDIDATE, random_image, write_packets, ztf_packet
from tests.helpers.ingestion import ingest

VARIABLES = {"VS": ("RRL", "CEP", "EB")}


@pytest.fixture(scope="module")
def simulated(planes_dataset):
    return DatasetSplit(planes_dataset, "test")


@pytest.fixture
def real(monkeypatch, tmp_path):
    """Alerts of three real objects, with two, one, and one without a template."""
    jd = CANDIDATE["jd"]
    packets = [
        ztf_packet("ZTF1", jd=jd, ndethist=7.0, sgscore1=-999.0),
        ztf_packet("ZTF1", jd=jd + 2, ndethist=8.0, sgscore1=-999.0),
        ztf_packet("ZTF2", isdiffpos="f", ndethist=12.0, sgscore1=0.9),
        ztf_packet("ZTF3", ndethist=1.0, sgscore1=0.9, cutouts={"Template": b"no FITS"}),
    ]
    write_packets(tmp_path / "a.avro", *packets)
    out = tmp_path / "a.zarr"
    assert ingest(monkeypatch, tmp_path / "a.avro", "--from", "ztf", "--out", out, "--quiet") == 0
    return DatasetSplit(out, "test")


@pytest.mark.parametrize("alerts", [1, 2])
def test_the_first_detections_are_the_alerts(simulated, alerts):
    found = read_first_alerts(simulated, alerts=alerts)
    detected, mjd = simulated.values("difference_detected"), simulated.values("mjd")
    expected = [row for row in range(28) if detected[row].sum() >= alerts]
    assert found.rows.tolist() == expected and 5 < len(found) < 28
    assert sum(found.left_out.values()) == 28 - len(found)
    for k, row in enumerate(expected):
        epochs = np.flatnonzero(detected[row])[:alerts]
        np.testing.assert_array_equal(found.mjd[k], mjd[row, epochs])
        for number, plane in enumerate(("images", *PLANES[1:])):
            mask = simulated.values("mask" if plane == "images" else f"{plane}_mask")[row, epochs]
            pixels = simulated.values(plane)[row, epochs].astype(np.float32)
            stamps = found.stamps[k, :, number]
            np.testing.assert_array_equal(stamps, np.where(mask == 0, pixels, np.nan))
    assert np.array_equal(found.labels, simulated.labels[expected])


def test_signal_to_noise_is_the_difference_over_its_noise(simulated):
    found = read_first_alerts(simulated, alerts=2, signal_to_noise=True)
    noise = simulated.values("difference_noise_adu")
    for k, row in enumerate(found.rows):
        epochs = np.flatnonzero(simulated.values("difference_detected")[row])[:2]
        expected = found.stamps[k, :, 2] / noise[row, epochs]
        np.testing.assert_allclose(found.signal_to_noise[k], expected, rtol=1e-6)
    border = found.signal_to_noise[:, :, :3]
    # NaN where masked; noise of a difference is 1 in units of itself, within a share of sources
    assert 0.8 < np.nanmedian(np.abs(border)) / 0.6745 < 1.2
    assert read_first_alerts(simulated).signal_to_noise is None


def test_real_alerts_have_signal_to_noise_too(real):
    found = read_first_alerts(real, signal_to_noise=True)
    known = np.isfinite(found.stamps[:, :, 2])
    assert known.any() and np.isfinite(found.signal_to_noise[known]).all()


def test_data_without_the_noise_of_differences_are_refused(simulated, monkeypatch):
    values = DatasetSplit.values

    def unknown(self, name):
        return None if name == "difference_noise_adu" else values(self, name)

    monkeypatch.setattr(DatasetSplit, "values", unknown)
    with pytest.raises(ClassifierError, match="has no difference_noise_adu, which --choice"):
        read_first_alerts(simulated, signal_to_noise=True)


@pytest.mark.parametrize("alerts", [1, 2])
def test_any_alerts_follow_each_other_and_are_drawn_evenly(simulated, alerts):
    detected, mjd = simulated.values("difference_detected"), simulated.values("mjd")
    draws = [read_first_alerts(simulated, alerts=alerts, seed=seed) for seed in range(30)]
    places = []
    for k, row in enumerate(draws[0].rows):
        times = mjd[row, np.flatnonzero(detected[row])]
        number = len(times) - alerts + 1
        for found in draws:
            first = int(np.searchsorted(times, found.mjd[k, 0]))
            np.testing.assert_array_equal(found.mjd[k], times[first : first + alerts])
            if number > 1:
                places.append(first / (number - 1))
    # Uniform from 0 to 1 in steps, of variance at most 1/4.
    assert np.mean(places) == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(len(places)))
    again = read_first_alerts(simulated, alerts=alerts, seed=3)
    np.testing.assert_array_equal(again.mjd, draws[3].mjd)


@pytest.mark.parametrize(("alerts", "draws"), [(1, 3), (2, 100)])
def test_draws_of_an_object_are_different_alerts_in_a_row(simulated, alerts, draws):
    found = read_first_alerts(simulated, alerts=alerts, seed=2, draws=draws)
    detected, mjd = simulated.values("difference_detected"), simulated.values("mjd")
    choices = np.maximum(detected.sum(axis=1) - alerts + 1, 0)
    expected = np.minimum(choices, draws)
    assert np.array_equal(np.bincount(found.rows, minlength=28), expected) and expected.max() > 1
    assert found.left_out == read_first_alerts(simulated, alerts=alerts).left_out
    for row in np.unique(found.rows):
        times = mjd[row, np.flatnonzero(detected[row])].tolist()
        drawn = found.mjd[found.rows == row]
        assert len({tuple(each) for each in drawn}) == len(drawn)
        for each in drawn.tolist():
            first = times.index(each[0])
            assert each == times[first : first + alerts]
    assert np.array_equal(found.labels, simulated.labels[found.rows])


def test_the_logarithm_of_the_time_between_two_alerts(real):
    found = read_first_alerts(real, alerts=2)
    assert real.object_ids[found.rows].tolist() == ["ZTF1"]
    np.testing.assert_allclose(found.ln_days, [[np.log(2)]], rtol=1e-6)


def test_real_alerts_have_the_pixels_and_metadata_of_their_packets(real):
    found = read_first_alerts(real, metadata=(*COMMON_METADATA, *COUNTS, "star_score_1"))
    assert real.object_ids[found.rows].tolist() == ["ZTF1", "ZTF2"]
    assert found.left_out == {"a plane without a pixel": 1}
    assert found.notes("a.zarr") == ["a.zarr: 1 objects left out: a plane without a pixel."]
    np.testing.assert_array_equal(found.stamps[0, 0, 0], random_image(0))
    np.testing.assert_array_equal(found.stamps[0, 0, 2], random_image(2))
    of = dict(zip(found.columns, found.metadata[:, 0].T, strict=True))
    np.testing.assert_allclose(of["magnitude"], 18.5, rtol=1e-5)
    np.testing.assert_allclose(of["magnitude_error"], 0.05, rtol=1e-4)
    np.testing.assert_allclose(of["limiting_mag"], 20.3, rtol=1e-6)
    np.testing.assert_allclose(of["fwhm_pix"], 2.2, rtol=1e-5)
    assert of["is_positive"].tolist() == [1, 0]
    np.testing.assert_allclose(of["star_score_1"], [np.nan, 0.9], rtol=1e-6)
    np.testing.assert_array_equal(of[COUNTS[0]], [7, 12])


def test_metadata_of_simulations_follow_from_their_detections(simulated):
    found = read_first_alerts(simulated, metadata=(*COMMON_METADATA, *COUNTS))
    of = dict(zip(found.columns, found.metadata[:, 0].T, strict=True))
    assert (of["n_detections_so_far"] == 1).all() and (of["n_exposures_so_far"] >= 1).all()
    row, epoch = found.rows[0], simulated.values("difference_detected")[found.rows[0]].argmax()
    flux = abs(float(simulated.values("difference_flux_adu")[row, epoch]))
    exposure_time_s = float(simulated.values("exposure_time_s")[row, epoch])
    zero_point = float(simulated.values("zero_point_mag")[row, epoch])
    expected = zero_point - 2.5 * np.log10(flux / exposure_time_s)
    assert of["magnitude"][0] == pytest.approx(expected, rel=1e-5)
    assert (of["magnitude_error"] < 0.3).all()  # they are detected at 5 sigma


def test_classes_are_merged():
    classes, labels = ("SN", "RRL", "CEP", "EB", "AST"), np.array([0, 1, 2, 3, 4, -1])
    found, names = merged_labels(labels, classes, VARIABLES)
    assert names == ("SN", "VS", "AST") and found.tolist() == [0, 1, 1, 1, 2, -1]
    found, names = merged_labels(labels, classes, {"VS": ("RRL", "LPV"), "X": ("SN",)})
    assert names == ("X", "VS", "CEP", "EB", "AST") and found.tolist() == [0, 1, 2, 3, 4, -1]
    with pytest.raises(ClassifierError, match="named twice"):
        merged_labels(labels, classes, {"VS": ("RRL",), "X": ("RRL",)})
    with pytest.raises(ClassifierError, match="SN is a class already"):
        merged_labels(labels, classes, {"SN": ("RRL",)})


def test_merging_reads_through(simulated):
    found = read_first_alerts(simulated, merge=VARIABLES)
    assert found.classes == ("SN", "VS", "AST")
    names = np.array(simulated.classes)[simulated.labels[found.rows]]
    merged = np.array(found.classes)[found.labels]
    assert (merged == np.where(np.isin(names, VARIABLES["VS"]), "VS", names)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alerts": 0}, "at least 1"),
        ({"alerts": 9}, "none of 28 objects has 9 alerts"),
        ({"metadata": ("drb",)}, "metadata drb; known are magnitude"),
        ({"metadata": METADATA}, "has no star_score, .* Leave them out"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(simulated, options, message):
    with pytest.raises(ClassifierError, match=message):
        read_first_alerts(simulated, **options)


def test_a_data_set_without_planes_is_refused(small_dataset):
    with pytest.raises(ClassifierError, match="has no difference images; `simulate --planes"):
        read_first_alerts(DatasetSplit(small_dataset, "test"))
