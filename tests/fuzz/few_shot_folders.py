"""Folders of ``finetune`` with damaged files: scored again for the report, or refused."""

import json
import shutil

import numpy as np

from finetune.reports.few_shot_figures import laid_out, read_states
from finetune.reports.few_shot_mistakes import most_often_misclassified
from finetune.reports.few_shot_page import _facts
from finetune.reports.few_shot_record import few_shot_record
from finetune.reports.few_shot_results import read_few_shot
from finetune.reports.few_shot_scores import Scoring
from finetune.reports.few_shot_summary import headline_of, typical_size
from tests.helpers.few_shot_folder import CLASSES, made_folder
from tests.helpers.fuzzing import ODD_NUMBERS, ODD_TEXTS, mutated

_JSON = ("run.json", "draws.json")
_NAMES = ("k1_t99.parquet", "k99999999999999999999_t0.parquet", "k00_t00.parquet", "x.parquet")


def prepare(folder):
    made_folder(folder / "base", sizes=(1, 2), trials=2, n=24)
    rng = np.random.default_rng(0)
    arrays = {"simulated": rng.normal(size=(30, 4)), "real": rng.normal(size=(24, 4))}
    labels = {f"{name}_label": np.arange(len(of)) % 4 for name, of in arrays.items()}
    np.savez(folder / "base" / "states.npz", **arrays, **labels)
    return folder / "base"


def make(base, rng, folder):
    place = shutil.copytree(base, folder / "tuned")
    kinds = (_json, _json, _json, _bytes, _bytes, _missing, _names, _states)
    change = rng.choice(kinds)
    change(rng, place)
    return change.__name__.strip("_"), place


def check(base, case, folder):
    few = read_few_shot(case)
    scoring = Scoring(few, n_bootstrap=4)
    found = headline_of(scoring)
    method = few.methods[0]
    missed = most_often_misclassified(few, method, typical_size(scoring, method))
    record = few_shot_record(scoring, found, _facts(few), missed)
    text = json.dumps(record, allow_nan=False)
    if (case / "states.npz").exists():
        laid_out(read_states(case / "states.npz"), CLASSES)
    scores = [score["value"] for of in record["scores"]["all"].values() for score in of.values()]
    known = [value for value in scores if value is not None]
    return None if text and all(0 <= v <= 1 for v in known) else f"scores {known}"


def _json(rng, place):
    path = place / rng.choice(_JSON)
    tree = json.loads(path.read_text())
    for _ in range(rng.choice([1, 1, 3])):
        parent, key = rng.choice(list(_places(tree)))
        odd = [*ODD_NUMBERS, *ODD_TEXTS, None, True, [], {}, [[1]], ["x"]]
        if rng.random() < 0.2:
            del parent[key]
        else:
            parent[key] = rng.choice(odd)
        if not tree:
            break
    path.write_text(json.dumps(tree))


def _places(tree):
    """Every container in a JSON value, with each of its keys."""
    keys = list(tree) if isinstance(tree, dict) else range(len(tree))
    for key in keys:
        yield tree, key
        if isinstance(tree[key], (dict, list)):
            yield from _places(tree[key])


def _bytes(rng, place):
    path = rng.choice(sorted(path for path in place.rglob("*") if path.is_file()))
    path.write_bytes(mutated(rng, path.read_bytes())[1])


def _missing(rng, place):
    rng.choice(sorted(path for path in place.rglob("*") if path.is_file())).unlink()


def _names(rng, place):
    path = rng.choice(sorted(place.rglob("*.parquet")))
    shutil.copy(path, path.with_name(rng.choice(_NAMES)))
    if rng.random() < 0.3:
        shutil.copytree(path.parent, path.parent.with_name(rng.choice(["[b]x", "\u00e9", "a b "])))


def _states(rng, place):
    with np.load(place / "states.npz") as file:
        arrays = dict(file)
    name = rng.choice(sorted(arrays))
    values = arrays[name]
    arrays[name] = rng.choice(
        [values[:3], values[..., None], values * np.nan, np.full(values.shape, "x"), values * 0 - 5]
    )
    np.savez(place / "states.npz", **arrays)
