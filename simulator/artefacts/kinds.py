"""The kinds of artefacts, by number and name, and how a user asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from math import isfinite

import numpy as np

from skyreel.errors import SimulationError

CHANCE_WITHOUT_NUMBER = 0.02  # of a kind that is named alone; our choice


class Artefact(IntEnum):
    """Kinds of artefacts. Part of the data format: append, never renumber."""

    NONE = 0
    DIPOLE = 1  # the template is misaligned
    PSF_MISMATCH = 2  # the PSF that is subtracted has another width
    SATURATED_STAR = 3  # a star above the full well, with its bleeding
    COSMIC_RAY = 4  # in one exposure, not masked
    BAD_PIXELS = 5  # dark or hot, not masked
    BAD_COLUMN = 6  # part of a column has lost charge, not masked
    SATELLITE_TRAIL = 7  # continuous, or glints in a row
    GHOST = 8  # a reflection: a faint disc
    TEMPLATE_DEFECT = 9  # a spot or hole in the template
    DETECTOR_EDGE = 10  # part of the stamp is missing


NAMES = tuple(kind.name.lower() for kind in Artefact)
DIFFERENCE_ONLY = (Artefact.DIPOLE, Artefact.PSF_MISMATCH, Artefact.TEMPLATE_DEFECT)
OF_OBJECT = (Artefact.SATURATED_STAR, Artefact.TEMPLATE_DEFECT, Artefact.DETECTOR_EDGE)
"""Kinds that an object has in all exposures, or in all of one band, not in single ones."""


def parse_artefacts(text: str) -> tuple[float, dict[Artefact, float]]:
    """A total chance, with kinds by the profile's shares, or kinds with a chance of their own.

    ``"0.05"`` gives (0.05, {}), ``"ghost:0.1,dipole"`` gives (0, {GHOST: 0.1, DIPOLE: 0.02}), and
    an empty text (0, {}).

    Raises
    ------
    SimulationError
        An unknown kind, a kind named twice, or chances outside 0 to 1.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) == 1 and not parts[0][0].isalpha():
        return _chance("artefacts", parts[0]), {}
    chances: dict[Artefact, float] = {}
    for part in parts:
        name, _, number = (piece.strip() for piece in part.partition(":"))
        kind = _kind(name)
        if kind in chances:
            raise SimulationError(f"artefacts: {name} is named twice in {text!r}.")
        chances[kind] = _chance(name, number) if number else CHANCE_WITHOUT_NUMBER
    if sum(chances.values()) > 1:
        raise SimulationError(
            f"artefacts: the chances add up to {sum(chances.values()):g}; at most 1 is allowed."
        )
    return 0.0, chances


def chance_of_kinds(text: str, shares: Mapping[str, float], *, with_difference: bool) -> np.ndarray:
    """Chance that an exposure has an artefact of each kind, shape (kind,).

    Parameters
    ----------
    text : str
        As `parse_artefacts` reads it.
    shares : mapping of name to share
        Of the kinds, in any unit; used with a total chance.
    with_difference : bool
        Without the difference plane, kinds that appear in a difference only are left out.

    Raises
    ------
    SimulationError
        As `parse_artefacts`, or a kind of the difference is named without that plane.
    """
    total, named = parse_artefacts(text)
    chances = np.zeros(len(NAMES))
    for kind, chance in named.items():
        if kind in DIFFERENCE_ONLY and not with_difference:
            raise SimulationError(
                f"artefacts: {NAMES[kind]} appears in a difference only; add the difference to the "
                "planes (--planes science,template,difference)."
            )
        chances[kind] = chance
    if total:
        chances += total * shares_of_kinds(shares, with_difference=with_difference)
    return chances


def shares_of_kinds(shares: Mapping[str, float], *, with_difference: bool) -> np.ndarray:
    """Shares of the kinds among artefacts, of sum 1, shape (kind,).

    Raises
    ------
    SimulationError
        No kind is left.
    """
    found = np.array([shares.get(name, 0.0) for name in NAMES])
    found[Artefact.NONE] = 0.0
    if not with_difference:
        found[list(DIFFERENCE_ONLY)] = 0.0
    if not found.sum() > 0:
        raise SimulationError(
            "artefacts: the profile's shares of all kinds that can be drawn are zero; raise one, "
            "for instance with --profile-set artefacts.cosmic_ray=0.1."
        )
    return found / found.sum()


def _kind(name):
    if name.lower() not in NAMES[1:]:
        raise SimulationError(
            f"artefacts: kind {name!r}; allowed are {', '.join(NAMES[1:])}, each with a chance as "
            "in ghost:0.1, or one number for all kinds."
        )
    return Artefact(NAMES.index(name.lower()))


def _chance(name, text):
    try:
        chance = float(text)
    except ValueError:
        chance = float("nan")
    if not (isfinite(chance) and 0 <= chance <= 1):
        raise SimulationError(f"{name}: chance {text!r}; allowed are numbers from 0 to 1.")
    return chance
