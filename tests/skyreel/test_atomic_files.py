"""Files and folders are written by one process at a time, whole or not at all."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from skyreel.atomic_files import (
    claim_folder,
    folder_lock,
    interrupts_deferred,
    locked_folder,
    new_folder_lock,
    whole_file,
)
from skyreel.errors import ClassifierError, OutputError, StoreError


def test_a_file_is_written_by_one_process_at_a_time(tmp_path):
    path = tmp_path / "table.csv"
    with whole_file(path) as unfinished:
        unfinished.write_text("first")
        by_another = pytest.raises(OutputError, match=r"table\.csv\.partial is being written by")
        with by_another, whole_file(path):
            pass
        assert unfinished.read_text() == "first"
    assert path.read_text() == "first"
    with whole_file(path) as unfinished:
        unfinished.write_text("second")
    assert path.read_text() == "second"
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"]


def test_a_file_system_without_locks_is_written_to(tmp_path, monkeypatch):
    def without_locks(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("skyreel.atomic_files.fcntl.flock", without_locks)
    with whole_file(tmp_path / "table.csv") as unfinished:
        unfinished.write_text("new")
    assert (tmp_path / "table.csv").read_text() == "new"


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left"), ValueError("x"), KeyboardInterrupt()]
)
def test_a_write_that_fails_leaves_the_file_that_was_there(tmp_path, error):
    path = tmp_path / "table.csv"
    path.write_text("kept")
    with (
        pytest.raises((OutputError, ValueError, KeyboardInterrupt)),
        whole_file(path) as unfinished,
    ):
        unfinished.write_text("half")
        raise error
    assert path.read_text() == "kept"
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"]


def test_what_a_killed_run_left_of_a_file_is_written_over(tmp_path):
    (tmp_path / "table.csv.partial").write_text("what a killed run left, which is longer")
    with whole_file(tmp_path / "table.csv") as unfinished, unfinished.open("w") as file:
        file.write("new")
    assert (tmp_path / "table.csv").read_text() == "new"


def test_the_lock_of_a_folder_goes_with_it_when_it_is_renamed(tmp_path):
    lock = new_folder_lock(tmp_path / "d.creating")
    (tmp_path / "d.creating").rename(tmp_path / "d")
    with pytest.raises(StoreError, match="by another process"):
        folder_lock(tmp_path / "d")
    os.close(new_folder_lock(tmp_path / "d.creating"))  # which is another folder now
    os.close(lock)
    os.close(folder_lock(tmp_path / "d"))


def test_a_new_folder_is_empty_whatever_a_killed_run_left(tmp_path):
    (tmp_path / "d" / "train").mkdir(parents=True)
    (tmp_path / "d" / "train" / "half").write_text("half")
    (tmp_path / "d" / "zarr.json").symlink_to("/nonexistent")
    os.close(new_folder_lock(tmp_path / "d"))
    assert not list((tmp_path / "d").iterdir())


def test_a_folder_that_another_process_removes_meanwhile_is_made_and_locked(tmp_path, monkeypatch):
    folder, opening = tmp_path / "d", os.open

    def removed_once(path, flags, *arguments, **named):
        descriptor = opening(path, flags, *arguments, **named)
        if not removed_once.done:
            removed_once.done = True
            shutil.rmtree(folder)
        return descriptor

    removed_once.done = False
    monkeypatch.setattr(os, "open", removed_once)
    with locked_folder(folder):
        assert folder.is_dir()
        with pytest.raises(StoreError):
            folder_lock(folder)


CLAIM = """
import sys, time
from pathlib import Path
from skyreel.atomic_files import claim_folder
from skyreel.errors import OutputError
for k in range(60):
    folder = Path(sys.argv[1], str(k))
    for _ in range(400):
        try:
            claim_folder(folder, {"seed": 1}, complete=False)
            break
        except OutputError as error:
            assert "by another process" in str(error), error
"""


def test_processes_that_claim_one_folder_at_once_agree(tmp_path):
    processes = [
        subprocess.Popen([sys.executable, "-c", CLAIM, tmp_path], stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for process in processes:
        _, error = process.communicate(timeout=100)
        assert (process.returncode, error) == (0, b"")
    assert sorted({p.name for p in tmp_path.rglob("*") if p.is_file()}) == ["training.json"]
    with pytest.raises(ClassifierError, match="seed: 1 there, 2 now"):
        claim_folder(tmp_path / "0", {"seed": 2}, complete=False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_waits_for_the_end_of_the_block(number):
    def interrupt(*_):
        raise KeyboardInterrupt

    earlier, steps = signal.signal(number, interrupt), []
    try:
        with pytest.raises(KeyboardInterrupt), interrupts_deferred():
            os.kill(os.getpid(), number)
            steps.append("written")
        assert steps == ["written"]
        assert signal.getsignal(number) is interrupt
    finally:
        signal.signal(number, earlier)


def test_an_interrupt_at_the_end_of_a_run_is_forgotten_once_all_is_done():
    earlier = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with interrupts_deferred(until_done=True):
            os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt), interrupts_deferred(until_done=True):
            os.kill(os.getpid(), signal.SIGTERM)
            raise OSError("the disk is full")
    finally:
        signal.signal(signal.SIGTERM, earlier)


def test_a_signal_without_a_handler_acts_at_once():
    earlier = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with interrupts_deferred():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, earlier)
