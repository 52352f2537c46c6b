"""A data set on disk, opened for reading: its arrays, its survey profile, its input files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import zarr

from simulator.dataset.inputs import digest_of
from simulator.dataset.schema import FORMAT_VERSION
from skyreel.errors import SimulationError

if TYPE_CHECKING:
    from survey_profiles.profile import Profile

MARKS = "shard_done"


def open_root(path: str | Path, mode: str = "r+") -> zarr.Group:
    """The group of a data set.

    Raises
    ------
    SimulationError
        No data set there, or one of another format.
    """
    path = Path(path)
    if not path.exists():
        raise SimulationError(f"{path}: there is no such data set.")
    if not path.is_dir():
        raise SimulationError(f"{path} is a file; a data set is a folder. Give another path.")
    try:
        root = zarr.open_group(path, mode=mode)
    except (FileNotFoundError, ValueError, KeyError):
        raise SimulationError(f"{path} is a folder, but no data set of this program.") from None
    if "format_version" not in root.attrs:
        raise SimulationError(f"{path} is a Zarr group, but no data set of this program.")
    if root.attrs["format_version"] != FORMAT_VERSION:
        raise SimulationError(
            f"{path} has data format {root.attrs['format_version']}; this version reads "
            f"{FORMAT_VERSION}."
        )
    return root


class Dataset(zarr.Group):
    """A data set opened for reading: a Zarr group of ``train``, ``validation`` and ``test``.

    In a notebook it shows its contact sheet.
    """

    def _repr_html_(self) -> str:
        from simulator.preview.stored import dataset_html

        return dataset_html(self)


def open_dataset(path: str | Path) -> Dataset:
    """Open a data set, simulated or real, for reading.

    Raises
    ------
    SimulationError
        No data set there, or one of another format.

    Examples
    --------
    >>> dataset = open_dataset("hits.zarr")
    >>> dataset.attrs["classes"][0], dataset["train"]["images"].shape[2:]
    ('SN', (21, 21))
    """
    return Dataset(open_root(path, mode="r")._async_group)


def is_free(path: str | Path) -> bool:
    """Whether there is nothing at a path, or an empty folder."""
    path = Path(path)
    return not path.exists() or (path.is_dir() and not any(path.iterdir()))


def is_complete(path: str | Path) -> bool:
    """Whether a data set is there and every shard of it is written.

    Raises
    ------
    SimulationError
        Something else is there.
    """
    if is_free(path):
        return False
    splits = (group for _, group in open_dataset(path).groups())
    return all(split[MARKS][:].all() for split in splits if MARKS in split)


def stored_profile(root: zarr.Group) -> Profile:
    """The survey profile of a data set; its PSF library is the copy inside the data set.

    A data set made before copies were kept names the library where it was; the file may be
    missing there, but not changed.

    Raises
    ------
    SimulationError
        The profile is damaged, or the PSF library has changed.
    """
    from survey_profiles.profile import Profile

    try:
        profile = Profile.model_validate(root.attrs["profile"])
    except (KeyError, ValueError) as error:
        reason = str(error).split("\n")[0]
        raise SimulationError(
            f"{folder_of(root)}: its survey profile is damaged ({reason})."
        ) from None
    library = profile.psf.library
    if library is None or not (_kept(root, "psf_library") or Path(library).is_file()):
        return profile
    psf = profile.psf.model_copy(update={"library": str(stored_input(root, "psf_library"))})
    return profile.model_copy(update={"psf": psf})


def stored_input(root: zarr.Group, role: str) -> Path | None:
    """The file that a data set was made with: its copy inside, or the original, unchanged.

    Parameters
    ----------
    root : zarr.Group
        As `open_dataset` gives it.
    role : str
        "exposures", "magnitudes", "templates" or "psf_library".

    Returns
    -------
    pathlib.Path or None
        None where the data set was made without such a file.

    Raises
    ------
    SimulationError
        The file is missing or has changed.
    """
    given, digest = _recorded(root.attrs, role)
    digest = _kept(root, role).get("sha256", digest)
    if given is None or digest is None:
        return None if given is None else Path(given)
    copy = _kept(root, role).get("file")
    path = folder_of(root) / copy if copy else Path(given)
    subject = f"{folder_of(root)} was made with {role.replace('_', ' ')} from {path}"
    if not path.exists():
        raise SimulationError(f"{subject}, which is not there.")
    if digest_of(path) != digest:
        raise SimulationError(f"{subject}, which has changed since.")
    return path


def folder_of(root: zarr.Group) -> Path:
    """The folder of a data set."""
    return Path(root.store.root)


def _kept(root, role) -> dict[str, Any]:
    """What the data set says of the copy of an input file; empty where it keeps none."""
    return root.attrs.get("inputs", {}).get(role, {})


def _recorded(attributes: dict[str, Any], role) -> tuple[str | None, str | None]:
    """The path that was given for a role, and the digest of the file (None if there is none)."""
    settings = attributes.get("settings", {})
    if role == "psf_library":
        given, noted = (each["profile"]["psf"].get("library") for each in (attributes, settings))
    else:
        given, noted = (each["options"].get(role) for each in (attributes, settings))
    _, mark, digest = str(noted).rpartition("sha256:")
    return given, digest if mark else None
