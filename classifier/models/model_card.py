"""The card of a trained model: the JSON file that makes a folder a model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from classifier.models.card_schema import problem_of
from skyreel.atomic_files import SETTINGS
from skyreel.errors import ClassifierError
from skyreel.json_io import write_json

CARD = "model.json"
MOST_BYTES = 2**24
"""Largest card that is read; a card with its survey profile has 40 kB."""
_LONGEST_FACT = 400  # letters; what is longer stands in the whole card only
_ALWAYS = ("format_version", "kind", "classes", "survey")
_ARRAYS = (".npz", ".skops")
_RENAMED = {"showing": "selection", "recipe": "feature_config", "turned": "rotate"}
_NAMED = ("kind", "method", "also")  # keys whose values are names of kinds and methods
_RENAMED_VALUES = {"committee": "ensemble"}
_ASSUMED_PSF = {"fwhm_pix": 4.0, "beta": 3.8}  # of networks of version 0.1, for HiTS


def upgraded(values: Any) -> Any:
    """A card, or the settings of a training, with the keys and kinds that are written now."""
    if not isinstance(values, dict):
        return values
    found = {_RENAMED.get(key, key): upgraded(value) for key, value in values.items()}
    found |= {key: _renamed_values(found[key]) for key in _NAMED if key in found}
    network = found if "size_pix" in found else found.get("options") or {}
    of_sequences = {"network", "choices"} <= network.keys() and found.get("kind") != "stamp"
    if of_sequences and "assumed_psf" not in found:
        beta = dict(network["choices"]).get("beta", _ASSUMED_PSF["beta"])
        found["assumed_psf"] = {**_ASSUMED_PSF, "beta": beta}
    if "start_fractions" in found and "band" in found:  # a selection of one band
        found["bands"] = [found.pop("band")]
    return found


def _renamed_values(value):
    if isinstance(value, list):
        return [_renamed_values(each) for each in value]
    return _RENAMED_VALUES.get(value, value) if isinstance(value, str) else value


def read_card(
    folder: str | Path, *, kind: str | None = None, version: int = 1, keys: Iterable[str] = ()
) -> dict[str, Any]:
    """The card of a model, with today's keys whatever version wrote it.

    Parameters
    ----------
    folder : path
    kind : str or None
        The required kind of model; None: any.
    version : int
        The required format, where a kind is required.
    keys : iterable of str
        Required keys beside kind, format, classes and survey.

    Raises
    ------
    ClassifierError
        There is none, or it is damaged, or of another kind or format.
    """
    path = Path(folder) / CARD
    if not path.is_file():
        raise ClassifierError(f"{folder} is no finished model: it has no {CARD}.")
    try:
        card = upgraded(_parsed(path))
        missing = [key for key in (*_ALWAYS, *keys) if key not in card]
    except (OSError, ValueError, TypeError, RecursionError):
        raise ClassifierError(f"{path} is damaged. Train the model again.") from None
    if kind is not None and card.get("kind", kind) != kind:
        raise ClassifierError(f"{path} is of a {card['kind']!r:.80}; a {kind} is needed.")
    if missing:
        raise ClassifierError(f"{path} lacks {', '.join(missing)}. Train the model again.")
    if kind is not None and card["format_version"] != version:
        raise ClassifierError(
            f"{path} has format {card['format_version']!r:.80}; this version reads {version}."
        )
    if problem := problem_of(card, kind):
        raise ClassifierError(f"{path} is damaged ({problem}). Train the model again.")
    return card


def _parsed(path):
    if path.stat().st_size > MOST_BYTES:
        raise ValueError
    card = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(card, dict):
        raise TypeError
    return card


def write_card(folder: Path, card: dict[str, Any]) -> None:
    """Write a card, whole or not at all; the folder is a model from then on.

    Raises
    ------
    OutputError
    """
    write_json(folder / CARD, card)


def model_identity(folder: str | Path, card: dict[str, Any]) -> str:
    """SHA-256 of a model: of its card, and of every card and file of numbers in its folder.

    Files of subfolders count: an ensemble keeps its network in one.
    """
    digest = hashlib.sha256(json.dumps(card, sort_keys=True, default=str).encode())
    folder = Path(folder)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and (path.suffix in _ARRAYS or path.name == CARD):
            digest.update(str(path.relative_to(folder)).encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def stored_settings(folder: Path) -> dict[str, Any] | None:
    """Settings of the training that a folder was begun with, with today's keys; None if none."""
    try:
        found = upgraded(json.loads((folder / SETTINGS).read_text()))
    except (OSError, TypeError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def card_facts(card: dict[str, Any]) -> dict[str, str]:
    """The short entries of a card, as text."""
    found = {_readable(key): _readable(value) for key, value in card.items()}
    return {key: text for key, text in found.items() if 0 < len(text) <= _LONGEST_FACT}


def _readable(value):
    if isinstance(value, dict):
        return ", ".join(f"{_readable(k)} {_readable(v)}" for k, v in value.items() if v != [])
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_readable, value))
    return str(value)


class ShowsCard:
    """A model that a notebook shows as its card."""

    name: str
    card: dict[str, Any]

    def _repr_html_(self) -> str:
        from skyreel.report.page import facts_html

        return facts_html(self.name, card_facts(self.card))
