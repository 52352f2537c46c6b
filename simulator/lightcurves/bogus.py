"""Objects that are no objects: artefacts that a survey reports as if they were.

Kinds follow the shares of the profile, without those of a difference where none is made. Dipoles,
errors of the PSF and cut stamps are residuals of a bright star: 6.5 +- 0.9 mag brighter than the
limit, as in 45 real bogus alerts of ZTF (16 to 84 % of ``diffmaglim - magnr`` are 5.4 and 7.1). The
others appear on empty sky.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from simulator.artefacts.kinds import NAMES, OF_OBJECT, Artefact
from simulator.lightcurves.protocol import Bands, Context, LightCurveModel
from simulator.lightcurves.star_colours import StarColours
from simulator.lightcurves.truncated_normal import truncated_normal
from simulator.rng import Draws

RESIDUALS = (Artefact.DIPOLE, Artefact.PSF_MISMATCH, Artefact.DETECTOR_EDGE)
BRIGHTER_THAN_LIMIT_MAG = (6.45, 0.85)  # mean, sigma: measured, see above
LIMITS_SIGMA = (-2.0, 2.0)
REPEATED_SHARE = 0.3  # of the exposures of a badly subtracted star; our choice


class Bogus(LightCurveModel):
    """An artefact, in one exposure or, of stars, templates and edges, in more."""

    name = "BOGUS"
    alerts = True
    is_artefact = True
    parameters: ClassVar = {
        "artefact_kind": "number of its kind: "
        + ", ".join(f"{number} {name}" for number, name in enumerate(NAMES) if number),
        "artefact_mjd": "first exposure that has it [d]",
        "mean_mag": "magnitude in the reference band [mag]",
    }

    def __init__(self, bands: Bands, templates: Path | None = None) -> None:
        super().__init__(bands, templates)
        self._colours = StarColours(bands)

    def sample(self, draws: Draws, context: Context) -> dict[str, np.ndarray]:
        """Kinds of a batch, the exposures that have them, and the stars behind residuals."""
        shares = context.artefact_shares
        if shares is None:
            shares = np.arange(len(NAMES)) > 0
        kind = draws.choice(shares)
        mjd = context.schedule.mjd
        n_epochs = np.maximum(context.schedule.observed.sum(axis=1), 1)
        one = np.arange(mjd.shape[1]) == draws.integers(n_epochs)[:, None]
        repeated = one | (draws.uniforms(mjd.shape[1]) < REPEATED_SHARE)
        is_residual, of_object = np.isin(kind, RESIDUALS), np.isin(kind, OF_OBJECT)
        epochs = np.where(is_residual[:, None], repeated, one) | of_object[:, None]
        epochs &= context.schedule.observed
        brighter = truncated_normal(draws.uniform(), *BRIGHTER_THAN_LIMIT_MAG, LIMITS_SIGMA)
        mean_mag = np.nanmedian(_limits(context.schedule), axis=1) - brighter
        mean_mag = np.where(is_residual, mean_mag, np.inf)
        first = np.where(epochs, mjd, np.inf).min(axis=1)
        return {
            "artefact_kind": kind.astype(float),
            "artefact_mjd": np.where(np.isfinite(first), first, np.nan),
            "mean_mag": np.where(np.isfinite(mean_mag), mean_mag, np.nan),
            "_magnitude": mean_mag[:, None] + self._colours.draw(draws),
            "_epochs": epochs,
        }

    def magnitudes(
        self, parameters: dict[str, np.ndarray], mjd: np.ndarray, band: np.ndarray
    ) -> np.ndarray:
        """AB magnitudes of the star behind a residual, (object, epoch); else +inf."""
        return np.take_along_axis(parameters["_magnitude"], band, axis=1)

    def artefacts(self, parameters: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Kinds and the exposures that have them."""
        return parameters["artefact_kind"].astype(np.uint8), parameters["_epochs"]


def _limits(schedule):
    return np.where(schedule.observed, schedule.limiting_mag, np.nan)
