"""The command `ingest` as a user runs it."""

import sys
import tracemalloc
from contextlib import contextmanager

import pytest

from finetune.cli import ingest as cli
from simulator.dataset.store import open_dataset


def ingest(monkeypatch, *arguments):
    """Exit code of ``ingest`` with these arguments."""
    monkeypatch.setattr(sys, "argv", ["ingest", "--from", "hits", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
        sys.exit(0)
    return stopped.value.code or 0


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
