"""Which images of a sequence a classifier is shown: from which one on, and how many.

An alert stream shows a transient from five images before its first alert (Carrasco-Davis 2019,
section 3.2.1). Objects without an alert must then not start elsewhere than those with one, or
the start would give the class away: they draw from the same distribution of starts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

IMAGES_BEFORE_ALERT = 5
STARTS = ("alert", "first")
_STREAM = 20190301  # keeps these draws apart from others with the same seed


@dataclass(frozen=True)
class StartLaw:
    """Where sequences start, as sorted fractions of the last place they could start at.

    An empty law starts every sequence at its first image.
    """

    fractions: tuple[float, ...] = ()

    @classmethod
    def fitted(cls, first_alert_epoch, n_epochs, *, longest=256) -> StartLaw:
        """The law of the objects that have an alert; at most ``longest`` quantiles of it."""
        alert, n_epochs = np.asarray(first_alert_epoch), np.asarray(n_epochs)
        with_alert = (alert >= 0) & (n_epochs > 1)
        starts = np.maximum(alert[with_alert] - IMAGES_BEFORE_ALERT, 0)
        found = np.sort(starts / (n_epochs[with_alert] - 1))
        if found.size > longest:
            found = np.quantile(found, (np.arange(longest) + 0.5) / longest)
        return cls(tuple(float(value) for value in found))

    def starts(self, first_alert_epoch, n_epochs, seed: int):
        """First image shown of every object of a split, (object,), int.

        Object i's start depends on its own alert and length, the seed and i.
        """
        alert, n_epochs = np.asarray(first_alert_epoch), np.asarray(n_epochs)
        if not self.fractions:
            return np.zeros(len(n_epochs), dtype=int)
        uniform = np.random.default_rng([_STREAM, seed]).random(len(n_epochs))
        drawn = np.asarray(self.fractions)[(uniform * len(self.fractions)).astype(int)]
        other = np.rint(drawn * np.maximum(n_epochs - 1, 0)).astype(int)
        return np.where(alert >= 0, np.maximum(alert - IMAGES_BEFORE_ALERT, 0), other)


def shown(stamps, starts, *, band: int | None, longest: int):
    """Stamps of the images shown: from ``starts`` (object,) on, in one band, at most ``longest``.

    ``band`` is an index into the data set's bands; None shows all of them.
    """
    epoch = np.arange(stamps.mjd.shape[1])
    wanted = (epoch >= np.asarray(starts)[:, None]) & (epoch < stamps.n_epochs[:, None])
    if band is not None:
        wanted &= stamps.band == band
    order = np.argsort(~wanted, axis=1, kind="stable")[:, :longest]
    return stamps.rearranged(order, np.minimum(wanted.sum(axis=1), longest))
