"""Ways to adapt a network, by name; docs/finetune.md says how the default was chosen."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from skyreel.errors import FinetuneError


@dataclass(frozen=True, kw_only=True)
class Head:
    """The last layer fitted anew, held by what it was: no steps and no simulated sequences.

    Parameters
    ----------
    penalty : float
        On the change of the weights with one object per class.
    falling : float
        With k objects per class it is ``penalty`` over k to this power.
    trees : float
        Weight of trees on light curves of the taught objects (`classifier.models.ensemble`);
        0: none.
    """

    penalty: float = 3.0
    falling: float = 1.5
    trees: float = 0.0
    part = "head"
    simulated = 0.0
    thinned = True

    def penalty_for(self, per_class: float) -> float:
        """The penalty with so many objects per class."""
        return self.penalty / max(per_class, 1.0) ** self.falling


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Gradient descent.

    Parameters
    ----------
    part : str
        What learns: "all", or "reader", the recurrent part and what follows it.
    simulated : float
        Share of every batch that is simulated, so that nothing is forgotten.
    thinned : bool
        Teach variants that begin later and lack images, not only turned ones.
    learning_rate : float
        At first; it falls to a hundredth (cosine).
    batch : int
    """

    part: str = "reader"
    simulated: float = 0.5
    thinned: bool = True
    learning_rate: float = 5e-4
    batch: int = 64
    trees = 0.0


METHODS = {
    "committee": Head(trees=1.0),
    "head": Head(),
    "reader": Steps(),
    "mixed": Steps(part="all"),
    "plain": Steps(part="all", simulated=0.0, thinned=False),
}
DEFAULT = "committee"


def method_named(name: str, flag: str = "--method") -> Head | Steps:
    """The method of this name.

    Raises
    ------
    FinetuneError
        There is none.
    """
    if name not in METHODS:
        near = get_close_matches(name.lower(), METHODS, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(METHODS)}."
        raise FinetuneError(f"{flag} {name}: there is no such method. {hint}")
    return METHODS[name]
