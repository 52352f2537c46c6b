"""A network that follows a stream of alerts: one image of an object at a time.

Of every object the stream keeps what the network does between two images, a few numbers that
never grow, so a new image costs the same however many came before. Axis order of images is
(alert, row, column), in counts, sky included; NaN is a masked pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from math import isfinite, isnan, nan
from numbers import Real

import numpy as np

from classifier.dataset import StampBatch
from classifier.models.recurrent.network import Network
from classifier.network_inputs import Inputs, inputs_of
from classifier.stream_state import StreamState, read_state, write_state
from skyreel.errors import ClassifierError

_BATCH = 1024  # alerts given to the network at once
_MAY_BE_UNKNOWN = ("seeing_fwhm_pix", "gain_e_per_adu", "read_noise_e")
_ABOVE_ZERO = ("exposure_time_s", "seeing_fwhm_pix", "gain_e_per_adu")


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
        NaN or None where unknown. The object's last known seeing then takes its place, and the
        scatter of the stamp's border that of gain and read noise.

    Raises
    ------
    ClassifierError
        A number that cannot be.
    """

    mjd: float
    zero_point_mag: float
    exposure_time_s: float
    seeing_fwhm_pix: float = nan
    gain_e_per_adu: float = nan
    read_noise_e: float = nan

    def __post_init__(self):
        for name in _MAY_BE_UNKNOWN:
            if getattr(self, name) is None:
                object.__setattr__(self, name, nan)
        for name in (f.name for f in fields(self)):
            value, may_be_unknown = getattr(self, name), name in _MAY_BE_UNKNOWN
            if isinstance(value, bool) or not isinstance(value, Real):
                raise ClassifierError(f"{name} = {value!r}; it must be a number.")
            if not (isfinite(value) or (isnan(value) and may_be_unknown)):
                hint = ", or NaN where unknown" if may_be_unknown else ""
                raise ClassifierError(f"{name} = {value}; it must be finite{hint}.")
            if (value <= 0 and name in _ABOVE_ZERO) or (value < 0 and name == "read_noise_e"):
                least = "above 0" if name in _ABOVE_ZERO else "0 or more"
                raise ClassifierError(f"{name} = {value}; it must be {least}.")


class Stream:
    """Class probabilities of objects as their images come in.

    The answer after an object's k-th image is the network's after the first k images of a
    sequence. Give it the images that the network was trained on: those in the band of
    ``network.selection``, and none of wider seeing than the survey uses. It predicts beyond the
    number of images of ``network.selection``; ``n_images`` says where an object is.

    Names of objects are text; 17 and "17" are one object. A stream belongs to one thread.

    Parameters
    ----------
    network : classifier.models.recurrent.network.Network
    """

    def __init__(self, network: Network):
        if not hasattr(network, "step"):
            raise ClassifierError(f"a stream needs a network, not {type(network).__name__}.")
        self.network, self.classes = network, network.classes
        self._kept = StreamState(network.variants.states, len(network.classes))

    def __len__(self):
        return len(self._kept)

    def __contains__(self, object_id):
        return str(object_id) in self._kept

    @property
    def bytes_per_object(self) -> int:
        """Memory that every object takes, its name apart."""
        return self._kept.bytes_per_object

    def n_images(self, object_id) -> int:
        """Images of an object that were used so far; 0 for one that is not known."""
        return int(self._kept.of([str(object_id)])["n_images"][0])

    def update(self, object_id, image, conditions: Conditions) -> np.ndarray:
        """Probabilities (class,) after one new image (row, column) of an object.

        Raises
        ------
        ClassifierError
            As ``update_many``.
        """
        return self.update_many([object_id], [image], [conditions])[0]

    def update_many(self, object_ids, images, conditions) -> np.ndarray:
        """Probabilities (alert, class), float32, after every one of a batch of alerts.

        Several alerts of one object are taken in the order of their times, whatever their order
        here. An image of no use (fewer than half of its pixels, or no border to measure the sky
        in; or pixels beyond all that the network can reckon with) changes nothing: the answer is
        the object's last one, NaN where it has none.

        Parameters
        ----------
        object_ids : sequence of str or int, (alert,)
        images : array or sequence of arrays, (alert, row, column)
            Counts, sky included; pixels that are not finite are masked.
        conditions : sequence of Conditions, (alert,)

        Raises
        ------
        ClassifierError
            Images of another size, or a time that is not after the object's last one. Nothing
            has changed then.
        """
        names, conditions = [str(name) for name in object_ids], list(conditions)
        if not len(names) == len(images) == len(conditions):
            raise ClassifierError(
                f"{len(names)} objects, {len(images)} images and {len(conditions)} conditions; "
                "there must be one of each for every alert."
            )
        images_adu = self._checked(names, images)
        turn = self._turns(names, np.array([c.mjd for c in conditions], dtype=float))
        answers = np.empty((len(names), len(self.classes)), dtype=np.float32)
        for rows in _batches(turn):
            of_rows = [names[row] for row in rows], [conditions[row] for row in rows]
            with np.errstate(over="ignore", invalid="ignore"):  # what overflows is not used
                answers[rows] = self._step(images_adu[rows], *of_rows)
        return answers

    def forget(self, object_ids) -> None:
        """Keep nothing more of these objects.

        Raises
        ------
        ClassifierError
            An object that is not known; nothing has changed then.
        """
        names = list(dict.fromkeys(str(name) for name in object_ids))
        unknown = [name for name in names if name not in self._kept]
        if unknown:
            raise ClassifierError(
                f"object {unknown[0]!r} is not among the {len(self):,} of this stream."
            )
        self._kept.forget(names)

    def save(self, path) -> None:
        """Write all that is kept to one file, whole or not at all.

        Raises
        ------
        OutputError
        """
        write_state(path, self._kept, self.network)

    @classmethod
    def load(cls, path, network: Network) -> Stream:
        """Go on with a stream that was saved.

        Raises
        ------
        ClassifierError
            The file is missing, damaged, or of another network.
        """
        stream = cls(network)
        read_state(path, stream._kept, network)
        return stream

    def _checked(self, names, images):
        wanted = (self.network.size_pix, self.network.size_pix)
        for name, image in zip(names, images, strict=True):
            if np.shape(image) != wanted:
                raise ClassifierError(
                    f"object {name!r}: an image of shape {np.shape(image)}; the network takes "
                    f"{wanted}."
                )
        try:
            with np.errstate(over="ignore"):
                return np.asarray(images, dtype=np.float32).reshape(len(names), *wanted)
        except (TypeError, ValueError):
            raise ClassifierError("images must hold real numbers.") from None

    def _turns(self, names, mjd):
        """Whether an alert is the first, second, ... of its object in the batch, from 0."""
        turn = np.zeros(len(names), dtype=int)
        last = dict(zip(names, self._kept.of(names)["last_mjd"], strict=True))
        count = dict.fromkeys(names, 0)
        for row in np.argsort(mjd, kind="stable"):
            name = names[row]
            if not mjd[row] > last[name]:
                raise ClassifierError(
                    f"object {name!r}: an image of MJD {mjd[row]} after one of {last[name]}; "
                    "images of an object must come in the order of their times."
                )
            turn[row], last[name] = count[name], mjd[row]
            count[name] += 1
        return turn

    def _step(self, images_adu, names, conditions):
        """Answers to one image each of different objects, which are kept."""
        kept = self._kept.of(names)
        seeing_pix = np.array([c.seeing_fwhm_pix for c in conditions], dtype=np.float32)
        seeing_pix = np.where(np.isnan(seeing_pix), kept["seeing_fwhm_pix"], seeing_pix)
        stamps = _stamps(images_adu, conditions, seeing_pix)
        inputs, mjd = inputs_of(stamps), stamps.mjd[:, 0]
        answers, used = kept["answer"].copy(), np.flatnonzero(inputs.n_images)
        if not used.size:
            return answers
        first_mjd = np.where(kept["n_images"] > 0, kept["first_mjd"], mjd)
        shown = _at(inputs.of(used), (mjd - first_mjd)[used])
        states = {name: kept[name][used] for name in self._kept.states}
        found, renewed = self.network.step(shown, states)
        sound = np.isfinite(found).all(axis=1)
        for state in renewed.values():
            sound &= np.isfinite(state).reshape(used.size, -1).all(axis=1)
        used = used[sound]
        answers[used] = found[sound]
        self._kept.put(
            [names[row] for row in used],
            {
                "first_mjd": first_mjd[used],
                "last_mjd": mjd[used],
                "n_images": kept["n_images"][used] + 1,
                "seeing_fwhm_pix": seeing_pix[used],
                "answer": answers[used],
                **{name: state[sound] for name, state in renewed.items()},
            },
        )
        return answers


def _batches(turn):
    """Rows to be taken together: no object twice, in turn, and not too many."""
    for k in range(turn.max(initial=-1) + 1):
        rows = np.flatnonzero(turn == k)
        yield from (rows[first : first + _BATCH] for first in range(0, rows.size, _BATCH))


def _stamps(images_adu, conditions, seeing_pix) -> StampBatch:
    """Alerts as sequences of one image."""

    def of(name, dtype=np.float32):  # as a data set holds them
        return np.array([getattr(c, name) for c in conditions], dtype=dtype)

    n = len(conditions)
    return StampBatch(
        images_adu=images_adu[:, None],
        saturated=np.zeros((n, 1), dtype=bool),
        n_epochs=np.ones(n, dtype=np.int16),
        mjd=of("mjd", np.float64)[:, None],
        band=np.zeros((n, 1), dtype=np.uint8),
        exposure_time_s=of("exposure_time_s")[:, None],
        seeing_fwhm_pix=seeing_pix[:, None],
        sky_adu=np.full((n, 1), nan),
        zero_point_mag=of("zero_point_mag")[:, None],
        gain_e_per_adu=of("gain_e_per_adu"),
        read_noise_e=of("read_noise_e"),
    )


def _at(inputs, days) -> Inputs:
    return replace(inputs, days=days[:, None].astype(np.float32))
