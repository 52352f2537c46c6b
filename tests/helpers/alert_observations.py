"""Batches of observations with made-up stamps, as packets are made of."""

from __future__ import annotations

import io

import fastavro
import numpy as np

from simulator.alerts.avro_bytes import block, container_header, sync_marker
from simulator.alerts.catalogue import Catalogue
from simulator.alerts.observations import Instrument, Observations
from simulator.detector.defects import OUTSIDE

BANDS = {"ztf": ("g", "r", "i"), "rubin": ("u", "g", "r", "i", "z", "y")}
FIRST_MJD = 59000.2
PIXEL_SCALE_ARCSEC = 1.01


def instrument(schema="ztf", seed=0):
    """A survey with the bands of a schema."""
    return Instrument(BANDS[schema], PIXEL_SCALE_ARCSEC, 15, (60.0, 425.0), seed)


def observations(
    n_objects=3, n_epochs=8, size_pix=63, n_bands=3, seed=0, lost_columns=0, asteroid=False
):
    """Objects every second day, most exposures with a detection; the last epoch is padding.

    The first object is at the left edge of the detector where ``lost_columns`` is given, and an
    asteroid in its first exposure where ``asteroid`` is set.
    """
    rng = np.random.default_rng(seed)
    shape = (n_objects, n_epochs)
    mjd = FIRST_MJD + 2.1 * np.arange(n_epochs) + 0.01 * np.arange(n_objects)[:, None]
    mjd[:, -1] = np.nan
    there = np.isfinite(mjd)
    detected = there & (rng.uniform(size=shape) < 0.7)
    detected[:, 0] |= there[:, 0]
    flux = rng.normal(0, 3000, shape)
    error = rng.uniform(20, 40, shape)
    epochs = {
        "mjd": mjd,
        "band": np.where(there, np.arange(n_epochs) % n_bands, 0).astype(np.uint8),
        "exposure_time_s": np.where(there, 30, np.nan).astype(np.float32),
        "seeing_fwhm_arcsec": rng.uniform(1.5, 3, shape).astype(np.float32),
        "sky_adu": rng.uniform(80, 300, shape).astype(np.float32),
        "zero_point_mag": rng.normal(22.5, 0.1, shape).astype(np.float32),
        "magnitude": rng.uniform(17, 20, shape).astype(np.float32),
        "template_seeing_fwhm_arcsec": np.full(shape, 2, np.float32),
        "template_limiting_mag": np.full(shape, 22, np.float32),
        "difference_flux_adu": flux.astype(np.float32),
        "difference_flux_error_adu": error.astype(np.float32),
        "difference_signal_to_noise": (flux / error).astype(np.float32),
        "difference_detected": detected,
        "x_pix": rng.normal(0, 0.1, shape),
        "y_pix": rng.normal(0, 0.1, shape),
    }
    if asteroid:
        epochs["magnitude"][0, 1:] = np.inf
    obj, epoch = np.nonzero(detected)
    stamps = _stamps(rng, len(obj), size_pix)
    if lost_columns:
        stamps["mask"][obj == 0, :, :lost_columns] |= OUTSIDE
        stamps["images"][obj == 0, :, :lost_columns] = 0
    return Observations(
        number=3 * np.arange(n_objects, dtype=np.int64),
        ra_deg=rng.uniform(0, 360, n_objects),
        dec_deg=rng.uniform(-20, 60, n_objects),
        ccd=np.full(n_objects, -1),
        gain_e_per_adu=np.full(n_objects, 5.8),
        read_noise_e=np.full(n_objects, 10.3),
        moves=np.arange(n_objects) < asteroid,
        epochs=epochs,
        catalogue=catalogue(rng, n_objects, n_bands),
        stamps=stamps,
        centre_x_pix=epochs["x_pix"][obj, epoch] + 0.2,
        centre_y_pix=epochs["y_pix"][obj, epoch] - 0.3,
    )


def _stamps(rng, n, size_pix):
    shape = (n, size_pix, size_pix)
    difference = rng.normal(0, 9, shape).astype(np.float32)
    y, x = np.mgrid[:41, :41] - 20
    psf = np.exp(-(x**2 + y**2) / 8.0)
    return {
        "images": rng.poisson(150, shape).astype(np.uint16),
        "mask": (rng.uniform(size=shape) < 1e-3).astype(np.uint8),
        "template": rng.normal(0, 3, shape).astype(np.float32),
        "difference": difference,
        "template_noise_adu": np.full(shape, 3, np.float32),
        "difference_noise_adu": np.full(shape, 9, np.float32),
        "psf": np.tile(psf / psf.sum(), (n, 1, 1)),
        "template_psf": np.tile(psf / psf.sum(), (n, 1, 1)),
    }


def catalogue(rng, n_objects, n_bands, n_sources=4):
    """Sources within 20 arcsec, the nearest a galaxy."""
    distance = np.sort(rng.uniform(1, 20, (n_objects, n_sources)), axis=1)
    angle = rng.uniform(0, 2 * np.pi, (n_objects, n_sources))
    score = np.ones((n_objects, n_sources))
    score[:, 0] = 0
    return Catalogue(
        distance * np.cos(angle) / PIXEL_SCALE_ARCSEC,
        distance * np.sin(angle) / PIXEL_SCALE_ARCSEC,
        rng.uniform(16, 20, (n_objects, n_sources, n_bands)),
        score,
    )


def maker_of(schema):
    """What makes packets of a schema: "ztf", "10.0" or "11.1" of Rubin."""
    from simulator.alerts.rubin_packets import RubinPackets
    from simulator.alerts.ztf_packets import ZtfPackets

    if schema == "ztf":
        return ZtfPackets(instrument("ztf"))
    return RubinPackets(instrument("rubin"), schema)


def n_bands_of(schema):
    """Bands of the survey of a schema."""
    return len(BANDS["ztf" if schema == "ztf" else "rubin"])


def simulated_records(schema, **options):
    """Records of simulated packets, as fastavro reads them."""
    maker = maker_of(schema)
    options = {"n_objects": 8, "n_epochs": 3, "size_pix": 21, **options}
    batch = observations(n_bands=n_bands_of(schema), **options)
    parsed = fastavro.parse_schema(maker.schema.packet)
    return [
        fastavro.schemaless_reader(io.BytesIO(alert.packet), parsed, None)
        for alert in maker.packets(batch)
    ]


def records(schema, **options):
    """Observations, alerts and their records by fastavro."""
    maker, batch = maker_of(schema), observations(n_bands=n_bands_of(schema), **options)
    alerts = list(maker.packets(batch))
    file = container_header(maker.schema.text)
    file += b"".join(block([a.packet], sync_marker(maker.schema.text)) for a in alerts)
    return batch, alerts, list(fastavro.reader(io.BytesIO(file)))
