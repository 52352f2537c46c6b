"""ZTF packets of simulated detections.

Fields of quantities that are not simulated are null (``rb`` and ``drb`` among them).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from simulator.alerts.alert_identifiers import (
    NIGHT_0_MJD,
    asteroid_designation,
    candidate_number,
    ztf_candid,
    ztf_names,
    ztf_pid,
    ztf_quadrant,
)
from simulator.alerts.avro_bytes import (
    nullable_list,
    text,
    whole_number,
)
from simulator.alerts.avro_rows import RowEncoder
from simulator.alerts.catalogue import PS1_DEPTH_MAG, nearest_sources
from simulator.alerts.observations import (
    Alert,
    Instrument,
    Observations,
    aperture_flux,
    limiting_magnitude,
    previous_exposures,
)
from simulator.alerts.sky_positions import pixel_offset_position
from simulator.alerts.ztf_cutouts import SIZE_PIX, ZtfCutouts, rows_and_columns_inside
from simulator.alerts.ztf_schema import VERSION, ztf_schema

FILTERS = {"g": 1, "r": 2, "i": 3}
"""``fid`` of a band."""

PUBLISHER = "skyreel (simulated)"
HISTORY_DAY = 30.0
QUADRANT_PIX = (3080, 3072)  # rows, columns

_HALF_PIX = SIZE_PIX // 2
_JD_OF_MJD = 2400000.5
_PUBLIC = 1  # programid
_APERTURE_PIX, _BIG_APERTURE_PIX = 4.0, 9.0  # radii: ZTF's are 8 and 18 pixels wide
_ERROR_MAG = 2.5 / np.log(10)
_NONE = -999.0  # as ZTF marks the lack of a match
_N_MATCHES = 3
_MARGIN_PIX = 100  # of positions on the quadrant, so that no whole stamp lies at its edge

Columns = dict[str, Any]


class ZtfPackets:
    """Makes packets of batches of observations.

    Parameters
    ----------
    instrument : Instrument
    """

    def __init__(self, instrument: Instrument) -> None:
        self.schema = ztf_schema()
        self._instrument = instrument
        self._encoders = {name: RowEncoder(part) for name, part in self.schema.parts.items()}
        self._fid = np.array([FILTERS.get(band, 0) for band in instrument.bands])

    def packets(self, observations: Observations) -> Iterator[Alert]:
        """A packet of every detection, in order of object and time."""
        row_object, _ = observations.exposures()
        histories = previous_exposures(observations, HISTORY_DAY)
        if not histories:
            return
        rows = np.array([row for row, _, _ in histories])
        shared = self._of_exposures(observations)
        measured = self._of_detections(observations, shared, rows)
        used = np.unique(np.concatenate([before for _, _, before in histories]))
        candidates, previous, forced = self._encoded(observations, shared, measured, rows, used)
        names = ztf_names(
            observations.number, self._instrument.seed, np.nanmin(observations.epochs["mjd"], 1)
        )
        cutouts = ZtfCutouts(observations, measured["sign"])
        epochs = observations.exposures()[1]
        for k, (row, _, before) in enumerate(histories):
            obj, candid, pid = int(row_object[row]), int(measured["candid"][k]), shared["pid"][row]
            parts = [text(VERSION), text(PUBLISHER), text(names[obj]), whole_number(candid)]
            earlier = before.tolist()
            parts += [candidates[k], nullable_list([previous[i] for i in earlier])]
            parts += [nullable_list([forced[i] for i in earlier]), *cutouts.encoded(k, candid, pid)]
            mjd = float(shared["jd"][row] - _JD_OF_MJD)
            yield Alert(mjd, candid, names[obj], obj, int(epochs[row]), b"".join(parts))

    def _of_exposures(self, observations: Observations) -> Columns:
        """Columns of every exposure, detected or not."""
        obj, epoch = observations.exposures()
        of = {name: values[obj, epoch] for name, values in observations.epochs.items()}
        rcid = ztf_quadrant(observations.number)[obj]
        fid = self._fid[of["band"]]
        zero_point = of["zero_point_mag"] + 2.5 * np.log10(of["exposure_time_s"])
        limit = limiting_magnitude(of["difference_flux_error_adu"], zero_point, 1.0)
        return {
            "jd": of["mjd"] + _JD_OF_MJD,
            "fid": fid,
            "pid": ztf_pid(of["mjd"], rcid),
            "diffmaglim": limit,
            "programid": _PUBLIC,
            "nid": np.floor(of["mjd"] - NIGHT_0_MJD).astype(int),
            "rcid": rcid,
            "magzpsci": zero_point,
            "rbversion": "",
            "rfid": 120_000 + fid * 100 + rcid,  # as ZTF's, in a field 0
            "sciinpseeing": of["seeing_fwhm_arcsec"] / self._instrument.pixel_scale_arcsec,
            "scibckgnd": of["sky_adu"],
            "exptime": of["exposure_time_s"],
            "forcediffimflux": of["difference_flux_adu"],
            "forcediffimfluxunc": of["difference_flux_error_adu"],
            "procstatus": "0",
            "ranr": _NONE,
            "decnr": _NONE,
        }

    def _of_detections(self, observations: Observations, shared: Columns, rows) -> Columns:
        """Columns of every detection, beside those of its exposure."""
        obj, epoch = observations.detections()
        of = {name: values[obj, epoch] for name, values in observations.epochs.items()}
        number, scale = observations.number[obj], self._instrument.pixel_scale_arcsec
        flux, zero_point = of["difference_flux_adu"], shared["magzpsci"][rows]
        positive = flux >= 0
        ra, dec = pixel_offset_position(
            observations.ra_deg[obj], observations.dec_deg[obj], of["x_pix"], of["y_pix"], scale
        )
        magnitude, error = _magnitudes(np.abs(flux), of["difference_flux_error_adu"], zero_point)
        found: Columns = {
            "candid": ztf_candid(shared["pid"][rows], number, positive),
            "sign": np.where(positive, 1.0, -1.0),
            "isdiffpos": np.where(positive, "t", "f"),
            "tblid": candidate_number(number),
            "ra": ra,
            "dec": dec,
            "magpsf": magnitude,
            "sigmapsf": error,
            "fwhm": shared["sciinpseeing"][rows],
            "scorr": np.abs(of["difference_signal_to_noise"]),
        }
        of_errors = self._instrument.error_factor
        found |= _aperture_columns(observations, found["sign"], zero_point, of_errors)
        found["magdiff"] = found["magap"] - magnitude
        found["magfromlim"] = shared["diffmaglim"][rows] - found["magap"]
        found |= _detector_position(observations, obj)
        found |= self._reference_columns(observations, obj, of)
        return found | _solar_system_columns(observations, obj, of, scale)

    def _reference_columns(self, observations, obj, of) -> Columns:
        """The nearest source of the reference image, in its band."""
        catalogue, scale = observations.catalogue.rows(obj), self._instrument.pixel_scale_arcsec
        limit = np.nan_to_num(of["template_limiting_mag"], nan=np.inf)
        bands = np.arange(len(self._instrument.bands))
        depth = np.where(bands == of["band"][:, None], limit[:, None], -np.inf)[:, None, :]
        nearest = nearest_sources(catalogue, of["x_pix"], of["y_pix"], depth, scale, 1)
        at, source = np.arange(len(obj)), nearest.source[:, 0]
        there = np.isfinite(nearest.distance_arcsec[:, 0])
        position = (catalogue.x_pix[at, source], catalogue.y_pix[at, source])
        ra, dec = pixel_offset_position(
            observations.ra_deg[obj], observations.dec_deg[obj], *position, scale
        )
        magnitude = catalogue.magnitude[at, source, of["band"]]
        return {
            "distnr": nearest.distance_arcsec[:, 0] / scale,
            "magnr": np.where(there, magnitude, np.nan),
            "ranr": np.where(there, ra, _NONE),
            "decnr": np.where(there, dec, _NONE),
        }

    def _encoded(self, observations, shared, measured, rows, used):
        """Candidates of the detections; histories and forced photometry by row of an exposure."""
        own, of_used = _rows_of(shared, rows), _rows_of(shared, used)
        detection = own | measured
        candidate = detection | self._candidate_columns(observations, own)
        unseen = {k: v for k, v in of_used.items() if k not in ("exptime", "ranr", "decnr")}
        encoder, keys = self._encoders["prv_candidates"], used.tolist()
        previous = dict(zip(keys, encoder.rows(unseen, len(used)), strict=True))
        is_used = np.isin(rows, used)
        found = encoder.rows(_rows_of(detection, is_used), is_used.sum())
        previous.update(zip(rows[is_used].tolist(), found, strict=True))
        forced = self._encoders["fp_hists"].rows(of_used, len(used))
        candidates = self._encoders["candidate"].rows(candidate, len(rows))
        return candidates, previous, dict(zip(keys, forced, strict=True))

    def _candidate_columns(self, observations: Observations, own: Columns) -> Columns:
        """Columns that only the candidate itself has: its past, its surroundings, its template."""
        obj, epoch = observations.detections()
        detected, mjd = observations.epochs["difference_detected"], observations.epochs["mjd"]
        first = mjd[np.arange(len(mjd)), detected.argmax(axis=1)]
        start = np.nanmin(mjd, axis=1)[obj] + _JD_OF_MJD
        latest, earliest = self._instrument.template_days
        return {
            "ndethist": np.cumsum(detected, axis=1)[obj, epoch],
            "ncovhist": np.cumsum(np.isfinite(mjd), axis=1)[obj, epoch],
            "jdstarthist": first[obj] + _JD_OF_MJD,
            "jdendhist": own["jd"],
            "tooflag": 0,
            "jdstartref": start - earliest,
            "jdendref": start - latest,
            "nframesref": self._instrument.n_template_epochs,
            "nmatches": 0,
            "drbversion": "",
            **self._catalogue_columns(observations, obj, epoch),
        }

    def _catalogue_columns(self, observations, obj, epoch) -> Columns:
        """The three nearest sources, brighter than the depth of Pan-STARRS1."""
        catalogue, bands = observations.catalogue.rows(obj), self._instrument.bands
        position = (observations.epochs[name][obj, epoch] for name in ("x_pix", "y_pix"))
        depth = np.array([PS1_DEPTH_MAG.get(band, -np.inf) for band in bands])
        scale = self._instrument.pixel_scale_arcsec
        nearest = nearest_sources(catalogue, *position, depth, scale, _N_MATCHES)
        at, columns = np.arange(len(obj)), {"nmtchps": nearest.n_within}
        for rank in range(_N_MATCHES):
            source, distance = nearest.source[:, rank], nearest.distance_arcsec[:, rank]
            there, suffix = np.isfinite(distance), rank + 1
            columns[f"distpsnr{suffix}"] = np.where(there, distance, _NONE)
            score = catalogue.star_score[at, source]
            columns[f"sgscore{suffix}"] = np.where(there, score, _NONE)
            for band in "griz":
                number = bands.index(band) if band in bands else 0
                magnitude = catalogue.magnitude[at, source, number]
                known = there & (band in bands) & (magnitude < PS1_DEPTH_MAG[band])
                columns[f"s{band}mag{suffix}"] = np.where(known, magnitude, _NONE)
        return columns


def _rows_of(columns: Columns, rows) -> Columns:
    """Some rows of columns; values that hold for all rows stay."""
    return {k: v[rows] if isinstance(v, np.ndarray) else v for k, v in columns.items()}


def _magnitudes(flux, error, zero_point):
    with np.errstate(divide="ignore", invalid="ignore"):
        magnitude = zero_point - 2.5 * np.log10(flux)
        return magnitude, _ERROR_MAG * error / flux


def _aperture_columns(observations: Observations, sign, zero_point, error_factor) -> Columns:
    """Aperture magnitudes, the sky, and counts of odd pixels about the position."""
    stamps, x, y = observations.stamps, observations.centre_x_pix, observations.centre_y_pix
    image, columns = stamps["difference"] * sign[:, None, None], {}
    for name, radius in (("ap", _APERTURE_PIX), ("apbig", _BIG_APERTURE_PIX)):
        flux, error = aperture_flux(image, stamps["difference_noise_adu"], x, y, radius)
        flux = np.where(flux > 0, flux, np.nan)
        columns[f"mag{name}"], columns[f"sigma{'gap' if name == 'ap' else 'gapbig'}"] = _magnitudes(
            flux, error_factor * error, zero_point
        )
    border = np.concatenate(
        [image[:, :3].reshape(len(image), -1), image[:, -3:].reshape(len(image), -1)], axis=1
    )
    middle = image.shape[1] // 2
    core = slice(middle - 2, middle + 3)
    return columns | {
        "sky": np.nanmedian(border, axis=1),
        "nneg": (image[:, core, core] < 0).sum(axis=(1, 2)),
        "nbad": (stamps["mask"][:, core, core] > 0).sum(axis=(1, 2)),
    }


def _detector_position(observations: Observations, obj) -> Columns:
    """Position on the quadrant (from 1), and distance from its edge."""
    rows, columns = QUADRANT_PIX
    number = observations.number[obj]
    ypos = _MARGIN_PIX + number * 7919 % (rows - 2 * _MARGIN_PIX)
    xpos = _MARGIN_PIX + number * 104_729 % (columns - 2 * _MARGIN_PIX)
    xpos, ypos = (each.astype(float) for each in (xpos, ypos))
    if observations.stamps["images"].shape[1] == SIZE_PIX:
        inside_y, inside_x = rows_and_columns_inside(observations.stamps["mask"])
        ypos = _at_edge(inside_y, ypos, rows)
        xpos = _at_edge(inside_x, xpos, columns)
    edge = np.min([xpos - 1, columns - xpos, ypos - 1, rows - ypos], axis=0)
    return {"xpos": xpos, "ypos": ypos, "mindtoedge": edge}


def _at_edge(inside, place, n_pix):
    """Positions along an axis, of stamps that are cut there at the edge of the detector."""
    lost_low, lost_high = ~inside[:, 0], ~inside[:, -1]
    n_lost = (~inside).sum(axis=1)
    place = np.where(lost_low, _HALF_PIX + 1.0 - n_lost, place)
    return np.where(lost_high & ~lost_low, n_pix - _HALF_PIX + n_lost, place)


def _solar_system_columns(observations: Observations, obj, of: Mapping, scale) -> Columns:
    """The nearest asteroid: a simulated one is known, and its predicted place is the true one."""
    here = observations.moves[obj] & np.isfinite(of["magnitude"])
    distance = np.hypot(of["x_pix"], of["y_pix"]) * scale
    numbers = observations.number[obj].tolist()
    named = [
        asteroid_designation(number) if known else "null"
        for number, known in zip(numbers, here, strict=True)
    ]
    return {
        "ssdistnr": np.where(here, distance, _NONE),
        "ssmagnr": np.where(here, of["magnitude"], _NONE),
        "ssnamenr": np.array(named),
    }
