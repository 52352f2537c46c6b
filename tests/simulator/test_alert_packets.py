"""Packets of simulated detections: schemas, records, cutouts, histories and names."""

import gzip
import io
import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import fastavro
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from simulator.alerts.alert_identifiers import (
    calendar_days,
    object_numbers,
    rubin_object_id,
    rubin_source_id,
    ztf_candid,
    ztf_names,
    ztf_pid,
    ztf_quadrant,
)
from simulator.alerts.avro_bytes import block, container_header, sync_marker
from simulator.alerts.catalogue import Catalogue, nearest_sources
from simulator.alerts.fits_bytes import gzipped, primary
from simulator.alerts.observations import aperture_flux
from simulator.alerts.rubin_schema import VERSIONS, rubin_schema
from simulator.alerts.sky_positions import SCATTER_DEG, object_positions, offset_position
from simulator.alerts.time_scales import tai_mjd, utc_mjd
from simulator.alerts.ztf_schema import ztf_schema
from survey_profiles import load_profile
from tests.helpers.alert_observations import (
    PIXEL_SCALE_ARCSEC,
    maker_of,
    n_bands_of,
    observations,
)

SCHEMAS = ("ztf", *VERSIONS)


def records(schema, **options):
    """Observations, alerts and their records by fastavro."""
    maker, batch = maker_of(schema), observations(n_bands=n_bands_of(schema), **options)
    alerts = list(maker.packets(batch))
    file = container_header(maker.schema.text)
    file += b"".join(block([a.packet], sync_marker(maker.schema.text)) for a in alerts)
    return batch, alerts, list(fastavro.reader(io.BytesIO(file)))


def stamp_of(content):
    """Pixels of the first image of a cutout, by astropy, which checks the headers."""
    packed = content.startswith(b"\x1f\x8b")
    with fits.open(io.BytesIO(gzip.decompress(content) if packed else content)) as hdus:
        hdus.verify("exception")
        return np.array(hdus[0].data)


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


# --- cutouts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size_pix", [21, 63])
def test_stamps_of_ztf_are_the_planes(size_pix):
    batch, alerts, read = records("ztf", size_pix=size_pix)
    flux, sky = batch.epochs["difference_flux_adu"], batch.epochs["sky_adu"]
    for k, (alert, record) in enumerate(zip(alerts, read, strict=True)):
        own = alert.object, alert.epoch
        expected = {
            "Science": batch.stamps["images"][k].astype(np.float32),
            "Template": batch.stamps["template"][k] + sky[own],
            "Difference": batch.stamps["difference"][k] * np.float32(np.sign(flux[own])),
        }
        for name, image in expected.items():
            found = stamp_of(record[f"cutout{name}"]["stampData"])
            assert found.dtype == ">f4"
            np.testing.assert_array_equal(found, image)


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
def test_stamps_of_ztf_end_at_the_edge_of_the_detector(side):
    batch = observations()
    own = np.flatnonzero(batch.detections()[0] == 0)
    outside = np.zeros((63, 63), dtype=np.uint8)
    turn = {"left": 0, "bottom": 1, "right": 2, "top": 3}[side]
    outside[:, :9] = 8
    outside = outside if turn == 0 else np.rot90(outside, {1: 1, 2: 2, 3: 3}[turn])
    outside = outside[::-1] if side in ("top", "bottom") else outside
    if side == "bottom":
        assert outside[0].all()
    batch.stamps["mask"][own] = outside
    maker = maker_of("ztf")
    packet = next(iter(maker.packets(batch))).packet
    record = fastavro.schemaless_reader(io.BytesIO(packet), maker.schema.packet, None)
    found = stamp_of(record["cutoutScience"]["stampData"])
    kept = batch.stamps["images"][0][outside == 0].reshape(found.shape)
    np.testing.assert_array_equal(found, kept)
    position = record["candidate"]["xpos"], record["candidate"]["ypos"]
    expected = {"left": (0, 32 - 9), "right": (0, 3072 - 31 + 9)}
    expected |= {"bottom": (1, 32 - 9), "top": (1, 3080 - 31 + 9)}
    axis, place = expected[side]
    assert position[axis] == place


@pytest.mark.parametrize("version", VERSIONS)
def test_cutouts_of_rubin_have_variance_psf_and_a_wcs(version):
    batch, alerts, read = records(version, size_pix=31, lost_columns=3)
    for k, (alert, record) in enumerate(zip(alerts, read, strict=True)):
        own = alert.object, alert.epoch
        zero_point, seconds, sky = (
            batch.epochs[n][own] for n in ("zero_point_mag", "exposure_time_s", "sky_adu")
        )
        scale = np.float32(10 ** (0.4 * (31.4 - float(zero_point))) / float(seconds))
        inside = batch.stamps["mask"][k] & 8 == 0
        with fits.open(io.BytesIO(record["cutoutScience"])) as hdus:
            hdus.verify("exception")
            assert [hdu.name for hdu in hdus] == ["PRIMARY", "UNCERT", "PSFIMAGE"]
            counts = batch.stamps["images"][k].astype(np.float32)
            expected = np.where(inside, (counts - sky) * scale, np.nan)
            np.testing.assert_array_equal(hdus[0].data, expected)
            variance = (counts / 5.8 + (10.3 / 5.8) ** 2) * scale**2
            np.testing.assert_allclose(hdus["UNCERT"].data, variance, rtol=1e-5)
            assert hdus["PSFIMAGE"].data.sum() == pytest.approx(1, abs=1e-6)
            assert hdus[0].header["BUNIT"] == "nJy"
            middle = hdus[0].data.shape[0] // 2 + 1
            pixel = batch.centre_x_pix[k] + middle, batch.centre_y_pix[k] + middle
            sky_position = WCS(hdus[0].header).wcs_pix2world([pixel], 1)[0]
        source = record["diaSource"]
        assert sky_position == pytest.approx([source["ra"], source["dec"]], abs=1e-9)
        difference = stamp_of(record["cutoutDifference"])
        expected = np.where(inside, batch.stamps["difference"][k] * scale, np.nan)
        np.testing.assert_array_equal(difference, expected)


def test_fits_of_astropy_has_the_same_bytes():
    image = np.random.default_rng(0).normal(size=(21, 63)).astype(np.float32)
    out = io.BytesIO()
    fits.PrimaryHDU(image).writeto(out)
    ours = primary(image, extended=True)
    without_comments = [ours[i : i + 30].rstrip() for i in range(0, 480, 80)]
    theirs = [out.getvalue()[i : i + 30].rstrip() for i in range(0, 480, 80)]
    assert without_comments == theirs
    assert ours[2880:] == out.getvalue()[2880:]


def test_gzip_is_reproducible():
    content = bytes(range(256)) * 80
    assert gzipped(content) == gzipped(content)
    assert gzip.decompress(gzipped(content)) == content


def test_aperture_flux_of_a_star_is_its_flux():
    y, x = np.mgrid[:31, :31] - 15.0
    images = np.stack(
        [np.exp(-((x - a) ** 2 + (y - b) ** 2) / 4.5) for a, b in ((0.3, -0.4), (14, 13))]
    )
    total = 2 * np.pi * 2.25
    position = np.array([0.3, 14.0]), np.array([-0.4, 13.0])
    flux, error = aperture_flux(images, np.ones_like(images), *position, 8.0)
    assert flux[0] == pytest.approx(total, rel=1e-3)
    assert error[0] == pytest.approx(np.sqrt(np.pi * 64), rel=0.05)
    assert 0 < flux[1] < total  # cut by the stamp's edge


# --- names and positions ------------------------------------------------------------------------


def test_identifiers_of_a_run_are_distinct_and_depend_on_the_object_alone():
    number = np.concatenate([object_numbers(split, np.arange(2000)) for split in range(3)])
    mjd = np.full(len(number), 59000.2)
    for seed in (0, 7, 2**63):
        names = ztf_names(number, seed, mjd)
        assert len(set(names)) == len(number)
        assert names[5] == ztf_names(number[5:6], seed, mjd[5:6])[0]
        assert all(len(name) == 12 and name.startswith("ZTF20") for name in names)
        assert len(np.unique(rubin_object_id(number, seed))) == len(number)
    assert ztf_names(number[:9], 0, mjd[:9]) != ztf_names(number[:9], 1, mjd[:9])
    pid = ztf_pid(mjd, ztf_quadrant(number))
    assert len(np.unique(ztf_candid(pid, number, number % 2 == 0))) == len(number)
    assert len(np.unique(rubin_source_id(mjd, number))) == len(number)


def test_numbers_of_ztf_are_those_of_a_real_alert():
    """Real packet 2475433850215010007: its jd, quadrant, sign and tblid give its candid."""
    mjd, number = np.array([2460229.9338542 - 2400000.5]), np.array([2 + 64 * 7])
    pid = ztf_pid(mjd, ztf_quadrant(number))
    assert pid == [2475433850215]
    assert ztf_candid(pid, number, np.array([False])) == [2475433850215010007]


def test_calendar_days():
    assert calendar_days(np.array([51544.0, 61104.9, 58849.0])).tolist() == [
        20000101,
        20260305,
        20200101,
    ]


def test_positions_are_near_their_pointing_or_on_the_footprint():
    profile, n = load_profile("ztf"), 4000
    objects = np.arange(n, dtype=np.uint64)
    ra0, dec0 = np.full(n, 359.9), np.full(n, 60.0)
    ra, dec = object_positions(profile, 3, objects, ra0, dec0)
    east, north = (((ra - ra0 + 180) % 360) - 180) * np.cos(np.radians(dec)), dec - dec0
    distance = np.hypot(east, north)
    assert distance.max() < SCATTER_DEG * 1.01
    assert np.mean(distance**2) == pytest.approx(SCATTER_DEG**2 / 2, rel=5 / np.sqrt(12 * n) * 2)
    unknown = np.full(n, np.nan)
    ra, dec = object_positions(profile, 3, objects, unknown, unknown)
    low, high = profile.cadence.footprint.dec_deg
    assert low <= dec.min() and dec.max() <= high and ra.min() >= 0 and ra.max() < 360
    sines = np.sin(np.radians(dec))
    expected = np.sin(np.radians([low, high])).mean()
    width = np.ptp(np.sin(np.radians([low, high])))
    assert abs(sines.mean() - expected) < 5 * width / np.sqrt(12 * n)
    again = object_positions(profile, 3, objects[7:8], unknown[:1], unknown[:1])
    assert (again[0][0], again[1][0]) == (ra[7], dec[7])


def test_offsets_agree_with_astropy():
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.cdelt = [10.0, 85.0], [1.0, 1.0]
    for offset in ((0.3, -0.2), (2.0, 6.0)):
        expected = wcs.wcs_pix2world([offset], 0)[0]
        wcs.wcs.crpix = [1.0, 1.0]
        expected = wcs.wcs_pix2world([offset], 0)[0]
        found = offset_position(10.0, 85.0, *offset)
        assert found == pytest.approx(expected, abs=1e-10)


def test_time_scales_agree_with_astropy():
    from astropy.time import Time

    utc = np.array([51544.3, 57752.9, 57754.00001, 59000.2, 60400.7])
    tai = Time(utc, format="mjd", scale="utc").tai.mjd
    np.testing.assert_allclose(tai_mjd(utc), tai, rtol=0, atol=1e-10)
    np.testing.assert_allclose(utc_mjd(tai), utc, rtol=0, atol=1e-10)
    far = tai_mjd([70000.0, np.nan])  # 2050: no warning, no more leap seconds
    assert far[0] == 70000 + 37 / 86400 and np.isnan(far[1])


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
