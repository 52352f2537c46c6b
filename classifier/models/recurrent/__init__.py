"""Networks by name, written with Keras for any of its backends.

Keras itself, which takes seconds, is imported when one is built.
"""

from __future__ import annotations

from importlib import import_module
from inspect import Parameter, signature

from skyreel.errors import ClassifierError

NETWORKS = {
    "compact": "classifier.models.recurrent.compact",
    "rcnn": "classifier.models.recurrent.rcnn",
}


def built(name: str, **choices):
    """The `ModelVariants` of a network, with fresh weights.

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
    return _builder(name)(**choices)


def full_choices(name: str, choices: dict) -> dict:
    """Choices of a network with its defaults where nothing was chosen, for its card."""
    known = signature(_builder(name)).parameters.values()
    defaults = {p.name: p.default for p in known if p.default is not Parameter.empty}
    return {name: value for name, value in {**defaults, **choices}.items() if name != "dtype"}


def _builder(name):
    if name not in NETWORKS:
        raise ClassifierError(f"network {name!r}; known networks: {', '.join(NETWORKS)}.")
    import_module("classifier.models.recurrent.backend")  # first, to keep TensorFlow quiet
    return getattr(import_module(NETWORKS[name]), name)
