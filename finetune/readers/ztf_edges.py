"""The position of the source in a ZTF cutout at the edge of the detector.

Cutouts are 63 x 63 pixels about the pixel nearest to the source. At an edge they lack the pixels
outside, so they are smaller and the source is not central. A quadrant has 3080 rows and 3072
columns, ``ypos`` and ``xpos`` count from 1, and cutouts are not rotated: this predicts the sizes
of all 12 cut stamps among 512 real packets exactly.
"""

from __future__ import annotations

from math import isfinite

import numpy as np

SIZE_PIX = 63
_HALF_PIX = SIZE_PIX // 2
_QUADRANT_PIX = (3080, 3072)  # rows, columns
_NAMES = (("bottom", "top"), ("left", "right"))
_BOX_PIX = 2


def centre_of(
    shape: tuple[int, int], place: tuple[float, float], difference: np.ndarray | None = None
) -> tuple[tuple[int, int], str]:
    """Pixel (row, column) of the source in a stamp, and a note on the cut edges or "".

    A smaller stamp whose source is not near an edge was cropped about its centre. Where ``place``
    (row, column on the quadrant, from 1) is NaN, the position is where the difference image is
    brighter.
    """
    axes = [_along(axis, n, place[axis]) for axis, n in enumerate(shape)]
    cropped = shape[0] == shape[1] and shape[0] % 2 == 1
    if not cropped:
        axes = [
            _guessed(i, shape, axes, difference) if c is None else c for i, c in enumerate(axes)
        ]
    centre = tuple(n // 2 if c is None else c for n, c in zip(shape, axes, strict=True))
    sides = [
        _NAMES[axis][int(c == _HALF_PIX)]
        for axis, (n, c) in enumerate(zip(shape, axes, strict=True))
        if n < SIZE_PIX and c is not None
    ]
    return (
        centre,
        f"stamp padded at the edge of the detector ({', '.join(sides)})." if sides else "",
    )


def _along(axis, n, place):
    """Index of the source along an axis; None if unknown."""
    if n == SIZE_PIX:
        return _HALF_PIX
    if not isfinite(place) or n <= _HALF_PIX:
        return None
    if place < _HALF_PIX + 1.5:
        return n - _HALF_PIX - 1
    if place > _QUADRANT_PIX[axis] - _HALF_PIX - 0.5:
        return _HALF_PIX
    return None


def _guessed(axis, shape, axes, difference):
    if shape[axis] <= _HALF_PIX or difference is None:
        return None
    across = axes[1 - axis]
    across = shape[1 - axis] // 2 if across is None else across
    light = np.nan_to_num(np.abs(difference))
    light = light if axis == 0 else light.T
    low, high = shape[axis] - _HALF_PIX - 1, _HALF_PIX
    return max((low, high), key=lambda along: _box(light, along, across).mean())


def _box(light, along, across):
    return light[
        max(along - _BOX_PIX, 0) : along + _BOX_PIX + 1,
        max(across - _BOX_PIX, 0) : across + _BOX_PIX + 1,
    ]
