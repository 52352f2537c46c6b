"""Which images of a sequence a classifier is shown: from which one on, and how many.

Shown from the first image on, start and length of a sequence never depend on its class. An alert
stream instead shows a transient from five images before its first alert on (Carrasco-Davis
2019, section 3.2.1). Objects without an alert then draw their start from the starts of those
with one; but supernovae and asteroids have starts of their own, and the times of the images
shown tell the classes apart a little (docs/forest.md says how much).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

IMAGES_BEFORE_ALERT = 5
STARTS = ("first", "alert")
_STREAM = 20190301  # keeps these draws apart from others


@dataclass(frozen=True)
class StartLaw:
    """Where sequences start, as sorted fractions of the last place an alert lets them start at.

    An empty law starts every sequence at its first image.
    """

    fractions: tuple[float, ...] = ()

    @classmethod
    def fitted(cls, first_alert_epoch, n_epochs, *, longest=256) -> StartLaw:
        """The law of the objects that have an alert; at most ``longest`` quantiles of it."""
        alert, n_epochs = np.asarray(first_alert_epoch), np.asarray(n_epochs)
        found = np.sort((_starts(alert) / _latest(n_epochs))[alert >= 0])
        if found.size > longest:
            found = np.quantile(found, (np.arange(longest) + 0.5) / longest)
        return cls(tuple(float(value) for value in found))

    def starts(self, first_alert_epoch, n_epochs):
        """First image shown of every object of a split, (object,), int.

        Object i's start depends on its own alert and length, and on i.
        """
        alert, n_epochs = np.asarray(first_alert_epoch), np.asarray(n_epochs)
        if not self.fractions:
            return np.zeros(len(n_epochs), dtype=int)
        uniform = np.random.default_rng(_STREAM).random(len(n_epochs))
        drawn = np.asarray(self.fractions)[(uniform * len(self.fractions)).astype(int)]
        other = np.minimum(np.rint(drawn * _latest(n_epochs)), np.maximum(n_epochs - 1, 0))
        return np.where(alert >= 0, _starts(alert), other.astype(int))


def _starts(alert):
    return np.maximum(alert - IMAGES_BEFORE_ALERT, 0)


def _latest(n_epochs):
    """The last start of a sequence with an alert: one that comes in its last image."""
    return np.maximum(n_epochs - 1 - IMAGES_BEFORE_ALERT, 1)


def shown(stamps, starts, *, band: int, longest: int, widest_fwhm_pix: float = np.inf):
    """Stamps of the images shown: from ``starts`` (object,) on, in one band, at most ``longest``.

    ``band`` is an index into the data set's bands. Starts count images of all bands. Images of
    known seeing above ``widest_fwhm_pix`` are left out.
    """
    epoch = np.arange(stamps.mjd.shape[1])
    wanted = (epoch >= np.asarray(starts)[:, None]) & (epoch < stamps.n_epochs[:, None])
    wanted &= (stamps.band == band) & ~(stamps.seeing_fwhm_pix > widest_fwhm_pix)
    order = np.argsort(~wanted, axis=1, kind="stable")[:, :longest]
    return stamps.rearranged(order, np.minimum(wanted.sum(axis=1), longest))
