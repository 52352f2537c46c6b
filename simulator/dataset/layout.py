"""What the metadata of a data set state: its arrays, and the files of their chunks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from simulator.dataset.schema import MARKS

_NEVER_EMPTY = ("images", "mjd", "n_epochs")


@dataclass(frozen=True)
class ArrayLayout:
    """What the metadata of an array state.

    ``chunk_shape`` is that of its files, ``part_shape`` that of what is decoded at once.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    dimensions: tuple[str | None, ...] | None
    chunk_shape: tuple[int, ...]
    part_shape: tuple[int, ...]
    has_checksums: bool

    def chunks(self) -> Iterator[str]:
        """Places of its chunks, below the folder of the array."""
        for number in range(self.n_chunks):  # a claimed grid may be too large for a list
            place = []
            for count in reversed(self._grid):
                number, k = divmod(number, count)
                place.append(k)
            yield "/".join(map(str, ("c", *reversed(place))))

    @property
    def n_chunks(self) -> int:
        """Number of its chunks."""
        return math.prod(self._grid)

    @property
    def _grid(self):
        return [-(-n // step) for n, step in zip(self.shape, self.chunk_shape, strict=True)]

    def chunk(self, number: int) -> str:
        """Place of one chunk along the first axis, in an array that is cut along no other."""
        return "/".join(map(str, ("c", number, *[0] * (len(self.shape) - 1))))


@dataclass(frozen=True)
class Layout:
    """The splits of a data set and their arrays, as its metadata state them."""

    path: Path
    attributes: dict[str, Any]
    splits: dict[str, dict[str, ArrayLayout]]

    def must_be_whole(self, split: str, name: str) -> bool:
        """Whether every chunk of an array has a file once its shard is complete.

        Version 0.2 wrote no chunk of real sequences that held nothing but the fill value.
        """
        array = self.splits.get(split, {}).get(name)
        if array is None or name == MARKS:
            return False
        return array.has_checksums or "options" in self.attributes or name in _NEVER_EMPTY

    def missing_chunks(self, split: str) -> Iterator[Path]:
        """Files that a complete split must have and has not."""
        for name, array in self.splits[split].items():
            absent = (
                file
                for place in array.chunks()
                if not (file := self.path / split / name / place).is_file()
            )
            if self.must_be_whole(split, name):
                yield from absent
            elif name == "label" and len(self.attributes["classes"]) > 1:
                # left out where all are of the first class, which is not so for every chunk
                found = list(islice(absent, array.n_chunks))
                if found and len(found) == array.n_chunks:
                    yield found[0]

    def has_shard(self, split: str, shard: int) -> bool:
        """Whether every chunk of a shard is there."""
        return all(
            (self.path / split / name / array.chunk(shard)).is_file()
            for name, array in self.splits[split].items()
            if self.must_be_whole(split, name)
        )
