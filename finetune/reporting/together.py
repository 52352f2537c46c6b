"""What a network remembers of simulated and of real sequences, on one map."""

from __future__ import annotations

import numpy as np

from classifier.arrays import read_arrays
from classifier.comparison.maps import tsne
from finetune.errors import FinetuneError

ARRAYS = ("simulated", "simulated_label", "real", "real_label")


def read_states(path) -> dict[str, np.ndarray]:
    """The arrays ``simulated`` and ``real`` (object, unit) with the labels of each.

    Raises
    ------
    ClassifierError
        The file is damaged.
    FinetuneError
        Arrays are missing or do not fit together.
    """
    found = read_arrays(path, "Run finetune again.")
    missing = [name for name in ARRAYS if name not in found]
    fits = not missing and all(
        found[of].ndim == 2 and found[f"{of}_label"].shape == found[of].shape[:1]
        and found[of].shape[1] == found["real"].shape[1]
        for of in ("simulated", "real")
    )  # fmt: skip
    if not fits:
        raise FinetuneError(
            f"{path}: {', '.join(ARRAYS)} are needed, with one label for each row of as many "
            "columns."
        )
    return found


def laid_out(states: dict[str, np.ndarray], classes) -> tuple | None:
    """(position, label, real, classes) of all sequences; None where t-SNE makes no map of them.

    Columns are scaled by their scatter among the simulated sequences.
    """
    simulated, real = (states[name].astype(float) for name in ("simulated", "real"))
    scale = np.maximum(simulated.std(axis=0), 1e-9) if len(simulated) else 1.0
    position = tsne(np.concatenate([simulated, real]) / scale)
    if position is None:
        return None
    label = np.concatenate([states["simulated_label"], states["real_label"]]).astype(int)
    return position, label, np.arange(len(label)) >= len(simulated), tuple(classes)
