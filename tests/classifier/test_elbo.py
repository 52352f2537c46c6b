"""The terms of the ELBO against integrals and SciPy, and the mixture against scikit-learn."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.mixture import GaussianMixture

from classifier.models.autoencoder.elbo import Divergence, LogLikelihood
from classifier.models.autoencoder.encoder_decoder import build_autoencoder
from classifier.models.autoencoder.mixture import Mixture
from classifier.models.recurrent.backend import keras
from skyreel.errors import ClassifierError

N, J, K = 6, 2, 3


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture
def mixture(rng):
    return Mixture(rng.normal(size=K), rng.normal(size=(K, J)), rng.normal(0, 0.5, (K, J)))


def posterior(rng):
    """Means, ln variances and samples."""
    mean, log_variance = rng.normal(size=(2, N, J)) * np.array([1.0, 0.5])[:, None, None]
    return mean, log_variance, mean + np.exp(log_variance / 2) * rng.normal(size=(N, J))


def divergence(prior, mixture, *arrays):
    layer = Divergence(len(mixture.log_weights), prior)
    layer.build((None, J))
    layer.mixture = mixture
    found = layer(*(a.astype(np.float32) for a in arrays))
    return keras.ops.convert_to_numpy(found)


def integrated(mean, sigma, other_mean, other_sigma):
    """Divergence of one Gaussian from another by the trapezoidal rule."""
    x = np.linspace(mean - 12 * sigma, mean + 12 * sigma, 4001)
    log_q, log_p = norm.logpdf(x, mean, sigma), norm.logpdf(x, other_mean, other_sigma)
    return np.trapezoid(np.exp(log_q) * (log_q - log_p), x)


def gaussian_divergence(mean, log_variance, other_mean, other_log_variance):
    """Sum over dimensions."""
    sigmas = np.exp(log_variance / 2), np.exp(other_log_variance / 2)
    return sum(
        integrated(mean[j], sigmas[0][j], other_mean[j], sigmas[1][j]) for j in range(mean.size)
    )


def test_divergence_from_a_mixture_is_that_of_its_parts_and_of_the_choice_of_one(rng, mixture):
    mean, log_variance, sample = posterior(rng)
    pi = np.exp(mixture.log_weights) / np.exp(mixture.log_weights).sum()
    found = divergence("mixture", mixture, mean, log_variance, sample)
    sigma = np.exp(mixture.log_variances / 2)
    for i in range(N):
        joint = pi * norm.pdf(sample[i], mixture.means, sigma).prod(axis=1)
        gamma = joint / joint.sum()
        parts = [
            gaussian_divergence(mean[i], log_variance[i], *each)
            for each in zip(mixture.means, mixture.log_variances, strict=True)
        ]
        expected = (gamma * (np.array(parts) + np.log(gamma / pi))).sum()
        assert found[i] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_divergence_from_a_standard_normal_is_the_integral(rng, mixture):
    mean, log_variance, sample = posterior(rng)
    expected = [gaussian_divergence(mean[i], log_variance[i], *np.zeros((2, J))) for i in range(N)]
    found = divergence("normal", mixture, mean, log_variance, sample)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    one = Mixture(np.zeros(1), np.zeros((1, J)), np.zeros((1, J)))
    same = divergence("mixture", one, mean, log_variance, sample)
    np.testing.assert_allclose(same, found, rtol=1e-5, atol=1e-5)
    assert not divergence("none", mixture, mean, log_variance, sample).any()


def test_divergence_does_not_depend_on_the_order_of_clusters_nor_on_equal_copies(rng, mixture):
    arrays = posterior(rng)
    found = divergence("mixture", mixture, *arrays)
    parts = (mixture.log_weights + 3, mixture.means, mixture.log_variances)
    turned = Mixture(*(part[::-1] for part in parts))
    np.testing.assert_allclose(divergence("mixture", turned, *arrays), found, rtol=1e-4, atol=1e-5)
    twice = Mixture(*(np.concatenate([part, part]) for part in parts))
    np.testing.assert_allclose(divergence("mixture", twice, *arrays), found, rtol=1e-4, atol=1e-5)


def test_log_likelihood_is_that_of_the_known_pixels(rng):
    stamps, decoded = rng.normal(size=(2, N, 4, 4, 1))
    sigma = rng.uniform(0.2, 2, stamps.shape)
    known = rng.random(stamps.shape) < 0.7
    arrays = (stamps, decoded, known / sigma**2)
    found = LogLikelihood()(*(a.astype(np.float32) for a in arrays))
    expected = (known * norm.logpdf(stamps, decoded, sigma)).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found), expected, rtol=1e-4)


def test_mixture_is_that_of_scikit_learn(rng, mixture):
    points, other = rng.normal(0, 2, (20, J)), GaussianMixture(K, covariance_type="diag")
    weights = np.exp(mixture.log_weights)
    other.weights_, other.means_ = weights / weights.sum(), mixture.means
    other.covariances_ = np.exp(mixture.log_variances)
    other.precisions_cholesky_ = other.covariances_**-0.5
    np.testing.assert_allclose(mixture.log_density(points), other.score_samples(points))
    found = mixture.responsibilities(points)
    np.testing.assert_allclose(found, other.predict_proba(points), atol=1e-12)
    two = points.reshape(4, 5, J)
    np.testing.assert_array_equal(mixture.responsibilities(two).reshape(20, K), found)


def test_a_fitted_mixture_finds_groups_that_are_apart(rng):
    centres = np.array([[-5.0, 0], [5, 1], [0, 8]])
    group = rng.integers(3, size=600)
    fit = Mixture.fitted(centres[group] + rng.normal(0, 0.5, (600, 2)), 3, seed=1)
    nearest = np.abs(fit.means[:, None] - centres).sum(axis=2).argmin(axis=1)
    assert sorted(nearest) == [0, 1, 2]
    five_sigma = 5 * 0.5 / np.sqrt(np.bincount(group).min())
    np.testing.assert_allclose(fit.means, centres[nearest], atol=five_sigma)


def test_fewer_different_points_than_clusters_are_one_sentence():
    with pytest.raises(ClassifierError, match=r"^3 clusters: there are fewer different stamps\.$"):
        Mixture.fitted(np.repeat([[0.0, 1.0], [1.0, 0.0]], 10, axis=0), 3, seed=0)


@pytest.mark.parametrize("network", ["autoencoder", "vae", "vade"])
@pytest.mark.parametrize("size_pix", [9, 10, 21])
def test_the_loss_of_a_network_is_that_of_its_parts(rng, network, size_pix):
    keras.utils.set_random_seed(1)
    size = {"size_pix": size_pix, "clusters": K, "latent": J, "filters": [2, 2, 3, 2]}
    model = build_autoencoder(network, **size)
    shape = (N, size_pix, size_pix, 1)
    arrays = {"stamps": rng.normal(size=shape), "precision": rng.uniform(0.5, 2, shape)}
    arrays["noise"] = rng.normal(size=(N, J))
    arrays = {name: values.astype(np.float32) for name, values in arrays.items()}
    mean, log_variance = model.get_layer("encoder").predict_on_batch(arrays["stamps"])
    sample = mean if network == "autoencoder" else None
    if sample is None:
        sample = mean + np.exp(log_variance / 2) * arrays["noise"]
    decoded = model.get_layer("decoder").predict_on_batch(sample)
    assert decoded.shape == shape and mean.shape == (N, J)
    sigma = arrays["precision"] ** -0.5
    expected = -norm.logpdf(arrays["stamps"], decoded, sigma).sum(axis=(1, 2, 3))
    prior = {"autoencoder": "none", "vae": "normal", "vade": "mixture"}[network]
    expected += divergence(prior, model.get_layer("divergence").mixture, mean, log_variance, sample)
    np.testing.assert_allclose(model.predict_on_batch(arrays), expected, rtol=1e-4)


def test_an_unknown_network_is_one_sentence():
    with pytest.raises(ClassifierError, match="autoencoder 'vaed'; known are autoencoder, vae"):
        build_autoencoder("vaed", size_pix=9, clusters=2, latent=2, filters=[1, 1, 1, 1])
