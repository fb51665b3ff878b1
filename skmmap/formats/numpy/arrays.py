"""NumPy's arrays and memory maps; a map is opened again by the address of its file."""

import numpy as np

from skmmap.formats.shared import ArrayInfo, Format, MapStore, is_masked
from skmmap.rows import ArrayStore, Store

FORMAT = Format(options=("mode",))


def is_mine(source, first: bytes = b"") -> bool:
    """Whether it is an array, of which no value is under a mask."""
    return isinstance(source, np.ndarray) and not is_masked(source)


def list_arrays(source) -> list[ArrayInfo]:
    """Return the one array that it is."""
    return [ArrayInfo.of(open_store(source, "source"))]


def open_store(source, name: str, *, mode: str = "r") -> Store:
    """Return the store of an array."""
    return open_array(check_array(source, name), mode)


def open_array(array: np.ndarray, mode: str = "r") -> Store:
    """Return the store of an array: by its address if it is a map of a file."""
    if mode != "c" and (store := MapStore.of(array, mode)) is not None:
        return store
    return ArrayStore(array.copy() if mode == "c" else array, mode)


def check_array(array, name: str, kind: str = ""):
    """Return an array that has rows; ``kind`` is what it was made of."""
    if isinstance(array, np.matrix):
        raise TypeError(
            f"{name} is an np.matrix, which is not supported; pass np.asarray({name})."
        )
    if not array.shape:
        raise TypeError(
            f"{name} must be an array of rows, or a path; got "
            f"{kind or type(array).__name__}."
        )
    return array
