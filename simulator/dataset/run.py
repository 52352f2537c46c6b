"""Carry out a plan: every thread makes and writes whole shards, and reports its progress."""

from __future__ import annotations

import json
import shlex
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr

from simulator.dataset.plan import Plan
from simulator.dataset.writer import DatasetWriter
from simulator.options import Options
from simulator.plugins import plugins_of
from simulator.simulator import Simulator
from skyreel.errors import OutputError, StoreError
from skyreel.json_io import write_json


@dataclass(frozen=True)
class Outcome:
    """What a run did."""

    made: int
    seconds: float
    total: int


def writer_for(plan: Plan) -> DatasetWriter:
    """Open the data set of a plan, or make it with its input files inside.

    Raises
    ------
    SimulationError, StoreError
        As for `DatasetWriter`.
    """
    simulator = plan.simulator
    attributes = {
        "classes": list(simulator.classes),
        "bands": list(simulator.band_names),
        "survey": simulator.profile.name,
        "seed": simulator.options.seed,
        "planes": list(simulator.options.planes),
        "options": simulator.options.as_dict(),
        "profile": simulator.profile.model_dump(mode="json"),
        "command": command_line(plan),
    }
    return DatasetWriter(
        plan.path,
        settings=plan.settings(),
        attributes=attributes,
        specs=plan.specs(),
        counts=plan.counts,
        n_epochs=simulator.n_epochs,
        size_pix=simulator.options.stamp_size_pix,
        inputs=plan.inputs,
    )


def execute(
    plan: Plan,
    writer: DatasetWriter,
    *,
    threads: int,
    on_progress: Callable[[int], None] = lambda objects: None,
) -> Outcome:
    """Make every shard that is not there yet.

    Parameters
    ----------
    plan : Plan
    writer : DatasetWriter
        As ``writer_for(plan)`` gives it.
    threads : int
    on_progress : callable of int
        Called with the number of objects just made; from any thread.

    Raises
    ------
    StoreError
        The data set cannot be written; what is finished stays.
    """
    start = time.perf_counter()
    pending = writer.pending()
    done = plan.total - sum(end - first for _, _, first, end in pending)
    if done:
        on_progress(done)
    with zarr.config.set(
        {
            "threading.max_workers": threads,
            "async.concurrency": 2 * threads,
        }
    ):
        _run_shards(plan, writer, pending, threads, on_progress)
    return Outcome(plan.total - done, time.perf_counter() - start, plan.total)


def _run_shards(plan, writer, pending, threads, on_progress):
    stop = threading.Event()

    def make(split, shard, first, end):
        if stop.is_set():
            return
        made = plan.simulator.batch(split, np.arange(first, end))
        writer.write_shard(split, shard, made.arrays())
        on_progress(end - first)

    with ThreadPoolExecutor(threads) as pool:
        try:
            for future in as_completed([pool.submit(make, *shard) for shard in pending]):
                future.result()
        except BaseException:
            stop.set()
            raise


def command_line(plan: Plan) -> str:
    """The command that makes this data set, with all options that affect its content."""
    options = plan.simulator.options
    classes = ",".join(f"{name}:{weight:g}" for name, weight in options.classes.items())
    parts = [
        "simulate",
        "--survey",
        plan.survey,
        "--n",
        str(plan.counts["train"]),
        "--validation",
        str(plan.counts["validation"]),
        "--test",
        str(plan.counts["test"]),
        "--classes",
        classes,
        "--magnitudes",
        options.magnitudes,
        "--stamp-size",
        str(options.stamp_size_pix),
        "--seed",
        str(options.seed),
    ]
    visits = ("exposures", "position", "programme", "dates", "season")
    for name in (*visits, "templates", "condition_error"):
        value = getattr(options, name)
        if value != getattr(Options, name):
            parts += [f"--{name.replace('_', '-')}", str(value)]
    if options.has_planes:
        parts += ["--planes", ",".join(options.planes)]
    for plugin in plugins_of(plan.simulator.classes):
        parts += ["--plugin", plugin["path"]]
    for key, value in sorted(plan.overrides.items()):
        named = key == "conditions"
        parts += ["--conditions", value] if named else ["--profile-set", f"{key}={value}"]
    return shlex.join(parts)


def exposures_record(simulator: Simulator) -> dict[str, Any]:
    """What of a table of exposures is left out or converted, as plain values."""
    if not simulator.options.exposures:
        return {}
    return {
        "exposures": {
            "pointings": simulator.n_pointings,
            "left_out": simulator.unused_exposures,
            "notes": list(simulator.exposure_notes),
        }
    }


def write_record(plan: Plan, outcome: Outcome, expected_bytes: float) -> None:
    """Write what was asked and what was done as JSON beside the data set: one entry per run.

    Raises
    ------
    StoreError
    """
    path = plan.path.with_name(plan.path.name + ".json")
    run = {
        "command": command_line(plan),
        "made": outcome.made,
        "of": outcome.total,
        "seconds": round(outcome.seconds, 3),
        "bytes": sum(f.stat().st_size for f in plan.path.rglob("*") if f.is_file()),
        "bytes_expected": round(expected_bytes),
        **exposures_record(plan.simulator),
    }
    try:
        earlier = json.loads(path.read_text())["runs"] if path.is_file() else []
        write_json(path, {"settings": plan.settings(), "runs": [*earlier, run]})
    except (OutputError, OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{plan.path} is complete, but its record {path} cannot be written ({error})."
        ) from error
