"""The examples in docstrings run and print what they say."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

from classifier.api import classify
from simulator.api import simulate

ROOT = Path(__file__).parents[1]
PACKAGES = ("skyreel", "survey_profiles", "simulator", "classifier", "finetune")
FILES = [
    path.relative_to(ROOT).with_suffix("")
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
    if ">>>" in path.read_text(encoding="utf-8")
]
MODULES = [".".join(path.parts).removesuffix(".__init__") for path in FILES]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working folder with the files that examples name."""
    folder = tmp_path_factory.mktemp("examples")
    simulate("hits", out=folder / "hits.zarr", n=140, test=70, quiet=True)
    out = folder / "predictions.parquet"
    classify("hits-compact", folder / "hits.zarr", out=out, quiet=True)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name, folder, monkeypatch):
    monkeypatch.chdir(folder)
    found = doctest.testmod(import_module(name))
    assert found.attempted and not found.failed
