"""Real HiTS sequences as `StampBatch`, read straight from their FITS files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

from classifier.stamp_batch import StampBatch


@dataclass(frozen=True)
class RealSequences:
    """Sequences of one class: stamps in all bands, and the tables they came with.

    ``column`` gives a column of those tables, (object, epoch), NaN where padded.
    """

    names: tuple[str, ...]
    headers: tuple[fits.Header, ...]
    tables: tuple[Table, ...]
    stamps: StampBatch

    def column(self, name):
        return _padded([np.asarray(t[name], dtype=float) for t in self.tables])


def read_sequences(data, kind, limit=None) -> RealSequences:
    """Sequences of a class (SN, RRL, EB or NV) in the order of their file names."""
    paths = sorted((Path(data) / "hits/sequences" / kind).glob("*.fits.gz"))[:limit]
    headers, tables, images = zip(*map(_read, paths), strict=True)
    gain, noise = (np.array([h[key] for h in headers]) for key in ("GAIN", "RDNOISE"))
    columns = {
        name: _padded([np.asarray(t[name], dtype=float) for t in tables])
        for name in ("mjd", "exposure_time_s", "seeing_fwhm_pix", "sky_adu", "zero_point_mag")
    }
    bands = [np.array(["gri".index(b.strip()) for b in t["band"]], dtype=float) for t in tables]
    stamps = StampBatch(
        images_adu=_padded(images).astype(np.float32),
        saturated=_padded([np.asarray(t["saturated"], float) for t in tables]) == 1,
        n_epochs=np.array([len(t) for t in tables], dtype=np.int16),
        band=np.nan_to_num(_padded(bands)).astype(np.uint8),
        gain_e_per_adu=gain.astype(np.float32),
        read_noise_e=noise.astype(np.float32),
        assumed_fwhm_pix=np.full(len(noise), 4.0, dtype=np.float32),
        **columns,
    )
    return RealSequences(tuple(h["OBJECT"] for h in headers), headers, tables, stamps)


def _read(path):
    with fits.open(path) as file:
        return file[0].header, Table(file["EPOCHS"].data), file["STAMPS"].data.astype(float)


def _padded(arrays):
    longest = max(len(a) for a in arrays)
    return np.stack(
        [np.concatenate([a, np.full((longest - len(a), *a.shape[1:]), np.nan)]) for a in arrays]
    )
