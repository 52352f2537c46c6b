"""Networks by name, written with Keras for any of its backends.

This package imports Keras, which takes seconds; ask for it only when a network is wanted.
"""

from __future__ import annotations

from importlib import import_module

from classifier.errors import ClassifierError
from classifier.networks.backend import keras

NETWORKS = {"compact": "classifier.networks.compact", "rcnn": "classifier.networks.rcnn"}


def built(name: str, **choices):
    """The `classifier.networks.forms.Forms` of a network, with fresh weights.

    Parameters
    ----------
    name : str
        One of ``NETWORKS``.
    choices
        Of that network: at least ``size_pix`` and ``n_classes``.

    Raises
    ------
    ClassifierError
        An unknown name.
    """
    if name not in NETWORKS:
        raise ClassifierError(f"network {name!r}; known networks: {', '.join(NETWORKS)}.")
    return getattr(import_module(NETWORKS[name]), name)(**choices)


__all__ = ["NETWORKS", "built", "keras"]
