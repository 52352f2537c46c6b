"""Output paths that cannot be written are refused before any work."""

from pathlib import Path

import pytest

from skyreel.errors import UserError
from skyreel.output_paths import check_file, check_folder


def test_outputs_that_cannot_be_written_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "zarr.json").write_text("")
    for check, path, sentence in (
        (check_folder, "file", "is a file; give a folder"),
        (check_folder, "data", "is a data set"),
        (check_folder, "file/x/y", "is not a folder that can be written to"),
        (check_file, "data", "is a folder; give a file"),
        (check_file, "file/x", "is not a folder that can be written to"),
    ):
        with pytest.raises(UserError, match=sentence):
            check(tmp_path / path)
    check_folder(tmp_path / "data", dataset=True)
    check_folder(tmp_path / "new" / "folder")
    assert {path.name for path in tmp_path.iterdir()} == {"file", "data"}
    check_file(tmp_path / "new" / "file.csv", suffixes=(".csv",))
    with pytest.raises(UserError, match="make it first"):
        check_file(tmp_path / "new" / "file.csv", in_folder=True)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("x" * 300, "no file can have this name"), ("a\0b", "no file can have this name")],
)
@pytest.mark.parametrize("check", [check_file, check_folder])
def test_names_that_no_file_can_have_are_refused(tmp_path, check, name, sentence):
    with pytest.raises(UserError, match=sentence):
        check(tmp_path / name)


def test_a_file_whose_unfinished_name_would_be_too_long_is_refused(tmp_path):
    with pytest.raises(UserError, match="no file can have this name"):
        check_file(tmp_path / ("x" * 250 + ".csv"))


def test_folders_that_only_seem_writable_are_refused(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "folder")
    for place in (tmp_path / "link", Path("/proc/1/new")):
        with pytest.raises(UserError, match="is not a folder that can be written to"):
            check_folder(place / "inside", "--report")


@pytest.mark.parametrize(
    "url", ["s3://bucket/d.zarr", "gs://b/d", "https://x.org/d", "file:///tmp/d"]
)
def test_an_output_that_is_a_url_is_refused(url):
    for check in (check_folder, check_file):
        with pytest.raises(UserError, match="is a URL; only local paths"):
            check(Path(url))
    check_folder(Path("runs/a:b"))
