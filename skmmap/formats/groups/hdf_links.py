"""Links in HDF5 files: their targets are checked before HDF5 opens them."""

import errno
import os
from collections import deque
from contextlib import contextmanager, suppress
from importlib import import_module

from skmmap.disk import check_regular

_MOST_LINKS = 16  # that HDF5 follows on the way to a name


def list_folders(file, prefixes=()) -> list[str]:
    """Return the folders in which HDF5 looks for a file that another one names.

    It is that of https://support.hdfgroup.org/documentation/hdf5/latest/
    group___h5_l.html, "H5Lcreate_external", and of virtual datasets too.
    """
    path = os.path.abspath(str(file.filename))
    folder, real = os.path.dirname(path), os.path.dirname(os.path.realpath(path))
    prefixes = [at.replace("${ORIGIN}", folder) for at in prefixes if at]
    return list(dict.fromkeys(map(os.path.abspath, (*prefixes, folder, "", real))))


def list_places(name: str, folders: list[str]) -> list[str]:
    """Return the candidate paths of a name: itself if absolute, then in each folder."""
    first = [name] if os.path.isabs(name) else []
    name = os.path.basename(name) if first else name
    places = (*first, *(os.path.join(at, name) for at in folders))
    return list(dict.fromkeys(map(os.path.abspath, places)))


def find_place(places: list[str]) -> str:
    """Return the first path that exists, if that is a regular file.

    HDF5 opens nothing after it, and would wait for a pipe.
    """
    there = next(filter(os.path.exists, places), None)
    if there is not None:
        check_regular(there)
    return there or places[0]


def follow_links(group, name: str, left=None) -> list[str]:
    """Return the files of the links on the way to a name, if all are regular.

    ``left`` has an item for each link that HDF5 would still follow.
    """
    left = iter(range(_MOST_LINKS)) if left is None else left
    found, node = [], group.file if name.startswith("/") else group
    for part in (part for part in name.split("/") if part not in ("", ".")):
        link = _get_link(node, part)
        if link is not None and next(left, None) is not None:
            found += _follow(node, link, left)
        with suppress(RuntimeError):  # links in a circle
            node = node.get(part)
        if not hasattr(node, "keys"):
            break
    return found


def _get_link(group, part: str):
    """Return the soft or external link of this name, None if it is another thing."""
    with suppress(TypeError):  # a user-defined link
        link = group.get(part, getlink=True)
        return link if hasattr(link, "path") else None


def _follow(group, link, left) -> list[str]:
    if not hasattr(link, "filename"):
        return follow_links(group, link.path, left)
    prefixes = os.environ.get("HDF5_EXT_PREFIX", "").split(os.pathsep)
    folders = list_folders(group.file, prefixes)
    place = find_place(list_places(link.filename, folders))
    with _leading_nowhere(), open_from(group.file, place) as file:
        return [place, *follow_links(file, link.path, left)]
    return [place]


@contextmanager
def _leading_nowhere():
    """Ignore a link to something that HDF5 cannot open."""
    try:
        yield
    except (KeyError, OSError, RuntimeError) as error:
        if getattr(error, "errno", None) in (errno.EMFILE, errno.ENFILE):
            raise  # too many open files: it may well be there


def open_from(file, place: str):
    """Open the target of a link as HDF5 does: with the flags of the linking file.

    One that is being written is opened by ``swmr=True`` only.
    """
    swmr = file.swmr_mode
    libver = "latest" if swmr else None
    return import_module("h5py").File(place, "r", swmr=swmr, libver=libver)


def get_node(group, name: str):
    """Return the node of this name in an HDF5 or zarr group, None if there is none."""
    if hasattr(group, "visititems"):
        follow_links(group, name)
    return group.get(name)


def list_nodes(group, describe=None) -> list[tuple]:
    """Return names and objects in an HDF5 group, at any depth, each of them once.

    What only links lead to comes last: it may have a name of its own. Of an object in
    another file it is what ``describe`` makes of it: that file is closed again.
    """
    nodes = _Nodes(group, describe or (lambda node: None))
    return [found for found in nodes.found.values() if found[0]]


class _Nodes:
    """The nodes of a group; other files are open only while they are visited."""

    def __init__(self, group, describe):
        self._describe, self._links = describe, deque()
        self._own, _ = _find_number(group)
        self.found: dict[tuple, tuple] = {}
        self._add(group, "")
        while self._links:
            name = self._links.popleft()
            with _leading_nowhere():
                self._add(get_node(group, name), name)

    def _add(self, node, name: str) -> None:
        is_group = hasattr(node, "keys")
        if not is_group and not hasattr(node, "shape"):
            return
        number, at = _find_number(node)
        is_own = number == self._own
        # After a file was closed and opened, its number is another one.
        file = None if is_own else os.path.realpath(node.file.filename)
        address = file, at
        if address not in self.found:
            self.found[address] = name, node if is_own else self._describe(node)
            if is_group:
                self._visit(node, f"{name}/" if name else "")

    def _visit(self, group, start: str) -> None:
        for part in group:
            if _get_link(group, part) is not None:
                self._links.append(start + part)
            else:
                self._add(group[part], start + part)


def _find_number(node) -> tuple[int, int]:
    """Return the number of the open file of an object, and its address there."""
    info = import_module("h5py").h5o.get_info(node.id)
    return info.fileno, info.addr
