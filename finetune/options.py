"""What can be chosen about an adaptation and its trials."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from finetune.adaptation.methods import DEFAULT, method_named
from finetune.adaptation.simulated_sequences import MOST_SEED
from finetune.few_shot import MODES
from skyreel.errors import FinetuneError


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen.

    Parameters
    ----------
    model : str
    real : path
    split : str
    per_class : tuple of int
    trials : int
    method : str
    also : tuple of str
        Other methods to report beside it.
    simulated : path or None
        Simulated data set the forest learns from; None: no forest.
    scratch : bool
        Whether a network with fresh weights learns the same objects.
    homogenised : bool
    any_survey : bool
        Whether the real sequences may be of another survey than the network's.
    disjoint : str
    iterations : int
    seed : int

    Raises
    ------
    FinetuneError
    """

    model: str
    real: Path
    split: str = "test"
    per_class: tuple[int, ...] = (10,)
    trials: int = 5
    method: str = DEFAULT
    also: tuple[str, ...] = ()
    simulated: Path | None = None
    scratch: bool = False
    homogenised: bool = True
    any_survey: bool = False
    disjoint: str = "field"
    iterations: int = 1000
    seed: int = 0

    def __post_init__(self):
        for flag, names in (("--method", (self.method,)), ("--also", self.also)):
            for name in names:
                method_named(name, flag)
        if self.disjoint not in MODES:
            raise FinetuneError(f"--disjoint {self.disjoint!r}; allowed: {', '.join(MODES)}.")
        if not self.per_class or min(self.per_class) < 0:
            raise FinetuneError("--per-class: give one number or more, none below 0.")
        for name in ("trials", "iterations"):
            if getattr(self, name) < 1:
                raise FinetuneError(f"--{name} {getattr(self, name)}: at least 1.")
        if not 0 <= self.seed <= MOST_SEED:
            raise FinetuneError(f"--seed {self.seed}; allowed are 0 to {MOST_SEED}.")
        sizes = tuple(sorted({0, *self.per_class}))
        object.__setattr__(self, "per_class", sizes)
