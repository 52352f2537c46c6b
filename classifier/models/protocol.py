"""What every model offers, whatever its kind, and what some models offer beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

if TYPE_CHECKING:
    from classifier.dataset import DatasetSplit
    from classifier.evaluation import Predictions
    from classifier.image_selection import ImageSelection
    from classifier.network_inputs import AssumedPsf, Inputs
    from classifier.stamp_batch import StampBatch


@dataclass(frozen=True)
class StateArray:
    """One array that a stream keeps of every object: shape without the object axis, and dtype.

    It starts as zeros and never holds a number that is not finite.
    """

    shape: tuple[int, ...]
    dtype: type = np.float32


@dataclass(frozen=True)
class Embedding:
    """How a model represents objects: ``values`` (object, dimension), float.

    ``description`` says what they are, for a plot.
    """

    values: np.ndarray
    description: str


class Model(Protocol):
    """A trained model.

    Attributes
    ----------
    packages : tuple of str
        Packages beside NumPy and scikit-learn whose versions its predictions depend on.
    folder : pathlib.Path
    name : str
        Of the folder.
    card : dict
        As `classifier.models.model_card.read_card` gives it.
    classes : tuple of str
        In the order of the probabilities.
    survey : str
        The survey it was trained for.
    bands : tuple of str
        Bands whose images it uses.
    selection : classifier.image_selection.ImageSelection
        Which images of a sequence it is given in training.
    prediction_selection : classifier.image_selection.ImageSelection
        Which images of a sequence it predicts from; models that are `Steppable` read on beyond
        the length of their training.
    size_pix : int or None
        Rows and columns of the stamps it takes; None: any.
    states : mapping of str to StateArray, or None
        Of models that are `Steppable`; None for the others.
    """

    packages: ClassVar[tuple[str, ...]]

    @property
    def folder(self) -> Path: ...
    @property
    def name(self) -> str: ...
    @property
    def card(self) -> dict[str, Any]: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def survey(self) -> str: ...
    @property
    def bands(self) -> tuple[str, ...]: ...
    @property
    def selection(self) -> ImageSelection: ...
    @property
    def prediction_selection(self) -> ImageSelection: ...
    @property
    def size_pix(self) -> int | None: ...
    @property
    def states(self) -> Mapping[str, StateArray] | None: ...

    def predict(
        self,
        split: DatasetSplit,
        *,
        threads: int = 1,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> Predictions:
        """Class probabilities of every object of a split after 1, 2, ... images.

        ``on_progress`` is called with the number of objects of every block that is done.

        Raises
        ------
        ClassifierError
            The split does not fit the model.
        """
        ...

    def embedding(self, split: DatasetSplit, rows: np.ndarray, *, threads: int = 1) -> Embedding:
        """How the model represents some objects after their last image.

        Parameters
        ----------
        split : DatasetSplit
        rows : numpy.ndarray of int, shape (object,)
            Rows of the split, increasing.
        threads : int
        """
        ...


class Steppable(Model, Protocol):
    """A model that can take the images of an object one at a time.

    Attributes
    ----------
    assumed_psf : classifier.network_inputs.AssumedPsf
        Assumed where the seeing of an object's first images is unknown.
    state_identity : str
        Differs between models whose states are not exchangeable.
    """

    @property
    def assumed_psf(self) -> AssumedPsf: ...

    @property
    def states(self) -> Mapping[str, StateArray]: ...
    @property
    def state_identity(self) -> str: ...

    def step(
        self, inputs: Inputs, stamps: StampBatch, states: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Probabilities (object, class) after one more image of every object, and new states.

        Parameters
        ----------
        inputs : Inputs
            The images, with an image axis of length 1; days count from an object's first image.
        stamps : StampBatch
            The same images as they were recorded.
        states : mapping of str to numpy.ndarray
            Arrays (object, ...) as the attribute ``states`` describes them.
        """
        ...
