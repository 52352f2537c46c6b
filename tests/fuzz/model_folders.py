"""Folders of forests, networks and ensembles with a damaged card or damaged arrays."""

import io
import json
import os
import pickle
import shutil
import zipfile

import numpy as np

from classifier.dataset import DatasetSplit
from classifier.features.handcrafted_features import handcrafted_features
from classifier.models.ensemble import NETWORK, save_ensemble
from classifier.models.forest.extra_trees import TreeTrainingSet
from classifier.models.forest.training import ForestOptions, ForestTraining
from classifier.models.registry import open_model
from tests.helpers.datasets import make as make_dataset
from tests.helpers.fuzzing import CANARY, ODD_NUMBERS, ODD_TEXTS, mutated
from tests.helpers.running import untrained

IMAGES, SIZE_PIX = 3, 9
NUMBERS = (".npz", ".skops")
ODD = (
    *(None, True, [], {}, [1], ["SN", "SN"], {"a": 1}, [10**9] * 2, "forest", "ensemble"),
    *(10**30, 50_000, "mixed_bfloat16", "os:system", "../../x"),
)


def prepare(folder):
    make_dataset(folder / "d.zarr")
    split = DatasetSplit(folder / "d.zarr", "test")
    options = ForestOptions(images=IMAGES, trees=3, depth=4)
    ForestTraining(folder / "d.zarr", folder / "forest", options, threads=1).run()
    untrained(folder / "network", split.profile, size_pix=SIZE_PIX, images=IMAGES)
    inner = folder / "ensemble" / NETWORK
    network = untrained(inner, split.profile, size_pix=SIZE_PIX, images=IMAGES)
    training = DatasetSplit(folder / "d.zarr", "validation")
    found = network.predict(training)
    features = handcrafted_features(network.selected(training))
    trees = TreeTrainingSet(features, found.n_images, training.labels, 3)
    save_ensemble(folder / "ensemble", network.card, trees, 1.0, split.profile)
    return folder, split


def _damage(rng, model):
    """Damage a model folder; how."""
    cards = sorted(model.rglob("model.json"))
    numbers = sorted(path for path in model.rglob("*") if path.suffix in NUMBERS)
    how = rng.choice(["card", "card", "card", "bytes", "array", "array", "code", "claim", "gone"])
    path = rng.choice(cards if how == "card" else numbers)
    if how == "gone":
        rng.choice([*cards, *numbers]).unlink()
    elif how == "bytes":
        path.write_bytes(mutated(rng, path.read_bytes())[1])
    else:
        {"card": _card, "array": _array, "code": _code, "claim": _claim}[how](rng, path)
    return how


def make(base, rng, folder):
    kind = rng.choice(["forest", "forest", "network", "ensemble"])
    shutil.copytree(base[0] / kind, folder / "model")
    return f"{kind} {_damage(rng, folder / 'model')}", folder / "model"


def check(base, case, folder):
    found = open_model(case).predict(base[1])
    used = np.arange(found.probabilities.shape[1]) < found.n_images[:, None]
    return None if np.isfinite(found.probabilities[used]).all() else "probabilities are NaN"


def _card(rng, path):
    tree = json.loads(path.read_text())
    tree.pop("profile", None)
    node = tree
    while True:
        key = rng.choice(list(node) if isinstance(node, dict) else range(len(node)))
        inner = node[key]
        if not isinstance(inner, dict | list) or not inner or rng.random() < 0.4:
            break
        node = inner
    if rng.random() < 0.2:
        del node[key]
    else:
        node[key] = rng.choice([*ODD, *ODD_NUMBERS, *ODD_TEXTS])
    path.write_text(json.dumps(tree) if rng.random() < 0.95 else "[" * rng.choice([1, 10**5]))


def _members(path, change):
    """The archive again, with every member as ``change(name, bytes)`` returns it."""
    with zipfile.ZipFile(path) as old:
        kept = {name: change(name, old.read(name)) for name in old.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in kept.items():
            if data is not None:
                new.writestr(name, data)


def _array(rng, path):
    share = rng.choice([0.05, 0.3, 1])

    def change(name, data):
        if not name.endswith(".npy") or rng.random() > share:
            return data
        array = np.load(io.BytesIO(data), allow_pickle=False)
        out = io.BytesIO()
        np.save(out, _changed(rng, array))
        return out.getvalue() if rng.random() < 0.95 else None

    _members(path, change)


def _changed(rng, array):
    if array.dtype.names:
        array, name = array.copy(), rng.choice(array.dtype.names)
        odd = np.array(rng.choice([-1, -2, 0, 10**6]))
        array[name][rng.randrange(len(array))] = odd.astype(array.dtype[name])
        return array
    if array.size and array.dtype.kind in "iuf" and rng.random() < 0.6:
        array, odd = array.copy(), rng.choice(ODD_NUMBERS)
        with np.errstate(all="ignore"):
            array.flat[rng.randrange(array.size)] = np.array(odd, dtype=float).astype(array.dtype)
        return array
    return rng.choice([array[:0] if array.ndim else array, array[..., None], array.ravel()])


class _Code:
    def __reduce__(self):
        return os.system, (f"touch {CANARY}",)


def _code(rng, path):
    code = pickle.dumps([_Code()])
    if rng.random() < 0.3:
        path.write_bytes(code)
        return
    array = _npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", code)
    _members(path, lambda name, data: array if name.endswith(".npy") else data)


def _claim(rng, path):
    shape = rng.choice([10**9, 10**12, 10**18, 2**63])
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape},), }}"
    if rng.random() < 0.3:
        header = rng.choice(["{", "(", "-"]) * 9000
    array = _npy(header, bytes(rng.choice([0, 64, 2**24])))
    _members(path, lambda name, data: array if name.endswith(".npy") else data)


def _npy(header, data):
    text = header.ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data
