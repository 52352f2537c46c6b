"""Tables in the format of their suffix."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from skyreel.errors import OutputError
from skyreel.tables import SUFFIXES, export_table


@pytest.fixture
def parquet(tmp_path):
    columns = {
        "object": pa.array(["a", "b"]),
        "label": pa.array(["SN", None]),
        "n_images": pa.array([1, 2], pa.int16()),
        "p_SN": pa.array([0.25, np.nan], pa.float32()),
    }
    pq.write_table(pa.table(columns), tmp_path / "p.parquet")
    return tmp_path / "p.parquet"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_holds_the_same_rows(parquet, tmp_path, suffix):
    path = tmp_path / f"table{suffix}"
    export_table(parquet, path)
    kinds = {".csv": "ascii.csv", ".ecsv": "ascii.ecsv", ".fits": "fits", ".parquet": None}
    if suffix == ".parquet":
        assert pq.read_table(path).to_pylist()[0] == pq.read_table(parquet).to_pylist()[0]
        return
    table = Table.read(path, format=kinds[suffix])
    assert table.colnames == ["object", "label", "n_images", "p_SN"]
    assert [str(x) for x in table["object"]] == ["a", "b"]
    assert [int(x) for x in table["n_images"]] == [1, 2]
    assert float(table["p_SN"][0]) == 0.25 and str(table["label"][0]) == "SN"


def test_a_table_that_cannot_be_written_leaves_nothing(parquet, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        export_table(parquet, tmp_path / "file" / "table.csv")


def test_letters_that_fits_cannot_hold_become_escapes(tmp_path):
    table = pa.table({"object_id": ["\u00e91", None], "value": [1.0, 2.0]})
    pq.write_table(table, tmp_path / "a.parquet")
    for suffix, name in ((".fits", "\\xe91"), (".ecsv", "\u00e91")):
        export_table(tmp_path / "a.parquet", tmp_path / f"a{suffix}")
        found = np.ma.filled(Table.read(tmp_path / f"a{suffix}")["object_id"], "").tolist()
        assert found == [name, ""]
