"""Packets kept on disk until all of an object are there.

An archive may hold more than fits into memory, and an object's packets lie anywhere in it. What
stays in memory is where they are.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator

from finetune.readers.base import MAX_EPOCHS
from simulator.errors import StoreError


class Spool:
    """Packets by object, in a temporary file that nobody else sees."""

    def __init__(self):
        self._file = tempfile.TemporaryFile()  # noqa: SIM115, closed by __exit__
        self._places: dict[str, list[int]] = {}

    def __len__(self):
        return len(self._places)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def add(self, object_id: str, packet) -> bool:
        """Keep a packet; False where its object has as many as a sequence may have.

        Raises
        ------
        StoreError
            The disk is full.
        """
        places = self._places.setdefault(object_id, [])
        if len(places) == MAX_EPOCHS:
            return False
        try:
            places.append(self._file.seek(0, 2))
            pickle.dump(packet, self._file, protocol=pickle.HIGHEST_PROTOCOL)
        except OSError as error:
            raise StoreError(
                f"{tempfile.gettempdir()}: packets cannot be kept there ({error.strerror}); set "
                "TMPDIR to a folder with room for all of them."
            ) from error
        return True

    def objects(self) -> Iterator[tuple[str, list]]:
        """Each object and its packets, in the order in which they came."""
        for object_id, places in self._places.items():
            packets = []
            for place in places:
                self._file.seek(place)
                packets.append(pickle.load(self._file))
            yield object_id, packets
