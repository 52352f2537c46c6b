"""A model that follows a stream of alerts: one image of an object at a time.

Of every object the stream keeps the states of the model after the last image, numbers whose size
does not grow, so a new image costs the same however many came before. Axis order of images is
(alert, row, column), in counts, sky included; a pixel that is NaN or masked is not used.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import isnan, nan
from numbers import Real
from operator import attrgetter
from pathlib import Path

import numpy as np

from classifier.models.protocol import Model
from classifier.network_inputs import Inputs, inputs_of
from classifier.prediction_notes import first_alerts_of
from classifier.stamp_batch import StampBatch
from classifier.stream_state import StreamState, read_state, write_state
from skyreel.errors import ClassifierError
from survey_profiles.physical_ranges import check_known, filled, is_missing

_BATCH = 1024  # alerts given to the model at once
_MAY_BE_UNKNOWN = ("seeing_fwhm_pix", "gain_e_per_adu", "read_noise_e")
_NUMBERS = ("mjd", "zero_point_mag", "exposure_time_s", *_MAY_BE_UNKNOWN)
_numbers = attrgetter(*_NUMBERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What is known of one exposure.

    Parameters
    ----------
    mjd : float
    zero_point_mag : float
        AB magnitude of 1 ADU/s.
    exposure_time_s : float
    seeing_fwhm_pix, gain_e_per_adu, read_noise_e : float, optional
        NaN or None where unknown. The object's last known seeing then replaces the seeing, and
        the scatter of the stamp's border replaces gain and read noise.
    band : str, optional
        Needed by a model of several bands.

    Raises
    ------
    ClassifierError
        A number outside the range of `survey_profiles.physical_ranges`, or one that is unknown
        and may not be.
    """

    mjd: float
    zero_point_mag: float
    exposure_time_s: float
    seeing_fwhm_pix: float = nan
    gain_e_per_adu: float = nan
    read_noise_e: float = nan
    band: str | None = None

    def __post_init__(self):
        for name in _NUMBERS:
            value, may_be_unknown = getattr(self, name), name in _MAY_BE_UNKNOWN
            if is_missing(value) and may_be_unknown:
                object.__setattr__(self, name, nan)
            elif isinstance(value, bool) or not isinstance(value, Real):
                raise ClassifierError(f"{name} = {value!r}; it must be a number.")
            elif not (isnan(value) and may_be_unknown):
                check_known(name, value, ClassifierError)


class Stream:
    """Class probabilities of objects as their images come in.

    The prediction after an object's k-th image is the model's after the first k images of a
    sequence. Give it the images that the model was trained on: those in the bands of
    ``model.selection``, and none of wider seeing than the survey uses. Like `classify` it goes on
    beyond the number of images of the training; ``n_images`` counts those of an object.

    Names of objects are text; 17 and "17" are one object. A stream belongs to one thread.

    Parameters
    ----------
    model : classifier.models.protocol.Steppable
        A network or an ensemble.

    Raises
    ------
    ClassifierError
        A model that needs all images of a sequence at once, or template or difference images.
    """

    def __init__(self, model: Model):
        if alerts := first_alerts_of(model):
            raise ClassifierError(
                f"{model.name} reads {alerts} of an object alone, with template and difference, "
                "which a stream does not take; use classify."
            )
        if model.states is None:
            raise ClassifierError(
                f"{model.name} is a {model.card['kind']}, which needs all images of a sequence at "
                "once; a stream needs a network or an ensemble."
            )
        if model.selection.planes:
            raise ClassifierError(
                f"{model.name} reads {' and '.join(model.selection.planes)} images, which a stream "
                "does not take; use classify."
            )
        self.model, self.classes = model, model.classes
        self._kept = StreamState(model.states, len(model.classes))

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, object_id: str | int) -> bool:
        return str(object_id) in self._kept

    @property
    def bytes_per_object(self) -> int:
        """Memory that every object takes, its name apart."""
        return self._kept.bytes_per_object

    def n_images(self, object_id: str | int) -> int:
        """Images of an object that were used so far; 0 for an unknown one."""
        return int(self._kept.one([str(object_id)], "n_images")[0])

    def update(self, object_id: str | int, image: np.ndarray, conditions: Conditions) -> np.ndarray:
        """Probabilities (class,) after one new image (row, column) of an object.

        Raises
        ------
        ClassifierError
            As ``update_many``.
        """
        return self.update_many([object_id], [image], [conditions])[0]

    def update_many(
        self,
        object_ids: Sequence[str | int],
        images: np.ndarray | Sequence[np.ndarray],
        conditions: Sequence[Conditions],
    ) -> np.ndarray:
        """Probabilities (alert, class), float32, after every one of a batch of alerts.

        Several alerts of one object are taken in the order of their times, whatever their order
        here. An unusable image (fewer than half of its pixels, no border to measure the sky in,
        or pixels that overflow the model) changes nothing: the prediction is the object's last
        one, NaN where it has none.

        Parameters
        ----------
        object_ids : sequence of str or int, (alert,)
        images : array or sequence of arrays, (alert, row, column)
            Counts, sky included; pixels that are not finite, or masked in a masked array, are not
            used.
        conditions : sequence of Conditions, (alert,)

        Raises
        ------
        ClassifierError
            Images of another size, a time that is not after the object's last one, or a band that
            the model does not have. The stream stays as it was.
        """
        names, conditions = [str(name) for name in object_ids], list(conditions)
        if not len(names) == len(images) == len(conditions):
            raise ClassifierError(
                f"{len(names)} objects, {len(images)} images and {len(conditions)} conditions; "
                "there must be one of each for every alert."
            )
        images_adu, bands = self._checked(names, images), self._bands(names, conditions)
        place = self._places(names, np.array([c.mjd for c in conditions], dtype=float))
        predictions = np.empty((len(names), len(self.classes)), dtype=np.float32)
        for rows in _batches(place):
            of_rows = bands[rows], [names[row] for row in rows], [conditions[row] for row in rows]
            with np.errstate(over="ignore", invalid="ignore"):  # what overflows is not used
                predictions[rows] = self._step(images_adu[rows], *of_rows)
        return predictions

    def forget(self, object_ids: Iterable[str | int]) -> None:
        """Remove objects.

        Raises
        ------
        ClassifierError
            An unknown object. The stream stays as it was.
        """
        names = list(dict.fromkeys(str(name) for name in object_ids))
        unknown = [name for name in names if name not in self._kept]
        if unknown:
            raise ClassifierError(
                f"object {unknown[0]!r} is not among the {len(self):,} of this stream."
            )
        self._kept.forget(names)

    def save(self, path: str | Path) -> None:
        """Write the states of all objects to one file, whole or not at all.

        Raises
        ------
        OutputError
        """
        write_state(path, self._kept, self.model)

    @classmethod
    def load(cls, path: str | Path, model: Model) -> Stream:
        """Continue a stream that was saved.

        Raises
        ------
        ClassifierError
            The file is missing, damaged, or of another model.
        """
        stream = cls(model)
        read_state(path, stream._kept, model)
        return stream

    def _checked(self, names, images):
        wanted = (self.model.size_pix, self.model.size_pix)
        for name, image in zip(names, images, strict=True):
            if np.shape(image) != wanted:
                raise ClassifierError(
                    f"object {name!r}: an image of shape {np.shape(image)}; the model takes "
                    f"{wanted}."
                )
        try:
            with np.errstate(over="ignore"):
                found = images if _is_plain(images) else list(map(_unmasked, images))
                return np.asarray(found, dtype=np.float32).reshape(len(names), *wanted)
        except (TypeError, ValueError):
            raise ClassifierError("images must hold real numbers.") from None

    def _bands(self, names, conditions):
        """Places of the bands of alerts (alert,) among those of the model."""
        places = {band: place for place, band in enumerate(self.model.bands)}
        if len(places) == 1:
            places[None] = 0
        for name, one in zip(names, conditions, strict=True):
            if one.band not in places:
                raise ClassifierError(
                    f"object {name!r}: an image in band {one.band!r}; the model takes "
                    f"{', '.join(self.model.bands)}."
                )
        return np.array([places[one.band] for one in conditions], dtype=np.uint8)

    def _places(self, names, mjd):
        """Place of every alert among those of its object in the batch, from 0."""
        place = np.zeros(len(names), dtype=int)
        last = dict(zip(names, self._kept.one(names, "last_mjd"), strict=True))
        count = dict.fromkeys(names, 0)
        for row in np.argsort(mjd, kind="stable"):
            name = names[row]
            if not mjd[row] > last[name]:
                raise ClassifierError(
                    f"object {name!r}: an image of MJD {mjd[row]} after one of {last[name]}; "
                    "images of an object must come in the order of their times."
                )
            place[row], last[name] = count[name], mjd[row]
            count[name] += 1
        return place

    def _step(self, images_adu, bands, names, conditions):
        """Predictions after one image each of different objects, whose states are renewed."""
        kept = self._kept.of(names)
        stamps = _stamps(images_adu, bands, conditions, self.model.assumed_psf.fwhm_pix)
        seeing_pix, mjd = stamps.seeing_fwhm_pix[:, 0], stamps.mjd[:, 0]
        unknown = np.isnan(seeing_pix)
        seeing_pix[unknown] = kept["seeing_fwhm_pix"][unknown]
        inputs = inputs_of(stamps, multiband=self.model.selection.multiband)
        predictions, used = kept["prediction"].copy(), np.flatnonzero(inputs.n_images)
        if not used.size:
            return predictions
        first_mjd = np.where(kept["n_images"] > 0, kept["first_mjd"], mjd)
        usable = _at(inputs.of(used), (mjd - first_mjd)[used])
        states = {name: kept[name][used] for name in self._kept.states}
        found, renewed = self.model.step(usable, stamps.of(used), states)
        sound = np.isfinite(found).all(axis=1)
        for state in renewed.values():
            sound &= np.isfinite(state).reshape(used.size, -1).all(axis=1)
        used = used[sound]
        predictions[used] = found[sound]
        self._kept.put(
            [names[row] for row in used],
            {
                "first_mjd": first_mjd[used],
                "last_mjd": mjd[used],
                "n_images": kept["n_images"][used] + 1,
                "seeing_fwhm_pix": seeing_pix[used],
                "prediction": predictions[used],
                **{name: state[sound] for name, state in renewed.items()},
            },
        )
        return predictions


def _is_plain(image):
    return type(image) is np.ndarray and image.dtype != object


def _unmasked(image):
    """An image with NaN where it is masked."""
    return image if _is_plain(image) else filled(image)


def _batches(place):
    """Rows that are one batch of the model: of every object the first alerts, then the second."""
    for k in range(place.max(initial=-1) + 1):
        rows = np.flatnonzero(place == k)
        yield from (rows[first : first + _BATCH] for first in range(0, rows.size, _BATCH))


def _stamps(images_adu, bands, conditions, assumed_fwhm_pix) -> StampBatch:
    """Alerts as sequences of one image."""
    n, found = len(conditions), np.array([_numbers(c) for c in conditions], dtype=np.float64)

    def of(name, dtype=np.float32):  # as a data set holds them
        return found[:, _NUMBERS.index(name)].astype(dtype)

    return StampBatch(
        images_adu=images_adu[:, None],
        saturated=np.zeros((n, 1), dtype=bool),
        n_epochs=np.ones(n, dtype=np.int16),
        mjd=of("mjd", np.float64)[:, None],
        band=bands[:, None],
        exposure_time_s=of("exposure_time_s")[:, None],
        seeing_fwhm_pix=of("seeing_fwhm_pix")[:, None],
        sky_adu=np.full((n, 1), nan),
        zero_point_mag=of("zero_point_mag")[:, None],
        gain_e_per_adu=of("gain_e_per_adu"),
        read_noise_e=of("read_noise_e"),
        assumed_fwhm_pix=np.full(n, assumed_fwhm_pix),
    )


def _at(inputs, days) -> Inputs:
    return replace(inputs, days=days[:, None].astype(np.float32))
