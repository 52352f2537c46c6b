"""``subtract``: difference of two images, its detections, and the files of both."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.io import fits
from astropy.table import Table

from simulator.difference.detection import THRESHOLD
from simulator.difference.fits_files import (
    add_sky_positions,
    check_same_sky,
    checked_psf,
    read_image,
    read_psf,
    write_result,
)
from simulator.difference.image_difference import ImageDifference, subtract_images
from simulator.difference.images import Image
from simulator.difference.picture import draw_subtraction
from simulator.difference.sources import detect_sources
from skyreel.console import new_console
from skyreel.errors import SubtractionError
from skyreel.json_io import write_json
from skyreel.output_paths import check_file
from skyreel.provenance import command_line, file_digest, versions

FITS_SUFFIXES, PICTURE_SUFFIXES = (".fits", ".fit", ".fts"), (".png",)
THRESHOLDS = 1.0, 1000.0


class Subtraction(NamedTuple):
    """What `subtract` returns."""

    image: ImageDifference
    detections: Table


def subtract(
    science: str | Path | np.ndarray,
    template: str | Path | np.ndarray,
    *,
    out: str | Path | None = None,
    method: str = "alard-lupton",
    decorrelate: bool = True,
    threshold: float = THRESHOLD,
    psf_science: str | Path | np.ndarray | None = None,
    psf_template: str | Path | np.ndarray | None = None,
    plot: str | Path | None = None,
    quiet: bool = False,
) -> Subtraction:
    r"""Subtract a template from a science image, and detect what changed.

    Both are on the same pixel grid. The image with the narrower PSF is convolved, whichever it is;
    the difference is always in units of the science image.

    Parameters
    ----------
    science, template : path of a FITS file, or array (row, column)
        Of a file: the first image, with its extensions VARIANCE and MASK, and the header keys
        GAIN [e/ADU] and SATURATE where there are any. NaN is masked.
    out : path, optional
        FITS file to write; what was done is written beside it, with ``.json`` added to its name.
    method : str
        "alard-lupton" or "zogy".
    decorrelate : bool
        Whether the noise of an Alard-Lupton difference is made white.
    threshold : float
        Least \|S/N\| of a detection.
    psf_science, psf_template : path of a FITS file, or array, optional
        Odd square PSF images; by default measured from stars.
    plot : path, optional
        PNG of both images, the difference and the detections.
    quiet : bool
        Whether nothing is printed.

    Returns
    -------
    Subtraction
        ``image`` (difference, variance, mask, PSF, kernels, and ``about``: what was measured)
        and ``detections`` (astropy table).

    Raises
    ------
    UserError, RunError

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> y, x = np.mgrid[:64, :64]
    >>> star = 300 * np.exp(-((x - 20) ** 2 + (y - 30) ** 2) / 6)
    >>> before, now = star + rng.normal(size=(2, 64, 64))
    >>> now += 60 * np.exp(-((x - 41) ** 2 + (y - 35) ** 2) / 6)
    >>> found = subtract(now, before, quiet=True)
    >>> [(round(row["x_pix"]), round(row["y_pix"])) for row in found.detections]
    [(41, 35)]
    """
    begin = time.perf_counter()
    _check(out, plot, threshold)
    images, headers = _read(science, template, psf_science, psf_template)
    found = subtract_images(*images, method=method, decorrelate=decorrelate)
    table = detect_sources(found, threshold=threshold)
    add_sky_positions(table, headers[0])
    console = new_console(quiet)
    if out is not None:
        inputs = [psf_science, psf_template]
        asked = {"method": method, "decorrelate": decorrelate, "threshold": threshold}
        asked |= dict(zip(("psf_science", "psf_template"), map(_named, inputs), strict=True))
        write_result(Path(out), found, table, headers[0])
        seconds = time.perf_counter() - begin
        write_json(f"{out}.json", _record((science, template), asked, found, table, seconds))
    if plot is not None:
        draw_subtraction(Path(plot), images[0].pixels, images[1].pixels, found, table)
    console.print(_summary(found, table, out, plot), highlight=False)
    return Subtraction(found, table)


def _check(out, plot, threshold):
    if not THRESHOLDS[0] <= threshold <= THRESHOLDS[1]:
        raise SubtractionError(
            f"--threshold {threshold:g}; allowed are {THRESHOLDS[0]:g} to {THRESHOLDS[1]:g} sigma."
        )
    check_file(None if out is None else Path(out), "--out", FITS_SUFFIXES, in_folder=True)
    check_file(None if plot is None else Path(plot), "--plot", PICTURE_SUFFIXES, in_folder=True)


def _read(science, template, psf_science, psf_template):
    """Images with their PSFs, and their headers."""
    paths = [each for each in (science, template) if isinstance(each, str | Path)]
    if len(paths) == 2 and Path(paths[0]).absolute() == Path(paths[1]).absolute():
        raise SubtractionError(
            f"science and template are the same file, {paths[0]}; give two different images."
        )
    images, headers = [], []
    for what, name in ((science, "science"), (template, "template")):
        if isinstance(what, str | Path):
            image, header = read_image(Path(what))
        else:
            image, header = Image(np.asarray(what), name=f"the {name} image"), fits.Header()
        images.append(image)
        headers.append(header)
    for image, psf in zip(images, (psf_science, psf_template), strict=True):
        if psf is not None:
            is_path = isinstance(psf, str | Path)
            image.psf = (
                read_psf(Path(psf)) if is_path else checked_psf(psf, f"the PSF of {image.name}")
            )
    if images[0].pixels.shape == images[1].pixels.shape:
        check_same_sky(headers, images[0].pixels.shape, [image.name for image in images])
    return images, headers


def _named(what):
    return str(what) if isinstance(what, str | Path) else ("array" if what is not None else None)


def _record(inputs, asked, found, table, seconds) -> Mapping[str, object]:
    named = {
        name: {"file": _named(what), "sha256": file_digest(what)}
        if isinstance(what, str | Path)
        else {"file": "array", "sha256": None}
        for name, what in zip(("science", "template"), inputs, strict=True)
    }
    return {
        "command": command_line("subtract"),
        "seconds": round(seconds, 3),
        "inputs": named,
        "options": asked,
        "measured": {**found.about, "noise_factor": table.meta["noise_factor"]},
        "detections": len(table),
        "versions": versions("skyreel", "numpy", "scipy", "astropy", "numba"),
    }


def _summary(found, table, out, plot):
    about = found.about
    convolved = {"both": "both images were convolved"}.get(
        about["convolved"], f"the {about['convolved']} image was convolved"
    )
    x, y = about["neighbour_correlation_measured"]
    brighter = int(np.sum(table["flux"] > 0)) if len(table) else 0
    lines = [
        f"{about['method']}: {convolved}; flux scale science / template {about['flux_ratio']:.4f}.",
        f"Noise of the difference {about['noise_difference']:.4g} per pixel, correlation of "
        f"neighbours {x:.2f} and {y:.2f}; {about['masked_share']:.1%} of the pixels are masked.",
        f"{len(table):,} detections, {brighter:,} of them brighter than in the template.",
    ]
    lines += [f"Difference: {out}; what was done is in {out}.json."] if out is not None else []
    lines += [f"Picture: {plot}"] if plot is not None else []
    return "\n".join(lines)
