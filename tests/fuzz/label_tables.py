"""Tables of labels in all formats, with bytes, cells and columns mutated."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from random import Random
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from astropy.table import Table

from simulator.dataset.reader import open_dataset
from tests.helpers.alert_packets import packed, random_image, stamp, ztf_packet
from tests.helpers.fuzzing import ODD_NUMBERS, ODD_TEXTS, mutated
from tests.helpers.ingest_fuzzing import run_ingest

NAMES = ("ZTF0", "0017", "1e5", "0x1F", "123456789012345678")
LABELS = ("SN", "AGN", "SN", "007", "1e5")
COLUMNS = ("object", "candid", "label", "meta_doctored", "Object ", "é", "", "label")
SUFFIXES = ("csv", "tsv", "ecsv", "fits", "parquet", "json", "jsonl")


class Case(NamedTuple):
    """A table, and whether nothing is wrong with it."""

    path: Path
    good: bool


def prepare(folder: Path) -> bytes:
    """An Avro file of five objects."""
    small = {n: stamp(random_image(1, 21)) for n in ("Science", "Template", "Difference")}
    return packed([ztf_packet(name, cutouts=small) for name in NAMES])


def make(base: bytes, rng: Random, folder: Path) -> tuple[str, Case]:
    """A table, mostly with something wrong."""
    (folder / "a.avro").write_bytes(base)
    columns = {"object": list(NAMES), "label": list(LABELS)}
    how = rng.choice(["good", "bytes", "cells", "cells", "columns"])
    if how == "cells":
        texts = [*ODD_TEXTS, *map(str, ODD_NUMBERS)]
        for _ in range(rng.choice([1, 2, 4])):
            columns[rng.choice(list(columns))][rng.randrange(len(NAMES))] = rng.choice(texts)
    elif how == "columns":
        columns = {rng.choice(COLUMNS): list(NAMES) for _ in range(rng.choice([1, 2, 4]))}
    suffix = rng.choice(SUFFIXES)
    content = _written(columns, suffix)
    if how == "bytes":
        _, content = mutated(rng, content)
    path = folder / f"labels.{suffix}"
    path.write_bytes(content)
    return f"{how} {suffix}", Case(path, how == "good")


def check(base: bytes, case: Case, folder: Path) -> str | None:
    """Label the objects; classes of good tables must be those that were written."""
    root = open_dataset(run_ingest("ztf", folder / "a.avro", folder, case.path))
    classes = [root.attrs["classes"][i] if i < 255 else None for i in root["test"]["label"][:]]
    return f"classes {classes}" if case.good and classes != list(LABELS) else None


def _written(columns, suffix):
    rows = list(zip(*columns.values(), strict=True))
    if suffix in ("csv", "tsv"):
        file = io.StringIO()
        writer = csv.writer(file, delimiter="," if suffix == "csv" else "\t")
        writer.writerow(columns)
        writer.writerows(rows)
        return file.getvalue().encode("utf-8", "replace")
    if suffix in ("json", "jsonl"):
        records = [dict(zip(columns, row, strict=True)) for row in rows]
        lines = map(json.dumps, records)
        return ("\n".join(lines) if suffix == "jsonl" else json.dumps(records)).encode()
    file = io.BytesIO()
    if suffix == "parquet":
        pq.write_table(pa.table(columns), file)
        return file.getvalue()
    plain = {
        name or "unnamed": [v.encode("ascii", "replace").decode().replace("\0", "") for v in values]
        for name, values in columns.items()
    }
    if suffix == "fits":
        plain = {n.encode("ascii", "replace").decode(): v for n, v in plain.items()}
        Table(plain).write(file, format="fits")
        return file.getvalue()
    text = io.StringIO()
    Table(plain).write(text, format="ascii.ecsv")
    return text.getvalue().encode()
