"""Expected numbers of supernovae a year: published volumetric rates times the efficiency.

SNe Ia: r(z) = r_0 (1 + z)^a with r_0 = 2.27 +- 0.19 (10^-5 / yr / Mpc^3 h_70^3) and a = 1.70 +-
0.21, the fit of Frohmaier et al. 2019 (MNRAS 486, 2308, arXiv:1903.08580) as LightCurveLynx carries
it (``snia_volumetric_rates``). The abstract of the paper gives 2.43 +- 0.29 +0.33 -0.19 at z <=
0.09. Other slopes: 2.11 +- 0.28 (SNLS, z = 0.1 to 1.1; Perrett et al. 2012, arXiv:1206.0665,
abstract) and 1.5 +- 0.6 (SDSS-II with earlier ones; Dilday et al. 2008, arXiv:0801.3297, abstract).
SNe II: the core-collapse rate less that of stripped envelopes of Frohmaier et al. 2021
(arXiv:2010.15270, abstract), 9.10 +1.56 -1.27 less 2.41 +0.81 -0.64 in this unit at <z> = 0.028,
which grows with redshift as the star formation rate of Madau & Dickinson 2014 (ARA&A 52, 415),
equation 15. Volumes are those of the Planck 2018 cosmology of astropy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from classifier.forecast.objects import Columns
from classifier.forecast.selection_function import EDGES, SUBTYPES

SKY_DEG2 = 41252.96
_DAYS_PER_YEAR = 365.25
BEFORE_FIRST_IMAGE_DAY = 5.0  # explosions are drawn from so early on
_STEPS = 60  # of the integral over a bin of redshift
NOT_COUNTED = (
    "Only supernovae are counted: for RR Lyrae stars, Cepheids and eclipsing binaries there is no "
    "published density on the sky, by magnitude, of the stars that are drawn here (of the survey's "
    "magnitudes, equally many of every class), and for asteroids no number of appearances. "
    "Published for comparison: some three million detached eclipsing binaries observed by Rubin "
    "in ten years, nearly a million of them recovered in the field (Geller et al. 2021, "
    "arXiv:2107.02836)."
)


@dataclass(frozen=True)
class VolumetricRate:
    """Rate of one kind of supernova.

    ``per_mpc3_year`` is a function of redshift in units of h_70^3; ``relative_error`` is that of
    the local rate, ``slope_error`` that of the exponent of 1 + z.
    """

    per_mpc3_year: Callable[[np.ndarray], np.ndarray]
    relative_error: float
    source: str
    slope_error: float = 0.0


def type_ia_rate(redshift: np.ndarray) -> np.ndarray:
    """SNe Ia per Mpc^3 and year, for h = 0.7 (Frohmaier et al. 2019)."""
    return 2.27e-5 * (1 + redshift) ** 1.70


def star_formation(redshift: np.ndarray) -> np.ndarray:
    """Star formation rate density in M_sun / yr / Mpc^3 (Madau & Dickinson 2014, equation 15)."""
    return 0.015 * (1 + redshift) ** 2.7 / (1 + ((1 + redshift) / 2.9) ** 5.6)


def type_ii_rate(redshift: np.ndarray) -> np.ndarray:
    """SNe II per Mpc^3 and year, for h = 0.7 (Frohmaier et al. 2021)."""
    return (9.10e-5 - 2.41e-5) * star_formation(redshift) / star_formation(0.028)


RATES = {
    "SN Ia": VolumetricRate(
        type_ia_rate,
        0.19 / 2.27,
        "2.27e-5 (1 + z)^1.70 /yr/Mpc^3 h_70^3, Frohmaier et al. 2019, MNRAS 486, 2308",
        0.21,
    ),
    "SN II": VolumetricRate(
        type_ii_rate,
        float(np.hypot(1.56, 0.81) / (9.10 - 2.41)),
        "(9.10 - 2.41)e-5 /yr/Mpc^3 h_70^3 at z = 0.028, Frohmaier et al. 2021, arXiv:2010.15270; "
        "evolution of Madau & Dickinson 2014, equation 15",
    ),
}


@dataclass(frozen=True)
class ExpectedNumber:
    """Supernovae of one type a year, within ``largest_redshift``.

    ``detected_error`` and ``correct_error`` are those of the simulated sample;
    ``rate_error`` is the relative error of ``detected`` from that of the published rate.
    """

    group: str
    exploding: float
    detected: float
    detected_error: float
    correct: float
    correct_error: float
    rate_error: float
    largest_redshift: float
    area_deg2: float
    source: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def explosions_by_redshift(rate: VolumetricRate, edges: np.ndarray) -> np.ndarray:
    """Explosions on the whole sky per observer's year in bins of redshift, (bin,)."""
    from astropy.cosmology import Planck18

    fine = np.linspace(edges[:-1], edges[1:], _STEPS + 1)  # (step, bin)
    volume = np.zeros_like(fine)
    positive = fine > 0
    volume[positive] = Planck18.differential_comoving_volume(fine[positive]).value * 4 * np.pi
    h70 = (Planck18.H0.value / 70.0) ** 3
    density = h70 * rate.per_mpc3_year(fine) * volume / (1 + fine)
    return np.trapezoid(density, fine, axis=0)


def expected_numbers(
    objects: Columns, correct: np.ndarray, supernova_label: int, area_deg2: float
) -> list[ExpectedNumber]:
    """Numbers a year of every type of supernova that was drawn.

    A supernova counts with the part of a year in which its sequence could find it: from five
    days before the first image to the last. One sequence a year at every position is assumed.

    Parameters
    ----------
    objects : mapping of str to numpy.ndarray
        All objects drawn, detected or not.
    correct : numpy.ndarray of bool, shape (object,)
    supernova_label : int
    area_deg2 : float
    """
    window_day = objects["last_mjd"] - objects["first_mjd"] + BEFORE_FIRST_IMAGE_DAY
    share = np.clip(window_day / _DAYS_PER_YEAR, 0.0, 1.0)
    found = []
    for name, rate in RATES.items():
        members = (objects["label"] == supernova_label) & (objects["subtype"] == SUBTYPES[name])
        if members.any():
            sample = {
                "redshift": objects["redshift"][members],
                "detected": (objects["detected"] * share)[members],
                "correct": (correct * share)[members],
            }
            found.append(_expected(name, rate, sample, area_deg2))
    return found


def _expected(name, rate, sample, area_deg2):
    edges, redshift = EDGES["redshift"], sample["redshift"]
    number = np.searchsorted(edges, redshift, side="right") - 1
    last = int(number.max())
    edges, everywhere = edges[: last + 2], explosions_by_redshift(rate, edges[: last + 2])
    here = everywhere * area_deg2 / SKY_DEG2
    numbers = []
    for key in ("detected", "correct"):
        mean, variance = _means(sample[key], number, last + 1)
        numbers += [float(here @ mean), float(np.sqrt(here**2 @ variance))]
        if key == "detected":
            error = _rate_error(rate, here * mean, edges)
    total, largest = float(here.sum()), float(edges[-1])
    return ExpectedNumber(name, total, *numbers, error, largest, area_deg2, rate.source)


def _rate_error(rate, detected, edges):
    """Relative error of the sum of numbers ``detected`` in bins of redshift, to first order."""
    growth = np.log1p(0.5 * (edges[1:] + edges[:-1]))  # by which a slope of 1 more changes a bin
    mean = float(detected @ growth / detected.sum()) if detected.sum() > 0 else 0.0
    return float(np.hypot(rate.relative_error, rate.slope_error * mean))


def _means(values, number, n_bins):
    """Mean of values in bins and its variance; those of an empty bin are interpolated."""
    count = np.bincount(number, minlength=n_bins)
    n, places = np.maximum(count, 1), np.arange(n_bins)
    mean = np.bincount(number, values, minlength=n_bins) / n
    square = np.bincount(number, values**2, minlength=n_bins) / n
    filled = np.flatnonzero(count)
    variance = np.maximum(square - mean**2, 0.0) / n
    return np.interp(places, filled, mean[filled]), np.interp(places, filled, variance[filled])
