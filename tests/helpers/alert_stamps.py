"""Stamps of one alert: science, template and difference images with a few stars."""

import numpy as np

SIZE, NOISE_ADU, SKY_ADU = 63, 8.0, 200.0
NEIGHBOURS = ((14, -18, 2e4), (-20, 9, 3e4), (-16, -20, 1.5e4))
CLASSES = ("SN", "AST", "variable_star", "BOGUS")


def star(flux_adu, row=0.0, column=0.0, fwhm=2.5, fwhm_along=None):
    """A Gaussian star, or one drawn out along the columns."""
    pixels = np.arange(SIZE) - SIZE // 2
    sigmas = np.array([fwhm, fwhm_along or fwhm]) / 2.3548
    r2 = ((pixels[:, None] - row) / sigmas[0]) ** 2 + ((pixels - column) / sigmas[1]) ** 2
    return flux_adu * np.exp(-r2 / 2) / (2 * np.pi * sigmas.prod())


def stamps(new, before=0.0, *, seed=0, neighbours=NEIGHBOURS):
    """Science, template and difference counts: what was there, and what is new."""
    rng = np.random.default_rng(seed)
    template = before + sum(star(flux, row, column) for row, column, flux in neighbours)
    noise = rng.normal(0, NOISE_ADU, (2, SIZE, SIZE))
    science = template + new + SKY_ADU + noise[0]
    return np.stack([science, template + SKY_ADU + 0.3 * noise[1], new + noise[0]])
