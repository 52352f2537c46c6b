"""The arrays of a data set: names, dimensions, types, units and meanings.

This table is the data format; the page of the data layout is generated from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.detector.defects import MASK_BITS
from simulator.sequences import parameter_dtype

FORMAT_VERSION = 1
PIXELS = ("object", "epoch", "y", "x")
EPOCHS = ("object", "epoch")
OBJECTS = ("object",)
SHARDS = ("shard",)
MARKS = "shard_done"
"""Name of the array that says which shards are complete."""


@dataclass(frozen=True)
class ArraySpec:
    """One array of a split."""

    name: str
    dimensions: tuple[str, ...]
    dtype: str
    unit: str
    description: str

    @property
    def fill_value(self) -> float | int | str:
        """NaN for floats, -1 for signed and 0 for unsigned numbers, nothing for strings."""
        if self.dtype == "string":
            return ""
        kind = np.dtype(self.dtype).kind
        return {"f": float("nan"), "i": -1}.get(kind, 0)


_BITS = ", ".join(f"{bit} {name.replace('_', ' ')}" for name, bit in MASK_BITS.items())
_FIXED = (
    ("images", PIXELS, "uint16", "adu", "recorded counts, sky included; 0 where padded"),
    ("mask", PIXELS, "uint8", "", f"bits: {_BITS}"),
    ("mjd", EPOCHS, "float64", "d", "start of the exposure; NaN where padded"),
    ("band", EPOCHS, "uint8", "", "index into the attribute bands; 0 where padded"),
    ("exposure_time_s", EPOCHS, "float32", "s", "exposure time"),
    ("airmass", EPOCHS, "float32", "", "airmass"),
    ("seeing_fwhm_arcsec", EPOCHS, "float32", "arcsec", "half-maximum width of the PSF"),
    ("sky_adu", EPOCHS, "float32", "adu", "sky level of one pixel"),
    ("zero_point_mag", EPOCHS, "float32", "mag", "AB magnitude of 1 ADU/s"),
    ("limiting_mag", EPOCHS, "float32", "mag", "5-sigma limit of a point source, AB"),
    (
        "magnitude",
        EPOCHS,
        "float32",
        "mag",
        "true, noise-free AB magnitude of the source; inf without light, NaN where padded",
    ),
    ("label", OBJECTS, "uint8", "", "index into the attribute classes"),
    ("n_epochs", OBJECTS, "int16", "", "length of the sequence"),
    (
        "first_alert_epoch",
        OBJECTS,
        "int16",
        "",
        "first epoch at 5 sigma of a supernova or asteroid, with a difference the first detection "
        "in it; -1 where there is no alert",
    ),
    (
        "n_detections",
        OBJECTS,
        "int16",
        "",
        "epochs in which the source is at 5 sigma or more; with a difference, detections in it",
    ),
    ("max_signal_to_noise", OBJECTS, "float32", "", "of the source over all epochs"),
    ("ccd", OBJECTS, "int16", "", "index into the profile's CCDs; -1 where it has none"),
    ("gain_e_per_adu", OBJECTS, "float32", "electron/adu", "gain of the detector"),
    ("read_noise_e", OBJECTS, "float32", "electron", "read noise of the detector"),
    ("has_host", OBJECTS, "bool", "", "whether a galaxy lies behind or around the source"),
    ("host_mag", OBJECTS, "float32", "mag", "total host magnitude in the reference band"),
    ("host_x_pix", OBJECTS, "float32", "pix", "host centre minus source, along columns"),
    ("host_y_pix", OBJECTS, "float32", "pix", "host centre minus source, along rows"),
    ("n_neighbours", OBJECTS, "uint8", "", "other stars in or next to the stamp"),
)


_ROUNDED = "multiples of a power of two, at most 1/16 of the smallest noise in the stamp"
_MATCHED = "background subtracted, at the exposure time and zero point of the science image"
_PLANES = {
    "template": (
        ("template", PIXELS, "float32", "adu", f"{_MATCHED}; {_ROUNDED}; 0 where padded"),
        ("template_mask", PIXELS, "uint8", "", f"bits: {_BITS}"),
        ("template_noise_adu", PIXELS, "float32", "adu", "1 sigma, to 0.2 %; 0 where padded"),
    ),
    "difference": (
        (
            "difference",
            PIXELS,
            "float32",
            "adu",
            f"science minus matched template; {_ROUNDED}; 0 where padded",
        ),
        (
            "difference_mask",
            PIXELS,
            "uint8",
            "",
            f"bits: {_BITS}, also where a border was too narrow to match the PSF",
        ),
        ("difference_noise_adu", PIXELS, "float32", "adu", "1 sigma, to 0.2 %; 0 where padded"),
    ),
}
_OF_TEMPLATES = (
    (
        "template_seeing_fwhm_arcsec",
        EPOCHS,
        "float32",
        "arcsec",
        "half-maximum width of the template's PSF",
    ),
    (
        "template_limiting_mag",
        EPOCHS,
        "float32",
        "mag",
        "5-sigma limit of a point source in the template, AB",
    ),
)
_DETECTED = "of the detection, or without one at the position of the source"
_OF_DIFFERENCES = (
    ("difference_flux_adu", EPOCHS, "float32", "adu", f"PSF flux {_DETECTED}; NaN if unknown"),
    ("difference_flux_error_adu", EPOCHS, "float32", "adu", "1 sigma of difference_flux_adu"),
    (
        "difference_signal_to_noise",
        EPOCHS,
        "float32",
        "",
        "of difference_flux_adu; negative where the source is fainter than in the template",
    ),
    (
        "difference_x_pix",
        EPOCHS,
        "float32",
        "pix",
        f"from the centre of the stamp along columns, {_DETECTED}",
    ),
    ("difference_y_pix", EPOCHS, "float32", "pix", "likewise along rows"),
    (
        "difference_detected",
        EPOCHS,
        "bool",
        "",
        "whether |signal-to-noise| near the source is at or above the profile's threshold",
    ),
)


def fixed_specs() -> tuple[ArraySpec, ...]:
    """The arrays that do not depend on the classes or planes."""
    return tuple(ArraySpec(*row) for row in _FIXED)


def plane_specs(planes: Sequence[str]) -> tuple[ArraySpec, ...]:
    """The arrays that planes beside the science image bring."""
    rows = [row for plane in planes for row in _PLANES.get(plane, ())]
    if rows:
        rows += _OF_TEMPLATES
    if "difference" in planes:
        rows += _OF_DIFFERENCES
    return tuple(ArraySpec(*row) for row in rows)


def array_specs(
    parameters: dict[str, str], planes: Sequence[str] = ("science",)
) -> tuple[ArraySpec, ...]:
    """Every array of a split, for classes with these own parameters (name to meaning)."""
    own = [
        ArraySpec(name, OBJECTS, np.dtype(parameter_dtype(name)).name, *_unit_and_text(meaning))
        for name, meaning in parameters.items()
    ]
    return fixed_specs() + plane_specs(planes) + tuple(own)


def _unit_and_text(meaning):
    """``'period [d]'`` as its unit and its text."""
    text, bracket, rest = meaning.rpartition(" [")
    if bracket and rest.endswith("]"):
        return rest[:-1], f"{text}; NaN where it means nothing"
    return "", f"{meaning}; NaN where it means nothing"
