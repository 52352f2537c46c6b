"""Packets written per second: ``python -m benchmarks.alerts``.

Simulates a small data set with planes, writes its alerts as files of every kind, and writes the
same records in the usual way: astropy for every cutout, gzip, and fastavro for every packet; and by
fastavro's ``schemaless_writer`` alone, where records with compressed cutouts are there already.
Rates are of the wall clock and of CPU time. The simulation is not counted; reading the data set
is, but for "from arrays": packets of stamps that are in memory, written to one file a batch.
"""

from __future__ import annotations

import argparse
import gzip
import io
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fastavro
import numpy as np
from astropy.io import fits

from benchmarks.machine import describe_machine
from simulator.alerts.alert_run import AlertOptions, packets_of_schema, write_alerts
from simulator.alerts.archive import FILE_KINDS
from simulator.alerts.stored_observations import StoredObservations
from simulator.api import simulate
from simulator.dataset.reader import open_dataset
from simulator.dataset.regenerate import simulator_of

PEER_PACKETS = 400
CUTOUTS = ("Science", "Template", "Difference")


def ours(dataset: Path, options: AlertOptions, threads: int) -> tuple[int, float, float]:
    """Packets, seconds and CPU seconds of writing all alerts of a data set."""
    simulator = simulator_of(dataset)
    start, cpu = time.perf_counter(), time.process_time()
    outcome = write_alerts(dataset, options, simulator=simulator, threads=threads)
    return outcome.packets, time.perf_counter() - start, time.process_time() - cpu


def from_arrays(dataset: Path, folder: Path, threads: int, schema: str | None) -> list[float]:
    """Packets, seconds and CPU seconds of packets of arrays in memory, written to files."""
    simulator = simulator_of(dataset)
    schema = schema or ("ztf" if simulator.profile.name == "ztf" else "rubin")
    stored = StoredObservations(open_dataset(dataset), simulator, with_psf=schema != "ztf")
    packets = packets_of_schema(schema, stored.instrument())
    batches = {name: stored.batch(split, rows) for name, split, rows in stored.parts()}
    folder.mkdir()

    def write(name: str) -> int:
        with (folder / name).open("wb") as file:
            return sum(bool(file.write(a.packet)) for a in packets.packets(batches[name]))

    start, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        n = sum(pool.map(write, batches))
    return [n, time.perf_counter() - start, time.process_time() - cpu]


def records_of(folder: Path, n: int) -> tuple[dict, list[dict]]:
    """Schema and records of the first packets in the containers of a folder."""
    found: list[dict] = []
    for path in sorted(folder.glob("*.avro")):
        with path.open("rb") as file:
            reader = fastavro.reader(file)
            schema = reader.writer_schema
            found += reader
        if len(found) >= n:
            break
    return schema, found[:n]


def unpacked(record: dict) -> dict[str, list[tuple[np.ndarray, fits.Header]]]:
    """Images and headers of the cutouts of a record."""
    images = {}
    for name in CUTOUTS:
        content = record[f"cutout{name}"]
        content = gzip.decompress(content["stampData"]) if isinstance(content, dict) else content
        with fits.open(io.BytesIO(content)) as hdus:
            images[name] = [(np.array(hdu.data), hdu.header) for hdu in hdus]
    return images


def usual_way(schema: dict, records: list[dict], folder: Path) -> tuple[float, float]:
    """Seconds and CPU seconds of writing records with astropy and fastavro, one file each."""
    images = [unpacked(record) for record in records]
    folder.mkdir()
    start, cpu = time.perf_counter(), time.process_time()
    for number, (record, planes) in enumerate(zip(records, images, strict=True)):
        for name in CUTOUTS:
            first, *rest = planes[name]
            hdus = [fits.PrimaryHDU(*first), *(fits.ImageHDU(*each) for each in rest)]
            out = io.BytesIO()
            fits.HDUList(hdus).writeto(out)
            content = out.getvalue()
            if isinstance(record[f"cutout{name}"], dict):
                content = {**record[f"cutout{name}"], "stampData": gzip.compress(content)}
            record[f"cutout{name}"] = content
        with (folder / f"{number}.avro").open("wb") as file:
            fastavro.writer(file, schema, [record])
    return time.perf_counter() - start, time.process_time() - cpu


def ready_records(schema: dict, records: list[dict], path: Path) -> tuple[float, float]:
    """Seconds and CPU seconds of encoding records that are ready with fastavro, into one file."""
    parsed = fastavro.parse_schema(schema)
    start, cpu = time.perf_counter(), time.process_time()
    with path.open("wb") as file:
        for record in records:
            fastavro.schemaless_writer(file, parsed, record)
    return time.perf_counter() - start, time.process_time() - cpu


def line(name: str, n: int, seconds: float, cpu: float) -> str:
    """Rates in words."""
    return f"{name:11} {n:7,} packets {n / seconds:8,.0f} a second {n / cpu:8,.0f} a CPU second"


def simulated(given: argparse.Namespace, path: Path) -> Path:
    """A new data set."""
    simulate(
        given.survey,
        out=path,
        n=given.n,
        stamp_size_pix=given.stamp_size,
        planes="science,template,difference",
        quiet=True,
    )
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a data set with planes, in place of a new one")
    parser.add_argument("--survey", default="ztf")
    parser.add_argument("--schema", default=None)
    parser.add_argument("--n", type=int, default=200, help="sequences (default 200)")
    parser.add_argument("--stamp-size", type=int, default=63)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    print(f"{describe_machine()}; {given.threads} threads")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset = given.data or simulated(given, folder / "data.zarr")
        print(line("from arrays", *from_arrays(dataset, folder / "a", given.threads, given.schema)))
        rates = {}
        for files in FILE_KINDS:
            n, seconds, cpu = ours(
                dataset, AlertOptions(folder / files, given.schema, files), given.threads
            )
            rates[files] = n / cpu
            print(line(files, n, seconds, cpu))
        schema, records = records_of(folder / "container", PEER_PACKETS)
        print(line("ready", len(records), *ready_records(schema, records, folder / "ready")))
        seconds, cpu = usual_way(schema, records, folder / "usual")
        n = len(records)
        print(line("usual way", n, seconds, cpu))
        print(f"single packets over the usual way, CPU time {rates['packets'] * cpu / n:6.1f}")


if __name__ == "__main__":
    main()
