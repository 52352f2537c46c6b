"""One image after another by NumPy: the model of a step without the calls of a backend.

For a single alert a backend takes longer to start its hundreds of small operations than they take.
The layers and their order are those of the Keras model: our layers run their own ``call`` with the
operations of NumPy, and for the layers of Keras the same function is here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import reduce, singledispatch
from typing import Any, NamedTuple

import numpy as np
from keras import KerasTensor, activations, layers, models, ops, tree
from threadpoolctl import ThreadpoolController

from classifier.models.recurrent.multiband_layers import BandConvolution
from classifier.models.recurrent.operations import NumpyLayer, numpy_operations


class _NotInNumpyError(Exception):
    """A layer has no function here."""


class _Slot(NamedTuple):
    place: int


class _Operation(NamedTuple):
    function: Callable[..., Any]
    args: tuple
    kwargs: dict[str, Any]
    outputs: tuple[int, ...]


class NumpyStep:
    """The step of a network (`ModelVariants.step`) as a function of NumPy arrays.

    It copies the weights: later changes of the model are not followed.
    """

    def __init__(self, inputs: list[tuple[str, int]], program: list[_Operation], outputs: Any):
        self._inputs, self._program, self._outputs = inputs, program, outputs
        self._n_values = 1 + max(place for op in program for place in op.outputs)
        self._threads = ThreadpoolController()

    @classmethod
    def of(cls, model: models.Model) -> NumpyStep | None:
        """The function of a model; None if one of its layers has none in NumPy."""
        places: dict[int, int] = {}
        calls: list[tuple] = []

        def recorded(layer, *args, **kwargs):
            outputs = layer(*args, **kwargs)
            calls.append((layer, args, kwargs, outputs))
            return outputs

        def place_of(tensor):
            return places.setdefault(id(tensor), len(places))

        def slots(structure):
            return tree.map_structure(
                lambda x: _Slot(place_of(x)) if isinstance(x, KerasTensor) else x, structure
            )

        copy = models.clone_model(model, clone_function=_same, call_function=recorded)
        inputs = [(name, place_of(tensor)) for name, tensor in copy.input.items()]
        try:
            program = [
                _Operation(
                    _function_of(layer),
                    slots(args),
                    slots(kwargs),
                    tuple(place_of(tensor) for tensor in tree.flatten(outputs)),
                )
                for layer, args, kwargs, outputs in calls
            ]
        except _NotInNumpyError:
            return None
        return cls(inputs, program, slots(copy.output))

    def __call__(self, arrays: Mapping[str, np.ndarray]) -> Any:
        """Outputs as those of the model, from arrays by the names of its inputs."""
        values: list[Any] = [None] * self._n_values
        for name, place in self._inputs:
            values[place] = arrays[name]
        with numpy_operations(), np.errstate(all="ignore"), self._threads.limit(limits=1):
            for function, args, kwargs, places in self._program:
                given = {key: _filled(value, values) for key, value in kwargs.items()}
                found = function(*[_filled(value, values) for value in args], **given)
                for place, value in zip(places, _flat(found), strict=True):
                    values[place] = value
        return _filled(self._outputs, values)


def _same(layer):
    return layer


def _filled(structure, values):
    """A structure with arrays in place of slots."""
    if isinstance(structure, _Slot):
        return values[structure.place]
    if isinstance(structure, (list, tuple)):
        return type(structure)(_filled(part, values) for part in structure)
    if isinstance(structure, dict):
        return {key: _filled(part, values) for key, part in structure.items()}
    return structure


def _flat(found) -> Iterator[np.ndarray]:
    if isinstance(found, np.ndarray):
        yield found
    else:
        for part in found:
            yield from _flat(part)


def _function_of(layer):
    if getattr(layer, "compute_dtype", "float32") != "float32":
        raise _NotInNumpyError
    return _in_numpy(layer)


@singledispatch
def _in_numpy(layer: Any) -> Callable[..., Any]:
    """The function of a layer or an operation of Keras, of NumPy arrays."""
    if type(layer).__name__ == "GetItem":
        return lambda x, key: x[key]
    raise _NotInNumpyError


@_in_numpy.register
def _(layer: NumpyLayer):
    return layer.call


@_in_numpy.register
def _(layer: layers.Concatenate):
    return lambda arrays: np.concatenate(arrays, axis=layer.axis)


@_in_numpy.register
def _(layer: layers.Flatten):
    return lambda x: x.reshape(len(x), -1)


@_in_numpy.register
def _(layer: layers.Reshape):
    return lambda x: x.reshape(len(x), *layer.target_shape)


@_in_numpy.register
def _(layer: layers.Dense):
    kernel, bias = _weights(layer)
    rectified = _is_rectified(layer)
    return lambda x: _rectified(x @ kernel + bias, rectified)


@_in_numpy.register
def _(layer: layers.Conv2D):
    _require(layer.groups == 1 and layer.dilation_rate == (1, 1))
    kernel, bias = _weights(layer)
    kernel, rectified = kernel.reshape(-1, layer.filters), _is_rectified(layer)
    shape = layer.kernel_size, layer.strides, layer.padding

    def convolved(images):
        patches = _patches(images, *shape)
        flat = patches.reshape(-1, len(kernel)) @ kernel
        flat += bias
        return _rectified(flat, rectified).reshape(*patches.shape[:3], -1)

    return convolved


@_in_numpy.register
def _(layer: BandConvolution):
    kernel, bias = _weights(layer)
    shape = (layer.size,) * 2, (layer.strides,) * 2, layer.padding

    def convolved(images, band):
        patches, band = _patches(images, *shape), band.reshape(-1)
        rows = patches.reshape(len(band), -1, kernel.shape[1])
        found = _rectified(rows @ kernel[band] + bias[band][:, None], True)
        return found.reshape(*patches.shape[:3], -1)

    return convolved


@_in_numpy.register
def _(layer: layers.MaxPooling2D):
    (height, width), (down, right) = layer.pool_size, layer.strides

    def pooled(images):
        padded, n_rows, n_columns = _padded(
            images, (height, width), (down, right), layer.padding, -np.inf
        )
        shifted = [
            padded[:, y : y + down * (n_rows - 1) + 1 : down][
                :, :, x : x + right * (n_columns - 1) + 1 : right
            ]
            for y in range(height)
            for x in range(width)
        ]
        return reduce(np.maximum, shifted)

    return pooled


@_in_numpy.register
def _(layer: layers.GRUCell):
    _require(layer.reset_after and layer.use_bias)
    _require(layer.activation is activations.tanh)
    _require(layer.recurrent_activation is activations.sigmoid)
    kernel, recurrent, bias = _weights(layer)
    gates = 2 * layer.units

    def renewed(x, state):
        state = state[0] if isinstance(state, (list, tuple)) else state
        new, old = x @ kernel + bias[0], state @ recurrent + bias[1]
        update, reset = np.split(1 / (1 + np.exp(-new[:, :gates] - old[:, :gates])), 2, axis=1)
        proposed = np.tanh(new[:, gates:] + reset * old[:, gates:])
        hidden = update * state + (1 - update) * proposed
        return hidden, hidden

    return renewed


@_in_numpy.register
def _(layer: layers.GRU):
    renewed = _in_numpy(layer.cell)

    def read(sequence, initial_state):
        hidden, _ = renewed(sequence[:, 0], initial_state)
        return hidden[:, None], hidden

    return read


def _weights(layer):
    return [ops.convert_to_numpy(weight).astype(np.float32) for weight in layer.weights]


def _require(known):
    if not known:
        raise _NotInNumpyError


def _is_rectified(layer):
    _require(layer.use_bias and layer.activation in (activations.relu, activations.linear))
    return layer.activation is activations.relu


def _rectified(x, rectified):
    return np.maximum(x, 0, out=x) if rectified else x


def _patches(images, size, strides, padding):
    """Pixels under a kernel (image, row, column, kernel row * kernel column * channel)."""
    padded, n_rows, n_columns = _padded(images, size, strides, padding, 0)
    n, channels = len(images), images.shape[-1]
    of_image, of_row, of_column, of_channel = padded.strides
    view = np.ndarray(
        (n, n_rows, n_columns, size[0], size[1] * channels),
        padded.dtype,
        padded,
        strides=(of_image, strides[0] * of_row, strides[1] * of_column, of_row, of_channel),
    )
    return view.reshape(n, n_rows, n_columns, -1)


def _padded(images, size, strides, padding, value):
    """Images with the frame that ``padding`` asks for, and rows and columns of the result."""
    n, rows, columns, channels = images.shape
    if padding == "valid":
        found = [(m - k) // s + 1 for m, k, s in zip((rows, columns), size, strides, strict=True)]
        return np.ascontiguousarray(images), *found
    found = [-(-m // s) for m, s in zip((rows, columns), strides, strict=True)]
    above, left = (
        max((out - 1) * s + k - m, 0)
        for out, s, k, m in zip(found, strides, size, (rows, columns), strict=True)
    )
    padded = np.full((n, rows + above, columns + left, channels), value, dtype=images.dtype)
    padded[:, above // 2 : above // 2 + rows, left // 2 : left // 2 + columns] = images
    return padded, *found
