"""ZTF packets as sequences: every number arrives, and the source stays where it belongs."""

import gzip

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.dataset import DatasetSplit
from classifier.features import curve_table
from finetune.readers.alert_photometry import SCHEMA, photometry_path
from finetune.readers.ztf import start_mjd
from finetune.readers.ztf_edges import SIZE_PIX, centre_of
from simulator.dataset.reader import open_dataset
from simulator.detector.defects import BAD_PIXEL, OUTSIDE, SATURATED
from survey_profiles import load_profile
from tests.helpers.alert_packets import (
    CANDIDATE,
    candid_of,
    random_image,
    read_ztf,
    stamp,
    tar_of,
    write_packets,
    ztf_packet,
)
from tests.helpers.ingestion import ingest

PROFILE = load_profile("ztf")


def only(path):
    sequences, skipped = read_ztf(path)
    assert not skipped
    (sequence,) = sequences.values()
    return sequence


def test_every_value_of_a_packet_is_read(tmp_path):
    found = only(write_packets(tmp_path / "a.avro", ztf_packet("ZTF1")))
    np.testing.assert_array_equal(found.images[0], random_image(0))
    template = found.more_images["template"][0] + np.float32(found.epochs["template_sky_adu"][0])
    rounding = 2 * np.finfo(np.float32).eps * random_image(1).max()
    np.testing.assert_allclose(template, random_image(1), rtol=0, atol=rounding)
    np.testing.assert_array_equal(found.more_images["difference"][0], random_image(2))
    assert not found.mask.any()
    flux_adu = 10 ** (0.4 * (26.3 - 18.5))  # counts of the whole exposure
    epochs = {
        "mjd": 2459000.7 - 2400000.5,
        "band": 1,
        "exposure_time_s": 30,
        "seeing_fwhm_arcsec": 2.2 * 1.01,
        "zero_point_mag": 26.3 - 2.5 * np.log10(30),
        "limiting_mag": 20.3,
        "published_flux_adu": flux_adu,
        "published_flux_error_adu": flux_adu * 0.05 * np.log(10) / 2.5,
        "alert_id": candid_of(2459000.7),
    }
    for name, value in epochs.items():
        np.testing.assert_allclose(found.epochs[name], [value], rtol=1e-12, err_msg=name)
    assert found.epochs["sky_adu"] == pytest.approx(200, abs=5 * 1.25 * 8 / np.sqrt(248))
    assert found.objects == {
        "gain_e_per_adu": 5.8,
        "read_noise_e": 10.3,
        "ra_deg": 47.3,
        "dec_deg": 9.7,
        "field": 506,
        "ccd_number": 15,
        "first_alert_epoch": 0,
    }
    assert found.object_id == "ZTF1" and found.class_name is None and not found.notes


@pytest.mark.parametrize(("flag", "sign"), [("t", 1), ("1", 1), ("f", -1), ("0", -1)])
def test_a_difference_is_science_less_template_for_every_flag(tmp_path, flag, sign):
    found = only(write_packets(tmp_path / "a.avro", ztf_packet(isdiffpos=flag)))
    difference = found.more_images["difference"][0]
    np.testing.assert_array_equal(difference, sign * random_image(2))
    assert np.sign(found.epochs["published_flux_adu"][0]) == sign
    assert np.sign(found.photometry["flux_njy"][0]) == sign


def cut_out(row, column, rows=3080, columns=3072):
    """What ZTF would cut out about a pixel, counted from 1; each pixel holds its own place."""
    half = SIZE_PIX // 2
    y = np.arange(max(row - half, 1), min(row + half, rows) + 1)
    x = np.arange(max(column - half, 1), min(column + half, columns) + 1)
    return (y[:, None] * 4096.0 + x).astype(np.float32)


@settings(deadline=None, max_examples=200)
@given(
    y=st.one_of(st.floats(0.6, 70), st.floats(3010, 3080.4)),
    x=st.one_of(st.floats(0.6, 70), st.floats(3000, 3072.4)),
)
def test_the_source_is_found_at_any_edge(y, x):
    row, column = round(y), round(x)
    image = cut_out(row, column)
    centre, note = centre_of(image.shape, (y, x))
    assert image[centre] == row * 4096 + column
    assert bool(note) == (image.shape != (SIZE_PIX, SIZE_PIX))


@pytest.mark.parametrize(
    "place", [(12.2, 1500), (3075.4, 40), (1000, 3060.3), (1000, 5), (3, 3070)]
)
def test_stamps_cut_by_an_edge_are_padded_where_they_were_cut(tmp_path, place):
    image = cut_out(*map(round, place))
    cutouts = {name: stamp(image) for name in ("Science", "Template", "Difference")}
    packet = ztf_packet(cutouts=cutouts, ypos=float(place[0]), xpos=float(place[1]))
    found = only(write_packets(tmp_path / "a.avro", packet))
    assert found.images.shape == (1, SIZE_PIX, SIZE_PIX)
    middle = SIZE_PIX // 2
    assert found.images[0, middle, middle] == round(place[0]) * 4096 + round(place[1])
    outside = found.mask[0] == OUTSIDE
    np.testing.assert_array_equal(outside, np.isnan(found.images[0]))
    assert outside.sum() == SIZE_PIX**2 - image.size
    (note,) = found.notes
    assert "padded at the edge of the detector" in note


@pytest.mark.parametrize("at_the_low_side", [True, False])
def test_without_a_position_the_difference_gives_the_side_that_was_cut(tmp_path, at_the_low_side):
    shape, column = (63, 50), 50 - 32 if at_the_low_side else 31
    difference = random_image(3)[: shape[0], : shape[1]] - 200
    difference[30:33, column - 1 : column + 2] += 300
    cutouts = {n: stamp(random_image(0)[:, :50]) for n in ("Science", "Template")}
    cutouts["Difference"] = stamp(difference)
    packet = ztf_packet(cutouts=cutouts, xpos=None, ypos=None)
    found = only(write_packets(tmp_path / "a.avro", packet))
    middle = found.more_images["difference"][0, 30:33, 30:33]
    np.testing.assert_array_equal(middle, np.float32(difference[30:33, column - 1 : column + 2]))


def test_a_stamp_cropped_about_its_centre_keeps_the_centre(tmp_path):
    cutouts = {
        n: stamp(random_image(i, 21)) for i, n in enumerate(("Science", "Template", "Difference"))
    }
    found = only(write_packets(tmp_path / "a.avro", ztf_packet(cutouts=cutouts)))
    np.testing.assert_array_equal(found.images[0], random_image(0, 21))
    assert not found.notes


def test_pixels_without_a_number_and_saturated_ones_are_masked(tmp_path):
    image = random_image()
    image[3:6, 10:12], image[31, 31], image[31, 32] = np.nan, 60000, 49999
    found = only(write_packets(tmp_path / "a.avro", ztf_packet(cutouts={"Science": stamp(image)})))
    expected = np.zeros((63, 63), np.uint8)
    expected[3:6, 10:12], expected[31, 31] = BAD_PIXEL, SATURATED
    np.testing.assert_array_equal(found.mask[0], expected)


def packets_of_three_objects():
    """Nine packets of three objects, of other nights and bands."""
    return [
        ztf_packet(
            f"ZTF{i % 3}",
            jd=2459000.7 + 2.1 * i,
            fid=1 + i % 2,
            magpsf=18.0 + i,
            cutouts={"Science": stamp(random_image(100 + i))},
        )
        for i in range(9)
    ]


@settings(deadline=None, max_examples=10)
@given(order=st.permutations(range(9)))
def test_packets_of_an_object_become_one_sequence_in_any_order(tmp_path_factory, order):
    folder, packets = tmp_path_factory.mktemp("any"), packets_of_three_objects()
    for number, i in enumerate(order):
        write_packets(folder / f"{number % 4}/{number}.avro", packets[i])
    write_packets(folder / "again.avro", packets[4])
    sequences, skipped = read_ztf(folder)
    assert set(sequences) == {"ZTF0", "ZTF1", "ZTF2"} and not skipped
    for k, name in enumerate(("ZTF0", "ZTF1", "ZTF2")):
        found = sequences[name]
        assert len(found.images) == 3 and (np.diff(found.epochs["mjd"]) > 0).all()
        for epoch, i in enumerate((k, k + 3, k + 6)):
            np.testing.assert_array_equal(found.images[epoch], random_image(100 + i))
            assert found.epochs["alert_id"][epoch] == packets[i]["candid"]
        assert found.notes == (("1 duplicate packets.",) if k == 1 else ())


@pytest.mark.parametrize(
    "form", ["container", "deflate", "bzip2", "xz", "folder", "tar", "tar.gz", "gz"]
)
def test_the_data_set_does_not_depend_on_the_packing_of_packets(monkeypatch, tmp_path, form):
    packets = packets_of_three_objects()
    single = {
        f"{p['candid']}.avro": write_packets(tmp_path / "one.avro", p).read_bytes() for p in packets
    }
    (tmp_path / "one.avro").unlink()
    source = tmp_path / f"in.{form}"
    if form == "folder":
        for i, (name, content) in enumerate(single.items()):
            (source / f"20200{i}" / "deep").mkdir(parents=True)
            (source / f"20200{i}" / "deep" / name).write_bytes(content)
    elif form.startswith("tar"):
        tar_of(source, single, "w:gz" if form == "tar.gz" else "w")
    else:
        codec = form if form in ("deflate", "bzip2", "xz") else "null"
        write_packets(source, *packets, codec=codec)
        if form == "gz":
            source.write_bytes(gzip.compress(source.read_bytes()))
    out = tmp_path / "out.zarr"
    assert ingest(monkeypatch, source, "--from", "ztf", "--out", out, "--quiet") == 0
    split = open_dataset(out)["test"]
    assert list(split["object_id"][:]) == ["ZTF0", "ZTF1", "ZTF2"]
    for i, packet in enumerate(packets):
        row, epoch = i % 3, i // 3
        assert split["alert_id"][row, epoch] == packet["candid"]
        np.testing.assert_array_equal(split["images"][row, epoch], random_image(100 + i))
    assert pq.read_table(photometry_path(out)).num_rows == 9


def test_the_time_is_that_of_candid_where_jd_was_overwritten(tmp_path):
    true_jd = [2459000.7, 2459003.7, 2459006.7]
    packets = [ztf_packet("ZTF1", jd=2451545.0, candid=candid_of(jd)) for jd in true_jd]
    found = only(write_packets(tmp_path / "a.avro", *packets))
    np.testing.assert_allclose(found.epochs["mjd"], np.array(true_jd) - 2400000.5, atol=1.1e-6)
    assert "overwritten" in found.notes[0]


def test_a_candid_without_a_time_changes_no_time():
    assert start_mjd(2459000.7, 8) == (2459000.7 - 2400000.5, False)
    mjd, overwritten = start_mjd(None, 8)
    assert np.isnan(mjd) and not overwritten
    assert start_mjd(None, candid_of(2459000.7)) == (pytest.approx(59000.2, abs=1e-6), True)


def test_packets_of_one_time_give_one_epoch(tmp_path):
    packets = [ztf_packet("ZTF1", candid=i + 1) for i in range(3)]
    found = only(write_packets(tmp_path / "a.avro", *packets))
    assert len(found.images) == 1 and "2 at the time of another" in found.notes[0]


def test_old_packets_lack_zero_point_and_exposure_time(tmp_path):
    packet = ztf_packet(jd=2458151.0226852)
    for name in ("magzpsci", "exptime"):
        del packet["candidate"][name]
    del packet["fp_hists"], packet["prv_candidates"]
    found = only(write_packets(tmp_path / "a.avro", packet))
    assert found.epochs["exposure_time_s"] == 30 and np.isnan(found.epochs["zero_point_mag"][0])
    assert "no zero point" in found.notes[0]
    np.testing.assert_allclose(found.photometry["magnitude"], [CANDIDATE["magpsf"]])


def test_the_light_curve_of_a_packet_goes_into_a_table_that_features_reads(monkeypatch, tmp_path):
    history = [{"jd": 2458990.7 + i, "isdiffpos": "t", "magpsf": 18 + i / 10} for i in range(6)]
    history += [{"jd": 2458999.1, "magpsf": None}, {"jd": 2458999.2, "isdiffpos": "f"}]
    forced = [{}, {"jd": 2458991.7, "forcediffimflux": -99999.0}, {"jd": 2458980.7, "fid": 9}]
    forced[1]["diffmaglim"] = -999.0
    packets = [ztf_packet(history=history, forced=forced, jd=jd) for jd in (2459000.7, 2459001.7)]
    write_packets(tmp_path / "a.avro", *packets)
    out = tmp_path / "a.zarr"
    assert ingest(monkeypatch, tmp_path / "a.avro", "--from", "ztf", "--out", out, "--quiet") == 0
    table = pq.read_table(photometry_path(out))
    assert table.schema.equals(SCHEMA)
    rows = table.to_pylist()
    assert [r["kind"] for r in rows].count("alert") == 6 + 1 + 2  # once each
    assert [r["kind"] for r in rows].count("limit") == 1
    (one,) = [r for r in rows if r["kind"] == "forced"]
    assert one["flux_njy"] == pytest.approx(1000 * 10 ** (0.4 * (31.4 - 26.0)))
    assert one["magnitude"] == pytest.approx(26.0 - 2.5 * 3)
    assert one["error"] == pytest.approx(2.5 / np.log(10) * 0.05)
    (negative,) = [r for r in rows if r["flux_njy"] is not None and r["flux_njy"] < 0]
    assert negative["mjd"] == pytest.approx(58998.7) and np.isnan(negative["magnitude"])
    assert (np.diff(table["mjd"]) >= 0).all()
    assert set(curve_table.COLUMNS) <= set(SCHEMA.names)


@pytest.mark.parametrize("size", [21, 33, 63])
def test_stamps_are_cut_to_a_given_size_and_the_classifier_reads_them(monkeypatch, tmp_path, size):
    write_packets(tmp_path / "a.avro", *packets_of_three_objects())
    out, options = tmp_path / "a.zarr", ("--quiet", "--size", size)
    assert ingest(monkeypatch, tmp_path / "a.avro", "--from", "ztf", "--out", out, *options) == 0
    split = DatasetSplit(out, "test")
    assert split.size_pix == size and split.bands == ("g", "r", "i")
    first = 31 - size // 2
    expected = random_image(100)[first : first + size, first : first + size]
    np.testing.assert_array_equal(split.stamps(0, 3).images_adu[0, 0], expected)
    group = open_dataset(out)["test"]
    assert group["difference"].shape == group["images"].shape == (3, 3, size, size)
