"""Every field of every JSON file that the commands write is on the page of JSON files."""

import json
import re
from pathlib import Path

import pytest

from tests.helpers.commands_of_pages import run_shell

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "json_files.md"
MAKE = """
simulate --survey hits --n 210 --validation 35 --test 35 --out hits.zarr --quiet
simulate --survey ztf --n 7 --validation 7 --test 7 --planes science,template,difference \
    --out ztf.zarr --alerts alerts --quiet
train --model forest --data hits.zarr --trees 4 --depth 4 --out forest/ --quiet
train --model alerce-stamp --data ztf.zarr --crop 9 --iterations 1 --out stamps/ --quiet
train --model vade --data ztf.zarr --crop 9 --choice clusters=2 --choice pretraining=1 \
    --iterations 1 --out vade/ --quiet
classify --model hits-compact --data hits.zarr --out p.parquet --report report/ --quiet
compare hits-compact forest/ --data hits.zarr --out comparison/ --quiet
ingest hits.zarr --from zarr --classes SN,RRL,EB,NV --out real.zarr --quiet
python -c "import numpy as np; from astropy.io import fits; r = np.random.default_rng(1); \
y, x = np.mgrid[:64, :64]; star = 300 * np.exp(-((x - 20) ** 2 + (y - 30) ** 2) / 6); \
[fits.writeto(f, star + r.normal(size=star.shape)) for f in ('science.fits', 'template.fits')]"
skyreel subtract science.fits template.fits --out difference.fits --quiet
forecast --survey hits --model hits-compact,forest/ --against drawn --n 70 --out forecast/ \
    --area-deg2 150 --quiet
finetune --model hits-compact --real real.zarr --per-class 1 --trials 1 --out tuned/ --quiet
"""
FILES = {  # files and the sections that describe them
    "hits.zarr.json": "`DATA.zarr.json` of `simulate`",
    "alerts/alerts.json": "`alerts.json` of `simulate --alerts`",
    "difference.fits.json": "`OUT.json` of `subtract`",
    "real.zarr.json": "`DATA.zarr.json` of `ingest`",
    "forest/model.json": "`model.json`: the card of a model",
    "tuned/model/model.json": "`model.json`: the card of a model",
    "tuned/model/network/model.json": "`model.json`: the card of a model",
    "stamps/model.json": "`model.json`: the card of a model",
    "vade/model.json": "`model.json`: the card of a model",
    "vade/evaluation/clusters.json": "`clusters.json` of `train` and `classify --report` of "
    "autoencoders",
    "stamps/training.json": "`training.json`: settings of a training or adaptation",
    "forest/training.json": "`training.json`: settings of a training or adaptation",
    "tuned/training.json": "`training.json`: settings of a training or adaptation",
    "report/evaluation.json": "`evaluation.json` of `train`, `classify --report` and "
    "`skyreel.evaluate`",
    "comparison/comparison.json": "`comparison.json` of `compare`",
    "forecast/forecast.json": "`forecast.json` of `forecast`",
    "tuned/report.json": "`report.json`, `run.json` and `draws.json` of `finetune`",
    "tuned/run.json": "`report.json`, `run.json` and `draws.json` of `finetune`",
    "tuned/draws.json": "`report.json`, `run.json` and `draws.json` of `finetune`",
}


def patterns(section):
    """Regular expressions of the fields in the tables of a section."""
    text = PAGE.read_text(encoding="utf-8")
    body = re.search(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)[1]
    for line in body.splitlines():
        if line.startswith("| `"):
            for field in re.findall(r"`([^`]+)`", line.split("|")[1]):
                escaped = re.escape(field.removesuffix("...")).replace(r"\*", r"[^.]+")
                yield escaped + (r"(\b|\.|\[).*" if field.endswith("...") else r"(\[\])*")


def fields(value, path=""):
    """Paths of all leaves of a JSON value; a list without objects is a leaf if it has items."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from fields(inner, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for item in value:
            yield from fields(item, f"{path}[]")
    elif value != []:
        yield path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("json")
    run_shell(MAKE, place)
    return place


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_every_field_of_a_file_is_described(folder, name):
    known = list(patterns(FILES[name]))
    found = set(fields(json.loads((folder / name).read_text())))
    unknown = {f for f in found if not any(re.fullmatch(p, f) for p in known)}
    assert found and not unknown


def test_a_field_that_is_not_described_is_noticed():
    known = list(patterns("`gap.json` of `survey gap`"))
    assert any(re.fullmatch(p, "auc.by_class.SN.auc") for p in known)
    assert not any(re.fullmatch(p, "auc.by_field") for p in known)
    assert not any(re.fullmatch(p, "quantities[].colour") for p in known)
