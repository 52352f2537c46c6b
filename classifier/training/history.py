"""What happened during training: one row for every look at the validation set."""

from __future__ import annotations

import csv
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from skyreel.atomic_files import whole_file


@dataclass(frozen=True)
class ValidationRecord:
    """One look at the validation set.

    ``waited_share`` is the part of the time since the run was last started that was spent waiting
    for training sequences.
    ``loss`` is the mean over the training batches since the look before; losses are sums over
    the images of a sequence, means over sequences. Accuracies are after 1, 3, 6, 10 images and
    after all.
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


def write_history(path: Path, looks: list[ValidationRecord]) -> None:
    """Write looks as CSV."""
    with whole_file(path) as unfinished, unfinished.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(_COLUMNS)
        rows.writerows([f"{value:.6g}" for value in astuple(look)] for look in looks)


def read_history(path: Path) -> list[ValidationRecord]:
    """Read what ``write_history`` wrote."""
    with path.open(newline="") as file:
        return [
            ValidationRecord(int(float(row[0])), int(float(row[1])), *map(float, row[2:]))
            for row in list(csv.reader(file))[1:]
        ]


def plot_history(path: Path, looks: list[ValidationRecord], title: str) -> None:
    """Draw losses and accuracies against iterations."""
    import matplotlib.style
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    from skyreel.report.theme import DPI, RC_PARAMS

    with matplotlib.style.context(["default", RC_PARAMS]):
        figure = Figure(figsize=(8, 3.2), layout="constrained")
        losses, accuracies = figure.subplots(1, 2)
        x = [look.iteration for look in looks]
        best = min(looks, key=lambda look: look.validation_loss)
        losses.plot(x, [look.loss for look in looks], ".-", label="training", color="0.6")
        losses.plot(x, [look.validation_loss for look in looks], ".-", label="validation")
        losses.plot(best.iteration, best.validation_loss, "o", color="C3", label="kept")
        losses.set(xlabel="iteration", ylabel="loss, summed over images")
        for name, label in (("accuracy", "all"), ("accuracy_10", "10"), ("accuracy_3", "3")):
            accuracies.plot(x, [getattr(look, name) for look in looks], ".-", label=label)
        accuracies.set(xlabel="iteration", ylabel="validation accuracy")
        accuracies.legend(title="images")
        losses.legend()
        for axes in (losses, accuracies):
            axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        figure.suptitle(title, fontsize=10)
        with whole_file(path) as unfinished:
            figure.savefig(unfinished, dpi=DPI, format="png")


class TensorBoardLog:
    """The same rows as scalars for TensorBoard."""

    def __init__(self, folder: Path):
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(str(folder))

    def write(self, look: ValidationRecord) -> None:
        """Add one row."""
        for name, value in zip(_COLUMNS[2:], astuple(look)[2:], strict=True):
            self._writer.add_scalar(name, value, look.iteration)
        self._writer.flush()

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()
