"""A folder as ``finetune`` writes it, of made-up predictions."""

import json
from dataclasses import replace

import numpy as np

from classifier.evaluation import Predictions, write_predictions
from tests.helpers.made_up_predictions import made_up

CLASSES = ("SN", "RRL", "EB", "NV", "GAL")  # no object is a galaxy
SIZES, TRIALS, N, LONGEST = (1, 2, 5), 2, 120, 11


def answers(seed, skill, truth: Predictions):
    """Predictions of the same objects that give the true class ``skill`` of the probability."""
    other = made_up(seed, n=len(truth), longest=LONGEST, classes=CLASSES).probabilities
    other = np.where(np.isnan(other), 0.2, other)
    right = np.eye(len(CLASSES))[truth.label][:, None]
    mixed = np.where(np.isnan(truth.probabilities), np.nan, skill * right + (1 - skill) * other)
    return replace(truth, probabilities=mixed / mixed.sum(axis=2, keepdims=True))


def made_folder(folder, *, skills=None, sizes=SIZES, trials=TRIALS, n=N, ids=None, labels=None):
    """A folder as ``finetune`` writes it, of methods whose recall rises with every label."""
    rng = np.random.default_rng(7)
    labels = np.arange(n) % 4 if labels is None else labels
    truth = made_up(1, n=n, longest=LONGEST, classes=CLASSES, labels=labels)
    truth = truth if ids is None else replace(truth, object_id=np.asarray(ids))
    skills = skills or {"network": 0.3, "forest": 0.25, "real-only": 0.1, "scratch": 0.05}
    draws = []
    for name in ("network", "forest"):
        if name in skills:
            path = folder / "predictions" / name / "k0_t0.parquet"
            write_predictions(path, answers(3, skills[name], truth), {})
    for k in sizes:
        for trial in range(trials):
            members = [rng.permutation(np.flatnonzero(labels == c)) for c in np.unique(labels)]
            training = np.concatenate([rows[:k] for rows in members])
            test = np.setdiff1d(np.arange(n), training)
            named = {"training": training, "test": test}
            named = {key: truth.object_id[rows].tolist() for key, rows in named.items()}
            draws.append({"per_class": k, "trial": trial, **named})
            for place, (name, skill) in enumerate(skills.items()):
                path = folder / "predictions" / name / f"k{k}_t{trial}.parquet"
                made = answers(100 * k + 10 * trial + place, skill + 0.05 * np.log2(k + 1), truth)
                write_predictions(path, made.of(rng.permutation(n)), {})
    (folder / "draws.json").write_text(json.dumps(draws))
    run = {
        "per_class": [0, *sizes],
        "trials": trials,
        "model": "hits-compact",
        "method": "mixed",
        "real": "real.zarr",
        "homogenised": True,
        "seconds": {"network": 12.5},
    }
    (folder / "run.json").write_text(json.dumps(run))
    return folder
