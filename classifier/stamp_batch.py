"""Stamps of several sequences, with what is known of each exposure, as the classifier uses them.

Axis order is (object, epoch, row, column).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.detector.defects import MASK_BITS
from skyreel.errors import ClassifierError
from survey_profiles.physical_ranges import filled

if TYPE_CHECKING:
    from survey_profiles.profile import Profile

DETECTION = "difference_signal_to_noise"


@dataclass(frozen=True)
class StampBatch:
    """A batch of sequences. Masked elements of the arrays count as NaN.

    Attributes
    ----------
    images_adu : float32 (object, epoch, row, column)
        Counts, sky included; NaN where a pixel is masked or an epoch is padded.
    saturated : bool (object, epoch)
        Whether a stamp had saturated pixels.
    n_epochs : int (object,)
    mjd : float (object, epoch)
        Days; this and the next five are NaN, or band 0, where padded.
    band : int (object, epoch)
        Indices into the data set's bands.
    exposure_time_s, zero_point_mag : float (object, epoch)
    seeing_fwhm_pix, sky_adu : float (object, epoch)
        NaN also where a real sequence lacks them.
    gain_e_per_adu, read_noise_e : float (object,)
    assumed_fwhm_pix : float (object,)
        Assumed where no seeing is known.
    template_snr, difference_snr : float32 (object, epoch, row, column) or None
        Template and difference in units of their noise; NaN where masked or padded.
    detection_snr : float (object, epoch) or None
        Signal to noise of the source in the difference.
    """

    images_adu: np.ndarray
    saturated: np.ndarray
    n_epochs: np.ndarray
    mjd: np.ndarray
    band: np.ndarray
    exposure_time_s: np.ndarray
    seeing_fwhm_pix: np.ndarray
    sky_adu: np.ndarray
    zero_point_mag: np.ndarray
    gain_e_per_adu: np.ndarray
    read_noise_e: np.ndarray
    assumed_fwhm_pix: np.ndarray
    template_snr: np.ndarray | None = None
    difference_snr: np.ndarray | None = None
    detection_snr: np.ndarray | None = None

    def __post_init__(self):
        for name, array in self.arrays().items():
            if type(array) is not np.ndarray:
                object.__setattr__(self, name, _unmasked(name, array))

    def __len__(self) -> int:
        return len(self.n_epochs)

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays that are there, by name."""
        return arrays_of(self)

    def of(self, rows: np.ndarray) -> StampBatch:
        """Some of the objects."""
        return replace(self, **{name: array[rows] for name, array in self.arrays().items()})

    def rearranged(self, epochs: np.ndarray, n_epochs: np.ndarray) -> StampBatch:
        """The same objects with other epochs: epoch ``epochs[i, j]`` of object i becomes its j.

        Entries beyond ``n_epochs`` (object,) become padding, whatever they name.
        """
        return rearranged(self, epochs, n_epochs)


def arrays_of(batch: Any) -> dict[str, np.ndarray]:
    """The arrays of a dataclass by name, without those that are None."""
    return {name: array for name, array in vars(batch).items() if array is not None}


def rearranged(batch: Any, epochs: np.ndarray, n_epochs: np.ndarray) -> Any:
    """A dataclass of arrays (object, epoch, ...) with other epochs, as `StampBatch.rearranged`."""
    rows = np.arange(len(batch))[:, None]
    padded = np.arange(epochs.shape[1]) >= np.asarray(n_epochs)[:, None]
    chosen, moved = np.where(padded, 0, epochs), {}
    for name, array in arrays_of(batch).items():
        if array.ndim > 1:
            array = array[rows, chosen]
            array[padded] = np.nan if array.dtype.kind == "f" else 0
        moved[name] = array
    return replace(batch, **{**moved, "n_epochs": np.asarray(n_epochs, dtype=np.int16)})


def _unmasked(name, values):
    """A masked array, or another sequence, as a plain array."""
    dtype = np.asarray(getattr(values, "unmasked", values)).dtype
    values = filled(values)
    if dtype.kind != "f" and np.isnan(values).any():
        raise ClassifierError(f"stamps: {name} has masked or unknown elements.")
    return values if dtype.kind == "O" else values.astype(dtype)


def stamp_batch_of(
    images_adu: np.ndarray,
    mask: np.ndarray,
    arrays: dict[str, Any],
    profile: Profile,
    planes: Sequence[str] = (),
) -> StampBatch:
    """Stamps from the arrays of a data set by their names there.

    ``images_adu`` and ``mask`` are (object, epoch, row, column); ``planes`` are used too.
    """
    used = np.arange(images_adu.shape[1]) < arrays["n_epochs"].astype(int)[:, None]
    images = images_adu.astype(np.float32)
    if images_adu.dtype.kind == "f":
        images[np.isinf(images)] = np.nan
    images[(mask != 0) | ~used[:, :, None, None]] = np.nan
    pixel_scale_arcsec = np.float32(profile.camera.pixel_scale_arcsec)
    return StampBatch(
        images_adu=images,
        saturated=(mask & MASK_BITS["saturated"]).any(axis=(2, 3)),
        n_epochs=arrays["n_epochs"].astype(np.int16),
        mjd=arrays["mjd"],
        band=arrays["band"],
        exposure_time_s=arrays["exposure_time_s"],
        seeing_fwhm_pix=arrays["seeing_fwhm_arcsec"] / pixel_scale_arcsec,
        sky_adu=arrays["sky_adu"],
        zero_point_mag=arrays["zero_point_mag"],
        gain_e_per_adu=arrays["gain_e_per_adu"],
        read_noise_e=arrays["read_noise_e"],
        assumed_fwhm_pix=np.full(len(images), median_fwhm_pix(profile), dtype=np.float32),
        **{f"{name}_snr": _plane_snr(name, arrays, used) for name in planes},
        detection_snr=arrays[DETECTION] if "difference" in planes else None,
    )


def plane_arrays(planes: Sequence[str]) -> tuple[str, ...]:
    """Names of the arrays of a data set that hold these planes."""
    of_each = [(name, f"{name}_mask", f"{name}_noise_adu") for name in planes]
    return (*chain(*of_each), *((DETECTION,) if "difference" in planes else ()))


def _plane_snr(name, arrays, used):
    """A plane in units of its noise, NaN where masked or padded."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (arrays[name] / arrays[f"{name}_noise_adu"]).astype(np.float32)
    found[(arrays[f"{name}_mask"] != 0) | ~np.isfinite(found) | ~used[:, :, None, None]] = np.nan
    return found


def median_fwhm_pix(profile: Profile) -> float:
    """Median seeing of a survey at the zenith, FWHM in pixels."""
    seeing, scale_arcsec = profile.seeing, profile.camera.pixel_scale_arcsec
    median_arcsec = np.interp(0.5, seeing.probabilities, seeing.zenith_fwhm_arcsec)
    return round(float(median_arcsec) / scale_arcsec, 3)
