"""Write the alerts of a data set: packets part by part, then nights, then the table of truth.

A run that was stopped is finished by running it again: parts and nights that are there are kept.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.alerts.archive import FILE_KINDS, Archive
from simulator.alerts.observations import Instrument
from simulator.alerts.rubin_packets import RubinPackets
from simulator.alerts.rubin_schema import BANDS as RUBIN_BANDS
from simulator.alerts.stored_observations import StoredObservations
from simulator.alerts.ztf_packets import FILTERS, ZtfPackets
from simulator.dataset.reader import open_dataset
from simulator.dataset.regenerate import simulator_of
from skyreel.atomic_files import locked_folder
from skyreel.console import printable
from skyreel.errors import SimulationError
from skyreel.json_io import plain, write_json

if TYPE_CHECKING:
    from simulator.simulator import Simulator

RECORD = "alerts.json"
FORMAT_VERSION = 1
_NIGHTS_AT_ONCE = 16
_VERSIONS = {"rubin": "11.1", "rubin-v10": "10.0"}
SCHEMAS = ("ztf", *_VERSIONS)


@dataclass(frozen=True)
class AlertOptions:
    """Where packets go, and of what schema and kind they are.

    Parameters
    ----------
    folder : Path
        New, empty, or that of a run that was stopped.
    schema : str, optional
        "ztf" (4.02), "rubin" (11.1) or "rubin-v10" (10.0); by default that of the survey.
    files : str
        "packets" (one file each, a folder a night), "container" (one Avro file a night) or "tar"
        (one .tar.gz of single packets a night, as in ZTF's public archive).

    Raises
    ------
    SimulationError
        An unknown schema or kind of files, or a folder that holds something else.
    """

    folder: Path
    schema: str | None = None
    files: str = "container"

    def __post_init__(self) -> None:
        if self.schema is not None and self.schema not in SCHEMAS:
            raise SimulationError(
                f"schema {printable(self.schema)!r}; allowed are {', '.join(SCHEMAS)} (rubin is "
                f"version {_VERSIONS['rubin']}, rubin-v10 version {_VERSIONS['rubin-v10']})."
            )
        if self.files not in FILE_KINDS:
            raise SimulationError(
                f"alert files {printable(self.files)!r}; allowed are {', '.join(FILE_KINDS)}."
            )
        _check_folder(self.folder)

    @classmethod
    def of(
        cls, folder: str | Path | None, schema: str | None = None, files: str = "container"
    ) -> AlertOptions | None:
        """The options of a command; None without a folder.

        Raises
        ------
        SimulationError
            As the class; also other options without a folder.
        """
        if folder is not None:
            return cls(Path(folder), schema, files)
        if schema is not None or files != cls.files:
            raise SimulationError("schema and alert files are of alerts; give a folder for alerts.")
        return None

    def check(self, planes: tuple[str, ...], dataset: str | Path) -> None:
        """Refuse planes of which no alerts can be made, and a folder that is the data set.

        Raises
        ------
        SimulationError
        """
        if self.folder.resolve() == Path(dataset).resolve():
            raise SimulationError(
                f"{printable(str(self.folder))} is the data set. Give another --alerts."
            )
        if not {"template", "difference"} <= set(planes):
            raise SimulationError(
                f"alerts are made of template and difference images, and the planes are "
                f"{', '.join(planes)}; give --planes science,template,difference."
            )


@dataclass(frozen=True)
class AlertsOutcome:
    """What a run wrote, and what was assumed."""

    packets: int
    nights: int
    seconds: float
    notes: tuple[str, ...] = ()
    was_complete: bool = False


def _check_folder(folder):
    """Refuse a folder that holds other files than alerts."""
    if folder.exists() and not folder.is_dir():
        raise SimulationError(f"{printable(str(folder))} is a file; alerts need a folder.")
    if folder.is_dir() and not (folder / RECORD).is_file() and any(folder.iterdir()):
        raise SimulationError(f"{printable(str(folder))} is not empty. Give another --alerts.")


def write_alerts(
    dataset: str | Path,
    options: AlertOptions,
    *,
    simulator: Simulator | None = None,
    threads: int = 1,
    on_progress: Callable[[int], None] = lambda objects: None,
) -> AlertsOutcome:
    """Write an alert packet of every detection in the difference images of a data set.

    Parameters
    ----------
    dataset : path
        Simulated, with the planes science, template and difference.
    options : AlertOptions
    simulator : Simulator, optional
        The one that made the data set, where it is at hand.
    threads : int
    on_progress : callable of int
        Called with the number of objects just done, from any thread.

    Raises
    ------
    SimulationError
        The data set has no such planes, or a band that the schema has not; the folder holds other
        files.
    OutputError
        The folder cannot be written; what is finished stays.
    """
    start = time.perf_counter()
    root = open_dataset(dataset)
    options.check(tuple(root.attrs.get("planes", ("science",))), dataset)
    simulator = simulator or simulator_of(dataset)
    schema = options.schema or ("ztf" if simulator.profile.name == "ztf" else "rubin")
    stored = StoredObservations(root, simulator, with_psf=schema != "ztf")
    packets = packets_of_schema(schema, stored.instrument())
    settings = {
        "schema": schema,
        "files": options.files,
        "format_version": FORMAT_VERSION,
        "dataset_sha256": _digest(root.attrs["settings"]),
    }
    with locked_folder(options.folder):
        record = _claimed(options.folder, settings)
        if "packets" in record:
            return AlertsOutcome(record["packets"], record["nights"], 0.0, was_complete=True)
        archive = _archive(options, schema, packets.schema.text)
        counts, notes = _write(archive, stored, packets, threads, on_progress), _notes(simulator)
        write_json(options.folder / RECORD, {"settings": settings, **counts, "notes": notes})
        archive.remove_parts()
    return AlertsOutcome(**counts, seconds=time.perf_counter() - start, notes=notes)


def _digest(settings):
    return hashlib.sha256(json.dumps(plain(settings), sort_keys=True).encode()).hexdigest()


def _archive(options, schema, text):
    is_ztf = schema == "ztf"
    return Archive(
        options.folder,
        text,
        options.files,
        f"{'ztf' if is_ztf else 'rubin'}_simulated",
        night_starts=0.0 if is_ztf else 0.5,
        has_compressed_stamps=is_ztf,
    )


def packets_of_schema(schema: str, instrument: Instrument) -> ZtfPackets | RubinPackets:
    """What makes packets of a schema (one of ``SCHEMAS``).

    Raises
    ------
    SimulationError
        The survey has a band that the schema has not.
    """
    allowed = tuple(FILTERS) if schema == "ztf" else tuple(RUBIN_BANDS)
    foreign = [band for band in instrument.bands if band not in allowed]
    if foreign:
        raise SimulationError(
            f"schema {schema} has the bands {', '.join(allowed)}; the survey has "
            f"{', '.join(map(printable, foreign))}. Give another --schema."
        )
    return (
        ZtfPackets(instrument) if schema == "ztf" else RubinPackets(instrument, _VERSIONS[schema])
    )


def _claimed(folder, settings) -> dict[str, Any]:
    """The record of the folder's run, made if there is none; another run's is refused."""
    path = folder / RECORD
    if not path.is_file():
        write_json(path, {"settings": settings})
        return {}
    try:
        record = json.loads(path.read_text())
        found = record["settings"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise SimulationError(f"{path} is damaged. Give another --alerts.") from None
    if found != settings:
        differing = [key for key in settings if found.get(key) != settings[key]]
        raise SimulationError(
            f"{printable(str(folder))} holds alerts of other data or options "
            f"({', '.join(differing) or 'settings'}). Give another --alerts."
        )
    return record


def _write(archive, stored, packets, threads, on_progress) -> dict[str, int]:
    parts = stored.parts()
    names = [name for name, _, _ in parts]

    def make(name, split, indices):
        if not archive.has_part(name):
            alerts = packets.packets(stored.batch(split, indices))
            archive.write_part(name, alerts, partial(stored.truth, split, indices))
        on_progress(len(indices))

    _in_threads(threads, ((make, *part) for part in parts))
    index = archive.index(names)
    nights = archive.nights(index)
    _in_threads(
        threads, ((_write_nights, archive, group, index, names) for group in _groups(nights))
    )
    archive.write_truth(names)
    return {"packets": len(index["mjd"]), "nights": len(nights)}


def _groups(nights):
    """Nights that one thread writes: a thread costs more than a night of few packets."""
    return [nights[k : k + _NIGHTS_AT_ONCE] for k in range(0, len(nights), _NIGHTS_AT_ONCE)]


def _write_nights(archive, nights, index, names):
    for night in nights:
        archive.write_night(night, index, names)


def _in_threads(threads: int, tasks: Iterable[tuple[Any, ...]]) -> None:
    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(*task) for task in tasks]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            for future in futures:
                future.cancel()
            raise


def _notes(simulator) -> tuple[str, ...]:
    pointings = simulator.pointings
    known = bool((pointings.ra_deg == pointings.ra_deg).all())
    where = "near their pointings" if known else "at random on the survey's footprint"
    return (
        f"Objects lie {where}.",
        "Star scores are those of the true classes: 1 star, 0 galaxy.",
        "All simulated asteroids are known to the ephemeris.",
    )
