"""The command `ingest` as a user runs it."""

import tracemalloc
from contextlib import contextmanager

from simulator.dataset.reader import open_dataset
from tests.helpers.running import run


def ingest(monkeypatch, *arguments):
    """Exit code of ``ingest`` with these arguments."""
    return run(monkeypatch, "ingest", "--from", "hits", *arguments)


def ingested(monkeypatch, folder, *options):
    """The split that ``ingest`` makes of a folder."""
    out = folder.with_suffix(".zarr")
    assert ingest(monkeypatch, folder, "--out", out, "--quiet", *options) == 0
    return open_dataset(out)["test"]


@contextmanager
def at_most_mib(limit):
    """Check that at most so much memory is in use at any time."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit * 2**20
    finally:
        tracemalloc.stop()
