"""Stars of known flux on noisy stamps, drawn by GalSim, for photometry to find."""

from __future__ import annotations

import galsim
import numpy as np

from classifier.photometry import PsfModel
from classifier.stamp_batch import StampBatch
from simulator.psf.psf import MIXTURE
from survey_profiles import load_profile

SIZE_PIX = 21
GAIN_E_PER_ADU, READ_NOISE_E, SKY_ADU = 3.95, 5.97, 110.0
SEEING_PIX = 4.0
NJY_ZERO_POINT_MAG = 31.4  # at which one count per second is 1 nJy


def hits_psf() -> PsfModel:
    return PsfModel.of(load_profile("hits"))


def draw(psf, seeing_pix=SEEING_PIX, *, x=0.0, y=0.0, ln_width=0.0, ln_beta=0.0, galaxy=None):
    """One star of flux one, (row, column), with the shape that ``psf`` expects; or a galaxy."""
    expected = psf.expected(np.array([[seeing_pix]]))
    fwhm = float(expected.fwhm_pix[0, 0]) * np.exp(ln_width)
    if psf.survey.kind == MIXTURE:
        profile = galsim.Kolmogorov(fwhm=fwhm)
    else:
        profile = galsim.Moffat(beta=float(expected.beta[0, 0]) * np.exp(ln_beta), fwhm=fwhm)
    profile = profile.shear(g1=psf.e1, g2=psf.e2)  # (a - b)/(a + b), as ours
    if galaxy is not None:
        profile = galsim.Convolve(profile, galaxy)
    image = profile.shift(x, y).drawImage(nx=SIZE_PIX, ny=SIZE_PIX, scale=1.0, dtype=float)
    return image.array


def draw_many(psf, n, seed, *, shapes=True):
    """Stars of flux one (star, row, column) within half a pixel of the centre.

    With ``shapes`` their widths and betas scatter as the survey's do.
    """
    rng = np.random.default_rng(seed)
    width_scatter, beta_scatter = (psf.width_scatter, psf.beta_scatter) if shapes else (0, 0)
    drawn = zip(
        rng.uniform(-0.5, 0.5, (n, 2)),
        rng.normal(0, width_scatter, n),
        rng.normal(0, beta_scatter, n),
        strict=True,
    )
    return np.stack([draw(psf, x=x, y=y, ln_width=w, ln_beta=b) for (x, y), w, b in drawn])


def expose(expected_adu, rng):
    """Counts for expected light without sky: Poisson and read noise, whole numbers."""
    electrons = rng.poisson(GAIN_E_PER_ADU * (expected_adu + SKY_ADU))
    electrons = electrons + rng.normal(0.0, READ_NOISE_E, expected_adu.shape)
    return np.rint(electrons / GAIN_E_PER_ADU).astype(np.float32)


def flux_of(profile, signal_to_noise):
    """Counts of a star that an ideal measurement finds at this signal to noise."""
    empty = SKY_ADU / GAIN_E_PER_ADU + (READ_NOISE_E / GAIN_E_PER_ADU) ** 2
    flux = signal_to_noise * np.sqrt(empty / (profile**2).sum())
    for _ in range(50):
        variance = empty + flux * profile / GAIN_E_PER_ADU
        flux = signal_to_noise / np.sqrt((profile**2 / variance).sum())
    return flux


def as_stamps(images, *, seeing_pix=SEEING_PIX, **changes) -> StampBatch:
    """Images (object, epoch, row, column) as Stamps of one second at 1 nJy a count."""
    n, n_epochs = images.shape[:2]
    ones = np.ones((n, n_epochs))
    arrays = {
        "images_adu": np.asarray(images, dtype=np.float32),
        "saturated": np.zeros((n, n_epochs), dtype=bool),
        "n_epochs": np.full(n, n_epochs, dtype=np.int16),
        "mjd": 57000.0 + ones * np.arange(n_epochs),
        "band": np.zeros((n, n_epochs), dtype=np.uint8),
        "exposure_time_s": ones.astype(np.float32),
        "seeing_fwhm_pix": (ones * seeing_pix).astype(np.float32),
        "sky_adu": np.full((n, n_epochs), SKY_ADU, dtype=np.float32),
        "zero_point_mag": np.full((n, n_epochs), NJY_ZERO_POINT_MAG, dtype=np.float32),
        "gain_e_per_adu": np.full(n, GAIN_E_PER_ADU, dtype=np.float32),
        "read_noise_e": np.full(n, READ_NOISE_E, dtype=np.float32),
        "assumed_fwhm_pix": np.full(n, SEEING_PIX, dtype=np.float32),
    }
    return StampBatch(**{**arrays, **changes})


def noiseless(psf, flux_adu=5e4, **shape) -> StampBatch:
    """One star without noise."""
    return as_stamps((flux_adu * draw(psf, **shape) + SKY_ADU)[None, None])
