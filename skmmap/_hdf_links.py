"""Links in HDF5 files: where they lead, before HDF5 follows them."""

import os
from collections import deque
from contextlib import suppress
from importlib import import_module

from skmmap._regular import check_regular

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
    with suppress(OSError), open_from(group.file, place) as file:
        return [place, *follow_links(file, link.path, left)]
    return [place]


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


def list_nodes(group) -> list[tuple]:
    """Return names and objects in an HDF5 group, at any depth, each of them once.

    What only links lead to comes last: it may have a name of its own.
    """
    found, links = {group: ""}, deque()
    _visit(group, "", found, links)
    while links:
        parent, part, name = links.popleft()
        with suppress(KeyError, OSError, RuntimeError):  # it leads nowhere
            _add(get_node(parent, part), name, found, links)
    del found[group]
    return [(name, node) for node, name in found.items()]


def _visit(group, start: str, found: dict, links: deque) -> None:
    for part in group:
        if _get_link(group, part) is not None:
            links.append((group, part, start + part))
        else:
            _add(group[part], start + part, found, links)


def _add(node, name: str, found: dict, links: deque) -> None:
    is_group = hasattr(node, "keys")
    if (is_group or hasattr(node, "shape")) and node not in found:
        found[node] = name
        if is_group:
            _visit(node, f"{name}/", found, links)
