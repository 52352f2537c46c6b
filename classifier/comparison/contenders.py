"""Models under the names they have in a comparison, checked against the data before any work."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from classifier.comparison.same_objects import check_classes
from classifier.errors import ClassifierError
from classifier.forest.model import Forest
from classifier.models import check_fit, open_model
from classifier.stamps import Split

if TYPE_CHECKING:  # it brings a tensor library, which forests do without
    from classifier.networks.model import Network

_NUMBERS = (".npz", ".skops")


@dataclass(frozen=True)
class Contender:
    """A model and its name in a comparison."""

    name: str
    model: Forest | Network

    @property
    def file_name(self) -> str:
        """The name as that of a file without its suffix."""
        return re.sub(r"[^\w.-]+", "_", self.name)

    @cached_property
    def identity(self) -> str:
        """What tells this model from others: the digest of its card and its files of numbers."""
        card = json.dumps(self.model.card, sort_keys=True, default=str)
        digest = hashlib.sha256(card.encode())
        for path in sorted(Path(self.model.folder).glob("*")):
            if path.suffix in _NUMBERS:
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()


def contenders(
    models: Sequence[str],
    names: Sequence[str],
    split: Split,
    *,
    any_survey: bool,
    threads: int | None = None,
) -> list[Contender]:
    """Models opened by name or folder, under their own names or those given.

    Raises
    ------
    ClassifierError
        No such model, or one that does not fit the data or the others.
    """
    if not models:
        raise ClassifierError("give --models: names of shipped models, or folders.")
    if names and len(names) != len(models):
        raise ClassifierError(f"--names gives {len(names)} names to {len(models)} models.")
    opened = [open_model(model, threads=threads) for model in models]
    called = names or [model.name or model.folder.resolve().name for model in opened]
    found = [Contender(*pair) for pair in zip(called, opened, strict=True)]
    _check_names(found)
    check_classes({contender.name: contender.model.classes for contender in found})
    for contender in found:
        check_fit(contender.name, contender.model, split, any_survey=any_survey)
    return found


def _check_names(found):
    seen = set()
    for contender in found:
        if not contender.name.strip():
            raise ClassifierError("--names: a name is empty.")
        if contender.file_name.casefold() in seen:
            raise ClassifierError(
                f"two models are called {contender.name!r}. Tell them apart with --names."
            )
        seen.add(contender.file_name.casefold())
