"""A stored data set as a notebook shows it: counts, and one object of every class."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from simulator.dataset.schema import PIXELS, plane_specs
from simulator.options import SPLITS
from simulator.preview.contact_sheet import COLUMNS, contact_sheet
from simulator.preview.triplet_sheet import triplet_sheet
from simulator.sequences import EPOCH_ARRAYS, Sequences
from skyreel.report.page import picture_html

if TYPE_CHECKING:
    from zarr import Group

_MOST_READ = 1024  # objects that are searched for examples
_MOST_READ_WITH_PLANES = 64  # where templates and differences are read as well


def dataset_html(dataset: Group) -> str:
    """A caption and a contact sheet, as HTML; only the caption where no object is stored."""
    sizes = {name: dataset[name]["label"].shape[0] for name in SPLITS if name in dataset}
    counts = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
    about = (
        f"{dataset.attrs.get('survey', 'unknown survey')}: {counts} sequences of "
        f"{', '.join(dataset.attrs['classes'])}; bands {', '.join(dataset.attrs['bands'])}"
    )
    split = next((name for name, size in sizes.items() if size), None)
    if split is None:
        return picture_html(about)
    drawn = _contact_sheet if "options" in dataset.attrs else _stamps
    return picture_html(about, drawn(dataset, split))


def _contact_sheet(dataset, split) -> bytes:
    """PNG of simulated sequences."""
    group = dataset[split]
    with_planes = len(dataset.attrs.get("planes", ())) > 1
    rows = slice(0, _MOST_READ_WITH_PLANES if with_planes else _MOST_READ)
    objects = {
        name: array[rows] for name, array in group.arrays() if array.shape == group["label"].shape
    }
    specs = plane_specs(dataset.attrs.get("planes", ()))
    planes = {s.name: group[s.name][rows] for s in specs if s.dimensions == PIXELS}
    measured = [s.name for s in specs if s.dimensions != PIXELS]
    epochs = {name: group[name][rows] for name in (*EPOCH_ARRAYS, *measured)}
    sequences = Sequences(group["images"][rows], group["mask"][rows], epochs, objects, planes)
    names = dataset.attrs["classes"], dataset.attrs["bands"]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sheet.png"
        draw = triplet_sheet if planes else contact_sheet
        draw(sequences, *names, path, title=dataset.attrs["profile"]["title"])
        return path.read_bytes()


def _stamps(dataset, split) -> bytes:
    """PNG of real sequences: the first object of every class, its epochs from left to right."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    group = dataset[split]
    labels, first = np.unique(group["label"][:_MOST_READ], return_index=True)
    names = [*dataset.attrs["classes"], *[""] * 256]
    figure = Figure(figsize=(COLUMNS, 1.15 * len(first)), layout="constrained")
    FigureCanvasAgg(figure)
    for row, (label, axes) in enumerate(zip(labels, _grid(figure, len(first)), strict=True)):
        images = group["images"][first[row]].astype(float)
        images = images[: group["n_epochs"][first[row]]]
        images -= np.nanmedian(images, axis=(1, 2), keepdims=True)
        epochs = np.unique(np.linspace(0, len(images) - 1, COLUMNS).round().astype(int))
        low, high = np.nanpercentile(images[epochs], [5, 99.5])
        for panel, epoch in zip(axes, epochs, strict=False):
            panel.imshow(images[epoch], vmin=low, vmax=high, cmap="gray", origin="lower")
        axes[0].set_ylabel(names[label], rotation=0, ha="right", visible=True)
    image = BytesIO()
    figure.savefig(image, format="png", dpi=80)
    return image.getvalue()


def _grid(figure, rows):
    grid = figure.subplots(rows, COLUMNS, squeeze=False)
    for panel in grid.flat:
        panel.set(xticks=[], yticks=[], frame_on=False)
    return grid
