"""Runs of ``ingest`` that fail, are stopped or killed: the whole data set, or nothing of it."""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simulator.dataset.writer import DatasetWriter
from skyreel.atomic_files import folder_lock
from tests.helpers.cubes import write_cube
from tests.helpers.ingestion import ingest, ingested


@pytest.mark.parametrize("failing", ["write_shard", "_create_split"])
def test_a_write_that_fails_leaves_nothing_behind(monkeypatch, tmp_path, capsys, failing):
    write_cube(tmp_path / "in/a.fits")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(DatasetWriter, failing, full)
        assert ingest(patch, tmp_path / "in", "--out", tmp_path / "in.zarr", "--quiet") == 1
    assert "No space left on device" in capsys.readouterr().err
    assert [f.name for f in tmp_path.iterdir()] == ["in"]
    ingested(monkeypatch, tmp_path / "in")


def test_a_stop_by_the_user_leaves_nothing_behind(monkeypatch, tmp_path, capsys):
    write_cube(tmp_path / "in/a.fits")

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(DatasetWriter, "write_shard", stopped)
    assert ingest(monkeypatch, tmp_path / "in", "--out", tmp_path / "in.zarr", "--quiet") == 130
    assert "nothing was written" in capsys.readouterr().err
    assert [f.name for f in tmp_path.iterdir()] == ["in"]


def test_what_a_killed_run_left_is_removed(monkeypatch, tmp_path):
    write_cube(tmp_path / "in/a.fits")
    (tmp_path / "in.zarr.unfinished").mkdir()
    (tmp_path / "in.zarr.unfinished" / "zarr.json").write_text("{")
    ingested(monkeypatch, tmp_path / "in")
    assert not (tmp_path / "in.zarr.unfinished").exists()


def test_two_processes_do_not_write_one_data_set(monkeypatch, tmp_path, capsys):
    write_cube(tmp_path / "in/a.fits")
    unfinished = tmp_path / "in.zarr.unfinished"
    unfinished.mkdir()
    lock = folder_lock(unfinished)
    assert ingest(monkeypatch, tmp_path / "in", "--out", tmp_path / "in.zarr", "--quiet") == 1
    assert "being written by another process" in capsys.readouterr().err
    assert unfinished.exists()
    os.close(lock)


def test_a_run_interrupted_when_its_data_set_is_complete_ends_as_others_do(monkeypatch, tmp_path):
    write_cube(tmp_path / "in/a.fits")
    rename = Path.rename

    def rename_and_interrupt(path, target):
        rename(path, target)
        if target.name == "in.zarr":
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "rename", rename_and_interrupt)
    assert ingest(monkeypatch, "in") == 0
    assert {path.name for path in tmp_path.iterdir()} == {"in", "in.zarr", "in.zarr.json"}


SCRIPT = """
import sys
sys.argv = ["ingest", "--from", "hits", sys.argv[1], "--out", "d.zarr", "--quiet"]
from finetune.ingest import conversion
from simulator.dataset import writer
writer._MAX_SHARD_OBJECTS = 64
from skyreel.cli import ingest
print("ready", flush=True)
ingest()
"""


def contents(folder):
    """Bytes of every file, without the record of the run, which holds its duration."""
    files = (f for f in folder.rglob("*") if f.is_file() and f.name != "d.zarr.json")
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_stopped_at_random_moments_and_run_again_it_ends_with_the_same_bytes(
    tmp_path, number, code
):
    for k in range(40):
        write_cube(tmp_path / f"in/{k:03d}.fits")
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    command = [sys.executable, "-c", SCRIPT, tmp_path / "in"]
    for folder in (whole, stopped):
        folder.mkdir()
    start = time.monotonic()
    subprocess.run(command, cwd=whole, check=True, stdout=subprocess.DEVNULL)
    seconds, moments, codes = time.monotonic() - start, random.Random(3), []
    for _ in range(4):
        process = subprocess.Popen(
            command, cwd=stopped, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        process.stdout.readline()
        time.sleep(moments.uniform(0, 0.8) * seconds)
        process.send_signal(number)
        process.communicate(timeout=60)
        codes.append(process.returncode)
        if process.returncode == code and number != signal.SIGKILL:
            assert not list(stopped.iterdir())
    assert set(codes) <= {code, -number, 0} and set(codes) != {0}
    subprocess.run(command, cwd=stopped, check=True, stdout=subprocess.DEVNULL)
    assert contents(stopped) == contents(whole)
