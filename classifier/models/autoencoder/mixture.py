"""A mixture of Gaussians with diagonal covariances: the clusters in latent space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, softmax
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from skyreel.errors import ClassifierError

_MOST_FITTED = 20_000  # points; more do not change the fit of some tens of clusters
_FLOOR = 1e-4  # of a variance
_LN_2PI = float(np.log(2 * np.pi))


@dataclass(frozen=True)
class Mixture:
    """Weights pi_c, means and variances of the clusters.

    Attributes
    ----------
    log_weights : float (cluster,)
        Up to a constant.
    means, log_variances : float (cluster, dimension)
    """

    log_weights: np.ndarray
    means: np.ndarray
    log_variances: np.ndarray

    @classmethod
    def fitted(cls, points: np.ndarray, clusters: int, seed: int) -> Mixture:
        """By expectation maximisation from five beginnings, of points (object, dimension).

        Raises
        ------
        ClassifierError
            Fewer different points than clusters.
        """
        rng = np.random.default_rng([seed, len(points)])
        if len(points) > _MOST_FITTED:
            points = points[np.sort(rng.choice(len(points), _MOST_FITTED, replace=False))]
        points = np.asarray(points, dtype=float)
        if len(np.unique(points, axis=0)) < clusters:
            raise ClassifierError(f"{clusters} clusters: there are fewer different stamps.")
        fit = GaussianMixture(
            clusters, covariance_type="diag", n_init=5, reg_covar=_FLOOR, random_state=seed
        )
        with threadpool_limits(1):
            fit.fit(points)
        weights = np.maximum(fit.weights_, 1e-12)
        return cls(np.log(weights), fit.means_, np.log(fit.covariances_))

    def log_joint(self, points: np.ndarray) -> np.ndarray:
        """The ln of pi_c N(z; mu_c, sigma_c^2) of points z (..., dimension), as (..., cluster)."""
        squares = (points[..., None, :] - self.means) ** 2 * np.exp(-self.log_variances)
        log_normal = -0.5 * (squares + self.log_variances + _LN_2PI).sum(axis=-1)
        return self.log_weights - logsumexp(self.log_weights) + log_normal

    def log_density(self, points: np.ndarray) -> np.ndarray:
        """The ln p(z) of points (..., dimension), as (...)."""
        return logsumexp(self.log_joint(points), axis=-1)

    def responsibilities(self, points: np.ndarray) -> np.ndarray:
        """p(c|z) of points (..., dimension), as (..., cluster)."""
        return softmax(self.log_joint(points), axis=-1)
