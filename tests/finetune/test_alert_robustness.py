"""Alert files that are damaged, strange or hostile: bounded memory and a sentence each."""

import gzip
import io
import json
import zlib
from pathlib import Path

import fastavro
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune.readers import alerts, cutout
from finetune.readers import alerts as alert_readers
from finetune.readers.avro import MAX_BLOCK_BYTES
from tests.helpers.alert_packets import (
    SYNC,
    container,
    packed,
    random_image,
    schema_of,
    stamp,
    varint,
    write_packets,
    ztf_packet,
)
from tests.helpers.alert_packets import read_ztf as read
from tests.helpers.ingestion import at_most_mib, ingest


def reason_of(path, content=None):
    """Why nothing is read, in one sentence."""
    if content is not None:
        path.write_bytes(content)
    sequences, skipped = read(path)
    assert not sequences
    for item in skipped:
        assert "\n" not in item.reason and item.reason.endswith(".")
    return " ".join(item.reason for item in skipped)


def test_files_that_are_no_avro_container_are_refused(tmp_path):
    good = packed([ztf_packet()])
    for content, reason in (
        (b"", "it is empty"),
        (b"SIMPLE  = T", "not an Avro file"),
        (b"\x00\x00\x00\x02\xbd" + good[400:], "Confluent wire format"),
        (b"Obj\x01", "cut short"),
        (b"Obj\x01\x02\xff\xff\xff\xff\x0f", "header is damaged"),
        (b"Obj\x01" + b"\xff" * 20, "frame is damaged"),
        (b"\x1f\x8b\x08", "gzip compression is cut short or damaged"),
        (gzip.compress(b"nothing"), "not an Avro file"),
        (container('"string"', (1, None, b"\x02a")), "not one of records"),
        (container("{", (1, None, b"")), "schema cannot be understood"),
        (
            container('{"type": "record", "name": "a", "fields": [{"name": "b", "type": "c"}]}'),
            "schema cannot be understood",
        ),
        (
            container(
                '{"type": "record", "name": "a", "fields": [{"name": "b", "type": "int"}]}',
                (1, None, b"\x02"),
                codec="lzo",
            ),
            "compression 'lzo' is not one of null",
        ),
        (
            container(
                '{"type": "record", "name": "a", "fields": [{"name": "b", "type": "int"}]}',
                (1, None, b"\x02"),
            ),
            "it is not a ZTF alert",
        ),
    ):
        assert reason in reason_of(tmp_path / "a.avro", content)


def nested(deep):
    return '{"type": "array", "items": ' * deep + '"int"' + "}" * deep


@pytest.mark.parametrize(
    ("field", "content", "reason"),
    [
        ('{"type": "array", "items": "null"}', varint(2**60), "too few bytes"),
        (
            '{"type": "array", "items": {"type": "record", "name": "e", "fields": []}}',
            varint(2**60),
            "too few bytes",
        ),
        (
            '{"type": "array", "items": ["null", {"type": "record", "name": "e", "fields": '
            '[{"name": "x", "type": "null"}]}]}',
            b"\x02" * 100,
            "too few bytes",
        ),
        (
            '{"type": "array", "items": {"type": "fixed", "name": "f", "size": 0}}',
            varint(2**60),
            "too few bytes",
        ),
        ('["null", "a"]', b"\x02" * 100_000, "within itself"),
        (nested(40), b"\x02" * 99, "deeper or longer"),
        (nested(20_000), b"\x02" * 99, "schema cannot be understood"),
        ('{"type": "array", "items": "int"}', varint(2**60), "does not fit its own schema"),
        ('"bytes"', varint(2**60), ""),
        ('"string"', varint(-5), ""),
        ('{"type": "fixed", "name": "f", "size": 1000000000000}', b"1", ""),
    ],
)
def test_schemas_that_need_too_much_memory_are_refused(tmp_path, field, content, reason):
    schema = f'{{"type": "record", "name": "a", "fields": [{{"name": "b", "type": {field}}}]}}'
    (tmp_path / "a.avro").write_bytes(container(schema, (1, None, content)))
    with at_most_mib(64):
        assert reason in reason_of(tmp_path / "a.avro")


def test_blocks_with_wrong_sizes_are_skipped_alone(tmp_path):
    one, two = ztf_packet("ZTF1"), ztf_packet("ZTF2")
    schema = schema_of(one)
    bodies = []
    for packet in (one, two):
        file = io.BytesIO()
        fastavro.schemaless_writer(file, fastavro.parse_schema(schema), packet)
        bodies.append(file.getvalue())
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = bomb.compress(bytes(2**28)) + bomb.flush()
    deflated = [zlib.compressobj(1, zlib.DEFLATED, -15) for _ in bodies]
    deflated = [c.compress(b) + c.flush() for c, b in zip(deflated, bodies, strict=True)]
    for codec, good, bad in (
        ("null", bodies, (1, 2**50, b"x" * 99)),
        ("null", bodies, (2**60, None, b"x" * 99)),
        ("null", bodies, (1, None, b"x" * 99)),
        ("null", bodies, (1, 30, b"x" * 99)),
        ("null", bodies, (-1, -1, b"x" * 99)),
        ("deflate", deflated, (1, None, bomb)),
        ("deflate", deflated, (1, None, b"x" * 99)),
    ):
        content = container(
            json.dumps(schema), (1, None, good[0]), bad, (1, None, good[1]), codec=codec
        )
        (tmp_path / "a.avro").write_bytes(content)
        with at_most_mib(3 * MAX_BLOCK_BYTES / 2**20):
            sequences, skipped = read(tmp_path / "a.avro")
        assert set(sequences) == {"ZTF1", "ZTF2"} and len(skipped) == 1, bad[:2]


def test_packets_before_a_truncation_are_kept(tmp_path):
    content = packed([ztf_packet(f"ZTF{i}") for i in range(3)])
    ends = [content.index(SYNC)] + [i for i in range(len(content)) if content.startswith(SYNC, i)]
    for end in (ends[1] + 16 + 40, ends[2] + 16 + 9000, len(content) - 1):
        (tmp_path / "cut.avro").write_bytes(content[:end])
        sequences, skipped = read(tmp_path / "cut.avro")
        whole = content[:end].count(SYNC) - 1
        assert len(sequences) == whole and len(skipped) == 1
        assert "cut short" in skipped[0].reason


@pytest.mark.slow
@settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damage_anywhere_costs_no_more_than_a_packet_or_the_header(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "a.avro"
    small = {n: stamp(random_image(1, 5)) for n in ("Science", "Template", "Difference")}
    content = bytearray(
        packed([ztf_packet(f"ZTF{i}", cutouts=small, history=[{}]) for i in range(3)])
    )
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    sequences, skipped = read(path)
    assert sequences or skipped


def with_naxis(value, name="NAXIS1"):
    """A cutout with another card in the place of its first axis."""
    content = gzip.decompress(stamp(random_image()))
    card = f"{name:8}= {value:>20}".ljust(80).encode()
    where = content.index(b"NAXIS1")
    return gzip.compress(content[:where] + card + content[where + 80 :])


BAD_CUTOUTS = {
    "none": (None, "cutout is empty"),
    "empty": (b"", "cutout is empty"),
    "cut": (stamp(random_image())[:900], "gzip compression is cut short or damaged"),
    "no fits": (gzip.compress(b"hello"), "not a FITS file"),
    "wide": (with_naxis(10**9), "claims 63 x 1,000,000,000 pixels"),
    "negative": (with_naxis(-63), ""),
    "two numbers of axes": (with_naxis(10**10, "NAXIS"), "two values of NAXIS"),
    "no image": (gzip.compress(f"{'SIMPLE  =':29}T{'':50}{'END':2800}".encode()), ""),
    "no number": (stamp(np.full((63, 63), np.nan)), "no number"),
    "large": (stamp(random_image(0, 100)), "at most 63"),
    "bomb": (gzip.compress(b"SIMPLE  =" + bytes(2**27), 1), "more than the 4 MiB allowed"),
}


@pytest.mark.parametrize("kind", BAD_CUTOUTS)
def test_a_bad_science_cutout_costs_its_packet_and_any_other_itself(tmp_path, kind):
    content, reason = BAD_CUTOUTS[kind]
    good = ztf_packet("ZTF1", jd=2459002.7)
    write_packets(tmp_path / "b.avro", good)
    write_packets(tmp_path / "a.avro", ztf_packet("ZTF1", cutouts={"Science": content}))
    write_packets(tmp_path / "c.avro", ztf_packet("ZTF2", cutouts={"Template": content}))
    with at_most_mib(32):
        sequences, (skipped,) = read(tmp_path)
    assert reason in skipped.reason and skipped.source.endswith("a.avro, packet 1")
    assert len(sequences["ZTF1"].images) == 1
    assert sequences["ZTF2"].more_images["template_mask"].all()
    assert np.isnan(sequences["ZTF2"].epochs["template_sky_adu"]).all()
    assert sequences["ZTF2"].notes[0].startswith("without template: ")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fid": 4}, "its fid is 4; bands of survey ztf: g, r, i"),
        ({"jd": None, "candid": 5}, "no epoch with a time"),
        ({"jd": float("inf"), "candid": 5}, "no epoch with a time"),
        ({"field": 1e300}, "contents are not those of ZTF"),
    ],
)
def test_malformed_fields_are_refused(tmp_path, changes, reason):
    path = write_packets(tmp_path / "a.avro", ztf_packet(**changes))
    if "field" in changes:
        (sequence,) = read(path)[0].values()
        assert sequence.objects["field"] == -1
    else:
        assert reason in reason_of(path)


def test_objects_with_more_packets_than_a_sequence_holds_are_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(alert_readers, "MAX_EPOCHS", 3)
    packets_of_one = [ztf_packet("ZTF1", jd=2459000.7 + i) for i in range(5)]
    sequences, skipped = read(write_packets(tmp_path / "a.avro", *packets_of_one))
    assert len(sequences["ZTF1"].images) == 3 and len(skipped) == 2


def test_memory_does_not_grow_with_the_number_of_packets(tmp_path):
    """Cutouts that do not compress: 60 packets of 50 kB each, of one object a packet."""
    path = write_packets(tmp_path / "a.avro", *[ztf_packet(f"ZTF{i}") for i in range(60)])
    assert path.stat().st_size > 2**21
    reader = alerts_of(path)
    next(reader)
    with at_most_mib(2):
        for _ in reader:
            pass


def alerts_of(path):
    from finetune.readers.ztf import ZtfAlerts
    from survey_profiles import load_profile

    reader = ZtfAlerts()
    return reader.read([path], load_profile("ztf"))


def test_one_bad_packet_among_good_ones_is_in_the_table(monkeypatch, tmp_path, capsys):
    write_packets(tmp_path / "in/a.avro", ztf_packet("ZTF1"))
    write_packets(tmp_path / "in/b.avro", ztf_packet("ZTF2", fid=7))
    (tmp_path / "in" / "c.avro").write_bytes(b"no")
    monkeypatch.chdir(tmp_path)
    assert ingest(monkeypatch, "in", "--from", "ztf") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "skipped 2" in printed and "its fid is 7" in printed and "not an Avro file" in printed
    assert not list(Path(tmp_path).glob("*.parquet.partial"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere", "--from", "ztf"], "nowhere: there is no such file or folder"),
        (["empty", "--from", "ztf"], "holds no *.avro or"),
        (["bad", "--from", "ztf"], "no sequence can be used. bad/a.avro: it is not an Avro file."),
        (["bad", "--from", "zft"], "Did you mean 'ztf'?"),
        (["good", "--from", "rubin"], "it is not a Rubin alert"),
        (["good", "--from", "ztf", "--classes", "SN"], "its class, unlabelled, is not selected"),
        (["good", "--from", "ztf", "--labels", "none.csv"], "none.csv: labels cannot be read"),
    ],
)
def test_bad_requests_get_one_sentence_and_exit_code_2(
    monkeypatch, tmp_path, capsys, arguments, sentence
):
    write_packets(tmp_path / "good/a.avro", ztf_packet())
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/a.avro").write_bytes(b"no")
    monkeypatch.chdir(tmp_path)
    assert ingest(monkeypatch, *arguments, "--out", "x.zarr", "--quiet") == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1
    assert not (tmp_path / "x.zarr").exists()


def test_limits_are_far_above_real_packets():
    """Largest of 650 real ones: blocks of 312 kB, cutouts of 51 kB unpacked."""
    assert MAX_BLOCK_BYTES > 20 * 312_000 and cutout.MAX_CUTOUT_BYTES > 20 * 51_000
    assert alerts.MAX_EPOCHS >= 4096
