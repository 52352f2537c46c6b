"""Elementary functions in float32 that compilers can turn into vector instructions.

Polynomials after Cephes (Moshier); each is within 4e-7 of the true value, relative for ``exp2``
and for logarithms beyond +-1, absolute for the others, as the tests check against NumPy.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

F = np.float32


@intrinsic
def float_of_bits(typing_context: object, bits: types.Type) -> tuple:
    """The float32 whose bit pattern is an int32."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), codegen


@intrinsic
def bits_of_float(typing_context: object, value: types.Type) -> tuple:
    """The bit pattern of a float32, as an int32."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(32))

    return types.int32(types.float32), codegen


@njit(cache=True, nogil=True, inline="always", error_model="numpy")
def exp2_of_negative(x: np.float32) -> np.float32:
    """2^x for x <= 0; below -126 it stays at 2^-126."""
    x = max(x, F(-126.0))
    whole = np.int32(x - F(0.5))
    f = x - F(whole)
    p = F(1.535336188319500e-4)
    p = p * f + F(1.339887440266574e-3)
    p = p * f + F(9.618437357674640e-3)
    p = p * f + F(5.550332471162809e-2)
    p = p * f + F(2.402264791363012e-1)
    p = p * f + F(6.931472028550421e-1)
    p = p * f + F(1.0)
    return p * float_of_bits(np.int32(np.int32(whole + np.int32(127)) << np.int32(23)))


@njit(cache=True, nogil=True, inline="always", error_model="numpy")
def log_of(x: np.float32) -> np.float32:
    """Natural logarithm of x > 0, x not subnormal."""
    bits = bits_of_float(x)
    # mantissa in [sqrt(1/2), sqrt(2)): the exponent is counted from sqrt(1/2)
    shifted = np.int32(bits - np.int32(0x3F3504F3))
    exponent = np.int32(shifted >> np.int32(23))
    f = float_of_bits(np.int32(bits - np.int32(exponent << np.int32(23)))) - F(1.0)
    p = F(7.0376836292e-2)
    p = p * f + F(-1.1514610310e-1)
    p = p * f + F(1.1676998740e-1)
    p = p * f + F(-1.2420140846e-1)
    p = p * f + F(1.4249322787e-1)
    p = p * f + F(-1.6668057665e-1)
    p = p * f + F(2.0000714765e-1)
    p = p * f + F(-2.4999993993e-1)
    p = p * f + F(3.3333331174e-1)
    z = f * f
    e = F(exponent)
    return f * z * p - F(0.5) * z + e * F(-2.12194440e-4) + f + e * F(0.693359375)


@njit(cache=True, nogil=True, inline="always", error_model="numpy")
def cos_sin_of_turn(turn: np.float32) -> tuple[np.float32, np.float32]:
    """Cosine and sine of 2 pi ``turn`` for -0.5 <= turn <= 0.5."""
    quarter = turn * F(4.0)
    whole = np.int32(quarter + F(2.5)) - np.int32(2)  # nearest quarter, -2 to 2
    a = (quarter - F(whole)) * F(1.5707963267948966)
    z = a * a
    s = F(-1.9515295891e-4)
    s = s * z + F(8.3321608736e-3)
    s = s * z + F(-1.6666654611e-1)
    s = s * z * a + a
    c = F(2.443315711809948e-5)
    c = c * z + F(-1.388731625493765e-3)
    c = c * z + F(4.166664568298827e-2)
    c = c * z * z - F(0.5) * z + F(1.0)
    odd = (whole & np.int32(1)) != 0
    cosine = s if odd else c
    sine = c if odd else s
    cosine = -cosine if ((whole + np.int32(1)) & np.int32(2)) != 0 else cosine
    sine = -sine if (whole & np.int32(2)) != 0 else sine
    return cosine, sine


@intrinsic
def double_of_bits(typing_context: object, bits: types.Type) -> tuple:
    """The float64 whose bit pattern is an int64."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), codegen


@njit(cache=True, nogil=True, inline="always", error_model="numpy")
def fast_exp(x: float) -> float:
    """e^x in float64 to 2e-10; held at e^+-690 beyond."""
    turns = min(max(x, -690.0), 690.0) * 1.4426950408889634
    whole = np.int64(np.floor(turns + 0.5))
    f = (turns - whole) * 0.6931471805599453
    p = 1.0 / 362880.0
    p = p * f + 1.0 / 40320.0
    p = p * f + 1.0 / 5040.0
    p = p * f + 1.0 / 720.0
    p = p * f + 1.0 / 120.0
    p = p * f + 1.0 / 24.0
    p = p * f + 1.0 / 6.0
    p = p * f + 0.5
    p = p * f + 1.0
    p = p * f + 1.0
    return p * double_of_bits(np.int64((whole + 1023) << 52))
