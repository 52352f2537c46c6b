"""Template and difference of real alerts in the layout of simulated planes.

A template is its cutout less the median of a frame; a difference is the cutout as it is. Packets
hold no noise of their own: that of an empty pixel is 1.4826 median absolute deviations of the
frame, to which a difference adds the photons of the science image where the gain is known. A pixel
without a number is masked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from classifier.network_inputs import BORDER_PIX, border_scatter, border_sky
from finetune.readers.protocol import RealSequence
from simulator.dataset.schema import EPOCHS, ArraySpec, plane_specs
from simulator.detector.defects import BAD_PIXEL, OUTSIDE
from simulator.options import PLANES

_CUTOUTS = {"template": "template_images", "difference": "difference_images"}
_MEANINGS = {
    "template": "template_images less the median of their frame; 0 where masked or padded",
    "difference": "difference_images; 0 where masked or padded",
    "template_noise_adu": "1 sigma, from the frame of the stamp; NaN where unknown",
    "difference_noise_adu": "1 sigma, from the frame and the light; NaN where unknown",
    "difference_flux_adu": "published PSF flux; NaN where unknown",
    "difference_detected": "true: the survey sent an alert",
    "template_mask": "bits as of mask: bad pixel or outside detector",
    "difference_mask": "bits as of mask: bad pixel or outside detector",
}
_OF_DIFFERENCES = (
    *("difference_flux_adu", "difference_flux_error_adu", "difference_signal_to_noise"),
    "difference_detected",
)
ALERT_PLANE_ARRAYS: tuple[ArraySpec, ...] = tuple(
    replace(spec, description=_MEANINGS.get(spec.name, f"{spec.description}; unknown: NaN"))
    for spec in plane_specs(PLANES)
)
"""The arrays of simulated planes, as sequences of alerts have them."""


def with_planes(sequence: RealSequence) -> RealSequence:
    """A sequence of alerts with both planes; where a cutout is missing all pixels are masked."""
    images = dict(sequence.more_images)
    missing = np.full(sequence.images.shape, np.nan, dtype=np.float32)
    for plane, name in _CUTOUTS.items():
        images |= _plane(plane, images.get(name, missing), sequence)
    unknown = np.full(len(sequence.images), np.nan)
    measured = _measured(sequence.epochs, unknown)
    needed = [spec.name for spec in ALERT_PLANE_ARRAYS if spec.dimensions == EPOCHS]
    epochs = {name: measured.get(name, unknown) for name in needed}
    return replace(sequence, more_images=images, epochs={**sequence.epochs, **epochs})


def _plane(plane: str, cutouts: np.ndarray, sequence: RealSequence) -> dict[str, np.ndarray]:
    """Arrays of a plane by their names in a data set, each (epoch, row, column)."""
    missing = ~np.isfinite(cutouts)
    outside = (sequence.mask & OUTSIDE) > 0
    mask = np.where(missing, np.where(outside, OUTSIDE, BAD_PIXEL), 0).astype(np.uint8)
    sky, _ = border_sky(cutouts[None].astype(np.float32), BORDER_PIX)
    level = sky[0][:, None, None] if plane == "template" else 0.0
    with np.errstate(over="ignore", invalid="ignore"):  # of pixels near the largest float
        noise = np.array([border_scatter(image, BORDER_PIX) for image in cutouts])
    noise = np.broadcast_to(noise[:, None, None], cutouts.shape).astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        if plane == "difference":
            noise = np.sqrt(noise**2 + _photon_variance_adu2(sequence))
        values = np.where(missing, 0, cutouts - level)
    noise = np.where((noise > 0) & np.isfinite(noise), noise, np.nan)
    arrays = {"": values.astype(np.float32), "_mask": mask, "_noise_adu": noise.astype(np.float32)}
    return {f"{plane}{end}": array for end, array in arrays.items()}


def _photon_variance_adu2(sequence: RealSequence) -> np.ndarray | float:
    """Variance of the photons of the sources in the science image; 0 without a gain."""
    gain = float(sequence.objects.get("gain_e_per_adu", np.nan))
    if not gain > 0:
        return 0.0
    sky, _ = border_sky(sequence.images[None].astype(np.float32), BORDER_PIX)
    with np.errstate(over="ignore", invalid="ignore"):
        light = np.nan_to_num(sequence.images - sky[0][:, None, None], posinf=0, neginf=0)
    return np.maximum(light, 0) / gain


def _measured(epochs: Mapping[str, np.ndarray], unknown: np.ndarray) -> dict[str, np.ndarray]:
    """What the packets say of the source in the difference, by the names in a data set."""
    flux = np.asarray(epochs.get("published_flux_adu", unknown), dtype=float)
    error = np.asarray(epochs.get("published_flux_error_adu", unknown), dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(error > 0, flux / error, np.nan)
    values = (flux, error, ratio, np.ones(len(flux), dtype=bool))
    return dict(zip(_OF_DIFFERENCES, values, strict=True))
