"""How much each kind of artefact costs a shipped model: ``python -m benchmarks.artefacts``.

The same simulated test objects are classified without artefacts and with one of each kind at a
random place of one random exposure of every object (saturated stars and edges of the detector: of
all exposures). Prints the mean recall of the classes after all images, and its change with the
error of a paired comparison, in per cent. Kinds of differences are left out: the models use science
images.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np

from benchmarks.machine import describe_machine
from classifier.dataset import DatasetSplit
from classifier.models.registry import open_model, shipped_models
from simulator import Options
from simulator.artefacts.drawing import ArtefactBank
from simulator.artefacts.kinds import DIFFERENCE_ONLY, NAMES, OF_OBJECT, Artefact
from simulator.dataset.plan import make_plan
from simulator.dataset.run import execute, writer_for

OBJECTS = {"hits-compact": 700, "lsst-multiband": 350}
_SMALL = 1e-6  # a chance that only says which kind is meant


class OneEach(ArtefactBank):
    """One exposure of every object has the kind asked for, or all if it is an object's."""

    def _kinds(self, draws, conditions, bogus):
        kind = int(np.argmax(self._chances))
        chosen = draws.integers(np.maximum(conditions.n_epochs, 1))
        here = np.arange(conditions.schedule.mjd.shape[1]) == chosen[:, None]
        here |= Artefact(kind) in OF_OBJECT
        return np.where(here & conditions.schedule.observed, kind, 0).astype(np.uint8)


def correct(model, survey: str, kind: Artefact, n: int, seed: int, folder: Path):
    """Whether the most probable class after all images is the true one, and labels, (object,)."""
    text = f"{NAMES[kind]}:{_SMALL}" if kind else ""
    path = folder / f"{survey}-{NAMES[kind]}.zarr"
    options = Options(artefacts=text, seed=seed)
    with patch("simulator.simulator.ArtefactBank", OneEach):
        plan = make_plan(survey, options, path, n=1, validation=0, test=n)
        with writer_for(plan) as writer:
            execute(plan, writer, threads=2, on_progress=lambda _: None)
    predictions = model.predict(DatasetSplit(path, "test")).loaded()
    last = np.maximum(predictions.n_images - 1, 0)
    probabilities = predictions.probabilities[np.arange(len(last)), last]
    return np.nan_to_num(probabilities).argmax(axis=1) == predictions.label, predictions.label


def mean_recall(right: np.ndarray, labels: np.ndarray) -> float:
    """Mean over the classes of the share of correct objects."""
    return float(np.mean([right[labels == k].mean() for k in np.unique(labels)]))


def paired_change(
    plain: np.ndarray, changed: np.ndarray, labels: np.ndarray
) -> tuple[float, float]:
    """Change of the mean recall and its standard error, from the objects' own changes."""
    steps = changed.astype(float) - plain
    of_class = [steps[labels == k] for k in np.unique(labels)]
    errors = [s.std(ddof=1) / np.sqrt(s.size) for s in of_class]
    return float(np.mean([s.mean() for s in of_class])), float(
        np.sqrt(np.sum(np.square(errors))) / len(of_class)
    )


def table(name: str, n: int, seed: int) -> None:
    """Print the rows of one model."""
    model = open_model(name)
    print(f"{name}: {n} objects, seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        plain, labels = correct(model, model.survey, Artefact.NONE, n, seed, Path(folder))
        print(f"  without artefacts   {100 * mean_recall(plain, labels):5.1f}", flush=True)
        for kind in Artefact:
            if kind and kind not in DIFFERENCE_ONLY:
                changed, _ = correct(model, model.survey, kind, n, seed, Path(folder))
                change, error = paired_change(plain, changed, labels)
                print(f"  {NAMES[kind]:18s}  {100 * change:+5.1f} +- {100 * error:.1f}", flush=True)


def main() -> None:
    """Print the table of every shipped model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(shipped_models()))
    parser.add_argument("--n", type=int, help="objects; by default 700 of HiTS and 350 of LSST")
    parser.add_argument("--seed", type=int, default=13)
    given = parser.parse_args()
    print(describe_machine())
    for name in given.models:
        table(name, given.n or OBJECTS.get(name, 350), given.seed)


if __name__ == "__main__":
    main()
