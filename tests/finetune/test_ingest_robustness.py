"""Files that are damaged, strange or hostile cost one sentence each; the others are kept."""

import gzip
import os

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune.readers import fits_file
from finetune.readers.fits_cube import FitsCubes, read_sequence
from finetune.readers.protocol import MAX_EPOCHS, RealSequence, Skipped
from simulator.dataset.reader import open_dataset
from skyreel.errors import SequenceError
from survey_profiles import load_profile
from tests.helpers.cubes import epoch_table, random_cube, write_cube
from tests.helpers.ingestion import at_most_mib, ingest, ingested

PROFILE = load_profile("hits")
BLOCK = 2880


def bytes_of(tmp_path, **changes):
    """A good file, unpacked."""
    path = write_cube(tmp_path / "good" / "good.fits", **changes)
    return path.read_bytes()


def with_card(content, extension, keyword, value):
    """The file with another number in a header, whatever follows it."""
    start = content.index(f"EXTNAME = '{extension}".encode()) // BLOCK * BLOCK
    where = content.index(f"{keyword:<8}=".encode(), start)
    card = f"{keyword:<8}= {value:>20}".ljust(80).encode()
    return content[:where] + card + content[where + 80 :]


def reason_of(path):
    """Why a file is skipped."""
    (item,) = FitsCubes().read([path], PROFILE)
    assert isinstance(item, Skipped)
    assert "\n" not in item.reason and item.reason.endswith(".")
    return item.reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"table": epoch_table(band=np.full(4, "Y"))}, "band 'Y' is not one of g, r, i"),
        ({"table": epoch_table(band=np.arange(4))}, "band '0' is not one of"),
        ({"table": epoch_table(mjd=None)}, "no column mjd"),
        ({"table": epoch_table(mjd=np.array(["a", "b", "c", "d"]))}, "one number a row"),
        ({"table": epoch_table(mjd=np.zeros((4, 2)))}, "one number a row"),
        ({"table": epoch_table(band=None, zero_point_mag=None)}, "column band, zero_point_mag"),
        ({"table": epoch_table(mjd=np.full(4, np.nan))}, "no epoch with a time"),
        ({"table": epoch_table(exposure_time_s=np.zeros(4))}, "no epoch with a time"),
        ({"table": epoch_table(3)}, "4 stamps and 3 rows"),
        ({"table": epoch_table(0)}, "no epochs"),
        ({"cube": random_cube()[:, :5]}, "5 x 7 pixels; needed are squares"),
        ({"cube": random_cube()[0], "table": epoch_table(4)}, "STAMPS has 2 axes"),
        ({"cube": random_cube(MAX_EPOCHS + 1, 1)}, f"allowed are 1 to {MAX_EPOCHS}"),
        ({"GAIN": None}, "no GAIN; needed is a number, 1e-06 to 1e+06 electrons/ADU"),
        ({"GAIN": -1.0}, "-1.0 for GAIN"),
        ({"RDNOISE": "low"}, "'low' for RDNOISE"),
        ({"PIXSCALE": True}, "True for PIXSCALE"),
        ({"PIXSCALE": 1.01}, "give the survey it comes from with --survey"),
    ],
)
def test_contents_that_do_not_fit_are_refused(tmp_path, changes, reason):
    assert reason in reason_of(write_cube(tmp_path / "a.fits.gz", **changes))


def test_a_missing_extension_is_named(tmp_path):
    whole = fits.open(write_cube(tmp_path / "a.fits"))
    for name, kept in (("STAMPS", [0, 2]), ("EPOCHS", [0, 1])):
        fits.HDUList([whole[i] for i in kept]).writeto(tmp_path / f"{name}.fits")
        assert f"extension {name}" in reason_of(tmp_path / f"{name}.fits")
    whole.close()


@pytest.mark.parametrize(
    ("extension", "keyword", "value", "reason"),
    [
        ("STAMPS", "NAXIS3", 10**12, "its header claims"),
        ("STAMPS", "NAXIS3", 40, "no table extension EPOCHS"),
        ("STAMPS", "NAXIS1", 10**9, "needed are squares"),
        ("STAMPS", "NAXIS3", 0, "STAMPS is empty"),
        ("STAMPS", "NAXIS3", -5, ""),
        ("STAMPS", "NAXIS", 900, ""),
        ("STAMPS", "PCOUNT", 10**12, ""),
        ("STAMPS", "BITPIX", 17, ""),
        ("EPOCHS", "NAXIS2", 10**12, "the header of EPOCHS claims"),
        ("EPOCHS", "NAXIS2", -1, ""),
        ("EPOCHS", "TFIELDS", 10**9, ""),
        ("EPOCHS", "PCOUNT", 10**13, ""),
    ],
)
def test_a_header_that_claims_too_much_is_refused_before_memory_is_taken(
    tmp_path, extension, keyword, value, reason
):
    content = with_card(bytes_of(tmp_path), extension, keyword, value)
    (tmp_path / "a.fits").write_bytes(content)
    with at_most_mib(16):
        (item,) = FitsCubes().read([tmp_path / "a.fits"], PROFILE)
    assert isinstance(item, RealSequence) or reason in item.reason
    assert isinstance(item, Skipped) or not reason


def test_a_truncated_gzip_file_is_refused(tmp_path):
    packed = write_cube(tmp_path / "a.fits.gz").read_bytes()
    for end in (1, 2, 9, 30, len(packed) // 2, len(packed) - 4):
        (tmp_path / "cut.fits.gz").write_bytes(packed[:end])
        expected = "not a FITS file" if end == 1 else "its gzip compression is cut short"
        assert expected in reason_of(tmp_path / "cut.fits.gz")


def test_a_truncated_file_is_never_read_as_whole(tmp_path):
    content = bytes_of(tmp_path)
    for end in (0, 100, BLOCK, 2 * BLOCK, 3 * BLOCK + 7, len(content) - BLOCK):
        (tmp_path / "cut.fits").write_bytes(content[:end])
        assert reason_of(tmp_path / "cut.fits")


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(fits_file, "MAX_FILE_BYTES", 2**20)
    with gzip.open(tmp_path / "bomb.fits.gz", "wb", compresslevel=1) as file:
        file.write(b"SIMPLE  =")
        for _ in range(64):
            file.write(bytes(2**20))
    with at_most_mib(8):  # of the 64 that it would fill
        reason = reason_of(tmp_path / "bomb.fits.gz")
    assert "unpacks to more than the 1 MiB allowed" in reason


@pytest.mark.slow
@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damage_anywhere_is_skipped_or_harmless(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    content = bytearray(bytes_of(folder, cube=random_cube(2, 3), table=epoch_table(2)))
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.integers(0, len(content) - 1))
        content[where] = data.draw(st.integers(0, 255))
    (folder / "a.fits").write_bytes(content)
    (item,) = FitsCubes().read([folder / "a.fits"], PROFILE)
    assert isinstance(item, RealSequence | Skipped)


def test_a_sequence_with_wrong_shapes_or_times_cannot_be_made():
    good = {
        "object_id": "a",
        "class_name": None,
        "source": "a",
        "objects": {},
        "images": np.zeros((2, 3, 3), np.float32),
        "mask": np.zeros((2, 3, 3), np.uint8),
        "epochs": {"mjd": np.arange(2.0)},
    }
    RealSequence(**good)
    for change, reason in (
        ({"epochs": {"mjd": np.zeros(2)}}, "do not increase"),
        ({"epochs": {"mjd": np.array([0, np.nan])}}, "not known"),
        ({"epochs": {"mjd": np.arange(2.0), "airmass": np.ones(3)}}, "airmass has shape"),
        ({"mask": np.zeros((2, 3, 4), np.uint8)}, "both"),
        ({"images": np.zeros((0, 3, 3), np.float32)}, "0 epochs"),
    ):
        with pytest.raises(SequenceError, match=reason):
            RealSequence(**{**good, **change})


def test_bad_files_are_left_out_and_the_rest_is_kept(monkeypatch, tmp_path):
    write_cube(tmp_path / "in/RRL/a.fits.gz")
    write_cube(tmp_path / "in/RRL/z.fits.gz", OBJECT=None, SATURATE=None, FIELD="deep", MAG=None)
    write_cube(tmp_path / "in/RRL/again.fits.gz", OBJECT="a")
    write_cube(tmp_path / "in/bad.fits.gz", PIXSCALE=None)
    (tmp_path / "in/RRL/empty.fits").write_bytes(b"")
    (tmp_path / "in/RRL/folder.fits").mkdir()
    split = ingested(monkeypatch, tmp_path / "in")
    assert list(split["object_id"][:]) == ["a", "z"]
    assert split["field"][1] == -1 and np.isnan(split["catalogue_mag"][1])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "nowhere: there is no such file or folder"),
        (["empty"], "holds no *.fits.gz or *.fits file"),
        (["rubbish"], "no sequence can be used."),
        (["rubbish/a.fits"], "it is not a FITS file."),
        (["good", "--from", "hist"], "Did you mean 'hits'?"),
        (["good", "--size", "8"], "--size 8; allowed are odd numbers"),
        (["good", "--size", "-1"], "--size -1; allowed are odd numbers"),
        (["good", "--survey", "zft"], "ztf"),
        (["good", "--survey", "lsst"], "give the survey it comes from"),
        (["good", "--out", "good/a.fits"], "is a file; give a folder"),
        (["good", "--out", "good"], "no data set of this program"),
        (["good", "--out", "good/a.fits/x.zarr"], "is not a folder that can be written to"),
    ],
)
def test_bad_requests_get_one_sentence_and_exit_code_2(
    monkeypatch, tmp_path, capsys, arguments, sentence
):
    write_cube(tmp_path / "good" / "a.fits")
    (tmp_path / "empty").mkdir()
    (tmp_path / "rubbish").mkdir()
    for name in "ab":
        (tmp_path / "rubbish" / f"{name}.fits").write_bytes(b"no FITS")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert ingest(monkeypatch, "--out", "x.zarr", "--quiet", *arguments) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1 and "Traceback" not in error
    assert sorted(tmp_path.rglob("*")) == before


def test_a_data_set_of_other_input_is_refused_and_kept(monkeypatch, tmp_path, capsys):
    write_cube(tmp_path / "in/a.fits")
    ingested(monkeypatch, tmp_path / "in")
    assert ingest(monkeypatch, tmp_path / "in", "--out", tmp_path / "in.zarr") == 0
    write_cube(tmp_path / "in/b.fits")
    assert ingest(monkeypatch, tmp_path / "in", "--out", tmp_path / "in.zarr") == 2
    assert "files is 1 there and 2 here" in capsys.readouterr().err
    assert open_dataset(tmp_path / "in.zarr")["test"]["label"].shape == (1,)


def test_a_file_that_changes_while_it_is_read_is_noticed(monkeypatch, tmp_path, capsys):
    from finetune.ingest.scan import Gathered

    write_cube(tmp_path / "in/a.fits")
    monkeypatch.setattr(Gathered, "sequences", lambda self: iter(()))
    assert ingest(monkeypatch, tmp_path / "in", "--out", tmp_path / "in.zarr", "--quiet") == 1
    assert "changed while it was read" in capsys.readouterr().err


def test_a_sequence_too_long_to_pad_is_refused_with_its_name(monkeypatch, tmp_path, capsys):
    write_cube(tmp_path / "in/long.fits", cube=random_cube(3000, 3))
    write_cube(tmp_path / "in/short.fits")
    out = tmp_path / "x.zarr"
    assert ingest(monkeypatch, tmp_path / "in", "--out", out, "--size", "99", "--quiet") == 2
    assert "3,000 epochs of long" in capsys.readouterr().err


def test_one_file_is_enough(monkeypatch, tmp_path):
    path = write_cube(tmp_path / "odd name.cube")
    assert ingest(monkeypatch, path, "--out", tmp_path / "x.zarr", "--quiet") == 0
    assert read_sequence(path, PROFILE).object_id == "odd name"


def test_names_that_are_no_text_or_look_like_markup_are_handled(monkeypatch, tmp_path, capsys):
    folder = tmp_path / "in"
    good, bad = folder / os.fsdecode(b"caf\xe9[b].fits"), folder / "[" / os.fsdecode(b"b]\xe9.fits")
    bad.parent.mkdir(parents=True)
    write_cube(tmp_path / "a.fits", OBJECT=None).rename(good)
    bad.write_bytes(b"no FITS")
    monkeypatch.chdir(tmp_path)
    assert ingest(monkeypatch, "in") == 0
    assert open_dataset(tmp_path / "in.zarr")["test"]["object_id"][0] == "caf?[b]"
    assert "[/b]?.fits" in capsys.readouterr().out
