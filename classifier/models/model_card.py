"""The card of a trained model: the JSON file that makes a folder a model."""

from __future__ import annotations

import json
from pathlib import Path

from skyreel.errors import ClassifierError

CARD = "model.json"
_ALWAYS = ("format_version", "kind", "classes", "survey")


def read_card(folder, *, kind: str | None = None, version: int = 1, keys=()) -> dict:
    """The card of a model.

    Parameters
    ----------
    folder : path
    kind : str or None
        What it must be a model of; None: anything.
    version : int
        Format it must have, where a kind is asked for.
    keys : iterable of str
        What it must hold beside kind, format, classes and survey.

    Raises
    ------
    ClassifierError
        There is none, or it is damaged, or of another kind or format.
    """
    path = Path(folder) / CARD
    if not path.is_file():
        raise ClassifierError(f"{folder} is no finished model: it has no {CARD}.")
    try:
        card = json.loads(path.read_text())
        if not isinstance(card, dict):
            raise TypeError
        missing = [key for key in (*_ALWAYS, *keys) if key not in card]
    except (OSError, ValueError, TypeError):
        raise ClassifierError(f"{path} is damaged. Train the model again.") from None
    if kind is not None and card.get("kind", kind) != kind:
        raise ClassifierError(f"{path} is of a {card['kind']!r}; a {kind} is needed.")
    if missing:
        raise ClassifierError(f"{path} lacks {', '.join(missing)}. Train the model again.")
    if kind is not None and card["format_version"] != version:
        raise ClassifierError(
            f"{path} has format {card['format_version']}; this version reads {version}."
        )
    return card
