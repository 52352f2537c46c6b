"""Data sets in this package's own layout, simulated or real, checked and read as real sequences.

Arrays beyond the layout of real sequences (parameters of a simulation, other images) are kept.
Splits follow each other; objects without a name are called by split and number.
"""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from classifier.dataset import SPLITS, DatasetSplit
from finetune.ingest.real_arrays import real_specs
from finetune.readers.alert_photometry import photometry_path, read_photometry
from finetune.readers.protocol import OnFile, RealSequence, Skipped, stored_name
from finetune.readers.zarr_v2 import converted, is_v2
from simulator.dataset.reader import open_dataset
from simulator.dataset.schema import EPOCHS, OBJECTS, PIXELS, ArraySpec
from simulator.dataset.writer import CHUNK_OBJECTS
from simulator.detector.defects import OUTSIDE
from skyreel.errors import IngestError, SequenceError, SimulationError
from survey_profiles import load_profile
from survey_profiles.profile import Profile

_OWN = ("label", "n_epochs", "object_id", "source_file", "images", "mask")


class ZarrDataset:
    """Reader of data sets in this package's own layout."""

    name = "zarr"

    def files(self, path: Path) -> list[Path]:
        """Files of the data set at ``path``; UserError if it is none that can be used."""
        self.path, stored = Path(path), Path(path)
        if is_v2(stored):
            folder = mkdtemp(prefix="skyreel-zarr-v2-")
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            stored = converted(stored, Path(folder, "copy.zarr"))
        root = open_dataset(stored)
        self._splits = [DatasetSplit(stored, name) for name in SPLITS if name in root]
        if not self._splits:
            raise IngestError(f"{path} has no split {', '.join(SPLITS)}.")
        self._groups = [root[split.name] for split in self._splits]
        self.extra = _extra(self._groups)
        beside = photometry_path(self.path)
        self._photometry = beside if beside.is_file() else None
        return sorted(file for file in self.path.rglob("*") if file.is_file())

    def profile(self, survey: str | None) -> Profile:
        """The profile of the data set, or that of ``survey`` if it has the same bands."""
        own = self._splits[0]
        if not survey and "profile" not in own.attributes:
            raise IngestError(f"{self.path} holds no survey profile; give --survey.")
        profile = load_profile(survey) if survey else own.profile
        if tuple(profile.bands) != own.bands:
            raise IngestError(
                f"{self.path} has the bands {', '.join(own.bands)}, survey {profile.name} "
                f"{', '.join(profile.bands)}."
            )
        return profile

    def read(
        self, files: list[Path], profile: Profile, on_file: OnFile = lambda share: None
    ) -> Iterator[RealSequence | Skipped]:
        """One sequence per object, in the order of the data set."""
        total = sum(map(len, self._splits))
        curves = read_photometry(self._photometry) if self._photometry else {}
        for split, group in zip(self._splits, self._groups, strict=True):
            for first, end in split.blocks(CHUNK_OBJECTS):
                yield from self._block(split, group, slice(first, end), curves)
                on_file(len(files) * (end - first) / total)

    def _block(self, split, group, rows, curves):
        where = f"{stored_name(self.path)}/{split.name}"
        try:
            arrays = {n: a[rows] for n, a in group.arrays() if _dimensions(a)}
        except SimulationError as error:
            yield Skipped(where, f"objects {rows.start} to {rows.stop - 1}: {error}")
            return
        dimensions = {name: _dimensions(group[name]) for name in arrays}
        for i in range(rows.stop - rows.start):
            name = str(arrays["object_id"][i]) if "object_id" in arrays else ""
            name = name or f"{split.name}-{rows.start + i}"
            try:
                yield _sequence(name, where, arrays, dimensions, i, split.classes, curves)
            except SequenceError as error:
                yield Skipped(where, f"object {name}: {error}")


def _dimensions(array):
    """Dimensions of an array, None if it is not one that is read."""
    found = array.metadata.dimension_names
    found = None if found is None else tuple(found)
    return found if found in (PIXELS, EPOCHS, OBJECTS) else None


def _extra(groups):
    """Specifications of the arrays beyond the layout of real sequences."""
    known = {spec.name for spec in real_specs()}
    specs = {}
    for group in groups:
        for name, array in group.arrays():
            dimensions = _dimensions(array)
            if dimensions and name not in known:
                plain = array.dtype.kind in "fiub"
                specs[name] = ArraySpec(
                    name,
                    dimensions,
                    array.dtype.name if plain else "string",
                    str(array.attrs.get("units", "")),
                    str(array.attrs.get("description", "")),
                )
    return tuple(specs.values())


def _sequence(name, where, arrays, dimensions, i, classes, curves):
    n = int(arrays["n_epochs"][i])
    longest = arrays["images"].shape[1]
    if not 1 <= n <= longest:
        raise SequenceError(f"n_epochs is {n}; its arrays hold 1 to {longest}.")
    mask = arrays["mask"][i, :n]
    outside = (mask & OUTSIDE) != 0
    images = {k: _inside(arrays[k][i, :n], outside) for k in _of(dimensions, PIXELS, "mask")}
    label = int(arrays["label"][i])
    source = str(arrays["source_file"][i]) if "source_file" in arrays else where
    return RealSequence(
        object_id=name,
        class_name=classes[label] if 0 <= label < len(classes) else None,
        source=source,
        images=images.pop("images"),
        mask=mask,
        epochs={k: arrays[k][i, :n] for k in _of(dimensions, EPOCHS)},
        objects={k: arrays[k][i] for k in _of(dimensions, OBJECTS, *_OWN)},
        more_images=images,
        photometry=curves.get(name, {}),
    )


def _inside(image, outside):
    """Pixels as float32 with NaN outside the detector; masks stay whole numbers, with its bit."""
    if image.dtype == np.uint8:
        return np.where(outside, image | OUTSIDE, image).astype(np.uint8)
    return np.where(outside, np.nan, image).astype(np.float32)


def _of(dimensions, kind, *but):
    return [name for name, found in dimensions.items() if found == kind and name not in but]
