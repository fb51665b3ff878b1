"""Results of coded rows, block by block: a CSR matrix or an array, made once."""

from typing import NamedTuple

import numpy as np

# A block, its values and what is computed of them fit in a processor's cache.
BLOCK_ROWS = 2_048


class Entries(NamedTuple):
    """Values of a block, and their columns in the result: a row for each entry.

    Both are broadcast: one-hot columns have one value, and numbers one column each. A
    column of -1 says that there is no value.
    """

    values: np.ndarray
    places: np.ndarray


class SparseResult:
    """The arrays of a CSR matrix, in which no zero is stored."""

    def __init__(self, shape: tuple, n_entries: int, dtype, like):
        self._shape, self._n_rows, self._kind = shape, 0, type(like)
        self._data = np.empty((shape[0], n_entries), dtype)
        self._indices = np.empty((shape[0], n_entries), np.int32)

    def add(self, n_rows: int, found: list[Entries]) -> None:
        """Add a block of rows."""
        rows = slice(self._n_rows, self._n_rows + n_rows)
        self._n_rows, first = rows.stop, 0
        for values, places in found:
            here = slice(first, first + max(len(values), len(places)))
            self._data[rows, here] = values.T
            self._indices[rows, here] = places.T
            if places.min() < 0:
                is_none = (places < 0).T
                self._data[rows, here][is_none] = 0
                self._indices[rows, here][is_none] = 0
            first = here.stop

    def finish(self):
        """Return the matrix."""
        n_rows, n_entries = self._data.shape
        ends = np.arange(n_rows + 1, dtype=np.int32) * np.int32(n_entries)
        arrays = self._data.reshape(-1), self._indices.reshape(-1), ends
        matrix = self._kind(arrays, shape=self._shape)
        matrix.eliminate_zeros()  # in place
        return matrix


class DenseResult:
    """An array."""

    def __init__(self, shape: tuple, n_entries: int, dtype, like: np.ndarray):
        # Or products of the same values would round in another way.
        order = "F" if like.flags.fnc else "C"
        self._out, self._n_rows = np.zeros(shape, dtype, order), 0

    def add(self, n_rows: int, found: list[Entries]) -> None:
        """Add a block of rows."""
        out = self._out[self._n_rows : self._n_rows + n_rows]
        self._n_rows += n_rows
        for values, places in found:
            if places.shape[1] == 1 and places.min() >= 0:
                out[:, places[:, 0]] = values.T
                continue
            for along in places:
                (is_there,) = np.nonzero(along >= 0)
                out[is_there, along[is_there]] = values[0, 0]

    def finish(self) -> np.ndarray:
        """Return the array."""
        return self._out
