"""Recall forecast under one schedule and found under another, for several models.

``python -m benchmarks.condition_errors --model control/,perturbed/ --against delivered --n 4200``

Objects are those of a forecast (`classifier.forecast.objects`), of which the ones that both
schedules detect are scored after their last image. Errors are from resampling objects within each
class; differences are paired. The first model is the one that others are compared with. "Alike in
detections" and "alike in signal" are the forecast recalls of objects reweighted, class by class, to
the numbers of detections and to the root of the summed squares of the signal-to-noise ratios that
they have under the other schedule: what of the loss comes with these.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from benchmarks.machine import describe_machine
from classifier.cli.forecast import open_schedules, visits
from classifier.evaluation.bootstrap import spread
from classifier.evaluation.metrics import contributions, scores_of, weighted_sums
from classifier.forecast.detections import signal_to_noise
from classifier.forecast.forecast import BLOCK_IMAGED
from classifier.forecast.objects import BLOCK_OBJECTS, SPLIT, draw_objects
from classifier.forecast.predictions_in_time import SimulatedSplit
from classifier.forecast.schedules import Schedule
from classifier.forecast.scores_in_time import bootstrap_weights
from skyreel.commands import n_cores

RESAMPLES = 200
_BINS = 10


def final_probabilities(schedule: Schedule, indices: np.ndarray, threads: int) -> np.ndarray:
    """Class probabilities after the last image of every model, (model, object, class)."""
    parts = []
    for first in range(0, indices.size, BLOCK_IMAGED):
        split = SimulatedSplit(schedule.simulator, indices[first : first + BLOCK_IMAGED])
        found = []
        for model in schedule.models:
            made = model.predict(split, threads=threads)
            last = np.maximum(made.n_images, 1).astype(int) - 1
            found.append(made.probabilities[np.arange(len(last)), last])
        parts.append(np.stack(found))
        print(f"\r{schedule.name}: {first + len(split):,} of {indices.size:,}", end="", flush=True)
    print()
    return np.concatenate(parts, axis=1)


def total_signal(schedule: Schedule, indices: np.ndarray) -> np.ndarray:
    """Root of the summed squares of the signal-to-noise ratios (object,); 0 for galaxies."""
    parts = []
    for first in range(0, indices.size, BLOCK_OBJECTS):
        drawn = schedule.simulator.drawn(SPLIT, indices[first : first + BLOCK_OBJECTS])
        signal = signal_to_noise(drawn)
        parts.append(np.sqrt((np.where(np.isfinite(signal), signal, 0.0) ** 2).sum(axis=1)))
    return np.concatenate(parts)


def alike(correct: np.ndarray, label: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Recall (class,) under the first schedule, weighted to ``values`` under the second.

    ``values`` are (schedule, object).
    """
    found = []
    for number in np.unique(label):
        mine = label == number
        edges = np.unique(np.quantile(values[:, mine], np.linspace(0, 1, _BINS + 1)))
        places = np.searchsorted(edges[1:-1], values[:, mine], side="right")
        shares = np.stack([np.bincount(row, minlength=edges.size) for row in places])
        weights = shares[1] / np.maximum(shares[0], 1)
        found.append(np.average(correct[mine], weights=weights[places[0]]))
    return np.array(found)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--survey", default="lsst")
    parser.add_argument("--model", required=True, help="names or folders by comma")
    parser.add_argument("--schedule", default="drawn")
    parser.add_argument("--against", default="delivered")
    parser.add_argument("--n", type=int, default=4200, help="objects that a schedule detects")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=None)
    return parser.parse_args()


def as_asked(given: argparse.Namespace) -> dict[str, Any]:
    """The arguments as those of ``forecast``."""
    return {
        "survey": given.survey,
        "schedule": given.schedule,
        "against": given.against,
        "models": tuple(given.model.split(",")),
        "against_models": (),
        "overrides": {},
        "area_deg2": None,
        "any_survey": False,
        "visits": visits(None, "all", None, None),
        "seed": given.seed,
    }


def main() -> None:
    """Print the scores of every model under both schedules, and their differences."""
    given = arguments()
    threads = n_cores(given.threads)
    schedules = open_schedules(as_asked(given), threads)
    objects, notes = draw_objects(schedules, given.n, lambda done, total: None)
    both = np.flatnonzero(objects[0]["detected"] & objects[1]["detected"])
    indices, label = objects[0]["index"][both], objects[0]["label"][both].astype(int)
    matched = {
        "detections": np.stack([each["n_detections"][both] for each in objects]),
        "signal": np.stack([total_signal(each, indices) for each in schedules]),
    }
    names, classes = [m.name for m in schedules[0].models], schedules[0].models[0].classes
    print(f"{describe_machine()}; {both.size:,} objects detected under both schedules", *notes)
    probabilities = [final_probabilities(each, indices, threads) for each in schedules]
    print(f"{given.schedule} against {given.against}; {', '.join(classes)}")
    weights = bootstrap_weights(label, RESAMPLES, seed=0).astype(float)
    losses = []
    for number, name in enumerate(names):
        scores = [
            scores_of(
                weighted_sums(contributions(p[number], label), weights, len(classes))[:, 0],
                len(classes),
            )
            for p in probabilities
        ]
        losses.append(scores)
        print_scores(name, scores)
        correct = probabilities[0][number].argmax(axis=1) == label
        for what, values in matched.items():
            found = alike(correct, label, values)
            print(f"  alike in {what}", row(found), f"mean {found.mean():.3f}")
        if number:
            print_comparison(names[0], losses[0], scores)


def row(values: np.ndarray, errors: np.ndarray | None = None) -> str:
    """Numbers of every class in one line."""
    if errors is None:
        return " ".join(f"{value:+.3f}" for value in values)
    return " ".join(f"{v:+.3f}+-{e:.3f}" for v, e in zip(values, errors, strict=True))


def print_scores(name: str, scores: list[Any]) -> None:
    """Recalls, macro F1 and calibration error of one model under both schedules."""
    print(name)
    for head, each in zip(("forecast", "found"), scores, strict=True):
        print(
            f"  {head} recall",
            row(each.recall[0], spread(each.recall)),
            *(
                f"{score} {getattr(each, score)[0]:.4f}+-{spread(getattr(each, score)):.4f}"
                for score in ("mean_recall", "mean_f1", "calibration_error")
            ),
        )
    loss = scores[0].recall - scores[1].recall
    mean = scores[0].mean_recall - scores[1].mean_recall
    print("  loss", row(loss[0], spread(loss)), f"mean {mean[0]:+.4f}+-{spread(mean):.4f}")


def print_comparison(first: str, reference: list[Any], scores: list[Any]) -> None:
    """What a model has more than the first one under each schedule, and of the loss."""
    more = [b.mean_recall - a.mean_recall for a, b in zip(reference, scores, strict=True)]
    print(
        f"  mean recall over {first}: forecast {more[0][0]:+.4f}+-{spread(more[0]):.4f},",
        f"found {more[1][0]:+.4f}+-{spread(more[1]):.4f},",
        f"loss smaller by {(more[1] - more[0])[0]:+.4f}+-{spread(more[1] - more[0]):.4f}",
    )
    each = scores[1].recall - reference[1].recall
    print("  found recall over it", row(each[0], spread(each)))


if __name__ == "__main__":
    main()
