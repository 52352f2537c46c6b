"""``simulate --alerts``: files of packets, their truth, resuming, and what is refused."""

import io
import tarfile

import fastavro
import numpy as np
import pyarrow.parquet as pq
import pytest

from finetune.readers.cutout import placed
from simulator import api
from simulator.alerts import alert_run
from simulator.alerts.alert_run import RECORD, AlertOptions, write_alerts
from simulator.alerts.archive import PARTS, TRUTH
from simulator.dataset.reader import open_dataset
from skyreel.errors import SimulationError
from tests.helpers.ingestion import ingest
from tests.helpers.running import run

PLANES = "science,template,difference"
SMALL = ["--n", "14", "--validation", "7", "--test", "7", "--stamp-size", "21", "--threads", "1"]


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    """Data sets with planes, by survey."""
    folder = tmp_path_factory.mktemp("planes")
    for survey in ("ztf", "lsst"):
        options = {"n": 14, "validation": 7, "test": 7, "stamp_size_pix": 21, "planes": PLANES}
        api.simulate(survey, out=folder / survey, **options, threads=1, quiet=True)
    return {survey: folder / survey for survey in ("ztf", "lsst")}


def records_of(folder):
    """Packets of a folder in order of its names, whatever kind of files it has."""
    found = []
    for path in sorted(folder.rglob("*.avro")):
        with path.open("rb") as file:
            found += list(fastavro.reader(file))
    for path in sorted(folder.glob("*.tar.gz")):
        with tarfile.open(path) as archive:
            for member in archive:
                content = archive.extractfile(member).read()
                (record,) = fastavro.reader(io.BytesIO(content))
                number = record.get("candid", record.get("diaSourceId"))
                assert member.name == f"{number}.avro"
                found.append(record)
    return found


@pytest.mark.slow
def test_all_kinds_of_files_hold_the_same_packets(datasets, tmp_path):
    read = {}
    for files in ("container", "tar", "packets"):
        options = AlertOptions(tmp_path / files, files=files)
        outcome = write_alerts(datasets["ztf"], options)
        read[files] = records_of(tmp_path / files)
        assert len(read[files]) == outcome.packets > 50
    assert read["container"] == read["tar"]
    by_number = sorted(read["packets"], key=lambda record: record["candid"])
    assert by_number == sorted(read["tar"], key=lambda record: record["candid"])
    times = [record["candidate"]["jd"] for record in read["tar"]]
    assert times == sorted(times)
    singles = list((tmp_path / "packets").glob("ztf_simulated_*/*.avro"))
    assert len(singles) == len(read["tar"])


@pytest.mark.slow
def test_packets_are_the_detections_of_the_data_set_and_no_others(datasets, tmp_path):
    write_alerts(datasets["ztf"], AlertOptions(tmp_path / "a"))
    root = open_dataset(datasets["ztf"])
    truth = pq.read_table(tmp_path / "a" / TRUTH).to_pylist()
    packets = {record["candid"]: record for record in records_of(tmp_path / "a")}
    n_detected = sum(int(split["difference_detected"][:].sum()) for _, split in root.groups())
    assert len(truth) == len(packets) == n_detected
    for row in truth:
        split, own = root[row["split"]], (row["index"], row["epoch"])
        packet, index = packets.pop(row["candid"]), row["index"]
        assert packet["objectId"] == row["objectId"]
        assert packet["candidate"]["jd"] == split["mjd"][own] + 2400000.5
        assert row["class"] == root.attrs["classes"][split["label"][index]]
        assert row["magnitude"] == split["magnitude"][own]
        assert row["ccd"] == split["ccd"][index]
        assert "class" not in packet and "magnitude" not in packet["candidate"]
    assert not packets


@pytest.mark.slow
def test_a_stopped_run_is_finished_with_the_same_bytes(datasets, tmp_path, monkeypatch):
    whole = AlertOptions(tmp_path / "whole")
    write_alerts(datasets["ztf"], whole)
    calls = []

    def stop_at_the_third(archive, night, *rest, write=alert_run.Archive.write_night):
        calls.append(night)
        if len(calls) == 3:
            raise KeyboardInterrupt
        write(archive, night, *rest)

    monkeypatch.setattr(alert_run.Archive, "write_night", stop_at_the_third)
    stopped = AlertOptions(tmp_path / "stopped")
    with pytest.raises(KeyboardInterrupt):
        write_alerts(datasets["ztf"], stopped)
    assert (tmp_path / "stopped" / PARTS).is_dir()
    monkeypatch.undo()
    next((tmp_path / "stopped" / PARTS).glob("*.parquet")).unlink()
    write_alerts(datasets["ztf"], stopped)
    files = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "stopped").iterdir()}
    assert write_alerts(datasets["ztf"], stopped).was_complete
    with pytest.raises(SimulationError, match=r"other data or options \(files\)"):
        write_alerts(datasets["ztf"], AlertOptions(tmp_path / "stopped", files="tar"))


@pytest.mark.slow
@pytest.mark.parametrize(("survey", "reader"), [("ztf", "ztf"), ("lsst", "rubin")])
@pytest.mark.parametrize("files", ["packets", "tar"])
def test_ingest_reads_what_simulate_wrote(
    monkeypatch, datasets, tmp_path, capsys, survey, reader, files
):
    alerts, out = tmp_path / "alerts", tmp_path / "again.zarr"
    arguments = ["--survey", survey, "--out", datasets[survey], *SMALL, "--planes", PLANES]
    kind = ["--alerts", alerts, "--alert-files", files]
    assert run(monkeypatch, "simulate", *arguments, *kind) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "alerts of" in printed and "nights" in printed
    labelled = ["--from", reader, alerts, "--labels", alerts / TRUTH]
    assert ingest(monkeypatch, *labelled, "--out", out, "--quiet") == 0
    again, root = open_dataset(out)["test"], open_dataset(datasets[survey])
    truth = pq.read_table(alerts / TRUTH).to_pylist()
    names = again["object_id"][:].tolist()
    assert set(names) == {row["objectId"] for row in truth}
    assert again["n_epochs"][:].sum() == len(truth)
    for row in truth[:: max(len(truth) // 40, 1)]:
        obj = names.index(row["objectId"])
        epoch = again["alert_id"][obj].tolist().index(row["candid"])
        split, own = root[row["split"]], (row["index"], row["epoch"])
        masked = again["difference_mask"][obj, epoch] > 0
        difference = np.where(masked, np.float32(np.nan), again["difference"][obj, epoch])
        assert open_dataset(out).attrs["classes"][again["label"][obj]] == row["class"]
        assert again["mjd"][obj, epoch] == pytest.approx(split["mjd"][own], abs=1e-8)
        expected, outside = split["difference"][own], split["mask"][own] & 8 > 0
        if survey == "ztf":
            science = again["images"][obj, epoch][~outside]
            np.testing.assert_array_equal(science, split["images"][own][~outside])
            np.testing.assert_array_equal(difference[~outside], expected[~outside])
            continue
        zero_point, seconds = split["zero_point_mag"][own], split["exposure_time_s"][own]
        scale = np.float32(10 ** (0.4 * (31.4 - float(zero_point))) / float(seconds))
        expected = np.where(outside, np.float32(np.nan), expected * scale)
        x, y = (split[f"difference_{axis}_pix"][own] for axis in "xy")
        pixel = tuple(round(float(each)) + 10 for each in (y, x))  # of the detection
        np.testing.assert_array_equal(difference, placed(expected, pixel, 10))


@pytest.mark.slow
def test_rubin_packets_of_both_versions_are_written(datasets, tmp_path):
    for schema in ("rubin", "rubin-v10"):
        write_alerts(datasets["lsst"], AlertOptions(tmp_path / schema, schema))
    new, old = (records_of(tmp_path / schema) for schema in ("rubin", "rubin-v10"))
    assert len(new) == len(old) > 20
    assert "exposureTime" in new[0]["diaSource"] and "exposureTime" not in old[0]["diaSource"]
    for one, other in zip(new, old, strict=True):
        assert one["cutoutDifference"] == other["cutoutDifference"]
        assert {k: one["diaSource"][k] for k in other["diaSource"]} == other["diaSource"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--alerts", "alerts", "--schema", "ztf5"], "allowed are ztf, rubin, rubin-v10"),
        (["--alerts", "alerts", "--alert-files", "zip"], "allowed are packets, container, tar"),
        (["--alerts", "alerts"], "give --planes science,template,difference"),
        (["--alerts", "a.zarr", "--planes", PLANES], "a.zarr is the data set"),
        (["--alerts", "full"], "full is not empty. Give another --alerts."),
        (["--alerts", "file"], "file is a file; give a folder"),
        (["--schema", "ztf"], "give a folder for alerts"),
        (["--alerts", "alerts", "--planes", "science,difference"], "the planes are"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(monkeypatch, tmp_path, capsys, arguments, sentence):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    monkeypatch.chdir(tmp_path)
    given = ["--survey", "ztf", "--out", tmp_path / "a.zarr", *SMALL, *arguments]
    assert run(monkeypatch, "simulate", *given) == 2
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "a.zarr").exists() and not (tmp_path / "alerts").exists()


@pytest.mark.slow
def test_bands_that_a_schema_has_not_are_refused(datasets, tmp_path):
    with pytest.raises(SimulationError, match="schema ztf has the bands g, r, i; the survey has u"):
        write_alerts(datasets["lsst"], AlertOptions(tmp_path / "a", "ztf"))
    assert not (tmp_path / "a").exists()


@pytest.mark.slow
def test_a_damaged_record_is_refused(datasets, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / RECORD).write_text("{")
    with pytest.raises(SimulationError, match="is damaged"):
        write_alerts(datasets["ztf"], AlertOptions(tmp_path / "a"))
