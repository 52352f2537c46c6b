"""Light-curve columns of every image, from that image and those before it.

They follow from running sums, so that a new image costs the same however many came before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras

from classifier.models.recurrent.operations import NumpyLayer, ops

_LEAST = 1e-20
PHASES_PER_DAY = (1.0, 2.0, 4.0)


@keras.saving.register_keras_serializable(package="skyreel")
class LightCurve(NumpyLayer):
    """Light-curve columns of every image.

    Parameters
    ----------
    scatter : float
        Of fluxes beyond their errors, as a fraction.
    times, conditions : bool
        Whether the columns of times, or of seeing and noise, are filled (else zeros).

    Call arguments
    --------------
    flux, error, width, width_weight : (object, image)
        As from `PsfPhotometry`.
    seeing, noise, days, present : (object, image)
        As in `classifier.network_inputs.Inputs`.
    state : (object, 10) or None
        Running sums of earlier images; None at the start of a sequence.

    Returns
    -------
    columns : (object, image, 23)
        Signal to noise, brightness, change from the mean of earlier images and from the last one
        (in errors, and as a ratio), scatter, extent, time and its phases, and the conditions; 0
        where padded.
    state : (object, 10)
    """

    COLUMNS = 23
    STATE = 10

    def __init__(
        self, scatter: float = 0.01, times: bool = True, conditions: bool = True, **kwargs: Any
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.scatter = float(scatter)
        self.times, self.conditions = bool(times), bool(conditions)

    def call(
        self,
        flux: Any,
        error: Any,
        width: Any,
        width_weight: Any,
        seeing: Any,
        noise: Any,
        days: Any,
        present: Any,
        state: Any = None,
    ) -> tuple[Any, Any]:
        if state is None:
            state = ops.zeros_like(flux[:, :1]) * ops.zeros((1, self.STATE), dtype="float32")
        kept = [state[:, i : i + 1] for i in range(self.STATE)]
        count = present + 0 * flux
        images = running_sum(count, kept[0])
        has = ops.cast(images > count, "float32")
        reference = ops.where(kept[0] > 0, kept[1], flux[:, :1])
        weight = present / (ops.square(error) + ops.square(self.scatter * flux) + 1e-6)
        offset = flux - reference
        sums = [weight, weight * offset, weight * ops.square(offset)]
        w, wy, wyy = (running_sum(term, kept[2 + i]) for i, term in enumerate(sums))
        earlier = ops.maximum(before(w, kept[2]), _LEAST)
        mean = before(wy, kept[3]) / earlier * has + reference
        mean_error = has / ops.sqrt(earlier)
        last = [before(x, kept[5 + i]) for i, x in enumerate((flux, error, days))]
        extent, extent_weight = (
            running_sum(present * term, kept[8 + i]) for i, term in enumerate((width, width_weight))
        )
        columns = light_curve_columns(
            flux=flux,
            error=error,
            means=(mean, mean_error),
            last=last,
            has=has,
            images=images,
            sums=(w, wy, wyy),
            widths=(width, width_weight, extent, extent_weight),
            exposure=(seeing, noise, days),
            layer=self,
        )
        renewed = [images, reference, w, wy, wyy, flux, error, days, extent, extent_weight]
        new_state = ops.concatenate([value[:, -1:] for value in renewed], axis=1)
        return ops.stack(columns, axis=-1) * present[..., None], new_state

    def compute_output_shape(self, flux_shape: tuple, **_: Any) -> tuple[tuple, tuple]:
        return (*flux_shape, self.COLUMNS), (flux_shape[0], self.STATE)

    def get_config(self) -> dict[str, Any]:
        names = ("scatter", "times", "conditions")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def light_curve_columns(
    *,
    flux: Any,
    error: Any,
    means: tuple,
    last: Sequence,
    has: Any,
    images: Any,
    sums: tuple,
    widths: tuple,
    exposure: tuple,
    layer: Any,
) -> list[Any]:
    """The columns of `LightCurve`, each (object, image).

    Parameters
    ----------
    flux, error : (object, image)
    means : two (object, image)
        Mean of earlier images, and its error.
    last : three (object, image)
        Flux, error and days of the image before.
    has : (object, image)
        1 where there is an earlier image.
    images : (object, image)
        Number of images so far.
    sums : three (object, image)
        Of weights, weighted offsets from a reference, and their squares.
    widths : four (object, image)
        Width, its weight, and the running sums of both.
    exposure : three (object, image)
        Seeing, noise and days.
    layer : LightCurve
        For ``scatter``, ``times`` and ``conditions``.
    """
    (mean, mean_error), (w, wy, wyy), (seeing, noise, days) = means, sums, exposure
    width, width_weight, extent, extent_weight = widths
    chi2 = ops.relu(wyy - ops.square(wy) / ops.maximum(w, _LEAST))
    spread = ops.sqrt(chi2 / ops.maximum(w, _LEAST)) / (ops.abs(mean) + 2 * error)
    step = ops.relu(days - last[2]) * has
    return [
        ops.arcsinh(flux / error),
        ops.arcsinh(flux / 1e3),
        ops.arcsinh(flux / 1e5),
        *_change(flux, error, mean, mean_error, has, layer.scatter),
        *_change(flux, error, last[0], last[1], has, layer.scatter),
        ops.log1p(chi2 / ops.maximum(images - 1, 1)),
        ops.arcsinh(5 * spread),
        has,
        ops.arcsinh(width / ops.sqrt(width_weight) / 3),
        ops.clip(width / width_weight * noise / (ops.abs(flux) + 3 * error), -3, 3),
        ops.arcsinh(extent / ops.sqrt(extent_weight + 1e-9) / 3),
        *_if(layer.times, [ops.arcsinh(days / 5), ops.log(step + 0.01), *_phases(days)]),
        *_if(layer.conditions, [ops.log(ops.maximum(seeing, 0.5)) - 1.4, ops.log(noise) - 4]),
    ]


def _change(flux, error, other, other_error, has, scatter):
    change = (flux - other) * has
    sigma = ops.sqrt(ops.square(error) + ops.square(other_error) + ops.square(scatter * other))
    ratio = change / (ops.abs(other) + 2 * sigma)
    return ops.arcsinh(change / sigma), ops.arcsinh(5 * ratio)


def running_sum(values: Any, start: Any) -> Any:
    """Sum of the values (object, image, ...) up to each image, and of ``start``."""
    return ops.cumsum(values, axis=1) + start


def before(values: Any, start: Any) -> Any:
    """Values of the image before; ``start`` (object, 1, ...) for the first."""
    if values.shape[1] == 1:
        return start
    return ops.concatenate([start, values[:, :-1]], axis=1)


def _phases(days):
    angles = [2 * math.pi * rate * days for rate in PHASES_PER_DAY]
    return [wave(angle) for angle in angles for wave in (ops.sin, ops.cos)]


def _if(wanted, columns):
    return columns if wanted else [ops.zeros_like(column) for column in columns]


_LEAST_WEIGHT = 1e-9


@keras.saving.register_keras_serializable(package="skyreel")
class PsfPhotometry(NumpyLayer):
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
    return ops.maximum(value, _LEAST_WEIGHT)
