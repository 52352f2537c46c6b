"""Recurrent networks by name, written with Keras for any of its backends.

Keras itself, which takes seconds to import, is imported when a network is built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from skyreel.errors import ClassifierError

if TYPE_CHECKING:
    from classifier.models.recurrent.variants import ModelVariants

NETWORKS = {
    "compact": "classifier.models.recurrent.compact",
    "multiband": "classifier.models.recurrent.multiband",
    "rcnn": "classifier.models.recurrent.rcnn",
}


def build_network(
    name: str, *, n_bands: int = 1, planes: Sequence[str] = (), **choices: Any
) -> ModelVariants:
    """The variants of a network, with fresh weights.

    Parameters
    ----------
    name : str
        One of ``NETWORKS``.
    n_bands : int
        Bands of its images.
    planes : sequence of str
        Planes beside its images: "template", "difference".
    choices
        Of that network: at least ``size_pix`` and ``n_classes``.

    Raises
    ------
    ClassifierError
        An unknown name, several bands for a network of one, one for a network of several, or
        planes for a network of science images.
    """
    build = _builder(name)
    known = signature(build).parameters
    if planes and "planes" not in known:
        raise ClassifierError(f"network {name!r} reads no {', '.join(planes)}; use compact.")
    if "planes" in known:
        choices = {**choices, "planes": tuple(planes)}
    if "n_bands" in known:
        if n_bands < 2:
            raise ClassifierError(f"network {name!r} reads two or more bands; use compact for one.")
        choices = {**choices, "n_bands": n_bands}
    elif n_bands > 1:
        raise ClassifierError(f"network {name!r} reads one band, not {n_bands}; use multiband.")
    from classifier.models.recurrent.backend import own_settings

    with own_settings():
        return build(**choices)


def full_choices(name: str, choices: Mapping[str, Any], *, beta: float) -> dict[str, Any]:
    """Choices of a network with its defaults where nothing was chosen, for its card.

    ``beta`` is the default of networks that assume a Moffat profile.
    """
    known = signature(_builder(name)).parameters.values()
    defaults = {p.name: p.default for p in known if p.default is not Parameter.empty}
    defaults |= {"beta": beta} if "beta" in defaults else {}
    return {name: value for name, value in {**defaults, **choices}.items() if name != "dtype"}


def _builder(name: str) -> Callable[..., ModelVariants]:
    if name not in NETWORKS:
        raise ClassifierError(f"network {name!r}; known networks: {', '.join(NETWORKS)}.")
    import_module("classifier.models.recurrent.backend")  # first, to keep TensorFlow quiet
    return getattr(import_module(NETWORKS[name]), name)
