"""The arrays and files behind a third-party object, found by the garbage collector.

xarray, dask's graphs and masked arrays keep them in private fields, which may change in
any version. Only ``out=`` and `convert` ask, so as never to overwrite what they read.
"""

import gc
import os
from collections import deque
from collections.abc import Iterable
from pathlib import PurePath
from types import CodeType, FrameType, FunctionType, ModuleType

import numpy as np

_MOST = 100_000  # objects that are looked at, in a moment
_MOST_SLICES = 100  # that are read
# What leads to everything that a program has, or to nothing.
_LEFT_OUT = type, ModuleType, CodeType, FrameType, bytes, int, float
# All that is in an object of these is there to be read. One of another class may hold
# its results as well, or names of other files: what counts are slices of it.
_LIBRARIES = {
    *("builtins", "collections", "functools", "dask", "fsspec", "h5py", "netCDF4"),
    *("numpy", "pandas", "scipy", "sparse", "tensorstore", "tlz", "toolz"),
    *("xarray", "zarr"),
}


def find_referents(value) -> tuple[list[np.ndarray], set[str]]:
    """Return the arrays that an object is read from, and texts that can name files.

    The garbage collector knows which objects an object refers to:
    https://docs.python.org/3/library/gc.html#gc.get_referents

    >>> import functools
    >>> import numpy as np
    >>> array = np.ones(3)
    >>> arrays, texts = find_referents([functools.partial(np.add, array), "X.npy"])
    >>> arrays[0] is array, "X.npy" in texts
    (True, True)
    """
    arrays, texts, seen, todo = [], set(), {id(value)}, deque([value])
    slices = []  # which are kept, or others could be at their addresses
    while todo and len(seen) < _MOST:
        item = todo.popleft()
        if isinstance(item, np.ndarray):
            arrays += _with_mask(item)
        elif isinstance(item, str | PurePath):
            texts.add(str(item))
        elif not _is_of_library(item):
            parts = _slice(item) if len(slices) < _MOST_SLICES else []
            slices += parts
            todo.extend(parts)
        else:
            new = [other for other in _find_parts(item) if id(other) not in seen]
            new = [other for other in new if not isinstance(other, _LEFT_OUT)]
            seen.update(map(id, new))
            todo.extend(new)
    return arrays, texts


def _slice(item) -> list:
    """Return the first, middle and last row, if the object has rows that slices take.

    They can be views of what the object holds, and are the ends of that.
    """
    try:
        n_rows = item.shape[0]
        ends = sorted({0, n_rows // 2, n_rows - 1}) if n_rows else ()
        parts = [item[row : row + 1] for row in ends]
        return [part if _is_of_library(part) else np.asarray(part) for part in parts]
    except Exception:  # whatever it is of, and does
        return []


def is_named(path, texts: Iterable[str]) -> bool:
    """Whether one of the texts is a name of the file at ``path``.

    The disk is asked only for names that end as the file's do, which are few of all.
    """
    endings = {os.path.splitext(name)[1] for name in (path, os.path.realpath(path))}
    endings = tuple(endings - {""})
    if not endings or not os.path.isfile(path):
        return False
    file = os.stat(path)
    return any(text.endswith(endings) and _is_file(text, file) for text in texts)


def _is_file(text: str, file: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(text), file)
    except (OSError, ValueError):  # no file, or no name of one
        return False


def _is_of_library(item) -> bool:
    return type(item).__module__.partition(".")[0] in _LIBRARIES


def _with_mask(array: np.ndarray) -> list[np.ndarray]:
    mask = np.ma.getmask(array)
    return [array] if mask is np.ma.nomask else [array, mask]


def _find_parts(item) -> Iterable:
    if isinstance(item, FunctionType):  # without all names of its module
        return [item.__closure__, item.__defaults__, item.__kwdefaults__]
    if type(item).__module__.startswith("xarray."):  # without attributes, coordinates
        for part in "variable", "_data":
            if hasattr(type(item), part):
                return [getattr(item, part)]
    return gc.get_referents(item)
