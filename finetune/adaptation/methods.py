"""Methods that adapt a network, by name; docs/explanation/few_shot.md compares them."""

from __future__ import annotations

from dataclasses import dataclass

from skyreel.errors import FinetuneError, nearest


@dataclass(frozen=True, kw_only=True)
class HeadMethod:
    """The last layer is fitted with a penalty on its change; see `finetune.adaptation.head`.

    Parameters
    ----------
    penalty : float
        On the squared change of the weights, with one object per class.
    penalty_exponent : float
        With k objects per class the penalty is ``penalty`` / k ** ``penalty_exponent``.
    tree_weight : float
        Weight of trees on light curves of the training objects (`classifier.models.ensemble`);
        0: no trees.
    """

    penalty: float = 3.0
    penalty_exponent: float = 1.5
    tree_weight: float = 0.0
    part = "head"
    simulated = 0.0
    thinned = True

    def penalty_for(self, per_class: float) -> float:
        """The penalty with so many objects per class."""
        return self.penalty / max(per_class, 1.0) ** self.penalty_exponent


@dataclass(frozen=True, kw_only=True)
class GradientMethod:
    """Gradient descent.

    Parameters
    ----------
    part : str
        What is trained: "all", or "reader", the recurrent part and what follows it.
    simulated : float
        Share of simulated sequences in a batch; this limits catastrophic forgetting.
    thinned : bool
        Whether augmented sequences also begin later and lack images; all are rotated and flipped.
    learning_rate : float
        Initial; it falls to a hundredth of that (cosine).
    batch : int
        Sequences.
    """

    part: str = "reader"
    simulated: float = 0.5
    thinned: bool = True
    learning_rate: float = 5e-4
    batch: int = 64
    tree_weight = 0.0


Method = HeadMethod | GradientMethod
METHODS: dict[str, Method] = {
    "ensemble": HeadMethod(tree_weight=1.0),
    "head": HeadMethod(),
    "reader": GradientMethod(),
    "mixed": GradientMethod(part="all"),
    "plain": GradientMethod(part="all", simulated=0.0, thinned=False),
}
DEFAULT = "ensemble"
ALIASES = {"committee": "ensemble"}
"""Former names, still accepted and still found in old run files."""


def canonical_name(name: str, flag: str = "--method") -> str:
    """The present name of a method.

    Raises
    ------
    FinetuneError
        There is no such method.
    """
    found = ALIASES.get(name, name)
    if found not in METHODS:
        raise FinetuneError(f"{flag} {name}: there is no such method. {nearest(name, METHODS)}")
    return found


def method_named(name: str) -> Method:
    """The method of this name; FinetuneError if there is none."""
    return METHODS[canonical_name(name)]
