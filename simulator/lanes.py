"""Rows of many Gaussians at once, eight side by side in one vector.

A Gaussian at evenly spaced points is a product that grows by a ratio, which grows by a constant
factor. Numba has no vector types and keeps what its own vectorised loops carry on in memory, so
these two functions are written for LLVM. The order of all sums is fixed: values do not depend on
how wide the vectors of a processor are.
"""

from __future__ import annotations

from functools import reduce

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 8
_TOGETHER = 2  # vectors stepped side by side: one is multiplied while the other waits
BLOCK = LANES * _TOGETHER
# rows of a state
VALUE, RATIO, RATIO_FACTOR, DOWN, DOWN_FACTOR, RATIO_DOWN = range(6)
N_STATE = 6

_VECTOR, _INDEX = ir.VectorType(ir.DoubleType(), LANES), ir.IntType(64)


@intrinsic
def add_row(
    typing_context: object, sums: types.Type, state: types.Type, points: types.Type
) -> tuple:
    """Add one row of every Gaussian to ``sums`` (pixel, lane), and move ``state`` to the next.

    Every pixel gets ``points`` values of each. From point to point VALUE is multiplied by RATIO
    and that by RATIO_FACTOR; from row to row VALUE is multiplied by DOWN, that by DOWN_FACTOR,
    and RATIO by RATIO_DOWN. ``state`` is (6, Gaussian), with a multiple of ``BLOCK`` of them;
    both arrays are float64 in C order.
    """

    def codegen(context, builder, signature, args):
        sums_at, (n_pixels, _) = _vectors(context, builder, signature.args[0], args[0])
        state_at, (_, n_gaussians) = _vectors(context, builder, signature.args[1], args[1])
        stride = builder.udiv(n_gaussians, _INDEX(LANES))
        with cgutils.for_range(builder, builder.udiv(stride, _INDEX(_TOGETHER))) as block:
            first = builder.mul(block.index, _INDEX(_TOGETHER))
            places = [_places(builder, stride, first, j) for j in range(_TOGETHER)]
            vectors = [[_load(builder, state_at, at) for at in rows] for rows in places]
            _step_along(builder, sums_at, n_pixels, args[2], vectors)
            for at, now in zip(places, vectors, strict=True):
                for row, factor in ((VALUE, DOWN), (DOWN, DOWN_FACTOR), (RATIO, RATIO_DOWN)):
                    _store(builder, builder.fmul(now[row], now[factor]), state_at, at[row])
        return context.get_dummy_value()

    return types.void(sums, state, types.int64), codegen


@intrinsic
def sum_of_lanes(typing_context: object, sums: types.Type, pixel: types.Type) -> tuple:
    """The sum of one row of ``sums`` (pixel, lane), by halves."""

    def codegen(context, builder, signature, args):
        sums_at, _ = _vectors(context, builder, signature.args[0], args[0])
        vector, n = _load(builder, sums_at, args[1]), LANES
        while n > 1:
            n //= 2
            low, high = (
                builder.shuffle_vector(
                    vector, vector, ir.Constant(_mask(n), [*range(start, start + n)])
                )
                for start in (0, n)
            )
            vector = builder.fadd(low, high)
        return builder.extract_element(vector, ir.IntType(32)(0))

    return types.float64(sums, types.int64), codegen


def _mask(n):
    return ir.VectorType(ir.IntType(32), n)


def _step_along(builder, sums_at, n_pixels, n_points, vectors):
    """Add the values along a row of Gaussians, whose state stays in registers."""
    values = [cgutils.alloca_once_value(builder, now[VALUE]) for now in vectors]
    ratios = [cgutils.alloca_once_value(builder, now[RATIO]) for now in vectors]
    total = cgutils.alloca_once(builder, _VECTOR)
    with cgutils.for_range(builder, n_pixels) as pixel:
        builder.store(_load(builder, sums_at, pixel.index), total)
        with cgutils.for_range(builder, n_points):
            added = reduce(builder.fadd, map(builder.load, values))
            builder.store(builder.fadd(builder.load(total), added), total)
            for value, ratio, now in zip(values, ratios, vectors, strict=True):
                factor = builder.load(ratio)
                builder.store(builder.fmul(builder.load(value), factor), value)
                builder.store(builder.fmul(factor, now[RATIO_FACTOR]), ratio)
        _store(builder, builder.load(total), sums_at, pixel.index)


def _places(builder, stride, first, j):
    """Where vector ``first + j`` of every row of a state is."""
    column = builder.add(first, _INDEX(j))
    return [builder.add(builder.mul(stride, _INDEX(row)), column) for row in range(N_STATE)]


def _vectors(context, builder, array_type, array):
    """An array's data as vectors, and its shape."""
    unpacked = context.make_array(array_type)(context, builder, array)
    data = builder.bitcast(unpacked.data, _VECTOR.as_pointer())
    return data, cgutils.unpack_tuple(builder, unpacked.shape)


def _load(builder, data, index):
    vector = builder.load(builder.gep(data, [index]))
    vector.align = 8  # arrays begin at any multiple of eight bytes
    return vector


def _store(builder, vector, data, index):
    builder.store(vector, builder.gep(data, [index])).align = 8
