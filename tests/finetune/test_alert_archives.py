"""Tar archives of alert packets: bounded memory, and the packets that are whole are read."""

import gzip
import io
import tarfile

import pytest

from finetune.readers import packets
from tests.helpers.alert_packets import (
    packed,
    tar_of,
    ztf_packet,
)
from tests.helpers.alert_packets import read_ztf as read
from tests.helpers.ingestion import at_most_mib


def test_archives_are_read_member_by_member_with_any_names(tmp_path):
    good = [packed([ztf_packet(f"ZTF{i}")]) for i in range(3)]
    path = tmp_path / "in" / "night.tar.gz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as archive:
        for name, content in (
            ("/etc/shadow.avro", good[0]),
            ("../../up.avro", good[1]),
            ("readme.txt", b"hello"),
            ("empty.avro", b""),
            ("a" * 300 + "/long.avro", good[2]),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        links = {"l.avro": tarfile.SYMTYPE, "h.avro": tarfile.LNKTYPE, "p.avro": tarfile.FIFOTYPE}
        for name, kind in {**links, "d": tarfile.DIRTYPE}.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    sequences, skipped = read(tmp_path / "in")
    assert set(sequences) == {"ZTF0", "ZTF1", "ZTF2"}
    assert [item.reason for item in skipped] == [
        "its name does not end in .avro.",
        "it is empty.",
        *["it is not a plain file (a link, for instance)."] * 3,
    ]
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["in", "night.tar.gz"]


def tar_header(name, size, kind=b"0"):
    member = tarfile.TarInfo(name)
    member.type = kind
    head = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    head[124:136] = (0x80 << 88 | size).to_bytes(12, "big")
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head[:512])
    return bytes(head[:512])


@pytest.fixture(scope="module")
def zeros():
    """128 MiB of zeros, compressed."""
    return gzip.compress(bytes(2**27), 1)


@pytest.mark.parametrize("kind", [b"0", b"x", b"g", b"L", b"K", b"S"])
@pytest.mark.parametrize("size", [10**15, 2**27])
def test_archives_that_unpack_to_too_much_need_bounded_memory(tmp_path, zeros, kind, size):
    good = packed([ztf_packet()])
    tar_of(tmp_path / "good.tar", {"a.avro": good}, "w")
    begin = (tmp_path / "good.tar").read_bytes()[: 512 + -(-len(good) // 512) * 512]
    head = gzip.compress(begin + tar_header("b.avro", size, kind))
    (tmp_path / "bomb.tar.gz").write_bytes(head + zeros)
    (tmp_path / "good.tar").unlink()
    with at_most_mib(16):
        sequences, skipped = read(tmp_path)
    assert len(sequences) == 1 and len(skipped) >= 1


def test_a_truncated_archive_gives_the_packets_before_the_end(tmp_path):
    members = {f"{i}.avro": packed([ztf_packet(f"ZTF{i}")]) for i in range(4)}
    for mode, name in (("w", "a.tar"), ("w:gz", "a.tar.gz")):
        tar_of(tmp_path / "whole", members, mode)
        content = (tmp_path / "whole").read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) * 6 // 10])
        sequences, skipped = read(tmp_path / name)
        assert {"ZTF0", "ZTF1"} <= set(sequences) and len(sequences) < 4
        assert "cut short" in skipped[-1].reason


def test_a_large_member_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(packets, "MAX_MEMBER_BYTES", 2**20)
    content = {"a.avro": packed([ztf_packet()]), "b.avro": bytes(2**20 + 1)}
    content["c.avro.gz"] = gzip.compress(b"Obj\x01" + bytes(2**22))
    tar_of(tmp_path / "a.tar", content, "w")
    sequences, skipped = read(tmp_path / "a.tar")
    assert len(sequences) == 1
    assert ["1,048,577 bytes" in skipped[0].reason, "1 MiB allowed" in skipped[1].reason] == [
        True
    ] * 2
