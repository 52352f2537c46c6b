"""Class probabilities of objects after every number of images, as every model returns them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from skyreel.errors import EvaluationError
from survey_profiles.physical_ranges import filled

_BLOCK_OBJECTS = 4096
_SUM_TOLERANCE = 1e-3  # float32 sums, and models that store float16


def _float32(values):
    """NaN where masked."""
    plain = type(values) is np.ndarray and values.dtype.kind == "f"
    return np.asarray(values if plain else filled(values), dtype=np.float32)


def _whole(values, masked=None):
    """Whole numbers; ``masked`` where they are masked, which is refused if it is None."""
    values = filled(values) if not isinstance(values, np.ndarray) or _has_mask(values) else values
    if masked is not None and values.dtype.kind == "f":
        values = np.where(np.isnan(values), masked, values)
    with np.errstate(invalid="ignore"):
        found = values.astype(int)
    if values.dtype.kind == "f" and not (found == values).all():
        raise ValueError("a number is unknown or not whole")
    return found


def _has_mask(values):
    return isinstance(values, np.ma.MaskedArray) or hasattr(values, "unmasked")


def _names(values):
    if np.ma.is_masked(values):
        raise ValueError("a name is masked")
    return np.asarray(values)


_AS_ARRAY = {
    "probabilities": _float32,
    "label": partial(_whole, masked=-1),
    "n_images": _whole,
    "magnitude": _float32,
    "object_id": _names,
}


@dataclass(frozen=True)
class Predictions:
    """Class probabilities of objects after 1, 2, ... images, checked on construction.

    Masked elements are unknown: NaN, and -1 among labels.

    Attributes
    ----------
    classes : tuple of str
        Classes of the model.
    probabilities : numpy.ndarray of float32, shape (object, image, class)
        Entry j is after j + 1 images; NaN where the object has fewer.
    label : numpy.ndarray of int, shape (object,)
        True class, an index into ``classes``; -1 where unknown.
    n_images : numpy.ndarray of int, shape (object,)
        Number of images of the object. One with 0 cannot be classified.
    magnitude : numpy.ndarray of float32, shape (object,)
        Median observed magnitude; NaN where unknown.
    object_id : numpy.ndarray of str or int, shape (object,)
        Unique names.

    Raises
    ------
    EvaluationError
        Inconsistent shapes, labels that are not a class, probabilities that are missing, outside
        [0, 1] or do not add up to 1.
    """

    classes: tuple[str, ...]
    probabilities: np.ndarray
    label: np.ndarray
    n_images: np.ndarray
    magnitude: np.ndarray
    object_id: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(str(name) for name in self.classes))
        for name, as_array in _AS_ARRAY.items():
            try:
                object.__setattr__(self, name, as_array(getattr(self, name)))
            except (TypeError, ValueError, OverflowError) as error:
                raise EvaluationError(f"predictions: {name} cannot be used ({error}).") from None
        self._check_shapes()
        self._check_objects()
        self._check_probabilities()

    def __len__(self) -> int:
        return len(self.label)

    @property
    def longest(self) -> int:
        """Largest number of images of an object."""
        return int(self.n_images.max(initial=0))

    def after(self, k: int) -> np.ndarray:
        """Probabilities (object, class) after ``k`` images, or after all where there are fewer.

        NaN for objects without images.
        """
        if k < 1:
            raise EvaluationError(f"predictions after {k} images; the first are after 1.")
        return after(self.probabilities, self.n_images, k)

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Rows (object,) and their probabilities (object, image, class), block by block."""
        for first in range(0, len(self), _BLOCK_OBJECTS):
            rows = np.arange(first, min(first + _BLOCK_OBJECTS, len(self)))
            yield rows, self.probabilities[rows]

    def loaded(self) -> Predictions:
        """The same; predictions in a file are read as a whole."""
        return self

    def with_classes(self, classes: tuple[str, ...]) -> Predictions:
        """The same predictions with their classes in another order."""
        order = [self.classes.index(name) for name in classes]
        place = np.append(np.argsort(order), -1)  # the label -1 stays -1
        return replace(
            self,
            classes=classes,
            probabilities=self.probabilities[..., order],
            label=place[self.label],
        )

    def with_magnitudes(self, magnitude: np.ndarray) -> Predictions:
        """The same predictions with other magnitudes (object,)."""
        return replace(self, magnitude=magnitude)

    def of(self, objects: np.ndarray | slice) -> Predictions:
        """Predictions of some of the objects, in the order given."""
        return Predictions(
            self.classes,
            self.probabilities[objects],
            self.label[objects],
            self.n_images[objects],
            self.magnitude[objects],
            self.object_id[objects],
        )

    def _check_shapes(self):
        if not self.classes or len(set(self.classes)) < len(self.classes):
            raise EvaluationError(f"predictions: classes {self.classes}; each needs its own name.")
        shape, n = self.probabilities.shape, self.label.shape
        expected = (*n, max(1, *shape[1:2]), len(self.classes))
        if len(n) != 1 or shape != expected:
            raise EvaluationError(
                f"predictions: probabilities of shape {shape} for {len(self.classes)} classes and "
                f"labels of shape {n}; they must be (object, image, class) and (object,)."
            )
        for name in ("n_images", "magnitude", "object_id"):
            if getattr(self, name).shape != n:
                raise EvaluationError(
                    f"predictions: {name} has shape {getattr(self, name).shape}, label {n}."
                )

    def _check_objects(self):
        refuse_outside("label", self.label, -1, len(self.classes) - 1)
        refuse_outside("n_images", self.n_images, 0, self.probabilities.shape[1])
        names, count = np.unique(self.object_id, return_counts=True)
        if names.size < len(self):
            raise EvaluationError(
                f"predictions: object {names[count > 1][0]} occurs {count.max()} times; every "
                "object needs a name of its own."
            )

    def _check_probabilities(self):
        used = np.arange(self.probabilities.shape[1]) < self.n_images[:, None]
        values = self.probabilities
        wrong = ~((values >= 0) & (values <= 1)).all(axis=2)
        wrong |= ~(np.abs(values.sum(axis=2) - 1) <= _SUM_TOLERANCE)
        wrong &= used
        if wrong.any():
            row, image = np.argwhere(wrong)[0]
            raise EvaluationError(
                f"predictions: object {self.object_id[row]} after {image + 1} images has the "
                f"probabilities {values[row, image].tolist()}; they must be known, within [0, 1] "
                f"and add up to 1 ({int(wrong.sum())} sets of them do not)."
            )
        if np.isfinite(values[~used]).any():
            raise EvaluationError("predictions: probabilities beyond an object's images; give NaN.")


def after(probabilities: np.ndarray, n_images: np.ndarray, k: int) -> np.ndarray:
    """Probabilities (object, class) after ``k`` images, or after all where there are fewer.

    ``probabilities`` are (object, image, class) and ``n_images`` (object,).
    """
    return probabilities[np.arange(len(n_images)), np.clip(n_images, 1, k) - 1]


def joined(parts: Iterable[Predictions]) -> Predictions:
    """Predictions of blocks of objects, with as many images each, as one."""
    parts = list(parts)
    names = ("probabilities", "label", "n_images", "magnitude", "object_id")
    arrays = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
    return Predictions(parts[0].classes, *arrays)


def refuse_outside(name: str, values: np.ndarray, low: int, high: int) -> None:
    """Check that whole numbers lie between two limits, both allowed.

    Raises
    ------
    EvaluationError
    """
    wrong = (values < low) | (values > high)
    if wrong.any():
        raise EvaluationError(
            f"predictions: {name} {values[wrong][0]}; allowed are {low} to {high}."
        )


def sound_only(probabilities: np.ndarray, n_images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (object, image, class) and numbers of images of sound objects.

    An object with a probability that is no number, for instance because its pixels overflow the
    model, has no images.
    """
    used = np.arange(probabilities.shape[1]) < n_images[:, None]
    unsound = (used & ~np.isfinite(probabilities).all(axis=2)).any(axis=1)
    if not unsound.any():
        return probabilities, n_images
    kept = np.where(unsound[:, None, None], np.nan, probabilities).astype(probabilities.dtype)
    return kept, np.where(unsound, 0, n_images)
