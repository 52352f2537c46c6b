"""Predictions whose truth is known, for the tests of the evaluation."""

from dataclasses import replace

import numpy as np

from classifier.evaluation import Predictions

CLASSES = ("SN", "RRL", "EB", "NV")
_STEPS = 4096  # probabilities are multiples of 1/4096, so they add up to 1 exactly


def random_probabilities(rng, shape, n_classes):
    """Probabilities (*shape, class) that float32 holds exactly, none of them zero."""
    centre = rng.dirichlet(np.full(n_classes, 0.7), size=shape)
    return (rng.multinomial(_STEPS - n_classes, centre) + 1) / _STEPS


def made_up(seed=1, *, n=300, longest=6, classes=CLASSES, labels=None):
    """Predictions of random probabilities, lengths and magnitudes, somewhat better than chance."""
    rng = np.random.default_rng(seed)
    probabilities = random_probabilities(rng, (n, longest), len(classes))
    label = rng.integers(len(classes), size=n)
    lucky = rng.random(n) < 0.4
    label[lucky] = probabilities[lucky, -1].argmax(axis=1)
    label = label if labels is None else np.asarray(labels)
    n_images = rng.integers(1, longest + 1, size=n)
    probabilities[np.arange(longest) >= n_images[:, None]] = np.nan
    magnitude = rng.normal(21, 1, size=n)
    names = np.array([f"object {k}" for k in rng.permutation(n)])
    return Predictions(classes, probabilities, label, n_images, magnitude, names)


def certain(label, predicted, *, magnitude=None, classes=CLASSES):
    """Predictions after one image that give everything to ``predicted``."""
    n = len(label)
    probabilities = np.eye(len(classes))[np.asarray(predicted)][:, None]
    magnitude = np.full(n, np.nan) if magnitude is None else magnitude
    return Predictions(
        classes, probabilities, label, np.ones(n, dtype=int), magnitude, np.arange(n)
    )


def with_gaps():
    """Predictions with an unknown label, an unknown magnitude, and an object without images."""
    predictions = made_up(n=40)
    label, magnitude = predictions.label.copy(), predictions.magnitude.copy()
    n_images, probabilities = predictions.n_images.copy(), predictions.probabilities.copy()
    label[3], magnitude[4], n_images[5], probabilities[5] = -1, np.nan, 0, np.nan
    return replace(
        predictions,
        label=label,
        magnitude=magnitude,
        n_images=n_images,
        probabilities=probabilities,
    )
