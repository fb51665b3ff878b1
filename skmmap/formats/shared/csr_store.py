"""CSR matrices in three arrays on disk, of which each read takes a piece."""

import os

import numpy as np
from scipy import sparse

from skmmap.disk import Identity
from skmmap.formats.shared.joined_store import JoinedStore
from skmmap.formats.shared.map_store import MapStore
from skmmap.rows import SparseStore, Store, check_ends, check_indices

CSR_VALUES = np.typecodes["AllInteger"] + "?fdFD"  # types that SciPy computes with


class CsrStore(JoinedStore, SparseStore):
    """Rows of a CSR matrix in the files data.npy, indices.npy and indptr.npy."""

    on_disk = can_reopen = True
    has_fixed_size_rows = False
    _is_folder = True
    todo = "Write the files again, or give shape=(n_rows, n_columns)."

    def __init__(self, data: MapStore, indices: MapStore, indptr: MapStore, n_columns):
        self._parts = data, indices, indptr
        self.shape, self.dtype = (indptr.n_rows - 1, n_columns), data.dtype
        self.where = f"{data.path.parent.name}{os.sep}"

    @property
    def row_nbytes(self) -> int:
        item = self.dtype.itemsize + self._indices.dtype.itemsize
        return round(self._data.n_rows / max(1, self.n_rows) * item)

    @property
    def row_values(self) -> int:
        return round(self._data.n_rows / max(1, self.n_rows))

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in self._parts)

    def read(self, start: int, stop: int):
        try:
            return self._read(start, stop)
        finally:  # a changed file is the reason of an error in its values
            self.verify()

    def _read(self, start: int, stop: int):
        indptr = _own(self._indptr.read(start, stop + 1))
        n_values = self._data.n_rows
        begin, end = check_ends(indptr, start, n_values, self.where, self.todo)
        shape = stop - start, self.shape[1]
        # Estimators of scikit-learn refuse 64-bit indices where 32 bits will do.
        dtype = np.int32 if max(end - begin, *shape) < 2**31 else np.int64
        indices = _own(self._indices.read(begin, end))
        check_indices(indices, self.shape[1], start, stop, self.where, self.todo)
        data = _own(self._data.read(begin, end))
        data = data.astype(self.dtype.newbyteorder("="), copy=False)
        indptr = (indptr.astype(np.int64) - begin).astype(dtype)
        indices = indices.astype(dtype, copy=False)
        return sparse.csr_array((data, indices, indptr), shape=shape)

    @property
    def _data(self) -> Store:
        return self._parts[0]

    @property
    def _indices(self) -> Store:
        return self._parts[1]

    @property
    def _indptr(self) -> Store:
        return self._parts[2]

    @property
    def identity(self) -> Identity:
        beside = [self._data.path.with_name("shape.npy")] if self._is_folder else []
        return super().identity + Identity.read(beside)

    @property
    def _arrays(self) -> tuple:
        return ()

    @property
    def files(self) -> dict:
        return self._data.files | self._indices.files | self._indptr.files


def _own(rows: np.ndarray) -> np.ndarray:
    """Return rows that are no view: what was checked must not change with the files."""
    is_own = rows.flags.owndata and rows.flags.writeable
    return rows if is_own else np.array(rows)
