"""A folder that is no network any more is refused in one sentence."""

import json
import shutil
import zipfile

import numpy as np
import pytest

from classifier.models.recurrent.trained_network import Network
from skyreel.errors import ClassifierError
from tests.helpers.running import SMALL


@pytest.fixture
def damaged(trained_network, tmp_path):
    """A copy of the model that a test may damage."""
    return shutil.copytree(trained_network.folder, tmp_path / "damaged")


def _with_flipped_bytes(folder):
    path = folder / "weights.npz"
    content = bytearray(path.read_bytes())
    for place in range(len(content) // 4, len(content) // 2, 97):
        content[place] ^= 0xFF
    path.write_bytes(content)


def _without_weights(folder):
    (folder / "weights.npz").unlink()


def _with_cut_weights(folder):
    path = folder / "weights.npz"
    path.write_bytes(path.read_bytes()[:2000])


def _with_a_pickle(folder):
    np.savez(folder / "weights.npz", conv=np.array([{"a": print}], dtype=object))


def _with_other_shapes(folder):
    np.savez(folder / "weights.npz", conv=np.zeros(3))


def _with_nan(folder):
    path = folder / "weights.npz"
    with np.load(path) as file:
        arrays = dict(file)
    arrays[next(iter(arrays))][...] = np.nan
    np.savez(path, **arrays)


def _with_a_list_for_a_card(folder):
    (folder / "model.json").write_text("[1, 2]")


def _edited(**changes):
    def edit(folder):
        path = folder / "model.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return edit


def _deep(folder):
    (folder / "model.json").write_text('{"kind": ' + "[" * 100_000 + "]" * 100_000 + "}")


def _huge(folder):
    card = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**card, "note": "x" * 2**25}))


def _with_a_member(folder, data):
    """Weights with one more array."""
    with zipfile.ZipFile(folder / "weights.npz", "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("more.npy", data)


def _npy(header, data=b""):
    text = header.ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def _claiming(folder):
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }"
    _with_a_member(folder, _npy(header, bytes(64)))


def _with_a_bomb(folder):
    n = 2**26
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({n},), }}"
    _with_a_member(folder, _npy(header, bytes(n)))


def _with_braces(folder):
    _with_a_member(folder, _npy("{" * 9000))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (_with_flipped_bytes, "missing or damaged"),
        (_without_weights, "missing or damaged"),
        (_with_cut_weights, "missing or damaged"),
        (_with_a_pickle, "missing or damaged"),
        (_with_other_shapes, "does not fit"),
        (_with_nan, "not finite"),
        (
            _edited(network="os.system"),
            "damaged .network: Input should be 'compact', 'multiband' or 'rcnn'",
        ),
        (_edited(choices={"filters": "many"}), r"damaged \(filters: "),
        (_edited(choices={"nonsense": 1}), r"damaged \(nonsense: "),
        (_edited(choices={**SMALL, "units": 8000}), "does not fit weights.npz"),
        (_edited(choices={**SMALL, "units": 10**30}), r"damaged \(units: "),
        (_edited(choices={**SMALL, "filters": [8000] * 4}), r"damaged \(a layer of"),
        (_edited(choices={**SMALL, "times": "yes"}), r"damaged \(times: "),
        (_edited(classes=["SN", "SN"]), "every class needs its own name"),
        (_edited(classes=[]), r"damaged \(classes: "),
        (_edited(selection={"images": 10**12, "start_fractions": [], "band": "g"}), "images: "),
        (_edited(assumed_psf={"fwhm_pix": float("nan"), "beta": 3.0}), "assumed_psf.fwhm_pix: "),
        (_edited(size_pix=2**70), "size_pix: "),
        (_deep, "damaged"),
        (_huge, "damaged"),
        (_claiming, "claims the shape"),
        (_with_a_bomb, "at most 50 times as much"),
        (_with_braces, "no header of an array"),
        (_edited(format_version=99), "format 99"),
        (_edited(kind="forest"), "a network is needed"),
        (_with_a_list_for_a_card, "damaged"),
        (_edited(selection={}), "damaged"),
        (_edited(size_pix=33), "does not fit"),
    ],
)
def test_a_damaged_model_is_one_sentence(damaged, damage, sentence):
    damage(damaged)
    with pytest.raises(ClassifierError, match=sentence) as caught:
        Network.open(damaged)
    assert "\n" not in str(caught.value)
