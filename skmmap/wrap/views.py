"""Replaces views of the data in a fitted object with copies.

A single view keeps a whole file mapped. Birch keeps rows of its input
(``_CFSubcluster.centroid_``), and third-party estimators may keep any.
"""

from collections import deque
from functools import lru_cache
from types import FunctionType, ModuleType

import numpy as np

_CONTAINERS = dict, list, deque, tuple


def own_arrays(root, is_foreign) -> None:
    """Replace arrays in ``root`` for which ``is_foreign`` is true with copies.

    Attributes, dicts, lists, deques, tuples and arrays of objects are searched.
    """
    seen, todo = set(), [root]
    while todo:
        holder = todo.pop()
        if id(holder) in seen:
            continue
        seen.add(id(holder))
        for key, value in list(_iter_members(holder)):
            owned = _own(value, is_foreign)
            if owned is not value:
                _put(holder, key, owned)
            if isinstance(owned, _CONTAINERS) or _has_members(owned):
                todo.append(owned)


def _own(value, is_foreign):
    """Return a copy of a foreign array, or of a tuple with one inside."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        return _copy(value) if is_foreign(value) else value
    if isinstance(value, tuple):
        items = [_own(item, is_foreign) for item in value]
        if any(a is not b for a, b in zip(items, value, strict=True)):
            return value._make(items) if hasattr(value, "_make") else tuple(items)
    return value


def _copy(array: np.ndarray) -> np.ndarray:
    """Return a copy of the same layout, by which products are rounded; not a memmap."""
    return np.array(array, subok=not isinstance(array, np.memmap))


def _iter_members(holder):
    """Yield the keys or names and the values in a container or object."""
    if isinstance(holder, dict):
        yield from holder.items()
    elif isinstance(holder, _CONTAINERS):
        yield from enumerate(holder)
    elif isinstance(holder, np.ndarray):
        yield from np.ndenumerate(holder)
    else:
        for name in [*getattr(holder, "__dict__", ()), *_find_slots(type(holder))]:
            if hasattr(holder, name):
                yield name, getattr(holder, name)


def _put(holder, key, value) -> None:
    if isinstance(holder, (*_CONTAINERS, np.ndarray)):
        holder[key] = value
    else:
        setattr(holder, key, value)


@lru_cache
def _find_slots(kind: type) -> tuple[str, ...]:
    slots = [getattr(cls, "__slots__", ()) for cls in kind.__mro__]
    return tuple(
        name
        for names in slots
        for name in ([names] if isinstance(names, str) else names)
        if not name.startswith("__")
    )


def _has_members(value) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype == object
    return not isinstance(value, type | ModuleType | FunctionType) and (
        hasattr(value, "__dict__") or bool(_find_slots(type(value)))
    )
