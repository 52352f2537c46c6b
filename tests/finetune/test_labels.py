"""Labels out of a table, and data sets read again with others."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from classifier.dataset import DatasetSplit
from finetune.ingest.class_names import class_of
from finetune.ingest.labels import read_labels
from finetune.ingest.real_arrays import UNLABELLED
from finetune.readers import zarr_dataset
from finetune.readers.alert_photometry import photometry_path
from simulator.dataset.reader import open_dataset, open_root
from simulator.detector.defects import OUTSIDE
from skyreel.errors import IngestError
from tests.helpers.alert_packets import candid_of, random_image, write_packets, ztf_packet
from tests.helpers.cubes import write_cube
from tests.helpers.ingestion import ingest

JD = [2459000.7 + i for i in range(6)]
CANDID = [candid_of(jd) for jd in JD]


@pytest.fixture
def packets(tmp_path):
    """Six packets: three of ZTF0, two of ZTF1, one of ZTF2."""
    names = ["ZTF0"] * 3 + ["ZTF1"] * 2 + ["ZTF2"]
    packets = [ztf_packet(n, jd=jd, history=[{}]) for n, jd in zip(names, JD, strict=True)]
    return write_packets(tmp_path / "in.avro", *packets)


def labelled(monkeypatch, packets, table, *options):
    """Classes by object, and the notes."""
    labels, out = packets.with_name("labels.csv"), packets.with_name("out.zarr")
    labels.write_text(table)
    options = ("--labels", labels, "--out", out, "--quiet", *options)
    assert ingest(monkeypatch, packets, "--from", "ztf", *options) == 0
    classes, group = open_dataset(out).attrs["classes"], open_dataset(out)["test"]
    names = [classes[i] if i != UNLABELLED else None for i in group["label"][:]]
    record = json.loads(out.with_name("out.zarr.json").read_text())["runs"][0]
    found = dict(zip(group["object_id"][:].tolist(), names, strict=True))
    return found, [note["reason"] for note in record["notes"]]


def test_labels_of_alerts_are_those_of_their_objects(monkeypatch, packets):
    table = f"objectId,candid,label,other\nZTF0,{CANDID[1]},asteroid,x\nZTF9,{CANDID[5]},AGN,y\n"
    found, notes = labelled(monkeypatch, packets, table)
    assert found == {"ZTF0": "AST", "ZTF1": None, "ZTF2": "AGN"} and not notes


def test_labels_of_objects_are_read(monkeypatch, packets):
    table = "\ufeffLabel , Object\n SN Ia,ZTF1\nvariable_star,ZTF2\nSN,ZTF7\n,ZTF0\n"
    found, notes = labelled(monkeypatch, packets, table)
    assert found == {"ZTF0": None, "ZTF1": "SN", "ZTF2": "variable_star"}
    assert notes == ["1 of 3 labels are of objects that were not read."]


def test_contradicting_labels_are_noted(monkeypatch, packets):
    labels = ["SN", "AGN", "SN", "SN", "bogus", "SN"]
    rows = [f"{c},{name}\n" for c, name in zip(CANDID, labels, strict=True)]
    found, notes = labelled(monkeypatch, packets, "candid,label\n" + "".join(rows))
    assert found == {"ZTF0": "SN", "ZTF1": None, "ZTF2": "SN"}
    assert notes == [
        "ZTF0 has the labels SN (2 x), AGN (1 x): taken as SN.",
        "ZTF1 has the labels SN (1 x), BOGUS (1 x): taken as unlabelled.",
    ]


def test_packets_marked_as_doctored_are_read_and_noted(monkeypatch, packets):
    table = f"candid,label,meta_doctored\n{CANDID[0]},SN,0\n{CANDID[5]},AST,1\n"
    found, notes = labelled(monkeypatch, packets, table)
    assert found["ZTF2"] == "AST"
    assert notes == ["ZTF2: jd, ra and dec were overwritten (meta_doctored)."]


def test_only_selected_classes_are_kept(monkeypatch, packets):
    found, _ = labelled(
        monkeypatch,
        packets,
        "object,label\nZTF0,SN\nZTF1,TDE\nZTF2,asteroid\n",
        "--classes",
        "asteroid, TDE",
    )
    assert found == {"ZTF1": "TDE", "ZTF2": "AST"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"candid,kind\n1,SN\n", "has the columns candid, kind; labels need candid or object"),
        (b"name,label\na,SN\n", "labels need candid or object"),
        (b"", "has the columns none"),
        (b"candid,label\n1.786216733015010006e18,SN\n", "is no identifier of an alert"),
        (b"candid,label\n1,SN\n1,AGN\n", "labels alert 1 both SN and AGN"),
        (b"candid,label\n", "has no labels"),
        (b"candid,label\n1,\xff\xfe\n", "is not a CSV table"),
        (b"candid,label\n1,'" + b"x" * 200_000, "is not a CSV table"),
    ],
)
def test_tables_that_are_no_labels_are_refused(tmp_path, content, sentence):
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(IngestError, match=sentence):
        read_labels(tmp_path / "labels.csv")


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("SN", "SN"),
        ("sn", "SN"),
        ("SN Ia", "SN"),
        ("SN IIn", "SN"),
        ("SNIa-91bg", "SN"),
        ("Supernova", "SN"),
        ("supernovae", "SN"),
        ("asteroid", "AST"),
        ("SSO", "AST"),
        ("RR Lyrae", "RRL"),
        ("RRab", "RRL"),
        ("Cepheid", "CEP"),
        ("eclipsing binary", "EB"),
        ("non-variable", "NV"),
        ("galaxy", "GAL"),
        ("SNR", "SNR"),
        ("SN candidate", "SN candidate"),
        ("SLSN", "SLSN"),
        ("variable_star", "variable_star"),
        (" bogus ", "BOGUS"),
        ("TDE", "TDE"),
    ],
)
def test_names_of_classes_are_translated(label, name):
    assert class_of(label) == name


def again(monkeypatch, path, *options):
    """The split made of a data set, under another name."""
    out = path.with_name("again.zarr")
    assert ingest(monkeypatch, path, "--from", "zarr", "--out", out, "--quiet", *options) == 0
    return open_dataset(out)["test"]


def test_a_data_set_read_again_is_the_same(monkeypatch, tmp_path, packets):
    labelled(monkeypatch, packets, "object,label\nZTF0,SN\nZTF1,TDE\n")
    before = open_dataset(tmp_path / "out.zarr")["test"]
    after = again(monkeypatch, tmp_path / "out.zarr")
    assert set(after) == set(before)
    for name in before:
        np.testing.assert_array_equal(after[name][:], before[name][:], err_msg=name)
        assert after[name].dtype == before[name].dtype
        assert after[name].attrs["description"] == before[name].attrs["description"]
    curves = [pq.read_table(photometry_path(tmp_path / n)) for n in ("out.zarr", "again.zarr")]
    assert curves[0].num_rows == curves[1].num_rows == 6 + 1 + 1 + 1
    for name in curves[0].column_names:
        np.testing.assert_array_equal(*(curve[name].to_numpy() for curve in curves))


def test_a_data_set_is_cut_and_labelled_anew(monkeypatch, tmp_path, packets):
    labelled(monkeypatch, packets, "object,label\nZTF0,SN\nZTF1,TDE\n")
    (tmp_path / "new.csv").write_text(f"candid,label\n{CANDID[5]},EB\n{CANDID[0]},RRL\n")
    options = ("--labels", tmp_path / "new.csv", "--size", "21", "--classes", "EB,RRL")
    split = again(monkeypatch, tmp_path / "out.zarr", *options)
    assert list(split["object_id"][:]) == ["ZTF0", "ZTF2"] and list(split["label"][:]) == [0, 1]
    np.testing.assert_array_equal(split["images"][0, 0], random_image(0)[21:42, 21:42])
    assert pq.read_table(photometry_path(tmp_path / "again.zarr"))["object"].to_pylist() == (
        ["ZTF0"] * 4 + ["ZTF2"] * 2
    )


def test_a_simulated_data_set_becomes_a_real_one_with_its_true_parameters(
    monkeypatch, small_dataset, tmp_path
):
    out = tmp_path / "again.zarr"
    options = ("--out", out, "--quiet", "--classes", "SN,AST")
    assert ingest(monkeypatch, small_dataset, "--from", "zarr", *options) == 0
    root, split, source = (
        open_dataset(out),
        open_dataset(out)["test"],
        DatasetSplit(small_dataset, "test"),
    )
    assert root.attrs["kind"] == "real" and root.attrs["classes"] == ["SN", "AST"]
    names = [n for n in split["object_id"][:] if n.startswith("test-")]
    of_test = open_dataset(small_dataset)["test"]
    wanted = np.flatnonzero(
        np.isin(source.labels, [source.classes.index(c) for c in ("SN", "AST")])
    )
    assert names == [f"test-{i}" for i in wanted]
    first, i = list(split["object_id"][:]).index(names[0]), wanted[0]
    n = of_test["n_epochs"][i]
    outside = (of_test["mask"][i, :n] & OUTSIDE) != 0
    expected = np.where(outside, np.nan, of_test["images"][i, :n])
    np.testing.assert_array_equal(split["images"][first, :n], expected.astype(np.float32))
    for name in ("redshift", "host_mag", "magnitude", "zero_point_mag", "gain_e_per_adu"):
        padded = (
            of_test[name][i][: split[name].shape[1]] if split[name].ndim > 1 else of_test[name][i]
        )
        np.testing.assert_array_equal(split[name][first], padded, err_msg=name)


def test_damage_in_a_data_set_costs_a_block_of_objects(monkeypatch, tmp_path):
    for i in range(5):
        write_cube(tmp_path / f"in/{i}.fits")
    out = tmp_path / "in.zarr"
    assert ingest(monkeypatch, tmp_path / "in", "--out", out, "--quiet") == 0
    monkeypatch.setattr(zarr_dataset, "CHUNK_OBJECTS", 2)
    root = open_root(out)
    root["test"]["n_epochs"][1] = 99
    root["test"]["mjd"][4] = np.nan
    split = again(monkeypatch, out)
    assert list(split["object_id"][:]) == ["0", "2", "3"]
    record = json.loads((tmp_path / "again.zarr.json").read_text())["runs"][0]
    reasons = [item["reason"] for item in record["skipped"]]
    assert reasons == [
        "object 1: n_epochs is 99; its arrays hold 1 to 4.",
        "object 4: its times are not known, or do not increase.",
    ]


def test_a_chunk_that_is_damaged_is_named(monkeypatch, tmp_path, capsys):
    write_cube(tmp_path / "in/a.fits")
    out = tmp_path / "in.zarr"
    assert ingest(monkeypatch, tmp_path / "in", "--out", out, "--quiet") == 0
    (chunk,) = (f for f in (out / "test/airmass/c").rglob("*") if f.is_file())
    chunk.write_bytes(b"no chunk")
    options = ("--from", "zarr", "--out", tmp_path / "x.zarr", "--quiet")
    assert ingest(monkeypatch, out, *options) == 2
    assert "objects 0 to 0" in (error := capsys.readouterr().err)
    assert "airmass is damaged" in error


@pytest.mark.parametrize(
    ("path", "options", "sentence"),
    [
        ("none.zarr", [], "there is no such data set"),
        ("in", [], "no data set of this program"),
        ("in.zarr", ["--survey", "lsst"], "has the bands g, r, i, survey lsst u, g, r, i, z, y"),
        ("lacking.zarr", [], "lacks the arrays zero_point_mag"),
    ],
)
def test_an_input_that_is_no_data_set_is_named(
    monkeypatch, tmp_path, capsys, path, options, sentence
):
    write_cube(tmp_path / "in/a.fits")
    for name in ("in.zarr", "lacking.zarr"):
        assert ingest(monkeypatch, tmp_path / "in", "--out", tmp_path / name, "--quiet") == 0
    shutil.rmtree(tmp_path / "lacking.zarr" / "test" / "zero_point_mag")
    options = ("--from", "zarr", "--out", tmp_path / "x.zarr", *options)
    assert ingest(monkeypatch, tmp_path / path, *options) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1
