"""Kernels of the difference of two whole images whose noise may be correlated.

The equations are those of `simulator.difference.kernels`, with the measured noise spectra in the
place of the variances, as for stacks of matched images (package sfft, `DeCorrelationCalculator`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulator.difference.convolution import half_width
from simulator.difference.kernels import MAX_HALF_PIX, POINT, TAPERED

_LOST_SHARE = 2e-3
_FLOORS = 4.0  # noise floors of a measured PSF in the point that is added to the narrower one
_LEAST_POWER = 0.02  # of the mean: floor of a measured noise spectrum


class Noise(NamedTuple):
    """Noise of an image: variance per pixel, and correlation of pixels by their separation."""

    variance: float
    correlation: np.ndarray  # odd and square, 1 in the centre

    def spectrum(self, size: int) -> np.ndarray:
        """Power on a grid of frequencies, whose mean is the variance."""
        power = on_grid(self.correlation, size).real
        power = np.maximum(power, _LEAST_POWER * power.mean())
        return self.variance * power / power.mean()


def white(noise: Noise) -> Noise:
    """White noise of the same variance."""
    return Noise(noise.variance, np.ones((1, 1)))


def correlation_of_mean(kernels: list[np.ndarray], sigmas: list[float], half: int) -> Noise:
    """Noise of the mean of images of white noise, each convolved with a kernel.

    Parameters
    ----------
    kernels : list of arrays, odd and square
    sigmas : list of float
        Noise of each image before its convolution.
    half : int
        Largest separation.
    """
    size = grid_size(max(k.shape[0] for k in kernels), 2 * half + 1)
    power = (
        sum(s**2 * np.abs(on_grid(k, size)) ** 2 for k, s in zip(kernels, sigmas, strict=True))
        / len(kernels) ** 2
    )
    covariance = centred(np.fft.ifft2(power).real, half)
    return Noise(float(covariance[half, half]), covariance / covariance[half, half])


class Pair(NamedTuple):
    """Kernels of a difference, D = science * s - template * t; see `kernel_pair`."""

    science: np.ndarray
    template: np.ndarray
    psf: np.ndarray | None  # of the difference, for a source of flux 1 in the science image
    spectrum: np.ndarray  # of the noise of the difference

    def neighbour_correlation(self) -> tuple[float, float]:
        """Expected correlation of the noise of neighbours along columns (x) and rows (y)."""
        covariance = np.fft.ifft2(self.spectrum).real
        return covariance[0, 1] / covariance[0, 0], covariance[1, 0] / covariance[0, 0]

    def noise_factor(self) -> float:
        """Variance of a PSF flux over that in white noise of the same variance."""
        if self.psf is None:
            return 1.0
        signal = np.abs(on_grid(self.psf, self.spectrum.shape[0])) ** 2
        return float((self.spectrum * signal).mean() / self.spectrum.mean() / signal.mean())


def kernel_pair(
    matching: tuple[np.ndarray, np.ndarray],
    psf_science: np.ndarray | None,
    noise: tuple[Noise, Noise],
    *,
    whitened: tuple[Noise, Noise] | None,
) -> Pair:
    """Kernels of an Alard-Lupton difference.

    Parameters
    ----------
    matching : (kernel of the science image, kernel of the template)
        One of them is a point.
    psf_science : array or None
        PSF image of the science image.
    noise : (Noise of the science image, Noise of the template)
        From which the noise of the difference follows.
    whitened : (Noise, Noise) or None
        Noise that becomes white by a third kernel in the difference; None for no such kernel.
    """
    largest = max(each.shape[0] for each in matching)
    size = grid_size(largest, largest)
    spectra = [on_grid(kernel, size) for kernel in matching]
    phi = np.ones((size, size))
    if whitened is not None:
        powers = [n.spectrum(size) for n in whitened]
        power = sum(p * np.abs(s) ** 2 for p, s in zip(powers, spectra, strict=True))
        phi = np.sqrt(power.flat[0] / power)
    return _pair([phi * s for s in spectra], psf_science, noise)


def zogy_pair(
    psf_science: np.ndarray,
    psf_template: np.ndarray,
    flux_ratio: float,
    noise: tuple[Noise, Noise],
    *,
    whitened: tuple[Noise, Noise],
) -> Pair:
    """Kernels of the difference of Zackay, Ofek & Gal-Yam (2016, eq. 13), in science units.

    ``flux_ratio`` is the flux of a source in the science image over that in the template; the
    others are those of `kernel_pair`.
    """
    largest = max(psf_science.shape[0], psf_template.shape[0])
    size = grid_size(largest, largest)
    spectra = [on_grid(_tapered(p), size) for p in (psf_science, psf_template)]
    point = max(POINT, *(_FLOORS * _noise_floor(spectrum) for spectrum in spectra))
    narrower = int((psf_template**2).sum() > (psf_science**2).sum())
    spectra[narrower] = spectra[narrower] + point
    p_s, p_t = spectra
    power_s, power_t = (n.spectrum(size) for n in whitened)
    root = np.sqrt(power_s * np.abs(p_t) ** 2 + power_t * flux_ratio**2 * np.abs(p_s) ** 2)
    scale = np.abs(root.flat[0] / p_t.flat[0])
    return _pair([scale * p_t / root, scale * flux_ratio * p_s / root], psf_science, noise)


def _noise_floor(spectrum):
    """Median amplitude of a PSF's spectrum in the corner of the highest frequencies."""
    size = spectrum.shape[0]
    high = slice(3 * size // 8, 5 * size // 8 + 1)
    return float(np.median(np.abs(spectrum[high, high])))


def _pair(spectra, psf_science, noise):
    size = spectra[0].shape[0]
    kernels = [_cropped(spectrum) for spectrum in spectra]
    power = sum(
        n.spectrum(size) * np.abs(on_grid(k, size)) ** 2
        for n, k in zip(noise, kernels, strict=True)
    )
    psf = None
    if psf_science is not None:
        product = on_grid(psf_science, size) * on_grid(kernels[0], size)
        psf = centred(np.fft.ifft2(product).real, psf_science.shape[0] // 2)
    return Pair(*kernels, psf, power)


def _cropped(spectrum):
    """The kernel of a spectrum without its empty borders; its sum stays."""
    full = centred(np.fft.ifft2(spectrum).real, min(spectrum.shape[0] // 2 - 1, MAX_HALF_PIX))
    half, centre = half_width(full, _LOST_SHARE), full.shape[0] // 2
    kernel = full[centre - half : centre + half + 1, centre - half : centre + half + 1]
    return kernel * (spectrum.flat[0].real / kernel.sum())


def _tapered(psf):
    """A PSF image that ends smoothly, by a cosine over its outer half."""
    centre = psf.shape[0] // 2
    y, x = np.mgrid[-centre : centre + 1, -centre : centre + 1]
    u = np.clip((np.hypot(x, y) / max(centre, 1) - TAPERED) / (1 - TAPERED), 0, 1)
    return psf * (0.5 * (1 + np.cos(np.pi * u)))


def grid_size(*widths: int) -> int:
    """A power of two that holds the convolution of images of these widths."""
    return max(64, 1 << int(np.ceil(np.log2(sum(widths)))))


def on_grid(image: np.ndarray, size: int) -> np.ndarray:
    """Spectrum of an odd image on a grid, its centre at the first pixel."""
    half = image.shape[0] // 2
    wide = np.zeros((size, size))
    wide[: image.shape[0], : image.shape[1]] = image
    return np.fft.fft2(np.roll(wide, (-half, -half), (0, 1)))


def centred(grid_image: np.ndarray, half: int) -> np.ndarray:
    """The odd image of a half width about the first pixel of a grid."""
    rolled = np.roll(grid_image, (half, half), (0, 1))
    return rolled[: 2 * half + 1, : 2 * half + 1]
