"""When, in which band and how deep each object of a batch is observed.

Arrays are (object, epoch), padded to the longest sequence: ``mjd`` is NaN there, ``band`` 0,
and every comparison with the NaN of the other columns is false.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np


@dataclass(frozen=True)
class Schedule:
    """The exposures of a batch of objects; axis order (object, epoch)."""

    mjd: np.ndarray
    band: np.ndarray
    exposure_time_s: np.ndarray
    zero_point_mag: np.ndarray
    limiting_mag: np.ndarray
    gain_e_per_adu: np.ndarray  # (object, 1)

    @property
    def observed(self):
        """True where there is an exposure."""
        return np.isfinite(self.mjd)

    def rows(self, rows) -> Schedule:
        """The schedule of some of the objects."""
        return replace(self, **{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def signal_to_noise(self, magnitude, change_mag=None):
        """Signal-to-noise of a point source, or of its change from ``change_mag``.

        The background noise is the one that makes ``limiting_mag`` a 5-sigma source; the
        source's own photon noise is added to it.

        Parameters
        ----------
        magnitude : array, shape (object, epoch)
            AB magnitudes; +inf where there is no light.
        change_mag : array that broadcasts to it, optional
            The level from which a change is measured; none means no light.
        """
        electrons = self._electrons(magnitude)
        background_e = self._electrons(self.limiting_mag) / 5
        change_e = electrons - (0.0 if change_mag is None else self._electrons(change_mag))
        return np.abs(change_e) / np.sqrt(background_e**2 + electrons)

    def _electrons(self, magnitude):
        adu = 10.0 ** (0.4 * (self.zero_point_mag - magnitude)) * self.exposure_time_s
        return adu * self.gain_e_per_adu
