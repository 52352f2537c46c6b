"""Compiled kernels of one version never meet the sources of another."""

import os
import subprocess
import sys
from importlib.metadata import version

from skyreel.kernel_cache import VARIABLE

PRINT = "import simulator, numba; print(numba.config.CACHE_DIR)"


def cache_of(script, **changes):
    environment = {key: value for key, value in os.environ.items() if key != VARIABLE}
    run = [sys.executable, "-c", script]
    found = subprocess.run(
        run, env={**environment, **changes}, capture_output=True, text=True, check=True
    )
    return found.stdout.strip()


def test_kernels_lie_in_a_folder_of_the_version(tmp_path):
    expected = tmp_path / "skyreel" / f"numba-{version('skyreel')}"
    assert cache_of(PRINT, XDG_CACHE_HOME=str(tmp_path)) == str(expected)
    assert expected.is_dir()


def test_numba_imported_first_takes_the_folder_too(tmp_path):
    first = f"import numba; {PRINT}"
    assert cache_of(first, XDG_CACHE_HOME=str(tmp_path)).startswith(str(tmp_path))


def test_a_folder_that_the_user_chose_is_kept(tmp_path):
    assert cache_of(PRINT, **{VARIABLE: str(tmp_path)}) == str(tmp_path)


def test_a_home_that_cannot_be_written_falls_back_to_the_temporary_folder(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    found = cache_of(PRINT, XDG_CACHE_HOME=str(blocked), TMPDIR=str(tmp_path))
    assert found.startswith(str(tmp_path / "skyreel-"))


def test_a_folder_that_others_can_write_to_is_not_used(tmp_path):
    blocked, temporary = tmp_path / "file", tmp_path / "temporary"
    blocked.write_text("")
    temporary.mkdir()
    planted = temporary / f"skyreel-{os.getuid()}"
    planted.mkdir()
    planted.chmod(0o777)
    found = cache_of(PRINT, XDG_CACHE_HOME=str(blocked), TMPDIR=str(temporary))
    assert found.startswith(str(temporary / "skyreel-"))
    assert not found.startswith(str(planted))
