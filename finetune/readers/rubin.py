"""Rubin alert packets (LSSTCam, schema 10) and tables made of them.

Images are sky-subtracted, in nJy. One ADU is one nJy here, so that with the profile's exposure
time the AB zero point of 1 ADU/s is 31.4 - 2.5 log10(exposure time / s). The sky level is added
again; it follows from the variance plane (`gain_and_sky`).
"""

from __future__ import annotations

from dataclasses import replace
from math import isfinite, log10, nan, sqrt

import numpy as np
from numpy.typing import ArrayLike

from classifier.photometry.measurement import NJY_ZERO_POINT_MAG
from finetune.readers.alert_photometry import columns_of
from finetune.readers.alerts import ALERT_ARRAYS, Alert, AlertReader
from finetune.readers.cutout import kept_cutout, mask_of, placed, planes_of
from finetune.readers.identifiers import identifier, object_name
from finetune.readers.known_values import KnownValues, in_range, mjd_of, number
from simulator.alerts.time_scales import utc_mjd
from simulator.dataset.schema import PIXELS, ArraySpec
from skyreel.errors import SequenceError
from survey_profiles.profile import Profile

_SOURCE = (
    *("diaObjectId", "ssObjectId", "detector", "midpointMjdTai", "ra", "dec"),
    *("psfFlux", "psfFluxErr", "band"),
)
_POINT = ("midpointMjdTai", "band", "psfFlux", "psfFluxErr")
_HISTORY = {"alert": "prvDiaSources", "forced": "prvDiaForcedSources"}
_CUTOUTS = {"template": "cutoutTemplate", "difference": "cutoutDifference"}
_FWHM_PER_ROOT_NEFF = 0.664  # of the effective area, Ivezic et al. 2019, section 3.2.1
_LIMIT_SIGMA = 5.0
_VARIANCE = "variance of the pixels of images; NaN where unknown"
_DAY_S = 86400.0


class RubinAlerts(AlertReader):
    """Reader of Rubin packets."""

    name = "rubin"
    default_survey = "lsst"
    title = "Rubin"
    extra = (
        *ALERT_ARRAYS,
        ArraySpec("variance_images", PIXELS, "float32", "adu^2", _VARIANCE),
    )

    def kept(self, record: dict) -> tuple[str, dict]:
        """Name of the object, and the used part of a packet."""
        source = record.get("diaSource") or record.get("meta")
        if not isinstance(source, dict) or "diaSourceId" not in record | source:
            raise SequenceError("it is not a Rubin alert: it has no diaSource.")
        alert_id = identifier(source.get("diaSourceId") or record["diaSourceId"], "diaSourceId")
        names = (_identity(source.get(name)) for name in ("diaObjectId", "ssObjectId"))
        kept = {
            "alert_id": alert_id,
            "source": {name: source.get(name) for name in _SOURCE},
            "science": kept_cutout(record.get("cutoutScience")),
            "others": {n: kept_cutout(record.get(field)) for n, field in _CUTOUTS.items()},
            "history": [
                (kind, *(point.get(name) for name in _POINT))
                for kind, field in _HISTORY.items()
                for point in _points(record.get(field))
            ],
        }
        return next(filter(None, names), str(alert_id)), kept

    def alert(self, source: str, kept: dict, profile: Profile) -> Alert:
        """The used part of a packet as an epoch.

        Raises
        ------
        SequenceError
            It has no readable science cutout in nJy, or its band is not in the profile.
        """
        table = kept["source"]
        images, mask, fwhm_pix, notes = _images(kept)
        epochs, more_notes = _epoch(table, fwhm_pix, profile)
        return Alert(
            source=source,
            alert_id=kept["alert_id"],
            images=images,
            mask=mask,
            epochs=epochs,
            objects=_object(table),
            photometry=_measurements(kept, profile),
            notes=notes + more_notes,
        )

    def corrected(self, alerts: list[Alert]) -> list[Alert]:
        """Alerts with the sky level added."""
        return with_sky(alerts)


def _points(rows):
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _identity(value):
    """An identifier as text; None for null, 0 and 0.0."""
    text = str(value).strip() if value is not None else ""
    return None if text in ("", "0", "0.0", "None", "nan") else object_name(value, "diaObjectId")


def start_mjd(midpoint_mjd_tai: ArrayLike, exposure_time_s: ArrayLike) -> np.ndarray:
    """Start of an exposure (MJD, UTC) from its midpoint (MJD, TAI); NaN stays NaN."""
    middle = np.asarray(midpoint_mjd_tai, dtype=float)
    utc = utc_mjd(middle) - np.asarray(exposure_time_s) / 2 / _DAY_S
    return np.where(np.isfinite(middle), utc, np.nan)


def _epoch(table, fwhm_pix, profile):
    band, names = str(table["band"]), list(profile.bands)
    if band not in names:
        raise SequenceError(
            f"band {band!r} is not one of {', '.join(names)} of survey {profile.name}."
        )
    exposure_time_s = profile.bands[band].exposure_time_s
    error = _error(table["psfFluxErr"])
    limit = NJY_ZERO_POINT_MAG - 2.5 * log10(_LIMIT_SIGMA * error) if error > 0 else nan
    known = KnownValues()
    mjd = float(known.times([number(table["midpointMjdTai"])], "midpointMjdTai")[0])
    epoch = {
        "mjd": float(start_mjd(mjd, exposure_time_s)),
        "band": names.index(band),
        "exposure_time_s": exposure_time_s,
        "seeing_fwhm_arcsec": known.number("seeing_fwhm_pix", fwhm_pix)
        * profile.camera.pixel_scale_arcsec,
        "zero_point_mag": NJY_ZERO_POINT_MAG - 2.5 * log10(exposure_time_s),
        "limiting_mag": in_range("limiting_mag", limit),
        "published_flux_adu": number(table["psfFlux"]),
        "published_flux_error_adu": error,
    }
    return epoch, known.notes


def _error(value):
    """A standard error; NaN if it is none, or negative."""
    found = number(value)
    return found if found >= 0 else nan


def _images(kept):
    planes = planes_of(kept["science"])
    science = next(iter(planes.values()))
    unit = str(science.header.get("BUNIT", "nJy")).strip()
    if unit.lower() != "njy":
        raise SequenceError(f"its images are in {unit!r}; needed are nJy.")
    shape, notes = science.image.shape, ()
    found = {"images": science.image}
    if "UNCERT" in planes and planes["UNCERT"].image.shape == shape:
        found["variance_images"] = planes["UNCERT"].image
    for name, content in kept["others"].items():
        try:
            image = next(iter(planes_of(content).values())).image
            if image.shape != shape:
                raise SequenceError("it has another shape than the science cutout.")
            found[name] = image
        except SequenceError as error:
            notes += (f"without {name}: {error}",)
    centre = _centre(science)
    half_pix = (max(shape) - 1) // 2
    images = {name: placed(image, centre, half_pix) for name, image in found.items()}
    images = {n: np.where(np.isfinite(i), i, np.float32(np.nan)) for n, i in images.items()}
    if not np.isfinite(images["images"]).any():
        raise SequenceError("its cutout holds no number.")
    mask = mask_of(science.image, centre, half_pix, np.inf)
    return images, mask, _fwhm_pix(planes.get("PSFIMAGE")), notes


def _centre(plane):
    """Pixel (row, column) of the source: CRPIX, whose sky coordinates are those of the source."""
    middle = []
    for axis, n in ((2, plane.image.shape[0]), (1, plane.image.shape[1])):
        given = number(plane.header.get(f"CRPIX{axis}"))
        inside = isfinite(given) and 0 <= round(given - 1) < n
        middle.append(round(given - 1) if inside else n // 2)
    return tuple(middle)


def _fwhm_pix(psf):
    """FWHM of a Gaussian with the effective area 1 / sum(PSF^2); NaN without a PSF."""
    if psf is None:
        return nan
    with np.errstate(over="ignore", invalid="ignore"):
        total = float(np.sum(psf.image, dtype=float))
        squares = float(np.sum(psf.image**2, dtype=float))
    ok = isfinite(total) and isfinite(squares) and squares > 0
    return _FWHM_PER_ROOT_NEFF * sqrt(total**2 / squares) if ok else nan


def _object(table):
    detector = number(table["detector"])
    return {
        "gain_e_per_adu": nan,
        "read_noise_e": nan,
        "ra_deg": in_range("ra_deg", table["ra"]),
        "dec_deg": in_range("dec_deg", table["dec"]),
        "ccd_number": int(detector) if 0 <= detector < 2**15 else -1,
    }


def _measurements(kept, profile):
    rows = [("alert", *(kept["source"][name] for name in _POINT)), *kept["history"]]
    rows = [row for row in rows if isinstance(row[2], str) and row[2] in profile.bands]
    mjd = start_mjd(
        [mjd_of(row[1]) for row in rows],
        np.array([profile.bands[row[2]].exposure_time_s for row in rows]),
    )
    return columns_of(
        (when, band, kind, number(flux), _error(error), nan)
        for when, (kind, _, band, flux, error) in zip(mjd, rows, strict=True)
    )


_LEAST_SIGNIFICANCE = 5.0
_LEAST_RISE = 1e-3  # of the variance, over the pixels of a stamp: less is rounding
_LEAST_PIXELS = 50


def gain_and_sky(image: np.ndarray, variance: np.ndarray) -> tuple[float, float]:
    """Gain [e per nJy] and sky level [e] of one cutout, from a line fitted to variance over flux.

    NaN where the line is not significant. Without read noise the variance of a pixel is
    (flux + sky) / gain.

    Parameters
    ----------
    image, variance : (row, column)
        In nJy and nJy^2.
    """
    known = np.isfinite(image) & np.isfinite(variance)
    if known.sum() < _LEAST_PIXELS:
        return nan, nan
    x, y = image[known].astype(float), variance[known].astype(float)
    around = x - x.mean()
    spread = float(around @ around)
    if not spread > 0:
        return nan, nan
    slope = float(around @ y) / spread
    at_zero = y.mean() - slope * x.mean()
    left = y - at_zero - slope * x
    error = sqrt(float(left @ left) / (len(x) - 2) / spread)
    rise = slope * np.ptp(x)
    if not (at_zero > 0 and rise > _LEAST_RISE * at_zero and slope > _LEAST_SIGNIFICANCE * error):
        return nan, nan
    if not isfinite(in_range("gain_e_per_adu", 1 / slope) * in_range("sky_adu", at_zero / slope)):
        return nan, nan
    return 1 / slope, at_zero / slope**2


def with_sky(alerts: list[Alert]) -> list[Alert]:
    """Alerts of one object with their sky level added; unchanged if the gain is unknown.

    All get the median gain. The sky level of an exposure is the one that gives its background
    noise with that gain.
    """
    found = [
        gain_and_sky(a.images["images"], a.images["variance_images"])
        if "variance_images" in a.images
        else (nan, nan)
        for a in alerts
    ]
    known = np.array([pair for pair in found if isfinite(pair[0])])
    if not len(known):
        note = "the variance does not determine the gain: sky, gain and read noise are unknown."
        return [replace(a, notes=(*a.notes, note)) for a in alerts]
    gain = float(np.median(known[:, 0]))
    variance_njy2 = known[:, 1] / known[:, 0] ** 2
    typical = float(np.median(variance_njy2))
    bright = []
    for alert, (own_gain, sky_e) in zip(alerts, found, strict=True):
        background = sky_e / own_gain**2 if isfinite(own_gain) else typical
        images = {**alert.images, "images": alert.images["images"] + np.float32(gain * background)}
        objects = {**alert.objects, "gain_e_per_adu": gain, "read_noise_e": 0.0}
        bright.append(replace(alert, images=images, objects=objects))
    return bright
