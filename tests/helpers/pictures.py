"""One stamp of a star or a galaxy, drawn by the simulator and drawn by GalSim.

Both are arrays (row, column) of expected electrons. Where conventions differ, they are
translated here and nowhere else: our ellipticity is GalSim's reduced shear g, our sizes are
geometric means of the half-light axes, and a bulge has 0.4 of its disc's ellipticity.
"""

from __future__ import annotations

from dataclasses import dataclass

import galsim
import numpy as np

from simulator.gaussian_mixture import pixel_centres
from simulator.psf.psf import MOFFAT, Psf
from simulator.scene.render import Scene, render
from simulator.scene.sersic import sersic

# GalSim's defaults keep 0.5 % of the flux folded back; these let it judge 0.2 %.
ACCURATE = galsim.GSParams(folding_threshold=3e-4, maxk_threshold=3e-4, maximum_fft_size=16384)
_BULGE_ROUNDNESS = 0.4


@dataclass(frozen=True)
class Picture:
    """One source of unit flux: a star, or with ``bulge_fraction`` a galaxy."""

    fwhm_pix: float = 4.0
    beta: float = 3.0
    psf_e1: float = 0.0
    psf_e2: float = 0.0
    x_pix: float = 0.0
    y_pix: float = 0.0
    bulge_fraction: float | None = None
    bulge_pix: float = 2.0
    disc_pix: float = 2.0
    e1: float = 0.0
    e2: float = 0.0


def moffat_psf(fwhm_pix, beta=3.0, e1=0.0, e2=0.0) -> Psf:
    """Moffat PSFs; arguments broadcast to (object, epoch)."""
    shapes = np.broadcast_arrays(
        *(np.atleast_2d(v).astype(float) for v in (fwhm_pix, beta, e1, e2))
    )
    fwhm, beta, e1, e2 = (np.array(values) for values in shapes)
    none, index = np.zeros(1), np.zeros(fwhm.shape, dtype=np.int64)
    images = np.zeros((1, 4, 4), dtype=np.float32)
    return Psf(MOFFAT, fwhm, beta, e1, e2, none, none, index, np.ones(fwhm.shape), images, 1)


def scene(n_objects=1, n_exposures=1, **given) -> Scene:
    """A scene without light, but for what is given; values broadcast to their shapes."""
    per_epoch = (n_objects, n_exposures)
    n_places = np.shape(given.get("neighbour_x_pix", np.zeros((1, 1))))[-1]
    shapes = dict.fromkeys(Scene._fields, per_epoch)
    shapes |= {"n_epochs": (n_objects,), "trail_angle_rad": (n_objects,), "host": (n_objects, 7)}
    shapes |= {"n_neighbours": (n_objects,), "neighbour_e": (*per_epoch, n_places)}
    shapes |= dict.fromkeys(("neighbour_x_pix", "neighbour_y_pix"), (n_objects, n_places))
    given = {"n_epochs": n_exposures} | given
    filled = {
        name: np.array(np.broadcast_to(given.get(name, 0.0), shape), dtype=float, order="C")
        for name, shape in shapes.items()
    }
    whole = {name: filled[name].astype(np.int64) for name in ("n_epochs", "n_neighbours")}
    return Scene(**(filled | whole))


def rendered(one_scene, psf, size_pix, *, i=0, epoch=0):
    """Expected electrons of one exposure, (row, column) in float64."""
    image = np.empty(size_pix**2, dtype=np.float32)
    grid = (*pixel_centres(size_pix), size_pix)
    render(image, grid, one_scene, psf, i, epoch, sersic(1), sersic(4))
    return image.reshape(size_pix, size_pix).astype(float)


def kernel_arguments(picture: Picture):
    """The scene and the PSF of a picture, as the kernels take them."""
    p = picture
    psf = moffat_psf(p.fwhm_pix, p.beta, p.psf_e1, p.psf_e2)
    if p.bulge_fraction is None:
        return scene(x_pix=p.x_pix, y_pix=p.y_pix, source_e=1.0), psf
    host = [0.0, 0.0, p.bulge_fraction, p.bulge_pix, p.disc_pix, p.e1, p.e2]
    return scene(x_pix=p.x_pix, y_pix=p.y_pix, host=host, host_e=1.0), psf


def ours(picture: Picture, size_pix=21):
    """The picture as the simulator draws it."""
    return rendered(*kernel_arguments(picture), size_pix)


def galsims(picture: Picture, size_pix=21, parameters=ACCURATE):
    """The picture as GalSim draws it."""
    psf = galsim.Moffat(beta=picture.beta, fwhm=picture.fwhm_pix)
    light = psf.shear(g1=picture.psf_e1, g2=picture.psf_e2)
    if picture.bulge_fraction is not None:
        light = galsim.Convolve(light, _galaxy(picture))
    light = light.withGSParams(parameters)
    return drawn_by_galsim(light, picture.x_pix, picture.y_pix, size_pix)


def drawn_by_galsim(light, x_pix, y_pix, size_pix):
    """A GalSim object, integrated over pixels."""
    image = light.drawImage(nx=size_pix, ny=size_pix, scale=1.0, offset=(x_pix, y_pix), dtype=float)
    return image.array


def _galaxy(picture):
    parts = []
    if picture.bulge_fraction < 1.0:
        parts.append(_sersic(1, picture.disc_pix, 1.0 - picture.bulge_fraction, picture, 1.0))
    if picture.bulge_fraction > 0.0:
        parts.append(
            _sersic(4, picture.bulge_pix, picture.bulge_fraction, picture, _BULGE_ROUNDNESS)
        )
    return galsim.Sum(parts)


def _sersic(n, half_light_pix, flux, picture, roundness):
    round_one = galsim.Sersic(n, half_light_radius=half_light_pix, flux=flux)
    return round_one.shear(g1=roundness * picture.e1, g2=roundness * picture.e2)


def disagreement(image, judge):
    """(largest pixel error over the peak, error of the total flux) of an image and its judge."""
    peak_error = np.abs(image - judge).max() / judge.max()
    return peak_error, abs(image.sum() / judge.sum() - 1.0)
