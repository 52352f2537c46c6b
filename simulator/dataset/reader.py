"""A data set on disk, opened for reading: its arrays, its survey profile, its input files.

Every command opens data sets here. Metadata are checked before anything is read; a chunk that is
missing, or whose checksum differs, is an error and never a fill value.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from zarr.storage import LocalStore

from simulator.dataset.bounded_codecs import bounded_codecs
from simulator.dataset.inputs import digest_of
from simulator.dataset.layout import Layout
from simulator.dataset.metadata import read_layout
from simulator.dataset.schema import MARKS
from skyreel.errors import SimulationError, StoreError

if TYPE_CHECKING:
    from survey_profiles.profile import Profile

_DAMAGE = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    MemoryError,
)
"""What Zarr and its codecs raise for bytes that are none of theirs."""


class _MissingChunkError(OSError):
    """A chunk that must be there is not."""


class _WholeStore(LocalStore):
    """A folder in which a chunk that must be there is never read as its fill value.

    Opened for writing it is like any other: a chunk is not there before it is written.
    """

    layout: Layout

    @classmethod
    def of(cls, layout: Layout, *, read_only: bool) -> _WholeStore:
        """The store of a data set with this layout."""
        store = cls(layout.path, read_only=read_only)
        store.layout = layout
        return store

    async def get(self, key: str, *arguments: Any, **named: Any) -> Any:
        """The bytes of a key; None where nothing is there and nothing must be."""
        return self._found(key, await super().get(key, *arguments, **named))

    def get_sync(self, key: str, *arguments: Any, **named: Any) -> Any:
        """As `get`."""
        return self._found(key, super().get_sync(key, *arguments, **named))

    def _found(self, key, content):
        split, name, folder, *_ = [*key.split("/"), "", "", ""]
        lacking = content is None and folder == "c" and self.read_only
        if lacking and self.layout.must_be_whole(split, name):
            raise _MissingChunkError(f"the file {key} is missing")
        return content


class StoredArray(zarr.Array):
    """An array of a data set; reading it raises `SimulationError` where it is damaged."""

    def __getitem__(self, selection: Any) -> Any:
        try:
            return super().__getitem__(selection)
        except IndexError:  # of the selection
            raise
        except MemoryError:
            raise StoreError(f"{self.store.root / self.path} does not fit into memory.") from None
        except _DAMAGE as error:
            raise SimulationError(self._damage(error)) from None

    def _damage(self, error):
        step, parts = self.chunks[0], super()
        for first in range(0, self.shape[0], step):
            try:
                parts.__getitem__(slice(first, first + step))
            except _DAMAGE:
                where = f" (objects {first} to {min(first + step, self.shape[0]) - 1})"
                break
        else:
            where = ""
        return (
            f"{self.store.root / self.path} is damaged{where}: {_reason(error)}. "
            f"{_remedy(self.store.layout)}"
        )


def _reason(error):
    text = str(error).split("\n")[0]
    return "its checksum differs" if "checksum" in text else text[:160] or type(error).__name__


def _remedy(layout):
    if "options" in layout.attributes:
        return "Copy it again, or delete the damaged files and run the same simulate again."
    return "Copy it again, or ingest it again."


class _Folder(zarr.Group):
    def __getitem__(self, path: str) -> Any:
        try:
            with bounded_codecs():
                found = super().__getitem__(path)
        except _DAMAGE as error:
            if isinstance(error, KeyError) and path not in self._known():
                raise
            place = self.store.root / self.path / path
            reason = "it is no longer there" if isinstance(error, KeyError) else _reason(error)
            raise SimulationError(f"{place} is damaged: {reason}.") from None
        if isinstance(found, zarr.Array):
            return StoredArray(found._async_array)
        return Split(found._async_group)


class Split(_Folder):
    """One split of a data set: a Zarr group of its arrays."""

    def __contains__(self, name: str) -> bool:
        return name in self._known()

    def _known(self):
        return self.store.layout.splits.get(self.basename, {})

    def array_keys(self) -> Iterator[str]:
        """Names of the arrays."""
        yield from self._known()

    def arrays(self) -> Iterator[tuple[str, StoredArray]]:
        """Names and arrays."""
        for name in self.array_keys():
            yield name, self[name]


class Dataset(_Folder):
    """A data set opened for reading: a Zarr group of ``train``, ``validation`` and ``test``.

    In a notebook it shows its contact sheet.
    """

    def __contains__(self, name: str) -> bool:
        return name in self._known() or super().__contains__(name)

    def _known(self):
        return self.store.layout.splits

    def groups(self) -> Iterator[tuple[str, Split]]:
        """Names and splits."""
        for name in self.store.layout.splits:
            yield name, self[name]

    def _repr_html_(self) -> str:
        from simulator.preview.stored import dataset_html

        return dataset_html(self)


def open_dataset(path: str | Path, split: str | None = None) -> Dataset:
    """Open a data set, simulated or real, for reading.

    Parameters
    ----------
    path : path
    split : str, optional
        The only split that must be finished; by default all must.

    Raises
    ------
    SimulationError
        No data set there, one of another format, one that is damaged, or one that is unfinished.

    Examples
    --------
    >>> dataset = open_dataset("hits.zarr")
    >>> dataset.attrs["classes"][0], dataset["train"]["images"].shape[2:]
    ('SN', (21, 21))
    """
    root = open_root(path, mode="r")
    for name in root.store.layout.splits:
        if split in (None, name):
            _check_whole(root, name)
    return root


def open_root(path: str | Path, mode: str = "r+") -> Dataset:
    """The group of a data set, finished or not, whose metadata are checked.

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
    if (path / ".zgroup").exists() and not (path / "zarr.json").exists():
        raise SimulationError(
            f"{path} is a Zarr v2 store; data sets are Zarr v3. Convert it: ingest --from zarr "
            f"{path} --out NEW.zarr."
        )
    store = _WholeStore.of(read_layout(path), read_only=mode == "r")
    try:
        root = zarr.open_group(store, mode=mode, zarr_format=3, use_consolidated=False)
    except _DAMAGE as error:
        raise SimulationError(f"{path} is damaged ({_reason(error)}).") from None
    return Dataset(root._async_group)


def _check_whole(root, name):
    """Check that a split is finished and that every chunk that must be there is there."""
    layout = root.store.layout
    marks = _marks(root, name)
    if not marks.all():
        raise SimulationError(
            f"{layout.path}/{name} is not finished ({int((~marks).sum())} of {marks.size} shards "
            "to be made). Run the command that makes it again."
        )
    missing = next(layout.missing_chunks(name), None)
    if missing is not None:
        raise SimulationError(
            f"{missing} is missing; without it the data set is incomplete. {_remedy(layout)}"
        )


def _marks(root, split):
    """Which shards are marked as complete; all, in a data set that has no marks."""
    return root[split][MARKS][:] if MARKS in root.store.layout.splits[split] else np.ones(1, bool)


def incomplete_shards(root: Dataset, split: str) -> np.ndarray:
    """Numbers of the shards of a split that have no mark, or lack one of their chunks."""
    done = _marks(root, split).copy()
    for shard in np.flatnonzero(done):
        done[shard] = root.store.layout.has_shard(split, int(shard))
    return np.flatnonzero(~done)


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
    root = open_root(path, "r")
    return not any(incomplete_shards(root, split).size for split in root.store.layout.splits)


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
