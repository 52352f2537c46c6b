"""What follows from a forecast's predictions: scores, times, efficiencies, numbers, differences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from classifier.evaluation.bootstrap import Estimates, spread
from classifier.forecast.event_rates import ExpectedNumber, expected_numbers
from classifier.forecast.forecast import Predicted, Run
from classifier.forecast.objects import Columns
from classifier.forecast.scores_in_time import (
    StableTime,
    bootstrap_weights,
    class_scores,
    confusion,
    field_weights,
    predicted_class,
    scores_in_time,
)
from classifier.forecast.selection_function import Bin, selection_function, wilson
from simulator.lightcurves.supernovae.supernova import Supernova
from survey_profiles.visit_selection import season_numbers

N_BOOTSTRAP = 200
_DAYS_PER_YEAR = 365.25
_DAYS_PER_MONTH = 30.0
LEAST_IN_GROUP = 20
CADENCES = ("fewest", "average", "most")


@dataclass(frozen=True)
class BandLoss:
    """Macro-F1 after all images with and without those in one band, of the same objects."""

    band: str
    macro_f1: float
    without: float
    loss: float
    loss_error: float
    n_objects: int


@dataclass(frozen=True)
class Group:
    """Scores of the objects of one programme, season, year or cadence.

    ``kind`` is "programme", "season", "year" or "images in 30 d"; ``detected`` is the share of
    those drawn, with its Wilson interval.
    """

    kind: str
    name: str
    n: int
    n_detected: int
    detected: float
    detected_low: float
    detected_high: float
    macro_f1: float
    macro_f1_error: float
    mean_recall: float
    mean_recall_error: float


@dataclass(frozen=True)
class ModelResults:
    """Scores of one model under one schedule.

    ``by_images`` and ``by_days`` hold arrays (moment, class) or (moment,); ``final`` those after
    the last image, (class,) or scalars; ``confusion`` (true class, predicted class) are shares.
    ``over_fields`` are the same scores with errors from resamples of the sequences of exposures:
    objects of one share its nights and weather. ``days`` and ``images`` are times to a stable
    correct prediction by class.
    """

    model: str
    by_images: Estimates
    by_days: Estimates
    final: Estimates
    over_fields: Estimates
    confusion: np.ndarray
    n_by_class: np.ndarray
    days: tuple[StableTime, ...]
    images: tuple[StableTime, ...]
    bins: list[Bin]
    numbers: list[ExpectedNumber]
    groups: list[Group]
    bands: list[BandLoss]


@dataclass(frozen=True)
class ScheduleResults:
    """Results under one schedule; ``n_drawn`` and ``n_detected`` are (class,).

    ``spread`` holds the mean of the final scores over models, and their standard deviations
    (n - 1), if there are several.
    """

    name: str
    area_deg2: float
    n_drawn: np.ndarray
    n_detected: np.ndarray
    models: list[ModelResults]
    spread: Estimates | None


@dataclass(frozen=True)
class Difference:
    """The other schedule less the first, for one model.

    Attributes
    ----------
    model : str
    final : Estimates
        Scores after the last image of the ``n_both`` objects that both schedules detect.
    by_days : Estimates
        The same objects at each number of days since the first detection under each.
    shares : Estimates
        ``detected`` and ``correct`` (class,): shares of all objects drawn that are detected, and
        also classified correctly.
    n_both : int
    """

    model: str
    final: Estimates
    by_days: Estimates
    shares: Estimates
    n_both: int


@dataclass(frozen=True)
class Results:
    """All results of a forecast.

    ``days`` and ``images`` are the moments of the scores in time.
    """

    classes: tuple[str, ...]
    images: tuple[int, ...]
    days: tuple[float, ...]
    schedules: list[ScheduleResults]
    differences: list[Difference]
    notes: list[str]
    n_bootstrap: int
    seed: int


def results_of(run: Run, *, n_bootstrap: int = N_BOOTSTRAP, seed: int = 0) -> Results:
    """The results of a run; errors are from ``n_bootstrap`` resamples of the objects."""
    draw = (n_bootstrap, seed)
    schedules = [_schedule(run, number, draw) for number in range(len(run.schedules))]
    differences = []
    if len(run.schedules) == 2:
        pairs = zip(*run.predicted, strict=True)
        differences = [_difference(run, m, *pair, draw) for m, pair in enumerate(pairs)]
    grid = run.grid
    return Results(
        run.classes, grid.images, grid.days, schedules, differences, run.notes, n_bootstrap, seed
    )


def _schedule(run, number, draw):
    schedule, objects, n = run.schedules[number], run.objects[number], len(run.classes)
    rows = np.flatnonzero(objects["detected"])
    label = objects["label"][rows].astype(int)
    weights = bootstrap_weights(label, *draw)
    models = [
        _model(run, number, m, label, weights, draw) for m in range(len(run.predicted[number]))
    ]
    return ScheduleResults(
        schedule.name,
        schedule.area_deg2,
        np.bincount(objects["label"], minlength=n),
        np.bincount(label, minlength=n),
        models,
        _spread([model.final for model in models]),
    )


def _spread(finals):
    if len(finals) < 2:
        return None
    stacked = {name: np.stack([each.values[name] for each in finals]) for name in finals[0].values}
    return Estimates(
        {name: values.mean(axis=0) for name, values in stacked.items()},
        {name: values.std(axis=0, ddof=1) for name, values in stacked.items()},
    )


def _model(run, number, m, label, weights, draw):
    made, objects, classes = run.predicted[number][m], run.objects[number], run.classes
    correct, n = run.correct(number, m), len(classes)
    supernova = classes.index(Supernova.name) if Supernova.name in classes else -1
    area = run.schedules[number].area_deg2
    fields = objects["pointing"][made.rows]
    numbers = expected_numbers(objects, correct, supernova, area) if area > 0 else []
    return ModelResults(
        model=made.model,
        by_images=scores_in_time(made.arrays["by_images"], label, weights),
        by_days=scores_in_time(made.arrays["by_days"], label, weights),
        final=Estimates.of(class_scores(made.final, label, weights, n)),
        over_fields=_over_fields(made.final, label, fields, n, draw),
        confusion=confusion(made.final, label, weights[:, :1], n)[0],
        n_by_class=np.bincount(label, minlength=n),
        days=_stable(made.arrays["days_to_stable"], label, weights, n),
        images=_stable(made.arrays["images_to_stable"], label, weights, n),
        bins=selection_function(objects, correct, classes),
        numbers=numbers,
        groups=list(_groups(objects, made, n, draw, run.schedules[number].pointings.first_mjd)),
        bands=list(_band_losses(made, label, n, draw)),
    )


def _over_fields(predicted, label, field, n_classes, draw):
    """Scores with errors over fields, NaN where there is one field."""
    scores = class_scores(predicted, label, field_weights(field, *draw), n_classes)
    several = np.unique(field).size > 1
    return Estimates.of({name: v if several else v[:1] for name, v in scores.items()})


def _stable(time, label, weights, n):
    return tuple(StableTime.of(time[label == c], weights[label == c]) for c in range(n))


# --- groups of objects, and bands left out -------------------------------------------------------


def _groups(objects: Columns, made: Predicted, n_classes: int, draw, start) -> Iterator[Group]:
    for kind, names, number in _kinds(objects, start):
        for k, name in enumerate(names):
            members = number == k
            rows = np.flatnonzero(members[made.rows])
            if rows.size < LEAST_IN_GROUP:
                continue
            label = objects["label"][made.rows[rows]].astype(int)
            weights = bootstrap_weights(label, *draw)
            scores = Estimates.of(class_scores(made.final[rows], label, weights, n_classes))
            share = [float(v) for v in wilson(rows.size, members.sum())]
            means = [
                float(part[key])
                for key in ("macro_f1", "mean_recall")
                for part in (scores.values, scores.errors)
            ]
            yield Group(kind, name, int(members.sum()), rows.size, *share, *means)


def _kinds(objects: Columns, start: float) -> Iterator[tuple[str, list[str], np.ndarray]]:
    """(kind, names of its groups, number of each object's group) with two groups or more.

    Seasons and years are counted from ``start`` [MJD].
    """
    names, number = np.unique(objects["programme"], return_inverse=True)
    if names.size > 1:
        yield "programme", [str(name) or "unknown" for name in names], number
    kind, seasons = _seasons(objects, start)
    found, number = np.unique(seasons, return_inverse=True)
    if found.size > 1:
        yield kind, [f"{int(season)}" for season in found], number
    span = np.maximum(objects["last_mjd"] - objects["first_mjd"], 1.0)
    pace = objects["n_epochs"] / span * _DAYS_PER_MONTH
    edges = np.quantile(pace, (1 / 3, 2 / 3))
    if edges[0] < edges[1]:
        low, high = (f"{edge:.1f}" for edge in edges)
        ranges = f"below {low}", f"{low} to {high}", f"above {high}"
        words = [f"{word} ({text})" for word, text in zip(CADENCES, ranges, strict=True)]
        yield "images in 30 d", words, np.digitize(pace, edges)


def _seasons(objects: Columns, start: float) -> tuple[str, np.ndarray]:
    """Season of the first image where positions are known, else its year, from 1 on."""
    first = objects["first_mjd"]
    if np.isfinite(objects["ra_deg"]).all():
        return "season", season_numbers(first, objects["ra_deg"], start)
    return "year", np.maximum((first - start) // _DAYS_PER_YEAR + 1, 1)


def _band_losses(made: Predicted, label, n_classes, draw) -> Iterator[BandLoss]:
    rows = made.band_rows
    if not made.without_band:
        return
    weights = bootstrap_weights(label[rows], *draw)
    whole = class_scores(made.final[rows], label[rows], weights, n_classes)["macro_f1"]
    for band, predicted in made.without_band.items():
        fewer = class_scores(predicted, label[rows], weights, n_classes)["macro_f1"]
        loss = whole - fewer
        means = (float(v) for v in (whole[0], fewer[0], loss[0], spread(loss)))
        yield BandLoss(band, *means, rows.size)


# --- two schedules -------------------------------------------------------------------------------


def _difference(run: Run, m: int, first: Predicted, other: Predicted, draw) -> Difference:
    n, objects = len(run.classes), run.objects
    both = np.intersect1d(first.rows, other.rows)
    label = objects[0]["label"][both].astype(int)
    weights = bootstrap_weights(label, *draw)
    places = [np.searchsorted(made.rows, both) for made in (first, other)]
    made = list(zip((first, other), places, strict=True))
    final = [class_scores(each.final[at], label, weights, n) for each, at in made]
    days: list[dict] = []
    for k in range(len(run.grid.days)):
        p = [predicted_class(each.arrays["by_days"][at, k]) for each, at in made]
        days.append(_less(*(class_scores(each, label, weights, n) for each in p)))
    by_days = {name: np.stack([each[name] for each in days], axis=1) for name in days[0]}
    correct = [run.correct(number, m) for number in (0, 1)]
    detected = [each["detected"] for each in objects]
    shares = {"detected": detected, "correct": correct}
    return Difference(
        first.model,
        Estimates.of(_less(*final)),
        Estimates.of(by_days),
        _paired_shares(shares, objects[0]["label"], n),
        both.size,
    )


def _less(first, other):
    return {name: other[name] - first[name] for name in first}


def _paired_shares(pairs, label, n_classes: int) -> Estimates:
    """Differences of paired shares and their standard errors, arrays (class,)."""
    values: dict[str, np.ndarray] = {}
    errors: dict[str, np.ndarray] = {}
    for name, (first, other) in pairs.items():
        steps = other.astype(float) - first.astype(float)
        groups: Sequence[np.ndarray] = [steps[label == c] for c in range(n_classes)]
        values[name] = np.array([g.mean() if g.size else np.nan for g in groups])
        errors[name] = np.array([g.std() / np.sqrt(g.size) if g.size else np.nan for g in groups])
    return Estimates(values, errors)
