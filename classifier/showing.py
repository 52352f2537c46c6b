"""Which images of a data set a model is shown: chosen when it is trained, the same ever after."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from classifier.errors import ClassifierError
from classifier.stamps import Split, Stamps
from classifier.windows import STARTS, StartLaw, shown

_ROUNDING = 1.001


@dataclass(frozen=True, kw_only=True)
class Showing:
    """What is shown.

    Parameters
    ----------
    images : int
        At most so many images of a sequence.
    start_fractions : tuple of float
        The law of `classifier.windows.StartLaw`; empty: from the first image on.
    band : str
        Only images in this band.
    """

    images: int = 22
    start_fractions: tuple[float, ...] = ()
    band: str = "g"

    def __post_init__(self):
        if self.images < 1:
            raise ClassifierError(f"--images {self.images}: at least one image must be shown.")

    @classmethod
    def for_training(cls, split: Split, *, start, band, images) -> Showing:
        """What a model to be trained on a split is shown; ``band`` None: the reference band.

        Raises
        ------
        ClassifierError
            A choice that is not known, or a band the data set lacks.
        """
        if start not in STARTS:
            raise ClassifierError(f"--start {start!r}; allowed: {', '.join(STARTS)}.")
        law = StartLaw()
        if start == "alert":
            law = StartLaw.fitted(split.first_alert_epoch, split.n_epochs)
        band = band or split.profile.reference_band
        _check_band(split, band)
        longest = min(images, max(split.longest, 1))
        return cls(images=longest, start_fractions=law.fractions, band=band)

    def of(self, stamps: Stamps, starts, profile, bands) -> Stamps:
        """The images shown of stamps, from ``starts`` (object,) on.

        Exposures wider than the profile's ``seeing.max_fwhm_arcsec`` (and a thousandth, for
        rounding) are not shown: the survey does not use them and simulations have none.
        """
        widest_fwhm_pix = profile.seeing.max_fwhm_arcsec / profile.camera.pixel_scale_arcsec
        return shown(
            stamps, starts, band=list(bands).index(self.band), longest=self.images,
            widest_fwhm_pix=_ROUNDING * widest_fwhm_pix,
        )  # fmt: skip

    def as_dict(self) -> dict:
        """Plain values, for JSON."""
        return {**asdict(self), "start_fractions": list(self.start_fractions)}

    @classmethod
    def of_dict(cls, values: dict):
        """What ``as_dict`` gave."""
        return cls(**{**values, "start_fractions": tuple(values["start_fractions"])})


class ShownSplit:
    """A split of a data set as a model is shown it.

    Raises
    ------
    ClassifierError
        The split has no exposures in the band.
    """

    def __init__(self, split: Split, showing: Showing):
        _check_band(split, showing.band)
        self.split, self.showing = split, showing
        law = StartLaw(showing.start_fractions)
        self._starts = law.starts(split.first_alert_epoch, split.n_epochs)

    def __len__(self):
        return len(self.split)

    def stamps(self, first: int, end: int) -> Stamps:
        """Images shown of objects ``first`` to ``end``."""
        stamps, starts = self.split.stamps(first, end), self._starts[first:end]
        return self.showing.of(stamps, starts, self.split.profile, self.split.bands)


def _check_band(split, band):
    if band not in split.bands:
        known = ", ".join(split.bands)
        raise ClassifierError(f"{split.path} has the bands {known}, not {band!r}.")
