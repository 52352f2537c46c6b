"""Inputs of a network: calibrated images and what is known of each exposure.

Sky-subtracted counts become nJy (equation 3.3 of Carrasco-Davis 2019, with AB zero point 31.4 and
one second as the reference), so that one network can serve exposures of any depth. Axis order
is (object, image, row, column).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from classifier.photometry.measurement import NJY_ZERO_POINT_MAG
from classifier.stamp_batch import StampBatch, arrays_of, median_fwhm_pix

if TYPE_CHECKING:
    from survey_profiles.profile import Profile

BORDER_PIX = 2  # a frame this wide measures the sky: 152 pixels of a stamp of 21
LEAST_PIXELS = 0.5


@dataclass(frozen=True)
class AssumedPsf:
    """The PSF that a model assumes.

    Parameters
    ----------
    fwhm_pix : float
        Where the seeing of an image and of those of the object before it is unknown.
    beta : float
        Of the Moffat profile.
    """

    fwhm_pix: float
    beta: float

    @classmethod
    def of(cls, profile: Profile) -> AssumedPsf:
        """Median seeing and median beta of a survey."""
        return cls(median_fwhm_pix(profile), profile.psf.beta_median)

    @classmethod
    def of_card(cls, card: dict[str, Any]) -> AssumedPsf:
        """What the card of a model states.

        Raises
        ------
        KeyError, TypeError, ValueError
            The card is damaged.
        """
        values = card["assumed_psf"]
        return cls(float(values["fwhm_pix"]), float(values["beta"]))

    def as_dict(self) -> dict[str, float]:
        """Plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Inputs:
    """A batch of sequences for a network; all arrays are float32 but ``n_images`` and ``band``.

    Attributes
    ----------
    images : (object, image, row, column)
        nJy per pixel without sky; 0 where masked or padded.
    usable : (object, image, row, column)
        1 where a pixel counts, 0 where it is masked or padded.
    noise : (object, image)
        Standard deviation of an empty pixel, nJy; 1 where padded.
    njy_per_e : (object, image)
        Flux of one electron, for the source's own noise; 0 where padded.
    seeing : (object, image)
        FWHM of the PSF in pixels.
    days : (object, image)
        Time since the first image.
    present : (object, image)
        1 where there is an image, 0 where padded.
    n_images : int (object,)
    band : int32 (object, image) or None
        Place of the band among those of a network of several; 0 where padded.
    template, difference : (object, image, row, column) or None
        In units of their noise; 0 where masked or padded.
    detection : (object, image) or None
        Signal to noise of the source in the difference; 0 where padded or unknown.
    """

    images: np.ndarray
    usable: np.ndarray
    noise: np.ndarray
    njy_per_e: np.ndarray
    seeing: np.ndarray
    days: np.ndarray
    present: np.ndarray
    n_images: np.ndarray
    band: np.ndarray | None = None
    template: np.ndarray | None = None
    difference: np.ndarray | None = None
    detection: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.n_images)

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays a network takes, by name."""
        return {name: array for name, array in arrays_of(self).items() if name != "n_images"}

    def of(self, rows: np.ndarray | slice, n_images: int | None = None) -> Inputs:
        """Some of the objects, cut to at most ``n_images`` images."""
        cut = {k: v[rows, :n_images] for k, v in self.arrays().items()}
        longest = self.images.shape[1] if n_images is None else n_images
        return Inputs(**cut, n_images=np.minimum(self.n_images[rows], longest))

    @classmethod
    def joined(cls, parts: Iterable[Inputs]) -> Inputs:
        """Several batches as one."""
        parts = list(parts)
        names = ("n_images", *parts[0].arrays())
        return cls(**{n: np.concatenate([getattr(part, n) for part in parts]) for n in names})

    def rotated(self, orientations: np.ndarray) -> Inputs:
        """Every object in one of eight orientations (object,).

        0 to 3 are quarter turns; 4 to 7 the same, then mirrored.
        """
        arrays = self.arrays()
        for name, array in arrays.items():
            if array.ndim == 4:
                pairs = zip(array, orientations, strict=True)
                arrays[name] = np.stack([_rotated(*pair) for pair in pairs])
        return Inputs(**arrays, n_images=self.n_images)


def _rotated(images, orientation):
    rotated = np.rot90(images, orientation % 4, axes=(1, 2))
    return rotated[..., ::-1] if orientation >= 4 else rotated


def inputs_of(stamps: StampBatch, *, multiband: bool = False) -> Inputs:
    """Inputs of a network from stamps, simulated or real; of several bands where it reads them.

    The sky is the median of each stamp's border. The noise follows from gain and read noise where
    they are known, else from the scatter of the border. The last known seeing of an object
    replaces an unknown one; before the first it is ``stamps.assumed_fwhm_pix``. An image without
    calibration or border, all of one value, or with fewer than half of its pixels is left out:
    the images after it move up.
    """
    sky, pixels = border_sky(stamps.images_adu, BORDER_PIX)
    scale = njy_per_adu(stamps)
    noise = noise_adu(stamps, sky) * scale
    good = _good(stamps, noise, pixels)
    order, n_images = np.argsort(~good, axis=1, kind="stable"), good.sum(axis=1)
    rows, present = np.arange(len(stamps))[:, None], np.arange(good.shape[1]) < n_images[:, None]

    def kept(values, otherwise):
        if values is None:
            return None
        chosen = values[rows, order]
        used = present.reshape(present.shape + (1,) * (chosen.ndim - 2)) & np.isfinite(chosen)
        return np.where(used, chosen, otherwise).astype(np.float32)

    first_mjd = np.where(n_images > 0, stamps.mjd[rows, order][:, 0], 0)[:, None]
    scale = scale.astype(np.float32)
    images, usable = _calibrated(stamps.images_adu, sky, scale, order, n_images)
    return Inputs(
        images=images,
        usable=usable,
        noise=kept(noise, 1),
        njy_per_e=kept(scale / stamps.gain_e_per_adu[:, None], 0),
        seeing=kept(_known_seeing(stamps.seeing_fwhm_pix, good), stamps.assumed_fwhm_pix[:, None]),
        days=kept(stamps.mjd - first_mjd, 0),
        present=present.astype(np.float32),
        n_images=n_images,
        band=np.where(present, stamps.band[rows, order], 0).astype(np.int32) if multiband else None,
        template=kept(stamps.template_snr, 0),
        difference=kept(stamps.difference_snr, 0),
        detection=kept(stamps.detection_snr, 0),
    )


def countable(stamps: StampBatch) -> StampBatch:
    """The images that `inputs_of` keeps, with those after one that it leaves out moved up."""
    sky, pixels = border_sky(stamps.images_adu, BORDER_PIX)
    good = _good(stamps, noise_adu(stamps, sky) * njy_per_adu(stamps), pixels)
    return stamps.rearranged(np.argsort(~good, axis=1, kind="stable"), good.sum(axis=1))


def njy_per_adu(stamps: StampBatch) -> np.ndarray:
    """Flux of one ADU (object, image); NaN without a zero point or an exposure time."""
    return 10 ** (0.4 * (NJY_ZERO_POINT_MAG - stamps.zero_point_mag)) / stamps.exposure_time_s


def _good(stamps, noise, pixels):
    good = np.isfinite(noise) & (noise > 0) & (pixels >= LEAST_PIXELS)
    return good & (np.arange(stamps.mjd.shape[1]) < stamps.n_epochs[:, None])


def noise_adu(stamps: StampBatch, sky: np.ndarray) -> np.ndarray:
    """Standard deviation of an empty pixel (object, image), ADU; NaN where it is unknown.

    ``sky`` is that of `border_sky`. Where gain or read noise is unknown it is `border_scatter`.
    """
    gain, read_noise_e = stamps.gain_e_per_adu[:, None], stamps.read_noise_e[:, None]
    noise = np.sqrt(np.maximum(sky, 0) / gain + (read_noise_e / gain) ** 2)
    for row, image in np.argwhere(np.isfinite(sky) & ~(np.isfinite(noise) & (noise > 0))):
        noise[row, image] = border_scatter(stamps.images_adu[row, image], BORDER_PIX)
    return noise


def _known_seeing(seeing_fwhm_pix, good):
    """Seeing with that of the last good image in place of unknown ones, NaN before the first."""
    seeing_fwhm_pix = np.where(good, seeing_fwhm_pix, np.nan)
    last = np.where(np.isfinite(seeing_fwhm_pix), np.arange(seeing_fwhm_pix.shape[1]), 0)
    rows = np.arange(len(seeing_fwhm_pix))[:, None]
    return seeing_fwhm_pix[rows, np.maximum.accumulate(last, axis=1)]


def border_scatter(image_adu: np.ndarray, width: int) -> float:
    """1.4826 median absolute deviations of the frame of a stamp, NaN without one."""
    inside = np.zeros(image_adu.shape, dtype=bool)
    inside[width:-width, width:-width] = True
    values = image_adu[~inside & np.isfinite(image_adu)]
    if not values.size:
        return float("nan")
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


@njit(cache=True, nogil=True, error_model="numpy")
def border_sky(images: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Median of the frame of every stamp, NaN without one, and its share of finite pixels.

    A stamp whose pixels are all equal comes from a dead read-out and counts as without pixels.
    ``images`` is (object, image, row, column), the results are (object, image), float32.
    """
    n, length, n_rows, n_columns = images.shape
    sky = np.full((n, length), np.nan, dtype=np.float32)
    pixels = np.zeros((n, length), dtype=np.float32)
    values = np.empty(n_rows * n_columns, dtype=np.float32)
    for i in range(n):
        for j in range(length):
            count, finite, low, high = 0, 0, np.inf, -np.inf
            for y in range(n_rows):
                edge = y < width or y >= n_rows - width
                for x in range(n_columns):
                    value = images[i, j, y, x]
                    if np.isfinite(value):
                        finite += 1
                        low, high = min(low, value), max(high, value)
                        if edge or x < width or x >= n_columns - width:
                            values[count] = value
                            count += 1
            if low < high:
                pixels[i, j] = finite / (n_rows * n_columns)
            if count > 0:
                sky[i, j] = np.median(values[:count])
    return sky, pixels


@njit(cache=True, nogil=True, error_model="numpy")
def _calibrated(images_adu, sky, scale, order, n_images):
    """Images in nJy without sky and which pixels count, in a new order; 0 beyond ``n_images``."""
    images = np.zeros(images_adu.shape, dtype=np.float32)
    usable = np.zeros(images_adu.shape, dtype=np.float32)
    for i in range(images.shape[0]):
        for j in range(n_images[i]):
            k = order[i, j]
            for y in range(images.shape[2]):
                for x in range(images.shape[3]):
                    value = (images_adu[i, k, y, x] - sky[i, k]) * scale[i, k]
                    if np.isfinite(value):
                        images[i, j, y, x] = value
                        usable[i, j, y, x] = 1
    return images, usable
