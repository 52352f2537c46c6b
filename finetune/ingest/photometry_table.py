"""Light curves that came along, in one Parquet table beside the data set.

They have measurements at times without a stamp, many more than there are epochs, so they have no
place among its arrays. With ``object, mjd, magnitude, error`` the table is one that ``features``
reads.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from finetune.readers.alert_photometry import COLUMNS, photometry_path

_TEXT = ("object", "band", "kind")
SCHEMA = pa.schema(
    [(name, pa.string() if name in _TEXT else pa.float64()) for name in ("object", *COLUMNS)]
)


class PhotometryFile:
    """The table of one data set, made only if there is something to put in."""

    def __init__(self, dataset: Path):
        self.path = photometry_path(dataset)
        self._unfinished = self.path.with_name(self.path.name + ".partial")
        self._writer = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._writer is not None:
            self._writer.close()
        self._unfinished.unlink(missing_ok=True)

    def add(self, sequences) -> None:
        """Write the measurements of some objects."""
        tables = [_table(s.object_id, s.photometry) for s in sequences if s.photometry]
        if not tables:
            return
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._unfinished, SCHEMA, compression="zstd")
        self._writer.write_table(pa.concat_tables(tables))

    def finish(self) -> None:
        """Give the table its name; one of an earlier data set goes."""
        if self._writer is None:
            self.path.unlink(missing_ok=True)
            return
        self._writer.close()
        self._unfinished.replace(self.path)


def _table(object_id, columns):
    n = len(columns["mjd"])
    return pa.table({"object": [object_id] * n, **columns}, schema=SCHEMA)
