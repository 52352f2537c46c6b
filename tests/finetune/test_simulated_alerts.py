"""Simulated packets through the readers of real ones, and through ``ingest``."""

from random import Random

import numpy as np
import pytest

from finetune.readers.alert_photometry import photometry_path, read_photometry
from finetune.readers.protocol import RealSequence, Skipped
from finetune.readers.rubin import RubinAlerts
from finetune.readers.ztf import ZtfAlerts
from simulator.alerts.avro_bytes import block, container_header, sync_marker
from simulator.alerts.rubin_schema import VERSIONS
from simulator.dataset.reader import open_dataset
from simulator.detector.defects import OUTSIDE
from survey_profiles import load_profile
from tests.helpers.alert_observations import maker_of, n_bands_of, observations
from tests.helpers.fuzzing import mutated
from tests.helpers.ingestion import ingest

SCHEMAS = ("ztf", *VERSIONS)


def written(path, schema, **options):
    """Observations, and the alerts that were written to a container file."""
    maker, batch = maker_of(schema), observations(n_bands=n_bands_of(schema), **options)
    alerts, sync = list(maker.packets(batch)), sync_marker(maker.schema.text)
    blocks = [block([alert.packet], sync) for alert in alerts]
    path.write_bytes(container_header(maker.schema.text) + b"".join(blocks))
    return batch, alerts


def read(path, schema):
    """Sequences by name, as the reader of real packets gives them."""
    reader = ZtfAlerts() if schema == "ztf" else RubinAlerts()
    profile = load_profile("ztf" if schema == "ztf" else "lsst")
    items = list(reader.read([path], profile))
    assert not [item for item in items if isinstance(item, Skipped)]
    return {item.object_id: item for item in items if isinstance(item, RealSequence)}


def of_object(batch, alerts, name):
    """Detections (rows of stamps), object and epochs of the packets of a name."""
    rows = [k for k, alert in enumerate(alerts) if alert.object_id == name]
    return rows, alerts[rows[0]].object, [alerts[k].epoch for k in rows]


def assert_is_template(found, expected):
    """Template and sky are the cutout but for the rounding of a difference and a sum."""
    assert not found.more_images["template_mask"].any()
    sky = found.epochs["template_sky_adu"].astype(np.float32)[:, None, None]
    rounding = 2 * np.finfo(np.float32).eps * np.abs(expected).max()
    np.testing.assert_allclose(found.more_images["template"] + sky, expected, rtol=0, atol=rounding)


@pytest.mark.parametrize("size_pix", [21, 63])
def test_pixels_of_ztf_packets_come_back_to_the_last_bit(tmp_path, size_pix):
    batch, alerts = written(tmp_path / "a.avro", "ztf", size_pix=size_pix)
    sequences = read(tmp_path / "a.avro", "ztf")
    assert len(sequences) == 3
    for name, found in sequences.items():
        rows, obj, epochs = of_object(batch, alerts, name)
        np.testing.assert_array_equal(found.images, batch.stamps["images"][rows])
        difference = found.more_images["difference"]
        np.testing.assert_array_equal(difference, batch.stamps["difference"][rows])
        sky = batch.epochs["sky_adu"][obj, epochs][:, None, None]
        template = batch.stamps["template"][rows] + sky
        assert_is_template(found, template)
        for key in ("mjd", "band", "exposure_time_s"):
            np.testing.assert_allclose(
                found.epochs[key], batch.epochs[key][obj, epochs], rtol=0, atol=1e-8
            )
        for key in ("zero_point_mag", "seeing_fwhm_arcsec"):
            expected = batch.epochs[key][obj, epochs]
            np.testing.assert_allclose(found.epochs[key], expected, rtol=1e-6)
        flux = batch.epochs["difference_flux_adu"][obj, epochs]
        np.testing.assert_allclose(found.epochs["published_flux_adu"], flux, rtol=1e-5)
        assert not found.notes


def test_stamps_at_the_edge_of_the_detector_are_placed_back(tmp_path):
    batch, alerts = written(tmp_path / "a.avro", "ztf", lost_columns=11)
    sequences = read(tmp_path / "a.avro", "ztf")
    name = alerts[0].object_id
    rows, _, _ = of_object(batch, alerts, name)
    found = sequences[name]
    assert (found.mask[:, :, :11] == OUTSIDE).all() and not (found.mask[:, :, 11:] & OUTSIDE).any()
    np.testing.assert_array_equal(found.images[:, :, 11:], batch.stamps["images"][rows][:, :, 11:])
    assert "padded at the edge of the detector (left)" in found.notes[0]


@pytest.mark.parametrize("version", VERSIONS)
def test_pixels_of_rubin_packets_come_back_to_the_last_bit(tmp_path, version):
    batch, alerts = written(tmp_path / "a.avro", version, size_pix=31)
    sequences = read(tmp_path / "a.avro", version)
    assert len(sequences) == 3
    for name, found in sequences.items():
        rows, obj, epochs = of_object(batch, alerts, name)
        of = {key: batch.epochs[key][obj, epochs] for key in batch.epochs}
        scale = 10 ** (0.4 * (31.4 - of["zero_point_mag"].astype(float))) / 30.0
        scale = scale.astype(np.float32)[:, None, None]
        expected = batch.stamps["difference"][rows] * scale
        np.testing.assert_array_equal(found.more_images["difference"], expected)
        expected = batch.stamps["template"][rows] * scale
        assert_is_template(found, expected)
        thirty_s = of["band"] > 0  # the reader takes the exposure times of the profile
        error_day = (found.epochs["mjd"] - of["mjd"])[thirty_s]
        np.testing.assert_allclose(error_day, 0, atol=1e-8)
        flux = of["difference_flux_adu"] * scale[:, 0, 0]
        np.testing.assert_allclose(found.epochs["published_flux_adu"], flux, rtol=1e-5)
        counts = batch.stamps["images"][rows]
        constant = np.ptp(found.images / scale - counts, axis=(1, 2))
        assert constant.max() < 0.01  # science apart from its sky level


@pytest.mark.parametrize("schema", ["ztf", "11.1"])
def test_ingest_makes_a_data_set_of_simulated_packets(monkeypatch, tmp_path, schema):
    batch, alerts = written(tmp_path / "a.avro", schema, n_objects=4, asteroid=True)
    out = tmp_path / "out.zarr"
    survey = "ztf" if schema == "ztf" else "rubin"
    options = ("--from", survey, tmp_path / "a.avro", "--out", out, "--quiet")
    assert ingest(monkeypatch, *options) == 0
    split = open_dataset(out)["test"]
    names = {alert.object_id for alert in alerts}
    assert split["label"].shape == (len(names),)
    assert split["n_epochs"][:].sum() == len(alerts)
    published = read_photometry(photometry_path(out))
    assert set(published) == names
    of_last = published[alerts[-1].object_id]
    observed = np.isfinite(batch.epochs["mjd"][-1, : alerts[-1].epoch + 1]).sum()
    assert len(np.unique(np.round(of_last["mjd"], 5))) == observed


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_damaged_packet_costs_no_other(tmp_path, schema):
    """One block of a file damaged as those of real files are in the fuzzer."""
    _, alerts = written(tmp_path / "a.avro", schema, n_objects=2, n_epochs=4, size_pix=21)
    content, sync = (tmp_path / "a.avro").read_bytes(), sync_marker(maker_of(schema).schema.text)
    parts = content.split(sync)
    reader = ZtfAlerts() if schema == "ztf" else RubinAlerts()
    profile = load_profile("ztf" if schema == "ztf" else "lsst")
    for seed in range(40):
        rng = Random(seed)
        number = rng.randrange(len(alerts))
        damaged = list(parts)
        _, damaged[1 + number] = mutated(rng, parts[1 + number])
        (tmp_path / "b.avro").write_bytes(sync.join(damaged))
        items = list(reader.read([tmp_path / "b.avro"], profile))
        found = {int(i) for s in items if isinstance(s, RealSequence) for i in s.epochs["alert_id"]}
        others = {alert.source_id for k, alert in enumerate(alerts) if k != number}
        assert others <= found
