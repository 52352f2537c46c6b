"""The tables of a forecast as Parquet files, and all its results as one JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from classifier.evaluation.bootstrap import Estimates
from classifier.forecast.event_rates import NOT_COUNTED
from classifier.forecast.forecast import Run
from classifier.forecast.results import Difference, ModelResults, Results, ScheduleResults
from classifier.forecast.scores_in_time import StableTime
from classifier.forecast.selection_function import as_columns
from skyreel.atomic_files import whole_file
from skyreel.json_io import plain, write_json

RECORD = "forecast.json"
Row = dict[str, Any]


def write_tables(run: Run, results: Results, folder: Path) -> None:
    """Write every table of a forecast.

    Raises
    ------
    OutputError
    """
    _write(folder / "objects.parquet", object_table(run))
    bins = {
        (schedule.name, model.model): model.bins
        for schedule in results.schedules
        for model in schedule.models
    }
    _write(folder / "selection_function.parquet", pa.table(as_columns(bins)))
    for name, rows in {
        "scores": _score_rows(results),
        "stable_times": _stable_rows(results),
        "expected_numbers": _rows(results, "numbers"),
        "groups": _rows(results, "groups"),
        "bands": _rows(results, "bands"),
        "differences": _difference_rows(results),
    }.items():
        found = list(rows)
        if found:
            _write(folder / f"{name}.parquet", pa.Table.from_pylist(found))


def _write(path, table):
    with whole_file(path) as unfinished:
        pq.write_table(table, unfinished, compression="zstd")


def object_table(run: Run) -> pa.Table:
    """Every object under every schedule, with the final prediction of every model."""
    parts = []
    for number, (schedule, objects) in enumerate(zip(run.schedules, run.objects, strict=True)):
        classes, n = np.array(run.classes), len(objects["label"])
        columns = {"schedule": np.full(n, schedule.name), **objects}
        columns["class"] = classes[columns.pop("label")]
        for made in run.predicted[number]:
            columns |= _prediction_columns(made, classes, objects["label"])
        parts.append(pa.table({name: pa.array(values) for name, values in columns.items()}))
    return pa.concat_tables(parts, promote_options="default")


def _prediction_columns(made, classes, label):
    n, name = label.size, made.model
    predicted = np.full(n, None, dtype=object)
    known = made.final >= 0
    predicted[made.rows[known]] = classes[made.final[known]]
    columns = {f"{name}: predicted": predicted}
    of_true = made.arrays["final"][np.arange(len(made.rows)), label[made.rows]]
    for key, values in {
        "probability": of_true,
        "days_to_stable": made.arrays["days_to_stable"],
        "images_to_stable": made.arrays["images_to_stable"],
    }.items():
        column = np.full(n, np.nan)
        column[made.rows] = values
        columns[f"{name}: {key}"] = column
    return columns


def _rows(results: Results, key: str) -> Iterator[Row]:
    for schedule in results.schedules:
        for model in schedule.models:
            for each in getattr(model, key):
                yield {"schedule": schedule.name, "model": model.model, **asdict(each)}


def _score_rows(results: Results) -> Iterator[Row]:
    for schedule in results.schedules:
        for model in schedule.models:
            head = {"schedule": schedule.name, "model": model.model}
            for axis, at, found in (
                ("images", results.images, model.by_images),
                ("days", results.days, model.by_days),
            ):
                for row in _estimate_rows(found, at, results.classes):
                    yield {**head, "since_detection": axis, **row}


def _estimate_rows(found: Estimates, at: Iterable[float], classes) -> Iterator[Row]:
    """One row for each moment, score and class; the class is "" for means over classes."""
    for name, values in found.values.items():
        errors = found.errors[name]
        names = classes if values.ndim > 1 else ("",)
        for k, moment in enumerate(at):
            for c, class_name in enumerate(names):
                place = (k, c) if values.ndim > 1 else (k,)
                yield {
                    "at": float(moment),
                    "score": name,
                    "class": class_name,
                    "value": float(values[place]),
                    "error": float(errors[place]),
                }


def _stable_rows(results: Results) -> Iterator[Row]:
    for schedule in results.schedules:
        for model in schedule.models:
            for unit, times in (("days", model.days), ("images", model.images)):
                for name, time in zip(results.classes, times, strict=True):
                    head = {"schedule": schedule.name, "model": model.model}
                    yield {**head, "unit": unit, "class": name, **stable_record(time)}


def stable_record(time: StableTime) -> Row:
    """Plain values of a time to a stable prediction."""
    names = ("lower_quartile", "median", "upper_quartile")
    found: Row = {}
    for k, name in enumerate(names):
        found[name] = float(time.quartiles[k])
        found[f"{name}_error"] = float(time.errors[k])
    never = {"never": time.never, "never_error": time.never_error}
    return {**found, **never, "n_objects": time.n_objects}


def _difference_rows(results: Results) -> Iterator[Row]:
    if not results.differences:
        return
    first, other = (each.name for each in results.schedules)
    for each in results.differences:
        head = {"first": first, "other": other, "model": each.model}
        whole = Estimates(*({k: v[None] for k, v in p.items()} for p in _parts(each.final)))
        shares = Estimates(*({k: v[None] for k, v in p.items()} for p in _parts(each.shares)))
        for kind, at, found in (
            ("after the last image", (np.nan,), whole),
            ("share of all drawn", (np.nan,), shares),
            ("days", results.days, each.by_days),
        ):
            for row in _estimate_rows(found, at, results.classes):
                yield {**head, "kind": kind, **row}


def _parts(found: Estimates):
    return found.values, found.errors


# --- JSON ----------------------------------------------------------------------------------------


def write_record(results: Results, about: Mapping[str, Any], path: Path) -> None:
    """Write all results as JSON; null is "no number".

    Raises
    ------
    OutputError
    """
    write_json(path, record(results, about))


def record(results: Results, about: Mapping[str, Any]) -> Row:
    """All results as plain values."""
    return plain(
        {
            "about": dict(about),
            "notes": [*results.notes, NOT_COUNTED],
            "classes": results.classes,
            "images_since_detection": results.images,
            "days_since_detection": results.days,
            "n_bootstrap": results.n_bootstrap,
            "seed": results.seed,
            "schedules": [_schedule_record(each, results.classes) for each in results.schedules],
            "differences": [_difference_record(each) for each in results.differences],
        }
    )


def _schedule_record(schedule: ScheduleResults, classes) -> Row:
    counts = zip(classes, schedule.n_drawn, schedule.n_detected, strict=True)
    return {
        "name": schedule.name,
        "area_deg2": schedule.area_deg2,
        "drawn": {name: int(n) for name, n, _ in counts},
        "detected": dict(zip(classes, schedule.n_detected.tolist(), strict=True)),
        "never_detected": {
            name: 1 - detected / drawn if drawn else None
            for name, drawn, detected in zip(
                classes, schedule.n_drawn, schedule.n_detected, strict=True
            )
        },
        "models": [_model_record(model, classes) for model in schedule.models],
        "over_models": estimates_record(schedule.spread) if schedule.spread else None,
    }


def _model_record(model: ModelResults, classes) -> Row:
    return {
        "model": model.model,
        "final": estimates_record(model.final),
        "final_over_fields": estimates_record(model.over_fields),
        "confusion": model.confusion,
        "by_images": estimates_record(model.by_images),
        "by_days": estimates_record(model.by_days),
        "days_to_stable": _by_class(classes, model.days),
        "images_to_stable": _by_class(classes, model.images),
        "expected_numbers_a_year": [each.as_dict() for each in model.numbers],
        "groups": [asdict(each) for each in model.groups],
        "bands_left_out": [asdict(each) for each in model.bands],
    }


def _by_class(classes, times):
    return {name: stable_record(time) for name, time in zip(classes, times, strict=True)}


def _difference_record(each: Difference) -> Row:
    return {
        "model": each.model,
        "n_both": each.n_both,
        "final": estimates_record(each.final),
        "by_days": estimates_record(each.by_days),
        "shares_of_all_drawn": estimates_record(each.shares),
    }


def estimates_record(found: Estimates) -> Row:
    """Scores by name, each with its value and error."""
    return {
        name: {"value": values, "error": found.errors[name]}
        for name, values in found.values.items()
    }
