"""Whatever slices to arrays: netCDF4 variables, tensors, masked arrays, custom classes.

An object needs ``shape``, ``dtype`` and ``rows[start:stop]``, nothing else.
"""

import numpy as np
from scipy import sparse

from skmmap.formats.numpy import arrays
from skmmap.formats.objects.unknown_store import UnknownStore
from skmmap.formats.shared import (
    ArrayInfo,
    Format,
    check_type,
    choose_type,
    fill_missing,
    is_sparse,
    to_rows,
)
from skmmap.rows import SparseStore, Store, check_read, is_mapped

FORMAT = Format()

_SAMPLED = 1_000  # rows, for the number of values that sparse rows have


def is_mine(source, first: bytes = b"") -> bool:
    """Whether it has a shape, a type and slices."""
    return all(hasattr(source, name) for name in ("shape", "dtype", "__getitem__"))


def list_arrays(source) -> list[ArrayInfo]:
    """Return the one array that it is."""
    return [ArrayInfo.of(open_store(source, "source"))]


def open_store(source, name: str) -> Store:
    """Return the store of an object with a shape and slices."""
    return open_lazy(arrays.check_array(source, name))


def open_lazy(rows) -> Store:
    """Return the store of such an object, as its first row is."""
    if not len(rows.shape):
        raise ValueError(
            f"A {type(rows).__name__} of the shape () has no rows. Give an array of at "
            "least one dimension."
        )
    first = rows[0:1] if rows.shape[0] else None
    if first is not None and is_sparse(first):
        return LazyCsrStore(rows)
    return LazyStore(rows, first)


class LazyStore(UnknownStore):
    """Rows of anything that has a shape, and slices to an array."""

    is_parallel, is_thread_bound = False, True

    def __init__(self, rows, first=None):
        self.rows, self.where = rows, f"a {type(rows).__name__}"
        self.shape, self.on_disk = tuple(rows.shape), _is_elsewhere(rows)
        self.dtype = self._find_dtype(rows[0:1] if first is None else first)

    def _find_dtype(self, first) -> np.dtype:
        """Return the type of the first row."""
        said = getattr(self.rows, "dtype", None)
        if not self.n_rows and isinstance(said, np.dtype):
            return said
        return choose_type(said, self._take(first, 0, min(1, self.n_rows)).dtype)

    def _take(self, rows, start: int, stop: int) -> np.ndarray:
        """Return a slice as an array, if it is of the rows that were asked for."""
        rows = fill_missing(rows, self.where, start)
        rows = np.asarray(rows)
        check_read(self, rows, start, stop)
        return rows

    def find_disk_nbytes(self) -> int | None:
        return None if self.on_disk else 0

    def read(self, start: int, stop: int) -> np.ndarray:
        if start >= stop:  # not every container has empty slices
            return np.empty((0, *self.shape[1:]), self.dtype)
        rows = self._take(self.rows[start:stop], start, stop)
        check_type(self, rows.dtype, start, stop)
        return rows.astype(self.dtype, copy=False)


def _is_elsewhere(rows) -> bool:
    return not isinstance(rows, np.ndarray) or is_mapped(rows)


class LazyCsrStore(UnknownStore, SparseStore):
    """Rows of anything whose slices are sparse, as CSR."""

    is_parallel, is_thread_bound, on_disk = False, True, True

    def __init__(self, rows):
        self.rows, self.where = rows, f"a {type(rows).__name__}"
        self.shape = tuple(rows.shape)
        self._n_sampled = min(_SAMPLED, self.n_rows)
        self._sample_nnz, self.dtype = 0, np.dtype(float)
        sample = self._slice(0, self._n_sampled)
        self._sample_nnz, self.dtype = sample.nnz, sample.dtype

    @property
    def row_nbytes(self) -> int:
        nnz = self._sample_nnz / max(1, self._n_sampled)
        return round(nnz * (self.dtype.itemsize + np.dtype(np.int32).itemsize))

    @property
    def row_values(self) -> int:
        return round(self._sample_nnz / max(1, self._n_sampled))

    @property
    def nbytes(self) -> int:
        return self.n_rows * self.row_nbytes

    def find_disk_nbytes(self) -> None:
        return None

    def _slice(self, start: int, stop: int):
        rows = to_rows(self.rows[start:stop], self.where)
        check_read(self, rows, start, stop)
        return rows

    def read(self, start: int, stop: int):
        if start >= stop:
            return sparse.csr_array((0, self.shape[1]), dtype=self.dtype)
        rows = self._slice(start, stop)
        check_type(self, rows.dtype, start, stop)
        return rows.astype(self.dtype, copy=False)
