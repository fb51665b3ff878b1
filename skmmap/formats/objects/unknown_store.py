"""Rows of objects whose arrays and files are found by the garbage collector."""

import numpy as np

from skmmap.disk import Identity, find_memmap, find_referents, is_named
from skmmap.formats.numpy import npy
from skmmap.rows import Store, share_memory


class UnknownStore(Store):
    """Rows of an object whose arrays and files are not all known."""

    identity = Identity(is_known=False)

    @property
    def _object(self):
        return self.rows

    def shares_memory(self, array: np.ndarray) -> bool:
        arrays, texts = find_referents(self._object)
        name = getattr(find_memmap(array), "filename", None)
        is_mapped = name is not None and _is_read_at(name, arrays, texts)
        return is_mapped or share_memory(array, arrays)

    def reads_from(self, path) -> bool:
        arrays, texts = find_referents(self._object)
        return _is_read_at(path, arrays, texts) or _is_copied(path, arrays)


def _is_read_at(path, arrays: list, texts: set[str]) -> bool:
    return Identity.of_arrays(arrays).covers(path) or is_named(path, texts)


def _is_copied(path, arrays: list) -> bool:
    """Whether an array is a copy of a map of this file, judged by a few rows.

    dask copies a map that it is given: the copy has the class of maps, but no file
    (``findings/dask_from_array_loads_a_map.sh``).
    """
    maps = [array for array in arrays if isinstance(array, np.memmap)]
    copies = [array for array in maps if find_memmap(array).filename is None]
    try:
        store = npy.open_store(path, "out") if copies else None
    except (OSError, ValueError):
        return False
    return any(_is_copy(array, store) for array in copies)


def _is_copy(array: np.ndarray, store: Store) -> bool:
    is_alike = (store.shape, store.dtype) == (array.shape, array.dtype)
    return is_alike and store.shows(array)
