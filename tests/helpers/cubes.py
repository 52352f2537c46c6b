"""Small FITS files of image sequences, as a survey could publish them."""

from __future__ import annotations

import numpy as np
from astropy.io import fits
from astropy.table import Table

HEADER = {
    "OBJECT": "",
    "CLASS": "RRL",
    "FIELD": 9,
    "CCD": "S21",
    "CCDNUM": 9,
    "GAIN": 3.87,
    "RDNOISE": 5.94,
    "SATURATE": 40000.0,
    "PIXSCALE": 0.263,
    "MAG": 19.5,
    "RESAMPLE": "none",
}


def random_cube(n_epochs=4, size=7, seed=0):
    """Counts about a sky of 300 ADU; float32 (epoch, row, column)."""
    return np.random.default_rng(seed).normal(300, 9, (n_epochs, size, size)).astype(np.float32)


def epoch_table(n_epochs=4, seed=0, **columns):
    """One row per epoch; ``columns`` replace others, None removes one."""
    rng = np.random.default_rng(seed)
    table = {
        "mjd": 57070.0 + np.arange(n_epochs) / 8,
        "band": np.full(n_epochs, "g"),
        "exposure_time_s": np.full(n_epochs, 86.0),
        "airmass": rng.uniform(1, 2, n_epochs),
        "seeing_fwhm_pix": rng.uniform(3, 6, n_epochs),
        "sky_adu": rng.uniform(280, 320, n_epochs),
        "sky_border_adu": rng.uniform(290, 310, n_epochs),
        "zero_point_mag": rng.uniform(25, 25.4, n_epochs),
        "limiting_mag": rng.uniform(23, 24, n_epochs),
        "saturated": np.zeros(n_epochs, dtype=bool),
    }
    chosen = {**table, **columns}
    return Table({name: values for name, values in chosen.items() if values is not None})


def write_cube(path, *, cube=None, table=None, **header):
    """Write a file; ``header`` replaces keywords, None removes one. The object is the file."""
    cube = random_cube() if cube is None else cube
    table = epoch_table(len(cube)) if table is None else table
    keywords = {**HEADER, "OBJECT": path.name.split(".")[0], **header}
    primary = fits.PrimaryHDU()
    for name, value in keywords.items():
        if value is not None:
            primary.header[name] = value
    epochs = fits.BinTableHDU(table, name="EPOCHS")
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([primary, fits.ImageHDU(cube, name="STAMPS"), epochs]).writeto(path)
    return path
