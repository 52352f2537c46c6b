"""Layers of a network that reads images of several bands: weights and light curves of each band."""

from __future__ import annotations

from typing import Any

import keras

from classifier.models.recurrent.light_curve_layers import (
    LightCurve,
    before,
    light_curve_columns,
    running_sum,
)
from classifier.models.recurrent.operations import NumpyLayer, ops

_LEAST = 1e-20


@keras.saving.register_keras_serializable(package="skyreel")
class BandConvolution(keras.layers.Layer):
    """A convolution whose kernel is that of the band of each image.

    Parameters
    ----------
    n_bands, filters, size, strides : int
    padding : str
        As in `keras.layers.Conv2D`.

    Call arguments
    --------------
    images : (image, row, column, channel)
    band : int (object, image)
    """

    def __init__(
        self, n_bands: int, filters: int, size: int, strides: int, padding: str, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.n_bands, self.filters = int(n_bands), int(filters)
        self.size, self.strides, self.padding = int(size), int(strides), padding

    def build(self, images_shape: tuple, band_shape: tuple | None = None) -> None:
        inputs = self.size**2 * images_shape[-1]
        limit = (6 / (inputs + self.size**2 * self.filters)) ** 0.5  # Glorot & Bengio 2010
        self.kernel = self.add_weight(
            shape=(self.n_bands, inputs, self.filters),
            initializer=keras.initializers.RandomUniform(-limit, limit),
            name="kernel",
        )
        self.bias = self.add_weight(
            shape=(self.n_bands, self.filters), initializer="zeros", name="bias"
        )

    def call(self, images: Any, band: Any) -> Any:
        band = ops.reshape(band, (-1,))
        patches = ops.image.extract_patches(images, self.size, self.strides, 1, self.padding)
        rows, columns, inputs = patches.shape[1:]
        patches = ops.reshape(patches, (-1, rows * columns, inputs))
        found = ops.matmul(patches, ops.take(ops.cast(self.kernel, patches.dtype), band, axis=0))
        found = found + ops.take(ops.cast(self.bias, found.dtype), band, axis=0)[:, None]
        return ops.relu(ops.reshape(found, (-1, rows, columns, self.filters)))

    def compute_output_shape(self, images_shape: tuple, band_shape: tuple | None = None) -> tuple:
        rows, columns = (self._length(n) for n in images_shape[1:3])
        return (None, rows, columns, self.filters)

    def _length(self, n):
        return -(-(n if self.padding == "same" else n - self.size + 1) // self.strides)

    def get_config(self) -> dict[str, Any]:
        names = ("n_bands", "filters", "size", "strides", "padding")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="skyreel")
class MultibandLightCurve(NumpyLayer):
    """Light-curve columns of every image among those of its band, and the colours so far.

    Parameters
    ----------
    n_bands : int
    scatter, times, conditions
        As in `LightCurve`.

    Call arguments
    --------------
    flux, error, width, width_weight : (object, image)
        As from `PsfPhotometry`.
    seeing, noise, days, present, band : (object, image)
        As in `classifier.network_inputs.Inputs`.
    state : (object, 10 n_bands) or None
        Running sums of earlier images in every band; None at the start of a sequence.

    Returns
    -------
    columns : (object, image, 23 + 4 n_bands)
        Those of `LightCurve` for the band of the image; then for every band whether it is that of
        the image, whether it has an image so far, the last flux there relative to this one, and
        the time since then. 0 where padded.
    state : (object, 10 n_bands)
    """

    PER_BAND = 4
    STATE = LightCurve.STATE  # of one band

    def __init__(
        self,
        n_bands: int,
        scatter: float = 0.01,
        times: bool = True,
        conditions: bool = True,
        **kwargs: Any,
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.n_bands, self.scatter = int(n_bands), float(scatter)
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
        band: Any,
        state: Any = None,
    ) -> tuple[Any, Any]:
        size = self.STATE
        if state is None:
            state = ops.zeros_like(flux[:, :1]) * ops.zeros((1, size * self.n_bands), "float32")
        kept = ops.reshape(state, (-1, 1, self.n_bands, size))
        own = ops.one_hot(band, self.n_bands, dtype="float32") * present[..., None]
        last = _Last(own, kept)
        reference, sums, mean, mean_error = self._sums(flux, error, own, kept)
        images, *weighted = sums
        count = _own(images, own)
        has = ops.cast(count > 1, "float32") * present
        extents = [
            running_sum(own * values[..., None], kept[..., 8 + i])
            for i, values in enumerate((width, width_weight))
        ]
        columns = light_curve_columns(
            flux=flux,
            error=error,
            means=(mean, mean_error),
            last=[last.before(x, 5 + i) for i, x in enumerate((flux, error, days))],
            has=has,
            images=count,
            sums=tuple(_own(total, own) for total in weighted),
            widths=(width, width_weight, *(_own(total, own) for total in extents)),
            exposure=(seeing, noise, days),
            layer=self,
        )
        latest = [last.after(x, 5 + i) for i, x in enumerate((flux, error, days))]
        renewed = [images, reference, *weighted, *latest, *extents]
        new_state = ops.stack([value[:, -1] for value in renewed], axis=-1)
        colours = self._colours(flux, error, days, own, images, latest)
        joined = ops.concatenate([ops.stack(columns, axis=-1), *colours], axis=-1)
        return joined * present[..., None], ops.reshape(new_state, (-1, size * self.n_bands))

    def _sums(self, flux, error, own, kept):
        """Reference flux and running sums of every band; mean of earlier images in the own one."""
        # The first flux of a band is the zero point of its sums, which keeps them exact.
        first = ops.where(kept[..., 0] > 0, kept[..., 1], _first(flux, own)[:, None])
        reference = first + 0 * own  # (object, image, band)
        offset = flux - _own(reference, own)
        weight = 1 / (ops.square(error) + ops.square(self.scatter * flux) + 1e-6)
        terms = [1 + 0 * flux, weight, weight * offset, weight * ops.square(offset)]
        starts = [kept[..., i] for i in (0, 2, 3, 4)]
        sums = [
            running_sum(own * term[..., None], start)
            for term, start in zip(terms, starts, strict=True)
        ]
        n, w, wy = (_own(before(sums[i], starts[i]), own) for i in range(3))
        has = ops.cast(n > 0, "float32")
        earlier = ops.maximum(w, _LEAST)
        mean = wy / earlier * has + _own(reference, own)
        return reference, sums, mean, has / ops.sqrt(earlier)

    def _colours(self, flux, error, days, own, images, latest):
        """For every band (object, image, band): whether it is this one or seen, flux and age."""
        seen = ops.cast(images > 0, "float32")
        sum_of_both = ops.abs(flux)[..., None] + ops.abs(latest[0])
        errors = error[..., None] + latest[1]
        ratio = (latest[0] - flux[..., None]) / (sum_of_both + errors + 1e-6) * seen
        age = ops.log1p(ops.relu(days[..., None] - latest[2])) * seen
        return own, seen, 2 * ratio, age if self.times else 0 * age

    def compute_output_shape(self, flux_shape: tuple, **_: Any) -> tuple[tuple, tuple]:
        columns = LightCurve.COLUMNS + self.PER_BAND * self.n_bands
        return (*flux_shape, columns), (flux_shape[0], self.STATE * self.n_bands)

    def get_config(self) -> dict[str, Any]:
        names = ("n_bands", "scatter", "times", "conditions")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


class _Last:
    """Values of the last image of every band, before and after each image.

    ``own`` (object, image, band) is 1 in the band of an image; ``kept`` (object, 1, band, number)
    holds the values of earlier images.
    """

    def __init__(self, own, kept):
        self._own, self._kept, self._one_image = own, kept, own.shape[1] == 1
        if self._one_image:
            return
        number = ops.cumsum(ops.ones_like(own[..., :1]), axis=1)  # of each image, from 1
        marks = own * number  # (object, image, band)
        n_images = ops.shape(own)[1]
        steps = ops.arange(n_images)
        until = ops.cast(steps[None, :] <= steps[:, None], "float32")  # (image, earlier image)
        latest = ops.max(until[None, :, :, None] * marks[:, None], axis=2)
        self._latest = ops.cast(latest, "int32")  # number of the last image of every band
        self._previous = ops.pad(self._latest, ((0, 0), (1, 0), (0, 0)))[:, :-1]

    def after(self, values, number):
        """(object, image, band)."""
        if self._one_image:
            return ops.where(self._own > 0, values[..., None], self._kept[..., number])
        return self._values(values, number, self._latest)

    def before(self, values, number):
        """(object, image), in the band of the image."""
        if self._one_image:
            return _own(self._kept[..., number], self._own)
        return _own(self._values(values, number, self._previous), self._own)

    def _values(self, values, number, place):
        flat = ops.reshape(place, (-1, ops.shape(place)[1] * place.shape[2]))
        chosen = ops.take_along_axis(values, ops.maximum(flat - 1, 0), axis=1)
        chosen = ops.reshape(chosen, ops.shape(place))
        return ops.where(place > 0, chosen, self._kept[..., number])


def _own(values, own):
    """Values (object, image, band) in the band of each image, (object, image)."""
    return ops.sum(values * own, axis=-1)


def _first(flux, own):
    """First flux of every band, (object, band); 0 in a band without image."""
    is_first = own * ops.cast(ops.cumsum(own, axis=1) == 1, "float32")
    return ops.sum(flux[..., None] * is_first, axis=1)
