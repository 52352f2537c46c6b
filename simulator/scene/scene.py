"""Everything the pixels of a batch need, as plain arrays in pixels and electrons."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# columns of Scene.host: where the host's centre is from the source, and its two components
HOST_X, HOST_Y, BULGE_FRACTION, BULGE_PIX, DISC_PIX, HOST_E1, HOST_E2 = range(7)

MOFFAT, MIXTURE, LIBRARY = 0, 1, 2
_SYMMETRIC = np.zeros((0, 0))


class Psf(NamedTuple):
    """The PSF of every exposure: width and shape, and how its profile is drawn.

    ``kind`` is MOFFAT (``beta`` per exposure), MIXTURE (one profile of Gaussians with
    ``weights`` and ``scales`` in units of FWHM^2) or LIBRARY (``index`` into ``images``,
    stretched; hosts see the Moffat profile closest to it). Only Moffat stars are lopsided: see
    `simulator.psf.moffat.add_moffat`.
    """

    kind: int
    fwhm_pix: np.ndarray  # (object, epoch)
    beta: np.ndarray  # (object, epoch)
    e1: np.ndarray  # (object, epoch)
    e2: np.ndarray  # (object, epoch)
    weights: np.ndarray  # (component,)
    scales: np.ndarray  # (component,)
    index: np.ndarray  # (object, epoch)
    stretch: np.ndarray  # (object, epoch)
    images: np.ndarray  # (psf, row, column)
    oversampling: int
    lopsided_x: np.ndarray = _SYMMETRIC  # (object, epoch), per FWHM; empty: none
    lopsided_y: np.ndarray = _SYMMETRIC


def noise_pixels(psf: Psf):
    """Pixels whose noise a PSF-weighted measurement takes in, (object, epoch).

    The inverse integral of the squared profile: pi a^2 (2 beta - 1)/(beta - 1)^2 for a Moffat
    profile, the sum over pairs of Gaussians for a mixture; the pixel adds pi/3, as it adds
    1/12 to the variance of a Gaussian.
    """
    if psf.kind == MIXTURE:
        pairs = psf.weights[:, None] * psf.weights
        inverse = (pairs / (2 * np.pi * (psf.scales[:, None] + psf.scales))).sum()
        return psf.fwhm_pix**2 / inverse + np.pi / 3
    a2 = psf.fwhm_pix**2 / (4 * (2 ** (1 / psf.beta) - 1))
    return np.pi * a2 * (2 * psf.beta - 1) / (psf.beta - 1) ** 2 + np.pi / 3


class Scene(NamedTuple):
    """The light that falls on a batch of stamps; positions from the stamp's centre."""

    n_epochs: np.ndarray  # (object,)
    x_pix: np.ndarray  # (object, epoch): of the source, and with it of the whole scene
    y_pix: np.ndarray  # (object, epoch)
    source_e: np.ndarray  # (object, epoch)
    trail_pix: np.ndarray  # (object, epoch)
    trail_angle_rad: np.ndarray  # (object,)
    host: np.ndarray  # (object, 7): the columns named above
    host_e: np.ndarray  # (object, epoch)
    n_neighbours: np.ndarray  # (object,)
    neighbour_x_pix: np.ndarray  # (object, neighbour), from the source
    neighbour_y_pix: np.ndarray  # (object, neighbour)
    neighbour_e: np.ndarray  # (object, epoch, neighbour)
    background_e: np.ndarray  # (object, epoch): sky and dark current, per pixel
