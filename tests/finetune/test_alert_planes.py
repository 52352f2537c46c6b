"""Planes and metadata of alerts, in the layout of simulated ones."""

import numpy as np
import pytest

from classifier.dataset import DatasetSplit
from finetune.readers.ztf_metadata import METADATA_ARRAYS, metadata_of
from simulator.dataset.reader import open_dataset
from simulator.dataset.schema import plane_specs
from simulator.detector.defects import BAD_PIXEL, OUTSIDE
from simulator.options import PLANES
from survey_profiles import load_profile
from tests.helpers.alert_packets import (
    random_image,
    read_ztf,
    rubin_packet,
    stamp,
    write_packets,
    ztf_packet,
)
from tests.helpers.ingestion import ingest


def only(path):
    sequences, skipped = read_ztf(path)
    assert not skipped
    (sequence,) = sequences.values()
    return sequence


def test_the_planes_are_in_units_of_the_noise_of_their_frames(tmp_path):
    found = only(write_packets(tmp_path / "a.avro", ztf_packet()))
    template, difference = (found.more_images[name][0] for name in PLANES[1:])
    frame = np.ones((63, 63), dtype=bool)
    frame[2:-2, 2:-2] = False
    assert np.median(template[frame]) == pytest.approx(0, abs=1e-4)
    np.testing.assert_allclose(template - template[0, 0], random_image(1) - random_image(1)[0, 0])
    np.testing.assert_array_equal(difference, random_image(2))
    # normal pixels of sigma 8: a MAD of n values has the relative error 1.17 / sqrt(n)
    noise = found.more_images["template_noise_adu"][0]
    assert np.ptp(noise) == 0
    assert noise[0, 0] == pytest.approx(8, rel=5 * 1.17 / np.sqrt(frame.sum()))
    science = random_image(0).astype(float)
    light = np.maximum(science - np.median(science[frame]), 0)
    gain = load_profile("ztf").camera.gain_e_per_adu
    of_difference = found.more_images["difference_noise_adu"][0].astype(float)
    values = random_image(2)[frame]
    mad = 1.4826 * np.median(np.abs(values - np.median(values)))
    np.testing.assert_allclose(of_difference, np.sqrt(mad**2 + light / gain), rtol=1e-4)


def test_what_the_packet_says_of_the_difference_is_kept(tmp_path):
    found = only(write_packets(tmp_path / "a.avro", ztf_packet(isdiffpos="f")))
    flux, error = found.epochs["published_flux_adu"], found.epochs["published_flux_error_adu"]
    assert flux < 0
    np.testing.assert_array_equal(found.epochs["difference_flux_adu"], flux)
    np.testing.assert_allclose(found.epochs["difference_signal_to_noise"], flux / error)
    assert found.epochs["difference_detected"].tolist() == [True]


def test_pixels_without_a_number_are_masked(tmp_path):
    image = random_image(1)
    image[3, 4] = np.nan
    packet = ztf_packet(cutouts={"Template": stamp(image)})
    found = only(write_packets(tmp_path / "a.avro", packet))
    mask = found.more_images["template_mask"][0]
    assert mask[3, 4] == BAD_PIXEL and np.count_nonzero(mask) == 1
    assert found.more_images["template"][0, 3, 4] == 0


@pytest.mark.parametrize("survey", ["ztf", "rubin"])
def test_a_data_set_of_alerts_has_the_arrays_of_simulated_planes(monkeypatch, tmp_path, survey):
    packets = (
        [ztf_packet("ZTF1"), ztf_packet("ZTF2", cutouts={"Template": b"no FITS"})]
        if survey == "ztf"
        else [rubin_packet(1), rubin_packet(2)]
    )
    write_packets(tmp_path / "a.avro", *packets)
    out, size = tmp_path / "a.zarr", 65 if survey == "ztf" else 31
    options = ("--out", out, "--quiet", "--size", size)
    assert ingest(monkeypatch, tmp_path / "a.avro", "--from", survey, *options) == 0
    group = open_dataset(out)["test"]
    assert {spec.name for spec in plane_specs(PLANES)} <= set(group.array_keys())
    assert tuple(open_dataset(out).attrs["planes"]) == PLANES
    stamps = DatasetSplit(out, "test").with_planes(PLANES[1:]).stamps(0, 1)
    middle = slice(1, -1) if survey == "ztf" else slice(None)
    known = np.isfinite(stamps.difference_snr[0, 0])
    assert known[middle, middle].all()
    if survey == "ztf":
        assert not known[0].any() and (group["template_mask"][0, 0, 0] == OUTSIDE).all()
        assert (group["template_mask"][1, 0] != 0).all()  # it has no template


def test_metadata_are_kept_and_missing_ones_are_nan(tmp_path):
    fields = {"ndethist": 3, "sgscore1": 0.9, "distpsnr1": 1.5, "sgscore2": -999.0}
    found = only(write_packets(tmp_path / "a.avro", ztf_packet(**fields)))
    assert found.epochs["n_detections_so_far"] == [3]
    assert found.epochs["star_score_1"] == [0.9] and found.epochs["distance_1_arcsec"] == [1.5]
    assert np.isnan(found.epochs["star_score_2"]) and np.isnan(found.epochs["elongation"])


@pytest.mark.parametrize("value", [None, -999, "x", 1.5, -0.1, float("nan"), True])
def test_a_score_beyond_its_range_is_unknown(value):
    found = metadata_of({"sgscore1": value})
    assert np.isnan(found["star_score_1"])
    assert list(found) == [spec.name for spec in METADATA_ARRAYS]
