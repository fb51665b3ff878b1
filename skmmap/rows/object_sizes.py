"""Memory of Python objects in lists, arrays and frames, estimated from a sample."""

import sys

import numpy as np

from skmmap.disk import find_memmap

_LOOKED_AT = 10_000  # objects: of a million, each would take a second


def find_list_nbytes(rows, row_values: int) -> int:
    """Return the bytes of a list of rows and of what is in them."""
    some = rows[:: _find_step(len(rows), row_values)]
    return sys.getsizeof(rows) + _scale(some, len(rows))


def find_array_nbytes(array: np.ndarray) -> int:
    """Return the bytes of an array and of the objects in it."""
    if array.dtype != object or not array.size:
        return array.nbytes
    some = array[:: _find_step(len(array), array.size // len(array))]
    return array.nbytes + _scale(some.ravel().tolist(), array.size)


def find_frame_nbytes(frame) -> int:
    """Return the bytes of a frame or series of pandas and of the objects in it."""
    columns = [frame] if frame.ndim == 1 else [column for _, column in frame.items()]
    return frame.index.memory_usage(deep=True) + sum(map(_find_column_nbytes, columns))


def _find_column_nbytes(column) -> int:
    if column.dtype == object:
        return find_array_nbytes(column.to_numpy())
    return column.memory_usage(index=False, deep=True)


def _find_step(n_rows: int, row_values: int) -> int:
    return max(1, n_rows * max(1, row_values) // _LOOKED_AT)


def _scale(some, n_all: int) -> int:
    """Return the bytes of all objects, of which there are some."""
    return round(sum(map(_measure, some)) * n_all / max(1, len(some)))


def _measure(value) -> int:
    """Return the bytes of an object and of what is in it."""
    if isinstance(value, np.ndarray):
        in_base = 0 if value.base is None else value.nbytes
        return sys.getsizeof(value) + (0 if find_memmap(value) is not None else in_base)
    inside = value if isinstance(value, list | tuple | set) else ()
    if isinstance(value, dict):
        inside = [*value, *value.values()]
    return sys.getsizeof(value) + sum(map(_measure, inside))
