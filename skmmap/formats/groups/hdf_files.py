"""Files that hold the values of an HDF5 dataset: external, virtual, and its own."""

import os
from contextlib import suppress
from fnmatch import fnmatchcase
from glob import escape, glob
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from skmmap.disk import check_regular, open_regular
from skmmap.formats.groups.hdf_links import (
    find_place,
    follow_links,
    list_folders,
    list_nodes,
    list_places,
    open_from,
)
from skmmap.formats.shared import SAMPLE_NBYTES

_MAGIC = b"\x89HDF\r\n\x1a\n"
# A user block may lie before it: https://support.hdfgroup.org/documentation/hdf5/
# latest/_f_m_t3.html, "the superblock may begin at certain predefined offsets".
_FIRST_BLOCK = 512


def has_magic(path, first: bytes) -> bool:
    """Whether HDF5's magic number is at 0, 512, 1,024 bytes, and so on.

    ``first`` are the first bytes of the file.
    """
    if first.startswith(_MAGIC):
        return True
    offset = _FIRST_BLOCK
    while offset < len(first):
        if first.startswith(_MAGIC, offset):
            return True
        offset *= 2
    if len(first) < SAMPLE_NBYTES:
        return False
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        while offset < size:
            file.seek(offset)
            if file.read(len(_MAGIC)) == _MAGIC:
                return True
            offset *= 2
    return False


def find_address(dataset) -> tuple[Path, str | None]:
    """Return the file of an open dataset, and its name there."""
    file, name = dataset.file, dataset.name
    if name is not None and file.get(name) != dataset:
        # Of a dataset behind an external link, `name` is that of the link's file.
        name = file.visititems(lambda n, node: f"/{n}" if node == dataset else None)
    return Path(os.path.abspath(str(file.filename))), name


def is_at(file, path) -> bool:
    """Whether an open HDF5 file is the one at ``path``.

    That may be another one by now, or a namesake: HDF5 keeps a name that is relative to
    the folder which was the working directory when the file was opened.
    """
    if file.driver == "core":  # in memory, under any name
        return False
    if file.driver != "sec2":  # the handle of other drivers is no file descriptor
        return os.path.isfile(path)
    try:
        return os.path.samestat(os.fstat(file.id.get_vfd_handle()), os.stat(path))
    except OSError:
        return False


class Raw(NamedTuple):
    """An external raw file; HDF5 reads zeros where it is too short."""

    path: str
    n_bytes: int
    owner: str  # the dataset, in words

    def check(self) -> None:
        """Raise if the file exists and is too short."""
        with suppress(FileNotFoundError, NotADirectoryError):
            size = check_regular(self.path).st_size
            if size < self.n_bytes:
                raise ValueError(
                    f"{self.path!r} is truncated: {self.owner} needs "
                    f"{self.n_bytes:,} bytes of it, and it has {size:,}. Write it "
                    "again."
                )


class Layout:
    """The files with the values of a dataset, all references followed.

    ``near`` are those that it names itself, its own first; ``paths`` are all.
    """

    def __init__(self, dataset, links=()):
        named = Named(dataset)
        self.near = named.paths
        self.is_far = bool(links) or dataset.is_virtual
        self.raw: list[Raw] = []
        self._is_fixed, self._passed = True, set()
        self._paths, self._seen = dict.fromkeys(links), set()
        self._walk(dataset, named)
        self.paths = list(self._paths)
        del self._paths, self._seen

    def is_fixed(self) -> bool:
        """Whether files in which nothing was written lead to the same ones as before.

        What the dataset names itself is to be compared besides.
        """
        return self._is_fixed and not any(map(os.path.exists, self._passed))

    def check(self) -> None:
        """Raise for files that HDF5 would wait for (pipes), or read zeros from."""
        for path in self.paths:
            with suppress(FileNotFoundError, NotADirectoryError):
                check_regular(path)
        for raw in self.raw:
            raw.check()

    def _walk(self, dataset, named: "Named") -> None:
        self._paths |= dict.fromkeys(named.paths)
        self._passed |= named.passed
        self.raw += named.raw
        for source in named.sources:
            for place in named.parts[source[0]]:
                if (place, source) not in self._seen:
                    self._seen.add((place, source))
                    self._open(place, source, dataset)

    def _open(self, place: str, source: tuple, dataset) -> None:
        """Follow what a virtual dataset takes from one file."""
        if source[0] == ".":
            self._walk_inside(dataset.file, source, dataset)
        elif not os.path.exists(place):
            _check_filled(dataset, f"{place!r} is missing")
        else:
            with open_from(dataset.file, place) as file:
                self._walk_inside(file, source, dataset)

    def _walk_inside(self, file, source: tuple, dataset) -> None:
        for name in _list_series(file, source[1]):
            links = follow_links(file, name)
            self._paths |= dict.fromkeys(links)
            found = file.get(name)
            if found is not None:
                named = Named(found)
                self._is_fixed &= not links and not named.is_series
                self._walk(found, named)
            elif "%b" not in source[0]:
                _check_filled(dataset, f"{file.filename!r} has no dataset {name!r}")


class Named:
    """The files that an open dataset refers to directly.

    ``parts`` are where HDF5 finds them, ``passed`` where it looked before.
    """

    def __init__(self, dataset):
        self._path = os.path.abspath(str(dataset.file.filename))
        self.raw = _list_raw(dataset, self._path)
        self.sources = sorted(_list_sources(dataset))
        self.parts, self.passed = {".": [self._path]}, set()
        folders = _list_folders(dataset) if self.sources else []
        for name in {name for name, _ in self.sources} - {"."}:
            places = list_places(name, folders)
            self.parts[name] = found = _find_parts(name, places)
            if found and found[0] in places:
                self.passed |= set(places[: places.index(found[0])])

    @property
    def is_series(self) -> bool:
        """Whether more files may appear: names with %b are numbered."""
        return any("%b" in name for name in self.parts)

    @property
    def paths(self) -> list[str]:
        """All files, its own first."""
        named = [self.parts[name] for name in self.parts.keys() - {"."}]
        return [self._path, *(raw.path for raw in self.raw), *sorted(chain(*named))]


def _list_raw(dataset, path: str) -> list[Raw]:
    prefix = os.fsdecode(dataset.id.get_access_plist().get_efile_prefix() or "")
    prefix = prefix.replace("${ORIGIN}", os.path.dirname(path))
    found, left = [], (dataset.size or 0) * dataset.dtype.itemsize
    for name, offset, room in dataset.external or ():
        # Names are relative to the working directory.
        place = os.path.abspath(os.path.join(prefix, name))
        n_bytes = offset + min(left, room)
        found.append(Raw(place, n_bytes, f"{dataset.name} of {path!r}"))
        left -= min(left, room)
    return found


def _list_sources(dataset) -> set[tuple[str, str]]:
    """Return file and name of all that a virtual dataset is made of."""
    parts = dataset.virtual_sources() if dataset.is_virtual else ()
    return {(part.file_name, part.dset_name) for part in parts}


def _list_folders(dataset) -> list[str]:
    """Return where HDF5 looks for the sources of a virtual dataset."""
    prefixes = os.environ.get("HDF5_VDS_PREFIX", "").split(os.pathsep)
    own = os.fsdecode(dataset.id.get_access_plist().get_virtual_prefix() or "")
    return list_folders(dataset.file, (*prefixes, own))


def _find_parts(name: str, places: list[str]) -> list[str]:
    """Return where HDF5 finds a source of a virtual dataset; %b is a number."""
    if "%b" not in name:
        return [find_place(places)]
    found = (sorted(glob(escape(at).replace("%b", "*"))) for at in places)
    return [find_place([path]) for path in next(filter(None, found), [])]


def _list_series(file, name: str) -> list[str]:
    """Return the datasets in a file of which a name is the pattern: %b is a number."""
    if "%b" not in name:
        return [name]
    inside = list_nodes(file)
    pattern = escape(name.strip("/")).replace("%b", "*")
    return [at for at, node in inside if fnmatchcase(at, pattern)]


def _check_filled(dataset, missing: str) -> None:
    """Raise for missing rows unless the dataset sets a fill value."""
    named = import_module("h5py").h5d.FILL_VALUE_USER_DEFINED
    if dataset.id.get_create_plist().fill_value_defined() != named:
        raise ValueError(
            f"{missing}: {dataset.name} of {str(dataset.file.filename)!r} has rows of "
            f"it, which HDF5 reads as {dataset.fillvalue}. Restore it, or write the "
            "virtual dataset with fillvalue=np.nan."
        )


def find_stored_nbytes(dataset) -> int:
    """Return the bytes that an HDF5 dataset takes in its file, or in its sources'."""
    if dataset.is_virtual:
        folder = os.path.dirname(dataset.file.filename)
        names = {source.file_name for source in dataset.virtual_sources()}
        paths = [dataset.file.filename if n == "." else n for n in names]
        paths = [os.path.join(folder, path) for path in paths]
        return sum(os.path.getsize(path) for path in paths if os.path.exists(path))
    return dataset.id.get_storage_size()
