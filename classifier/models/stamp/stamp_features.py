"""Features of the stamps of one alert, as real/bogus classifiers before networks read them.

After Bloom et al. 2012 (table 2) and Brink et al. 2013 (table 1). They are computed from science,
template and difference in units of the noise of their frames, the difference with the sign that
makes the detection positive, in a box about the centre. None depends on the orientation by quarter
turns. Axes are (object, plane, row, column).
"""

from __future__ import annotations

import numpy as np

from classifier.evaluation.metrics import ratio
from classifier.models.stamp.preprocessing import central, in_units_of_noise

NAMES = (
    "peak_snr",
    "flux_snr",
    "science_flux_snr",
    "template_flux_snr",
    "flux_share",
    "peak_share",
    "fwhm_ratio",
    "ellipticity",
    "centroid_distance",
    "asymmetry",
    "psf_correlation",
    "unsigned_share",
    "n_negative_2_sigma_3",
    "n_negative_3_sigma_3",
    "n_negative_2_sigma_5",
    "n_negative_3_sigma_5",
    "masked_share",
    "mag_from_limit",
    "is_positive",
)
"""Names of the features, in order; `stamp_features` defines them."""
METADATA = ("is_positive", "magnitude", "limiting_mag", "fwhm_pix")
"""Metadata that they need."""
_BOX_PIX = 11
_SIGMA_PER_FWHM = 1 / np.sqrt(8 * np.log(2))
_WINDOW = 1.5  # sigma of the weights of moments, in those of the PSF
_SOFTENING = 3.0  # of signal-to-noise ratios, through asinh(x / 3)


def stamp_features(
    planes: np.ndarray, metadata: dict[str, np.ndarray], size_pix: int
) -> np.ndarray:
    """Features (object, feature) of stamps, NaN where undefined.

    In the order of `NAMES`. In the difference: signal to noise of the brightest of the 3 x 3 pixels
    about the centre, and of the flux within one FWHM of it; that of science and template; its flux
    over the sum of the fluxes of difference and template; its brightest pixel over its flux; from
    moments with Gaussian weights its FWHM over that of the PSF, ellipticity 1 - b/a, and distance
    of the centroid in FWHM; sum of the differences to the stamp turned by half, over the sum of
    values; correlation with a Gaussian of the FWHM; sum over the sum of values without sign; pixels
    below -2 and -3 sigma among 3 x 3 and 5 x 5; share of masked ones among 5 x 5. Of the metadata:
    magnitude less limiting magnitude, and the sign. Signal-to-noise ratios are asinh(x / 3).

    Parameters
    ----------
    planes : numpy.ndarray, shape (object, 3, row, column)
        Counts, NaN where masked.
    metadata : dict of str to numpy.ndarray
        Columns (object,) of `METADATA`, all known.
    size_pix : int
        Rows and columns that may be read about the centre; more than 11 are not.
    """
    box = central(in_units_of_noise(planes), min(_BOX_PIX, size_pix))
    sign = np.where(metadata["is_positive"] == 0, -1.0, 1.0)[:, None, None]
    science, template, signed = (np.nan_to_num(box[:, k]) for k in range(3))
    difference = sign * signed
    fwhm_pix = metadata["fwhm_pix"]
    fluxes = [_aperture_snr(values, fwhm_pix) for values in (difference, science, template)]
    found = {
        "peak_snr": _softened(_peak(difference)),
        **{
            f"{name}flux_snr": _softened(flux)
            for name, flux in zip(("", "science_", "template_"), fluxes, strict=True)
        },
        "flux_share": ratio(fluxes[0], np.abs(fluxes[0]) + np.abs(fluxes[2])),
        "peak_share": ratio(_peak(difference), _sum(np.abs(central(difference, 5)))),
        **_shape(difference, fwhm_pix),
        "asymmetry": _asymmetry(central(difference, 7)),
        "psf_correlation": _psf_correlation(difference, fwhm_pix),
        "unsigned_share": ratio(_sum(central(difference, 7)), _sum(np.abs(central(difference, 7)))),
        **{
            f"n_negative_{k}_sigma_{side}": _sum(central(difference, side) < -k)
            for side in (3, 5)
            for k in (2, 3)
        },
        "masked_share": 1 - np.isfinite(central(box, 5)).mean(axis=(1, 2, 3)),
        "mag_from_limit": metadata["magnitude"] - metadata["limiting_mag"],
        "is_positive": metadata["is_positive"],
    }
    return np.stack([found[name] for name in NAMES], axis=1).astype(np.float32)


def _sum(values):
    return values.sum(axis=(1, 2))


def _softened(values):
    return np.arcsinh(values / _SOFTENING)


def _peak(values):
    return central(values, 3).max(axis=(1, 2))


def _offsets(values):
    """Rows and columns (row, 1), (1, column) from the central pixel."""
    offset = np.arange(values.shape[-1]) - values.shape[-1] // 2
    return offset[:, None], offset[None, :]


def _radius2(values):
    row, column = _offsets(values)
    return row**2 + column**2


def _aperture_snr(values, fwhm_pix):
    """Flux within one FWHM of the centre, over the noise of as many pixels."""
    inside = _radius2(values) <= np.maximum(fwhm_pix, 1)[:, None, None] ** 2
    return _sum(values * inside) / np.sqrt(_sum(inside))


def _gaussian(values, sigma_pix):
    return np.exp(-_radius2(values) / (2 * sigma_pix[:, None, None] ** 2))


def _shape(values, fwhm_pix):
    """FWHM, ellipticity and centroid from moments of the positive pixels with Gaussian weights.

    The weights make a Gaussian source narrower: 1/s^2 = 1/sigma^2 + 1/window^2. The FWHM is
    corrected for that; it is NaN where the moments are as wide as the weights.
    """
    window = _WINDOW * _SIGMA_PER_FWHM * fwhm_pix
    weighted = np.maximum(values, 0) * _gaussian(values, window)
    total = _sum(weighted)
    offsets = _offsets(values)
    centre = [ratio(_sum(weighted * x), total) for x in offsets]
    row, column = (x - c[:, None, None] for x, c in zip(offsets, centre, strict=True))
    m_rr, m_cc, m_rc = (ratio(_sum(weighted * x), total) for x in (row**2, column**2, row * column))
    middle, half = (m_rr + m_cc) / 2, np.hypot((m_rr - m_cc) / 2, m_rc)
    with np.errstate(divide="ignore", invalid="ignore"):
        own = 1 / (1 / middle - 1 / window**2)
        fwhm_ratio = np.sqrt(np.where(own > 0, own, np.nan)) / (_SIGMA_PER_FWHM * fwhm_pix)
        ellipticity = 1 - np.sqrt(np.maximum(middle - half, 0) / (middle + half))
    return {
        "fwhm_ratio": np.minimum(fwhm_ratio, 10),
        "ellipticity": ellipticity,
        "centroid_distance": np.hypot(*centre) / fwhm_pix,
    }


def _asymmetry(values):
    return ratio(_sum(np.abs(values - values[:, ::-1, ::-1])), _sum(np.abs(values)))


def _psf_correlation(values, fwhm_pix):
    model = _gaussian(values, _SIGMA_PER_FWHM * fwhm_pix)
    values, model = (v - v.mean(axis=(1, 2), keepdims=True) for v in (values, model))
    return ratio(_sum(values * model), np.sqrt(_sum(values**2) * _sum(model**2)))
