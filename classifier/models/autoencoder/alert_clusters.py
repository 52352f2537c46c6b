"""A trained autoencoder of difference stamps on disk: a JSON card and one file of plain arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy.special import logsumexp

from classifier.dataset import DatasetSplit
from classifier.evaluation.clusters import Clusters
from classifier.evaluation.predictions import Predictions
from classifier.models.autoencoder.encoder_decoder import build_autoencoder
from classifier.models.autoencoder.mixture import Mixture
from classifier.models.card_schema import CHOICES
from classifier.models.model_card import CARD, read_card
from classifier.models.protocol import Embedding
from classifier.models.recurrent.backend import keras, own_settings
from classifier.models.recurrent.trained_network import WEIGHTS, load_weights, refuse_too_large
from classifier.models.stamp.first_alert_model import FirstAlertModel
from classifier.models.stamp.metadata_scale import MetadataScale
from classifier.snr_stamps import SnrStamps, read_snr_stamps
from skyreel.errors import ClassifierError

KIND = "autoencoder"
FORMAT_VERSION = 1
_KEYS = ("network", "choices", "size_pix", "bands", "trained_on")
_BATCH = 256
_SAMPLES = 16
_SOFTENING = 3.0
_MOST = 60.0  # of x: a signal to noise of 7e8
_BRIGHT = 5.0  # x of the brightest pixel of a decoded centroid


def network_arrays(snr: np.ndarray, brightness: str) -> dict[str, np.ndarray]:
    """Inputs of an autoencoder by name, each (object, row, column, 1), but for the noise.

    Stamps are x = 3 asinh(snr / 3), in which the noise is 1 for faint pixels and less for bright
    ones, as numbers of order 1: over 3 ("latent") or over the largest |x| of the stamp ("given").
    The precision is that of a noise of 1 in x. Missing pixels are 0, of precision 0.

    Parameters
    ----------
    snr : numpy.ndarray, shape (object, row, column)
        NaN where missing.
    brightness : str
        "latent" or "given".
    """
    scale = _scale(snr, brightness)
    arrays = {"stamps": _from_snr(snr) / scale, "precision": np.isfinite(snr) * scale**2}
    return {name: array[..., None].astype(np.float32) for name, array in arrays.items()}


def _from_snr(snr):
    return _SOFTENING * np.arcsinh(np.where(np.isfinite(snr), snr, 0) / _SOFTENING)


def _to_snr(x):
    return _SOFTENING * np.sinh(np.clip(x, -_MOST, _MOST) / _SOFTENING)


def _scale(snr, brightness):
    """By how much x is larger than the stamps of the network, (object, 1, 1)."""
    if brightness == "latent":
        return np.full((len(snr), 1, 1), _SOFTENING)
    return np.maximum(np.abs(_from_snr(snr)).max(axis=(1, 2), keepdims=True), 1.0)


def build(network: str, choices: Mapping[str, Any], size_pix: int) -> keras.Model:
    """The network of these choices with fresh weights, under our own Keras settings."""
    names = ("clusters", "latent", "filters")
    with own_settings():
        return build_autoencoder(
            network, size_pix=size_pix, **{name: choices[name] for name in names}
        )


def cluster_names(clusters: int) -> tuple[str, ...]:
    """Names of clusters, by which a table of probabilities calls them."""
    return tuple(f"cluster_{k}" for k in range(1, clusters + 1))


@dataclass(frozen=True)
class AlertClusters(FirstAlertModel):
    """A trained autoencoder that clusters first alerts; ``classes`` are its clusters."""

    packages: ClassVar[tuple[str, ...]] = ("keras",)
    n_alerts: ClassVar[int] = 1
    model: keras.Model = field(repr=False)

    @classmethod
    def open(cls, folder: str | Path) -> AlertClusters:
        """A model that was trained before.

        Raises
        ------
        ClassifierError
            No model is there, it is unfinished, damaged, or of another format.
        """
        folder = Path(folder)
        card = read_card(folder, kind=KIND, version=FORMAT_VERSION, keys=_KEYS)
        refuse_too_large(card, folder)
        card["choices"] = CHOICES[card["network"]].model_validate(card["choices"]).model_dump()
        if len(card["classes"]) != card["choices"]["clusters"]:
            raise ClassifierError(
                f"{folder / CARD} is damaged (classes: one for every cluster). Train the model "
                "again."
            )
        model = build(card["network"], card["choices"], card["size_pix"])
        load_weights(model, folder / WEIGHTS)
        return cls(
            folder=folder,
            classes=tuple(card["classes"]),
            class_parts={},
            survey=card["survey"],
            bands=tuple(card["bands"]),
            crop_pix=card["size_pix"],
            metadata=MetadataScale(),
            card=card,
            model=model,
        )

    @property
    def mixture(self) -> Mixture:
        """The clusters in latent space."""
        return self.model.get_layer("divergence").mixture

    def stamps_of(self, split: DatasetSplit) -> SnrStamps:
        """The stamps of a split that it reads.

        Raises
        ------
        ClassifierError
        """
        self.check_split(split)
        return read_snr_stamps(split, size_pix=self.crop_pix)

    def probabilities(self, alerts: SnrStamps) -> np.ndarray:
        """p(c|z) of stamps at the mean z of their posterior, (object, cluster)."""
        return self.mixture.responsibilities(self.encoded(alerts.snr)[0])

    def predict(
        self,
        split: DatasetSplit,
        *,
        threads: int = 1,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> Predictions:
        """Probabilities (object, 1, cluster); no object has a label among clusters.

        Raises
        ------
        ClassifierError
            No object has an alert, or there is no difference.
        """
        stamps = self.stamps_of(split)
        found = np.full((len(split), 1, len(self.classes)), np.nan, dtype=np.float32)
        found[stamps.rows, 0] = self.probabilities(stamps)
        on_progress(len(split))
        n_images = np.zeros(len(split), dtype=int)
        n_images[stamps.rows] = 1
        unknown = np.full(len(split), np.nan, dtype=np.float32)
        labels = np.full(len(split), -1)
        return Predictions(self.classes, found, labels, n_images, unknown, split.object_ids)

    def clustered(
        self,
        stamps: SnrStamps,
        split: DatasetSplit,
        *,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> Clusters:
        """Probabilities and outlier scores of ``stamps``, which are `stamps_of` this split."""
        means, log_variances = self.encoded(stamps.snr)
        evidence = []
        for rows in _blocks(len(stamps)):
            posterior = means[rows], log_variances[rows]
            evidence.append(self.log_evidence(stamps.snr[rows], *posterior))
            on_progress(len(evidence[-1]))
        return Clusters(
            object_id=split.object_ids[stamps.rows],
            probabilities=self.mixture.responsibilities(means).astype(np.float32),
            outlier_score=-np.concatenate(evidence),
            label=stamps.labels,
            classes=split.classes,
            latent=means,
        )

    def reconstructed(self, snr: np.ndarray) -> np.ndarray:
        """Differences over their noise (object, row, column) from the means of the posterior."""
        return _to_snr(self.decoded(self.encoded(snr)[0]) * _scale(snr, self._brightness))

    def centroids(self) -> np.ndarray:
        """Stamps (cluster, row, column) decoded from the centroids, differences over their noise.

        Where the brightness is given, their brightest pixel has about 8.
        """
        scale = _SOFTENING if self._brightness == "latent" else _BRIGHT
        return _to_snr(self.decoded(self.mixture.means) * scale)

    @property
    def _brightness(self):
        return self.card["choices"]["brightness"]

    def log_evidence(
        self, snr: np.ndarray, means: np.ndarray, log_variances: np.ndarray
    ) -> np.ndarray:
        """The ln p(x) of stamps over the numbers of their known pixels, (object,).

        An estimate by importance sampling, ln 1/L sum_l p(x|z_l) p(z_l) / q(z_l|x) with 16 samples
        of the posterior (Burda et al. 2016); all objects have the same normal numbers.
        """
        arrays = network_arrays(snr, self._brightness)
        noise = np.random.default_rng(0).standard_normal((_SAMPLES, means.shape[1]))
        samples = means + np.exp(0.5 * log_variances) * noise[:, None]
        decoded = self.decoded(samples.reshape(-1, means.shape[1]))
        decoded = decoded.reshape(*samples.shape[:2], *snr.shape[1:])
        precision, known = arrays["precision"][..., 0].astype(float), np.isfinite(snr)
        squares = (precision * (arrays["stamps"][..., 0] - decoded) ** 2).sum(axis=(2, 3))
        log_likelihood = -0.5 * (squares + known.sum(axis=(1, 2)) * np.log(2 * np.pi))
        log_posterior = -0.5 * (noise[:, None] ** 2 + log_variances + np.log(2 * np.pi)).sum(-1)
        log_ratio = log_likelihood + self._log_prior(samples) - log_posterior
        return (logsumexp(log_ratio, axis=0) - np.log(_SAMPLES)) / known.sum(axis=(1, 2))

    def _log_prior(self, samples):
        if self.card["network"] == "vade":
            return self.mixture.log_density(samples)
        return -0.5 * (samples**2 + np.log(2 * np.pi)).sum(axis=-1)

    def encoded(self, snr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means and ln variances of the posterior, each (object, latent), of stamps."""
        encoder, brightness = self.model.get_layer("encoder"), self._brightness
        parts = [
            _applied(encoder, network_arrays(snr[rows], brightness)["stamps"])
            for rows in _blocks(len(snr))
        ]
        means, log_variances = (
            np.concatenate(part).astype(float) for part in zip(*parts, strict=True)
        )
        return means, log_variances

    def decoded(self, latent: np.ndarray) -> np.ndarray:
        """Stamps (object, row, column) of latent variables, as `network_arrays` scales them."""
        decoder = self.model.get_layer("decoder")
        parts = [
            _applied(decoder, latent[rows].astype(np.float32)) for rows in _blocks(len(latent))
        ]
        return np.concatenate(parts)[..., 0]

    def embedding(self, split: DatasetSplit, rows: np.ndarray, *, threads: int = 1) -> Embedding:
        """Means of the posterior, (object, latent); zero for objects without an alert."""
        stamps = self.stamps_of(split)
        means = self.encoded(stamps.snr)[0]
        values = np.zeros((len(split), means.shape[1]))
        values[stamps.rows] = means
        return Embedding(values[rows], f"{means.shape[1]} latent variables")


def _blocks(n: int) -> Iterator[slice]:
    return (slice(first, min(first + _BATCH, n)) for first in range(0, n, _BATCH))


@own_settings()
def _applied(model, values):
    """Outputs of at most a batch, filled up to one size so that the model is compiled once."""
    n = len(values)
    outputs = model.predict_on_batch(np.resize(values, (_BATCH, *values.shape[1:])))
    return keras.tree.map_structure(lambda array: np.asarray(array)[:n], outputs)
