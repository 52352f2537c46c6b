"""What else is in a stamp: the outskirts of the stack of all images of an object.

Images are stacked with the weights of their noise, in units of the stack's noise.
"""

from __future__ import annotations

import numpy as np

from finetune.gap.borders import border_rings, flattened
from finetune.gap.robust import sigma_of_mad


def outskirts(stamps, noise) -> dict[str, np.ndarray]:
    """Per object: second_source, roughness and slope, each ln; ``noise`` of `border_noise`."""
    stack = _stack(stamps, noise)
    flat, _ = flattened(stack[:, None])
    flat = flat[:, 0]
    smooth = np.nan_to_num(_smoothed(flat))
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "second_source": np.log1p(np.maximum(smooth.max(axis=(1, 2)), 0.0)),
            "roughness": np.log(sigma_of_mad(flat.reshape(len(flat), -1))),
            "slope": np.log1p(_slope(flat)),
        }


def _stack(stamps, noise):
    gain, read_e = (
        np.asarray(v, float)[:, None] for v in (stamps.gain_e_per_adu, stamps.read_noise_e)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = 1.0 / (noise["sky_adu"] / gain + (read_e / gain) ** 2)
    weight = np.where(np.isfinite(weight) & (weight > 0), weight, 0.0)[..., None, None]
    light = stamps.images_adu - noise["sky_adu"][..., None, None]
    known = np.isfinite(light)
    total = (weight * known).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(known, weight * np.nan_to_num(light), 0.0).sum(axis=1) / np.sqrt(total)


def _smoothed(flat):
    """Sums of 3 x 3 pixels over the square root of their number."""
    known = np.isfinite(flat)
    size = flat.shape[-1]
    padded, counted = (np.pad(v, ((0, 0), (1, 1), (1, 1))) for v in (np.nan_to_num(flat), known))
    total, number = np.zeros(flat.shape), np.zeros(flat.shape)
    for row in range(3):
        for column in range(3):
            window = (slice(None), slice(row, row + size), slice(column, column + size))
            total += padded[window]
            number += counted[window]
    return np.where(known, total / np.sqrt(np.maximum(number, 1)), np.nan)


def _slope(flat):
    """Significance of a gradient across the border."""
    size = flat.shape[-1]
    axis = np.arange(size) - 0.5 * (size - 1)
    border = np.logical_or.reduce(border_rings(size))
    clipped = np.clip(np.nan_to_num(flat), -5.0, 5.0)
    scale = np.sqrt((np.broadcast_to(axis, border.shape)[border] ** 2).sum())
    along_x, along_y = (clipped * axis).sum(axis=(1, 2)), (clipped * axis[:, None]).sum(axis=(1, 2))
    return np.hypot(along_x, along_y) / scale
