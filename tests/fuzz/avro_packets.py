"""Avro files of ZTF and Rubin packets with bytes, blocks, fields and cutouts mutated.

The packets that are whole must be read.
"""

from __future__ import annotations

import copy
import gzip
import os
from pathlib import Path
from random import Random
from typing import NamedTuple

import fastavro
import numpy as np

from tests.helpers.alert_observations import simulated_records
from tests.helpers.alert_packets import packed, random_image, rubin_packet, stamp, ztf_packet
from tests.helpers.fuzzing import ODD_NUMBERS, ODD_TEXTS, mutated
from tests.helpers.ingest_fuzzing import fault_of, run_ingest

SYNC = b"S" * 16
CODECS = ("null", "null", "deflate", "bzip2", "xz")
CARDS = ("NAXIS", "NAXIS1", "NAXIS2", "BITPIX", "BSCALE", "BZERO", "PCOUNT", "END", "EXTEND")
VALUES = ("-1", "0", "99999999999", "1E400", "NaN", "T", "'x'", "8", "-64")
ANY_TYPE = ["null", "boolean", "long", "double", "string", "bytes"]


class Case(NamedTuple):
    """A file, and the names of the objects that are whole in it."""

    survey: str
    path: Path
    expected: set[str]


def prepare(folder: Path) -> dict[str, list[dict]]:
    """Packets by survey: the real ones where they are at hand, else ones made up; and simulated."""
    simulated = {"ztf": simulated_records("ztf"), "rubin": simulated_records("11.1")}
    return {survey: [*packets, *simulated[survey]] for survey, packets in _real().items()}


def _real():
    data = os.environ.get("SKYREEL_DATA")
    if data:
        files = {"ztf": "ztf/alerts.avro", "rubin": "lsst/alerts.avro"}
        return {survey: _first_packets(Path(data, file)) for survey, file in files.items()}
    small = {n: stamp(random_image(1, 21)) for n in ("Science", "Template", "Difference")}
    history = [{"midpointMjdTai": 61000.5, "band": "r", "psfFlux": 1.5, "psfFluxErr": 2.5}]
    return {
        "ztf": [
            ztf_packet(f"ZTF{i}", jd=2459000.7 + i, cutouts=small, history=[{}], forced=[{}])
            for i in range(8)
        ],
        "rubin": [
            rubin_packet(i, diaObjectId=70 + i, history=history, forced=history)
            for i in range(1, 9)
        ],
    }


def _first_packets(path):
    with open(path, "rb") as file:
        return [packet for packet, _ in zip(fastavro.reader(file), range(60), strict=False)]


def _name(packet):
    if "objectId" in packet:
        return packet["objectId"]
    source = _source(packet)
    names = (source.get(name) for name in ("diaObjectId", "ssObjectId"))
    return str(next(filter(None, names), None) or _alert_id(packet))


def _source(packet):
    return packet.get("candidate") or packet.get("diaSource") or packet["meta"]


def _alert_id(packet):
    return _source(packet).get("diaSourceId") or packet["diaSourceId"]


def make(base: dict[str, list[dict]], rng: Random, folder: Path) -> tuple[str, Case]:
    """A file with one thing wrong."""
    survey = rng.choice(list(base))
    packets = [copy.deepcopy(p) for p in rng.sample(base[survey], 3)]
    if len(set(map(_name, packets))) < 3:
        packets = packets[:1]
    how = rng.choice(["bytes", "block", "field", "field", "cutout", "cutout"])
    number = rng.randrange(len(packets))
    whole = {_name(p) for i, p in enumerate(packets) if i != number}
    if how == "field":
        _change_fields(packets[number], rng)
    elif how == "cutout":
        name = rng.choice(["Science", "Science", "Template", "Difference"])
        cutout = _odd_cutout(rng)
        packed_cutout = {"fileName": "a", "stampData": cutout} if survey == "ztf" else cutout
        packets[number][f"cutout{name}"] = packed_cutout
    content = packed(packets, rng.choice(CODECS), _loose_schema(packets))
    if how == "bytes":
        _, content = mutated(rng, content)
        whole = set()
        content = gzip.compress(content, 1) if rng.random() < 0.2 else content
    elif how == "block":
        content = _with_damaged_block(content, number, rng)
    path = folder / "a.avro"
    path.write_bytes(content)
    return f"{how} {survey}", Case(survey, path, whole)


def check(base: dict[str, list[dict]], case: Case, folder: Path) -> str | None:
    """Read the file; every whole object must be there."""
    try:
        out = run_ingest(case.survey, case.path, folder)
    except ValueError:
        if case.expected:
            return f"lost {sorted(case.expected)}"
        raise
    return fault_of(out, case.expected)


def _change_fields(packet, rng):
    rows = [packet, *[_source(packet)] * 6]
    for name in ("prv_candidates", "fp_hists", "prvDiaSources", "prvDiaForcedSources"):
        rows += [row for row in packet.get(name) or () if isinstance(row, dict)][:2]
    for _ in range(rng.choice([1, 1, 2, 4])):
        row = rng.choice(rows)
        texts = [text for text in ODD_TEXTS if len(text) < 6000]
        value = rng.choice([*ODD_NUMBERS, *texts, None, True, b"", b"\x1f\x8b", "9" * 25, 2.0**70])
        row[rng.choice(list(row))] = value


def _with_damaged_block(content, number, rng):
    """The file with other bytes between two sync markers."""
    ends = [i for i in range(len(content)) if content.startswith(SYNC, i)]
    if len(ends) < number + 2:
        return content
    start, end = ends[number] + len(SYNC), ends[number + 1]
    _, block = mutated(rng, content[start:end])
    return content[:start] + block + content[end:]


def _odd_cutout(rng):
    how = rng.choice(["bytes", "card", "shape", "values", "bomb"])
    content = gzip.decompress(stamp(random_image()))
    if how == "bytes":
        _, content = mutated(rng, content)
    elif how == "card":
        keyword = rng.choice(CARDS)
        at = max(content.find(f"{keyword:<8}".encode()), 80 * rng.randrange(8))
        card = f"{keyword:<8}= {rng.choice(VALUES):>20}".ljust(80).encode()
        content = content[:at] + card + content[at + 80 :]
    elif how == "shape":
        shape = rng.choice([(1, 1), (63, 62), (64, 64), (300, 3), (63,), (2, 63, 63), (1, 63)])
        content = gzip.decompress(stamp(np.full(shape, 100.0)))
    elif how == "values":
        value = rng.choice([v for v in ODD_NUMBERS if abs(v) < 3e38 or not np.isfinite(v)])
        content = gzip.decompress(stamp(np.full((63, 63), float(value))))
    else:
        content = b"SIMPLE  =" + bytes(rng.choice([2**22, 2**25]))
    return gzip.compress(content, 1) if rng.random() < 0.7 else content


def _loose_schema(value, name="packet"):
    """A schema of these packets in which every field may be anything."""
    fields: dict[str, list] = {}
    for row in value:
        for key, item in row.items():
            fields.setdefault(key, []).append(item)
    types = {key: [*ANY_TYPE, *_nested(items, f"{name}_{key}")] for key, items in fields.items()}
    return {
        "type": "record",
        "name": name,
        "fields": [{"name": key, "type": kind} for key, kind in types.items()],
    }


def _nested(items, name):
    rows = [item for item in items if isinstance(item, dict)]
    lists = [item for item in items if isinstance(item, list)]
    inner = [row for item in lists for row in item if isinstance(row, dict)]
    types = [_loose_schema(rows, name)] if rows else []
    if lists:
        own = [_loose_schema(inner, f"{name}_row")] if inner else []
        types.append({"type": "array", "items": [*ANY_TYPE, *own]})
    return types
