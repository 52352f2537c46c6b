"""Distances between the real and the simulated distribution of a quantity, with errors.

Errors are of a bootstrap that resamples real objects together with their matched simulations, so
they include the small number of real objects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import ks_2samp, wasserstein_distance

from classifier.evaluation.bootstrap import resampling_weights

CONSISTENT, NOT_MEASURED, TOO_FEW = "consistent", "not measured", "too few objects"
NO_DISCREPANCY = (CONSISTENT, NOT_MEASURED, TOO_FEW)
"""Verdicts that are no discrepancy."""
LEAST_OBJECTS = 8
"""Real objects, and simulations, with a value that a distance needs."""
_MOST_SPREADS = 10.0  # values farther from the simulated median are clipped to this
_CONSISTENT_ERRORS, _CONSISTENT, _MILD, _STRONG = 2.0, 0.05, 0.3, 1.0  # upper limits of verdicts


@dataclass(frozen=True)
class Distance:
    """Distance of a real from a simulated distribution.

    Attributes
    ----------
    wasserstein, wasserstein_error : float
        Wasserstein-1 distance and bootstrap error, in units of ``spread``.
    chance : float
        Mean distance of as many simulated objects from the other simulated ones.
    ks, ks_error : float
        Kolmogorov-Smirnov statistic and bootstrap error.
    shift : float
        Real median less simulated median, in units of ``spread``.
    real_median, simulated_median : float
    spread, real_spread : float
        Half the central 68 % range of the simulated and of the real values.
    n_real : int
        Real objects with a value.
    real_known, simulated_known : float
        Shares of objects with a value.
    """

    wasserstein: float
    wasserstein_error: float
    chance: float
    ks: float
    ks_error: float
    shift: float
    real_median: float
    simulated_median: float
    spread: float
    real_spread: float
    n_real: int
    real_known: float
    simulated_known: float

    @property
    def excess(self) -> float:
        """Distance beyond that of two samples of one distribution."""
        return max(self.wasserstein - self.chance, 0.0)

    @property
    def verdict(self) -> str:
        """The discrepancy in words."""
        if not np.isfinite(self.wasserstein):
            return TOO_FEW if self.real_known and self.simulated_known else NOT_MEASURED
        if self.excess < _CONSISTENT_ERRORS * self.wasserstein_error or self.excess < _CONSISTENT:
            return CONSISTENT
        if self.excess < _MILD:
            return "mild discrepancy"
        return "strong discrepancy" if self.excess < _STRONG else "very strong discrepancy"


def distance(
    real: np.ndarray, simulated: np.ndarray, of: np.ndarray, *, n_bootstrap: int, seed: int
) -> Distance:
    """Distance of ``real`` (object,) from ``simulated`` (simulation,); NaN: not measured.

    ``of`` (simulation,) is the real object that each simulation is matched to.
    """
    known, sim_known = np.isfinite(real), np.isfinite(simulated)
    shares = float(known.mean()), float(sim_known.mean())
    if known.sum() < LEAST_OBJECTS or sim_known.sum() < LEAST_OBJECTS:
        return Distance(*[float("nan")] * 10, int(known.sum()), *shares)
    low, middle, high = np.percentile(simulated[sim_known], [16, 50, 84])
    spread = _spread(simulated[sim_known], low, high)
    reach = _MOST_SPREADS * spread
    real, simulated = (np.clip(v, middle - reach, middle + reach) for v in (real, simulated))
    weights = resampling_weights(np.zeros(real.size), n_bootstrap=n_bootstrap, seed=seed)
    wasserstein, ks = [], []
    for weight in weights.T:
        w_real, w_sim = weight[known], weight[of][sim_known]
        if not (w_real.any() and w_sim.any()):
            continue
        wasserstein.append(
            wasserstein_distance(real[known], simulated[sim_known], w_real, w_sim) / spread
        )
        ks.append(_ks(real[known], simulated[sim_known], w_real, w_sim))
    real_low, real_middle, real_high = np.percentile(real[known], [16, 50, 84])
    return Distance(
        wasserstein[0],
        float(np.std(wasserstein[1:], ddof=1)),
        _chance(simulated, of, real.size, spread, seed),
        ks[0],
        float(np.std(ks[1:], ddof=1)),
        (real_middle - middle) / spread,
        real_middle,
        middle,
        spread,
        0.5 * (real_high - real_low),
        int(known.sum()),
        *shares,
    )


def _spread(values, low, high):
    spread = 0.5 * (high - low)
    if spread <= 1e-9 * max(abs(low), abs(high), 1e-9):
        spread = float(np.std(values))
    return spread if spread > 0 else 1.0


def _chance(simulated, of, n_objects, spread, seed, draws=20):
    """Mean distance of one simulation of every object from all other simulations."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        order = rng.permutation(of.size)
        _, first = np.unique(of[order], return_index=True)
        one = np.zeros(of.size, dtype=bool)
        one[order[first]] = True
        mine, others = simulated[one], simulated[~one]
        mine, others = mine[np.isfinite(mine)], others[np.isfinite(others)]
        if mine.size and others.size:
            found.append(wasserstein_distance(mine, others) / spread)
    return float(np.mean(found)) if found else 0.0


def _ks(real, simulated, w_real, w_simulated):
    """Largest difference of two weighted cumulative distributions."""
    if (w_real == 1).all() and (w_simulated == 1).all():
        return float(ks_2samp(real, simulated).statistic)
    grid = np.unique(np.concatenate([real, simulated]))
    steps = [
        np.bincount(np.searchsorted(grid, v), weights=w, minlength=grid.size).cumsum() / w.sum()
        for v, w in ((real, w_real), (simulated, w_simulated))
    ]
    return float(np.abs(steps[0] - steps[1]).max())
