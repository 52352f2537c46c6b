"""The light of a Roche binary: temperatures, intensities, eclipses.

Both stars rotate with the orbit and radiate as blackbodies with gravity darkening (Lucy 1967
below 7,000 K, von Zeipel above), reflection from a point-like companion (Wilson 1990, ApJ 356,
613, without multiple reflection; albedo 0.5 and 1.0), and linear limb darkening of a grey
atmosphere in the Eddington approximation. Phase 0 is when star 2 passes in front of star 1.

The plane between the stars (through the inner Lagrange point for contact systems) separates
them, so light of the rear star is lost exactly where the outline of the front star covers it.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from tools.roche_library.geometry import Binary, radius, surface

CONVECTIVE_BELOW_K = 7000.0
SECOND_RADIATION_UM_K = 14387.77  # h c / k in micrometre kelvin
# Pivot wavelengths of LSST ugrizy, measured from their transmission curves.
WAVELENGTH_UM = np.array([0.3666, 0.4808, 0.6210, 0.7537, 0.8686, 0.9705])
N_THETA = 32
_N_ANGLE = 72
_GOLDEN = 0.6180339887498949
_GOLDEN_STEPS = 18
_WIDEST_RAD = 0.9  # how far the outline may lie from the plane of the sky, seen from the centre


def light_curve(
    binary: Binary,
    inclination_deg: float,
    phase: ArrayLike,
    wavelength_um: ArrayLike = WAVELENGTH_UM,
    *,
    n_theta: int = N_THETA,
    darkening: float = 1.0,
) -> np.ndarray:
    """Flux at each phase and wavelength, shape (phase, wavelength), in arbitrary units.

    ``n_theta`` rings of cells mesh each star; ``darkening`` scales the limb darkening.
    """
    stars = [_lit_star(binary, number, n_theta) for number in (1, 2)]
    luminosities = [np.sum(star[:, 6] * t**4) for star, t in stars]
    light = []
    for (mesh, temperature), companion, polar_k in zip(
        stars, luminosities[::-1], (binary.temperature_1_k, binary.temperature_2_k), strict=True
    ):
        _reflect(mesh, temperature, polar_k, companion)
        light.append(_brightness(temperature, np.asarray(wavelength_um), float(darkening)))
    meshes = [mesh for mesh, _ in stars]
    return _fluxes(
        binary_numbers(binary),
        np.deg2rad(inclination_deg),
        np.asarray(phase, dtype=float),
        *meshes,
        *light[0],
        *light[1],
        np.pi / n_theta,
    )


def binary_numbers(binary: Binary) -> np.ndarray:
    """(q, omega, cut x) of each star in its own frame, shape (2, 3)."""
    q = binary.mass_ratio
    return np.array(
        [[q, binary.omega_1, binary.neck_x], [1 / q, binary.omega_2, abs(1 - binary.neck_x)]]
    )


def _lit_star(binary, number, n_theta):
    """Mesh and temperatures, before reflection, of star 1 or 2."""
    q, omega, cut_x = binary_numbers(binary)[number - 1]
    mesh = surface(q, omega, cut_x, n_theta)
    polar_k = (binary.temperature_1_k, binary.temperature_2_k)[number - 1]
    polar_radius = radius(q, omega, cut_x, 0.0, 0.0, 1.0)
    return mesh, _dark_temperature(mesh, polar_k, polar_gravity(q, polar_radius))


def polar_gravity(q: float, polar_radius: float) -> float:
    """Gravity at the pole, in the units of ``geometry.gradient``."""
    d3 = (1 + polar_radius**2) ** 1.5
    across, along = q / d3 - q, 1 / polar_radius**2 + q * polar_radius / d3
    return np.hypot(across, along)


@njit(cache=True, nogil=True)
def _dark_temperature(mesh, polar_k, polar_gravity):
    """Temperatures after gravity darkening, (cell,)."""
    exponent = 0.08 if polar_k < CONVECTIVE_BELOW_K else 0.25
    return polar_k * (mesh[:, 7] / polar_gravity) ** exponent


@njit(cache=True, nogil=True)
def _reflect(mesh, temperature_k, polar_k, companion_luminosity):
    """Heat a star, in place, by a companion at (1, 0, 0); luminosity is sum of T^4 area."""
    albedo = 0.5 if polar_k < CONVECTIVE_BELOW_K else 1.0
    for cell in range(temperature_k.size):
        x, y, z = 1 - mesh[cell, 0], -mesh[cell, 1], -mesh[cell, 2]
        distance = np.sqrt(x**2 + y**2 + z**2)
        incidence = (x * mesh[cell, 3] + y * mesh[cell, 4] + z * mesh[cell, 5]) / distance
        if incidence > 0:
            received = albedo * companion_luminosity * incidence / (4 * np.pi * distance**2)
            temperature_k[cell] = (temperature_k[cell] ** 4 + received) ** 0.25


@njit(cache=True, nogil=True)
def limb_darkening(wavelength_um: float, temperature_k: float) -> float:
    """Linear coefficient u of I(mu) = I(1) (1 - u + u mu): u = 1 - B(T(0)) / B(T(1)).

    I(mu) is the source function at optical depth mu (Eddington-Barbier), with
    T(tau)^4 = 3/4 T_eff^4 (tau + 2/3).
    """
    x = SECOND_RADIATION_UM_K / (wavelength_um * temperature_k)
    return 1 - np.expm1(x / 1.25**0.25) / np.expm1(x / 0.5**0.25)


@njit(cache=True, nogil=True)
def _brightness(temperature_k, wavelength_um, darkening):
    """Normal intensity and limb darkening of cells, each (cell, wavelength).

    The intensity integrated over the hemisphere is the blackbody's, whatever the darkening;
    ``darkening`` scales the coefficients (0 switches them off).
    """
    normal = np.empty((temperature_k.size, wavelength_um.size))
    limb = np.empty_like(normal)
    for cell in range(temperature_k.size):
        for k in range(wavelength_um.size):
            u = darkening * limb_darkening(wavelength_um[k], temperature_k[cell])
            x = SECOND_RADIATION_UM_K / (wavelength_um[k] * temperature_k[cell])
            normal[cell, k] = 1 / np.expm1(x) / (1 - u / 3)
            limb[cell, k] = u
    return normal, limb


@njit(cache=True, nogil=True)
def outline(
    q: float,
    omega: float,
    cut_x: float,
    sight: np.ndarray,
    right: np.ndarray,
    up: np.ndarray,
) -> np.ndarray:
    """Radius of a star's outline on the sky at evenly spaced position angles, shape (angle,).

    ``sight`` points to the observer; ``right`` and ``up`` span the sky; all in the star's frame.
    The outline is where r(alpha) cos(alpha) is largest, alpha out of the plane of the sky.
    """
    out = np.empty(_N_ANGLE)
    for k in range(_N_ANGLE):
        angle = 2 * np.pi * k / _N_ANGLE
        toward = np.cos(angle) * right + np.sin(angle) * up
        low, high = -_WIDEST_RAD, _WIDEST_RAD
        a, b = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        value_a = _reach(q, omega, cut_x, sight, toward, a)
        value_b = _reach(q, omega, cut_x, sight, toward, b)
        for _ in range(_GOLDEN_STEPS):
            if value_a > value_b:
                high, b, value_b = b, a, value_a
                a = high - _GOLDEN * (high - low)
                value_a = _reach(q, omega, cut_x, sight, toward, a)
            else:
                low, a, value_a = a, b, value_b
                b = low + _GOLDEN * (high - low)
                value_b = _reach(q, omega, cut_x, sight, toward, b)
        out[k] = max(value_a, value_b)
    return out


@njit(cache=True, nogil=True)
def _reach(q, omega, cut_x, sight, toward, alpha):
    direction = np.cos(alpha) * toward + np.sin(alpha) * sight
    r = radius(q, omega, cut_x, direction[0], direction[1], direction[2])
    return r * np.cos(alpha)


@njit(cache=True, nogil=True)
def _fluxes(numbers, inclination, phase, mesh_1, mesh_2, normal_1, limb_1, normal_2, limb_2, step):
    """Fluxes at each phase, (phase, wavelength); vectors here are in the frame of star 1."""
    flux = np.zeros((phase.size, normal_1.shape[1]))
    for k in range(phase.size):
        angle = 2 * np.pi * phase[k]
        sight = np.array(
            [
                np.sin(inclination) * np.cos(angle),
                -np.sin(inclination) * np.sin(angle),
                np.cos(inclination),
            ]
        )
        right = np.array([np.sin(angle), np.cos(angle), 0.0])
        up = np.cross(sight, right)
        if sight[0] >= 0:  # star 2 in front
            _add_star(flux[k], mesh_2, normal_2, limb_2, _mirrored(sight))
            _add_behind(flux[k], mesh_1, normal_1, limb_1, sight, right, up, numbers[1], step)
        else:
            _add_star(flux[k], mesh_1, normal_1, limb_1, sight)
            _add_behind(
                flux[k],
                mesh_2,
                normal_2,
                limb_2,
                _mirrored(sight),
                _mirrored(right),
                _mirrored(up),
                numbers[0],
                step,
            )
    return flux


@njit(cache=True, nogil=True)
def _mirrored(vector):
    """A direction of one star's frame in the frame of the other: x runs the other way."""
    return np.array([-vector[0], vector[1], vector[2]])


@njit(cache=True, nogil=True)
def _add_star(flux, mesh, normal, limb, sight):
    for cell in range(len(mesh)):
        _add_cell(flux, mesh[cell], normal[cell], limb[cell], sight, 1.0)


@njit(cache=True, nogil=True)
def _add_cell(flux, cell, normal, limb, sight, visible):
    mu = cell[3] * sight[0] + cell[4] * sight[1] + cell[5] * sight[2]
    if mu <= 0.0 or cell[6] <= 0.0 or visible <= 0.0:
        return
    for k in range(flux.size):
        flux[k] += visible * mu * cell[6] * normal[k] * (1 - limb[k] + limb[k] * mu)


@njit(cache=True, nogil=True)
def _add_behind(flux, mesh, normal, limb, sight, right, up, front, step):
    """Add the star behind, in its own frame; ``front`` is (q, omega, cut x) of the other.

    The front star's centre lies at (1, 0, 0). Cells that its edge crosses count in part: the
    share grows linearly over one cell width.
    """
    centre_right, centre_up = right[0], up[0]
    reach_behind = np.sqrt((mesh[:, 0] ** 2 + mesh[:, 1] ** 2 + mesh[:, 2] ** 2).max())
    edge = _outline_if_close(front, sight, right, up, centre_right, centre_up, reach_behind)
    for cell in range(len(mesh)):
        place = mesh[cell]
        across = place[0] * right[0] + place[1] * right[1] + place[2] * right[2] - centre_right
        along = place[0] * up[0] + place[1] * up[1] + place[2] * up[2] - centre_up
        size = step * np.sqrt(place[0] ** 2 + place[1] ** 2 + place[2] ** 2)
        beyond = np.sqrt(across**2 + along**2) - _at_angle(edge, np.arctan2(along, across))
        visible = min(max(0.5 + beyond / size, 0.0), 1.0)
        _add_cell(flux, place, normal[cell], limb[cell], sight, visible)


@njit(cache=True, nogil=True)
def _outline_if_close(front, sight, right, up, centre_right, centre_up, reach_behind):
    """The front star's outline as the rear star's frame sees it; zeros where none can overlap."""
    farthest = radius(front[0], front[1], front[2], 1.0, 0.0, 0.0)
    separation = np.sqrt(centre_right**2 + centre_up**2)
    if separation > 1.05 * (max(farthest, 1 / front[1]) + reach_behind):
        return np.full(_N_ANGLE, -1.0)
    return outline(front[0], front[1], front[2], _mirrored(sight), _mirrored(right), _mirrored(up))


@njit(cache=True, nogil=True)
def _at_angle(edge, angle):
    """Linear interpolation of an outline at a position angle."""
    at = (angle / (2 * np.pi)) % 1.0 * edge.size
    k = int(at) % edge.size
    return edge[k] + (at - int(at)) * (edge[(k + 1) % edge.size] - edge[k])
