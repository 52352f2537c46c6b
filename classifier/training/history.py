"""The history of a training: one record per validation."""

from __future__ import annotations

import csv
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np

from skyreel.atomic_files import whole_file


@dataclass(frozen=True)
class ValidationRecord:
    """One validation.

    ``loss`` is the mean over the training batches since the validation before; losses are sums
    over the images of a sequence, means over sequences. Accuracies are after 1, 3, 6, 10 images
    and after all; NaN for a network that reads fewer, or has no labels. ``waited_share`` is the
    share of the time since the run was last started that was spent waiting for training sequences.
    """

    iteration: int
    sequences: int
    seconds: float
    learning_rate: float
    loss: float
    validation_loss: float
    accuracy: float
    accuracy_1: float
    accuracy_3: float
    accuracy_6: float
    accuracy_10: float
    waited_share: float


_COLUMNS = [field.name for field in fields(ValidationRecord)]


def write_history(path: Path, records: list[ValidationRecord]) -> None:
    """Write records as CSV."""
    with whole_file(path) as unfinished, unfinished.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(_COLUMNS)
        rows.writerows([f"{value:.6g}" for value in astuple(record)] for record in records)


def read_history(path: Path) -> list[ValidationRecord]:
    """Records that `write_history` wrote."""
    with path.open(newline="") as file:
        return [
            ValidationRecord(int(float(row[0])), int(float(row[1])), *map(float, row[2:]))
            for row in list(csv.reader(file))[1:]
        ]


def plot_history(path: Path, records: list[ValidationRecord], title: str) -> None:
    """Plot losses, and accuracies where they are known, against iterations."""
    import matplotlib.style
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    from skyreel.report.theme import DPI, RC_PARAMS

    best = min(records, key=lambda record: record.validation_loss)
    with matplotlib.style.context(["default", RC_PARAMS]):
        scored = np.isfinite(best.accuracy)
        figure = Figure(figsize=(8 if scored else 4.5, 3.2), layout="constrained")
        losses, *others = figure.subplots(1, 2 if scored else 1, squeeze=False)[0]
        x = [record.iteration for record in records]
        losses.plot(x, [record.loss for record in records], ".-", label="training", color="0.6")
        losses.plot(x, [record.validation_loss for record in records], ".-", label="validation")
        losses.plot(best.iteration, best.validation_loss, "o", color="C3", label="kept")
        of_images = ", summed over images" if scored else ""
        losses.set(xlabel="iteration", ylabel=f"loss{of_images}")
        losses.legend()
        for axes in others:
            _plot_accuracies(axes, records, best)
        for axes in (losses, *others):
            axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        figure.suptitle(title, fontsize=10)
        with whole_file(path) as unfinished:
            figure.savefig(unfinished, dpi=DPI, format="png")


def _plot_accuracies(axes, records, best):
    x = [record.iteration for record in records]
    for name, label in (("accuracy", "all"), ("accuracy_10", "10"), ("accuracy_3", "3")):
        if np.isfinite(getattr(best, name)):
            axes.plot(x, [getattr(record, name) for record in records], ".-", label=label)
    axes.set(xlabel="iteration", ylabel="validation accuracy")
    axes.legend(title="images")


class TensorBoardLog:
    """The same records as scalars for TensorBoard."""

    def __init__(self, folder: Path):
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(str(folder))

    def write(self, record: ValidationRecord) -> None:
        """Add one record."""
        for name, value in zip(_COLUMNS[2:], astuple(record)[2:], strict=True):
            if np.isfinite(value):
                self._writer.add_scalar(name, value, record.iteration)
        self._writer.flush()

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()
