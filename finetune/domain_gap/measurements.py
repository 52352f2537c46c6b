"""All quantities of a batch of objects, real or simulated, in the images a classifier gets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from classifier.photometry import Flag, PsfModel
from classifier.photometry import measure as photometry
from classifier.photometry.light_curves import LightCurves
from classifier.stamp_batch import StampBatch
from finetune.domain_gap.curve_statistics import cadence, conditions, variation
from finetune.domain_gap.image_statistics import (
    border_noise,
    bright,
    mean,
    median,
    outskirts,
    scatter,
    star_shapes,
)
from finetune.domain_gap.quantities import NAMES
from survey_profiles.profile import Profile

# Priors of the PSF fit, wider than those of any survey: the images decide.
_WIDTH_SCATTER, _BETA_SCATTER = 0.25, 0.3
_CENTRED_SIGNAL_TO_NOISE = 15.0


def free_psf(profile: Profile) -> PsfModel:
    """The profile's PSF with wide priors on its width and wings."""
    model = PsfModel.of(profile)
    return replace(
        model,
        width_scatter=_WIDTH_SCATTER,
        beta_scatter=_BETA_SCATTER if model.beta_scatter > 0 else 0.0,
    )


def light_curves(stamps: StampBatch, psf: PsfModel) -> LightCurves:
    """Photometry of stamps, for `measurements`."""
    return photometry(stamps, psf)


def measurements(stamps: StampBatch, curves: LightCurves, profile: Profile) -> np.ndarray:
    """Quantities (object, quantity), in the order of `quantities.NAMES`; NaN: not measurable.

    ``curves`` are the photometry of ``stamps``.
    """
    noise = border_noise(stamps)
    found = {
        **_noise(stamps, noise),
        **_psf(stamps, curves),
        **_centring(curves),
        **_saturation(stamps, profile),
        **outskirts(stamps, noise),
        "extended_share": _share(curves.flags & int(Flag.EXTENDED) > 0, stamps.n_epochs),
        **conditions(stamps, noise),
        **cadence(stamps),
        **variation(curves),
    }
    return np.stack([np.asarray(found[name], dtype=float) for name in NAMES], axis=1)


def _noise(stamps, noise):
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio, tail = np.log(noise["noise_ratio"]), np.log(noise["noise_tail"])
        over_catalogue = np.log(noise["sky_adu"] / stamps.sky_adu)
    return {
        "noise_ratio": np.exp(median(ratio)),
        "noise_ratio_scatter": scatter(ratio),
        "noise_tail": median(tail),
        "sky_over_catalogue": median(over_catalogue),
        "noise_correlation_x": mean(noise["noise_correlation_x"]),
        "noise_correlation_y": mean(noise["noise_correlation_y"]),
    }


def _psf(stamps, curves):
    shapes = star_shapes(stamps, curves)
    with np.errstate(divide="ignore", invalid="ignore"):
        width = np.log(curves.fwhm_pix / stamps.seeing_fwhm_pix)
    width = np.where(bright(curves), width, np.nan)
    return {
        "width_over_seeing": median(width),
        "width_scatter": scatter(width),
        "e1": mean(shapes["e1"]),
        "e2": mean(shapes["e2"]),
        "e1_scatter": scatter(shapes["e1"]),
        "e2_scatter": scatter(shapes["e2"]),
        "inner_wings": median(shapes["inner_wings"]),
        "outer_wings": median(shapes["outer_wings"]),
        "asymmetry": np.hypot(mean(shapes["third_x"]), mean(shapes["third_y"])),
    }


def _centring(curves):
    with np.errstate(invalid="ignore"):
        seen = curves.signal_to_noise > _CENTRED_SIGNAL_TO_NOISE
    x, y = (np.where(seen, v, np.nan) for v in (curves.x_pix, curves.y_pix))
    return {
        "x_mean": mean(x),
        "y_mean": mean(y),
        "x_scatter": scatter(x),
        "y_scatter": scatter(y),
    }


def _saturation(stamps, profile):
    images = stamps.images_adu
    pixels = images.shape[-1] ** 2 * np.maximum(stamps.n_epochs, 1)
    known = np.isfinite(images).sum(axis=(1, 2, 3))
    peak = np.nan_to_num(images, nan=-np.inf).max(axis=(1, 2, 3))
    with np.errstate(divide="ignore", invalid="ignore"):
        peak = np.log10(np.where(peak > 0, peak, np.nan) / profile.camera.saturation_adu)
    return {
        "peak": peak,
        "saturated_share": _share(stamps.saturated, stamps.n_epochs),
        "masked_share": 1.0 - known / pixels,
    }


def _share(flags, n_epochs):
    used = np.arange(flags.shape[1]) < np.asarray(n_epochs)[:, None]
    return (flags & used).sum(axis=1) / np.maximum(n_epochs, 1)
