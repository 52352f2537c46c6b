"""ZTF alert packets, schema 1.7 to 4.02 (https://zwickytransientfacility.github.io/ztf-avro-alert).

In 512 real packets the difference cutouts are positive at the source whatever ``isdiffpos`` is, so
for 'f' and '0' they are template less science. Their sign is changed here: differences are always
science less template. ``candid`` gives the start of the exposure to 0.9 s.
"""

from __future__ import annotations

from math import isfinite, log, log10, nan

import numpy as np

from classifier.photometry.measurement import NJY_ZERO_POINT_MAG
from finetune.readers.alert_photometry import columns_of, njy_of_mag
from finetune.readers.alerts import ALERT_ARRAYS, Alert, AlertReader
from finetune.readers.cutout import kept_cutout, mask_of, placed, planes_of
from finetune.readers.identifiers import identifier, object_name
from finetune.readers.known_values import KnownValues, in_range, mjd_of, number
from finetune.readers.protocol import FIELD
from finetune.readers.ztf_edges import SIZE_PIX, centre_of
from finetune.readers.ztf_metadata import METADATA_ARRAYS, METADATA_FIELDS, metadata_of
from skyreel.errors import SequenceError
from survey_profiles.profile import Profile

_BANDS = {1: "g", 2: "r", 3: "i"}  # by fid
_CUTOUTS = {
    "images": "cutoutScience",
    "template": "cutoutTemplate",
    "difference": "cutoutDifference",
}
_FIELDS = (
    *("jd", "fid", "diffmaglim", "isdiffpos", "rcid", "field", "xpos", "ypos", "ra", "dec"),
    *("magpsf", "sigmapsf", "fwhm", "magzpsci", "exptime"),
    *METADATA_FIELDS,
)
_NIGHT_0_MJD = 57754.0  # candid counts nights from 2017-01-01
_NIGHTS = (250, 9000)  # to 2041; other numbers contain no time
_SAME_TIME_S = 2.0
_DAY_S = 86400.0
_ERROR_PER_MAG = np.log(10) / 2.5


class ZtfAlerts(AlertReader):
    """Reader of ZTF packets."""

    name = default_survey = "ztf"
    title = "ZTF"
    extra = (*ALERT_ARRAYS, FIELD, *METADATA_ARRAYS)

    def kept(self, record: dict) -> tuple[str, dict]:
        """Name of the object, and the used part of a packet."""
        candidate = record.get("candidate")
        if not isinstance(candidate, dict) or not record.get("objectId"):
            raise SequenceError("it is not a ZTF alert: it has no objectId and candidate.")
        candid = record.get("candid", candidate.get("candid"))
        kept = {
            "candid": identifier(candid, "candid"),
            "candidate": {name: candidate.get(name) for name in _FIELDS},
            "cutouts": {name: _bytes_of(record.get(field)) for name, field in _CUTOUTS.items()},
            "history": kept_history(record),
        }
        return object_name(record["objectId"], "objectId"), kept

    def alert(self, source: str, kept: dict, profile: Profile) -> Alert:
        """The used part of a packet as an epoch.

        Raises
        ------
        SequenceError
            It has no readable science cutout, or its band is not in the profile.
        """
        candidate, candid = kept["candidate"], kept["candid"]
        epochs, notes = _epoch(candidate, candid, profile)
        images, mask, more_notes = _images(kept["cutouts"], candidate, profile)
        return Alert(
            source=source,
            alert_id=candid,
            images=images,
            mask=mask,
            epochs=epochs,
            objects=_object(candidate, profile),
            photometry=measurements(candidate, epochs["mjd"], kept["history"], _BANDS),
            notes=notes + more_notes,
        )


def _bytes_of(cutout):
    return kept_cutout(cutout.get("stampData") if isinstance(cutout, dict) else cutout)


def start_mjd(jd: object, candid: int) -> tuple[float, bool]:
    """Start of the exposure (MJD, UTC), and whether it was taken from ``candid``.

    It is if ``jd`` is missing or differs by more than 2 s, because it was overwritten then.
    """
    given = mjd_of(jd)
    night, rest = divmod(candid, 10**15)
    if not _NIGHTS[0] <= night <= _NIGHTS[1]:
        return given, False
    from_candid = _NIGHT_0_MJD + night + rest // 10**9 / 1e6
    if isfinite(given) and abs(given - from_candid) * _DAY_S <= _SAME_TIME_S:
        return given, False
    return from_candid, True


def _epoch(candidate, candid, profile):
    band, names = _band(candidate["fid"], _BANDS), list(profile.bands)
    if band not in names:
        raise SequenceError(
            f"its fid is {candidate['fid']!r}; bands of survey {profile.name}: {', '.join(names)}."
        )
    known = KnownValues()
    mjd, overwritten = start_mjd(candidate["jd"], candid)
    exposure_time_s = known.number("exposure_time_s", candidate["exptime"], "exptime")
    if not exposure_time_s > 0:  # not in packets before schema 3
        exposure_time_s = profile.bands[band].exposure_time_s
    zero_point_mag = known.number("zero_point_mag", candidate["magzpsci"], "magzpsci")
    fwhm_pix = known.number("seeing_fwhm_pix", candidate["fwhm"], "fwhm")
    flux_adu, error_adu = _published_flux_adu(candidate, zero_point_mag)
    camera = profile.camera
    epochs = {
        "mjd": mjd,
        "band": names.index(band),
        "exposure_time_s": exposure_time_s,
        "seeing_fwhm_arcsec": fwhm_pix * camera.pixel_scale_arcsec,
        "zero_point_mag": zero_point_mag - 2.5 * log10(exposure_time_s),
        "limiting_mag": known.number("limiting_mag", candidate["diffmaglim"], "diffmaglim"),
        "published_flux_adu": flux_adu,
        "published_flux_error_adu": error_adu,
        **metadata_of(candidate),
    }
    notes = ("jd was overwritten; the time in candid is used.",) * overwritten + known.notes
    if not isfinite(zero_point_mag):
        notes += ("it has no zero point (packets before schema 3 have none).",)
    return epochs, notes


def _published_flux_adu(candidate, zero_point_mag):
    magnitude = in_range("magnitude", candidate["magpsf"])
    flux_adu = 10 ** (0.4 * (zero_point_mag - magnitude))
    error_adu = flux_adu * in_range("magnitude_error", candidate["sigmapsf"]) * _ERROR_PER_MAG
    return (-flux_adu if is_negative(candidate["isdiffpos"]) else flux_adu), error_adu


def _images(cutouts, candidate, profile):
    """Images by name, mask of the first, and notes."""
    found, notes = {"images": _image(cutouts["images"])}, ()
    shape = found["images"].shape
    for name in list(_CUTOUTS)[1:]:
        try:
            image = _image(cutouts[name])
            if image.shape != shape:
                raise SequenceError(
                    f"it is {_times(image.shape)} where science is {_times(shape)}."
                )
            found[name] = image
        except SequenceError as error:
            notes += (f"without {name}: {error}",)
    if "difference" in found and is_negative(candidate["isdiffpos"]):
        found["difference"] = -found["difference"]
    place = (number(candidate["ypos"]), number(candidate["xpos"]))
    centre, edge_note = centre_of(shape, place, found.get("difference"))
    half_pix = SIZE_PIX // 2 if edge_note else shape[0] // 2
    images = {name: placed(image, centre, half_pix) for name, image in found.items()}
    mask = mask_of(found["images"], centre, half_pix, profile.camera.saturation_adu)
    images = {n: np.where(np.isfinite(i), i, np.float32(np.nan)) for n, i in images.items()}
    return images, mask, notes + ((edge_note,) if edge_note else ())


def _image(content):
    image = next(iter(planes_of(content).values())).image
    if max(image.shape) > SIZE_PIX:
        raise SequenceError(f"its cutout is {_times(image.shape)} pixels; ZTF's are at most 63.")
    if not np.isfinite(image).any():
        raise SequenceError("its cutout holds no number.")
    return image


def _object(candidate, profile):
    camera = profile.camera
    field, rcid = number(candidate["field"]), number(candidate["rcid"])
    return {
        "gain_e_per_adu": camera.gain_e_per_adu,
        "read_noise_e": camera.read_noise_e,
        "ra_deg": in_range("ra_deg", candidate["ra"]),
        "dec_deg": in_range("dec_deg", candidate["dec"]),
        "field": int(field) if 0 <= field < 2**31 else -1,
        "ccd_number": int(rcid) if 0 <= rcid < 2**15 else -1,
    }


def _times(shape):
    return " x ".join(map(str, shape))


_PREVIOUS = ("jd", "fid", "magpsf", "sigmapsf", "isdiffpos", "diffmaglim")
_FORCED = ("jd", "fid", "forcediffimflux", "forcediffimfluxunc", "magzpsci", "diffmaglim")
_NO_FLUX = -99990  # of forced photometry that failed


def is_negative(isdiffpos: object) -> bool:
    """Whether the source is fainter than in the template image: 'f' or '0'."""
    return str(isdiffpos).strip().lower() in ("f", "0", "false")


def kept_history(record: dict) -> dict[str, list[tuple]]:
    """The used parts of ``prv_candidates`` and ``fp_hists``; either may be missing."""
    return {
        "previous": _rows(record.get("prv_candidates"), _PREVIOUS),
        "forced": _rows(record.get("fp_hists"), _FORCED),
    }


def _rows(entries, names):
    entries = entries if isinstance(entries, list) else []
    return [tuple(e.get(n) for n in names) for e in entries if isinstance(e, dict)]


def measurements(
    candidate: dict, mjd: float, history: dict[str, list[tuple]], bands: dict[int, str]
) -> dict[str, np.ndarray]:
    """Columns of all photometry in a packet; ``mjd`` is that of the alert itself."""
    own = tuple(candidate[name] for name in _PREVIOUS[1:])
    rows = [_of_magnitude(mjd, *own, bands)]
    rows += [_of_magnitude(mjd_of(jd), *rest, bands) for jd, *rest in history["previous"]]
    rows += [_of_flux(*row, bands) for row in history["forced"]]
    return columns_of(rows)


def _band(fid, bands):
    return bands.get(fid) if isinstance(fid, int | float) else None


def _of_magnitude(mjd, fid, magpsf, sigmapsf, isdiffpos, diffmaglim, bands):
    magnitude, limit = in_range("magnitude", magpsf), in_range("limiting_mag", diffmaglim)
    if not isfinite(magnitude):
        return mjd, _band(fid, bands), "limit", nan, nan, limit
    flux = float(njy_of_mag(magnitude))
    error = flux * in_range("magnitude_error", sigmapsf) * log(10) / 2.5
    return mjd, _band(fid, bands), "alert", -flux if is_negative(isdiffpos) else flux, error, limit


def _of_flux(jd, fid, flux, error, magzpsci, diffmaglim, bands):
    flux = number(flux)
    failed = not flux > _NO_FLUX
    scale = 10 ** (0.4 * (NJY_ZERO_POINT_MAG - in_range("zero_point_mag", magzpsci)))
    flux_njy = nan if failed else flux * scale
    error_njy = nan if failed or not number(error) >= 0 else number(error) * scale
    limit = in_range("limiting_mag", diffmaglim)
    return mjd_of(jd), _band(fid, bands), "forced", flux_njy, error_njy, limit
