"""Batch renormalisation (Ioffe 2017, arXiv:1702.03275) with masked rows.

The layer keeps a moving mean and a moving standard deviation, not a variance, as the paper does.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="skyreel")
class BatchRenormalization(keras.layers.Layer):
    """Batch normalisation whose training output equals that of inference, within limits.

    While training, x becomes ((x - mean_batch) / std_batch * r + d) * gamma + beta, where
    r = std_batch / std_moving clipped to [1 / r_max, r_max] and d = (mean_batch - mean_moving) /
    std_moving clipped to [-d_max, d_max] pass no gradient (algorithm 1 of the paper; equation 2.33
    of Carrasco-Davis 2019). Elsewhere the moving moments take the place of the batch's, also
    while training a frozen layer (``trainable`` False).

    For ``plain_steps`` training steps r = 1 and d = 0, which is batch normalisation; the limits
    then rise linearly until step ``r_steps`` and ``d_steps``. With ``r_max`` 1 and ``d_max`` 0 it
    stays batch normalisation. The defaults are the paper's. Weights and moments are float32
    under every dtype policy.

    Parameters
    ----------
    r_max, d_max : float
        Limits in the end; at least 1 and at least 0.
    plain_steps, r_steps, d_steps : int
        Training steps; the last two above the first.
    momentum : float
        Share of the old moving moments kept at a step, from 0 to below 1.
    epsilon : float
        Added to variances; above 0.

    Raises
    ------
    ValueError
        A parameter out of range, or an unsuitable ``mask``.

    Call arguments
    --------------
    x : (row, ..., channel)
        Moments are over all axes but the last.
    mask : (row,), optional
        1 or True where a row enters the moments. The others are normalised like them. A batch in
        which no row counts leaves the moving moments as they are.
    """

    def __init__(
        self,
        r_max: float = 3.0,
        d_max: float = 5.0,
        plain_steps: int = 5_000,
        r_steps: int = 40_000,
        d_steps: int = 25_000,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        _check_limits(r_max, d_max)
        _check_steps(plain_steps, r_steps, d_steps)
        _check_smoothing(momentum, epsilon)
        self.r_max, self.d_max = float(r_max), float(d_max)
        self.plain_steps = int(plain_steps)
        self.r_steps, self.d_steps = int(r_steps), int(d_steps)
        self.momentum, self.epsilon = float(momentum), float(epsilon)

    def build(self, input_shape: tuple) -> None:
        channels = (input_shape[-1],)
        self.gamma = self._weight("gamma", channels, "ones", trainable=True)
        self.beta = self._weight("beta", channels, "zeros", trainable=True)
        self.moving_mean = self._weight("moving_mean", channels, "zeros")
        self.moving_std = self._weight("moving_std", channels, "ones")
        self.steps = self._weight("steps", (), "zeros")

    def _weight(self, name, shape, initializer, trainable=False):
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            trainable=trainable,
            dtype="float32",
            autocast=False,
        )

    def call(self, x: Any, training: bool = False, mask: Any = None) -> Any:
        value = ops.cast(x, "float32")
        if training and self.trainable:
            mean, scale, shift = self._renormalising(value, mask)
        else:
            mean, scale, shift = self.moving_mean, 1 / self.moving_std, 0.0
        # gamma and beta join per channel: fewer arrays of the size of x, and of its gradients
        normal = (value - mean) * (scale * self.gamma) + (shift * self.gamma + self.beta)
        return ops.cast(normal, self.compute_dtype)

    def _renormalising(self, x, mask):
        """The batch's mean, r over its standard deviation, and d; moves the moving moments."""
        mean, variance, counted = _moments(x, mask)
        std = ops.sqrt(variance + self.epsilon)
        r_max, d_max = self.limits()
        r = ops.clip(std / self.moving_std, 1 / r_max, r_max)
        d = ops.clip((mean - self.moving_mean) / self.moving_std, -d_max, d_max)
        self._move(ops.stop_gradient(mean), ops.stop_gradient(std), counted)
        return mean, ops.stop_gradient(r) / std, ops.stop_gradient(d)

    def limits(self) -> tuple[Any, Any]:
        """r_max and d_max of the next training step."""

        def part(full_steps):
            done = (self.steps - self.plain_steps) / (full_steps - self.plain_steps)
            return ops.clip(done, 0.0, 1.0)

        return 1 + part(self.r_steps) * (self.r_max - 1), part(self.d_steps) * self.d_max

    def _move(self, mean, std, counted):
        moved = ops.where(counted > 0, 1 - self.momentum, 0.0)
        self.moving_mean.assign(self.moving_mean + moved * (mean - self.moving_mean))
        self.moving_std.assign(self.moving_std + moved * (std - self.moving_std))
        self.steps.assign(self.steps + 1)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> None:
        """No mask: the layers that follow use every row."""
        return None

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        names = ("r_max", "d_max", "plain_steps", "r_steps", "d_steps", "momentum", "epsilon")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _moments(x, mask):
    """Mean and variance of every channel, and the number of rows they are of."""
    weights = ops.ones(ops.shape(x)[:1]) if mask is None else _checked(mask)
    counted = ops.sum(weights)
    within_row = tuple(range(1, len(x.shape) - 1))

    def mean_of(values):
        per_row = ops.mean(values, axis=within_row) if within_row else values
        return ops.sum(per_row * weights[:, None], axis=0) / ops.maximum(counted, 1.0)

    mean = mean_of(x)
    return mean, mean_of(ops.square(x - mean)), counted


def _checked(mask):
    if len(mask.shape) != 1:
        raise ValueError(
            f"BatchRenormalization: the mask has the shape {tuple(mask.shape)}; it must be (row,), "
            "one number for each entry of the first axis."
        )
    return ops.cast(mask, "float32")


def _check_limits(r_max, d_max):
    if not (1 <= r_max < math.inf and 0 <= d_max < math.inf):
        raise ValueError(
            f"BatchRenormalization: r_max = {r_max}, d_max = {d_max}; r_max must be at least 1, "
            "d_max at least 0, and both finite."
        )


def _check_steps(plain_steps, r_steps, d_steps):
    if not 0 <= plain_steps < min(r_steps, d_steps):
        raise ValueError(
            f"BatchRenormalization: plain_steps = {plain_steps}, r_steps = {r_steps}, d_steps = "
            f"{d_steps}; plain_steps must be from 0 to below the smaller of the other two."
        )


def _check_smoothing(momentum, epsilon):
    if not (0 <= momentum < 1 and 0 < epsilon < math.inf):
        raise ValueError(
            f"BatchRenormalization: momentum = {momentum}, epsilon = {epsilon}; momentum must be "
            "from 0 to below 1, epsilon above 0 and finite."
        )
