"""The Roche model against geometry that can be written down, and the library against the model."""

import re
from pathlib import Path

import numpy as np
import pytest

from simulator.lightcurves.periodic.roche_library import (
    HALF_NODES,
    MAG_PER_COUNT,
    half_phases,
    read_library,
)
from tools.roche_library.geometry import (
    contact,
    detached,
    inner_point,
    lobe_polar_radius,
    outer_point,
    polar_potential,
    potential,
    radius,
    semi_detached,
    surface,
)
from tools.roche_library.library import (
    AMPLITUDE_LIMITS_MAG,
    COUNTS,
    make_library,
    make_system,
    write_library,
)
from tools.roche_library.library import (
    SYSTEMS as DRAWN_SYSTEMS,
)
from tools.roche_library.light import WAVELENGTH_UM, light_curve, limb_darkening

PHASE = np.linspace(0.0, 1.0, 65)
SYSTEMS = {
    "contact": (contact(0.5, 0.2, (5800, 5700)), 85.0),
    "semi-detached": (semi_detached(0.3, 0.2, (8000, 4500)), 82.0),
    "detached": (detached(0.9, (0.1, 0.09), (5800, 5500)), 88.0),
}


def eggleton_lobe(q_own_over_other):
    """Volume radius of a Roche lobe to 1 % (Eggleton 1983, ApJ 268, 368, equation 2)."""
    third = q_own_over_other ** (1 / 3)
    return 0.49 * third**2 / (0.6 * third**2 + np.log1p(third))


def volume(mesh):
    return np.sum(mesh[:, 6] * np.sum(mesh[:, :3] * mesh[:, 3:6], axis=1)) / 3


def test_equal_masses_have_their_inner_point_in_the_middle_and_a_known_outer_one():
    assert inner_point(1.0) == pytest.approx(0.5, abs=1e-12)
    assert outer_point(1.0) == pytest.approx(1.69841, abs=1e-5)  # Kopal 1959


@pytest.mark.parametrize("q", [0.1, 0.5, 1.0, 2.0, 10.0])
def test_lobes_have_the_volume_of_eggletons_formula(q):
    omega = polar_potential(q, lobe_polar_radius(q))
    mesh = surface(q, omega, np.inf, 48)
    volume_radius = (3 * volume(mesh) / (4 * np.pi)) ** (1 / 3)
    assert volume_radius == pytest.approx(eggleton_lobe(1 / q), rel=0.011)  # he claims 1 %


def test_the_surface_has_one_potential():
    mesh = surface(0.4, 3.2, np.inf, 24)
    values = [potential(0.4, *cell[:3]) for cell in mesh]
    np.testing.assert_allclose(values, 3.2, rtol=1e-9)


def test_a_small_star_is_a_sphere():
    mesh = surface(1.0, polar_potential(1.0, 0.02), np.inf, 40)
    # tides stretch it by r^3 ~ 1e-5; flat cells of 4.5 degrees cost 1 - cos ~ 1e-3 at most
    assert mesh[:, 6].sum() == pytest.approx(4 * np.pi * 0.02**2, rel=1e-3)


def test_both_halves_of_a_contact_system_meet_at_the_neck():
    q, binary = 0.4, contact(0.4, 0.3, (6000, 6000))
    wanted = (binary.neck_x, 0.0, 0.02)
    ours = potential(q, *wanted)
    theirs = potential(1 / q, 1 - wanted[0], *wanted[1:])
    assert (ours > binary.omega_1) == (theirs > binary.omega_2)
    reach = radius(q, binary.omega_1, binary.neck_x, 1.0, 0.0, 0.0)
    reach += radius(1 / q, binary.omega_2, 1 - binary.neck_x, 1.0, 0.0, 0.0)
    assert reach == pytest.approx(1.0, abs=1e-12)


@pytest.mark.slow
def test_an_eclipse_of_even_discs_takes_the_ratio_of_areas():
    stars = detached(1.0, (0.05, 0.02), (6000, 6000))
    transit, quadrature, occultation = light_curve(
        stars, 90.0, [0.0, 0.25, 0.5], n_theta=64, darkening=0.0
    )
    expected = 0.02**2 / (0.05**2 + 0.02**2)
    # the outline is a 72-gon (area -0.13 %) and cells at the limb are cut by their share;
    # tides and gravity darkening are of order r^3 = 1e-4
    np.testing.assert_allclose(1 - transit / quadrature, expected, atol=1e-3)
    np.testing.assert_allclose(1 - occultation / quadrature, expected, atol=1e-3)


@pytest.mark.slow
def test_limb_darkening_changes_a_transit_but_not_an_occultation_nor_the_total_light():
    stars = detached(1.0, (0.05, 0.02), (6000, 6000))
    even, dark = (
        light_curve(stars, 90.0, [0.0, 0.25, 0.5], n_theta=64, darkening=d) for d in (0.0, 1.0)
    )
    np.testing.assert_allclose(dark[1:], even[1:], rtol=1e-3)
    assert np.all(dark[0] < 0.99 * even[0])


@pytest.mark.slow
def test_distant_stars_give_a_blackbody_times_their_area():
    radii, kelvin = (0.02, 0.015), (6000, 5000)
    flux = light_curve(detached(0.8, radii, kelvin), 60.0, [0.25], n_theta=64)[0]
    planck = [1 / np.expm1(14387.77 / (WAVELENGTH_UM * t)) for t in kelvin]
    expected = np.pi * sum(r**2 * b for r, b in zip(radii, planck, strict=True))
    np.testing.assert_allclose(flux, expected, rtol=2e-3)


def test_light_is_symmetric_about_conjunction():
    # the mesh is symmetric in y, so what is left is the interpolated outline and rounding
    for binary, inclination in SYSTEMS.values():
        flux = light_curve(binary, inclination, PHASE)
        np.testing.assert_allclose(flux, flux[::-1], rtol=5e-3)


def test_a_binary_seen_from_its_pole_is_constant():
    flux = light_curve(SYSTEMS["contact"][0], 0.0, PHASE)
    np.testing.assert_allclose(flux, flux.mean(axis=0) * np.ones_like(flux), rtol=2e-3)


@pytest.mark.parametrize("name", SYSTEMS)
def test_curves_converge_with_the_mesh(name):
    fine, *rest = (
        curve / curve.mean(axis=0)
        for curve in (light_curve(*SYSTEMS[name], PHASE, n_theta=n) for n in (96, 48, 24))
    )
    errors = [np.abs(curve - fine).max() for curve in rest]
    assert errors[0] < errors[1]
    assert errors[0] < 0.004 and errors[1] < 0.008


def test_reflection_brightens_the_cool_star_before_it_is_eclipsed():
    binary, _ = SYSTEMS["semi-detached"]
    flux = light_curve(binary, 60.0, [0.12, 0.38])
    assert flux[1, 1] > flux[0, 1]  # its heated face shows towards phase 0.5


def test_the_primary_minimum_of_an_algol_is_the_deep_one_and_deeper_in_the_blue():
    flux = light_curve(*SYSTEMS["semi-detached"], [0.0, 0.25, 0.5])
    assert np.all(flux[0] < flux[2])
    assert np.all(np.diff(flux[0] / flux[1]) > 0)


def test_limb_darkening_of_the_sun_is_near_the_observed():
    # Allen's Astrophysical Quantities, 4th ed., u of the Sun: 0.76, 0.61, 0.47 at .45, .60, .80 um
    ours = [limb_darkening(w, 5778.0) for w in (0.45, 0.60, 0.80)]
    np.testing.assert_allclose(ours, [0.76, 0.61, 0.47], atol=0.08)


def test_the_shipped_library_is_what_its_generator_makes():
    library = read_library()
    assert library.curves.shape == (sum(COUNTS), 6, HALF_NODES)
    for subtype in range(3):
        key = np.random.SeedSequence(2010, spawn_key=(subtype, 3))
        row, curves = make_system(np.random.default_rng(key), subtype)
        place = sum(COUNTS[:subtype]) + 3
        stored = np.array([values[place] for values in library.parameters.values()])
        np.testing.assert_allclose(stored, row, rtol=1e-6)
        np.testing.assert_allclose(library.curves[place], curves, atol=0.51 * MAG_PER_COUNT)


def test_a_library_survives_being_written(tmp_path):
    library = make_library(counts=(1, 1, 1), seed=5)
    write_library(library, tmp_path / "small.npz")
    back = read_library(tmp_path / "small.npz")
    np.testing.assert_allclose(back.curves, library.curves, atol=0.51 * MAG_PER_COUNT)


def test_resampled_curves_agree_with_the_model_between_the_nodes():
    # cubic interpolation of 49 crowded nodes; the narrowest eclipses bound it
    library = make_library(counts=(1, 1, 1), seed=6)
    even = np.linspace(0.0, 0.5, 513)
    for subtype in range(3):
        key = np.random.SeedSequence(6, spawn_key=(subtype, 0))
        coarse = library.resampled([1], 513)[0, subtype]
        dense = _model_curve(key, subtype, even)
        assert np.abs(coarse - dense).max() < 0.02
        assert np.sqrt(np.mean((coarse - dense) ** 2)) < 0.004


def _model_curve(key, subtype, phase):
    """The g curve of one system at other phases, drawn in the same way."""
    rng = np.random.default_rng(key)
    while True:
        binary, inclination_deg, *_ = DRAWN_SYSTEMS[subtype](rng)
        flux = light_curve(binary, inclination_deg, half_phases())
        low, high = AMPLITUDE_LIMITS_MAG
        if low < np.ptp(-2.5 * np.log10(flux[:, 2])) < high:
            break
    dense = light_curve(binary, inclination_deg, phase)[:, 1]
    return -2.5 * np.log10(dense / flux[:, 1].max())


def test_no_installed_package_needs_the_generator():
    root = Path(__file__).parents[2]
    packages = ("skyreel", "survey_profiles", "simulator", "classifier", "finetune")
    sources = [path for name in packages for path in (root / name).rglob("*.py")]
    assert len(sources) > 100
    assert not [p for p in sources if re.search(r"(from|import) tools\b", p.read_text())]
