"""Difference images: speed on stamps beside NumPy and SciPy, real DECam images, completeness.

Run from the repository root: ``python -m benchmarks.difference``; with ``--real DIR`` the folder
of the DECam set of the package sfft (Hu et al. 2022) is used too. One core. The peer does the same
steps on the same stamps: kernels from both PSFs, difference, noise of every pixel, matched filter.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np
from astropy.io import fits
from numba import njit
from scipy.optimize import curve_fit
from scipy.signal import fftconvolve, oaconvolve
from scipy.stats import norm

from benchmarks.machine import describe_machine
from simulator.difference.background import background_sigma, source_free
from simulator.difference.detection import detect_stamp
from simulator.difference.image_difference import subtract_images
from simulator.difference.images import Image
from simulator.difference.kernels import DECORRELATED, ZOGY
from simulator.difference.sources import detect_sources
from simulator.difference.subtraction import stamp_workspace, subtract_stamp
from simulator.difference.whitening import correlation_of_mean, kernel_pair
from tests.helpers.difference_images import moffat_star

EPOCHS, OBJECT_EPOCHS, REPEATS = 400, 20, 5
PSF_SIZE = 25
TEMPLATE_FWHM, SCIENCE_FWHM = 2.2, (1.9, 2.9)  # pixels of ZTF
SIGMAS = 15.0, 4.0
NEAR_PIX = 3.0  # searched around the centre
GAIN_E_PER_ADU = 3.98  # of the DECam exposures
GROUPS = "04", "18"  # of these: science, template


def stamps_of(size, seed=1):
    """Science, template and PSF images of many epochs; templates change with every object."""
    rng = np.random.default_rng(seed)
    widths = rng.uniform(*SCIENCE_FWHM, EPOCHS)
    science = np.empty((EPOCHS, size, size), np.float32)
    template = np.empty_like(science)
    psfs = np.empty((2, EPOCHS, PSF_SIZE, PSF_SIZE), np.float32)
    for i, fwhm in enumerate(widths):
        own = TEMPLATE_FWHM + 0.01 * (i // OBJECT_EPOCHS)
        psfs[0, i] = moffat_star(PSF_SIZE, fwhm)
        psfs[1, i] = moffat_star(PSF_SIZE, own, beta=3.0)
        science[i] = moffat_star(size, fwhm, flux=5000) + rng.normal(0, SIGMAS[0], (size, size))
        template[i] = moffat_star(size, own, beta=3.0, flux=3000)
        template[i] += rng.normal(0, SIGMAS[1], (size, size))
    return science, template, psfs


@njit(nogil=True)
def ours(science, template, psfs, method, radius, work, out):
    """Difference and detection of every epoch."""
    size = science.shape[1]
    v_s = np.full((size, size), np.float32(SIGMAS[0] ** 2))
    v_t = np.full((size, size), np.float32(SIGMAS[1] ** 2))
    good, mask = np.zeros((size, size), np.uint8), np.zeros((size, size), np.uint8)
    difference = np.zeros((size, size), np.float32)
    variance = np.zeros((size, size), np.float32)
    psf = np.zeros((psfs.shape[2], psfs.shape[2]), np.float32)
    for i in range(science.shape[0]):
        factor = subtract_stamp(
            science[i],
            v_s,
            good,
            template[i],
            v_t,
            good,
            psfs[0, i],
            psfs[1, i],
            method,
            difference,
            variance,
            mask,
            psf,
            work,
        )
        found = detect_stamp(difference, variance, mask, psf, factor, 5.0, radius, work)
        out[i] = found.flux


def peer_zogy(science, template, psf_s, psf_t):
    """ZOGY by FFTs of the whole stamp, its noise, and its matched filter."""
    size = science.shape[0]
    p_s, p_t = (padded_spectrum(p, size) for p in (psf_s, psf_t))
    root = np.sqrt(SIGMAS[0] ** 2 * abs(p_t) ** 2 + SIGMAS[1] ** 2 * abs(p_s) ** 2 + 1e-6)
    scale = np.hypot(*SIGMAS)
    k_s, k_t = scale * p_t / root, scale * p_s / root
    difference = np.fft.ifft2(k_s * np.fft.fft2(science) - k_t * np.fft.fft2(template)).real
    variance = np.full(science.shape, SIGMAS[0] ** 2), np.full(science.shape, SIGMAS[1] ** 2)
    spread = sum(
        np.fft.ifft2(np.fft.fft2(np.fft.ifft2(k).real ** 2) * np.fft.fft2(v)).real
        for k, v in zip((k_s, k_t), variance, strict=True)
    )
    return filtered(difference, spread, np.fft.ifft2(k_s * p_s).real)


def peer_alard_lupton(science, template, psf_s, psf_t):
    """Least squares of the same 27 terms, convolutions and decorrelation, by SciPy and FFTs."""
    wide = (psf_t**2).sum() < (psf_s**2).sum()
    source, target = (psf_s, psf_t) if wide else (psf_t, psf_s)
    terms = [fftconvolve(source, term, mode="same").ravel() for term in TERMS]
    matrix = np.stack(terms)
    normal = matrix @ matrix.T
    normal += 1e-9 * np.trace(normal) / len(TERMS) * np.eye(len(TERMS))
    kernel = np.tensordot(np.linalg.solve(normal, matrix @ target.ravel()), TERMS, 1)
    size = science.shape[0]
    power = abs(padded_spectrum(kernel, size)) ** 2
    weights = (power, 1.0) if wide else (1.0, power)
    total = SIGMAS[0] ** 2 * weights[0] + SIGMAS[1] ** 2 * weights[1]
    phi = np.sqrt((SIGMAS[0] ** 2 + SIGMAS[1] ** 2) / total)
    images = [science, template]
    matched = 0 if wide else 1
    images[matched] = oaconvolve(images[matched], kernel, mode="same")
    difference = np.fft.ifft2(phi * np.fft.fft2(images[0] - images[1])).real
    variance = np.full(science.shape, SIGMAS[0] ** 2), np.full(science.shape, SIGMAS[1] ** 2)
    spread = 0.0
    for which, plane in enumerate(variance):
        own = phi * padded_spectrum(kernel, size) if which == matched else phi
        square = np.fft.ifft2(own).real ** 2
        spread = spread + np.fft.ifft2(np.fft.fft2(square) * np.fft.fft2(plane)).real
    own = phi * padded_spectrum(kernel, size) if wide else phi
    return filtered(difference, spread, np.fft.ifft2(own * padded_spectrum(psf_s, size)).real)


def padded_spectrum(image, size):
    """Spectrum of an odd image, cut or padded to a stamp, its centre at the first pixel."""
    half = min(image.shape[0], size) // 2
    middle = image.shape[0] // 2
    inner = image[middle - half : middle + half + 1, middle - half : middle + half + 1]
    wide = np.zeros((size, size))
    wide[: 2 * half + 1, : 2 * half + 1] = inner
    return np.fft.fft2(np.roll(wide, (-half, -half), (0, 1)))


def filtered(difference, variance, psf):
    """PSF flux in the centre of the matched filter."""
    mirrored = np.conj(np.fft.fft2(psf))
    squares = np.conj(np.fft.fft2(psf**2))
    signal = np.fft.ifft2(mirrored * np.fft.fft2(difference / variance)).real
    weight = np.fft.ifft2(squares * np.fft.fft2(1 / variance)).real
    best = np.argmax(np.abs(signal) / np.sqrt(np.abs(weight)))
    return signal.flat[best] / weight.flat[best]


def terms_of_kernel(half=9):
    x, found = np.arange(-half, half + 1), []
    for sigma, order in ((0.7, 4), (1.4, 2), (2.8, 2)):
        profiles = [np.exp(-0.5 * (x / sigma) ** 2) * (x / sigma) ** a for a in range(order + 1)]
        for a in range(order + 1):
            found += [np.outer(profiles[b], profiles[a]) for b in range(order + 1 - a)]
    return np.array(found)


TERMS = terms_of_kernel()


def speed():
    """Print microseconds an epoch on one core, ours and the peer's, in turn."""
    print("speed: CPU microseconds an epoch on one core (fastest of several runs in turn)")
    for size in (63, 21):
        stamps = stamps_of(size)
        for name, method, peer in (
            ("zogy", ZOGY, peer_zogy),
            ("alard-lupton, decorrelated", DECORRELATED, peer_alard_lupton),
        ):
            print(f"  {size} x {size}, {name}: {speed_of(stamps, method, peer)}", flush=True)


def speed_of(stamps, method, peer):
    """The figures of one method: detection near the centre, over the whole stamp, and the peer."""
    size = stamps[0].shape[1]
    work, out = stamp_workspace(size, PSF_SIZE), np.empty(EPOCHS)
    ours(*stamps, method, NEAR_PIX, work, out)  # compile
    whole, near, theirs, fluxes = [], [], [], []
    for _ in range(REPEATS):
        whole.append(seconds(ours, *stamps, method, float(size), work, out))
        near.append(seconds(ours, *stamps, method, NEAR_PIX, work, out))
        begin = time.process_time()
        fluxes = [
            peer(stamps[0][i], stamps[1][i], stamps[2][0, i], stamps[2][1, i])
            for i in range(0, EPOCHS, 10)
        ]
        theirs.append((time.process_time() - begin) / len(fluxes))
    whole, near = (1e6 * min(times) / EPOCHS for times in (whole, near))
    peers = 1e6 * min(theirs)
    return (
        f"{near:.0f} ({whole:.0f} with detection over the whole stamp); peer {peers:.0f}, ratio "
        f"{peers / near:.1f}; median flux ours {np.nanmedian(out):.0f}, peer "
        f"{np.median(fluxes):.0f}"
    )


def seconds(function, *arguments):
    begin = time.process_time()
    function(*arguments)
    return time.process_time() - begin


@njit(nogil=True)
def detected(stamps, psf, threshold, work):
    """Whether a source is detected in each stamp of white noise of variance 1."""
    size = stamps.shape[1]
    variance, mask = np.ones((size, size), np.float32), np.zeros((size, size), np.uint8)
    found = np.zeros(stamps.shape[0], np.bool_)
    for i in range(stamps.shape[0]):
        found[i] = detect_stamp(
            stamps[i], variance, mask, psf, 1.0, threshold, NEAR_PIX, work
        ).detected
    return found


def completeness(n=60_000, size=21):
    """S/N at which half of the sources are detected, and the share found above S/N 6."""
    print(f"completeness of {n} injected sources (published for Rubin DP1: 50 % at S/N 5.07)")
    for fwhm, threshold in ((2.2, 5.0), (4.5, 5.0), (4.5, 5.2)):
        rng = np.random.default_rng(2)
        psf = moffat_star(31, fwhm).astype(np.float32)
        places = rng.uniform(-0.5, 0.5, (100, 2))
        profiles = np.array([moffat_star(size, fwhm, x=x, y=y) for x, y in places])
        profiles /= np.sqrt((profiles**2).sum(axis=(1, 2)))[:, None, None]
        true, which = rng.uniform(3.5, 7.5, n), np.arange(n) % len(profiles)
        stamps = rng.normal(size=(n, size, size)) + true[:, None, None] * profiles[which]
        measured = (stamps * profiles[which]).sum(axis=(1, 2))
        found = detected(stamps.astype(np.float32), psf, threshold, stamp_workspace(size, 31))
        halves = [
            curve_fit(lambda x, a, b: norm.cdf((x - a) / b), x, found, p0=(5.0, 0.5))[0]
            for x in (measured, true)
        ]
        above = found[(measured > 6) & (measured < 6.5)].mean()
        print(
            f"  FWHM {fwhm} pixels, threshold {threshold}: 50 % at measured S/N {halves[0][0]:.2f} "
            f"(width {halves[0][1]:.2f}), at true S/N {halves[1][0]:.2f} (width {halves[1][1]:.2f}"
            f"); of measured S/N 6 to 6.5 {above:.1%}"
        )


def real(folder):
    """Ours and another code's differences of the same real stacks, and of single exposures."""
    print("real DECam stacks, ours beside sfft (Hu et al. 2022)")
    beside_sfft(folder)
    print("real single exposures, white noise assumed")
    for method in ("alard-lupton", "zogy"):
        pair = [Image(pixels_of(folder, f"DEC-OBS{group}a.mini.fits")) for group in GROUPS]
        begin = time.perf_counter()
        found = subtract_images(*pair, method=method)
        table = detect_sources(found)
        elapsed = time.perf_counter() - begin
        x, y = found.about["neighbour_correlation_measured"]
        print(
            f"  {method}: neighbour correlation {x:.3f}, {y:.3f}; noise factor "
            f"{table.meta['noise_factor']:.2f}; {len(table)} detections; {elapsed:.1f} s"
        )


def beside_sfft(folder):
    """Print how close our differences of both stacks are to theirs, with their kernel and ours."""
    stacks = [pixels_of(folder, f"check/Stack-DEC-OBS{group}.fits") for group in GROUPS]
    noise = tuple(noise_of_stack(folder, group) for group in GROUPS)
    inside = np.zeros(stacks[0].shape, dtype=bool)
    inside[26:-26, 26:-26] = True
    sky, stars = inside & source_free(stacks[0], ~inside), inside & (stacks[0] > 200)
    images = [Image(stack, gain_e_per_adu=5 * GAIN_E_PER_ADU) for stack in stacks]
    for whitened, name in ((False, "FinalDifference"), (True, "FinalDifference.DeCorr")):
        theirs = pixels_of(folder, f"check/{name}.fits")
        pair = kernel_pair(
            (np.ones((1, 1)), pixels_of(folder, "FinalMatchKernel.fits")),
            None,
            noise,
            whitened=noise if whitened else None,
        )
        same = oaconvolve(stacks[0], pair.science, mode="same")
        same -= oaconvolve(stacks[1], pair.template, mode="same")
        own = subtract_images(*images, decorrelate=whitened, noise=noise)
        for kernel, values in (("their kernel", same), ("own kernel", own.difference)):
            ratio = background_sigma(values, sky) ** 2 / background_sigma(theirs, sky) ** 2
            print(
                f"  {name}, {kernel}: correlation {np.corrcoef(values[sky], theirs[sky])[0, 1]:.4f}"
                f", variance ratio {ratio:.3f}, residuals at stars (standard deviation, median "
                f"absolute) {values[stars].std():.0f}, {np.median(np.abs(values[stars])):.0f} "
                f"(theirs {theirs[stars].std():.0f}, {np.median(np.abs(theirs[stars])):.0f})"
            )
        neighbours = np.mean(own.about["neighbour_correlation_measured"])
        print(f"    neighbour correlation of the own difference {neighbours:.3f}")


def pixels_of(folder, name):
    return fits.getdata(folder / name).astype(float)


def noise_of_stack(folder, group):
    """Noise of a stack, from that of its images and the kernels that matched them."""
    images = [pixels_of(folder, f"DEC-OBS{group}{letter}.mini.fits") for letter in "abcde"]
    sigmas = [background_sigma(i, source_free(i, np.zeros(i.shape, bool))) for i in images]
    kernels = [pixels_of(folder, f"DEC-OBS{group}{letter}.MatchKernel.fits") for letter in "bcde"]
    return correlation_of_mean([np.ones((1, 1)), *kernels], sigmas, 24)


def large(size=2048, n_stars=1500, n_new=50, flux=3000.0):
    """One image of four million pixels: CPU time, memory, and new stars that are found."""
    rng = np.random.default_rng(3)
    places = rng.uniform(41, size - 41, (n_stars + n_new, 2))
    fluxes = np.r_[10 ** rng.uniform(3, 5.5, n_stars), np.full(n_new, flux)]
    images = []
    for fwhm, sigma, count in ((3.2, 10.0, n_stars + n_new), (2.6, 6.0, n_stars)):
        image = np.zeros((size, size))
        for (x, y), own in zip(places[:count], fluxes, strict=False):
            row, column = round(y), round(x)
            star = moffat_star(81, fwhm, x=x - column, y=y - row, flux=own)
            image[row - 40 : row + 41, column - 40 : column + 41] += star
        image = rng.poisson(np.maximum(image, 0.0)) + rng.normal(0, sigma, image.shape)
        images.append(Image(image, gain_e_per_adu=1.0))
    begin = time.process_time()
    table = detect_sources(subtract_images(*images))
    elapsed = time.process_time() - begin
    apart = [np.hypot(table["x_pix"] - x, table["y_pix"] - y).min() for x, y in places[n_stars:]]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{size} x {size} pixels, {n_stars} stars: {elapsed:.0f} s of CPU, peak memory "
        f"{memory:.2f} GB; {np.sum(np.array(apart) < 1.5)} of {n_new} new stars found, "
        f"{len(table)} detections"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only-speed", action="store_true")
    parser.add_argument("--real", type=Path, help="folder of the DECam set of sfft")
    arguments = parser.parse_args()
    print(describe_machine())
    speed()
    if arguments.only_speed:
        return
    completeness()
    large()
    if arguments.real:
        real(arguments.real)


if __name__ == "__main__":
    main()
