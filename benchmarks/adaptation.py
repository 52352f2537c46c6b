"""How adaptation was chosen: ``python -m benchmarks.adaptation --out FOLDER``.

Simulated sequences of four altered surveys stand in for real ones, so that no real object has a
say. Each differs from HiTS in some of PSF wings, ellipticity, scatter of widths and calibration,
registration of the stamps, and magnitudes (those of the thesis's objects). Prints the mean recall
of four classes after 5, 10 and all images, before and after, by every method asked for, and of
the learner of real objects alone, mean and deviation over draws.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.machine import describe_machine
from classifier.models.registry import open_model
from finetune.adaptation.methods import METHODS
from finetune.compared_methods import ComparedMethods
from finetune.few_shot import Draw, drawn
from finetune.homogenise import Homogenising
from finetune.options import Options
from finetune.real_sequences import RealSet
from simulator.dataset.plan import make_plan
from simulator.dataset.run import execute, writer_for
from simulator.options import Options as SimulationOptions

CLASSES = ("SN", "RRL", "EB", "NV")
AFTER = (5, 10, 22)
SURVEYS = {
    "A": (
        "survey",
        {
            "psf.beta_median": 3.0,
            "psf.e1_exposure_scatter": 0.06,
            "psf.e2_exposure_scatter": 0.06,
            "psf.lanczos_order": 3,
            "weather.calibration_scatter_mag": 0.03,
        },
    ),
    "B": (
        "thesis",
        {
            "psf.e1_mean": 0.08,
            "psf.beta_median": 5.5,
            "psf.fwhm_exposure_scatter": 0.1,
            "weather.calibration_scatter_mag": 0.05,
        },
    ),
    "C": (
        "thesis",
        {
            "psf.beta_median": 3.2,
            "psf.e1_mean": 0.05,
            "psf.lanczos_order": 2,
            "weather.calibration_scatter_mag": 0.015,
        },
    ),
    "D": (
        "thesis",
        {
            "psf.beta_median": 4.6,
            "psf.fwhm_exposure_scatter": 0.08,
            "weather.calibration_scatter_mag": 0.02,
        },
    ),
}
"""Magnitudes, and what differs from the profile of HiTS."""


def stand_in(name: str, folder: Path, n: int) -> Path:
    """A data set of one altered survey, made if it is not there."""
    magnitudes, changes = SURVEYS[name]
    options = SimulationOptions(classes=dict.fromkeys(CLASSES, 1.0), magnitudes=magnitudes, seed=77)
    path = folder / f"{name}.zarr"
    plan = make_plan("hits", options, path, n=7, validation=7, test=n, overrides=changes)
    with writer_for(plan) as writer:
        execute(plan, writer, threads=1)
    return path


def recall(scores, real: RealSet, tested, k: int) -> float:
    """Mean recall of the tested objects after ``k`` images."""
    last = np.minimum(real.inputs.n_images, k) - 1
    right = scores[np.arange(len(last)), last].argmax(axis=1) == real.labels
    classes = np.unique(real.labels[tested])
    return float(np.mean([right[tested][real.labels[tested] == c].mean() for c in classes]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the stand-ins")
    parser.add_argument("--model", default="hits-compact")
    parser.add_argument("--surveys", nargs="+", default=list(SURVEYS), choices=list(SURVEYS))
    parser.add_argument("--methods", nargs="+", default=["head", "ensemble"], choices=METHODS)
    parser.add_argument("--sizes", nargs="+", type=int, default=[1, 2, 5, 10])
    parser.add_argument("--objects", type=int, default=600, help="stand-ins of each survey")
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--iterations", type=int, default=1000, help="of methods with steps")
    chosen = parser.parse_args()
    print(describe_machine())
    network = open_model(chosen.model)
    for name in chosen.surveys:
        path = stand_in(name, chosen.out, chosen.objects)
        real = RealSet.read(path, "test", network, Homogenising(registration=False))
        options = Options(model=chosen.model, real=path, iterations=chosen.iterations)
        methods = ComparedMethods(network, real, options, 1)
        learners = {m: methods.scores_of(m) for m in chosen.methods}
        learners["real-only"] = methods.real_only
        every = np.flatnonzero(real.labels >= 0)
        before = learners[chosen.methods[0]](Draw(0, 0, every[:0], every))
        for size in chosen.sizes:
            draws = [
                drawn(real.labels, None, per_class=size, trial=t, seed=0, disjoint="object")
                for t in range(chosen.draws)
            ]
            _print(name, size, "before", [before] * len(draws), real, draws)
            for label, learner in learners.items():
                _print(name, size, label, [learner(d) for d in draws], real, draws)


def _print(name, size, label, scores, real, draws):
    found = [
        [recall(s, real, d.test, k) for k in AFTER] for s, d in zip(scores, draws, strict=True)
    ]
    mean, spread = np.mean(found, axis=0), np.std(found, axis=0, ddof=1)
    numbers = "  ".join(f"{m:.3f} +- {s:.3f}" for m, s in zip(mean, spread, strict=True))
    print(f"{name}, {size:2d} per class, {label:10}: {numbers}", flush=True)


if __name__ == "__main__":
    main()
