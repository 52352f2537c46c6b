"""Models of any kind, opened by name or by folder.

>>> from classifier.models.registry import open_model
>>> open_model("hits-compact").classes
('SN', 'RRL', 'CEP', 'EB', 'NV', 'GAL', 'AST')
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from classifier.image_selection import SelectedSplit
from classifier.models.model_card import CARD, read_card
from classifier.same_survey import SurveyInput, check_same_survey
from skyreel.errors import ClassifierError

if TYPE_CHECKING:
    from classifier.dataset import DatasetSplit
    from classifier.models.protocol import Model

SHIPPED = Path(__file__).parents[1] / "shipped"
KINDS = {
    "network": ("classifier.models.recurrent.trained_network", "Network"),
    "stamp": ("classifier.models.stamp.stamp_classifier", "StampClassifier"),
    "autoencoder": ("classifier.models.autoencoder.alert_clusters", "AlertClusters"),
    "alert-forest": ("classifier.models.forest.alert_forest", "AlertForest"),
    "logistic-regression": (
        "classifier.models.stamp.logistic_regression",
        "LogisticRegression",
    ),
    "forest": ("classifier.models.forest.forest", "Forest"),
    "ensemble": ("classifier.models.ensemble", "Ensemble"),
    "alert-ensemble": ("classifier.models.alert_ensemble", "AlertEnsemble"),
}
"""Module and class of the models of a kind, by the kind that their cards name."""


def shipped_models() -> tuple[str, ...]:
    """Names of the models that come with the package."""
    return tuple(sorted(path.parent.name for path in SHIPPED.glob(f"*/{CARD}")))


def model_folder(name: str | Path) -> Path:
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


def open_model(name: str | Path, *, threads: int | None = None) -> Model:
    """A trained model of the kind that its card names.

    Parameters
    ----------
    name : str or path
        A folder, or the name of a shipped model.
    threads : int or None
        Threads that a network may use; None: the default of Keras.

    Raises
    ------
    ClassifierError
        There is no such model, or it is unfinished, damaged or of another format.
    """
    folder = model_folder(name)
    kind = read_card(folder)["kind"]
    if kind not in KINDS:
        raise ClassifierError(
            f"{folder / CARD} is of a {kind!r:.80}, which is not supported by this version."
        )
    module, class_name = KINDS[kind]
    family = getattr(import_module(module), class_name)
    if threads is not None and "keras" in family.packages:
        from classifier.models.recurrent.backend import use_cores

        use_cores(threads)
    return family.open(folder)


def makes_clusters(model: Model) -> bool:
    """Whether a model has clusters in place of classes."""
    return bool(model.card["kind"] == "autoencoder")


def check_fit(
    name: str | Path,
    model: Model,
    split: DatasetSplit,
    *,
    any_survey: bool,
    any_class: bool = False,
) -> tuple[str, ...]:
    """Check that a model can classify a split, before any work is done.

    Returns
    -------
    tuple of str
        Differences of the surveys that ``any_survey`` allows, to be printed.

    Raises
    ------
    ClassifierError
        Another survey, classes the model does not have or a model of clusters (unless
        ``any_class``), another stamp size, or no such band.
    """
    notes = check_same_survey(
        SurveyInput.of_model(name, model), SurveyInput.of_split(split), any_survey=any_survey
    )
    if not any_class:
        if makes_clusters(model):
            raise ClassifierError(f"{name} makes clusters, which are no classes; use classify.")
        split.labels_among(model.classes, getattr(model, "class_parts", {}))
    if model.size_pix not in (None, split.size_pix):
        raise ClassifierError(
            f"{split.path} has stamps of {split.size_pix} pixels; {name} takes {model.size_pix}."
        )
    if check_split := getattr(model, "check_split", None):
        check_split(split)
    SelectedSplit(split, model.selection)
    return notes
