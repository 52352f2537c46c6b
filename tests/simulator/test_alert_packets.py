"""Packets of simulated detections: schemas, records and histories, and other readers of them."""

import io
import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import fastavro
import numpy as np
import pytest

from simulator.alerts.avro_bytes import block, container_header, sync_marker
from simulator.alerts.catalogue import Catalogue, nearest_sources
from simulator.alerts.rubin_schema import VERSIONS, rubin_schema
from simulator.alerts.ztf_schema import ztf_schema
from tests.helpers.alert_observations import (
    PIXEL_SCALE_ARCSEC,
    maker_of,
    n_bands_of,
    observations,
    records,
)

SCHEMAS = ("ztf", *VERSIONS)


# --- schemas ------------------------------------------------------------------------------------


def plain_types(schema, named=None):
    """Names of fields with their types, in order, records opened, without names of records."""
    named = {} if named is None else named
    if isinstance(schema, list):
        return [plain_types(option, named) for option in schema]
    if isinstance(schema, str):
        return named.get(schema.rpartition(".")[2], schema)
    if schema["type"] == "array":
        return {"array": plain_types(schema["items"], named)}
    if schema["type"] != "record":
        return schema["type"]  # without its logical type
    fields = [[field["name"], plain_types(field["type"], named)] for field in schema["fields"]]
    named[schema["name"].rpartition(".")[2]] = fields
    return fields


@pytest.mark.real
@pytest.mark.parametrize("name", ["boom-astro+boom__2475433850215010007", "alercebroker+pipeline"])
def test_the_schema_of_ztf_is_that_inside_real_packets(real_data, name):
    path = next((real_data / "ztf" / "originals").glob(f"4.01_{name}*.avro"))
    with path.open("rb") as file:
        real = json.loads(fastavro.reader(file).metadata["avro.schema"])
    assert plain_types(ztf_schema().packet) == plain_types(real)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_schemas_of_rubin_are_the_published_ones(version):
    """The wheel lsst-alert-packet is the judge; its modules, which need more, are not run."""
    if find_spec("lsst") is None or (found := find_spec("lsst.alert.packet")) is None:
        pytest.skip("lsst-alert-packet is not installed")
    folder = Path(found.origin).parent / "schema" / version.replace(".", "/")
    named = {}
    for part in ("diaSource", "diaForcedSource", "diaObject", "ssSource", "mpc_orbits"):
        (path,) = folder.glob(f"*.{part}.avsc")
        named[part] = plain_types(json.loads(path.read_text()), named)
    (path,) = folder.glob("*.alert.avsc")
    assert plain_types(rubin_schema(version).packet) == plain_types(
        json.loads(path.read_text()), named
    )


@pytest.mark.real
def test_real_rubin_packets_have_the_fields_of_version_10(real_data):
    with (real_data / "lsst" / "originals" / "fink_client_lsst_2026.avro").open("rb") as file:
        real = next(fastavro.reader(file))
    parts = rubin_schema("10.0").parts
    for name, part in parts.items():
        rows = real[name] if isinstance(real[name], list) else [real[name]]
        assert list(rows[0]) == [field["name"] for field in part["fields"]]


# --- records ------------------------------------------------------------------------------------


@pytest.mark.parametrize("schema", SCHEMAS)
def test_packets_are_the_bytes_that_fastavro_writes(schema):
    maker = maker_of(schema)
    _, alerts, read = records(schema, asteroid=True, lost_columns=4)
    parsed = fastavro.parse_schema(json.loads(maker.schema.text))
    assert len(alerts) == len(read) > 8
    for alert, record in zip(alerts, read, strict=True):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, parsed, record)
        assert out.getvalue() == alert.packet


@pytest.mark.parametrize("schema", SCHEMAS)
def test_packets_do_not_depend_on_the_other_objects_of_a_batch(schema):
    batch, alerts, _ = records(schema, n_objects=4, asteroid=True)
    obj, _ = batch.detections()
    last = batch.number == batch.number[3]
    own = {
        "stamps": {name: values[obj == 3] for name, values in batch.stamps.items()},
        "epochs": {name: values[last] for name, values in batch.epochs.items()},
        "catalogue": batch.catalogue.rows(last),
        **{f"centre_{a}_pix": getattr(batch, f"centre_{a}_pix")[obj == 3] for a in "xy"},
    }
    for name in ("number", "ra_deg", "dec_deg", "ccd", "gain_e_per_adu", "read_noise_e", "moves"):
        own[name] = getattr(batch, name)[last]
    alone = list(maker_of(schema).packets(type(batch)(**own)))
    assert [a.packet for a in alone] == [a.packet for a in alerts if a.object == 3]


def test_a_batch_without_detections_has_no_packets():
    batch = observations()
    batch.epochs["difference_detected"][:] = False
    for schema in SCHEMAS:
        assert list(maker_of(schema).packets(batch)) == []


def test_history_of_a_ztf_packet_is_the_thirty_days_before():
    batch, alerts, read = records("ztf", n_objects=2, n_epochs=30)
    mjd, detected = batch.epochs["mjd"], batch.epochs["difference_detected"]
    for alert, record in zip(alerts, read, strict=True):
        own, now = mjd[alert.object], mjd[alert.object, alert.epoch]
        before = np.flatnonzero((own >= now - 30) & (own < now))
        history = record["prv_candidates"] or []
        assert [p["jd"] for p in history] == (own[before] + 2400000.5).tolist()
        found = [p["candid"] is not None for p in history]
        assert found == detected[alert.object, before].tolist()
        for point in history:
            missing = point["candid"] is None
            assert all((point[n] is None) == missing for n in ("magpsf", "isdiffpos", "ra"))
            assert point["diffmaglim"] is not None
        assert [p["jd"] for p in record["fp_hists"] or []] == [p["jd"] for p in history]
        earlier = own < now
        assert record["candidate"]["ndethist"] == (detected[alert.object] & earlier).sum() + 1
        assert record["candidate"]["ncovhist"] == earlier.sum() + 1
        assert record["candidate"]["jdstarthist"] == own[detected[alert.object]][0] + 2400000.5


def test_measurements_of_a_ztf_packet():
    batch, alerts, read = records("ztf")
    for alert, record in zip(alerts, read, strict=True):
        of = {name: float(v[alert.object, alert.epoch]) for name, v in batch.epochs.items()}
        candidate = record["candidate"]
        counts_s = abs(of["difference_flux_adu"]) / of["exposure_time_s"]
        assert candidate["magpsf"] == pytest.approx(
            of["zero_point_mag"] - 2.5 * np.log10(counts_s), abs=1e-5
        )
        signal = abs(of["difference_flux_adu"]) / of["difference_flux_error_adu"]
        assert candidate["sigmapsf"] == pytest.approx(2.5 / np.log(10) / signal, rel=1e-5)
        assert candidate["magpsf"] == pytest.approx(
            candidate["diffmaglim"] - 2.5 * np.log10(signal / 5), abs=1e-4
        )
        assert candidate["isdiffpos"] == ("t" if of["difference_flux_adu"] > 0 else "f")
        assert candidate["rb"] is None and candidate["drb"] is None


def test_nearest_sources_are_those_of_the_field():
    batch, alerts, read = records("ztf")
    for alert, record in zip(alerts, read, strict=True):
        catalogue, candidate = batch.catalogue, record["candidate"]
        offset = [batch.epochs[f"{a}_pix"][alert.object, alert.epoch] for a in "xy"]
        dx, dy = (c[alert.object] - o for c, o in zip(catalogue[:2], offset, strict=True))
        expected = np.sort(np.hypot(dx, dy)) * PIXEL_SCALE_ARCSEC
        found = [candidate[f"distpsnr{rank}"] for rank in (1, 2, 3)]
        assert found == pytest.approx(expected[:3], rel=1e-5)
        galaxy = np.hypot(dx, dy).argsort().tolist().index(0)
        scores = [candidate[f"sgscore{rank}"] for rank in (1, 2, 3)]
        assert scores == [float(rank != galaxy) for rank in range(3)]
        assert candidate["nmtchps"] == 4
        assert candidate["distnr"] * PIXEL_SCALE_ARCSEC == pytest.approx(expected[0], rel=1e-5)


def test_sources_that_are_too_faint_or_too_far_are_not_listed():
    one = np.zeros((1, 4))
    magnitude = np.array([[[24.0], [19.0], [19.0], [np.inf]]])
    x_pix = np.array([[1.0, 5.0, 40.0, 0.0]])
    catalogue = Catalogue(x_pix, one, magnitude, one)
    found = nearest_sources(catalogue, np.zeros(1), np.zeros(1), np.array([23.0]), 1.0, 3)
    np.testing.assert_array_equal(found.distance_arcsec, [[5, np.nan, np.nan]])
    assert found.source[0, 0] == 1 and found.n_within == 1


@pytest.mark.parametrize("schema", SCHEMAS)
def test_only_asteroids_have_solar_system_fields(schema):
    batch, alerts, read = records(schema, asteroid=True)
    for alert, record in zip(alerts, read, strict=True):
        is_one = alert.object == 0 and np.isfinite(batch.epochs["magnitude"][0, alert.epoch])
        if schema == "ztf":
            candidate = record["candidate"]
            assert (candidate["ssnamenr"] != "null") == is_one
            assert (0 <= candidate["ssdistnr"] < 5) == is_one == (candidate["ssmagnr"] > 0)
        else:
            assert (record["ssSource"] is not None) == is_one
            assert (record["diaObject"] is None) == is_one
            assert (record["diaSource"]["diaObjectId"] is None) == is_one
            assert not is_one or record["prvDiaSources"] is None


def test_forced_photometry_of_rubin_is_made_a_day_after_the_first_detection():
    batch = observations(n_objects=1, n_epochs=40, n_bands=6, size_pix=21)
    detected, mjd = batch.epochs["difference_detected"], batch.epochs["mjd"]
    mjd[0, :39] = 59000 + np.r_[np.arange(37), 37.2, 37.9]
    detected[:] = False
    detected[0, [36, 37, 38]] = True
    keep = np.arange(3)
    stamps = {name: values[keep] for name, values in batch.stamps.items()}
    centres = {f"centre_{a}_pix": getattr(batch, f"centre_{a}_pix")[keep] for a in "xy"}
    maker = maker_of("11.1")
    alerts = list(maker.packets(replace(batch, stamps=stamps, **centres)))
    read = [
        fastavro.schemaless_reader(io.BytesIO(a.packet), maker.schema.packet, None) for a in alerts
    ]
    made = [[f["midpointMjdTai"] for f in r["prvDiaForcedSources"] or []] for r in read]
    assert made[0] == [] and len(made[1]) == len(made[2]) - 1 == 31
    assert made[1][0] == pytest.approx(59006, abs=0.01)  # 30 days before the first


def test_a_rubin_packet_holds_the_light_curve_so_far():
    batch, alerts, read = records("11.1", n_objects=2, n_epochs=20)
    detected = batch.epochs["difference_detected"]
    for alert, record in zip(alerts, read, strict=True):
        source, body = record["diaSource"], record["diaObject"]
        earlier = np.flatnonzero(detected[alert.object][: alert.epoch])
        assert len(record["prvDiaSources"] or []) == len(earlier)
        assert len(record["prvDiaForcedSources"] or []) == alert.epoch
        assert body["nDiaSources"] == len(earlier) + 1
        every = [*(record["prvDiaSources"] or []), source]
        for band in "ugrizy":
            flux = np.array([s["psfFlux"] for s in every if s["band"] == band])
            error = np.array([s["psfFluxErr"] for s in every if s["band"] == band])
            assert body[f"{band}_psfFluxNdata"] == len(flux)
            if len(flux):
                weighted = (flux / error**2).sum() / (1 / error**2).sum()
                assert body[f"{band}_psfFluxMean"] == pytest.approx(weighted, rel=1e-4)
                assert body[f"{band}_psfFluxMax"] == pytest.approx(flux.max())
            if len(flux) > 1:
                scatter = pytest.approx(flux.std(ddof=1), rel=1e-3)
                assert body[f"{band}_psfFluxSigma"] == scatter
        of = {name: float(v[alert.object, alert.epoch]) for name, v in batch.epochs.items()}
        scale = 10 ** (0.4 * (31.4 - of["zero_point_mag"])) / of["exposure_time_s"]
        assert source["psfFlux"] == pytest.approx(of["difference_flux_adu"] * scale, rel=1e-5)


# --- other readers ------------------------------------------------------------------------------


@pytest.mark.parametrize("schema", SCHEMAS)
def test_fink_client_reads_a_folder_of_packets(schema, tmp_path):
    avro_utils = pytest.importorskip("fink_client.avro_utils")
    maker = maker_of(schema)
    text = maker.schema.text
    alerts = list(maker.packets(observations(n_bands=n_bands_of(schema))))
    for alert in alerts:
        content = container_header(text) + block([alert.packet], sync_marker(text))
        (tmp_path / f"{alert.source_id}.avro").write_bytes(content)
    table = avro_utils.AlertReader(str(tmp_path)).to_pandas()
    assert set(table["candid" if schema == "ztf" else "diaSourceId"]) == {
        alert.source_id for alert in alerts
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_rubins_own_reader_reads_a_container(version, tmp_path):
    packet = pytest.importorskip("lsst.alert.packet", exc_type=ImportError)
    maker = maker_of(version)
    text = maker.schema.text
    alerts = list(maker.packets(observations(n_bands=6, size_pix=21)))
    content = b"".join(block([alert.packet], sync_marker(text)) for alert in alerts)
    (tmp_path / "a.avro").write_bytes(container_header(text) + content)
    official = packet.Schema.from_file(
        packet.get_schema_path(*map(int, version.split(".")))
        + f"/lsst.v{version.replace('.', '_')}.alert.avsc"
    )
    with (tmp_path / "a.avro").open("rb") as file:
        _, records = packet.retrieve_alerts(file, reader_schema=official)
        read = list(records)
    assert [record["diaSourceId"] for record in read] == [alert.source_id for alert in alerts]
