"""What can be chosen about the training of a stamp classifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from classifier.models.card_schema import CHOICES, LEAST_SIZE_PIX, STAMP_NETWORKS, check_choices
from classifier.training.class_balance import BALANCES
from classifier.training.options import check_steps, refuse_unlisted
from skyreel.errors import ClassifierError

if TYPE_CHECKING:
    from classifier.dataset import DatasetSplit

ALERTS = ("first", "any")


@dataclass(frozen=True, kw_only=True)
class StampOptions:
    """Options of one training run of a stamp classifier.

    Parameters
    ----------
    network : str
        One of `classifier.models.card_schema.STAMP_NETWORKS`.
    choices : dict
        Of `classifier.models.card_schema.StampChoices`.
    merge : dict of str to tuple of str
        Classes that are trained as one, as ``{"VS": ("RRL", "EB")}``.
    balance : str
        How unequal classes are treated. "batches": every batch has as many objects of each class;
        "oversample": objects are drawn with a chance of one over the number in their class;
        "undersample": only as many objects of each class as the smallest has; "weights": the loss
        of an object is weighted so; "none".
    alerts : str
        "first": the first alerts of every object; "any": any so many in a row, drawn
        at random, as most alerts of a stream are not the first ones of their objects.
    alerts_per_object : int
        With "any": so many draws of each object, or as many as it has.
    crop_pix : int or None
        Rows and columns that are read of larger stamps; None: all.
    rotate : bool
        Rotate and mirror training stamps at random.
    iterations, batch, learning_rate, schedule, warm_up, clip_norm, validate_every, validation, seed
        As of `classifier.training.options.NetworkOptions`.

    Raises
    ------
    ClassifierError
    """

    network: str = "alerce-stamp"
    choices: dict = field(default_factory=dict)
    merge: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    balance: str = "batches"
    alerts: str = "first"
    alerts_per_object: int = 1
    crop_pix: int | None = None
    rotate: bool = True
    iterations: int = 3_000
    batch: int = 64
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    warm_up: float = 0.03
    clip_norm: float | None = 20.0
    validate_every: int = 250
    validation: int = 4096
    seed: int = 0

    def __post_init__(self):
        refuse_unlisted(self, "network", STAMP_NETWORKS)
        refuse_unlisted(self, "balance", BALANCES)
        refuse_unlisted(self, "alerts", ALERTS)
        if self.alerts_per_object < 1:
            raise ClassifierError(f"--alerts-per-object {self.alerts_per_object}: at least 1.")
        if self.alerts_per_object > 1 and self.alerts != "any":
            raise ClassifierError("--alerts-per-object: only with --which-alerts any.")
        check_steps(self)
        check_crop(self.crop_pix)
        if self.network == "deep-hits":
            if self.choices.get("metadata"):
                raise ClassifierError("--choice metadata: deep-hits reads none; use alerce-stamp.")
            object.__setattr__(self, "choices", {**self.choices, "metadata": False})
        check_choices_of(self)

    @property
    def all_choices(self) -> dict[str, Any]:
        """Choices with the defaults of those that were not made."""
        return CHOICES[self.network].model_validate(self.choices).model_dump()

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "merge": {name: list(parts) for name, parts in self.merge.items()}}


def check_crop(crop_pix: int | None) -> None:
    """Check the size of the part of a stamp that is read; None reads all.

    Raises
    ------
    ClassifierError
    """
    if crop_pix is not None and crop_pix < LEAST_SIZE_PIX:
        raise ClassifierError(f"--crop {crop_pix}: at least {LEAST_SIZE_PIX} pixels.")


def check_choices_of(options: Any) -> None:
    """Check the ``choices`` of options with a ``network`` and ``crop_pix``.

    Raises
    ------
    ClassifierError
    """
    try:
        check_choices(options.network, options.choices, options.crop_pix or LEAST_SIZE_PIX)
    except ValueError as error:
        raise ClassifierError(f"--choice of --model {options.network}: {error}.") from None


def parsed_merge(text: str | None) -> dict[str, tuple[str, ...]]:
    """From ``VS=RRL+CEP+EB,NEW=A+B``.

    Raises
    ------
    ClassifierError
    """
    found = {}
    for part in filter(None, (text or "").split(",")):
        name, equals, classes = part.partition("=")
        parts = tuple(filter(None, map(str.strip, classes.split("+"))))
        if not (name.strip() and equals and parts) or name.strip() in found:
            raise ClassifierError(f"--merge {text!r}: write NEW=CLASS+CLASS, as VS=RRL+CEP+EB.")
        found[name.strip()] = parts
    return found


def refuse_absent_parts(merge: Mapping[str, tuple[str, ...]], split: DatasetSplit) -> None:
    """Check that a split has one at least of the classes of every merged class.

    Raises
    ------
    ClassifierError
    """
    for name, parts in merge.items():
        if not set(parts) & set(split.classes):
            raise ClassifierError(
                f"--merge {name}={'+'.join(parts)}: {split.path} has none of these classes; it "
                f"has {', '.join(split.classes)}."
            )
