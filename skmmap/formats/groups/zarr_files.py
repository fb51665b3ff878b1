"""Files of a zarr array, and whether they have changed."""

import hashlib
import json
import os
from contextlib import suppress
from itertools import product
from pathlib import Path

from skmmap.disk import await_tick, check_inside, check_regular, read_state

_MOST_FILES = 10_000  # whose sizes are added up
_NAMES = "zarr.json", ".zarray", ".zgroup"
_CHECKED = *_NAMES, ".zattrs", ".zmetadata"
_METADATA = "zarr.json", ".zarray"
_NOTES = *_METADATA, ".zattrs", ".zmetadata"


class Metadata:
    """The metadata of an array in a folder, read again if the file has changed."""

    def __init__(self, folder: str):
        self._folder, self._state, self._said = folder, None, None

    def read(self) -> str | None:
        """Return it without attributes, None if there is none."""
        paths = (os.path.join(self._folder, name) for name in _METADATA)
        found = ((path, state) for path in paths if (state := read_state(path)))
        path, state = next(found, (None, None))
        if state is not None and state != self._state:
            check_regular(path)
            said = json.loads(Path(path).read_bytes())
            said.pop("attributes", None)
            self._said = json.dumps(said, sort_keys=True)
        self._state = state
        return None if state is None else self._said

    def __reduce__(self):
        return Metadata, (self._folder,)


def read_folder(folder: str) -> int:
    """Return a digest of paths, sizes and times of all files in a folder.

    It calls ``stat`` on each of them, which is cheap compared with reading them.
    """
    total, newest = 0, None
    for path, status in _iter_files(folder):
        said = path, status.st_ino, status.st_size, status.st_mtime_ns
        digest = hashlib.blake2b(repr(said).encode(), digest_size=16).digest()
        total = (total + int.from_bytes(digest)) % 2**128  # in any order
        if newest is None or status.st_mtime_ns > newest[0]:
            newest = status.st_mtime_ns, path
    if newest is not None and await_tick(newest[1]):
        return read_folder(folder)
    return total


def _iter_files(folder: str):
    """Yield the path and status of each file with values, at any depth."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _iter_files(entry.path)
            elif entry.name not in _NOTES:
                yield entry.path, check_regular(entry.path)


def check_chunks(array, folder: str, start: int, stop: int) -> None:
    """Raise if a file with values of these rows is no regular one: zarr would wait."""
    sizes = array.shards or array.chunks
    ends = (stop, *array.shape[1:])
    starts = (start // sizes[0], *(0 for _ in ends[1:]))
    places = (range(i, -(-n // k)) for i, n, k in zip(starts, ends, sizes, strict=True))
    for place in product(*places):
        with suppress(FileNotFoundError):  # a chunk of fill values is not stored
            check_regular(os.path.join(folder, array.metadata.encode_chunk_key(place)))


def find_root(store) -> str | None:
    """Return the folder of a zarr store, None if it is in none."""
    place = _find_place(store)
    return None if place is None else os.path.abspath(place)


def is_fixed(store) -> bool:
    """Whether a zarr store reads the same folder from any working directory."""
    place = _find_place(store)
    return place is None or os.path.isabs(place)


def _find_place(store):
    if type(store).__name__ in ("LocalStore", "DirectoryStore", "NestedDirectoryStore"):
        return getattr(store, "root", None) or store.path
    return None


def find_folder_nbytes(folder) -> int | None:
    """Return the bytes of all files in a folder, None if it takes long to ask them."""
    inside = [os.path.join(at, n) for at, _, names in os.walk(folder) for n in names]
    return sum(map(os.path.getsize, inside)) if len(inside) <= _MOST_FILES else None


def is_zarr_folder(path) -> bool:
    """Whether a folder has the metadata of an array or a group."""
    return any(os.path.isfile(os.path.join(path, name)) for name in _NAMES)


def check_metadata(folder: Path) -> None:
    """Raise if the library would open metadata that are no regular file.

    They are in all groups and arrays below the folder, and not among the chunks.
    """
    check_inside(folder, _CHECKED)
    if (folder / ".zarray").exists():  # chunks may lie beside it, a million
        return
    with os.scandir(folder) as entries:
        inner = [Path(entry.path) for entry in entries if entry.is_dir()]
    for below in inner:
        if any(os.path.lexists(below / name) for name in _NAMES):
            check_metadata(below)
