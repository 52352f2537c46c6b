"""Files of nights, from packets of made-up stamps."""

import gzip
import io
import subprocess
import tarfile

import fastavro
import numpy as np
import pyarrow as pa
import pytest

from simulator.alerts.archive import FILE_KINDS, Archive
from skyreel.errors import OutputError
from tests.helpers.alert_observations import maker_of, n_bands_of, observations

SCHEMAS = ("ztf", "11.1")


def truth(alerts):
    return pa.table({"candid": [alert.source_id for alert in alerts]})


def archive_of(folder, maker, kind, *, packed=True):
    return Archive(
        folder, maker.schema.text, kind, "x", night_starts=0.0, has_compressed_stamps=packed
    )


def written(folder, schema, kind, *, packed=True):
    """An archive of two parts, and all its alerts."""
    maker = maker_of(schema)
    archive = archive_of(folder, maker, kind, packed=packed)
    alerts = []
    for number, name in enumerate(("a", "b")):
        batch = observations(seed=number, size_pix=21, n_bands=n_bands_of(schema))
        batch.number[:] += 3000 * number
        made = list(maker.packets(batch))
        archive.write_part(name, made, truth)
        alerts += made
    index = archive.index(["a", "b"])
    nights = archive.nights(index)
    for night in nights:
        archive.write_night(night, index, ["a", "b"])
    archive.write_truth(["a", "b"])
    return archive, nights, alerts


def contents(path, kind):
    """Bytes of the Avro files of a night, in the order of the archive."""
    if kind == "container":
        return [path.read_bytes()]
    if kind == "packets":
        return [each.read_bytes() for each in path.iterdir()]
    with tarfile.open(path) as archive:
        return [archive.extractfile(member).read() for member in archive]


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("kind", FILE_KINDS)
def test_a_night_holds_its_packets_in_order_of_time(tmp_path, schema, kind):
    archive, nights, alerts = written(tmp_path, schema, kind)
    key = "candid" if schema == "ztf" else "diaSourceId"
    found = {}
    for night in nights:
        files = contents(archive.path_of(night), kind)
        read = [record for file in files for record in fastavro.reader(io.BytesIO(file))]
        numbers = [record[key] for record in read]
        times = {alert.source_id: alert.mjd for alert in alerts}
        dates = {np.floor(times[number]) for number in numbers}
        assert len(dates) == 1
        if kind != "packets":
            assert numbers == sorted(numbers, key=lambda number: (times[number], number))
        found |= dict.fromkeys(numbers, night.date)
    assert set(found) == {alert.source_id for alert in alerts}
    assert len(nights) == len({np.floor(alert.mjd) for alert in alerts})


@pytest.mark.parametrize("packed", [True, False])
def test_tars_are_read_by_other_programs(tmp_path, packed):
    archive, nights, _ = written(tmp_path, "ztf", "tar", packed=packed)
    path = archive.path_of(nights[0])
    assert len(gzip.decompress(path.read_bytes())) % 10_240 == 0
    subprocess.run(["gzip", "-t", path], check=True)
    listed = subprocess.run(["tar", "-tzf", path], check=True, capture_output=True, text=True)
    assert listed.stdout.split() == [f"{n}.avro" for n in _numbers(archive, nights[0])]
    assert listed.stderr == ""


def _numbers(archive, night):
    return archive.index(["a", "b"])["source_id"][night.rows].tolist()


def test_files_are_the_same_bytes_every_time_and_are_not_written_again(tmp_path):
    for kind in FILE_KINDS:
        first, nights, _ = written(tmp_path / "1", "ztf", kind)
        second, _, _ = written(tmp_path / "2", "ztf", kind)
        for night in nights:
            paths = first.path_of(night), second.path_of(night)
            assert sorted(contents(paths[0], kind)) == sorted(contents(paths[1], kind))
    before = paths[0].stat().st_mtime_ns
    first.write_night(night, first.index(["a", "b"]), ["a", "b"])
    assert paths[0].stat().st_mtime_ns == before


def test_a_damaged_part_is_one_sentence(tmp_path):
    archive, _, _ = written(tmp_path, "ztf", "container")
    (tmp_path / "parts.partial" / "b.parquet").write_bytes(b"PAR1")
    with pytest.raises(OutputError, match=r"b\.parquet is damaged .*Delete it"):
        archive.index(["a", "b"])


def test_packets_that_were_cut_are_one_sentence(tmp_path):
    archive, nights, _ = written(tmp_path, "ztf", "container")
    for night in nights:
        archive.path_of(night).unlink()
    path = tmp_path / "parts.partial" / "a.packets"
    path.write_bytes(path.read_bytes()[:-1])
    again = archive_of(tmp_path, maker_of("ztf"), "container")
    index = again.index(["a", "b"])
    with pytest.raises(OutputError, match=r"a\.packets is damaged .*run the command again"):
        for night in nights:
            again.write_night(night, index, ["a", "b"])
    assert not list(tmp_path.glob("*.avro.partial"))
