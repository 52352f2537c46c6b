"""What the cards of models may hold: checked once, before anything is allocated.

Keys that are not here are facts for people, and may hold anything.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from survey_profiles.physical_ranges import PHYSICAL_RANGES

MOST_BANDS = 20
LEAST_SIZE_PIX = 9  # of stamps: leaves one place to the last convolution
MOST_IMAGES, MOST_SIZE_PIX, MOST_CLASSES = 10_000, 1024, 1000
MOST_VALUES = 2**28
"""Numbers in one layer: 1 GiB."""
_FWHM, _BETA = PHYSICAL_RANGES["seeing_fwhm_pix"], PHYSICAL_RANGES["psf_beta"]

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Width = Annotated[int, Field(ge=1, le=8192, strict=True)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Finite = Annotated[float, Field(allow_inf_nan=False)]
Flag = Annotated[bool, Field(strict=True)]


class _Schema(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class _Choices(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class CompactChoices(_Choices):
    """Choices of the network ``compact``."""

    beta: float = Field(2.0, ge=_BETA.low, le=_BETA.high, allow_inf_nan=False)
    filters: list[Width] = Field([24, 32, 48, 64], min_length=4, max_length=4)
    embedding: Width = 64
    units: Width = 128
    times: Flag = True
    conditions: Flag = True

    def widest(self, size_pix: int) -> int:
        """Numbers in the largest layer, or a little fewer."""
        side = max((size_pix + 3) // 4 - 2, 1)
        convolutions = [9 * a * b for a, b in pairwise(self.filters)]
        return max(*convolutions, side**2 * self.filters[3] * self.embedding, 3 * self.units**2)


class MultibandChoices(CompactChoices):
    """Choices of the network `multiband`."""

    encoder: Literal["shared", "first_layer", "per_band"] = "first_layer"


class RcnnChoices(_Choices):
    """Choices of the network ``rcnn``."""

    window: Annotated[int, Field(ge=1, le=100, strict=True)] = 3
    filters: Width = 64
    dense: Width = 1024
    units: Width = 512
    dropout: float = Field(0.5, ge=0, lt=1, allow_inf_nan=False)
    normalisation: Literal["renormalisation", "batch", "none"] = "renormalisation"
    times: Flag = True
    plain_steps: Annotated[int, Field(ge=0, le=10**9, strict=True)] = 5_000

    def widest(self, size_pix: int) -> int:
        """Numbers in the largest layer, or a little fewer."""
        side = (size_pix + 3) // 4
        recurrent = 4 * self.units * (self.units + self.dense)
        return max(9 * self.filters**2, side**2 * self.filters * self.dense, recurrent)


class StampChoices(_Choices):
    """Choices of the networks of `classifier.models.stamp`."""

    encoder: Literal["deep-hits", "strided"] = "deep-hits"
    rotations: Literal["none", "concatenate", "average"] = "average"
    preprocessing: Literal["calibrated", "quantiles"] = "calibrated"
    metadata: Flag = True
    snr_difference: Flag = False
    kernel: Annotated[int, Field(ge=1, le=15, strict=True)] = 3
    dropout: float = Field(0.5, ge=0, lt=1, allow_inf_nan=False)
    beta: float = Field(1e-3, ge=0, le=10, allow_inf_nan=False)

    def widest(self, size_pix: int) -> int:
        """Numbers in the largest layer, or a little fewer."""
        side = max((size_pix + 3) // 4, 1)
        if self.encoder == "strided":
            return 96 * 64 * max(self.kernel**2, min(side, 4) ** 2)
        turns = 4 if self.rotations == "concatenate" else 1
        return max((64 * self.kernel) ** 2, turns * side**2 * 64**2)


class AutoencoderChoices(_Choices):
    """Choices of the networks of `classifier.models.autoencoder`."""

    clusters: Annotated[int, Field(ge=1, le=MOST_CLASSES, strict=True)] = 10
    latent: Annotated[int, Field(ge=1, le=512, strict=True)] = 10
    filters: list[Width] = Field([8, 16, 32, 32], min_length=4, max_length=4)
    brightness: Literal["latent", "given"] = "latent"
    pretraining: Annotated[int, Field(ge=0, le=10**8, strict=True)] = 500

    def widest(self, size_pix: int) -> int:
        """Numbers in the largest layer, or a little fewer."""
        side = (size_pix + 3) // 4
        convolutions = [9 * a * b for a, b in pairwise(self.filters)]
        dense = side**2 * self.filters[3] * self.latent
        return max(*convolutions, dense, self.clusters * self.latent)


AUTOENCODERS = ("vae", "vade")
STAMP_NETWORKS = ("deep-hits", "alerce-stamp", "two-stamp-stacked", "two-stamp-separated")
CHOICES: dict[str, type[_Choices]] = {
    "compact": CompactChoices,
    "multiband": MultibandChoices,
    "rcnn": RcnnChoices,
    **dict.fromkeys(STAMP_NETWORKS, StampChoices),
    **dict.fromkeys(("autoencoder", *AUTOENCODERS), AutoencoderChoices),
}


class _Selection(_Schema):
    images: int = Field(ge=1, le=MOST_IMAGES, strict=True)
    start_fractions: list[Share] = Field(max_length=MOST_IMAGES)
    bands: list[Name] = Field(min_length=1, max_length=MOST_BANDS)
    planes: list[Literal["template", "difference"]] = Field([], max_length=2)


class _FeatureConfig(_Selection):
    light_curves: Name


class _AssumedPsf(_Schema):
    fwhm_pix: float = Field(ge=_FWHM.low, le=_FWHM.high, allow_inf_nan=False)
    beta: float = Field(ge=_BETA.low, le=_BETA.high, allow_inf_nan=False)


class Card(_Schema):
    """What every card holds."""

    format_version: int = Field(ge=0, le=1000, strict=True)
    kind: Name
    classes: list[Name] = Field(min_length=1, max_length=MOST_CLASSES)
    survey: Name

    @model_validator(mode="after")
    def _classes_differ(self):
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("classes: every class needs its own name")
        return self


class NetworkCard(Card):
    """The card of a network."""

    network: Literal["compact", "multiband", "rcnn"]
    choices: dict[str, Any]
    size_pix: int = Field(ge=1, le=MOST_SIZE_PIX, strict=True)
    selection: _Selection
    assumed_psf: _AssumedPsf

    @model_validator(mode="after")
    def _choices_fit(self):
        check_choices(self.network, self.choices, self.size_pix)
        return self


class _Metadata(_Schema):
    columns: list[Name] = Field(max_length=100)
    low: list[_Finite] = Field(max_length=100)
    high: list[_Finite] = Field(max_length=100)
    median: list[_Finite] = Field(max_length=100)

    @model_validator(mode="after")
    def _equally_long(self):
        if len({len(each) for each in (self.columns, self.low, self.high, self.median)}) > 1:
            raise ValueError("low, high and median need a number for every column")
        if any(low > high for low, high in zip(self.low, self.high, strict=True)):
            raise ValueError("a low end of a range lies above its high end")
        return self


class StampCard(Card):
    """The card of a stamp classifier."""

    network: Literal["deep-hits", "alerce-stamp", "two-stamp-stacked", "two-stamp-separated"]
    choices: dict[str, Any]
    size_pix: int = Field(ge=1, le=MOST_SIZE_PIX, strict=True)
    metadata: _Metadata
    class_parts: dict[Name, list[Name]] = Field(max_length=MOST_CLASSES)
    bands: list[Name] = Field(min_length=1, max_length=MOST_BANDS)

    @model_validator(mode="after")
    def _choices_fit(self):
        check_choices(self.network, self.choices, self.size_pix)
        return self


class AutoencoderCard(Card):
    """The card of an autoencoder that clusters; its classes are the clusters."""

    network: Literal["autoencoder", "vae", "vade"]
    choices: dict[str, Any]
    size_pix: int = Field(ge=1, le=MOST_SIZE_PIX, strict=True)
    bands: list[Name] = Field(min_length=1, max_length=MOST_BANDS)

    @model_validator(mode="after")
    def _choices_fit(self):
        check_choices(self.network, self.choices, self.size_pix)
        return self


class ForestCard(Card):
    """The card of a forest."""

    feature_config: _FeatureConfig
    features: list[Name] = Field(max_length=10_000)
    largest: int = Field(ge=1, le=MOST_IMAGES, strict=True)
    trees: int = Field(ge=1, le=10**6, strict=True)
    depth: int = Field(ge=1, le=10**6, strict=True)


class AlertForestCard(Card):
    """The card of a forest on first alerts."""

    inputs: Literal["metadata", "pixels"]
    size_pix: int = Field(ge=1, le=MOST_SIZE_PIX, strict=True)
    metadata: _Metadata
    class_parts: dict[Name, list[Name]] = Field(max_length=MOST_CLASSES)
    bands: list[Name] = Field(min_length=1, max_length=MOST_BANDS)


class _Coefficients(_Schema):
    mean: list[_Finite] = Field(max_length=100)
    deviation: list[Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(max_length=100)
    weights: list[list[_Finite]] = Field(max_length=MOST_CLASSES)
    intercepts: list[_Finite] = Field(max_length=MOST_CLASSES)
    trained: list[Flag] = Field(max_length=MOST_CLASSES)


class LogisticCard(Card):
    """The card of a logistic regression on first alerts."""

    size_pix: int = Field(ge=1, le=MOST_SIZE_PIX, strict=True)
    metadata: _Metadata
    stamp_features: _Metadata
    coefficients: _Coefficients
    class_parts: dict[Name, list[Name]] = Field(max_length=MOST_CLASSES)
    bands: list[Name] = Field(min_length=1, max_length=MOST_BANDS)

    @model_validator(mode="after")
    def _coefficients_fit(self):
        c, n = self.coefficients, len(self.stamp_features.columns)
        by_feature = {len(c.mean), len(c.deviation), *map(len, c.weights)}
        if by_feature != {n} or {len(c.weights), len(c.intercepts), len(c.trained)} != {
            len(self.classes)
        }:
            raise ValueError("coefficients need a number for every class and feature")
        if not any(c.trained):
            raise ValueError("coefficients of no class were trained")
        return self


class EnsembleCard(Card):
    """The card of an ensemble, of sequences or of first alerts."""

    weight: float = Field(ge=0, le=1000, allow_inf_nan=False)
    seed: int = Field(ge=0, lt=2**32, strict=True)


CARDS: dict[str | None, type[Card]] = {
    "network": NetworkCard,
    "stamp": StampCard,
    "autoencoder": AutoencoderCard,
    "alert-forest": AlertForestCard,
    "logistic-regression": LogisticCard,
    "forest": ForestCard,
    "ensemble": EnsembleCard,
    "alert-ensemble": EnsembleCard,
}


def check_choices(network: str, choices: dict[str, Any], size_pix: int) -> int:
    """Numbers in the largest layer of a network with these choices, or a little fewer.

    Raises
    ------
    ValueError
        An unknown choice, one of another type or out of range, or a layer of more than
        `MOST_VALUES`.
    """
    try:
        widest = CHOICES[network].model_validate(choices).widest(size_pix)
    except ValidationError as error:
        raise ValueError(first_problem(error)) from None
    if widest > MOST_VALUES:
        raise ValueError(
            f"a layer of {widest:,} numbers; at most {MOST_VALUES:,} are allowed. Choose fewer "
            "filters or units"
        )
    return widest


def first_problem(error: ValidationError) -> str:
    """The first problem that pydantic found, as "where: what"."""
    problem = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, problem["loc"]))
    what = problem["msg"].removeprefix("Value error, ")
    return f"{where}: {what}" if where else what


def problem_of(card: dict[str, Any], kind: str | None) -> str | None:
    """The first thing in a card that does not fit its kind, in words; None if all fits."""
    try:
        CARDS.get(kind, Card).model_validate(card)
    except ValidationError as error:
        return first_problem(error)
    return None
