"""Tables of labels in any format: names are text to the last digit, bad rows cost themselves."""

import gzip
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, Table

from finetune.ingest import text_tables
from finetune.ingest.class_names import class_of
from finetune.ingest.labels import read_labels
from simulator.dataset.reader import open_dataset
from skyreel.errors import IngestError
from tests.helpers.alert_packets import candid_of, write_packets, ztf_packet
from tests.helpers.ingestion import at_most_mib, ingest

NAMES = ["0017", "1e5", "0x1F", "12.50", "123456789012345678", "ZTF20aaa", ""]
CLASSES = ["007", "SN", "1e5", "", "AGN", "TDE", "SN"]
EXPECTED = {
    "0017": ["007"],
    "1e5": ["SN"],
    "0x1F": ["1e5"],
    "123456789012345678": ["AGN"],
    "ZTF20aaa": ["TDE"],
}


def as_csv(columns, delimiter=","):
    rows = [delimiter.join(columns), *(delimiter.join(row) for row in zip(*columns.values()))]  # noqa: B905
    return "\n".join(rows).encode()


def as_ecsv(columns, delimiter=" "):
    text = io.StringIO()
    Table(columns).write(text, format="ascii.ecsv", delimiter=delimiter)
    return text.getvalue().encode()


def as_fits(columns):
    file = io.BytesIO()
    Table(columns).write(file, format="fits")
    return file.getvalue()


def as_parquet(columns, **kinds):
    file = io.BytesIO()
    arrays = {name: pa.array(values, kinds.get(name)) for name, values in columns.items()}
    pq.write_table(pa.table(arrays), file)
    return file.getvalue()


def as_records(columns):
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


FORMATS = {
    "csv": as_csv,
    "tabs": lambda c: as_csv(c, "\t"),
    "semicolons": lambda c: as_csv(c, ";"),
    "csv with a byte-order mark": lambda c: b"\xef\xbb\xbf" + as_csv(c),
    "utf-16": lambda c: as_csv(c).decode().encode("utf-16"),
    "gzipped csv": lambda c: gzip.compress(as_csv(c)),
    "ecsv": as_ecsv,
    "ecsv with commas": lambda c: as_ecsv(c, ","),
    "fits": as_fits,
    "parquet": as_parquet,
    "dictionaries": lambda c: as_parquet(c, object=pa.dictionary(pa.int32(), pa.string())),
    "bytes": lambda c: as_parquet({**c, "object": [n.encode() for n in c["object"]]}),
    "records": lambda c: json.dumps(as_records(c)).encode(),
    "lines": lambda c: "\n".join(map(json.dumps, as_records(c))).encode(),
    "columns": lambda c: json.dumps(c).encode(),
    "numbered": lambda c: json.dumps({k: dict(enumerate(v)) for k, v in c.items()}).encode(),
}


@pytest.mark.parametrize("form", FORMATS)
def test_names_and_classes_are_text_in_every_format(tmp_path, form):
    content = FORMATS[form]({"object": NAMES, "label": CLASSES})
    (tmp_path / "labels").write_bytes(content)
    labels = read_labels(tmp_path / "labels")
    assert labels.by_object == EXPECTED
    (sentence,) = labels.problem_sentences()
    assert sentence.startswith("1 rows have a label and no name: line")


@pytest.mark.parametrize("form", ["csv", "fits", "ecsv", "parquet", "records"])
def test_whole_numbers_of_18_digits_stay_exact(tmp_path, form):
    numbers = [123456789012345678, 123456789012345679, 7]
    columns = {"candid": numbers, "label": ["SN", "AGN", "TDE"]}
    if form == "csv":
        columns["candid"] = list(map(str, numbers))
    (tmp_path / "labels").write_bytes(FORMATS[form](columns))
    assert read_labels(tmp_path / "labels").by_alert == dict(
        zip(numbers, columns["label"], strict=True)
    )


@pytest.mark.parametrize("form", ["fits", "parquet", "ecsv"])
def test_whole_numbers_with_empty_cells_stay_exact(tmp_path, form):
    numbers = [123456789012345678, None, 5]
    if form == "parquet":
        content = as_parquet({"oid": numbers, "class": ["SN", "AGN", "TDE"]})
    else:
        column = MaskedColumn([123456789012345678, -1, 5], mask=[False, True, False])
        content = FORMATS[form]({"oid": column, "class": ["SN", "AGN", "TDE"]})
    (tmp_path / "labels").write_bytes(content)
    labels = read_labels(tmp_path / "labels")
    assert labels.by_object == {"123456789012345678": ["SN"], "5": ["TDE"]}


def test_numbers_that_lost_digits_are_refused(tmp_path):
    for column, good in (
        (np.array([1.0, np.nan]), True),
        (np.array([1.5e18, 2]), False),
        (np.array([169830580, 2], dtype=np.float32), False),
    ):
        for content in (
            as_fits({"oid": column, "label": ["SN", "SN"]}),
            as_parquet({"oid": column, "label": ["SN", "SN"]}),
        ):
            (tmp_path / "labels").write_bytes(content)
            if good:
                assert read_labels(tmp_path / "labels").by_object == {"1": ["SN"]}
            else:
                with pytest.raises(IngestError, match="oid holds numbers in floating point"):
                    read_labels(tmp_path / "labels")


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        (("ZTFID", "type"), "ZTF20aaa"),  # Bright Transient Survey
        (("oid", "class_name"), "ZTF20aaa"),  # ALeRCE
        (("oid", "classALeRCE"), "ZTF20aaa"),
        (("i:objectId", "d:finkclass"), "ZTF20aaa"),  # Fink
        (("i:objectId", "v:classification"), "ZTF20aaa"),
        (("internal_names", "type"), "ATLAS20b; ZTF20aaa, PS20c"),  # Transient Name Server
        (("Disc. Internal Name/s", "Obj. Type"), "ZTF20aaa"),
        ((" OBJECT ", " Label"), "ZTF20aaa"),
    ],
)
def test_columns_of_brokers_are_found(tmp_path, columns, name):
    rows = [",".join(["ra", *columns, "z"]), f'1,"{name}",SN Ib/c,0.1', "1,ZTF20b,-,0.1"]
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    labels = read_labels(tmp_path / "labels.csv")
    assert labels.by_object["ZTF20aaa"] == ["SN"] and "ZTF20b" not in labels.by_object
    assert labels.renamed == {("SN Ib/c", "SN"): 1}


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        (
            "SN",
            "SN I,SN Ib/c,SN Ic-BL,SN Ibn,SN Ia-91T-like,SN Iax[02cx-like],SN IIP,SN II-pec,SNIa,"
            "SNIbc,SNII,SNIIn,SN*,SN Ia-CSM,SN Icn,SN Ibn/Icn",
        ),
        ("RRL", "RRL,RR Lyr,RRLyr,RRLyrae,RR Lyrae,RRab,RRc,RRd,rr_lyrae"),
        ("CEP", "CEP,Ceph,Cepheid,Classical Cepheid,DCEP,deltaCep,classical_cepheid"),
        ("EB", "E,EA,EW,EB,EB*,ECL,EB/EW,EBSD/D,EclBin,Eclipsing Binary,EB*WUMa,W UMa"),
        ("AST", "asteroid,Solar System MPC,SSO,Minor planet"),
        ("AGN", "AGN,QSO,quasar,Seyfert_1,Seyfert 2,Sy1,Sy1.9,active galactic nucleus"),
        ("TDE", "TDE,TDE-H-He,TDE-He,TDE-featureless,tidal disruption event"),
        ("KN", "KN,kilonova,Kilonovae"),
        ("LPV", "LPV,LPV*,LongPeriodV*,Mira,M,SR,SRb,semiregular variable"),
        ("CV", "CV,CV*,CataclyV*,cataclysmic variable,dwarf nova,UG,UGSU"),
        ("YSO", "YSO,TTauri*,T Tauri,young stellar object"),
    ],
)
def test_names_of_brokers_are_those_of_the_simulator(name, labels):
    assert {label: class_of(label) for label in labels.split(",")} == dict.fromkeys(
        labels.split(","), name
    )


@pytest.mark.parametrize(
    "label",
    [
        *("SLSN-I", "SN candidate", "Early SN Ia candidate", "SN*_Candidate", "Candidate_RRLyr"),
        *("T2CEP", "Type II Cepheid", "Solar System candidate", "SNR", "Galactic nova", "CV/Nova"),
        *("Blazar", "BLLac", "DSCT", "Orion", "Periodic-Other", "Impostor-SN", "EBL"),
        *("AGN_Candidate", "Kilonova candidate", "AGN/QSO?", "syn", "Nova"),
    ],
)
def test_other_classes_keep_their_names(label):
    assert class_of(label) == label


@pytest.mark.parametrize("form", ["fits", "parquet", "records"])
def test_overwritten_metadata_are_marked_by_booleans(tmp_path, form):
    columns = {"candid": [1, 2], "label": ["SN", "AGN"], "meta_doctored": [True, False]}
    (tmp_path / "labels").write_bytes(FORMATS[form](columns))
    assert read_labels(tmp_path / "labels").doctored == {1}


def test_bad_rows_are_left_out_and_counted(tmp_path):
    rows = ["candid,label", "1,SN", "1e18,AGN", f"{'9' * 5000},AGN", "2,SN", "2,AGN", "3,", "৪,SN"]
    rows += ["2,SN"]
    (tmp_path / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    labels = read_labels(tmp_path / "labels.csv")
    assert labels.by_alert == {1: "SN"}
    identifiers, contradicting = labels.problem_sentences()
    assert identifiers.startswith("3 rows have no identifier of an alert: line 3: '1e18' is no")
    assert contradicting.startswith("1 rows contradict another")
    assert "line 6 labels alert 2 both SN and AGN" in contradicting
    assert len(identifiers) < 500


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"object,label\n \t,SN\n,SN\n", "2 rows have a label and no name"),
        (b"object,label\n" + b"x" * 300 + b",SN\n", "have no name that can be printed"),
        (b"object,label\n\x1b[31mred,SN\n", "have no name that can be printed"),
        (b"object,label\na,\x1b[31mSN\n", "have no class that can be printed"),
        (b"[" * 100_000, "no table in JSON"),
        (b'{"object": 1, "label": [1, 2]}', "no table in JSON"),
        (b"[1, 2]", "no table in JSON"),
        (b"PAR1 and nothing else", "not a Parquet table"),
        (b"SIMPLE  =                    T", "is not a FITS table that can be read"),
        (b"\x1f\x8bno gzip", "gzip compression"),
    ],
)
def test_what_is_no_table_is_refused_in_a_sentence(tmp_path, content, sentence):
    (tmp_path / "labels").write_bytes(content)
    with pytest.raises(IngestError, match=sentence) as error:
        read_labels(tmp_path / "labels")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.list_(pa.int64()), pa.float64()])
def test_columns_of_other_types_are_refused(tmp_path, kind):
    values = [[1]] if pa.types.is_list(kind) else [1.5 if pa.types.is_floating(kind) else 1]
    content = as_parquet({"object": pa.array(values).cast(kind), "label": ["SN"]})
    (tmp_path / "labels").write_bytes(content)
    with pytest.raises(IngestError, match=r"column object (is of type|holds numbers)"):
        read_labels(tmp_path / "labels")


@pytest.mark.parametrize("kind", [pa.string(), pa.binary()])
def test_bytes_that_are_no_text_are_refused(tmp_path, kind):
    values = pa.array([b"ZTF1", b"Z\x80F2"])
    names = pa.Array.from_buffers(kind, 2, values.buffers())
    path = tmp_path / "labels.parquet"
    path.write_bytes(as_parquet({"object": names, "label": ["SN", "SN"]}))
    with pytest.raises(IngestError, match="column object holds bytes that are no text"):
        read_labels(path)


def test_a_parquet_table_of_very_many_rows_is_refused_at_once(tmp_path):
    """1e8 equal rows take 1.6 MB on disk, and 10 GB in memory."""
    n = text_tables.MOST_ROWS + 1
    table = pa.table(
        {
            "object": pa.DictionaryArray.from_arrays(np.zeros(n, np.int8), ["a"]),
            "label": pa.DictionaryArray.from_arrays(np.zeros(n, np.int8), ["SN"]),
        }
    )
    pq.write_table(table, tmp_path / "labels.parquet")
    del table
    with at_most_mib(16), pytest.raises(IngestError, match="at most 2,000,000 labels are read"):
        read_labels(tmp_path / "labels.parquet")


def test_a_csv_table_of_too_many_rows_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(text_tables, "MOST_ROWS", 3)
    (tmp_path / "a.csv").write_text("object,label\n" + "a,SN\n" * 3)
    assert len(read_labels(tmp_path / "a.csv").by_object) == 1
    (tmp_path / "a.csv").write_text("object,label\n" + "a,SN\n" * 4)
    with pytest.raises(IngestError, match="more than 3 rows"):
        read_labels(tmp_path / "a.csv")


def test_a_fits_header_that_claims_axes_without_end_is_refused(tmp_path):
    content = as_fits({"object": ["a"], "label": ["SN"]})
    at = content.index(b"NAXIS   =")
    card = f"NAXIS   = {10**11:>20}".ljust(80).encode()
    (tmp_path / "a.fits").write_bytes(content[:at] + card + content[at + 80 :])
    with pytest.raises(IngestError, match="NAXIS = 100000000000"):
        read_labels(tmp_path / "a.fits")


def test_labels_of_names_with_digits_reach_their_objects(monkeypatch, tmp_path, capsys):
    names = ["0017", "17", "1e5", "100000"]
    packets = [ztf_packet(n, jd=2459000.7 + i) for i, n in enumerate(names)]
    write_packets(tmp_path / "a.avro", *packets)
    rows = ["candid,object,label", ",0017,RR Lyr", ",1e5,SN", f"{candid_of(2459003.7)},,LPV"]
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    out = tmp_path / "a.zarr"
    options = ("--from", "ztf", "--labels", tmp_path / "labels.csv", "--out", out)
    assert ingest(monkeypatch, tmp_path / "a.avro", *options) == 0
    root = open_dataset(out)
    classes = [root.attrs["classes"][i] if i < 255 else None for i in root["test"]["label"][:]]
    assert dict(zip(root["test"]["object_id"][:].tolist(), classes, strict=True)) == {
        "0017": "RRL",
        "17": None,
        "1e5": "SN",
        "100000": "LPV",
    }
    printed = " ".join(capsys.readouterr().out.split())
    assert "Labels taken as classes of the simulator: RR Lyr as RRL." in printed
    run = json.loads(out.with_name("a.zarr.json").read_text())["runs"][0]
    assert run["class_names"] == {"RRL": {"RR Lyr": 1}}


def test_scaled_columns_of_fits_are_read_as_they_are(tmp_path):
    column = fits.Column("oid", "K", bzero=2**63, array=np.array([1, 2**63 + 5], dtype=np.uint64))
    table = fits.BinTableHDU.from_columns([column, fits.Column("label", "2A", array=["SN", "SN"])])
    table.writeto(tmp_path / "a.fits")
    assert set(read_labels(tmp_path / "a.fits").by_object) == {"1", str(2**63 + 5)}
