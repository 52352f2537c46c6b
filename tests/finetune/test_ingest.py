"""Real sequences as a data set: every number arrives, in the layout of simulated ones."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import xarray

from classifier.dataset import DatasetSplit
from finetune.ingest import scan as gathering
from finetune.ingest.real_arrays import UNLABELLED, fitted, real_specs
from finetune.readers.fits_cube import FitsCubes, read_sequence
from finetune.readers.protocol import in_time_order
from simulator.dataset import writer
from simulator.dataset.reader import open_dataset
from simulator.detector.defects import BAD_PIXEL, OUTSIDE, SATURATED
from survey_profiles import load_profile
from survey_profiles.loading import profile_text
from tests.helpers.cubes import HEADER, epoch_table, random_cube, write_cube
from tests.helpers.ingestion import ingest, ingested

PROFILE = load_profile("hits")


def row_of(split, object_id):
    return list(split["object_id"][:]).index(object_id)


def test_every_value_of_a_file_is_read(monkeypatch, tmp_path):
    cube, table = random_cube(5), epoch_table(5, seed=1, band=list("grgig"))
    flux, error = np.arange(5.0) * 100, np.full(5, 20.0)
    table["lc_flux_adu"], table["lc_flux_err_adu"] = flux, error
    write_cube(
        tmp_path / "in/SN/a.fits.gz",
        cube=cube,
        table=table,
        CLASS="SN",
        ALERT=2,
        RESAMPLE="lanczos",
    )
    split = ingested(monkeypatch, tmp_path / "in")
    np.testing.assert_array_equal(split["images"][0], cube)
    assert not split["mask"][:].any()
    np.testing.assert_array_equal(split["band"][0], [0, 1, 0, 2, 0])
    same = {
        "mjd": "mjd",
        "exposure_time_s": "exposure_time_s",
        "airmass": "airmass",
        "sky_adu": "sky_border_adu",
        "field_sky_adu": "sky_adu",
        "zero_point_mag": "zero_point_mag",
        "limiting_mag": "limiting_mag",
        "published_flux_adu": "lc_flux_adu",
        "published_flux_error_adu": "lc_flux_err_adu",
    }
    for name, column in same.items():
        expected = np.asarray(table[column]).astype(split[name].dtype)
        np.testing.assert_array_equal(split[name][0], expected, err_msg=name)
    seeing_arcsec = np.float32(table["seeing_fwhm_pix"] * HEADER["PIXSCALE"])
    np.testing.assert_array_equal(split["seeing_fwhm_arcsec"][0], seeing_arcsec)
    numbers = {
        "n_epochs": 5,
        "label": 0,
        "first_alert_epoch": 2,
        "n_detections": -1,
        "ccd": [ccd.name for ccd in PROFILE.camera.ccds].index("S21"),
        "ccd_number": 9,
        "gain_e_per_adu": np.float32(3.87),
        "read_noise_e": np.float32(5.94),
        "field": 9,
        "catalogue_mag": np.float32(19.5),
        "resampled": True,
        "object_id": "a",
        "source_file": "SN/a.fits.gz",
    }
    assert {name: split[name][0] for name in numbers} == numbers
    assert np.isnan(split["magnitude"][:]).all() and np.isnan(split["max_signal_to_noise"][0])


def test_every_array_is_described(monkeypatch, tmp_path):
    table = epoch_table(4)
    table["lc_flux_adu"] = table["lc_flux_err_adu"] = np.ones(4)
    write_cube(tmp_path / "in/a.fits", table=table)
    split = ingested(monkeypatch, tmp_path / "in")
    specs = real_specs(FitsCubes.extra)
    assert set(split) == {spec.name for spec in specs} | {"shard_done"}
    for spec in specs:
        array = split[spec.name]
        assert array.metadata.dimension_names == spec.dimensions
        assert array.attrs["description"] == spec.description
        assert spec.dtype == "string" or array.dtype == spec.dtype


def test_the_file_written_in_the_documentation_is_read(monkeypatch, tmp_path):
    text = (Path(__file__).parents[2] / "docs" / "guides" / "own_images.md").read_text()
    (code,) = (c for c in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "writeto" in c)
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    exec(code, {})
    split = ingested(monkeypatch, tmp_path / "in")
    assert list(split["object_id"][:]) == ["a1"] and split["images"].shape == (1, 5, 21, 21)


def test_attributes_describe_the_data_set(monkeypatch, tmp_path):
    for name, class_name in (("a", "NV"), ("b", "SN"), ("c", "ZZ"), ("d", None), ("e", "LPV")):
        write_cube(tmp_path / f"in/{name}.fits.gz", CLASS=class_name)
    split = ingested(monkeypatch, tmp_path / "in")
    attributes = open_dataset(tmp_path / "in.zarr").attrs
    assert attributes["classes"] == ["SN", "NV", "LPV", "ZZ"]
    np.testing.assert_array_equal(split["label"][:], [1, 0, 3, UNLABELLED, 2])
    assert attributes["bands"] == ["g", "r", "i"] and attributes["survey"] == "hits"
    assert attributes["profile"] == PROFILE.model_dump(mode="json")
    assert attributes["kind"] == "real" and attributes["source"].endswith("in")
    assert attributes["command"].startswith("ingest --from hits ")


def test_short_sequences_are_padded_as_simulated_ones_are(monkeypatch, tmp_path):
    write_cube(tmp_path / "in/long.fits", cube=random_cube(6))
    write_cube(tmp_path / "in/short.fits", cube=random_cube(2))
    split = ingested(monkeypatch, tmp_path / "in")
    short = row_of(split, "short")
    assert split["n_epochs"][short] == 2
    assert np.isnan(split["images"][short, 2:]).all() and not split["mask"][short, 2:].any()
    assert np.isnan(split["mjd"][short, 2:]).all() and not split["band"][short, 2:].any()


def test_pixels_that_are_not_finite_or_saturated_are_masked(tmp_path):
    cube = random_cube(4)
    cube[0, 1, 2], cube[0, 3, 3] = np.nan, np.inf
    cube[1, 3, 3], cube[1, 3, 4] = 40000, 39999
    cube[2, 3, 3], cube[2, 3, 4], cube[2, 0, 0] = 37000, 36001, 35999  # flagged: from 0.9 x 40,000
    cube[3, 5, 5] = 20000  # flagged, and its peak is all there is to mark
    table = epoch_table(4, saturated=np.array([False, False, True, True]))
    found = read_sequence(write_cube(tmp_path / "a.fits", cube=cube, table=table), PROFILE)
    expected = np.zeros(cube.shape, dtype=np.uint8)
    expected[0, 1, 2] = expected[0, 3, 3] = BAD_PIXEL
    expected[1, 3, 3] = expected[2, 3, 3] = expected[2, 3, 4] = expected[3, 5, 5] = SATURATED
    np.testing.assert_array_equal(found.mask, expected)
    np.testing.assert_array_equal(np.isnan(found.images), expected == BAD_PIXEL)


def test_without_a_published_sky_the_border_of_the_stamp_is_used(tmp_path):
    cube = random_cube(3)
    cube[1, 0, :3], cube[2] = np.nan, np.nan
    table = epoch_table(3, sky_border_adu=None, airmass=None)
    found = read_sequence(write_cube(tmp_path / "a.fits", cube=cube, table=table), PROFILE)
    border = np.ones((7, 7), dtype=bool)
    border[1:-1, 1:-1] = False
    expected = [np.median(cube[0][border]), np.nanmedian(cube[1][border]), np.nan]
    np.testing.assert_allclose(found.epochs["sky_adu"], expected, rtol=1e-6)
    assert np.isnan(found.epochs["airmass"]).all()


def test_epochs_are_sorted_by_time_and_the_alert_with_them(tmp_path):
    mjd = 57070 + np.array([3.0, 1.0, np.nan, 2.0, 1.0, 4.0])
    exposure_time_s = np.array([86.0, 86, 86, 86, 86, 0])
    cube = random_cube(6)
    table = epoch_table(6, mjd=mjd, exposure_time_s=exposure_time_s)
    path = write_cube(tmp_path / "a.fits", cube=cube, table=table, ALERT=3)
    found = read_sequence(path, PROFILE)
    np.testing.assert_array_equal(found.epochs["mjd"], 57070 + np.array([1.0, 2, 3]))
    np.testing.assert_array_equal(found.images, cube[[1, 3, 0]])
    assert found.objects["first_alert_epoch"] == 1
    assert found.notes == (
        "epochs left out: 1 without a time, 1 without an exposure time, 1 at the time of another.",
        "epochs put in order of time.",
        "exposure_time_s beyond the range 0.001 to 86400 s is taken as unknown.",
    )
    assert found.left_out == {
        "without a time": 1,
        "without an exposure time": 1,
        "at the time of another": 1,
    }


@pytest.mark.parametrize(
    ("alert", "epoch"), [(None, -1), (-1, -1), (0, 0), (3, 3), (4, -1), (99, -1), ("x", -1)]
)
def test_alerts_count_from_zero_and_minus_one_is_none(tmp_path, alert, epoch):
    found = read_sequence(write_cube(tmp_path / "a.fits", ALERT=alert), PROFILE)
    assert found.objects["first_alert_epoch"] == epoch
    assert bool(found.notes) == (alert in (4, 99))


def test_sorted_times_are_unchanged():
    rows, left_out, notes = in_time_order(np.arange(5.0), np.full(5, 30.0))
    np.testing.assert_array_equal(rows, np.arange(5))
    assert left_out == {} and notes == ()


@pytest.mark.parametrize("old", range(1, 8))
@pytest.mark.parametrize("new", range(1, 10))
def test_cutting_and_padding_keep_the_central_pixel_central(old, new):
    images = np.arange(old * old, dtype=np.float32).reshape(1, old, old)
    cut = fitted(images, new, np.nan)
    mask = fitted(np.zeros(images.shape, np.uint8), new, OUTSIDE)
    for y in range(new):
        for x in range(new):
            old_y, old_x = y - new // 2 + old // 2, x - new // 2 + old // 2
            if 0 <= old_y < old and 0 <= old_x < old:
                assert cut[0, y, x] == images[0, old_y, old_x] and mask[0, y, x] == 0
            else:
                assert np.isnan(cut[0, y, x]) and mask[0, y, x] == OUTSIDE


def test_stamps_have_the_most_common_or_a_given_size(monkeypatch, tmp_path):
    for name, size in (("a", 9), ("b", 7), ("c", 7), ("d", 5)):
        write_cube(tmp_path / f"in/{name}.fits", cube=random_cube(size=size))
    assert ingested(monkeypatch, tmp_path / "in")["images"].shape == (4, 4, 7, 7)
    (tmp_path / "in").rename(tmp_path / "other")
    split = ingested(monkeypatch, tmp_path / "other", "--size", "9")
    assert split["images"].shape == (4, 4, 9, 9)
    assert (split["mask"][row_of(split, "d"), 0] == OUTSIDE).sum() == 81 - 25


def test_an_even_size_loses_a_row_and_a_column_rather_than_its_centre(monkeypatch, tmp_path):
    cube = random_cube(size=8)
    write_cube(tmp_path / "in/a.fits", cube=cube)
    split = ingested(monkeypatch, tmp_path / "in")
    np.testing.assert_array_equal(split["images"][0], cube[:, 1:, 1:])


def test_xarray_and_the_classifier_read_it(monkeypatch, tmp_path):
    write_cube(tmp_path / "in/a.fits")
    write_cube(tmp_path / "in/b.fits", cube=random_cube(2), CLASS=None)
    ingested(monkeypatch, tmp_path / "in")
    found = xarray.open_zarr(tmp_path / "in.zarr", group="test", consolidated=False)
    assert list(found["object_id"].values) == ["a", "b"]
    assert found["images"].dims == ("object", "epoch", "y", "x")
    split = DatasetSplit(tmp_path / "in.zarr", "test")
    assert list(split.labels) == [0, -1]
    stamps = split.stamps(0, 2)
    np.testing.assert_array_equal(stamps.images_adu[0], random_cube())
    seeing_pix = np.asarray(epoch_table(4)["seeing_fwhm_pix"])
    np.testing.assert_allclose(stamps.seeing_fwhm_pix[0], seeing_pix, rtol=1e-6)


def test_input_larger_than_memory_is_read_twice_with_the_same_result(monkeypatch, tmp_path):
    for i in range(70):
        write_cube(tmp_path / f"in/{i:02d}.fits", cube=random_cube(2 + i % 3, 5, i))
    (tmp_path / "in" / "99.fits").write_bytes(b"no FITS")
    kept = ingested(monkeypatch, tmp_path / "in")
    (tmp_path / "in.zarr").rename(tmp_path / "kept.zarr")
    kept = open_dataset(tmp_path / "kept.zarr")["test"]
    monkeypatch.setattr(gathering, "KEPT_BYTES", 1000)
    monkeypatch.setattr(writer, "_MAX_SHARD_OBJECTS", 64)  # two shards
    read_again = ingested(monkeypatch, tmp_path / "in")
    assert read_again["shard_done"].shape == (2,)
    for name in set(kept) - {"shard_done"}:
        np.testing.assert_array_equal(read_again[name][:], kept[name][:], err_msg=name)


def test_the_record_lists_what_was_read_and_skipped(monkeypatch, tmp_path):
    write_cube(tmp_path / "in/a.fits")
    write_cube(tmp_path / "in/b.fits", CLASS=None, ALERT=77)
    (tmp_path / "in" / "c.fits").write_bytes(b"no FITS")
    ingested(monkeypatch, tmp_path / "in")
    record = json.loads((tmp_path / "in.zarr.json").read_text())
    (run,) = record["runs"]
    assert run["classes"] == {"RRL": 1, "unlabelled": 1} and run["read"] == 2
    (skipped,), (note,) = run["skipped"], run["notes"]
    assert skipped["file"].endswith("c.fits") and skipped["reason"] == "it is not a FITS file."
    assert note["file"].endswith("b.fits") and "ALERT = 77" in note["reason"]
    assert record["settings"]["reader"] == "hits"


def test_read_and_skipped_sequences_are_printed(monkeypatch, tmp_path, capsys):
    write_cube(tmp_path / "in/a.fits")
    (tmp_path / "in" / "c.fits").write_bytes(b"no FITS")
    monkeypatch.chdir(tmp_path)
    assert ingest(monkeypatch, "in", "--size", "7") == 0
    printed = capsys.readouterr().out
    assert "RRL" in printed and "it is not a FITS file" in printed
    assert "Read 1 sequences of up to 4 epochs" in printed and "skipped 1" in printed
    assert ingest(monkeypatch, "in", "--size", "7") == 0
    assert "in.zarr is complete" in capsys.readouterr().out


def test_real_sequences_keep_the_psf_library_of_their_survey(monkeypatch, tmp_path):
    write_cube(tmp_path / "in/a.fits")
    library = tmp_path / "psf.npz"
    library.write_bytes(b"any bytes")
    used = f'model = "library"\nlibrary = "{library}"'
    survey = tmp_path / "mine.toml"
    survey.write_text(profile_text("hits").replace('model = "moffat"', used, 1))
    ingested(monkeypatch, tmp_path / "in", "--survey", survey)
    library.unlink()
    kept = Path(DatasetSplit(tmp_path / "in.zarr", "test").profile.psf.library)
    assert kept.is_relative_to(tmp_path / "in.zarr") and kept.read_bytes() == b"any bytes"
