"""What the documentation says is what the code does."""

import re
from pathlib import Path

from simulator.dataset.schema import array_specs
from simulator.options import Options
from simulator.simulator import Simulator
from survey_profiles import load_profile

ROOT = Path(__file__).parents[1]


def test_every_array_is_described_with_its_unit_and_shape():
    text = (ROOT / "docs" / "dataset.md").read_text()
    for spec in array_specs(Simulator(load_profile("hits"), Options()).parameters):
        dimensions = ", ".join(spec.dimensions)
        row = f"| `{spec.name}` | {dimensions} | {spec.dtype} | {spec.unit or '-'} |"
        assert f"{row} {spec.description} |" in text, spec.name


def test_every_file_the_documents_point_to_exists():
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
