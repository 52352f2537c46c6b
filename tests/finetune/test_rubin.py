"""Rubin packets as sequences, in nJy."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.time import Time

from classifier.dataset import DatasetSplit
from classifier.network_inputs import inputs_of
from finetune.readers.alert_photometry import photometry_path
from finetune.readers.protocol import RealSequence, Skipped
from finetune.readers.rubin import RubinAlerts, start_mjd
from simulator.detector.defects import BAD_PIXEL, OUTSIDE
from survey_profiles import load_profile
from tests.helpers.alert_packets import packed, rubin_cutout, rubin_packet, write_packets
from tests.helpers.ingestion import ingest

PLANE_ARRAYS = ("", "_mask", "_noise_adu")
PROFILE = load_profile("lsst")
NAMES = ("Science", "Template", "Difference")


def read(path):
    reader = RubinAlerts()
    items = list(reader.read(reader.files(path), PROFILE))
    return [[i for i in items if isinstance(i, kind)] for kind in (RealSequence, Skipped)]


def only(path):
    (sequence,), skipped = read(path)
    assert not skipped
    return sequence


def place(row, column):
    """A cutout of 31 x 31 with CRPIX, which counts from 1, at a pixel that counts from 0."""
    image = np.random.default_rng(0).normal(0, 5, (31, 31))
    return image.astype(np.float32), {"CRPIX1": column + 1.0, "CRPIX2": row + 1.0}


def test_every_value_of_a_packet_is_read(tmp_path):
    found = only(write_packets(tmp_path / "a.avro", rubin_packet(3)))
    epochs = {
        "band": 1,
        "exposure_time_s": 30,
        "zero_point_mag": 31.4 - 2.5 * np.log10(30),
        "limiting_mag": 31.4 - 2.5 * np.log10(500),
        "published_flux_adu": -2000,
        "published_flux_error_adu": 100,
        "alert_id": 3,
        # a Gaussian of sigma 2 pixels has the effective area 4 pi sigma^2
        "seeing_fwhm_arcsec": 0.2 * 0.664 * np.sqrt(4 * np.pi * 4),
    }
    for name, value in epochs.items():
        np.testing.assert_allclose(found.epochs[name], [value], rtol=1e-6, err_msg=name)
    image = np.random.default_rng(0).normal(0, 5, (31, 31)).astype(np.float32)
    np.testing.assert_array_equal(found.images[0], image)
    cutouts = {"variance_images"}
    of_planes = {f"{p}{end}" for p in ("template", "difference") for end in PLANE_ARRAYS}
    assert set(found.more_images) == cutouts | of_planes
    assert (found.more_images["variance_images"] == 25).all() and not found.mask.any()
    assert found.object_id == "77" and found.objects["ccd_number"] == 148
    assert np.isnan(found.objects["gain_e_per_adu"]) and found.objects["ra_deg"] == 149.8
    assert "does not determine the gain" in found.notes[0]


def test_times_are_those_of_the_start_in_utc():
    tai = Time(61100.5, format="mjd", scale="tai")
    assert start_mjd(61100.5, 30.0) == pytest.approx(tai.utc.mjd - 15 / 86400, abs=1e-9)
    assert start_mjd(61100.5, 30.0) == pytest.approx(61100.5 - (37 + 15) / 86400, abs=1e-9)
    assert np.isnan(start_mjd(np.nan, 30.0))


@pytest.mark.parametrize("at", [(14.8, 15.2), (15.4, 14.6), (15.2, 20.4)])
def test_the_source_is_centred(tmp_path, at):
    image, header = place(*at)
    cutouts = {"Science": rubin_cutout(image, **header)}
    found = only(write_packets(tmp_path / "a.avro", rubin_packet(images=cutouts)))
    row, column = map(round, at)
    assert found.images.shape == (1, 31, 31) and found.images[0, 15, 15] == image[row, column]
    outside = (found.mask[0] & OUTSIDE) != 0
    np.testing.assert_array_equal(outside, np.isnan(found.images[0]))
    assert outside.sum() == 31 * abs(column - 15) + 31 * abs(row - 15)


def test_a_stamp_of_even_size_loses_the_farther_row(tmp_path):
    image = np.arange(900.0).reshape(30, 30)
    cutouts = {n: rubin_cutout(image, CRPIX1=15.7, CRPIX2=16.2) for n in ("Science", "Template")}
    found = only(write_packets(tmp_path / "a.avro", rubin_packet(images=cutouts)))
    assert found.images.shape == (1, 29, 29) and not found.mask.any()
    np.testing.assert_array_equal(found.images[0], image[1:, 1:])
    assert "without difference: it has another shape" in found.notes[0]


def test_stamps_of_several_sizes_share_their_centre(tmp_path):
    big, small = np.full((35, 35), 1.0), np.full((31, 31), 2.0)
    packets = [
        rubin_packet(
            i, images={n: rubin_cutout(image) for n in ("Science", "Template", "Difference")}
        )
        for i, image in enumerate((big, small), start=1)
    ]
    found = only(write_packets(tmp_path / "a.avro", *packets))
    assert found.images.shape == (2, 35, 35)
    assert (found.images[1, 2:-2, 2:-2] == 2).all() and (
        found.mask[1] == OUTSIDE
    ).sum() == 35**2 - 31**2


def test_pixels_that_are_not_finite_are_masked(tmp_path):
    image, header = place(15, 15)
    image[3, 4] = np.nan
    cutouts = {"Science": rubin_cutout(image, **header)}
    found = only(write_packets(tmp_path / "a.avro", rubin_packet(images=cutouts)))
    assert found.mask[0, 3, 4] == BAD_PIXEL and found.mask.sum() == BAD_PIXEL


def test_asteroids_are_named_by_their_orbit_and_others_by_their_alert(tmp_path):
    packets = [
        rubin_packet(1, diaObjectId=None, ssObjectId=99),
        rubin_packet(2, diaObjectId=0, ssObjectId=99),
        rubin_packet(3, diaObjectId=None, ssObjectId=None),
        rubin_packet(4),
    ]
    for i, packet in enumerate(packets):
        write_packets(tmp_path / f"{i}.avro", packet)
    sequences, _ = read(tmp_path)
    assert {s.object_id: len(s.images) for s in sequences} == {"99": 2, "3": 1, "77": 1}


def test_the_photometric_history_is_read_in_njy(monkeypatch, tmp_path):
    point = {"midpointMjdTai": 61000.0, "band": "r", "psfFlux": 1000.0, "psfFluxErr": 10.0}
    forced = {**point, "midpointMjdTai": 60990.0, "psfFlux": -5000.0}
    path = write_packets(tmp_path / "a.avro", rubin_packet(1, history=[point], forced=[forced]))
    out = tmp_path / "a.zarr"
    assert ingest(monkeypatch, path, "--from", "rubin", "--out", out, "--quiet") == 0
    rows = pq.read_table(photometry_path(out)).to_pylist()
    assert [(r["kind"], r["band"], r["flux_njy"]) for r in rows] == [
        ("forced", "r", -5000.0),
        ("alert", "r", 1000.0),
        ("alert", "g", -2000.0),
    ]
    assert rows[1]["magnitude"] == pytest.approx(31.4 - 7.5) and np.isnan(rows[0]["magnitude"])


def test_networks_see_the_images_in_njy_with_the_noise_of_the_border(monkeypatch, tmp_path):
    out = tmp_path / "a.zarr"
    path = write_packets(tmp_path / "a.avro", rubin_packet(1), rubin_packet(2))
    assert ingest(monkeypatch, path, "--from", "rubin", "--out", out, "--quiet") == 0
    split = DatasetSplit(out, "test")
    inputs = inputs_of(split.stamps(0, 1))
    image = np.random.default_rng(0).normal(0, 5, (31, 31)).astype(np.float32)
    assert inputs.n_images[0] == 2
    shift = image - inputs.images[0, 0]
    np.testing.assert_allclose(shift, np.median(shift), atol=1e-4)  # the sky alone
    assert inputs.noise[0, 0] == pytest.approx(5, rel=5 * 1.17 / np.sqrt(232))


@pytest.mark.parametrize("sky", [800.0, 3000.0])
def test_the_sky_level_is_added_so_that_counts_give_the_noise(monkeypatch, tmp_path, sky):
    """Two exposures with gain 2 e/nJy and other skies; variance = (image + sky) / gain."""
    rng, gain = np.random.default_rng(1), 2.0
    y, x = np.mgrid[-15:16, -15:16]
    star = 4000 * np.exp(-(x**2 + y**2) / 18)
    packets, expected = [], []
    for i, level in enumerate((sky, 2 * sky), start=1):
        image = (star + rng.normal(0, np.sqrt((star + level) / gain))).astype(np.float32)
        variance = (star + level) / gain
        cutout = rubin_cutout(image, variance)
        packets.append(rubin_packet(i, images={"Science": cutout}))
        expected.append(image + level)
    path, out = write_packets(tmp_path / "a.avro", *packets), tmp_path / "a.zarr"
    found = only(path)
    assert found.objects["gain_e_per_adu"] == pytest.approx(gain, rel=0.1)
    assert found.objects["read_noise_e"] == 0
    np.testing.assert_allclose(found.images, expected, rtol=0.1)
    assert ingest(monkeypatch, path, "--from", "rubin", "--out", out, "--quiet") == 0
    inputs = inputs_of(DatasetSplit(out, "test").stamps(0, 1))
    np.testing.assert_allclose(inputs.noise[0], np.sqrt([sky / gain, sky]), rtol=0.05)
    np.testing.assert_allclose(inputs.njy_per_e[0], 1 / gain, rtol=0.1)


def test_other_packets_than_those_of_rubin_are_refused(tmp_path):
    image, _ = place(15, 15)
    for packet, reason in (
        ({"a": 1}, "it is not a Rubin alert"),
        (rubin_packet(band="w"), "band 'w' is not one of u, g, r, i, z, y"),
        (rubin_packet(images={"Science": b""}), "cutout is empty"),
        (rubin_packet(images={"Science": rubin_cutout(image, BUNIT="adu")}), "needed are nJy"),
        (rubin_packet(images={"Science": rubin_cutout(np.full((31, 31), np.nan))}), "no number"),
        (rubin_packet(midpointMjdTai=None), "no epoch with a time"),
    ):
        (tmp_path / "a.avro").write_bytes(packed([packet]))
        sequences, (skipped,) = read(tmp_path / "a.avro")
        assert not sequences and reason in skipped.reason
