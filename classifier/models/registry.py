"""Models by name or by folder, of any kind.

>>> from classifier.models.registry import open_model
>>> open_model("hits-compact").classes
('SN', 'RRL', 'CEP', 'EB', 'NV', 'GAL', 'AST')
"""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

from classifier.dataset import DatasetSplit
from classifier.image_selection import SelectedSplit
from classifier.models.model_card import CARD, read_card
from skyreel.errors import ClassifierError

SHIPPED = Path(__file__).parents[1] / "shipped"
ADDED = "skyreel.models"
"""Entry points of kinds of models that other packages add, by the kind their cards name."""


def shipped_models() -> tuple[str, ...]:
    """Names of the models that come with the package."""
    return tuple(sorted(path.parent.name for path in SHIPPED.glob(f"*/{CARD}")))


def model_folder(name) -> Path:
    """Folder of a model given by folder or by the name of one that is shipped.

    Raises
    ------
    ClassifierError
        It is neither.
    """
    if Path(name).is_dir():
        return Path(name)
    known = shipped_models()
    if str(name) in known:
        return SHIPPED / str(name)
    raise ClassifierError(
        f"{name} is neither a folder nor a model that comes with the package "
        f"({', '.join(known) or 'there is none'})."
    )


def open_model(name, *, threads: int | None = None):
    """A trained model of the kind that its card names.

    ``threads`` is how many a network may use; None: as Keras likes.

    Raises
    ------
    ClassifierError
        No such model, or one that is unfinished, damaged or of another format.
    """
    folder = model_folder(name)
    kind = read_card(folder)["kind"]
    if kind == "forest":
        from classifier.models.forest.forest import Forest

        return Forest.open(folder)
    if kind == "network":
        from classifier.models.recurrent.backend import use_cores
        from classifier.models.recurrent.network import Network

        if threads is not None:
            use_cores(threads)
        return Network.open(folder)
    for entry in entry_points(group=ADDED, name=kind):
        if threads is not None:
            from classifier.models.recurrent.backend import use_cores

            use_cores(threads)
        return entry.load().open(folder)
    raise ClassifierError(f"{folder / CARD} is of a {kind!r}, which this version does not know.")


def check_fit(name, model, split: DatasetSplit, *, any_survey: bool) -> None:
    """Check that a model can classify a split, before any work is done.

    Raises
    ------
    ClassifierError
        Another survey, classes the model does not know, another stamp size, or no such band.
    """
    if model.survey != split.survey and not any_survey:
        raise ClassifierError(
            f"{name} was trained on {model.survey}, {split.path} is {split.survey}. To use it all "
            "the same: --any-survey."
        )
    split.labels_among(model.classes)
    size_pix = getattr(model, "size_pix", split.size_pix)  # a forest takes stamps of any size
    if size_pix != split.size_pix:
        raise ClassifierError(
            f"{split.path} has stamps of {split.size_pix} pixels; {name} takes {size_pix}."
        )
    SelectedSplit(split, model.selection)
