"""FITS files of subtractions: images to subtract, PSF images, and the result."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS, FITSFixedWarning

from simulator.difference.image_difference import ImageDifference
from simulator.difference.images import Image
from simulator.difference.kernels import MAX_PSF_PIX
from skyreel.atomic_files import whole_file
from skyreel.console import printable
from skyreel.errors import OutputError, SubtractionError

_SAME_SKY_PIX = 0.1  # how far apart the corners of two images may lie on the sky
_VARIANCE_NAMES, _MASK_NAMES = ("VARIANCE", "VAR"), ("MASK", "DQ")
_GAIN_KEYS, _SATURATION_KEYS = ("GAIN",), ("SATURATE", "SATURAT")
_MAX_PIXELS = 1 << 28
_PLAIN_SUFFIXES = (".fits", ".fit", ".fts")


def read_image(path: Path) -> tuple[Image, fits.Header]:
    """The first image of a FITS file, with its planes VARIANCE and MASK where there are any.

    Gain [e/ADU] and saturation are those of the header keys GAIN and SATURATE.

    Raises
    ------
    SubtractionError
    """
    with _opened(path) as hdus:
        images = [hdu for hdu in hdus if _is_image(hdu)]
        if not images:
            raise SubtractionError(f"{path} holds no image of two axes.")
        first, header = images[0], images[0].header.copy()
        pixels = _pixels(first, path)
        planes = {
            "variance": _plane(images[1:], _VARIANCE_NAMES, path),
            "mask": _plane(images[1:], _MASK_NAMES, path),
        }
    mask = planes["mask"]
    image = Image(
        pixels,
        planes["variance"],
        None if mask is None else np.nan_to_num(mask, nan=1).astype(np.int64),
        gain_e_per_adu=_positive(header, _GAIN_KEYS),
        saturation_adu=_positive(header, _SATURATION_KEYS),
        name=printable(path),
    )
    return image, header


@contextmanager
def _opened(path):
    """The HDUs of a file, all of whose headers have been read."""
    try:
        file = path.open("rb")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SubtractionError(f"{printable(path)}: {printable(reason)}.") from None
    with file:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                hdus = fits.open(file, memmap=False)
                len(hdus)  # reads all headers
        except Exception as error:  # astropy raises many kinds for a damaged header
            raise SubtractionError(
                f"{printable(path)}: it is no readable FITS file ({printable(error)})."
            ) from None
        yield hdus


def _is_image(hdu):
    return hdu.is_image and hdu.header.get("NAXIS") == 2 and min(hdu.shape) > 0


def _pixels(hdu, path):
    rows, columns = hdu.shape
    claimed = rows * columns * abs(int(hdu.header["BITPIX"])) // 8
    packed = isinstance(hdu, fits.CompImageHDU) or path.suffix.lower() not in _PLAIN_SUFFIXES
    if rows * columns > _MAX_PIXELS or (claimed > path.stat().st_size and not packed):
        raise SubtractionError(
            f"{printable(path)}: its header claims {columns} x {rows} pixels; allowed are "
            f"{_MAX_PIXELS:,} pixels, and no more than the file holds."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.asarray(hdu.data, dtype=float)
    except (OSError, ValueError, TypeError, IndexError, KeyError, MemoryError) as error:
        raise SubtractionError(
            f"{printable(path)}: its pixels cannot be read ({printable(error)})."
        ) from None


def _plane(images, names, path):
    return next((_pixels(hdu, path) for hdu in images if hdu.name.upper() in names), None)


def _positive(header, keys):
    """The first positive number among header keys."""
    for key in keys:
        value = header.get(key)
        if isinstance(value, int | float) and np.isfinite(value) and value > 0:
            return float(value)
    return None


def read_psf(path: Path) -> np.ndarray:
    """PSF image of a FITS file: odd, square, of sum 1.

    Raises
    ------
    SubtractionError
    """
    image, _ = read_image(path)
    return checked_psf(image.pixels, image.name)


def checked_psf(psf: np.ndarray, name: str) -> np.ndarray:
    """A PSF image divided by its sum.

    Raises
    ------
    SubtractionError
        It is not odd, square, finite, and of a positive sum.
    """
    psf = np.asarray(psf, dtype=float)
    square = psf.ndim == 2 and psf.shape[0] == psf.shape[1]
    if not (square and psf.shape[0] % 2 == 1 and 5 <= psf.shape[0] <= MAX_PSF_PIX):
        raise SubtractionError(
            f"{name} has the shape {psf.shape}; a PSF image is square, with an odd number of "
            f"pixels from 5 to {MAX_PSF_PIX}, its centre in the middle."
        )
    if not (np.isfinite(psf).all() and psf.sum() > 0):
        raise SubtractionError(f"{name}: a PSF is finite everywhere and has a positive sum.")
    return (psf / psf.sum()).astype(np.float32)


def check_same_sky(headers: list[fits.Header], shape: tuple[int, int], names: list[str]) -> None:
    """Refuse two images whose WCS put the same pixels at different places.

    Raises
    ------
    SubtractionError
    """
    both = [wcs_of(header) for header in headers]
    if None in both:
        return
    y, x = (np.array(v, dtype=float) for v in zip(*_corners(shape), strict=True))
    try:
        sky = both[1].pixel_to_world_values(x, y)
        there_x, there_y = both[0].world_to_pixel_values(*sky)
    except Exception:  # a WCS that cannot be inverted compares with nothing
        return
    apart = float(np.max(np.hypot(there_x - x, there_y - y)))
    if not apart <= _SAME_SKY_PIX:
        raise SubtractionError(
            f"the WCS of {names[0]} and {names[1]} differ by up to {apart:.1f} pixels; both images "
            "must be on the same pixel grid. Resample one of them first, for instance with the "
            "package reproject."
        )


def _corners(shape):
    rows, columns = shape[0] - 1, shape[1] - 1
    return (0, 0), (0, columns), (rows, 0), (rows, columns), (rows / 2, columns / 2)


def wcs_of(header: fits.Header) -> WCS | None:
    """Celestial WCS of a header; None where there is none or it is invalid."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FITSFixedWarning)
            warnings.simplefilter("ignore")
            wcs = WCS(header)
            return wcs if wcs.has_celestial and wcs.naxis == 2 else None
    except Exception:  # astropy and wcslib raise many kinds for a damaged header
        return None


def add_sky_positions(table: Table, header: fits.Header) -> None:
    """Add columns ra_deg and dec_deg where the header has a celestial WCS."""
    wcs = wcs_of(header)
    if wcs is not None and len(table):
        sky = wcs.pixel_to_world(table["x_pix"], table["y_pix"]).icrs
        table["ra_deg"], table["dec_deg"] = sky.ra.deg, sky.dec.deg


def write_result(path: Path, found: ImageDifference, table: Table, header: fits.Header) -> None:
    """Write a difference as a FITS file of several extensions, whole or not at all.

    Extensions: DIFFERENCE, NOISE (1 sigma), MASK, KERNEL_SCIENCE, KERNEL_TEMPLATE, PSF of the
    difference where it is known, and the table DETECTIONS.

    Raises
    ------
    skyreel.errors.OutputError
    """
    wcs = wcs_of(header)
    own = fits.Header() if wcs is None else wcs.to_header(relax=True)
    planes = {
        "DIFFERENCE": found.difference.astype(np.float32),
        "NOISE": np.sqrt(found.variance).astype(np.float32),
        "MASK": found.mask,
        "KERNEL_SCIENCE": found.kernels.science,
        "KERNEL_TEMPLATE": found.kernels.template,
    }
    if found.psf is not None:
        planes["PSF"] = np.asarray(found.psf, dtype=np.float32)
    hdus = [fits.PrimaryHDU()]
    for name, plane in planes.items():
        on_grid = plane.shape == found.difference.shape
        hdus.append(fits.ImageHDU(plane, own.copy() if on_grid else None, name=name))
    rows = table.copy()
    rows.meta.clear()
    hdus.append(fits.BinTableHDU(rows, name="DETECTIONS"))
    with whole_file(path) as unfinished:
        try:
            fits.HDUList(hdus).writeto(unfinished, overwrite=True, checksum=True)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror or error}).") from error
