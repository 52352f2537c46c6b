"""Arguments of kernels in one memory layout: another one would compile a kernel again."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

T = TypeVar("T", bound=tuple)


def contiguous(arrays: T) -> T:
    """The same named tuple with C-ordered arrays."""
    return type(arrays)(
        *(np.ascontiguousarray(v) if isinstance(v, np.ndarray) else v for v in arrays)
    )
