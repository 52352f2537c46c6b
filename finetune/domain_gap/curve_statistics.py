"""Statistics of a sequence beside its pixels: conditions, cadence and the light curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from classifier.photometry.light_curves import LightCurves
from classifier.photometry.measurement import NJY_ZERO_POINT_MAG
from classifier.stamp_batch import StampBatch
from finetune.domain_gap.image_statistics import mean, median, scatter

NJY_SOFTENING = 300.0  # fluxes far below it make asinh magnitudes linear; g = 25.2
_NIGHT_GAP_D = 0.5
_H_PER_D = 24.0


def asinh_magnitude(flux_njy: ArrayLike) -> np.ndarray:
    """AB magnitudes that are finite at zero flux too (Lupton, Gunn & Szalay 1999)."""
    scaled = np.asarray(flux_njy, dtype=float) / (2.0 * NJY_SOFTENING)
    return NJY_ZERO_POINT_MAG - 2.5 / np.log(10.0) * (np.arcsinh(scaled) + np.log(NJY_SOFTENING))


def matching_magnitudes(curves: LightCurves) -> np.ndarray:
    """Shape (object, 2): asinh magnitudes of the median flux and of the brightest difference."""
    flux = median(curves.flux_njy)
    with np.errstate(invalid="ignore"):
        rise = _highest(curves.difference_flux_njy)
    return np.stack([asinh_magnitude(flux), asinh_magnitude(rise)], axis=1)


def conditions(stamps: StampBatch, noise: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Per object: level and scatter of sky, seeing and zero point; ``noise`` of `border_noise`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        sky, seeing = np.log(noise["sky_adu"]), np.log(stamps.seeing_fwhm_pix)
    zero_point = np.where(np.isfinite(stamps.mjd), stamps.zero_point_mag, np.nan)
    return {
        "sky": median(sky) / np.log(10.0),
        "sky_scatter": scatter(sky),
        "seeing": median(stamps.seeing_fwhm_pix),
        "seeing_scatter": scatter(seeing),
        "zero_point": median(zero_point),
        "zero_point_scatter": scatter(zero_point),
    }


def cadence(stamps: StampBatch) -> dict[str, np.ndarray]:
    """Per object: span [d], night_gap [d], visit_gap [h] and images_a_night."""
    mjd = stamps.mjd
    gaps = np.diff(mjd, axis=1)
    with np.errstate(invalid="ignore"):
        nightly = gaps > _NIGHT_GAP_D
        visits = np.where(gaps <= _NIGHT_GAP_D, gaps * _H_PER_D, np.nan)
    span = _highest(mjd) - mjd[:, 0]
    nights = 1.0 + nightly.sum(axis=1)
    return {
        "span": span,
        "night_gap": span / np.maximum(nights - 1.0, 1.0),
        "visit_gap": median(visits),
        "images_a_night": stamps.n_epochs / nights,
    }


def variation(curves: LightCurves) -> dict[str, np.ndarray]:
    """Per object: scatter_over_error, amplitude, smoothness and brightest_at."""
    flux, error = curves.flux_njy, curves.flux_error_njy
    centred = flux - mean(flux)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        pulls = centred / error
        low, high = (_percentile(flux, q) for q in (5, 95))
        amplitude = np.arcsinh((high - low) / (np.abs(mean(flux)) + NJY_SOFTENING))
        steps = np.diff(flux, axis=1)
        smoothness = mean(steps**2) / mean(centred**2)
        place = np.nan_to_num(flux, nan=-np.inf).argmax(axis=1) / np.maximum(curves.n_epochs - 1, 1)
        return {
            "scatter_over_error": 0.5 * np.log(mean(pulls**2)),
            "amplitude": amplitude,
            "smoothness": smoothness,
            "brightest_at": place,
        }


def _percentile(values, q):
    known = np.isfinite(values).any(axis=1)
    filled = np.where(known[:, None], values, 0.0)
    return np.where(known, np.nanpercentile(filled, q, axis=1), np.nan)


def _highest(values):
    return np.where(
        np.isfinite(values).any(axis=1), np.nan_to_num(values, nan=-np.inf).max(axis=1), np.nan
    )
