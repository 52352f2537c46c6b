"""Tables of magnitudes that objects are drawn from."""

import numpy as np
import pyarrow as pa
import pytest
from astropy.table import Table
from pyarrow import parquet

from simulator.lightcurves.magnitudes import magnitude_law
from skyreel.errors import SimulationError
from survey_profiles import load_profile


def law_of(path):
    return magnitude_law(str(path), load_profile("hits"))


@pytest.mark.parametrize("form", ["csv", "ecsv", "parquet"])
def test_magnitudes_of_every_format_are_read(tmp_path, form):
    path = tmp_path / f"m.{form}"
    table = Table({"magnitude": [18.5, 20.25, 21.0], "class": ["NV", "SN", "NV"]})
    if form == "parquet":
        parquet.write_table(pa.table({n: table[n].tolist() for n in table.colnames}), path)
    else:
        table.write(path, format=f"ascii.{form}")
    law = law_of(path)
    assert law.magnitudes.tolist() == [18.5, 20.25, 21.0]
    assert law.by_class["SN"].tolist() == [20.25]


def test_unknown_magnitudes_are_not_drawn(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("\ufeffMagnitude,class\n18.5,NV\n99,NV\n,SN\nbright,SN\n-999,NV\n20,\n21,NV\n")
    law = law_of(path)
    assert law.magnitudes.tolist() == [18.5, 21] and set(law.by_class) == {"NV"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("magnitude\n3.2e4\n", "column magnitude has no known value; found 32000 .*its unit"),
        ("magnitude\nbright\n", "found no number"),
        ("magnitude\n", "has no rows"),
        ("mag\n20\n", r"no column magnitude \(Did you mean 'mag'\?\)"),
        ("magnitude,class\n20,SNIa\n", "column 'class' names 'SNIa'; known are"),
        ("magnitude,class\n20,\n,NV\n", "no row has both a magnitude and a class"),
        ("", "cannot be read as a table"),
    ],
)
def test_an_unusable_table_gets_one_sentence(tmp_path, text, sentence):
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(SimulationError, match=sentence) as caught:
        law_of(tmp_path / "m.csv")
    assert "\n" not in str(caught.value)


def test_magnitudes_are_drawn_from_the_known_ones(tmp_path):
    from simulator.rng import Draws, Purpose

    (tmp_path / "m.csv").write_text("magnitude\n18\n99\n19\n")
    drawn = law_of(tmp_path / "m.csv").draw(Draws(0, np.arange(100), Purpose.PHYSICS), "NV")
    assert set(drawn) == {18, 19}
