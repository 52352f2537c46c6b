"""The cutouts of ZTF packets: science, template and difference as compressed FITS.

As in real packets, science and template hold the same sky level, the difference is positive at the
source whatever its sign, and stamps at the edge of the detector lack the pixels outside it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from simulator.alerts import fits_bytes
from simulator.alerts.avro_bytes import byte_string, nullable, text
from simulator.alerts.observations import Observations
from simulator.detector.defects import OUTSIDE

SIZE_PIX = 63
_CARDS = fits_bytes.card("BUNIT", "DN")


class ZtfCutouts:
    """The cutouts of detections.

    Parameters
    ----------
    observations : Observations
    sign : array, shape (detection,)
        1 where the difference is positive at the source, -1 where it is negative.
    """

    def __init__(self, observations: Observations, sign: np.ndarray) -> None:
        obj, epoch = observations.detections()
        stamps, mask = observations.stamps, observations.stamps["mask"]
        sky = observations.epochs["sky_adu"][obj, epoch].astype(np.float32)[:, None, None]
        sign = sign.astype(np.float32)
        self._is_positive = sign > 0
        self._images = [
            stamps["images"].astype(np.float32),
            stamps["template"] + sky,
            stamps["difference"] * sign[:, None, None],
        ]
        self._outside = mask & OUTSIDE > 0
        self._cut = mask.shape[1] == SIZE_PIX
        self._inside = rows_and_columns_inside(mask)

    def encoded(self, k: int, candid: int, pid: int) -> Iterator[bytes]:
        """Science, template and difference of a detection, each a name and compressed FITS."""
        signs = "scimref" if self._is_positive[k] else "refmsci"
        names = (
            f"candid{candid}_pid{pid}_targ_sci.fits.gz",
            f"candid{candid}_ref.fits.gz",
            f"candid{candid}_pid{pid}_targ_{signs}.fits.gz",
        )
        for name, images in zip(names, self._images, strict=True):
            content = fits_bytes.gzipped(fits_bytes.primary(self._cropped(images[k], k), _CARDS))
            yield nullable(text(name) + byte_string(content))

    def _cropped(self, image, k):
        if not self._outside[k].any():
            return image
        if self._cut:
            rows, columns = (inside[k] for inside in self._inside)
            return image[np.ix_(rows, columns)]
        return np.where(self._outside[k], np.float32(np.nan), image)


def rows_and_columns_inside(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of masks that are on the detector, each bool (detection, row or column)."""
    outside = mask & OUTSIDE > 0
    return ~outside.all(axis=2), ~outside.all(axis=1)
