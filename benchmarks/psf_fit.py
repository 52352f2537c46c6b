"""An elliptical Moffat star and a flat sky fitted to stamps, independent of the simulator.

Levenberg-Marquardt on many stamps at once; the profile is integrated over every pixel with
3 x 3 Gauss-Legendre points. Positions are in pixels from the stamp's centre, x along columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_POINTS, _POINT_WEIGHTS = np.polynomial.legendre.leggauss(3)
_FLUX, _X, _Y, _AXX, _AXY, _AYY, _BETA, _SKY = range(8)
_FIRST_FWHM_PIX, _FIRST_BETA = 4.0, 3.5
_BETA_RANGE = (1.2, 20.0)
_MAX_ITERATIONS = 60
_CONVERGED = 1e-5  # a relative change of chi2 that no longer matters


@dataclass(frozen=True)
class Fits:
    """Fitted stars, arrays (stamp,); ``good`` is False where a fit did not converge.

    ``flux_adu`` is the integral of the profile over the whole plane; ``fwhm_pix`` the
    geometric mean of the axes before integration over pixels; ``chi2`` per degree of freedom.
    """

    flux_adu: np.ndarray
    x_pix: np.ndarray
    y_pix: np.ndarray
    fwhm_pix: np.ndarray
    beta: np.ndarray
    e1: np.ndarray
    e2: np.ndarray
    sky_adu: np.ndarray
    chi2: np.ndarray
    good: np.ndarray
    model_adu: np.ndarray  # (stamp, row, column)


def fit_stars(stamps_adu, gain_e_per_adu, read_noise_e) -> Fits:
    """Fit stamps (stamp, row, column) in ADU, NaN where masked."""
    stamps = np.asarray(stamps_adu, dtype=float)
    n, size = stamps.shape[:2]
    data = stamps.reshape(n, -1)
    used = np.isfinite(data)
    theta, damping = _first_guess(data, size), np.full(n, 1e-2)
    floor = (read_noise_e / gain_e_per_adu) ** 2
    done = np.zeros(n, dtype=bool)
    for _ in range(_MAX_ITERATIONS):
        rows = np.flatnonzero(~done)
        if not rows.size:
            break
        new, better, converged = _step(
            theta[rows], damping[rows], data[rows], used[rows], size, gain_e_per_adu, floor
        )
        theta[rows[better]] = new[better]
        damping[rows] = np.where(better, 0.2 * damping[rows], 8.0 * damping[rows])
        done[rows] = converged
    return _as_fits(theta, done, data, used, size, gain_e_per_adu, floor)


def _first_guess(data, size):
    border = np.ones((size, size), dtype=bool)
    border[2:-2, 2:-2] = False
    sky = np.nanmedian(data[:, border.ravel()], axis=1)
    scale = 0.5 * _FIRST_FWHM_PIX / np.sqrt(2.0 ** (1 / _FIRST_BETA) - 1.0)
    theta = np.zeros((len(data), 8))
    theta[:, _FLUX] = np.maximum(np.nansum(data - sky[:, None], axis=1), 1.0)
    theta[:, _AXX] = theta[:, _AYY] = scale**-2
    theta[:, _BETA], theta[:, _SKY] = _FIRST_BETA, sky
    return theta


def _step(theta, damping, data, used, size, gain, floor):
    """One trial step: new parameters, whether they are better, whether that is the end.

    Weights come from the model before the step, so that chi2 is compared with one weight.
    """
    model, slopes = moffat_stamps(theta, size, slopes=True)
    weight = used / (np.maximum(model, 0.0) / gain + floor)
    residual = np.where(used, data - model, 0.0)
    weighted = slopes * weight[:, :, None]
    normal = np.einsum("npi,npj->nij", weighted, slopes, optimize=True)
    gradient = np.einsum("npi,np->ni", weighted, residual, optimize=True)
    diagonal = np.einsum("nii->ni", normal)
    normal[:, range(8), range(8)] = diagonal * (1.0 + damping[:, None])
    new = theta + np.linalg.solve(normal, gradient[..., None])[..., 0]
    valid = _is_star(new, size)
    new = np.where(valid[:, None], new, theta)
    trial = np.where(used, data - moffat_stamps(new, size), 0.0)
    before, after = ((weight * r**2).sum(axis=1) for r in (residual, trial))
    better = valid & (after <= before)
    return new, better, better & (before - after < _CONVERGED * before)


def _is_star(theta, size):
    determinant = theta[:, _AXX] * theta[:, _AYY] - theta[:, _AXY] ** 2
    low, high = _BETA_RANGE
    inside = np.abs(theta[:, [_X, _Y]]).max(axis=1) < 0.5 * size
    return (
        (determinant > 0)
        & (theta[:, _AXX] > 0)
        & (theta[:, _FLUX] > 0)
        & inside
        & ((theta[:, _BETA] > low) & (theta[:, _BETA] < high))
    )


def moffat_stamps(theta, size, *, slopes=False):
    """Stamps (stamp, pixel) of parameters (stamp, 8), and their derivatives if asked for."""
    axis = np.arange(size) - 0.5 * (size - 1)
    y_grid, x_grid = (g.ravel() for g in np.meshgrid(axis, axis, indexing="ij"))
    flux, x0, y0, axx, axy, ayy, beta, sky = theta.T[:, :, None]
    determinant = axx * ayy - axy**2
    peak = (beta - 1.0) / np.pi * np.sqrt(determinant)
    sums = np.zeros((7 if slopes else 1, len(theta), size * size))
    for px, wx in zip(0.5 * _POINTS, 0.5 * _POINT_WEIGHTS, strict=True):
        for py, wy in zip(0.5 * _POINTS, 0.5 * _POINT_WEIGHTS, strict=True):
            dx, dy = x_grid + px - x0, y_grid + py - y0
            logarithm = np.log1p(axx * dx**2 + 2 * axy * dx * dy + ayy * dy**2)
            value = wx * wy * peak * np.exp(-beta * logarithm)
            sums[0] += value
            if slopes:
                outer = -beta * value * np.exp(-logarithm)
                _add_slopes(sums, outer, value, logarithm, dx, dy, axx, axy, ayy)
    model = flux * sums[0] + sky
    if not slopes:
        return model
    return model, _all_slopes(sums, flux, axx, axy, ayy, beta, determinant)


def _add_slopes(sums, outer, value, logarithm, dx, dy, axx, axy, ayy):
    sums[1] -= outer * 2 * (axx * dx + axy * dy)
    sums[2] -= outer * 2 * (axy * dx + ayy * dy)
    sums[3] += outer * dx**2
    sums[4] += outer * 2 * dx * dy
    sums[5] += outer * dy**2
    sums[6] -= value * logarithm


def _all_slopes(sums, flux, axx, axy, ayy, beta, determinant):
    """Derivatives by all eight parameters, with those of the normalisation."""
    unit = sums[0]
    return np.stack(
        (
            unit,
            flux * sums[1],
            flux * sums[2],
            flux * (sums[3] + unit * 0.5 * ayy / determinant),
            flux * (sums[4] - unit * axy / determinant),
            flux * (sums[5] + unit * 0.5 * axx / determinant),
            flux * (sums[6] + unit / (beta - 1.0)),
            np.ones_like(unit),
        ),
        axis=-1,
    )


def _as_fits(theta, good, data, used, size, gain, floor):
    flux, x, y, axx, axy, ayy, beta, sky = theta.T
    determinant = axx * ayy - axy**2
    fwhm = 2.0 * determinant**-0.25 * np.sqrt(2.0 ** (1.0 / beta) - 1.0)
    # e = (a - b)/(a + b) of the inverse of A; its trace and determinant give both axes
    root = np.sqrt(determinant)
    total = axx + ayy + 2.0 * root
    model = moffat_stamps(theta, size)
    variance = np.maximum(model, 0.0) / gain + floor
    chi2 = np.where(used, (data - model) ** 2 / variance, 0.0).sum(axis=1)
    return Fits(
        flux,
        x,
        y,
        fwhm,
        beta,
        (ayy - axx) / total,
        -2.0 * axy / total,
        sky,
        chi2 / np.maximum(used.sum(axis=1) - 8, 1),
        good,
        model.reshape(-1, size, size),
    )
