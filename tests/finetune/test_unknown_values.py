"""Values that stand for none, or that cannot be, are unknown: not used, and counted."""

import json

import numpy as np
import pytest
from astropy.io import fits

from finetune.readers.fits_cube import read_sequence
from finetune.readers.rubin import RubinAlerts
from finetune.readers.ztf import ZtfAlerts
from simulator.dataset.reader import open_dataset
from skyreel.errors import SequenceError
from survey_profiles import load_profile
from survey_profiles.loading import profile_text
from tests.helpers.alert_packets import (
    candid_of,
    read_ztf,
    rubin_packet,
    stamp,
    write_packets,
    ztf_packet,
)
from tests.helpers.cubes import epoch_table, random_cube, write_cube
from tests.helpers.ingestion import ingest, ingested

PROFILE = load_profile("hits")
SENTINELS = [-999, -99, -9999, 1e9, np.inf, -np.inf, np.nan, 1e300]


@pytest.mark.parametrize("sentinel", SENTINELS)
@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("zero_point_mag", "zero_point_mag"),
        ("seeing_fwhm_pix", "seeing_fwhm_arcsec"),
        ("limiting_mag", "limiting_mag"),
        ("airmass", "airmass"),
        ("sky_border_adu", "sky_adu"),
        ("sky_adu", "field_sky_adu"),
    ],
)
def test_a_value_beyond_its_range_is_unknown_in_its_row_alone(tmp_path, column, name, sentinel):
    table = epoch_table(4)
    good = read_sequence(write_cube(tmp_path / "good.fits", table=table), PROFILE).epochs[name]
    table[column][2] = sentinel
    found = read_sequence(write_cube(tmp_path / "a.fits", table=table), PROFILE)
    expected = [good[0], good[1], np.nan, good[3]]
    np.testing.assert_array_equal(found.epochs[name], expected)
    noted = any(column in note and "taken as unknown" in note for note in found.notes)
    assert noted == (not np.isnan(sentinel))


def test_a_seeing_of_zero_is_unknown(tmp_path):
    table = epoch_table(4)
    table["seeing_fwhm_pix"][1] = 0
    found = read_sequence(write_cube(tmp_path / "a.fits", table=table), PROFILE)
    assert np.isnan(found.epochs["seeing_fwhm_arcsec"]).tolist() == [False, True, False, False]


def test_julian_dates_are_converted_and_said(tmp_path):
    table = epoch_table(4)
    mjd = np.array(table["mjd"])
    table["mjd"] += 2400000.5
    found = read_sequence(write_cube(tmp_path / "a.fits", table=table, ALERT=2), PROFILE)
    np.testing.assert_array_equal(found.epochs["mjd"], mjd)
    assert found.objects["first_alert_epoch"] == 2
    assert found.notes == ("mjd holds Julian dates; they were converted to MJD.",)


def test_times_that_are_none_cost_their_epochs(tmp_path):
    table = epoch_table(5)
    table["mjd"][[0, 3]] = -999, 0
    found = read_sequence(
        write_cube(tmp_path / "a.fits", cube=random_cube(5), table=table), PROFILE
    )
    assert len(found.images) == 3 and found.left_out == {"without a time": 2}


def test_a_band_that_the_survey_lacks_costs_its_epochs(tmp_path):
    table = epoch_table(4)
    table["band"] = ["g", "", "Y", "i"]
    found = read_sequence(write_cube(tmp_path / "a.fits", table=table), PROFILE)
    assert found.epochs["band"].tolist() == [0, 2]
    assert found.left_out == {"of a band that the survey does not have": 2}


@pytest.mark.parametrize(
    ("keyword", "value"), [("GAIN", 0), ("GAIN", -999.0), ("RDNOISE", -1), ("PIXSCALE", 1e9)]
)
def test_an_object_without_a_gain_is_left_out_and_named(monkeypatch, tmp_path, keyword, value):
    write_cube(tmp_path / "in/a.fits", **{keyword: value})
    write_cube(tmp_path / "in/b.fits")
    assert list(ingested(monkeypatch, tmp_path / "in")["object_id"][:]) == ["b"]
    run = json.loads((tmp_path / "in.zarr.json").read_text())["runs"][0]
    (left_out,) = run["left_out"]["reasons"]
    assert keyword in left_out["reason"] and left_out["count"] == 1
    assert left_out["first"][0].endswith("a.fits")


def test_null_integers_and_names_of_columns_in_upper_case(tmp_path):
    table = epoch_table(4)
    columns = [
        fits.Column("MJD", "D", array=table["mjd"]),
        fits.Column("Band", "1A", array=["g"] * 4),
        fits.Column("EXPOSURE_TIME_S", "J", null=-1, array=[86, -1, 86, 86]),
        fits.Column("Seeing_FWHM_pix", "E", array=table["seeing_fwhm_pix"]),
        fits.Column("ZERO_POINT_MAG", "I", null=25, array=[24, 25, 25, 26]),
    ]
    path = write_cube(tmp_path / "a.fits")
    with fits.open(path) as hdus:
        epochs = fits.BinTableHDU.from_columns(columns, name="epochs")
        fits.HDUList([hdus[0], hdus[1], epochs]).writeto(tmp_path / "b.fits")
    found = read_sequence(tmp_path / "b.fits", PROFILE)
    np.testing.assert_array_equal(found.epochs["exposure_time_s"], [86, 86, 86])
    np.testing.assert_array_equal(found.epochs["zero_point_mag"], [24, np.nan, 26])


def test_units_of_columns_are_converted_or_refused(tmp_path):
    table = epoch_table(4)
    table["exposure_time_s"] = np.full(4, 2.0)
    table["exposure_time_s"].unit = "min"
    found = read_sequence(write_cube(tmp_path / "a.fits", table=table), PROFILE)
    np.testing.assert_array_equal(found.epochs["exposure_time_s"], np.full(4, 120.0))
    table["seeing_fwhm_pix"].unit = "arcsec"
    with pytest.raises(SequenceError, match="seeing_fwhm_pix of EPOCHS is in 'arcsec'"):
        read_sequence(write_cube(tmp_path / "b.fits", table=table), PROFILE)


@pytest.mark.parametrize(
    ("card", "name"),
    [("'0017    '", "0017"), ("0017", "0017"), ("1234567890123456789", "1234567890123456789")],
)
def test_names_of_objects_are_text_to_the_last_digit(tmp_path, card, name):
    path = write_cube(tmp_path / "a.fits", OBJECT="x")
    content = path.read_bytes()
    at = content.index(b"OBJECT  =")
    path.write_bytes(content[:at] + f"OBJECT  = {card:>20}".ljust(80).encode() + content[at + 80 :])
    assert read_sequence(path, PROFILE).object_id == name


def test_a_cube_compressed_in_tiles_is_read(tmp_path):
    cube = np.rint(random_cube(5)).astype("i4")
    for codec in ("RICE_1", "GZIP_1", "GZIP_2"):
        plain = write_cube(tmp_path / f"{codec}.plain", cube=cube)
        with fits.open(plain) as hdus:
            tiles = fits.CompImageHDU(cube, name="STAMPS", compression_type=codec)
            fits.HDUList([hdus[0], tiles, hdus[2]]).writeto(tmp_path / f"{codec}.fits")
        found = read_sequence(tmp_path / f"{codec}.fits", PROFILE)
        np.testing.assert_array_equal(found.images, cube.astype(np.float32))


@pytest.mark.parametrize(
    ("keyword", "value", "reason"),
    [
        ("ZNAXIS1", 10**9, "needed are squares"),
        ("ZNAXIS3", 10**9, "at most 8,388,608 are read"),
        ("ZNAXIS", 10**9, "STAMPS has 0 axes"),
        ("ZTILE1", 0, "is damaged"),
        ("ZVAL1", 0, "is damaged"),
        ("ZVAL2", 10**9, "is damaged"),
        ("NAXIS2", 1, "is damaged"),
        ("ZCMPTYPE", "'HCOMPRESS_1'", "Unpack the file with funpack"),
    ],
)
def test_headers_of_tiles_are_checked(tmp_path, keyword, value, reason):
    plain = write_cube(tmp_path / "plain", cube=np.ones((5, 7, 7), "i4"))
    with fits.open(plain) as hdus:
        tiles = fits.CompImageHDU(hdus[1].data, name="STAMPS", compression_type="RICE_1")
        fits.HDUList([hdus[0], hdus[2], tiles]).writeto(tmp_path / "a.fits")
    content = (tmp_path / "a.fits").read_bytes()
    at = content.index(f"{keyword:<8}=".encode(), content.index(b"COMPRESSED_DATA") - 2880)
    card = f"{keyword:<8}= {value:>20}".ljust(80).encode()
    (tmp_path / "a.fits").write_bytes(content[:at] + card + content[at + 80 :])
    with pytest.raises(SequenceError, match=reason):
        read_sequence(tmp_path / "a.fits", PROFILE)


def with_card(content, keyword, value):
    at = content.index(f"{keyword:<8}=".encode())
    return content[:at] + f"{keyword:<8}= {value:>20}".ljust(80).encode() + content[at + 80 :]


@pytest.mark.parametrize("value", [99999999999, -1, "1E400", "T"])
def test_a_header_that_claims_many_axes_costs_its_file_or_packet(tmp_path, value):
    """A library reads a keyword for each axis: of 1e11 it would not return."""
    content = write_cube(tmp_path / "a.fits").read_bytes()
    (tmp_path / "a.fits").write_bytes(with_card(content, "NAXIS", value))
    with pytest.raises(SequenceError, match="NAXIS = "):
        read_sequence(tmp_path / "a.fits", PROFILE)
    image = np.full((63, 63), 200, np.float32)
    cutouts = {"Science": with_card(stamp(image, packed=False), "NAXIS", value)}
    packets = [ztf_packet("ZTF1"), ztf_packet("ZTF2", cutouts=cutouts), ztf_packet("ZTF3")]
    sequences, (skipped,) = read_ztf(write_packets(tmp_path / "a.avro", *packets))
    assert set(sequences) == {"ZTF1", "ZTF3"}
    assert "NAXIS = " in skipped.reason and skipped.source.endswith("packet 2")


def test_a_header_without_an_end_is_refused(tmp_path):
    content = write_cube(tmp_path / "a.fits").read_bytes()
    (tmp_path / "a.fits").write_bytes(content[:2880].replace(b"END", b"   ") + b" " * 10**6)
    with pytest.raises(SequenceError, match="longer than 576,000 bytes"):
        read_sequence(tmp_path / "a.fits", PROFILE)


@pytest.mark.parametrize("sentinel", [-999.0, 99999.0, float("inf"), 1e300, -1.0])
def test_sentinels_in_packets_are_unknown(tmp_path, sentinel):
    fields = {"magzpsci": sentinel, "fwhm": sentinel, "diffmaglim": sentinel, "ra": 1e300}
    path = write_packets(tmp_path / "a.avro", ztf_packet("ZTF1", **fields, forced=[{}]))
    found = read_ztf(path)[0]["ZTF1"]
    for name in ("zero_point_mag", "seeing_fwhm_arcsec", "limiting_mag", "published_flux_adu"):
        assert np.isnan(found.epochs[name]).all(), name
    assert np.isnan(found.objects["ra_deg"]) and np.isfinite(found.objects["dec_deg"])
    for name in ("magzpsci", "fwhm", "diffmaglim"):
        assert any(n.startswith(f"{name} beyond the range") for n in found.notes), name
    for values in found.photometry.values():
        assert values.dtype.kind != "f" or not np.isinf(values).any()


@pytest.mark.parametrize("rows", ["text", [3, "x"], [{"jd": 1e300, "fid": [1]}]])
def test_a_history_that_is_none_costs_no_packet(tmp_path, rows):
    packet = {**ztf_packet("ZTF1"), "prv_candidates": rows, "fp_hists": rows}
    reader = ZtfAlerts()
    name, kept = reader.kept(packet)
    alert = reader.alert("a", kept, load_profile("ztf"))
    assert name == "ZTF1" and alert.photometry["kind"].tolist() == ["alert"]
    packet = rubin_packet(history=rows if isinstance(rows, list) else [])
    packet["prvDiaForcedSources"] = rows
    _, kept = RubinAlerts().kept(packet)
    alert = RubinAlerts().alert("a", kept, load_profile("lsst"))
    assert alert.photometry["kind"].tolist() == ["alert"]


def test_packets_without_any_known_flux_are_read(tmp_path):
    packets = [rubin_packet(1, psfFlux=float("nan")), rubin_packet(2, psfFlux=float("inf"))]
    write_packets(tmp_path / "a.avro", *packets)
    reader = RubinAlerts()
    (found,) = reader.read(reader.files(tmp_path / "a.avro"), load_profile("lsst"))
    assert len(found.images) == 2 and found.photometry["mjd"].size == 0
    assert np.isnan(found.epochs["published_flux_adu"]).all()


def test_an_mjd_in_place_of_a_jd_is_taken_as_one(tmp_path):
    jd = 2459000.7
    packet = ztf_packet("ZTF1", jd=jd - 2400000.5, candid=candid_of(jd))
    found = read_ztf(write_packets(tmp_path / "a.avro", packet))[0]["ZTF1"]
    np.testing.assert_allclose(found.epochs["mjd"], [59000.2], atol=1e-6)


def test_values_too_large_for_the_data_set_are_unknown_there(monkeypatch, tmp_path):
    table = epoch_table(4)
    table["lc_flux_adu"], table["lc_flux_err_adu"] = np.full(4, 1e300), np.full(4, np.inf)
    cube = random_cube(4)
    cube[1, 2, 2] = np.inf
    write_cube(tmp_path / "in/a.fits", cube=cube, table=table)
    split = ingested(monkeypatch, tmp_path / "in")
    for name, array in split.arrays():
        assert array.dtype.kind != "f" or not np.isinf(array[:]).any(), name
    assert np.isnan(split["published_flux_adu"][:]).all()


def test_what_is_left_out_and_unknown_is_printed_and_recorded(monkeypatch, tmp_path, capsys):
    for i in range(6):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / f"in/bad{i}.fits").write_bytes(b"no FITS")
    table = epoch_table(4)
    table["mjd"][3], table["seeing_fwhm_pix"][1:3] = table["mjd"][2], -999
    write_cube(tmp_path / "in/good.fits", table=table)
    monkeypatch.chdir(tmp_path)
    assert ingest(monkeypatch, "in") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "in/bad0.fits, in/bad1.fits, in/bad2.fits and 3 more" in printed
    assert "Epochs left out: 1 at the time of another." in printed
    assert "Unknown values, NaN in the data set: seeing_fwhm_arcsec 2." in printed
    run = json.loads((tmp_path / "in.zarr.json").read_text())["runs"][0]
    assert run["left_out"]["files_and_objects"] == 6
    assert run["left_out"]["epochs"] == {"at the time of another": 1}
    assert run["unknown_values"] == {"seeing_fwhm_arcsec": 2}


def test_the_profile_of_another_survey_is_refused(monkeypatch, tmp_path, capsys):
    path = write_packets(tmp_path / "a.avro", ztf_packet())
    out = tmp_path / "a.zarr"
    for reader, survey in (("ztf", "hits"), ("ztf", "lsst"), ("rubin", "ztf")):
        options = ("--from", reader, "--survey", survey, "--out", out, "--quiet")
        assert ingest(monkeypatch, path, *options) == 2
        error = capsys.readouterr().err
        assert f"--survey {survey}: " in error and "Leave --survey out" in error
    own = tmp_path / "mine.toml"
    own.write_text(profile_text("ztf"))
    assert ingest(monkeypatch, path, "--from", "ztf", "--survey", own, "--out", out) == 0
    assert open_dataset(out).attrs["survey"] == "ztf"
