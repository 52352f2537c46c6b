"""Commands as a user runs them."""

import shutil
import sys

import pytest

from classifier import cli


def run(monkeypatch, name, *arguments):
    """Exit code of a command with these arguments."""
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        getattr(cli, f"{name}_main")()
        sys.exit(0)
    return stopped.value.code or 0


def copy_of(data, folder):
    return shutil.copytree(data, folder / "copy.zarr")
