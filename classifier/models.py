"""Models by name or by folder, of any kind.

>>> from classifier.models import open_model
>>> open_model("hits-compact").classes
('SN', 'RRL', 'CEP', 'EB', 'NV', 'GAL', 'AST')
"""

from __future__ import annotations

from pathlib import Path

from classifier.card import CARD, read_card
from classifier.errors import ClassifierError

SHIPPED = Path(__file__).parent / "shipped"


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


def open_model(name):
    """A `classifier.networks.model.Network` or `classifier.forest.model.Forest`.

    Raises
    ------
    ClassifierError
        No such model, or one that is unfinished, damaged or of another format.
    """
    folder = model_folder(name)
    kind = read_card(folder)["kind"]
    if kind == "forest":
        from classifier.forest.model import Forest

        return Forest.open(folder)
    if kind == "network":
        from classifier.networks.model import Network

        return Network.open(folder)
    raise ClassifierError(f"{folder / CARD} is of a {kind!r}, which this version does not know.")
