"""A small network for images of several bands, after figure 4.12 of Carrasco-Davis 2019.

It is the network of `compact` with three changes: the encoder knows the band of an image, the light
curve of every band is followed by itself, and the fluxes in the other bands are inputs.
"""

from __future__ import annotations

from collections.abc import Sequence

from classifier.models.card_schema import LEAST_SIZE_PIX
from classifier.models.recurrent.compact import (
    ENCODER_CONVOLUTIONS,
    KOLMOGOROV_BETA,
    Views,
    encoder_layers,
    recurrent_reader,
)
from classifier.models.recurrent.light_curve_layers import PsfPhotometry
from classifier.models.recurrent.multiband_layers import BandConvolution, MultibandLightCurve
from classifier.models.recurrent.plane_layers import PlaneBranch
from classifier.models.recurrent.variants import InSequence, ModelVariants, build_variants, followed

ENCODERS = {"shared": 0, "first_layer": 1, "per_band": len(ENCODER_CONVOLUTIONS)}
"""Number of convolutions, from the first on, with weights of each band."""


def multiband(
    *,
    size_pix: int,
    n_classes: int,
    n_bands: int,
    planes: Sequence[str],
    beta: float = KOLMOGOROV_BETA,
    encoder: str = "first_layer",
    filters: Sequence[int] = (24, 32, 48, 64),
    embedding: int = 64,
    units: int = 128,
    times: bool = True,
    conditions: bool = True,
    dtype: str = "float32",
) -> ModelVariants:
    """The network.

    Parameters
    ----------
    size_pix : int
        Rows and columns of a stamp.
    n_classes, n_bands : int
    planes : sequence of str
        Planes beside the science images, as in `classifier.image_selection.ImageSelection`.
    beta : float
        Of the Moffat profile of photometry; training takes it from the survey profile.
    encoder : str
        "shared": the same for all bands; "first_layer": the first convolution has weights of each
        band; "per_band": every convolution has.
    filters : four int
        Of the encoder's convolutions.
    embedding, units : int
        Sizes of an encoded image and of the hidden state.
    times, conditions : bool
        Whether times of images, and their seeing and noise as numbers, are inputs.
    dtype : str
        Keras dtype policy of the encoder; all else is float32.

    Raises
    ------
    ValueError
        Stamps that are too small, an unknown encoder, or a number a layer refuses.
    """
    _check(size_pix, encoder)
    photometry = PsfPhotometry(beta, name="photometry")
    views = Views(name="views")
    branch = PlaneBranch(planes)
    encoding = encoder_layers(filters, embedding, dtype, n_bands, ENCODERS[encoder])
    in_sequence = InSequence(name="in_sequence")
    light_curve = MultibandLightCurve(
        n_bands, times=times, conditions=conditions, name="light_curve"
    )
    read = recurrent_reader(128, units, n_classes, follow=followed)

    def encode(inputs, states):
        noise, present = inputs["noise"], inputs["present"]
        *measured, residual = photometry(
            inputs["images"], inputs["usable"], noise, inputs["njy_per_e"], inputs["seeing"]
        )
        encoded = branch.with_channels(views(inputs["images"], residual, noise, present), inputs)
        for layer in encoding:
            per_band = isinstance(layer, BandConvolution)
            encoded = layer(encoded, inputs["band"]) if per_band else layer(encoded)
        exposure = (inputs["seeing"], noise, inputs["days"], present, inputs["band"])
        columns, sums = light_curve(*measured, *exposure, state=states and states["light_curve"])
        columns, counts = branch.with_columns(columns, inputs, states)
        return [in_sequence(encoded, present), columns], {"light_curve": sums, **counts}

    states = {
        "light_curve": (MultibandLightCurve.STATE * n_bands,),
        "hidden_state": (units,),
        **branch.states,
    }
    inputs = {"size_pix": size_pix, "multiband": True, "planes": branch.planes}
    return build_variants("multiband", encode, read, states=states, **inputs)


def _check(size_pix, encoder):
    if size_pix < LEAST_SIZE_PIX:
        raise ValueError(f"stamps of {size_pix} pixels; at least {LEAST_SIZE_PIX} are needed.")
    if encoder not in ENCODERS:
        raise ValueError(f"encoder {encoder!r}; allowed: {', '.join(ENCODERS)}.")
