"""Tar archives that are damaged or made to do harm: the members that are whole are read."""

import gzip
import io
import tarfile

import pytest

from finetune.readers import packets
from finetune.readers.packets import MAX_MEMBER_BYTES
from finetune.readers.tar_members import tar_members
from skyreel.errors import SequenceError
from tests.helpers.alert_packets import packed, read_ztf, tar_of, ztf_packet
from tests.helpers.ingestion import at_most_mib

BLOCK = 512


@pytest.fixture(scope="module")
def members():
    return {f"{i}.avro": packed([ztf_packet(f"ZTF{i}")]) for i in range(4)}


def archive_of(tmp_path, members):
    """Bytes of an archive, and where each header begins."""
    tar_of(tmp_path / "whole.tar", members, "w")
    content, starts, at = (tmp_path / "whole.tar").read_bytes(), [], 0
    (tmp_path / "whole.tar").unlink()
    for member in members.values():
        starts.append(at)
        at += BLOCK + -(-len(member) // BLOCK) * BLOCK
    return content, starts


def read_bytes(tmp_path, content):
    (tmp_path / "a.tar").write_bytes(content)
    sequences, skipped = read_ztf(tmp_path / "a.tar")
    return set(sequences), [item.reason for item in skipped]


def test_members_behind_a_damaged_header_are_read(tmp_path, members):
    content, starts = archive_of(tmp_path, members)
    for damage in (b"\0" * BLOCK, b"x" * 40):
        damaged = bytearray(content)
        damaged[starts[1] : starts[1] + len(damage)] = damage
        found, reasons = read_bytes(tmp_path, bytes(damaged))
        assert found == {"ZTF0", "ZTF2", "ZTF3"}
        assert any("a header of the archive is damaged" in reason for reason in reasons)


def test_inserted_bytes_cost_no_member_behind_them(tmp_path, members):
    content, starts = archive_of(tmp_path, members)
    for at in (starts[1] + 700, starts[2] - 1):
        found, reasons = read_bytes(tmp_path, content[:at] + b"inserted" + content[at:])
        assert {"ZTF0", "ZTF2", "ZTF3"} <= found
        assert any("a header of the archive is damaged" in reason for reason in reasons)


def test_a_size_that_is_far_too_large_costs_its_member_alone(tmp_path, members):
    content, starts = archive_of(tmp_path, members)
    header = bytearray(content[starts[1] : starts[1] + BLOCK])
    header[124:136] = b"77777777777\0"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    damaged = content[: starts[1]] + bytes(header) + content[starts[1] + BLOCK :]
    found, reasons = read_bytes(tmp_path, damaged)
    assert found == {"ZTF0", "ZTF2", "ZTF3"}
    assert reasons == ["it has 8,589,934,591 bytes; at most 64 MiB are read."]


def test_a_map_of_a_sparse_member_is_not_read(tmp_path, members):
    """A reader of the standard library keeps the whole map in memory: 1 GB of 200 kB, packed."""
    sparse = tarfile.TarInfo("x.avro")
    sparse.size = 32 * 2**20
    sparse.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
    content, _ = archive_of(tmp_path, members)
    body = b"9999999999\n" + b"9\n" * (sparse.size // 2)
    body = body[: sparse.size]
    packed_content = gzip.compress(sparse.tobuf(tarfile.PAX_FORMAT) + body + content, 1)
    (tmp_path / "a.tar.gz").write_bytes(packed_content)
    with at_most_mib(16):
        sequences, (skipped,) = read_ztf(tmp_path / "a.tar.gz")
    assert set(sequences) == {f"ZTF{i}" for i in range(4)}
    assert "not a plain file" in skipped.reason and skipped.source.endswith("x.avro")


@pytest.mark.parametrize("tar_format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_are_read(tar_format):
    file, names = io.BytesIO(), ["x" * 300 + ".avro", "é" * 90 + ".avro", "short.avro"]
    with tarfile.open(fileobj=file, mode="w", format=tar_format) as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    file.seek(0)
    assert [name for name, _ in tar_members(file, lambda name: "", 100)] == names


class Forwards(io.BytesIO):
    """A file that cannot be read backwards, as a gzip file cannot without starting again."""

    def seek(self, *_):
        raise AssertionError("sought")


def test_an_archive_is_read_forwards_only(tmp_path):
    members = {f"{i}.avro": bytes([i]) * 1024 for i in range(5)}  # whole blocks
    content, _ = archive_of(tmp_path, members)
    found = list(tar_members(Forwards(content), lambda name: "", MAX_MEMBER_BYTES))
    assert found == list(members.items())


def test_an_archive_that_unpacks_to_a_thousand_times_its_bytes_is_left(
    monkeypatch, tmp_path, members
):
    monkeypatch.setattr(packets, "_ARCHIVE_BYTES", 2**20)
    content, _ = archive_of(tmp_path, members)
    with gzip.open(tmp_path / "a.tar.gz", "wb", 9) as file:
        file.write(content[: -2 * BLOCK])
        for i in range(64):
            file.write(tarfile.TarInfo(f"{i}.txt").tobuf())
            zeros = tarfile.TarInfo(f"{i}.bin")
            zeros.size = 2**20
            file.write(zeros.tobuf() + bytes(2**20))
    sequences, skipped = read_ztf(tmp_path / "a.tar.gz")
    assert len(sequences) == 4
    assert "unpacks to more than 100 times" in skipped[-1].reason


def test_terminal_escapes_in_names_are_kept_apart(tmp_path):
    tar_of(tmp_path / "a.tar", {"\x1b[31mred.avro": b"no"}, "w")
    _, (skipped,) = read_ztf(tmp_path / "a.tar")
    assert skipped.reason == "it is not an Avro file." and "red.avro" in skipped.source


def test_what_is_wrong_with_a_member_is_an_error():
    file = io.BytesIO(tarfile.TarInfo("a.avro").tobuf() + bytes(1024))
    ((_, error),) = tar_members(file, lambda name: "not wanted", 10)
    assert isinstance(error, SequenceError) and str(error) == "not wanted"
