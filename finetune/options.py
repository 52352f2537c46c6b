"""Options of an adaptation experiment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from finetune.adaptation.methods import DEFAULT, canonical_name
from finetune.few_shot import MODES
from skyreel.errors import FinetuneError

MOST_SEED = 70_999_999
"""Of the simulator's 72 million seeds the first million are left to trainings."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is adapted to which real sequences, and how it is evaluated.

    Parameters
    ----------
    model : str
        Name of a shipped network, or folder of a network.
    real : path
        Data set of real labelled sequences.
    split : str
        Its split.
    per_class : tuple of int
        Numbers of training objects per class; 0, before adaptation, is added.
    trials : int
        Draws of each number.
    method : str
        A name of `finetune.adaptation.methods.METHODS`.
    also : tuple of str
        Other methods to evaluate beside it.
    simulated : path or None
        Simulated data set the random forest is trained on; None: no forest.
    scratch : bool
        Whether a network is also trained from scratch on the training objects.
    homogenised : bool
        Whether stamps and lengths are homogenised (`finetune.homogenise`).
    any_survey : bool
        Whether the real sequences may be of another survey than the network's.
    disjoint : str
        What training and test objects must not share: "field" or "object".
    iterations : int
        Of methods with gradient descent.
    seed : int

    Raises
    ------
    FinetuneError
        A value is not allowed.
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

    def __post_init__(self) -> None:
        self._set("method", canonical_name(self.method, "--method"))
        self._set("also", tuple(canonical_name(name, "--also") for name in self.also))
        if self.disjoint not in MODES:
            raise FinetuneError(f"--disjoint {self.disjoint!r}; allowed: {', '.join(MODES)}.")
        if not self.per_class or min(self.per_class) < 0:
            raise FinetuneError("--per-class: give one number or more, none below 0.")
        for name in ("trials", "iterations"):
            if getattr(self, name) < 1:
                raise FinetuneError(f"--{name} {getattr(self, name)}: at least 1.")
        if not 0 <= self.seed <= MOST_SEED:
            raise FinetuneError(f"--seed {self.seed}; allowed are 0 to {MOST_SEED}.")
        self._set("per_class", tuple(sorted({0, *self.per_class})))

    def _set(self, name, value):
        object.__setattr__(self, name, value)
