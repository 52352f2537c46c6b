"""Photometry as a layer: the flux of a central star in every image, and the residual image."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

_LEAST = 1e-9


@keras.saving.register_keras_serializable(package="skyreel")
class PsfPhotometry(keras.layers.Layer):
    """Optimal photometry with a Moffat profile of each exposure's seeing (Naylor 1998).

    Pixels are weighted with the inverse variance of sky and source, the source's share taken
    from a first fit. The residual is also projected on the derivative of the profile by the
    logarithm of its width: positive where the object is more extended than a star.

    Parameters
    ----------
    beta : float
        Of the Moffat profile.

    Call arguments
    --------------
    images, usable : (object, image, row, column)
    noise, njy_per_e, seeing : (object, image)
        As in `classifier.network_inputs.Inputs`.

    Returns
    -------
    flux, error : (object, image)
        nJy.
    width, width_weight : (object, image)
        Projection on the derivative and its variance; their ratio is the excess in the logarithm
        of the width times the flux, in units of the noise of a pixel.
    residual : (object, image, row, column)
        The image without the star, in units of the noise of a pixel.
    """

    def __init__(self, beta: float, **kwargs: Any):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.beta = float(beta)

    def call(self, images: Any, usable: Any, noise: Any, njy_per_e: Any, seeing: Any) -> tuple:
        profile, slope = self._profile(images.shape[2], seeing)
        signal = images / noise[..., None, None]
        first = _total(usable * profile * signal) / _floor(_total(usable * profile * profile))
        electrons_per_noise = (njy_per_e / noise)[..., None, None]
        light = ops.relu(first)[..., None, None] * profile * electrons_per_noise
        weight = usable / (1 + light)
        star = _floor(_total(weight * profile * profile))
        cross = _total(weight * profile * slope)
        flux = _total(weight * profile * signal) / star
        width = _total(weight * slope * signal) - cross * flux
        width_weight = _floor(_total(weight * slope * slope) - cross * cross / star)
        residual = (signal - flux[..., None, None] * profile) * usable
        return flux * noise, noise / ops.sqrt(star), width, width_weight, residual

    def _profile(self, size, seeing):
        """The profile, of unit flux, and its derivative by the logarithm of its width."""
        axis = ops.arange(size, dtype="float32") - 0.5 * (size - 1)
        radius2 = (axis[:, None] ** 2 + axis[None, :] ** 2)[None, None]
        scale2 = ops.square(seeing)[..., None, None] / (4 * (2 ** (1 / self.beta) - 1))
        ratio = radius2 / scale2
        profile = ops.power(1 + ratio, -self.beta) * (self.beta - 1) / (math.pi * scale2)
        return profile, 2 * profile * (self.beta * ratio / (1 + ratio) - 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "beta": self.beta}


def _total(image):
    return ops.sum(image, axis=(-2, -1))


def _floor(value):
    return ops.maximum(value, _LEAST)
