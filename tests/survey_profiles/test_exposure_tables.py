"""Tables of real exposures become sequences, and bad ones are refused in one sentence."""

import numpy as np
import pyarrow as pa
import pytest
from astropy import units
from astropy.table import Table
from astropy.time import Time
from pyarrow import parquet

from survey_profiles import ExposureTableError, load_profile, read_exposures

HITS = load_profile("hits", {"cadence.min_epochs": 1})
COLUMNS = ("exposure_time_s", "airmass", "seeing_fwhm_arcsec", "sky_adu", "limiting_mag")


def table(rows=6, **changes):
    columns = {
        "mjd": 57070.0 + np.arange(rows) * 0.5,
        "band": np.array(["g"] * rows),
        "exposure_time_s": np.full(rows, 86.0),
        "airmass": np.full(rows, 1.2),
        "seeing_fwhm_arcsec": np.linspace(0.9, 1.1, rows),
        "sky_adu": np.full(rows, 110.0),
        "zero_point_mag": np.full(rows, 25.1),
        "limiting_mag": np.full(rows, 23.8),
    }
    return Table({**columns, **changes})


def written(folder, content, name="table.ecsv"):
    path = folder / name
    if name.endswith(".parquet"):
        parquet.write_table(pa.table({c: content[c].tolist() for c in content.colnames}), path)
    else:
        content.write(path, format="ascii.ecsv" if name.endswith(".ecsv") else "ascii.csv")
    return path


def refused(path, match, **overrides):
    with pytest.raises(ExposureTableError, match=match) as caught:
        read_exposures(path, load_profile("hits", {"cadence.min_epochs": 1, **overrides}), 1)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["table.ecsv", "table.csv", "table.parquet"])
def test_every_format_gives_the_same_sequence(tmp_path, name):
    content = table()
    got = read_exposures(written(tmp_path, content, name), HITS, 1)
    assert got.mjd.shape == (1, 6) and got.n_epochs.tolist() == [6] and got.ccd.tolist() == [-1]
    np.testing.assert_array_equal(got.mjd[0], content["mjd"])
    for column in COLUMNS:
        np.testing.assert_allclose(getattr(got, column)[0], content[column], rtol=1e-6)
    assert np.isfinite(got.psf_beta).all() and (np.hypot(got.psf_e1, got.psf_e2) < 0.4).all()


def test_fields_and_ccds_are_pointings(tmp_path):
    content = table(field=[1, 1, 2, 2, 2, 1], ccd=["N1", "N1", "S29", "S29", "S29", "S30"])
    got = read_exposures(written(tmp_path, content), HITS, 1)
    assert got.n_epochs.tolist() == [2, 3, 1]
    assert got.ccd.tolist() == [31, 0, 1]
    assert np.isnan(got.mjd[0, 2]) and np.isnan(got.sky_adu[0, 2])


def test_ccds_may_be_numbered_from_one(tmp_path):
    got = read_exposures(written(tmp_path, table(ccd=[62] * 6)), HITS, 1)
    assert got.ccd.tolist() == [61]


def test_given_psf_shapes_are_kept(tmp_path):
    shapes = {"psf_beta": np.full(6, 3.3), "psf_e1": np.full(6, 0.1), "psf_e2": np.full(6, -0.2)}
    got = read_exposures(written(tmp_path, table(**shapes)), HITS, 1)
    for name, values in shapes.items():
        np.testing.assert_allclose(getattr(got, name)[0], values, rtol=1e-6)


def test_bands_not_in_use_and_wide_exposures_are_left_out_and_counted(tmp_path):
    content = table(
        band=["g", "r", "g", "g", "i", "g"], seeing_fwhm_arcsec=[1, 1, 1.7, 1.2, 1, 1.3]
    )
    path, profile = written(tmp_path, content), HITS
    got = read_exposures(path, profile)
    assert got.n_epochs.tolist() == [3]
    assert got.unused_rows == {"band not in use": 2, "seeing too wide": 1}


def test_long_sequences_are_cut_into_windows_of_nearly_equal_length(tmp_path):
    got = read_exposures(written(tmp_path, table(rows=70)), HITS, 1)
    assert got.n_epochs.tolist() == [24, 23, 23]
    mjd = got.mjd[np.isfinite(got.mjd)]
    np.testing.assert_array_equal(mjd, table(rows=70)["mjd"])


def test_a_table_without_the_file_is_refused(tmp_path):
    refused(tmp_path / "absent.ecsv", "does not exist")
    refused(tmp_path, "is a folder")


@pytest.mark.parametrize("name", ["x.ecsv", "x.parquet", "x.db"])
def test_rubbish_is_refused(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"\x00\x01 not a table")
    refused(path, "cannot be read")


def test_text_in_another_encoding_is_refused(tmp_path):
    path = written(tmp_path, table(), "table.csv")
    path.write_bytes(path.read_bytes() + b"57080,\xe9\n")
    refused(path, "bytes that are not UTF-8; save the table as UTF-8")


def test_missing_columns_name_the_nearest_present(tmp_path):
    content = table()
    content.rename_column("seeing_fwhm_arcsec", "seeing_arcsec")
    content.remove_column("sky_adu")
    refused(written(tmp_path, content), r"seeing_fwhm_arcsec \(Did you mean 'seeing_arcsec'\?\)")


def test_an_empty_table_is_refused(tmp_path):
    refused(written(tmp_path, table()[:0]), "no rows")


def test_rows_with_unknown_values_are_left_out_and_counted(tmp_path):
    content = table(airmass=[1.0, np.nan, 1.0, 1.0, -999.0, 1.0], limiting_mag=[99.0, *[23.8] * 5])
    got = read_exposures(written(tmp_path, content), HITS, 1)
    assert got.unused_rows == {"airmass unknown": 2, "limiting_mag unknown": 1}
    np.testing.assert_array_equal(got.mjd[0], content["mjd"][[2, 3, 5]])


@pytest.mark.parametrize("cell", ["", "--", "nan", "inf", "1e999", "-99", "bright", "1_0"])
def test_an_empty_cell_costs_its_row_in_csv(tmp_path, cell):
    path = written(tmp_path, table(), "whole.csv")
    path.write_text(path.read_text().replace("23.8\n", f"{cell}\n", 1))
    got = read_exposures(path, HITS, 1)
    assert got.unused_rows == {"limiting_mag unknown": 1} and got.n_epochs.tolist() == [5]


@pytest.mark.parametrize("name", ["table.ecsv", "table.parquet"])
def test_masked_values_and_nulls_cost_their_rows(tmp_path, name):
    content = Table(table(), masked=True)
    content["sky_adu"].mask[1] = content["mjd"].mask[4] = True
    got = read_exposures(written(tmp_path, content, name), HITS, 1)
    assert got.unused_rows == {"mjd unknown": 1, "sky_adu unknown": 1}


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("airmass", 0.5, "airmass has no known value; found 0.5 .*allowed: 1 to 10"),
        ("exposure_time_s", -86.0, "allowed: 0.001 to 86400 s"),
        ("seeing_fwhm_arcsec", 0.0, "allowed: 0.01 to 60 arcsec"),
        ("sky_adu", -3.0, "allowed: 0 to 1e"),
        ("zero_point_mag", 99.0, "allowed: 5 to 40 mag"),
        ("mjd", 7070.5, "allowed: 15020 to 88069 d"),
        ("airmass", np.nan, "airmass has no known value; found no number"),
    ],
)
def test_a_column_without_a_known_value_is_refused_with_the_range(tmp_path, column, value, message):
    refused(written(tmp_path, table(**{column: np.full(6, value)})), message)


def test_julian_dates_are_converted_and_counted(tmp_path):
    content = table()
    content["mjd"][2:] += 2400000.5
    got = read_exposures(written(tmp_path, content), HITS, 1)
    assert got.notes == ("4 times are Julian dates, converted to MJD.",) and not got.unused_rows
    np.testing.assert_allclose(got.mjd[0], table()["mjd"], atol=1e-9)


def test_units_and_times_of_ecsv_are_converted(tmp_path):
    content = table()
    expected = read_exposures(written(tmp_path, content), HITS, 1)
    content["mjd"] = Time(content["mjd"], format="mjd", scale="utc")
    content["exposure_time_s"] = content["exposure_time_s"] / 60 * units.min
    content["seeing_fwhm_arcsec"] = content["seeing_fwhm_arcsec"] * 1000 * units.mas
    got = read_exposures(written(tmp_path, content, "units.ecsv"), HITS, 1)
    np.testing.assert_allclose(got.mjd, expected.mjd, atol=1e-9)
    np.testing.assert_allclose(got.exposure_time_s, expected.exposure_time_s, rtol=1e-6)
    np.testing.assert_allclose(got.seeing_fwhm_arcsec, expected.seeing_fwhm_arcsec, rtol=1e-6)
    content["sky_adu"].unit = "Jy"
    refused(written(tmp_path, content, "jansky.ecsv"), "column sky_adu is in Jy; allowed: ADU")


@pytest.mark.parametrize("name", ["table.ecsv", "table.csv"])
def test_a_byte_order_mark_and_capitals_change_nothing(tmp_path, name):
    path = written(tmp_path, table(), name)
    text = path.read_text().replace("airmass", "AIRMASS").replace("sky_adu", "Sky_ADU")
    path.write_text(text, encoding="utf-8-sig")
    assert read_exposures(path, HITS, 1).n_epochs.tolist() == [6]


def test_short_pointings_are_left_out_and_counted(tmp_path):
    path = written(tmp_path, table(field=[1, 1, 1, 1, 2, 2]))
    got = read_exposures(path, load_profile("hits", {"cadence.min_epochs": 3}), 1)
    reason = "in a pointing of fewer exposures than cadence.min_epochs = 3"
    assert got.n_epochs.tolist() == [4] and got.unused_rows == {reason: 2}
    refused(path, "longest pointing has 4 exposures .*fewer than", **{"cadence.min_epochs": 5})


def test_pointings_are_not_cut_into_windows_that_are_too_short(tmp_path):
    path = written(tmp_path, table(6))
    limits = {"cadence.min_epochs": 4, "cadence.max_epochs": 5}
    got = read_exposures(path, load_profile("hits", limits), 1)
    assert got.n_epochs.tolist() == [5]
    assert list(got.unused_rows.values()) == [1]


def test_a_parquet_file_that_says_it_is_huge_is_refused(tmp_path):
    path = tmp_path / "bomb.parquet"
    column = pa.DictionaryArray.from_arrays(np.zeros(4_000_000, dtype=np.int8), [57070.0])
    parquet.write_table(pa.table({"mjd": column}), path)
    assert path.stat().st_size < 1e5
    refused(path, "it says that it has 4,000,000 rows in")


def test_text_where_numbers_belong_is_refused(tmp_path):
    refused(
        written(tmp_path, table(sky_adu=["bright"] * 6)),
        "sky_adu has no known value; found no number",
    )


def test_unsorted_times_are_refused(tmp_path):
    mjd = table()["mjd"]
    refused(written(tmp_path, table(mjd=mjd[[0, 2, 1, 3, 4, 5]])), "row 3 .* is earlier than row 2")


def test_of_exposures_at_one_time_the_first_is_used(tmp_path):
    mjd = table()["mjd"]
    path = written(tmp_path, table(mjd=mjd[[0, 1, 1, 3, 4, 5]]))
    got = read_exposures(path, HITS, 1)
    assert got.unused_rows == {"time repeated in its pointing": 1}
    np.testing.assert_array_equal(got.mjd[0], mjd[[0, 1, 3, 4, 5]])


def test_rows_of_unknown_bands_fields_and_ccds_are_left_out(tmp_path):
    content = table(
        band=["g", "B", "g", "g", "g", "g"],
        field=["", "1", "1", "1", "1", "1"],
        ccd=["N1", "N1", "N1", "N99", "N1", "32"],
    )
    got = read_exposures(written(tmp_path, content, "table.csv"), HITS, 1)
    left_out = {"band not in the profile": 1, "field unknown": 1, "ccd not in the profile": 1}
    assert got.unused_rows == left_out and got.n_epochs.tolist() == [3]


def test_fields_are_named_by_all_their_digits(tmp_path):
    fields = ["1698305804310938123", "1698305804310938124", "007", "7", "7.0", "1e1"]
    path = written(tmp_path, table(field=fields), "table.csv")
    assert read_exposures(path, HITS, 1).n_epochs.tolist() == [1] * 6


def test_times_may_fall_back_from_one_field_to_the_next(tmp_path):
    mjd = table()["mjd"][[0, 1, 2, 0, 1, 2]]
    content = table(mjd=mjd, field=[1, 1, 1, 2, 2, 2])
    assert len(read_exposures(written(tmp_path, content), HITS, 1)) == 2


def test_unknown_bands_and_ccds_are_refused_with_the_known(tmp_path):
    refused(written(tmp_path, table(band=["G"] * 6)), "band 'G' in rows .*allowed: g, r, i")
    refused(written(tmp_path, table(ccd=["N99"] * 6), "ccd.ecsv"), "ccd 'N99' .* Did you mean 'N")


def test_a_band_in_use_without_exposures_is_refused(tmp_path):
    refused(written(tmp_path, table(band=["r"] * 6)), "no exposure in band g")


def test_a_table_of_wide_exposures_alone_is_refused(tmp_path):
    path = written(tmp_path, table(seeing_fwhm_arcsec=np.full(6, 3.0)))
    refused(path, "raise that limit")


@pytest.mark.real
def test_the_real_exposures_of_hits_load_as_they_are(real_data):
    path, profile = real_data / "hits" / "exposures.ecsv", load_profile("hits")
    got = read_exposures(path, profile, 1)
    assert len(got) == 49 and got.n_epochs.sum() == 1121
    assert got.unused_rows == {"band not in use": 282, "seeing too wide": 220}
