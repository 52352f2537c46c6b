"""What can be chosen about the training of an autoencoder that clusters."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from classifier.models.card_schema import AUTOENCODERS, CHOICES
from classifier.training.options import check_steps, refuse_unlisted
from classifier.training.stamp_options import ALERTS, check_choices_of, check_crop


@dataclass(frozen=True, kw_only=True)
class AutoencoderOptions:
    """Options of one training run of an autoencoder.

    Parameters
    ----------
    network : str
        "vae", or "vade".
    choices : dict
        Of `classifier.models.card_schema.AutoencoderChoices`. ``clusters``; ``latent``: latent
        variables; ``filters`` of the four convolutions; ``brightness``: "latent", or "given", with
        which latent variables describe stamps divided by their brightest pixel; ``pretraining``:
        steps of "vade" as a plain autoencoder before.
    alerts, crop_pix, rotate
        As of `classifier.training.stamp_options.StampOptions`.
    iterations, batch, learning_rate, schedule, warm_up, clip_norm, validate_every, validation, seed
        As of `classifier.training.options.NetworkOptions`.

    Raises
    ------
    ClassifierError
    """

    network: str = "vade"
    choices: dict = field(default_factory=dict)
    alerts: str = "first"
    crop_pix: int | None = None
    rotate: bool = True
    iterations: int = 2_000
    batch: int = 128
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    warm_up: float = 0.03
    clip_norm: float | None = 100.0
    validate_every: int = 250
    validation: int = 4096
    seed: int = 0

    def __post_init__(self):
        refuse_unlisted(self, "network", ("autoencoder", *AUTOENCODERS))
        refuse_unlisted(self, "alerts", ALERTS)
        check_steps(self)
        check_crop(self.crop_pix)
        check_choices_of(self)

    @property
    def all_choices(self) -> dict[str, Any]:
        """Choices with the defaults of those that were not made."""
        return CHOICES[self.network].model_validate(self.choices).model_dump()

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)
