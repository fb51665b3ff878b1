"""Links in HDF5 files: where they lead, before HDF5 follows them."""

import errno
import os
from collections import deque
from contextlib import contextmanager, suppress
from importlib import import_module

from skmmap.disk import check_regular

_MOST_LINKS = 16  # that HDF5 follows on the way to a name


def list_folders(file, prefixes=()) -> list[str]:
    """Return where HDF5 looks for files that are named in another one, in its order.

    It is that of https://support.hdfgroup.org/documentation/hdf5/latest/
    group___h5_l.html, "H5Lcreate_external", and of virtual datasets too.
    """
    path = os.path.abspath(str(file.filename))
    folder, real = os.path.dirname(path), os.path.dirname(os.path.realpath(path))
    prefixes = [at.replace("${ORIGIN}", folder) for at in prefixes if at]
    return list(dict.fromkeys(map(os.path.abspath, (*prefixes, folder, "", real))))


def list_places(name: str, folders: list[str]) -> list[str]:
    """Return the places in these folders, behind the one that is named in full."""
    first = [name] if os.path.isabs(name) else []
    name = os.path.basename(name) if first else name
    places = (*first, *(os.path.join(at, name) for at in folders))
    return list(dict.fromkeys(map(os.path.abspath, places)))


def find_place(places: list[str]) -> str:
    """Return the first place where something is, if that is a regular file.

    HDF5 opens nothing after it, and would wait for a pipe.
    """
    there = next(filter(os.path.exists, places), None)
    if there is not None:
        check_regular(there)
    return there or places[0]


def follow_links(group, name: str, left=None) -> list[str]:
    """Return the files that links lead to on the way to a name, if all are regular.

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
    with suppress(TypeError):  # a link of a kind that h5py does not know
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
    """Go on where a link leads to nothing that HDF5 can open."""
    try:
        yield
    except (KeyError, OSError, RuntimeError) as error:
        if getattr(error, "errno", None) in (errno.EMFILE, errno.ENFILE):
            raise  # it may lead to something


def open_from(file, place: str):
    """Open a file to which another one leads, as HDF5 does: by the other one's flags.

    One that is being written is opened by ``swmr=True`` only.
    """
    swmr = file.swmr_mode
    libver = "latest" if swmr else None
    return import_module("h5py").File(place, "r", swmr=swmr, libver=libver)


def get_node(group, name: str):
    """Return what has this name in a group of HDF5 or zarr, None if nothing has."""
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
    """What is in a group; another file is open only while it is looked into."""

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
        # Of a file that was closed meanwhile the number is another one.
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
    """Return which of the open files an object is in, and where in it."""
    info = import_module("h5py").h5o.get_info(node.id)
    return info.fileno, info.addr
