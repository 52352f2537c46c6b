"""Tar archives of packets with bytes, headers and members mutated; other members must be read."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.helpers.alert_packets import packed, random_image, stamp, ztf_packet
from tests.helpers.fuzzing import mutated
from tests.helpers.ingest_fuzzing import fault_of, run_ingest

N_MEMBERS = 4
BLOCK = 512
FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
KINDS = (b"1", b"2", b"3", b"5", b"6", b"7", b"g", b"x", b"L", b"K", b"S", b"V", b"\xff")
NAMES = ("../up.avro", "/etc/passwd.avro", "\x1b[31m.avro", "a.AVRO", "no suffix", "é" * 60, "d/")


class Case(NamedTuple):
    """An archive, and the names of the objects that are whole in it."""

    path: Path
    expected: set[str]


def prepare(folder: Path) -> list[bytes]:
    """Files of one packet each."""
    small = {n: stamp(random_image(1, 21)) for n in ("Science", "Template", "Difference")}
    return [packed([ztf_packet(f"ZTF{i}", cutouts=small)]) for i in range(N_MEMBERS)]


def make(base: list[bytes], rng: Random, folder: Path) -> tuple[str, Case]:
    """An archive with one thing wrong."""
    members = [(f"{i}.avro", content) for i, content in enumerate(base)]
    how = rng.choice(["bytes", "packed", "content", "name", "header", "header", "kind", "sparse"])
    number = rng.randrange(N_MEMBERS)
    whole = {f"ZTF{i}" for i in range(N_MEMBERS) if i != number}
    if how == "content":
        members[number] = (members[number][0], mutated(rng, base[number])[1])
    elif how == "name":
        members[number] = (rng.choice(NAMES), base[number])
    content, starts = _archive(members, rng.choice(FORMATS[1:] if how == "name" else FORMATS))
    if how in ("header", "kind"):
        content = _with_other_header(content, starts[number], how, rng)
        # a size that is wrong can hide the members after it
        whole = whole if how == "kind" else {f"ZTF{i}" for i in range(number)}
    elif how == "sparse":
        content = _sparse(rng) + content
        whole = {f"ZTF{i}" for i in range(N_MEMBERS)}
    elif how == "bytes":
        whole, (_, content) = set(), mutated(rng, content)
    zipped = gzip.compress(content, 1)
    if how == "packed":
        whole, (_, zipped) = set(), mutated(rng, zipped)
    path = folder / "a.tar.gz"
    path.write_bytes(zipped if how == "packed" or rng.random() < 0.5 else content)
    return how, Case(path, whole)


def check(base: list[bytes], case: Case, folder: Path) -> str | None:
    """Read the archive; every whole object must be there, and nothing beside the data set."""
    before = set(folder.parent.rglob("*.avro"))
    out = run_ingest("ztf", case.path, folder)
    if set(folder.parent.rglob("*.avro")) != before:
        return "a member was written to disk"
    return fault_of(out, case.expected)


def _archive(members, tar_format):
    """Bytes of an archive, and where the header of each member begins."""
    file, starts = io.BytesIO(), []
    with tarfile.open(fileobj=file, mode="w", format=tar_format) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            starts.append(file.tell())
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue(), starts


def _with_other_header(content, start, how, rng):
    header = bytearray(content[start : start + BLOCK])
    if how == "kind":
        header[156:157] = rng.choice(KINDS[:5])
        header[124:136] = b"%011o\0" % 0 if header[156:157] in KINDS[:4] else header[124:136]
    elif rng.random() < 0.5:
        header[124:136] = rng.choice([b"77777777777\0", b"\xff" * 12, b"\x80" + b"\x7f" * 11])
    else:
        header[156:157] = rng.choice(KINDS[5:])
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return content[:start] + bytes(header) + content[start + BLOCK :]


def _sparse(rng):
    member = tarfile.TarInfo("s.avro")
    member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
    map_text = b"%d\n" % rng.choice([1, 10**10]) + b"9\n" * rng.choice([10, 10**5])
    member.size = len(map_text)
    padding = bytes(-len(map_text) % BLOCK)
    return member.tobuf(tarfile.PAX_FORMAT) + map_text + padding
