"""Commands as a user runs them."""

import json
import shutil
import sys

import pytest

from skyreel import cli

SMALL = {"filters": [4, 6, 6, 8], "embedding": 8, "units": 12}


def run(monkeypatch, name, *arguments):
    """Exit code of a command with these arguments."""
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        cli.run(name)
    return stopped.value.code or 0


def untrained(folder, profile, *, size_pix=21, images=6, seed=3):
    """A small network as training leaves it, but with the weights it begins with."""
    from classifier.image_selection import ImageSelection
    from classifier.models.recurrent import build_network
    from classifier.models.recurrent.backend import keras
    from classifier.models.recurrent.trained_network import Network, save_weights
    from simulator.lightcurves import DEFAULT_CLASSES

    keras.utils.set_random_seed(seed)
    variants = build_network("compact", size_pix=size_pix, n_classes=len(DEFAULT_CLASSES), **SMALL)
    folder.mkdir(parents=True)
    save_weights(variants.whole, folder / "weights.npz")
    card = {
        "format_version": 1,
        "kind": "network",
        "classes": list(DEFAULT_CLASSES),
        "survey": profile.name,
        "network": "compact",
        "choices": SMALL,
        "size_pix": size_pix,
        "selection": ImageSelection(images=images).as_dict(),
        "trained_on": {},
        "versions": {},
        "profile": profile.model_dump(mode="json"),
    }
    (folder / "model.json").write_text(json.dumps(card))
    return Network.open(folder)


def copy_of(data, folder):
    return shutil.copytree(data, folder / "copy.zarr")
