"""Files of packets: single packets in a folder a night, one container a night, or nightly tars.

Packets are kept in parts, one for each batch of objects, until all are made, and are then sorted
into nights. A part and a night are there whole or not at all.
"""

from __future__ import annotations

import gzip
import mmap
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simulator.alerts.alert_identifiers import calendar_days
from simulator.alerts.avro_bytes import block, container_header, sync_marker
from simulator.alerts.fits_bytes import gzipped
from simulator.alerts.observations import Alert
from skyreel.atomic_files import whole_file
from skyreel.errors import OutputError

FILE_KINDS = ("packets", "container", "tar")
PARTS = "parts.partial"
TRUTH = "truth.parquet"

_PLACE = ("mjd", "source_id", "offset", "size")
_OPEN_PARTS = 256  # files of parts that are open at once
_TAR_BLOCK, _TAR_RECORD = 512, 10_240


class Night(NamedTuple):
    """The packets of a night: its date, and the rows of the index, in order of time."""

    date: int
    rows: np.ndarray


class Archive:
    """The files of one run of alerts.

    Parameters
    ----------
    folder : Path
    schema : str
        Text of the Avro schema.
    kind : str
        One of ``FILE_KINDS``.
    prefix : str
        Beginning of the names of containers and tars.
    night_starts : float
        Part of a day (UT) at which a night begins.
    has_compressed_stamps : bool
        Whether packets do not become smaller by compression.
    """

    def __init__(
        self,
        folder: Path,
        schema: str,
        kind: str,
        prefix: str,
        *,
        night_starts: float,
        has_compressed_stamps: bool,
    ) -> None:
        self.folder, self.kind, self._prefix = folder, kind, prefix
        self._parts = folder / PARTS
        self._night_starts = night_starts
        self._header, self._sync = container_header(schema), sync_marker(schema)
        self._packed_header = gzip.compress(self._header, mtime=0)
        self._pack = _stored if has_compressed_stamps else gzipped
        self._content = lru_cache(maxsize=_OPEN_PARTS)(self._mapped)

    def has_part(self, name: str) -> bool:
        """Whether a part is there."""
        return self._table_path(name).is_file()

    def write_part(
        self,
        name: str,
        alerts: Iterable[Alert],
        truth: Callable[[Sequence[Alert]], pa.Table],
    ) -> None:
        """Write packets as they are made, and their rows of the table of truth.

        ``truth`` is called with the alerts without their packets.
        """
        written, sizes = [], []
        with whole_file(self._packets_path(name)) as path, path.open("wb") as file:
            for alert in alerts:
                sizes.append(file.write(alert.packet))
                written.append(alert._replace(packet=b""))
        columns = {
            "mjd": pa.array([alert.mjd for alert in written], pa.float64()),
            "source_id": pa.array([alert.source_id for alert in written], pa.int64()),
            "offset": pa.array(np.cumsum([0, *sizes])[:-1], pa.int64()),
            "size": pa.array(sizes, pa.int64()),
        }
        table = truth(written)
        for key, values in columns.items():
            table = table.append_column(f"_{key}", values)
        with whole_file(self._table_path(name)) as path:
            pq.write_table(table, path, compression="zstd")

    def _mapped(self, name):
        """The packets of a part; the file is closed when nothing refers to it any longer."""
        with self._packets_path(name).open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def _packets_path(self, name):
        return self._parts / f"{name}.packets"

    def _table_path(self, name):
        return self._parts / f"{name}.parquet"

    def index(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Columns of the packets of all parts: ``part``, and what ``write_part`` keeps."""
        columns = [f"_{key}" for key in _PLACE]
        tables = [self._table(name, columns) for name in names]
        found = {
            key: np.concatenate([table[f"_{key}"].to_numpy() for table in tables]) for key in _PLACE
        }
        found["part"] = np.repeat(np.arange(len(names)), [len(table) for table in tables])
        return found

    def _table(self, name, columns=None):
        path = self._table_path(name)
        try:
            return pq.read_table(path, columns=columns)
        except (OSError, pa.ArrowException) as error:
            raise OutputError(
                f"{path} is damaged ({type(error).__name__}). Delete it and run the command again."
            ) from None

    def nights(self, index: dict[str, np.ndarray]) -> list[Night]:
        """The nights of an index, in order."""
        order = np.lexsort((index["source_id"], index["mjd"]))
        night = np.floor(index["mjd"][order] - self._night_starts).astype(np.int64)
        found, starts = np.unique(night, return_index=True)
        dates = calendar_days(found).tolist()
        return [Night(*pair) for pair in zip(dates, np.split(order, starts[1:]), strict=True)]

    def path_of(self, night: Night) -> Path:
        """The file or folder of a night."""
        suffix = {"packets": "", "container": ".avro", "tar": ".tar.gz"}[self.kind]
        return self.folder / f"{self._prefix}_{night.date}{suffix}"

    def write_night(self, night: Night, index: dict[str, np.ndarray], names: Sequence[str]) -> None:
        """Write the packets of a night, in order of time, where they are not there yet."""
        path = self.path_of(night)
        if path.exists():
            return
        packets = self._packets(night, index, names)
        try:
            if self.kind == "packets":
                self._write_folder(path, packets)
            else:
                write = self._container if self.kind == "container" else self._tar
                with whole_file(path) as unfinished, unfinished.open("wb") as file:
                    file.writelines(write(packets))
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror or error}).") from error

    def _packets(self, night, index, names) -> Iterator[tuple[int, bytes]]:
        columns = (index[key][night.rows].tolist() for key in ("part", "offset", "size"))
        for row, part, offset, size in zip(night.rows.tolist(), *columns, strict=True):
            packet = self._content(names[part])[offset : offset + size]
            if len(packet) != size:
                raise OutputError(
                    f"{self._packets_path(names[part])} is damaged (it ends too early). Delete "
                    f"{self._table_path(names[part])} and run the command again."
                )
            yield int(index["source_id"][row]), packet

    def _write_folder(self, path, packets):
        unfinished = f"{path}.partial"
        shutil.rmtree(unfinished, ignore_errors=True)
        os.mkdir(unfinished)
        for source_id, packet in packets:
            with open(f"{unfinished}/{source_id}.avro", "wb", buffering=0) as file:
                file.write(self._header + block([packet], self._sync))
        os.rename(unfinished, path)

    def _container(self, packets):
        yield self._header
        for _, packet in packets:
            yield block([packet], self._sync)

    def _tar(self, packets):
        """A tar of single packets, every part of it a gzip member of its own.

        Members follow each other in a gzip file, and the head of all packets is compressed once.
        """
        total = 0
        for source_id, packet in packets:
            content = block([packet], self._sync)
            size = len(self._header) + len(content)
            member = tarfile.TarInfo(f"{source_id}.avro")
            member.size, member.mode = size, 0o644
            padding = -size % _TAR_BLOCK
            yield gzipped(member.tobuf(tarfile.USTAR_FORMAT))
            yield self._packed_header
            yield self._pack(content + bytes(padding))
            total += _TAR_BLOCK + size + padding
        yield gzipped(bytes(2 * _TAR_BLOCK + -(total + 2 * _TAR_BLOCK) % _TAR_RECORD))

    def write_truth(self, names: Sequence[str]) -> None:
        """Write the table of truth of all parts."""
        writer = None
        with whole_file(self.folder / TRUTH) as path:
            for name in names:
                table = self._table(name)
                kept = [key for key in table.column_names if not key.startswith("_")]
                table = table.select(kept)
                writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
                writer.write_table(table)
            if writer is not None:
                writer.close()

    def remove_parts(self) -> None:
        """Remove what is kept until all packets are made."""
        self._content.cache_clear()
        shutil.rmtree(self._parts, ignore_errors=True)


def _stored(content: bytes) -> bytes:
    """Content as gzip, not compressed."""
    packer = zlib.compressobj(0, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()
