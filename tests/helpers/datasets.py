"""Small simulated HiTS data sets."""

import hashlib
import os
import shutil

import zarr
from zarr.codecs import BloscCodec

from simulator.dataset.plan import make_plan
from simulator.dataset.run import execute, writer_for
from simulator.options import Options

SMALL = {"cadence.max_epochs": "6", "cadence.min_epochs": "1"}


def plan_at(path, n=300, seed=1, **changes):
    """The plan of a data set of short sequences; ``changes`` replace profile values."""
    options = Options(seed=seed, stamp_size_pix=9)
    return make_plan(
        "hits", options, path, n=n, validation=20, test=10, overrides={**SMALL, **changes}
    )


def make(path, threads=1, **changes):
    """Simulate such a data set."""
    plan = plan_at(path, **changes)
    with writer_for(plan) as writer:
        return execute(plan, writer, threads=threads)


def digest(folder):
    """One hash of every file's name and bytes."""
    total = hashlib.sha256()
    for file in sorted(f for f in folder.rglob("*") if f.is_file()):
        total.update(str(file.relative_to(folder)).encode() + file.read_bytes())
    return total.hexdigest()


def as_version_0_2(path, out):
    """A copy as version 0.2 wrote real sequences: no checksums, no chunks of fill values alone."""
    root = zarr.open_group(path, mode="r")
    attributes = {k: v for k, v in root.attrs.items() if k not in ("options", "seed")}
    copied = zarr.create_group(out, attributes=attributes)
    for split, group in root.groups():
        made = copied.create_group(split, attributes=dict(group.attrs))
        for name, array in group.arrays():
            sharded = {"shards": array.shards} if array.shards else {}
            made.create_array(
                name,
                shape=array.shape,
                dtype=array.dtype,
                chunks=array.chunks,
                fill_value=array.fill_value,
                compressors=BloscCodec(cname="zstd", clevel=1, shuffle="shuffle"),
                dimension_names=array.metadata.dimension_names,
                attributes=dict(array.attrs),
                **sharded,
            )[:] = array[:]
    return out


NO_ARRAYS = ("loop", "nowhere", "file", "pipe", "passwd")


def put_in_place(folder, kind):
    """Replace an array of a data set by a link, a file or a pipe."""
    shutil.rmtree(folder)
    if kind in ("pipe", "passwd"):
        folder.mkdir()
        file = folder / "zarr.json"
        os.mkfifo(file) if kind == "pipe" else file.symlink_to("/etc/passwd")
    elif kind == "file":
        folder.write_text("x")
    else:
        folder.symlink_to(folder if kind == "loop" else "/nonexistent")
