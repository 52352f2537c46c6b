"""The arrays of a data set of real sequences: those of simulated ones without the true scene.

Parameters that only a simulation has (hosts, neighbours, physics) have no array here; unknown
values are NaN or -1. Counts are float32, because calibrated counts are not integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from finetune.readers.protocol import RealSequence
from simulator.dataset.schema import OBJECTS, ArraySpec, array_specs
from simulator.detector.defects import OUTSIDE

UNLABELLED = 255
_SCENE = ("has_host", "host_mag", "host_x_pix", "host_y_pix", "n_neighbours")
_MAY_BE_INFINITE = ("magnitude",)  # the true one of no light
_MEANINGS = {
    "images": "calibrated counts, sky included; NaN where not measured or padded",
    "sky_adu": "sky level of one pixel at the object",
    "seeing_fwhm_arcsec": "half-maximum width of the PSF; NaN where unknown",
    "zero_point_mag": "AB magnitude of 1 ADU/s; NaN where unknown",
    "magnitude": "unknown for real objects: NaN",
    "label": f"index into the attribute classes; {UNLABELLED}: unlabelled",
    "first_alert_epoch": "first epoch in which the survey raised an alert; -1 where none is known",
    "n_detections": "unknown: -1",
    "max_signal_to_noise": "unknown: NaN",
}
_OWN = (
    ArraySpec("object_id", OBJECTS, "string", "", "name of the object"),
    ArraySpec("source_file", OBJECTS, "string", "", "file it was read from, end of its path"),
)


def real_specs(extra: tuple[ArraySpec, ...] = ()) -> tuple[ArraySpec, ...]:
    """Specifications of the arrays of real sequences; ``extra`` are those of a reader."""
    shared = [spec for spec in array_specs({}) if spec.name not in _SCENE]
    return (*(_of_real(spec) for spec in shared), *_OWN, *extra)


def _of_real(spec):
    dtype = "float32" if spec.name == "images" else spec.dtype
    return replace(spec, dtype=dtype, description=_MEANINGS.get(spec.name, spec.description))


def fitted(images: np.ndarray, size_pix: int, outside: float) -> np.ndarray:
    """Stamps (epoch, row, column) cut or padded to ``size_pix`` about the central pixel.

    The central pixel of n is number n // 2, from 0. Padding has the value ``outside``.
    """
    cut = np.full((len(images), size_pix, size_pix), outside, dtype=images.dtype)
    (from_y, to_y), (from_x, to_x) = (_overlap(n, size_pix) for n in images.shape[1:])
    cut[:, to_y, to_x] = images[:, from_y, from_x]
    return cut


def _overlap(n, size):
    """Common range of ``size`` pixels about the centre of ``n``, in the old and the new stamp."""
    first = n // 2 - size // 2
    start, end = max(first, 0), min(first + size, n)
    return slice(start, end), slice(start - first, end - first)


def as_arrays(
    sequences: Sequence[RealSequence],
    specs: Sequence[ArraySpec],
    *,
    n_epochs: int,
    size_pix: int,
    classes: Sequence[str],
) -> dict[str, np.ndarray]:
    """Sequences as the padded arrays of ``specs``; missing values are the fill value."""
    sizes = {"object": len(sequences), "epoch": n_epochs, "y": size_pix, "x": size_pix}
    arrays = {spec.name: _empty(spec, sizes) for spec in specs}
    for i, sequence in enumerate(sequences):
        end = len(sequence.images)
        arrays["mask"][i, :end] = fitted(sequence.mask, size_pix, OUTSIDE)
        for name, images in {"images": sequence.images, **sequence.more_images}.items():
            outside = OUTSIDE if images.dtype.kind == "u" else np.nan
            arrays[name][i, :end] = fitted(images, size_pix, outside)
        for name, values in sequence.epochs.items():
            exact = name in _MAY_BE_INFINITE
            arrays[name][i, :end] = values if exact else _finite(values, arrays[name].dtype)
        for name, value in {**sequence.objects, **_own_values(sequence, classes)}.items():
            arrays[name][i] = _finite(value, arrays[name].dtype)
    return arrays


def _finite(values, dtype):
    """Values that a float array can hold as they are, others NaN; of other types unchanged."""
    if dtype.kind != "f":
        return values
    values = np.asarray(values, dtype=np.float64)
    return np.where(np.abs(values) <= np.finfo(dtype).max, values, np.nan)


def _empty(spec, sizes):
    shape = tuple(sizes[d] for d in spec.dimensions)
    dtype = object if spec.dtype == "string" else spec.dtype
    return np.full(shape, spec.fill_value, dtype=dtype)


def _own_values(sequence, classes):
    named = sequence.class_name is not None
    return {
        "label": classes.index(sequence.class_name) if named else UNLABELLED,
        "n_epochs": len(sequence.images),
        "object_id": sequence.object_id,
        "source_file": "/".join(Path(sequence.source).parts[-2:]),
    }
