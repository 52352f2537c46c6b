"""Every real packet of ZTF and Rubin at hand, through ``ingest``."""

import fastavro
import numpy as np
import pyarrow.parquet as pq
import pytest

from classifier.dataset import DatasetSplit
from classifier.network_inputs import BORDER_PIX, border_scatter, inputs_of
from finetune.ingest.real_arrays import UNLABELLED
from finetune.readers import reader_named
from finetune.readers.alert_photometry import photometry_path
from finetune.readers.protocol import RealSequence, Skipped
from finetune.readers.ztf import start_mjd
from simulator.dataset.reader import open_dataset
from simulator.detector.defects import OUTSIDE
from tests.helpers.ingestion import ingest

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture(scope="module")
def ztf(real_data, tmp_path_factory):
    """Path of the data set of 490 packets in one file and 22 originals."""
    out = tmp_path_factory.mktemp("real") / "ztf.zarr"
    labels = real_data / "ztf" / "labels.csv"
    with pytest.MonkeyPatch.context() as patch:
        options = ("--from", "ztf", "--labels", labels, "--out", out, "--quiet")
        assert ingest(patch, real_data / "ztf", *options) == 0
    return out


def used(split):
    return np.arange(split["mjd"].shape[1]) < split["n_epochs"][:][:, None]


def test_all_512_packets_are_read(ztf):
    split = open_dataset(ztf)["test"]
    assert split["n_epochs"][:].sum() == 490 + 22 and split["label"].shape == (431,)
    assert (split["n_epochs"][:] == 1).sum() == 398 and split["n_epochs"][:].max() == 21
    classes, labels = open_dataset(ztf).attrs["classes"], split["label"][:]
    counts = {name: int((labels == i).sum()) for i, name in enumerate(classes)}
    assert counts == {
        "SN": 33,
        "AST": 163,
        "AGN": 14,
        "TDE": 3,
        "BOGUS": 87,
        "other_transient": 1,
        "satellite_trail": 16,
        "variable_star": 92,
    }
    assert (labels == UNLABELLED).sum() == 22
    assert np.isnan(split["zero_point_mag"][:][used(split)]).sum() == 4  # schema 1.7 to 2.0


def test_every_measurement_of_the_packets_is_in_the_table_once(ztf, real_data):
    expected = set()
    for path in (real_data / "ztf").rglob("*.avro"):
        with open(path, "rb") as file:
            for packet in fastavro.reader(file):
                points = [packet["candidate"], *(packet.get("prv_candidates") or ())]
                for p in points:
                    key = packet["objectId"], round(p["jd"], 6), p["fid"], p.get("magpsf") is None
                    expected.add(key)
    kinds = pq.read_table(photometry_path(ztf))["kind"].to_pylist()
    assert len(kinds) - kinds.count("forced") == len(expected)
    assert kinds.count("limit") == sum(limit for *_, limit in expected)


def test_the_twelve_cut_stamps_are_padded_on_one_side(ztf):
    split = open_dataset(ztf)["test"]
    outside = (split["mask"][:] & OUTSIDE) != 0
    outside &= used(split)[:, :, None, None]
    cut = outside.any(axis=(2, 3))
    assert cut.sum() == 12
    assert not outside[:, :, 31, 31].any()
    for stamp in outside[cut]:
        whole = [stamp.all(axis=1), stamp.all(axis=0)]  # rows, columns
        assert sum(map(np.any, whole)) == 1
        (band,) = (lines for lines in whole if lines.any())
        assert band[0] != band[-1] and (np.diff(band.astype(int)) != 0).sum() == 1


def differences(split):
    """Difference cutouts of the epochs that are used, NaN where there is none."""
    values, mask = (split[name][:][used(split)] for name in ("difference", "difference_mask"))
    return np.where(mask == 0, values, np.nan)


def test_differences_have_the_sign_of_the_published_flux(ztf):
    """Light within 4 pixels of the source, of all packets that are whole there."""
    split = open_dataset(ztf)["test"]
    y, x = np.mgrid[-31:32, -31:32]
    light = differences(split)[:, x**2 + y**2 <= 16].sum(axis=1)
    flux = split["published_flux_adu"][:][used(split)]
    known = np.isfinite(light) & np.isfinite(flux)
    assert known.sum() > 480 and (flux[known] < 0).sum() > 100
    assert (np.sign(light[known]) == np.sign(flux[known])).all()


def test_the_zero_point_is_that_of_the_stamps(ztf):
    """Difference light within 4 pixels against magpsf: 0.1 mag is lost outside."""
    split = open_dataset(ztf)["test"]
    y, x = np.mgrid[-31:32, -31:32]
    light = differences(split)[:, x**2 + y**2 <= 16].sum(axis=1)
    flux = split["published_flux_adu"][:][used(split)]
    precise = split["published_flux_error_adu"][:][used(split)] < 0.05 * np.abs(flux)
    assert np.nanmedian((light / flux)[precise]) == pytest.approx(0.92, abs=0.06)


def test_candid_gives_the_time_of_every_real_packet(ztf):
    split = open_dataset(ztf)["test"]
    mjd, alert_id = split["mjd"][:][used(split)], split["alert_id"][:][used(split)]
    from_candid = np.array([start_mjd(None, int(candid))[0] for candid in alert_id])
    assert np.abs(mjd - from_candid).max() * 86400 < 1


def test_the_classifier_reads_them_at_21_pixels(ztf, monkeypatch):
    out = ztf.with_name("small.zarr")
    options = ("--from", "zarr", "--out", out, "--size", "21", "--quiet")
    assert ingest(monkeypatch, ztf, *options) == 0
    stamps = DatasetSplit(out, "test").stamps(0, 431)
    assert stamps.images_adu.shape == (431, 21, 21, 21)
    before = open_dataset(ztf)["test"]["images"][:, :, 21:42, 21:42]
    np.testing.assert_array_equal(open_dataset(out)["test"]["images"][:], before)


def test_all_rubin_packets_that_hold_their_schema_are_read(real_data):
    reader = reader_named("rubin")
    files = reader.files(real_data / "lsst")
    items = list(reader.read(files, reader.profile(None)))
    skipped = [item for item in items if isinstance(item, Skipped)]
    sequences = [item for item in items if isinstance(item, RealSequence)]
    assert len(skipped) == 2 and all("Confluent" in item.reason for item in skipped)
    assert sum(len(s.images) for s in sequences) == 131 + 7 - 3  # three are in both files
    for sequence in sequences:
        middle = sequence.images.shape[1] // 2
        assert np.isfinite(sequence.images[:, middle, middle]).all()
        seeing = sequence.epochs["seeing_fwhm_arcsec"]
        assert ((seeing > 0.9) & (seeing < 2.2)).all()


def test_the_sky_level_added_gives_the_noise_of_rubin_images(real_data, tmp_path, monkeypatch):
    """One electron is 0.47 to 0.61 nJy in g; 0.54 at the nominal zero point of 28.4 mag."""
    out = tmp_path / "rubin.zarr"
    options = ("--from", "rubin", "--out", out, "--quiet")
    assert ingest(monkeypatch, real_data / "lsst", *options) == 0
    split = DatasetSplit(out, "test")
    stamps = split.stamps(0, len(split))
    noise = inputs_of(stamps).noise[:, 0]
    scatter = np.array([border_scatter(image, BORDER_PIX) for image in stamps.images_adu[:, 0]])
    assert np.median(scatter / noise) == pytest.approx(1, abs=0.1)
    gain = stamps.gain_e_per_adu[stamps.band[:, 0] == split.bands.index("g")]
    assert ((gain > 1.5) & (gain < 2.3)).all()
