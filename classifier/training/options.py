"""What can be chosen about the training of a network."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from classifier.models.card_schema import LEAST_SIZE_PIX, check_choices
from classifier.models.recurrent import NETWORKS
from simulator.observing.condition_errors import check_size
from skyreel.commands import split_list
from skyreel.errors import ClassifierError, SimulationError

MAX_SEED = 2**31
MAX_ITERATIONS = 10**8
SCHEDULES = ("cosine", "constant")
PRECISIONS = ("auto", "float32", "bfloat16")
_DEFAULTS = {
    "compact": {
        "images": 22,
        "iterations": 15_000,
        "batch": 64,
        "learning_rate": 1e-3,
        "schedule": "cosine",
        "clip_norm": 20.0,
    },
    "multiband": {
        "images": 60,
        "iterations": 15_000,
        "batch": 64,
        "learning_rate": 1e-3,
        "schedule": "cosine",
        "clip_norm": 20.0,
    },
    "rcnn": {
        "images": 22,
        "iterations": 30_000,
        "batch": 256,
        "learning_rate": 5e-4,
        "schedule": "constant",
    },
}


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """Options of one training run; None: the network's own default.

    Parameters
    ----------
    network : str
    choices : dict
        For the network's builder.
    on_the_fly : bool
        Simulate training sequences as they are needed, instead of reading the same ones again.
    resampled : float
        Share of sequences simulated on the fly whose stamps are registered by resampling.
    condition_error : float
        Size of random errors of the conditions of sequences simulated on the fly: 1 as published
        (`simulator.observing.condition_errors`), 0 those of the data set. Validation sequences are
        those of the data set.
    begin_with : str or None
        A trained network of the same kind whose weights training starts from, by name or folder.
    iterations, batch : int
        Steps, and sequences of each.
    learning_rate : float
    schedule : str
        "constant", or "cosine": after a rise it falls to a hundredth at the end.
    warm_up : float
        Share of the iterations in which the rate of "cosine" rises.
    clip_norm : float or None
        The gradient of every array of weights is clipped to this norm; None: not at all.
    precision : str
        Of convolutions: "float32", "bfloat16", or "auto": bfloat16 where the processor has
        instructions for it.
    rotate : bool
        Rotate and mirror training sequences at random.
    validate_every : int
        Iterations between validations, each with a checkpoint.
    validation : int
        At most so many validation sequences are used.
    start, images, band, planes
        As in `classifier.image_selection.ImageSelection.for_training`.
    seed : int

    Raises
    ------
    ClassifierError
        An option out of range, or one that does not go with another.
    """

    network: str = "compact"
    choices: dict = field(default_factory=dict)
    on_the_fly: bool = False
    resampled: float = 0.0
    condition_error: float = 0.0
    begin_with: str | None = None
    iterations: int | None = None
    batch: int | None = None
    learning_rate: float | None = None
    schedule: str | None = None
    warm_up: float = 0.03
    clip_norm: float | None = None
    precision: str = "auto"
    rotate: bool = True
    validate_every: int = 500
    validation: int = 4096
    start: str = "first"
    images: int | None = None
    band: str | None = None
    planes: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self):
        if self.network not in NETWORKS:
            raise ClassifierError(
                f"--model {self.network!r}; known networks: {', '.join(NETWORKS)}."
            )
        object.__setattr__(self, "planes", _names(self.planes))
        for name, value in _DEFAULTS[self.network].items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        try:
            check_choices(self.network, self.choices, LEAST_SIZE_PIX)
        except ValueError as error:
            raise ClassifierError(
                f"--choice of --model {self.network}: {error}. Write NAME=VALUE, and lists by "
                "comma, as in filters=24,32,48,64."
            ) from None
        refuse_unlisted(self, "precision", PRECISIONS)
        check_steps(self)
        if not 0 <= self.resampled <= 1:
            raise ClassifierError(f"--resampled {self.resampled}: a share from 0 to 1.")
        if self.resampled and not self.on_the_fly:
            raise ClassifierError("--resampled: only of sequences simulated --on-the-fly.")
        _check_condition_error(self.condition_error, self.on_the_fly)
        if self.precision == "auto":
            object.__setattr__(self, "precision", best_precision())

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "planes": list(self.planes)}


def check_steps(options: Any) -> None:
    """Check what all trainings of networks have: steps, learning rate and seed.

    Raises
    ------
    ClassifierError
    """
    refuse_unlisted(options, "schedule", SCHEDULES)
    for name in ("iterations", "batch", "validate_every", "validation"):
        if getattr(options, name) < 1:
            flag = name.replace("_", "-")
            raise ClassifierError(f"--{flag} {getattr(options, name)}: at least 1.")
    clip = options.clip_norm
    if not 0 <= options.warm_up <= 1 or (clip is not None and not clip > 0):
        raise ClassifierError(
            f"warm_up = {options.warm_up}, clip_norm = {clip}: a share of 1, and a number above 0."
        )
    if options.iterations > MAX_ITERATIONS:
        raise ClassifierError(f"--iterations {options.iterations}: at most {MAX_ITERATIONS:,}.")
    if not 0 < options.learning_rate < 1:
        raise ClassifierError(f"--learning-rate {options.learning_rate}: between 0 and 1.")
    if not 0 <= options.seed <= MAX_SEED:
        raise ClassifierError(f"--seed {options.seed}; allowed are 0 to {MAX_SEED}.")


def refuse_unlisted(options: Any, name: str, allowed: Iterable[str]) -> None:
    """Check that an option is one of a list.

    Raises
    ------
    ClassifierError
    """
    if getattr(options, name) not in allowed:
        raise ClassifierError(
            f"--{name} {getattr(options, name)!r}; allowed: {', '.join(allowed)}."
        )


def _names(planes):
    """Planes beside the science images, which are always read."""
    found = split_list(planes) if isinstance(planes, str) else planes
    return tuple(name for name in found if name != "science")


def _check_condition_error(size, on_the_fly):
    try:
        check_size(size)
    except SimulationError as error:
        raise ClassifierError(str(error)) from None
    if size and not on_the_fly:
        raise ClassifierError("--condition-error: only of sequences simulated --on-the-fly.")


def parsed_choices(texts: Iterable[str]) -> dict[str, Any]:
    """Choices written NAME=VALUE; values with commas are a list, others that are no JSON are text.

    Raises
    ------
    ClassifierError
        One without an equals sign.
    """
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ClassifierError(f"--choice {text!r}: write NAME=VALUE, for instance window=1.")
        found[name] = _parsed(value)
    return found


def _parsed(value):
    for text in (value, f"[{value}]" if "," in value else value):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            continue
    return value


def best_precision() -> str:
    """bfloat16 where the processor has instructions for it, else float32."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return "float32"
    return "bfloat16" if "amx_bf16" in flags or "avx512_bf16" in flags else "float32"
