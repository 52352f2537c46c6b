"""The hyperparameters that a search varies, and how they are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from classifier.models.card_schema import CHOICES
from classifier.training.by_network import AnyOptions, options_of
from classifier.training.options import parsed_choices
from skyreel.errors import ClassifierError, nearest

_RANGE, _LIST = "..", "|"
_DIGITS = 3  # of numbers drawn from a range
_HELP = "write NAME=A|B|C, or NAME=LOW..HIGH, as in learning_rate=1e-4..1e-2"
_FIXED = (
    *("network", "choices", "seed", "begin_with", "validate_every", "validation", "planes"),
    "merge",
)
_FLAGS = {"crop": "crop_pix", "rotated": "rotate"}


@dataclass(frozen=True)
class Hyperparameter:
    """One that is varied: a list of values, or a range from which the logarithm is uniform."""

    name: str
    values: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0

    @classmethod
    def parsed(cls, text: str) -> Hyperparameter:
        """From NAME=A|B|C or NAME=LOW..HIGH.

        Raises
        ------
        ClassifierError
        """
        name, equals, values = text.partition("=")
        name = name.strip().replace("-", "_")
        name = _FLAGS.get(name, name)
        if not (name and equals and values):
            raise ClassifierError(f"--vary {text!r}: {_HELP}.")
        if _RANGE not in values:
            listed = [parsed_choices([f"{name}={v}"])[name] for v in values.split(_LIST)]
            return cls(name, tuple(listed))
        low, high = values.split(_RANGE, 1)
        try:
            found = cls(name, low=float(low), high=float(high))
        except ValueError:
            raise ClassifierError(f"--vary {text!r}: {_HELP}.") from None
        if not 0 < found.low < found.high < np.inf:
            raise ClassifierError(f"--vary {text!r}: a range rises from a number above 0.")
        return found

    def draw(self, rng: np.random.Generator) -> Any:
        """A value; of a range three digits, and a whole number where both ends are whole."""
        share = rng.random()
        if self.values:
            return self.values[int(share * len(self.values))]
        value = self.low * (self.high / self.low) ** share
        if self.low == int(self.low) and self.high == int(self.high):
            return round(value)
        return float(f"{value:.{_DIGITS}g}")


@dataclass(frozen=True)
class SearchSpace:
    """All hyperparameters that a search varies."""

    parameters: tuple[Hyperparameter, ...]

    @classmethod
    def parsed(cls, texts: Iterable[str], networks: Iterable[str]) -> SearchSpace:
        """From texts, as `Hyperparameter.parsed`; each is one of at least one network.

        Raises
        ------
        ClassifierError
        """
        found = tuple(map(Hyperparameter.parsed, texts))
        names = [each.name for each in found]
        if not found:
            raise ClassifierError(f"--vary is missing: {_HELP}.")
        if len(set(names)) < len(names):
            raise ClassifierError("--vary: a hyperparameter is named twice.")
        known = set().union(*(_options(name) | _choices(name) for name in networks))
        for name in names:
            if name not in known:
                raise ClassifierError(f"--vary {name}: not known. {nearest(name, known)}")
        return cls(found)

    def draw(self, seed: int, trial: int) -> dict[str, Any]:
        """Values by name; they depend on the seed and the number of the trial only."""
        rng = np.random.default_rng([seed, trial])
        return {each.name: each.draw(rng) for each in self.parameters}

    def options(self, base: AnyOptions, drawn: Mapping[str, Any]) -> AnyOptions:
        """Options with drawn values; those that the network does not have are left out.

        Raises
        ------
        ClassifierError
            A value out of the range of its option.
        """
        own = _choices(base.network)
        choices = {name: value for name, value in drawn.items() if name in own}
        options = {name: value for name, value in drawn.items() if name in _options(base.network)}
        return replace(base, choices={**base.choices, **choices}, **options)


def _options(network):
    return {each.name for each in fields(options_of(network))} - set(_FIXED)


def _choices(network):
    return set(CHOICES[network].model_fields) - ({"metadata"} if network == "deep-hits" else set())
