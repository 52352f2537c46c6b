"""Between sequences and rows: a convolution sees (object * image) pictures, a memory sequences."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="skyreel")
class Views(keras.layers.Layer):
    """Images as a convolution should see them: in units of their noise, without long tails.

    Two channels through asinh(x / 3): the image, and what is left without the star.

    Call arguments
    --------------
    images, residual : (object, image, row, column)
        nJy; units of the noise.
    noise, shown : (object, image)

    Returns
    -------
    (object * image, row, column, 2)
    """

    CHANNELS = 2

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, images, residual, noise, shown):
        pair = ops.stack([images / noise[..., None, None], residual], axis=-1)
        pair = ops.arcsinh(pair / 3) * shown[..., None, None, None]
        return ops.reshape(pair, (-1, *images.shape[2:], self.CHANNELS))

    def compute_output_shape(self, images_shape, **_):
        return (None, *images_shape[2:], self.CHANNELS)


@keras.saving.register_keras_serializable(package="skyreel")
class InSequence(keras.layers.Layer):
    """Rows (object * image, feature) as sequences (object, image, feature) like ``shown``."""

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, rows, shown):
        return ops.reshape(rows, (-1, ops.shape(shown)[1], rows.shape[-1]))

    def compute_output_shape(self, rows_shape, shown_shape):
        return (*shown_shape, rows_shape[-1])
