"""Data sets with changed bytes, metadata, values, files and links.

They are opened, given to a network as its inputs, and ingested. Arrays that were not changed must
be read as they were; in data sets with checksums a changed chunk is never read.
"""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import numpy as np
import zarr

from classifier.dataset import DatasetSplit
from classifier.network_inputs import inputs_of
from finetune.ingest.conversion import Request, run_request
from simulator.dataset.reader import open_dataset
from tests.helpers.datasets import NO_ARRAYS, as_version_0_2, put_in_place
from tests.helpers.datasets import make as simulate
from tests.helpers.fuzzing import CANARY, ODD_NUMBERS, ODD_TEXTS, mutated

_ODD_JSON = (
    *(None, 0, -1, 1, 10**6, 10**12, 2**63, 2.5, "", "x", "../../../etc", [], {}, [1], True),
    *("float16", "complex128", "string", "numcodecs.pickle", [10**9, 10**9], "NaN", {"name": "x"}),
)
_CODECS = (
    [],
    [{"name": "numcodecs.pickle"}],
    [{"name": "bytes"}, {"name": "gzip", "configuration": {"level": 1}}],
    [{"name": "vlen-utf8"}],
    [{"name": "bytes"}, {"name": "numcodecs.zlib", "configuration": {}}],
    [{"name": "transpose", "configuration": {"order": [0]}}, {"name": "bytes"}],
)


def prepare(folder: Path) -> list[Path]:
    """A data set of today, and the same as version 0.2 wrote it."""
    simulate(folder / "new.zarr", n=1)
    for split in ("train", "validation"):
        shutil.rmtree(folder / "new.zarr" / split)
    return [folder / "new.zarr", as_version_0_2(folder / "new.zarr", folder / "old.zarr")]


def make(base, rng: random.Random, folder: Path):
    """A damaged copy, what may differ in it, and how it is read."""
    source = rng.choice(base)
    path = shutil.copytree(source, folder / "d.zarr")
    how = rng.choice((_bytes, _bytes, _metadata, _metadata, _values, _values, _drop, _codec, _link))
    name = rng.choice(sorted(p.name for p in (path / "test").iterdir() if p.is_dir()))
    changed = how(rng, path, name)
    reader = rng.choice((_opened, _as_inputs, _ingested))
    return f"{how.__name__} {reader.__name__}", (source, path, reader, changed)


def check(base, case, folder: Path) -> str | None:
    """Read the copy."""
    source, path, reader, changed = case
    return reader(source, path, changed, folder)


def _opened(source, path, changed, folder):
    found, expected = open_dataset(path)["test"], open_dataset(source)["test"]
    for name, array in expected.arrays():
        if name not in changed and name in found:
            values = found[name][:]
            same = values == array[:]
            if values.dtype.kind == "f":
                same |= np.isnan(values) & np.isnan(array[:])
            if values.shape != array.shape or not np.all(same):
                return f"other values of {name}"
    return None


def _as_inputs(source, path, changed, folder):
    split = DatasetSplit(path, "test")
    inputs = inputs_of(split.stamps(0, len(split)))
    split.notes()
    finite = all(np.isfinite(values).all() for values in inputs.arrays().values())
    return None if finite else "inputs that are not finite"


def _ingested(source, path, changed, folder):
    out = folder / "out.zarr"
    request = Request(reader="zarr", path=path, out=out, survey=None, size_pix=None, quiet=True)
    try:
        run_request(request)
    finally:
        left = sorted(p.name for p in folder.iterdir() if p.name.startswith("out.zarr."))
        if set(left) - {"out.zarr.json", "out.zarr.photometry.parquet"}:
            raise AssertionError(f"left: {left}")
    return _opened(out, out, (), folder)


def _bytes(rng, path, name):
    file = rng.choice(sorted(f for f in (path / "test" / name).rglob("*") if f.is_file()))
    file.write_bytes(mutated(rng, file.read_bytes())[1])
    has_checksum = b"crc32c" in (path / "test" / "mjd" / "zarr.json").read_bytes()
    return () if has_checksum and file.name != "zarr.json" else (name,)


def _metadata(rng, path, name):
    array = path / "test" / name / "zarr.json"
    file = rng.choice([path / "zarr.json", path / "test" / "zarr.json", array, array, array])
    content = json.loads(file.read_text())
    places = []

    def walk(node):
        keys = range(len(node)) if isinstance(node, list) else ()
        keys = list(node) if isinstance(node, dict) else keys
        for key in keys:
            places.append((node, key))
            walk(node[key])

    walk(content)
    node, key = rng.choice(places)
    node[key] = rng.choice(_ODD_JSON)
    if rng.random() < 0.1:
        del node[key]
    file.write_text(json.dumps(content) if rng.random() < 0.95 else "[" * 100_000)
    return (name,)


def _values(rng, path, name):
    array = zarr.open_group(path, mode="r+")[f"test/{name}"]
    values = array[:]
    place = tuple(rng.randrange(n) for n in values.shape)
    with np.errstate(all="ignore"):
        odd = np.array(rng.choice(ODD_TEXTS if values.dtype.kind in "OT" else ODD_NUMBERS))
        values[place if rng.random() < 0.5 else place[0]] = odd.astype(values.dtype)
    array[:] = values
    return (name,)


def _drop(rng, path, name):
    folder = path / "test" / name
    shutil.rmtree(folder if rng.random() < 0.5 or not (folder / "c").exists() else folder / "c")
    return (name,)


def _codec(rng, path, name):
    file = path / "test" / name / "zarr.json"
    content = json.loads(file.read_text())
    content["codecs"] = rng.choice(_CODECS)
    file.write_text(json.dumps(content))
    for chunk in filter(Path.is_file, (path / "test" / name / "c").rglob("*")):
        chunk.write_bytes(f"cos\nsystem\n(S'touch {CANARY}'\ntR.".encode())
    return (name,)


def _link(rng, path, name):
    put_in_place(path / "test" / name, rng.choice(NO_ARRAYS))
    return (name,)
