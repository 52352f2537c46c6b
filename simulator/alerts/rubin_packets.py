"""Rubin packets of simulated detections.

Fields of quantities that are not simulated are null (``reliability`` among them).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from astropy import units
from astropy.coordinates import SkyCoord

from simulator.alerts.alert_identifiers import (
    asteroid_designation,
    rubin_object_id,
    rubin_source_id,
    rubin_visit,
)
from simulator.alerts.avro_bytes import (
    NULL,
    nullable,
    nullable_list,
    whole_number,
)
from simulator.alerts.avro_rows import RowEncoder
from simulator.alerts.observations import (
    Alert,
    Instrument,
    Observations,
    aperture_flux,
    previous_exposures,
)
from simulator.alerts.rubin_cutouts import RubinCutouts, njy_per_adu
from simulator.alerts.rubin_objects import object_columns
from simulator.alerts.rubin_schema import VERSIONS, rubin_schema
from simulator.alerts.sky_positions import pixel_offset_position
from simulator.alerts.time_scales import tai_mjd
from simulator.detector.defects import BAD_PIXEL, COSMIC_RAY, OUTSIDE, SATURATED

HISTORY_DAY = 365.0
"""Packets hold detections and forced photometry of 12 months (prompt-products.lsst.io, 2026)."""

PRECOVERY_DAY = 30.0
PRECOVERY_DELAY_DAY = 1.0
"""Forced photometry begins 30 days before the first detection, and is there a day after it
(LSE-163, section 3.2.1)."""

_DAY_S = 86400.0
_PROCESSING_DAY = 120.0 / _DAY_S  # our choice; alerts are due within two minutes
_DETECTORS = 189
_DETECTOR_PIX = 4000
_MARGIN_PIX = 100
_APERTURE_PIX = 12.0
_SIGMA_PER_FWHM = 1 / 2.3548
_CORE_PIX = 1  # "centre" flags are of the 3 x 3 pixels about the source
_FOOTPRINT_PIX = 4  # our choice for the other flags: 9 x 9
_ARCSEC_PER_DEG = 3600.0

Columns = dict[str, Any]


class RubinPackets:
    """Makes packets of batches of observations.

    Parameters
    ----------
    instrument : Instrument
    version : str
        Of the schema: "10.0" or "11.1".
    """

    def __init__(self, instrument: Instrument, version: str = VERSIONS[-1]) -> None:
        self.schema = rubin_schema(version)
        self._instrument = instrument
        self._encoders = {name: RowEncoder(part) for name, part in self.schema.parts.items()}

    def packets(self, observations: Observations) -> Iterator[Alert]:
        """A packet of every detection, in order of object and time."""
        histories = previous_exposures(observations, HISTORY_DAY)
        if not histories:
            return
        row_object, row_epoch = observations.exposures()
        rows = np.array([row for row, _, _ in histories])
        shared = self._of_exposures(observations)
        measured = self._of_detections(observations, shared, rows)
        sources = self._encoders["diaSource"].rows(measured, len(rows))
        bodies = self._objects(observations, measured)
        solar_system = self._solar_system(observations, measured)
        is_asteroid, objects = measured["is_asteroid"], row_object[rows]
        previous = _previous_sources(histories, objects, is_asteroid, observations)
        used = np.unique(np.concatenate([forced_rows for _, forced_rows in previous])).astype(int)
        encoded = self._encoders["prvDiaForcedSources"].rows(_rows_of(shared, used), len(used))
        forced = dict(zip(used.tolist(), encoded, strict=True))
        cutouts = RubinCutouts(observations, measured, self._instrument)
        for k, row in enumerate(rows.tolist()):
            source_id, obj = int(measured["diaSourceId"][k]), int(objects[k])
            earlier, forced_rows = previous[k]
            parts = [whole_number(source_id), NULL, NULL, sources[k]]
            parts += [nullable_list([sources[j] for j in earlier])]
            parts += [nullable_list([forced[j] for j in forced_rows.tolist()])]
            parts += [
                nullable(bodies.get(k)),
                nullable(solar_system.get(k)),
                NULL,
                *cutouts.encoded(k),
            ]
            mjd = float(observations.epochs["mjd"][obj, row_epoch[row]])
            name = str(int(measured["ssObjectId" if is_asteroid[k] else "diaObjectId"][k]))
            yield Alert(mjd, source_id, name, obj, int(row_epoch[row]), b"".join(parts))

    def _of_exposures(self, observations: Observations) -> Columns:
        """Columns of forced photometry, of every exposure."""
        obj, epoch = observations.exposures()
        of = {name: values[obj, epoch] for name, values in observations.epochs.items()}
        scale = njy_per_adu(of)
        middle = of["mjd"] + of["exposure_time_s"].astype(float) / 2 / _DAY_S
        tai = tai_mjd(middle)
        number = observations.number[obj]
        ccd = observations.ccd[obj]
        return {
            "diaForcedSourceId": rubin_source_id(of["mjd"], number),
            "diaObjectId": rubin_object_id(observations.number, self._instrument.seed)[obj],
            "ra": observations.ra_deg[obj],
            "dec": observations.dec_deg[obj],
            "visit": rubin_visit(of["mjd"]),
            "detector": np.where(ccd >= 0, ccd, number % _DETECTORS),
            "psfFlux": of["difference_flux_adu"] * scale,
            "psfFluxErr": of["difference_flux_error_adu"] * scale,
            "midpointMjdTai": tai,
            "band": np.array(self._instrument.bands)[of["band"]],
            "timeProcessedMjdTai": tai + _PROCESSING_DAY,
            "exposureTime": of["exposure_time_s"],
        }

    def _of_detections(self, observations: Observations, shared: Columns, rows) -> Columns:
        """Columns of ``diaSource``."""
        obj, epoch = observations.detections()
        of = {name: values[obj, epoch] for name, values in observations.epochs.items()}
        number, scale = observations.number[obj], self._instrument.pixel_scale_arcsec
        ra, dec = pixel_offset_position(
            observations.ra_deg[obj], observations.dec_deg[obj], of["x_pix"], of["y_pix"], scale
        )
        of["njy_per_adu"] = njy_per_adu(of)
        snr = np.abs(of["difference_signal_to_noise"])
        error_pix = _position_error_pix(of["seeing_fwhm_arcsec"] / scale, snr)
        is_asteroid = observations.moves[obj] & np.isfinite(of["magnitude"])
        middle = _MARGIN_PIX + number * 7919 % (_DETECTOR_PIX - 2 * _MARGIN_PIX)
        found = _rows_of(shared, rows)
        found |= {
            "diaSourceId": found["diaForcedSourceId"],
            "diaObjectId": _where(~is_asteroid, found["diaObjectId"]),
            "ssObjectId": np.where(is_asteroid, found["diaObjectId"], 0),
            "is_asteroid": is_asteroid,
            **{"ra": ra, "dec": dec, "snr": snr},
            "raErr": error_pix * scale / _ARCSEC_PER_DEG,
            "decErr": error_pix * scale / _ARCSEC_PER_DEG,
            "x": middle + of["x_pix"],
            "y": middle + of["y_pix"],
            "xErr": error_pix,
            "yErr": error_pix,
            "centroid_flag": False,
            "isNegative": of["difference_flux_adu"] < 0,
            "psfFlux_flag": False,
            "isDipole": False,
            "dipoleFitAttempted": False,
            "dipoleNdata": 0,
            "trailNdata": 0,
            "bboxSize": observations.stamps["images"].shape[1],
            **_pixel_columns(observations, of["njy_per_adu"], self._instrument.error_factor),
        }
        return found

    def _objects(self, observations: Observations, measured: Columns) -> dict[int, bytes]:
        """``diaObject`` of the detections of all but asteroids: its detections so far."""
        which = np.flatnonzero(~measured["is_asteroid"])
        own = {k: v[which] for k, v in measured.items() if isinstance(v, np.ndarray)}
        columns = object_columns(observations.detections()[0][which], own)
        rows = self._encoders["diaObject"].rows(columns, len(which))
        return dict(zip(which.tolist(), rows, strict=True))

    def _solar_system(self, observations: Observations, measured: Columns) -> dict[int, bytes]:
        """``ssSource`` of the detections of asteroids."""
        which = np.flatnonzero(measured["is_asteroid"])
        if not which.size:
            return {}
        obj, epoch = (each[which] for each in observations.detections())
        ra, dec = measured["ra"][which], measured["dec"][which]
        place = SkyCoord(ra * units.deg, dec * units.deg)
        ecliptic, galactic = place.barycentrictrueecliptic, place.galactic
        scale = self._instrument.pixel_scale_arcsec
        x, y = (observations.epochs[name][obj, epoch] for name in ("x_pix", "y_pix"))
        numbers = observations.number[obj].tolist()
        columns = {
            "diaSourceId": measured["diaSourceId"][which],
            "ssObjectId": measured["ssObjectId"][which],
            "designation": np.array([asteroid_designation(number) for number in numbers]),
            "eclLambda": ecliptic.lon.deg,
            "eclBeta": ecliptic.lat.deg,
            "galLon": galactic.l.deg,
            "galLat": galactic.b.deg,
            "ephRa": observations.ra_deg[obj],
            "ephDec": observations.dec_deg[obj],
            "ephOffset": np.hypot(x, y) * scale,
            "ephOffsetRa": -x * scale,
            "ephOffsetDec": y * scale,
            "diaDistanceRank": 1,
        }
        rows = self._encoders["ssSource"].rows(columns, len(which))
        return dict(zip(which.tolist(), rows, strict=True))


def _rows_of(columns: Columns, rows) -> Columns:
    """Some rows of columns."""
    return {name: values[rows] for name, values in columns.items()}


def _where(known, values):
    """Values as objects, None where they are not known."""
    return np.where(known, values.astype(object), None)


def _position_error_pix(fwhm_pix, signal_to_noise):
    """Error of each coordinate: sqrt(2) sigma / (S/N), of a Gaussian on a flat background.

    The ratio of the Fisher information of position and flux: the mean squared gradient of a
    Gaussian over its mean square is 1 / (2 sigma^2).
    """
    return np.sqrt(2.0) * _SIGMA_PER_FWHM * fwhm_pix / signal_to_noise


def _previous_sources(histories, objects, is_asteroid, observations):
    """Of every detection: earlier detections, and exposures with forced photometry.

    Measurements of an asteroid belong to no object.
    """
    row_object, row_epoch = observations.exposures()
    mjd = observations.epochs["mjd"][row_object, row_epoch]
    number_of_row = {row: k for k, (row, _, _) in enumerate(histories)}
    first_of: dict[int, float] = {}
    found = []
    for k, (row, _, before) in enumerate(histories):
        if is_asteroid[k]:
            found.append(([], before[:0]))
            continue
        first = first_of.setdefault(int(objects[k]), mjd[row])
        numbers = (number_of_row.get(int(i)) for i in before)
        earlier = [j for j in numbers if j is not None and not is_asteroid[j]]
        forced = before[mjd[before] >= first - PRECOVERY_DAY]
        is_made = mjd[row] >= first + PRECOVERY_DELAY_DAY
        found.append((earlier, forced if is_made else forced[:0]))
    return found


def _pixel_columns(observations: Observations, njy_per_adu, error_factor) -> Columns:
    """The aperture flux, the number of pixels, and the flags that masks give."""
    stamps, position = observations.stamps, (observations.centre_x_pix, observations.centre_y_pix)
    image, mask = stamps["difference"], stamps["mask"]
    flux, error = aperture_flux(image, stamps["difference_noise_adu"], *position, _APERTURE_PIX)
    error = error_factor * error
    half = image.shape[1] // 2
    core, footprint = (
        mask[:, half - reach : half + reach + 1, half - reach : half + reach + 1]
        for reach in (_CORE_PIX, min(_FOOTPRINT_PIX, half))
    )
    columns: Columns = {
        "apFlux": flux * njy_per_adu,
        "apFluxErr": error * njy_per_adu,
        "apFlux_flag": False,
        "apFlux_flag_apertureTruncated": half < _APERTURE_PIX,
        "psfNdata": np.isfinite(image).sum(axis=(1, 2)),
        "pixelFlags": False,
        "pixelFlags_edge": (footprint & OUTSIDE > 0).any(axis=(1, 2)),
    }
    for name, bit in (("bad", BAD_PIXEL), ("cr", COSMIC_RAY), ("saturated", SATURATED)):
        columns[f"pixelFlags_{name}"] = (footprint & bit > 0).any(axis=(1, 2))
        if name != "bad":
            columns[f"pixelFlags_{name}Center"] = (core & bit > 0).any(axis=(1, 2))
    return columns
