"""The generated reference describes the code, and pages point to files that exist."""

import re
from pathlib import Path

import pytest

from simulator.dataset.schema import array_specs, plane_specs
from simulator.options import Options
from simulator.simulator import Simulator
from survey_profiles import load_profile

ROOT = Path(__file__).parents[2]
EXTENSION = ROOT / "docs" / "_ext"
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))


@pytest.fixture
def reference(monkeypatch):
    monkeypatch.syspath_prepend(EXTENSION)
    import generated_reference

    return generated_reference


def test_every_array_is_described_with_its_unit_and_shape(reference):
    text = "\n".join(reference.simulated_arrays())
    for spec in array_specs(Simulator(load_profile("hits"), Options()).parameters):
        dimensions = ", ".join(spec.dimensions)
        row = f"| `{spec.name}` | {dimensions} | {spec.dtype} | {spec.unit or '-'} |"
        assert f"{row} {spec.description} |" in text, spec.name


def test_the_arrays_of_planes_are_described(reference):
    text = "\n".join(reference.plane_arrays())
    for spec in plane_specs(("science", "template", "difference")):
        assert f"| `{spec.name}` | {', '.join(spec.dimensions)} | {spec.dtype} |" in text
    assert "`images`" not in text


def test_arrays_of_real_sequences_and_of_alerts_are_described(reference):
    real, alerts = "\n".join(reference.real_arrays()), "\n".join(reference.alert_arrays())
    assert "| `object_id` | object | string |" in real
    assert "| `difference` | object, epoch, y, x | float32 |" in alerts
    assert "`object_id`" not in alerts


def test_physical_ranges_are_listed(reference):
    text = "\n".join(reference.physical_ranges())
    assert "| `airmass` | 1 | 10 | - |" in text
    assert "| `exposure_time_s` | 0.001 | 86400 | s |" in text


def test_every_profile_key_has_a_meaning(reference):
    rows = [line for line in reference.profile_keys() if line.startswith("| `")]
    assert len(rows) > 90
    assert not [row for row in rows if row.split(" | ")[-1].strip("| ") == ""]


def test_ranges_and_units_of_profile_keys_come_from_the_schema(reference):
    text = "\n".join(reference.profile_keys()).replace("\u00a0", " ")
    assert "| `pixel_scale_arcsec` | number ≥ 0.001, ≤ 30 | arcsec/pixel |" in text
    assert "| `latitude_deg` | number ≥ -90, ≤ 90 | deg |" in text
    assert "| `gain_e_per_adu` | number ≥ 1e-06, ≤ 1e+06 | electron/ADU | required |" in text
    assert "`moffat` or `kolmogorov` or `library`" in text


def test_every_command_is_described_with_all_its_options(reference):
    from skyreel.cli import MODULES

    text = "\n".join(reference.commands())
    assert all(re.search(rf"^## `{name}\b", text, re.MULTILINE) for name in MODULES)
    for flag in ("--survey", "--profile-set", "--per-class", "--report", "--lanczos-order"):
        assert f"| `{flag}" in text, flag


def test_a_command_without_help_for_an_option_is_found(reference):
    text = "\n".join(reference.commands())
    empty = [line for line in text.splitlines() if line.startswith("| `") and "|  |" in line]
    assert not empty


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_a_page_points_to_exists(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if "://" not in target:
            place = ROOT if page.name == "CONTRIBUTING.md" else page.parent
            assert (place / target).exists(), target
