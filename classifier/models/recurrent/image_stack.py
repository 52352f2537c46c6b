"""Images with those just before them, as channels, latest last (n_w of Carrasco-Davis 2019).

The thesis gives its first answer when n_w images are there; here the missing ones are copies of
the first image, so that there is an answer from the first image on.
"""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="skyreel")
class ImageStack(keras.layers.Layer):
    """Every image with the ``window`` - 1 before it, and the times of all of them.

    Parameters
    ----------
    window : int
        Images in a stack, n_w; at least 1.

    Raises
    ------
    ValueError
        A window below 1.

    Call arguments
    --------------
    images : (object, image, row, column)
    days : (object, image)
    state : dict, optional
        What an earlier call returned, or zeros: nothing came before. Shapes as `states` says.

    Returns
    -------
    stacks : (object * image, row, column, window)
    times : (object, image, window)
        Days of the images of each stack.
    state : dict
        The last ``window`` - 1 images and days, and 1 for having started; empty for a window
        of 1. It counts padded images like others.
    """

    def __init__(self, window=3, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        if not window >= 1:
            raise ValueError(f"ImageStack: window = {window}; a stack needs at least one image.")
        self.window = int(window)

    def states(self, size_pix: int) -> dict[str, tuple[int, ...]]:
        """Shape of every state without the object axis."""
        before = self.window - 1
        if before == 0:
            return {}
        return {
            "stack_images": (before, size_pix, size_pix),
            "stack_days": (before,),
            "stack_started": (1,),
        }

    def call(self, images, days, state=None):
        state = state or {}
        started = state.get("stack_started")
        images, images_kept = self._windows(images, state.get("stack_images"), started)
        days, days_kept = self._windows(days, state.get("stack_days"), started)
        stacks = ops.reshape(images, (-1, *images.shape[2:]))
        if self.window == 1:
            return stacks, days, {}
        kept = {"stack_images": images_kept, "stack_days": days_kept}
        return stacks, days, {**kept, "stack_started": ops.ones_like(days[:, 0, :1])}

    def _windows(self, values, before, started):
        """Windows over the image axis, their own axis last; and the values to keep."""
        first = ops.repeat(values[:, :1], self.window - 1, axis=1)
        if before is not None:
            started = ops.reshape(started, (-1, *[1] * (len(values.shape) - 1)))
            first = ops.where(started > 0, before, first)
        n_images = ops.shape(values)[1]
        values = ops.concatenate([first, values], axis=1)
        windows = [values[:, k : k + n_images] for k in range(self.window)]
        return ops.stack(windows, axis=-1), values[:, n_images:]

    def get_config(self):
        return {**super().get_config(), "window": self.window}
