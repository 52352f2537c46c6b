"""Damages of the folder of a network: functions that change it in place."""

import json
import zipfile

import numpy as np


def with_flipped_bytes(folder):
    path = folder / "weights.npz"
    content = bytearray(path.read_bytes())
    for place in range(len(content) // 4, len(content) // 2, 97):
        content[place] ^= 0xFF
    path.write_bytes(content)


def without_weights(folder):
    (folder / "weights.npz").unlink()


def with_cut_weights(folder):
    path = folder / "weights.npz"
    path.write_bytes(path.read_bytes()[:2000])


def with_a_pickle(folder):
    np.savez(folder / "weights.npz", conv=np.array([{"a": print}], dtype=object))


def with_other_shapes(folder):
    np.savez(folder / "weights.npz", conv=np.zeros(3))


def with_nan(folder):
    path = folder / "weights.npz"
    with np.load(path) as file:
        arrays = dict(file)
    arrays[next(iter(arrays))][...] = np.nan
    np.savez(path, **arrays)


def with_a_list_for_a_card(folder):
    (folder / "model.json").write_text("[1, 2]")


def edited(**changes):
    def edit(folder):
        path = folder / "model.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return edit


def with_a_deep_card(folder):
    (folder / "model.json").write_text('{"kind": ' + "[" * 100_000 + "]" * 100_000 + "}")


def with_a_huge_card(folder):
    card = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**card, "note": "x" * 2**25}))


def _with_a_member(folder, data):
    """Weights with one more array."""
    with zipfile.ZipFile(folder / "weights.npz", "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("more.npy", data)


def _npy(header, data=b""):
    text = header.ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def claiming_too_much(folder):
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }"
    _with_a_member(folder, _npy(header, bytes(64)))


def with_a_bomb(folder):
    n = 2**26
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({n},), }}"
    _with_a_member(folder, _npy(header, bytes(n)))


def with_braces(folder):
    _with_a_member(folder, _npy("{" * 9000))


DAMAGES = [
    (with_flipped_bytes, "missing or damaged"),
    (without_weights, "missing or damaged"),
    (with_cut_weights, "missing or damaged"),
    (with_a_pickle, "missing or damaged"),
    (with_other_shapes, "does not fit"),
    (with_nan, "not finite"),
    (edited(choices={"nonsense": 1}), r"damaged \(nonsense: "),
    (edited(classes=["SN", "SN"]), "every class needs its own name"),
    (edited(classes=[]), r"damaged \(classes: "),
    (edited(size_pix=2**70), "size_pix: "),
    (with_a_deep_card, "damaged"),
    (with_a_huge_card, "damaged"),
    (claiming_too_much, "claims the shape"),
    (with_a_bomb, "at most 50 times as much"),
    (with_braces, "no header of an array"),
    (edited(format_version=99), "format 99"),
    (with_a_list_for_a_card, "damaged"),
    (edited(size_pix=33), "does not fit"),
]
"""Damages of any network, and a part of the sentence that each becomes."""
