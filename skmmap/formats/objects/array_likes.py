"""Whatever becomes an array in memory: the last adapter, which takes everything."""

from contextlib import suppress

import numpy as np

from skmmap.formats.numpy import arrays
from skmmap.formats.shared import ArrayInfo, Format
from skmmap.rows import Store

FORMAT = Format()

_COMPUTES = "compute", "collect", "execute"  # of dask, polars, ibis
_ENDS = "__iter__", "__array__", "__array_interface__", "__array_struct__"
_WRITES = "to_parquet", "sink_parquet", "write_parquet"


def is_mine(source, first: bytes = b"") -> bool:
    """Whether NumPy is asked to make an array of it, which is so for everything."""
    return True


def list_arrays(source) -> list[ArrayInfo]:
    """Return the one array that it becomes."""
    return [ArrayInfo.of(open_store(source, "source"))]


def open_store(source, name: str) -> Store:
    """Return the store of an array that is made of the object."""
    check_loaded(source, name)
    return make_array(source, name)


def make_array(source, name: str) -> Store:
    """Return the store of an array, without asking how large it becomes."""
    array = _to_array(source, name)
    return arrays.open_array(arrays.check_array(array, name, type(source).__name__))


def _to_array(source, name: str) -> np.ndarray:
    try:
        return np.asarray(source)
    except ValueError as error:  # NumPy's message does not name the argument
        raise ValueError(
            f"{name} is of the type {type(source).__name__}, which does not become an "
            f"array: {str(error).rstrip('.')}. Give what holds its rows: an array, a "
            "frame, a matrix or a list."
        ) from error


def check_loaded(value, name: str) -> None:
    """Raise for an object that NumPy would silently load whole.

    An object with ``__array__`` alone has its values in memory, as in scikit-learn's
    own checks. One with slices, columns or a computation may have them anywhere, and
    cannot be read by slices without a shape. Of one with items alone, such as a dataset
    of torch, NumPy would take items until an error ends it.
    """
    if hasattr(value, "__getitem__") and not _ends(value):
        lacks = [part for part in ("shape", "dtype") if not hasattr(value, part)]
        raise TypeError(
            f"{name} is of the type {type(value).__name__}, which has items, and no "
            f"{lacks[0]}. Give it shape and dtype, and rows for slices; or give a "
            "generator of batches: arrays that are made of some items each."
        )
    is_lazy = any(hasattr(value, method) for method in _COMPUTES)
    is_hidden = any(hasattr(value, part) for part in ("__getitem__", "columns"))
    if not is_lazy and not (is_hidden and hasattr(value, "__array__")):
        return
    writers = [method for method in _WRITES if hasattr(value, method)]
    todo = "Write it to a file once"
    if writers:
        todo += f", {name}.{writers[0]}('{name}.parquet')"
    raise TypeError(
        f"{name} is of the type {type(value).__name__}, which would be loaded whole. "
        f"{todo}, and give the path{_say_array(value, name)}."
    )


def _ends(value) -> bool:
    """Whether NumPy finds an end of the items of an object."""
    if any(hasattr(value, name) for name in _ENDS):
        return True
    with suppress(TypeError):
        memoryview(value)  # as arrays of ctypes are
        return True
    return False


def _say_array(value, name: str) -> str:
    is_array = hasattr(value, "__array__")
    return f"; or np.asarray({name}), where that fits in memory" if is_array else ""
