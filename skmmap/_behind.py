"""The arrays behind an object of another library, as far as Python can see them."""

import gc
import os
from collections import deque
from collections.abc import Iterable
from types import CodeType, FrameType, FunctionType, ModuleType

import numpy as np

_MOST = 1_000_000  # objects that are looked at, in less than a second
# What leads to everything that a program has, or to nothing.
_LEFT_OUT = type, ModuleType, CodeType, FrameType, bytes, int, float


def find_behind(value) -> tuple[list[np.ndarray], list[str]]:
    """Return the arrays that an object refers to, and the names of files.

    Containers keep them in fields whose names nobody promises, and dask in a graph of
    tasks. The garbage collector is told of all of them:
    https://docs.python.org/3/library/gc.html#gc.get_referents

    >>> import numpy as np
    >>> class Mine:
    ...     def __init__(self, array):
    ...         self.parts = {"rows": lambda: array, "file": __file__}
    >>> array, __file__ = np.ones(3), np.__file__
    >>> arrays, names = find_behind(Mine(array))
    >>> arrays[0] is array, names == [np.__file__]
    (True, True)
    """
    arrays, names, seen, todo = [], [], {id(value)}, deque([value])
    while todo and len(seen) < _MOST:
        item = todo.popleft()
        if isinstance(item, np.ndarray):
            arrays += _with_mask(item)
        elif isinstance(item, str):
            names += [item] if _is_file(item) else []
        else:
            new = [other for other in _find_parts(item) if id(other) not in seen]
            new = [other for other in new if not isinstance(other, _LEFT_OUT)]
            seen.update(map(id, new))
            todo.extend(new)
    return arrays, names


def _is_file(text: str) -> bool:
    """Whether a text is a name of a file; those of tasks have neither of these."""
    return ("." in text or os.sep in text) and os.path.isfile(text)


def _with_mask(array: np.ndarray) -> list[np.ndarray]:
    mask = np.ma.getmask(array)
    return [array] if mask is np.ma.nomask else [array, mask]


def _find_parts(item) -> Iterable:
    if isinstance(item, FunctionType):  # without all names of its module
        return [item.__closure__, item.__defaults__, item.__kwdefaults__]
    return gc.get_referents(item)
