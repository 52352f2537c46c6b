"""Distances between a measurement's real and simulated distributions, with their errors.

Objects are drawn again with their partners, so that an error knows how few real objects
there are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import ks_2samp, wasserstein_distance

from classifier.evaluation.bootstrap import resampling_weights

_LEAST_OBJECTS = 8
_FARTHEST_SPREADS = 10.0  # from the simulated median: what lies beyond counts as this far


@dataclass(frozen=True)
class Distance:
    """How far real is from simulated.

    ``wasserstein`` and ``shift`` (real median less simulated) are in units of ``spread``, half
    the range of the middle 68 % of the simulated; ``chance`` is the mean distance of as many
    simulated objects from the others.
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
        """Distance beyond that of samples of one distribution."""
        return max(self.wasserstein - self.chance, 0.0)

    @property
    def verdict(self) -> str:
        """In words."""
        if not np.isfinite(self.wasserstein):
            return "not measured"
        if self.excess < 2.0 * self.wasserstein_error or self.excess < 0.05:
            return "alike"
        return "near" if self.excess < 0.3 else "apart" if self.excess < 1.0 else "far apart"


def distance(real, simulated, of, *, n_bootstrap, seed) -> Distance:
    """Distance of ``real`` (object,) from ``simulated`` (partner,), matched ``of`` objects."""
    known, sim_known = np.isfinite(real), np.isfinite(simulated)
    shares = float(known.mean()), float(sim_known.mean())
    if known.sum() < _LEAST_OBJECTS or sim_known.sum() < _LEAST_OBJECTS:
        return Distance(*[float("nan")] * 10, int(known.sum()), *shares)
    low, middle, high = np.percentile(simulated[sim_known], [16, 50, 84])
    spread = _spread(simulated[sim_known], low, high)
    reach = _FARTHEST_SPREADS * spread
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
    """Mean distance of one partner of every object from the partners of others."""
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
