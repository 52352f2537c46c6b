"""Light curves to test with: a few exposures a night over some nights, as HiTS took them."""

import numpy as np

_DAY_GRID = 2.0**-20  # 0.08 s: times of this grid can be shifted without rounding


def random_curve(rng, n_points=None):
    """Times [MJD], magnitudes and errors (point,): noise, a sine, a trend or an outburst."""
    n_points = int(rng.integers(5, 61)) if n_points is None else n_points
    nights = rng.choice(np.arange(60), int(rng.integers(2, 13)), replace=False)
    time = np.empty(0)
    while time.size < n_points:
        drawn = 57070 + rng.choice(nights, n_points) + rng.uniform(0.0, 0.3, n_points)
        time = np.unique(np.rint(drawn / _DAY_GRID) * _DAY_GRID)
    error = rng.uniform(0.01, 0.1, n_points)
    days = time - time.mean()
    shape = (
        np.zeros(n_points),
        rng.uniform(0.1, 1.0) * np.sin(2 * np.pi * days / rng.uniform(0.2, 3.0)),
        rng.uniform(-0.2, 0.2) * days,
        -2.0 * np.exp(-0.5 * (days / 5.0) ** 2),
    )[rng.integers(4)]
    return time, 20.0 + shape + error * rng.normal(size=n_points), error


def padded(curves, width):
    """Curves as one batch: times, magnitudes, errors (curve, width) and n_points (curve,)."""
    batch = np.full((3, len(curves), width), np.nan)
    for i, curve in enumerate(curves):
        batch[:, i, : curve[0].size] = curve
    return *batch, np.array([curve[0].size for curve in curves])
