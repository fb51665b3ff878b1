"""Rows of arrays, sparse matrices and lists in the memory of this process."""

from collections.abc import Iterable

import numpy as np
from scipy import sparse

from skmmap.disk import Identity, find_memmap
from skmmap.rows.csr_check import check_slice, to_csr
from skmmap.rows.object_sizes import find_array_nbytes, find_list_nbytes
from skmmap.rows.store import Store


class ArrayStore(Store):
    """Rows of an array, or of a map whose file is not known."""

    where = "an array"

    def __init__(self, array: np.ndarray, mode: str = "r"):
        self._array, self.mode = array, mode
        # A view: the map keeps its mode, and no estimator can write through it.
        self.rows = np.asarray(array).view()
        self.rows.flags.writeable = False
        self.shape, self.dtype = array.shape, array.dtype
        self.on_disk = is_mapped(array)

    @property
    def row_extent(self) -> int:
        return max(self.row_nbytes, abs(self.rows.strides[0]))

    @property
    def memory_nbytes(self) -> int:
        return 0 if self.on_disk else find_array_nbytes(self.rows)

    @property
    def is_slow_layout(self) -> bool:
        return self.on_disk and self.n_rows > 1 and self.rows.flags.fnc

    def read(self, start: int, stop: int) -> np.ndarray:
        return self.rows[start:stop]

    view = read

    @property
    def held(self) -> np.ndarray | None:
        return None if self.on_disk else self.rows

    def write(self, rows, values) -> None:
        if self.mode == "r":
            super().write(rows, values)
        self._array[rows] = values

    @property
    def identity(self) -> Identity:
        return Identity.of_arrays([self.rows])

    def is_viewed_by(self, array: np.ndarray) -> bool:
        return np.may_share_memory(array, self.rows)

    def __reduce__(self):
        # joblib would send the path of a map, but the file lacks what was written to
        # private pages, or is another one by now.
        array = np.array(self._array) if self.on_disk else self._array
        return ArrayStore, (array, self.mode)


class SparseStore(Store):
    """Rows of a sparse matrix or array, as CSR."""

    kind = "CSR matrix"
    on_disk = False
    where = "a sparse matrix"

    def __init__(self, matrix):
        self.rows = to_csr(matrix, self.where)
        self.shape, self.dtype = self.rows.shape, self.rows.dtype

    @property
    def row_nbytes(self) -> int:
        nnz = self.rows.nnz / max(1, self.n_rows)
        return round(nnz * (self.dtype.itemsize + self.rows.indices.itemsize))

    @property
    def row_values(self) -> int:
        return round(self.rows.nnz / max(1, self.n_rows))

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in self._arrays)

    @property
    def _arrays(self) -> tuple:
        return self.rows.data, self.rows.indices, self.rows.indptr

    @property
    def identity(self) -> Identity:
        return Identity.of_arrays(self._arrays)

    def read(self, start: int, stop: int):
        check_slice(self.rows, start, stop, self.where)
        # SciPy copies what it slices, so nobody can write through it.
        return self.rows[start:stop]

    @staticmethod
    def join(parts: list):
        return parts[0] if len(parts) == 1 else sparse.vstack(parts, format="csr")


class ListStore(Store):
    """Rows of a list or tuple; chunks stay lists."""

    kind = "list"
    on_disk = False
    where = "a list"

    def __init__(self, rows):
        self.rows = rows
        self.shape = (len(rows), *(np.shape(rows[0]) if len(rows) else ()))

    @property
    def dtype(self) -> np.dtype:
        """The type of an array of these rows, as far as the first one tells."""
        return np.asarray(self.rows[:1]).dtype

    @property
    def row_nbytes(self) -> int:
        return 8 * self.row_values

    @property
    def memory_nbytes(self) -> int:
        return find_list_nbytes(self.rows, self.row_values)

    @property
    def _arrays(self) -> Iterable:
        return (row for row in self.rows if isinstance(row, np.ndarray))

    @property
    def identity(self) -> Identity:
        return Identity.of_arrays(self._arrays)

    def read(self, start: int, stop: int):
        return list(self.rows[start:stop])

    @staticmethod
    def pick(block, rows):
        return [block[row] for row in rows]

    @staticmethod
    def join(parts: list):
        return [row for part in parts for row in part]


def is_mapped(array) -> bool:
    """Whether ``array`` is, or is a view of, a memory map."""
    return find_memmap(array) is not None
