"""Slow and obvious twins of the kernels, in NumPy and plain Python.

Stamps are (row, column); positions are in pixels from the stamp's centre, x along columns.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import kstwobign, norm, poisson

from simulator.detector.noise import add_noise
from simulator.rng import Purpose, key_words

_POINTS, _WEIGHTS = (half / 2 for half in np.polynomial.legendre.leggauss(12))


def philox_words(counter, key):
    """Philox 4x32-10 in Python's own integers: four words of a counter (4) and a key (2)."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 % 2**32, (p0 >> 32) ^ c3 ^ k1, p0 % 2**32
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return c0, c1, c2, c3


def pixel_integrals(size_pix, surface, *, cuts=2):
    """Integral of ``surface(x, y)`` over every pixel: 12 x 12 Gauss points in cuts^2 parts."""
    parts = (np.arange(cuts) - 0.5 * (cuts - 1)) / cuts
    inside = (parts[:, None] + _POINTS / cuts).ravel()
    weights = np.tile(_WEIGHTS / cuts, cuts)
    axis = ((np.arange(size_pix) - 0.5 * (size_pix - 1))[:, None] + inside).ravel()
    y, x = np.meshgrid(axis, axis, indexing="ij")
    fine = surface(x, y).reshape(size_pix, inside.size, size_pix, inside.size)
    return np.einsum("ajbk,j,k->ab", fine, weights, weights)


def quadratic_form(x, y, cxx, cxy, cyy):
    """(x, y) C^-1 (x, y) of a covariance C."""
    inverse = np.linalg.inv([[cxx, cxy], [cxy, cyy]])
    return inverse[0, 0] * x**2 + 2 * inverse[0, 1] * x * y + inverse[1, 1] * y**2


def gaussian_stamp(size_pix, *, flux_e, x_pix, y_pix, cxx, cxy, cyy):
    """A Gaussian of covariance C integrated over pixels."""
    peak = flux_e / (2 * np.pi * np.sqrt(cxx * cyy - cxy**2))

    def surface(x, y):
        return peak * np.exp(-0.5 * quadratic_form(x - x_pix, y - y_pix, cxx, cxy, cyy))

    return pixel_integrals(size_pix, surface)


def moffat_stamp(size_pix, *, flux_e, x_pix, y_pix, beta, cxx, cxy, cyy):
    """A Moffat profile (1 + r^2)^-beta of the ellipse C integrated over pixels."""
    peak = flux_e * (beta - 1) / (np.pi * np.sqrt(cxx * cyy - cxy**2))

    def surface(x, y):
        return peak * (1 + quadratic_form(x - x_pix, y - y_pix, cxx, cxy, cyy)) ** -beta

    return pixel_integrals(size_pix, surface)


def bled(electrons, full_well_e):
    """One packet of charge after the other, half of it up and half of it down its column.

    Returns the electrons and which pixels are saturated: above the full well, or filled
    while charge went on.
    """
    held = np.minimum(electrons, full_well_e).astype(float)
    saturated = electrons > full_well_e
    for step in (1, -1):
        for row, column in zip(*np.nonzero(electrons > full_well_e), strict=True):
            left = 0.5 * (electrons[row, column] - full_well_e)
            row += step
            while left > 0 and 0 <= row < len(held):
                taken = min(left, full_well_e - held[row, column])
                held[row, column] += taken
                left -= taken
                saturated[row, column] |= left > 0
                row += step
    return held, saturated


def lanczos_kernel(distance_pix, order):
    """sinc(x) sinc(x / order) within ``order`` pixels."""
    x = np.asarray(distance_pix, dtype=float)
    return np.where(np.abs(x) < order, np.sinc(x) * np.sinc(x / order), 0.0)


def central_moments(mean_e, read_noise_e):
    """Central moments 0 to 6 of Poisson plus Gaussian noise, from their cumulants.

    All cumulants of a Poisson distribution are its mean; a Gaussian adds to the second.
    """
    k2, k = mean_e + read_noise_e**2, mean_e
    return np.array(
        [1, 0, k2, k, k + 3 * k2**2, k + 10 * k * k2, k + 15 * k * k2 + 10 * k**2 + 15 * k2**3]
    )


def moment_deviations(recorded, mean_e, read_noise_e):
    """Mean, variance and skewness of a sample less the exact ones, in their sampling errors.

    Errors of order n^-1/2 from the exact moments (Kendall & Stuart, The Advanced Theory of
    Statistics 1, chapter 10).
    """
    n = recorded.size
    _, _, m2, m3, m4, m5, m6 = central_moments(mean_e, read_noise_e)
    residual = recorded - recorded.mean(dtype=float)
    variance = np.mean(residual**2)
    skewness = np.mean(residual**3) / variance**1.5
    skewness_error2 = (
        4 * m2**2 * m6
        - 12 * m2 * m3 * m5
        - 24 * m2**3 * m4
        + 9 * m3**2 * m4
        + 35 * m2**2 * m3**2
        + 36 * m2**5
    ) / (4 * m2**5)
    return (
        (recorded.mean(dtype=float) - mean_e) / np.sqrt(m2 / n),
        (variance - m2) / np.sqrt((m4 - m2**2) / n),
        (skewness - m3 / m2**1.5) / np.sqrt(skewness_error2 / n),
    )


def recorded_electrons(mean_e, read_noise_e, *, n, seed, pixels=4096):
    """``n`` pixels of one expected level through the kernel, a stamp of ``pixels`` per object."""
    stamps = []
    for i in range(-(-n // pixels)):
        stamp = np.full(pixels, mean_e, dtype=np.float32)
        counter = (np.uint32(i), np.uint32(0), np.uint32(Purpose.NOISE << 24), np.uint32(0))
        add_noise(stamp, read_noise_e, counter, key_words(seed))
        stamps.append(stamp)
    return np.concatenate(stamps)[:n].astype(float)


def exact_cdf(electrons, mean_e, read_noise_e):
    """P(recorded <= electrons) of Poisson counts plus Gaussian read noise."""
    if read_noise_e == 0:
        return poisson.cdf(electrons, mean_e)
    reach = 8 * np.sqrt(mean_e + 1)
    counts = np.arange(max(int(mean_e - reach), 0), int(mean_e + reach) + 20)
    grid = np.linspace(electrons.min(), electrons.max(), 20_000)
    terms = poisson.pmf(counts, mean_e) @ norm.cdf((grid - counts[:, None]) / read_noise_e)
    return np.interp(electrons, grid, terms)


def kolmogorov_smirnov(recorded, mean_e, read_noise_e):
    """(D, p) of a sample; for whole counts D is over the counts and p too cautious."""
    values, counts = np.unique(recorded, return_counts=True)
    exact = exact_cdf(values, mean_e, read_noise_e)
    above = np.cumsum(counts) / recorded.size
    distance = np.abs(above - exact).max()
    if read_noise_e > 0:
        distance = max(distance, np.abs(above - counts / recorded.size - exact).max())
    return distance, kstwobign.sf(distance * np.sqrt(recorded.size))
