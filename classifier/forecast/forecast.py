"""The steps of a forecast: draw objects, predict those that are detected, score them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from classifier.forecast.blocks import kept_block
from classifier.forecast.lengths import in_chunks
from classifier.forecast.objects import Columns, draw_objects
from classifier.forecast.predictions_in_time import (
    Grid,
    SimulatedSplit,
    predictions_in_time,
)
from classifier.forecast.schedules import Schedule
from classifier.forecast.scores_in_time import predicted_class

if TYPE_CHECKING:
    from classifier.models.protocol import Model

BLOCK_IMAGED = 512
"""Objects whose images are in memory at a time, fewer where sequences are long: `BLOCK_IMAGES`."""
BLOCK_IMAGES = 64_000
BAND_OBJECTS = 1400
"""Objects, of all classes together, that are predicted again without each band."""


class Progress(Protocol):
    """Where a run reports how far it is; `skyreel.console.Bars` is one."""

    def step(self, name: str, done: int, total: int) -> None:
        """Advance the bar of this name."""
        ...

    def reach(self, name: str, done: int, total: int) -> None:
        """Move the bar of this name to ``done``."""
        ...


@dataclass(frozen=True)
class Predicted:
    """Predictions of one model under one schedule.

    Attributes
    ----------
    model : str
        Name.
    rows : numpy.ndarray of int, shape (object,)
        Rows of the objects that the schedule detects, increasing.
    arrays : dict of str to numpy.ndarray
        As `classifier.forecast.predictions_in_time.predictions_in_time` gives them.
    without_band : dict of str to numpy.ndarray
        Predicted classes of the objects ``band_rows`` after all images but those in one band.
    band_rows : numpy.ndarray of int, shape (object,)
        Places in ``rows``.
    """

    model: str
    rows: np.ndarray
    arrays: Columns
    without_band: Columns
    band_rows: np.ndarray

    @property
    def final(self) -> np.ndarray:
        """Predicted class after the last image, -1 where there is none, int (object,)."""
        return predicted_class(self.arrays["final"])


@dataclass(frozen=True)
class Run:
    """All that a forecast simulated and predicted.

    Attributes
    ----------
    schedules : sequence of Schedule
    objects : list of dict of str to numpy.ndarray
        By schedule, in the same rows.
    predicted : list of list of Predicted
        By schedule, then by model.
    grid : Grid
    notes : list of str
    """

    schedules: Sequence[Schedule]
    objects: list[Columns]
    predicted: list[list[Predicted]]
    grid: Grid
    notes: list[str]

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes of the models."""
        return self.schedules[0].models[0].classes

    def correct(self, schedule: int, model: int) -> np.ndarray:
        """Detected and classified correctly after the last image, bool (object,) of all drawn."""
        objects, made = self.objects[schedule], self.predicted[schedule][model]
        found = np.zeros(len(objects["label"]), dtype=bool)
        found[made.rows] = made.final == objects["label"][made.rows]
        return found


def run_forecast(
    schedules: Sequence[Schedule],
    n: int,
    folder: Path,
    *,
    threads: int,
    progress: Progress,
) -> Run:
    """Simulate and predict the objects of a forecast, block by block.

    Parameters
    ----------
    schedules : sequence of Schedule
        Of one population.
    n : int
        Objects that a schedule detects, of all classes together.
    folder : path
        Where finished blocks are kept.

    Raises
    ------
    UserError, RunError
    """
    objects, notes = draw_objects(schedules, n, partial(progress.reach, "drawing objects"))
    spans = [each["last_mjd"] - each["first_mjd"] for each in objects]
    longest = max(
        min(
            each.simulator.n_epochs,
            max(model.prediction_selection.images for model in each.models),
        )
        for each in schedules
    )
    grid = Grid.of(longest, max(float(np.nanmax(span)) for span in spans))
    predicted = [
        _predicted_under(number, schedules, objects[number], grid, folder, threads, progress)
        for number in range(len(schedules))
    ]
    for each in schedules:
        notes += each.notes
    return Run(schedules, objects, predicted, grid, list(dict.fromkeys(notes)))


def _predicted_under(number, schedules, objects, grid, folder, threads, progress):
    """Predictions of every model of a schedule."""
    schedule, rows = schedules[number], np.flatnonzero(objects["detected"])
    without = _first_of_each_class(objects["label"][rows], BAND_OBJECTS)
    # networks read windows as long as the sequences of their training
    step = max(model.selection.images for model in schedule.models)
    limits = {"step": step, "images": BLOCK_IMAGES, "most": BLOCK_IMAGED}
    chunks = in_chunks(schedule.simulator, objects["index"][rows], **limits)
    parts, total = [], rows.size
    for k, (simulator, places) in enumerate(chunks):
        make = partial(
            _block, schedule, simulator, objects, rows[places], without[places], grid, threads
        )
        parts.append(kept_block(folder, f"{number}_{k:05d}", make))
        progress.step(f"{schedule.name}: images and predictions", places.size, total)
    back = np.argsort(np.concatenate([chunk.places for chunk in chunks]))
    joined = {name: np.concatenate([part[name] for part in parts])[back] for name in parts[0]}
    return [
        _of_model(m, model, rows, joined, np.flatnonzero(without))
        for m, model in enumerate(schedule.models)
    ]


def _first_of_each_class(label, n):
    """Which objects are among the first so many of their class, bool (object,)."""
    classes, chosen = np.unique(label), np.zeros(label.size, dtype=bool)
    for each in classes:
        chosen[np.flatnonzero(label == each)[: max(n // classes.size, 1)]] = True
    return chosen


def _block(schedule, simulator, objects, rows, without, grid, threads):
    """Arrays of one block: ``MODEL.NAME``, and ``MODEL-BAND``, -1 for objects not ``without``."""
    split = SimulatedSplit(simulator, objects["index"][rows])
    fewer = None
    if without.any():
        fewer = SimulatedSplit(simulator, objects["index"][rows[without]])
    arrays, detection = {}, objects["first_detection_mjd"][rows]
    for number, model in enumerate(schedule.models):
        made = predictions_in_time(model, split, detection, grid, threads=threads)
        arrays |= {f"{number}.{name}": values for name, values in made.items()}
        for band in left_out_bands(schedule, model):
            key = f"{number}-{band}"
            arrays[key] = np.full(rows.size, -1, dtype=np.int16)
            if fewer is not None:
                arrays[key][without] = final_classes(model, fewer.without(band), threads)
    return arrays


def left_out_bands(schedule: Schedule, model: Model) -> tuple[str, ...]:
    """Bands without which a model is tried: those in use that it reads, if there are several."""
    used = schedule.simulator.profile.cadence.bands
    bands = tuple(band for band in model.bands if band in used)
    return bands if len(bands) > 1 else ()


def final_classes(model: Model, split: SimulatedSplit, threads: int) -> np.ndarray:
    """Predicted classes after the last image, -1 where there is no image, int16 (object,)."""
    predictions = model.predict(split, threads=threads)
    last = np.maximum(predictions.n_images, 1) - 1
    final = predictions.probabilities[np.arange(len(last)), last]
    return predicted_class(final).astype(np.int16)


def _of_model(number, model, rows, joined, places):
    own, dash = f"{number}.", f"{number}-"
    arrays = {k[len(own) :]: v for k, v in joined.items() if k.startswith(own)}
    without = {k[len(dash) :]: v[places] for k, v in joined.items() if k.startswith(dash)}
    return Predicted(model.name, rows, arrays, without, places)
