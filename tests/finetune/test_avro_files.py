"""Avro containers: all compressions, and files made to take memory or time."""

import io
import json
import zlib

import fastavro
import numpy as np
import pyarrow
import pytest

from finetune.readers import decompression
from finetune.readers.avro import avro_records
from finetune.readers.decompression import Room
from skyreel.errors import SequenceError
from tests.helpers.alert_packets import (
    SYNC,
    container,
    packed,
    random_image,
    read_ztf,
    schema_of,
    varint,
    write_packets,
    ztf_packet,
)
from tests.helpers.ingestion import at_most_mib


def bodies_of(packets):
    """Each packet as Avro writes it, without a container."""
    for packet in packets:
        file = io.BytesIO()
        fastavro.schemaless_writer(file, fastavro.parse_schema(schema_of(packet)), packet)
        yield file.getvalue()


def snappy(body):
    checksum = zlib.crc32(body).to_bytes(4, "big")
    return pyarrow.compress(body, codec="snappy", asbytes=True) + checksum


def zstandard(body):
    return pyarrow.compress(body, codec="zstd", asbytes=True)


@pytest.mark.parametrize(("codec", "pack"), [("snappy", snappy), ("zstandard", zstandard)])
def test_snappy_and_zstandard_are_read(tmp_path, codec, pack):
    packets = [ztf_packet(f"ZTF{i}", jd=2459000.7 + i) for i in range(3)]
    blocks = [(1, None, pack(body)) for body in bodies_of(packets)]
    content = container(json.dumps(schema_of(packets[0])), *blocks, codec=codec)
    (tmp_path / "a.avro").write_bytes(content)
    sequences, skipped = read_ztf(tmp_path / "a.avro")
    assert set(sequences) == {"ZTF0", "ZTF1", "ZTF2"} and not skipped
    np.testing.assert_array_equal(sequences["ZTF1"].images[0], random_image(0))


@pytest.mark.parametrize(
    ("codec", "pack", "bad"),
    [
        ("snappy", snappy, lambda block: block[:-4] + b"CRC!"),
        ("snappy", snappy, lambda block: b"\xff\xff\xff\xff\x0f" + block[5:]),  # claims 4 GB
        ("snappy", snappy, lambda block: block[:9]),
        ("zstandard", zstandard, lambda block: block[:-9]),
        ("zstandard", zstandard, lambda block: b"no"),
    ],
)
def test_a_damaged_block_costs_its_packet(tmp_path, codec, pack, bad):
    packets = [ztf_packet("ZTF0"), ztf_packet("ZTF1")]
    good = [pack(body) for body in bodies_of(packets)]
    blocks = [(1, None, good[0]), (1, None, bad(good[0])), (1, None, good[1])]
    content = container(json.dumps(schema_of(packets[0])), *blocks, codec=codec)
    (tmp_path / "a.avro").write_bytes(content)
    with at_most_mib(32):
        sequences, (skipped,) = read_ztf(tmp_path / "a.avro")
    assert set(sequences) == {"ZTF0", "ZTF1"}
    assert "a block of it" in skipped.reason or "does not fit" in skipped.reason


def test_a_damaged_marker_costs_its_block_alone(tmp_path):
    content = packed([ztf_packet(f"ZTF{i}") for i in range(3)])
    second = [i for i in range(len(content)) if content.startswith(SYNC, i)][1]
    (tmp_path / "a.avro").write_bytes(content[:second] + b"x" * 16 + content[second + 16 :])
    sequences, (skipped,) = read_ztf(tmp_path / "a.avro")
    assert set(sequences) == {"ZTF1", "ZTF2"} and "no sync marker" in skipped.reason


def record_of(fields):
    return json.dumps({"type": "record", "name": "alert", "fields": fields})


def nulls(n):
    return [{"name": f"f{i}", "type": "null"} for i in range(n)]


@pytest.mark.parametrize("n", [40, 5000])
def test_records_of_many_nulls_are_refused(tmp_path, n):
    """A float and 5,000 nulls: 4 bytes that become a dictionary of 5,000 entries."""
    item = {"type": "record", "name": "r", "fields": [{"name": "a", "type": "float"}, *nulls(n)]}
    rows = {"name": "x", "type": {"type": "array", "items": item}}
    body = varint(100_000) + bytes(400_000) + varint(0)
    (tmp_path / "a.avro").write_bytes(container(record_of([rows]), (1, None, body)))
    with at_most_mib(32):
        _, (skipped,) = read_ztf(tmp_path / "a.avro")
    assert "too few bytes" in skipped.reason


def test_records_within_records_count_for_those_around_them(tmp_path):
    inner = {"type": "record", "name": "i", "fields": nulls(16)}
    fields = [{"name": f"g{i}", "type": inner if i == 0 else "i"} for i in range(16)]
    fields += [{"name": "a", "type": "float"}]
    rows = {"type": "array", "items": {"type": "record", "name": "r", "fields": fields}}
    schema = record_of([{"name": "x", "type": rows}])
    (tmp_path / "a.avro").write_bytes(container(schema, (1, None, b"\0" * 99)))
    assert "too few bytes" in read_ztf(tmp_path / "a.avro")[1][0].reason


class Counting(io.BytesIO):
    """A file that counts the bytes that are read of it."""

    n_bytes = 0

    def read(self, size=-1):
        content = super().read(size)
        self.n_bytes += len(content)
        return content


def test_time_does_not_grow_with_the_square_of_the_markers():
    """Markers in a row, each behind a block that claims 8 MiB."""
    schema = record_of([{"name": "objectId", "type": "string"}])
    block = varint(1) + varint(2**20) + SYNC
    content = container(schema) + block * 20_000
    file = Counting(content)
    errors = [item for item in avro_records(file) if isinstance(item, SequenceError)]
    assert len(errors) > 10_000
    assert file.n_bytes < 100 * len(content)  # 1e6 times with whole blocks


def test_a_block_that_claims_packets_of_a_byte_is_refused():
    schema = record_of([{"name": "a", "type": "int"}])
    content = container(schema, (10**6, None, bytes(10**6)))
    (error,) = avro_records(io.BytesIO(content))
    assert "claims 1,000,000 packets in 1,000,000 bytes" in str(error)


def test_packets_that_unpack_to_far_more_than_their_file_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(decompression.Room, "base_bytes", 2**20)
    zeros = ztf_packet(
        "ZTF1", cutouts={"Science": bytes(2**19), "Template": b"x", "Difference": b"y"}
    )
    many = [{**zeros, "objectId": f"Z{i}", "candid": i} for i in range(60)]
    path = write_packets(tmp_path / "a.avro", *many, codec="deflate")
    assert path.stat().st_size < 60 * 2**19 / 10
    _, skipped = read_ztf(path)
    reasons = [item.reason for item in skipped]
    refused = [reason for reason in reasons if "unpack to more than 32 times" in reason]
    # a byte of the file gives 32, beyond the first mebibyte
    assert 0 < len(refused) < 60


def test_room_counts_all_files_of_a_run():
    room, file = Room(), io.BytesIO(bytes(100))
    room.base_bytes = 1000
    with room.reading(file):
        room.take(1000)
        file.read(10)
        room.take(320)
        with pytest.raises(SequenceError, match="32 times"):
            room.take(1)
    with room.reading(io.BytesIO(bytes(9))), pytest.raises(SequenceError, match="32 times"):
        room.take(1)


@pytest.mark.parametrize("candid", ["9" * 25, "9" * 5000, 2.0**70, -1, "abc", "১٢"])
def test_an_identifier_beyond_64_bits_costs_its_packet(tmp_path, candid):
    bad, good = ztf_packet("ZTF1"), ztf_packet("ZTF2")
    bad["candid"] = candid
    write_packets(tmp_path / "a.avro", bad)
    write_packets(tmp_path / "b.avro", good)
    sequences, (skipped,) = read_ztf(tmp_path)
    assert set(sequences) == {"ZTF2"} and skipped.source.endswith("a.avro, packet 1")
    assert "its candid is" in skipped.reason or "not a packet of ZTF" in skipped.reason


@pytest.mark.parametrize("name", ["  ", "x" * 201, "\x1b[31mred", "a\nb"])
def test_names_that_are_blank_or_cannot_be_printed_are_refused(tmp_path, name):
    write_packets(tmp_path / "a.avro", ztf_packet(name))
    write_packets(tmp_path / "b.avro", ztf_packet("0017.50"))
    sequences, (skipped,) = read_ztf(tmp_path)
    assert set(sequences) == {"0017.50"} and "its objectId is" in skipped.reason


def test_the_packets_behind_a_damaged_one_of_a_block_are_counted(tmp_path):
    schema = record_of([{"name": "objectId", "type": "string"}])
    content = container(schema, (5, None, b"\x02a" + b"\xff" * 400))
    *_, error = avro_records(io.BytesIO(content))
    assert "The 3 after it in its block are lost with it." in str(error)
