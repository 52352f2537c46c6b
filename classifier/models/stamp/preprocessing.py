"""Planes of an alert as a network reads them; axes are (object, plane, row, column).

Simulated and real planes pass through the same functions, and no noise or level that only a
simulation knows enters. Pixels that are not finite are missing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from classifier.network_inputs import BORDER_PIX, border_scatter, border_sky
from skyreel.errors import ClassifierError

LOW, HIGH = 0.1, 0.9
MISSING = 2.0
_SOFTENING = 3.0


def quantiles(planes: np.ndarray) -> np.ndarray:
    """Section 3.5.1 of Arredondo 2021: less the 0.1 quantile, over the 0.9 quantile, within -1..1.

    The quantiles are those of the finite pixels of each plane; the second is that of the plane
    before the subtraction. Missing pixels are 2, also all of a plane whose 0.9 quantile is 0.
    """
    flat = planes.reshape(*planes.shape[:2], -1)
    found = np.full((2, *planes.shape[:2]), np.nan)
    known = np.isfinite(flat).any(axis=2)
    finite = np.where(np.isfinite(flat), flat, np.nan)
    if known.any():
        found[:, known] = np.nanquantile(finite[known], (LOW, HIGH), axis=1)
    low, high = found[..., None, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.clip((planes - low) / high, -1, 1)
    return np.where(np.isfinite(planes) & np.isfinite(scaled), scaled, MISSING).astype(np.float32)


def in_units_of_noise(planes: np.ndarray) -> np.ndarray:
    """Planes less the median of their frames, over 1.4826 median absolute deviations of these.

    NaN where missing, also all of a plane without noise.
    """
    values = np.where(np.isfinite(planes), planes, np.nan).astype(np.float32)
    level, _ = border_sky(values, BORDER_PIX)
    with np.errstate(over="ignore", invalid="ignore"):
        noise = np.array([[border_scatter(p, BORDER_PIX) for p in each] for each in values])
        noise = noise.reshape(planes.shape[:2])
        noise = np.where(noise > 0, noise, np.nan)[..., None, None]
        return (values - level[..., None, None]) / noise


def calibrated(planes: np.ndarray) -> np.ndarray:
    """In units of the noise of the frame, less the median of the frame, through asinh(x / 3).

    The noise is 1.4826 median absolute deviations. Missing pixels are 0, also all of a plane
    without noise, and pixels beyond the numbers of float32.
    """
    return softened(in_units_of_noise(planes))


def softened(ratio: np.ndarray) -> np.ndarray:
    """Ratios of signal to noise through asinh(x / 3), float32; 0 where they are not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.arcsinh(ratio / _SOFTENING)
    return np.nan_to_num(scaled, posinf=0, neginf=0).astype(np.float32)


def check_cut(given_pix: int, size_pix: int) -> None:
    """Check that stamps of ``given_pix`` have so many pixels about their centre.

    Raises
    ------
    ClassifierError
    """
    if not 1 <= size_pix <= given_pix or (given_pix - size_pix) % 2:
        parity = "odd" if given_pix % 2 else "even"
        raise ClassifierError(
            f"stamps of {given_pix} pixels cannot be cut to {size_pix} about their centre: an "
            f"{parity} number up to {given_pix} is possible."
        )


def central(stamps: np.ndarray, size_pix: int) -> np.ndarray:
    """The central ``size_pix`` rows and columns of stamps (..., row, column), at most all."""
    first = max((stamps.shape[-1] - size_pix) // 2, 0)
    middle = slice(first, stamps.shape[-1] - first)
    return stamps[..., middle, middle]


PREPROCESSINGS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "calibrated": calibrated,
    "quantiles": quantiles,
}
_OF_RATIOS = {"calibrated": softened, "quantiles": quantiles}


def prepared(
    planes: np.ndarray,
    preprocessing: str,
    size_pix: int,
    signal_to_noise: np.ndarray | None = None,
) -> np.ndarray:
    """Stamps (object, row, column, plane) cut to their central ``size_pix`` after preprocessing.

    ``signal_to_noise`` (object, row, column), a difference over its noise, is the last plane: it
    has its own level and unit, so "calibrated" only softens it.

    Raises
    ------
    ClassifierError
        An unknown preprocessing, or stamps that are smaller or have no central pixel.
    """
    if preprocessing not in PREPROCESSINGS:
        raise ClassifierError(
            f"preprocessing {preprocessing!r}; known are {', '.join(PREPROCESSINGS)}."
        )
    check_cut(planes.shape[-1], size_pix)
    made = PREPROCESSINGS[preprocessing](planes)
    if signal_to_noise is not None:
        last = _OF_RATIOS[preprocessing](signal_to_noise[:, None])
        made = np.concatenate([made, last], axis=1)
    return np.moveaxis(central(made, size_pix), 1, -1)
