"""The light curve in a ZTF packet: its own magnitude, those before, limits, forced photometry."""

from __future__ import annotations

from math import isfinite, log, nan

from classifier.photometry.measuring import NJY_ZERO_POINT_MAG
from finetune.readers.alerts import number
from finetune.readers.photometry import columns_of, njy_of_mag

_PREVIOUS = ("jd", "fid", "magpsf", "sigmapsf", "isdiffpos", "diffmaglim")
_FORCED = ("jd", "fid", "forcediffimflux", "forcediffimfluxunc", "magzpsci", "diffmaglim")
MJD_0_JD = 2400000.5
_NO_FLUX = -99990  # of forced photometry that failed


def is_negative(isdiffpos) -> bool:
    """Whether the source is fainter than in the reference image: 'f' or '0'."""
    return str(isdiffpos).strip().lower() in ("f", "0", "false")


def kept_history(record) -> dict[str, list[tuple]]:
    """What of ``prv_candidates`` and ``fp_hists`` is used; either may be missing."""
    return {
        "previous": _rows(record.get("prv_candidates"), _PREVIOUS),
        "forced": _rows(record.get("fp_hists"), _FORCED),
    }


def _rows(entries, names):
    entries = entries if isinstance(entries, list) else []
    return [tuple(e.get(n) for n in names) for e in entries if isinstance(e, dict)]


def measurements(candidate, mjd, history, bands):
    """Columns of every measurement of a packet; ``mjd`` is that of the packet itself."""
    own = tuple(candidate[name] for name in _PREVIOUS[1:])
    rows = [_of_magnitude(mjd, *own, bands)]
    rows += [
        _of_magnitude(number(jd) - MJD_0_JD, *rest, bands) for jd, *rest in history["previous"]
    ]
    rows += [_of_flux(*row, bands) for row in history["forced"]]
    return columns_of(rows)


def _of_magnitude(mjd, fid, magpsf, sigmapsf, isdiffpos, diffmaglim, bands):
    magnitude, limit = number(magpsf), number(diffmaglim)
    if not isfinite(magnitude):
        return mjd, bands.get(fid), "limit", nan, nan, limit
    flux = float(njy_of_mag(magnitude))
    error = flux * number(sigmapsf) * log(10) / 2.5
    return mjd, bands.get(fid), "alert", -flux if is_negative(isdiffpos) else flux, error, limit


def _of_flux(jd, fid, flux, error, magzpsci, diffmaglim, bands):
    failed = not isinstance(flux, int | float) or not flux > _NO_FLUX
    scale = 10 ** (0.4 * (NJY_ZERO_POINT_MAG - number(magzpsci)))
    flux_njy = nan if failed else flux * scale
    error_njy = nan if failed else number(error) * scale
    limit = number(diffmaglim)
    return number(jd) - MJD_0_JD, bands.get(fid), "forced", flux_njy, error_njy, limit
