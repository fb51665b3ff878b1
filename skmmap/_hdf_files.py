"""In which files the values of an HDF5 dataset lie."""

import os
from contextlib import suppress
from fnmatch import fnmatchcase
from glob import escape, glob
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from skmmap._hdf_links import find_place, follow_links, list_nodes, list_places
from skmmap._regular import check_regular


def find_address(dataset) -> tuple[Path, str | None]:
    """Return the file of an open dataset, and its name there."""
    file, name = dataset.file, dataset.name
    if name is not None and file.get(name) != dataset:
        # Behind a link from another file, it is the name that the link has there.
        name = file.visititems(lambda n, node: f"/{n}" if node == dataset else None)
    return Path(os.path.abspath(str(file.filename))), name


def is_at(file, path) -> bool:
    """Whether an open HDF5 file is the one at ``path``.

    That may be another one by now, or a namesake: HDF5 keeps a name that is relative to
    the folder which was the working directory when the file was opened.
    """
    if file.driver == "core":  # in memory, where it may bear any name
        return False
    if file.driver != "sec2":  # of others, the handle is no descriptor
        return os.path.isfile(path)
    try:
        return os.path.samestat(os.fstat(file.id.get_vfd_handle()), os.stat(path))
    except FileNotFoundError:
        return False


class Raw(NamedTuple):
    """Values in a file of their own, of which HDF5 makes zeros where it ends early."""

    path: str
    n_bytes: int
    owner: str  # whose they are

    def check(self) -> None:
        """Raise if the file, which may be away, has fewer bytes."""
        with suppress(FileNotFoundError, NotADirectoryError):
            size = check_regular(self.path).st_size
            if size < self.n_bytes:
                raise ValueError(
                    f"{self.path!r} is truncated: {self.owner} needs "
                    f"{self.n_bytes:,} bytes of it, and it has {size:,}. Write it "
                    "again."
                )


class Layout:
    """The files in which the values of a dataset lie, at the end of all references.

    ``near`` are those that it names itself, its own first; ``paths`` are all.
    """

    def __init__(self, dataset, links=()):
        self.near = list_near(dataset)
        self.is_far = bool(links) or dataset.is_virtual
        self.raw: list[Raw] = []
        self._paths, self._seen = dict.fromkeys((*links, *self.near)), set()
        self._walk(dataset)
        self.paths = list(self._paths)
        del self._paths, self._seen

    def check(self) -> None:
        """Raise for what HDF5 would wait for, or read as zeros."""
        for path in self.paths:
            with suppress(FileNotFoundError, NotADirectoryError):
                check_regular(path)
        for raw in self.raw:
            raw.check()

    def _walk(self, dataset) -> None:
        self._paths |= dict.fromkeys(list_near(dataset))
        self.raw += _list_raw(dataset)
        for source in sorted(_list_sources(dataset)):
            for place in _find_parts(source[0], dataset):
                if (place, source) not in self._seen:
                    self._seen.add((place, source))
                    self._open(place, source, dataset)

    def _open(self, place: str, source: tuple, dataset) -> None:
        """Go on with what a virtual dataset has of one file."""
        if source[0] == ".":
            self._walk_inside(dataset.file, source, dataset)
        elif not os.path.exists(place):
            _check_filled(dataset, f"{place!r} is missing")
        else:
            with import_module("h5py").File(place, "r") as file:
                self._walk_inside(file, source, dataset)

    def _walk_inside(self, file, source: tuple, dataset) -> None:
        for name in _list_series(file, source[1]):
            self._paths |= dict.fromkeys(follow_links(file, name))
            found = file.get(name)
            if found is not None:
                self._walk(found)
            elif "%b" not in source[0]:
                _check_filled(dataset, f"{file.filename!r} has no dataset {name!r}")


def list_near(dataset) -> list[str]:
    """Return the files that an open dataset names itself, its own first."""
    path = os.path.abspath(str(dataset.file.filename))
    raw = [raw.path for raw in _list_raw(dataset)]
    names = {name for name, _ in _list_sources(dataset)} - {"."}
    parts = [place for name in names for place in _find_parts(name, dataset)]
    return [path, *raw, *sorted(parts)]


def _list_raw(dataset) -> list[Raw]:
    path = os.path.abspath(str(dataset.file.filename))
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


def _find_parts(name: str, dataset) -> list[str]:
    """Return where HDF5 finds a source of a virtual dataset; %b is a number."""
    if name == ".":
        return [os.path.abspath(str(dataset.file.filename))]
    prefixes = os.environ.get("HDF5_VDS_PREFIX", "").split(os.pathsep)
    own = os.fsdecode(dataset.id.get_access_plist().get_virtual_prefix() or "")
    places = list_places(name, dataset.file, (*prefixes, own))
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
    """Raise unless a fill value was named for what is missing."""
    named = import_module("h5py").h5d.FILL_VALUE_USER_DEFINED
    if dataset.id.get_create_plist().fill_value_defined() != named:
        raise ValueError(
            f"{missing}: {dataset.name} of {str(dataset.file.filename)!r} has rows of "
            f"it, which HDF5 reads as {dataset.fillvalue}. Bring it back, or write the "
            "virtual dataset with fillvalue=np.nan."
        )
