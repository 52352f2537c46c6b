"""Two stars that fill parts of their Roche potential, in a circular orbit: shapes and meshes.

The unit of length is the separation. Each star is meshed in its own frame: origin at its
centre, x towards the other star, z along the orbital axis, and ``q`` the mass of the *other*
star over its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.optimize import brentq

_NEWTON_STEPS = 60


@dataclass(frozen=True, kw_only=True)
class Binary:
    """A close binary.

    ``mass_ratio`` is star 2 over star 1; ``omega_1`` and ``omega_2`` are the potentials of the
    surfaces, each in the star's own frame; ``neck_x`` is where a contact system is cut in two
    (from star 1), infinity if the stars do not touch. Temperatures are those of the poles.
    """

    mass_ratio: float
    omega_1: float
    omega_2: float
    neck_x: float = np.inf
    temperature_1_k: float
    temperature_2_k: float


@njit(cache=True, nogil=True)
def potential(q: float, x: float, y: float, z: float) -> float:
    """Kopal's modified potential; larger is deeper."""
    distance = np.sqrt((x - 1) ** 2 + y**2 + z**2)
    spin = 0.5 * (1 + q) * (x**2 + y**2)
    return 1 / np.sqrt(x**2 + y**2 + z**2) + q * (1 / distance - x) + spin


@njit(cache=True, nogil=True)
def gradient(q: float, x: float, y: float, z: float) -> tuple[float, float, float]:
    """Gradient of ``potential``; it points into the star."""
    r3 = (x**2 + y**2 + z**2) ** 1.5
    d3 = ((x - 1) ** 2 + y**2 + z**2) ** 1.5
    return (
        -x / r3 - q * ((x - 1) / d3 + 1) + (1 + q) * x,
        -y / r3 - q * y / d3 + (1 + q) * y,
        -z / r3 - q * z / d3,
    )


def inner_point(mass_ratio: float) -> float:
    """Distance of the first Lagrange point from star 1, on the way to star 2."""
    return brentq(lambda x: gradient(mass_ratio, x, 0.0, 0.0)[0], 1e-4, 1 - 1e-4, xtol=1e-14)


def outer_point(mass_ratio: float) -> float:
    """Distance of the second Lagrange point, behind the lighter star 2 (``mass_ratio`` <= 1)."""
    return brentq(lambda x: gradient(mass_ratio, x, 0.0, 0.0)[0], 1 + 1e-4, 3.0, xtol=1e-14)


def polar_potential(q: float, polar_radius: float) -> float:
    """The potential whose surface has this radius at the pole."""
    return potential(q, 0.0, 0.0, polar_radius)


def other_frame(q: float, omega: float) -> float:
    """A potential of one star's frame in the frame of the other, where ``q`` is inverted."""
    return omega / q + 0.5 * (q - 1) / q


def lobe_polar_radius(q: float) -> float:
    """Polar radius of the Roche lobe of the star that sees the other as ``q`` times heavier."""
    lobe = potential(q, inner_point(q), 0.0, 0.0)
    return brentq(lambda r: polar_potential(q, r) - lobe, 1e-3, 0.9)


def detached(
    mass_ratio: float, polar_radii: tuple[float, float], temperatures_k: tuple[float, float]
) -> Binary:
    """Two stars inside their lobes, by polar radii."""
    omegas = (
        polar_potential(mass_ratio, polar_radii[0]),
        polar_potential(1 / mass_ratio, polar_radii[1]),
    )
    return _binary(mass_ratio, omegas, temperatures_k)


def semi_detached(
    mass_ratio: float, polar_radius_1: float, temperatures_k: tuple[float, float]
) -> Binary:
    """Star 2 fills its lobe; star 1 has the given polar radius."""
    return detached(mass_ratio, (polar_radius_1, lobe_polar_radius(1 / mass_ratio)), temperatures_k)


def contact(mass_ratio: float, fill_out: float, temperatures_k: tuple[float, float]) -> Binary:
    """A common surface between the inner (``fill_out`` 0) and outer (1) critical ones."""
    neck_x = inner_point(mass_ratio)
    inner = potential(mass_ratio, neck_x, 0.0, 0.0)
    outer = potential(mass_ratio, outer_point(mass_ratio), 0.0, 0.0)
    omega = inner - fill_out * (inner - outer)
    omegas = omega, other_frame(mass_ratio, omega)
    return _binary(mass_ratio, omegas, temperatures_k, neck_x)


def _binary(mass_ratio, omegas, temperatures_k, neck_x=np.inf):
    return Binary(
        mass_ratio=mass_ratio,
        omega_1=omegas[0],
        omega_2=omegas[1],
        neck_x=neck_x,
        temperature_1_k=temperatures_k[0],
        temperature_2_k=temperatures_k[1],
    )


@njit(cache=True, nogil=True)
def radius(q: float, omega: float, cut_x: float, ux: float, uy: float, uz: float) -> float:
    """Distance from the centre to the surface along a unit vector, or to the plane x = cut_x.

    Newton's method from 1 / omega, which lies inside the star, climbs without overshooting.
    """
    farthest = cut_x / ux if ux > 1e-9 else np.inf
    r = 1 / omega
    for _ in range(_NEWTON_STEPS):
        gx, gy, gz = gradient(q, r * ux, r * uy, r * uz)
        slope = gx * ux + gy * uy + gz * uz
        excess = potential(q, r * ux, r * uy, r * uz) - omega
        if slope >= 0.0 or r >= farthest:
            break
        r -= excess / slope
        if abs(excess) < 1e-11 * omega:
            break
    return min(r, farthest)


@njit(cache=True, nogil=True)
def surface(q: float, omega: float, cut_x: float, n_theta: int) -> np.ndarray:
    """Mesh of a star: rows of x, y, z, unit normal (3), area, gravity.

    Rings of equal width about the x axis, cells of nearly equal solid angle. Cells inside
    the neck of a contact system have no area.
    """
    counts = np.empty(n_theta, dtype=np.int64)
    for ring in range(n_theta):
        counts[ring] = max(4, int(2 * n_theta * np.sin(np.pi * (ring + 0.5) / n_theta) + 0.5))
    mesh = np.zeros((counts.sum(), 8))
    row = 0
    for ring in range(n_theta):
        low, high = np.cos(np.pi * ring / n_theta), np.cos(np.pi * (ring + 1) / n_theta)
        ux = 0.5 * (low + high)
        solid_angle = (low - high) * 2 * np.pi / counts[ring]
        across = np.sqrt(1 - ux**2)
        for cell in range(counts[ring]):
            angle = 2 * np.pi * (cell + 0.5) / counts[ring]
            uy, uz = across * np.cos(angle), across * np.sin(angle)
            _fill_cell(mesh[row], q, omega, cut_x, ux, uy, uz, solid_angle)
            row += 1
    return mesh


@njit(cache=True, nogil=True)
def _fill_cell(out, q, omega, cut_x, ux, uy, uz, solid_angle):
    r = radius(q, omega, cut_x, ux, uy, uz)
    out[0], out[1], out[2] = r * ux, r * uy, r * uz
    gx, gy, gz = gradient(q, out[0], out[1], out[2])
    gravity = np.sqrt(gx**2 + gy**2 + gz**2)
    out[3], out[4], out[5] = -gx / gravity, -gy / gravity, -gz / gravity
    outward = out[3] * ux + out[4] * uy + out[5] * uz
    in_neck = out[0] >= cut_x * (1 - 1e-12)
    out[6] = 0.0 if in_neck or outward <= 0.05 else r**2 * solid_angle / outward
    out[7] = gravity
