"""CSR matrices in three files, by their addresses."""

import os
from copy import copy
from pathlib import Path

import numpy as np
from scipy import sparse

from skmmap._maps import MapStore, check_shape, open_npy
from skmmap._messages import describe_rows
from skmmap._stores import SparseStore

_PIECE_NBYTES = 2**23  # of the indices, to look for the largest
_VALUES = np.typecodes["AllInteger"] + "?fdFD"


class CsrStore(SparseStore):
    """Rows of a CSR matrix in the files data.npy, indices.npy and indptr.npy."""

    on_disk = is_addressed = True
    has_equal_rows = False

    def __init__(self, data: MapStore, indices: MapStore, indptr: MapStore, n_columns):
        self._data, self._indices, self._indptr = data, indices, indptr
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
        return sum(part.nbytes for part in (self._data, self._indices, self._indptr))

    def read(self, start: int, stop: int):
        indptr = self._indptr.read(start, stop + 1).astype(np.int64)
        begin, end = int(indptr[0]), int(indptr[-1])
        shape = stop - start, self.shape[1]
        # Estimators of scikit-learn refuse 64-bit indices where 32 bits will do.
        dtype = np.int32 if max(end - begin, *shape) < 2**31 else np.int64
        indices = self._indices.read(begin, end)
        self._check(indices, indptr, start, stop)
        data, indices = np.array(self._data.read(begin, end)), indices.astype(dtype)
        indptr = (indptr - begin).astype(dtype)
        return sparse.csr_array((data, indices, indptr), shape=shape)

    def _check(self, indices, indptr, start: int, stop: int) -> None:
        """Raise for what estimators would take for addresses in memory."""
        wrong = len(indices) and not 0 <= indices.min() <= indices.max() < self.shape[1]
        if wrong or np.any(np.diff(indptr) < 0):
            what = f"an index outside of its {self.shape[1]:,} columns"
            raise ValueError(
                f"{self.where} has {what if wrong else 'a descending indptr'} in "
                f"{describe_rows(start, stop)}. Write the files again, or give "
                "shape=(n_rows, n_columns)."
            )

    @property
    def files(self) -> dict:
        return self._data.files | self._indices.files | self._indptr.files

    def by(self, how: str) -> "CsrStore":
        store = copy(self)
        store._data, store._indices = self._data.by(how), self._indices.by(how)
        store._indptr = self._indptr.by(how)
        return store

    def hold(self) -> None:
        for store in (self._data, self._indices, self._indptr):
            store.hold()

    def close(self) -> None:
        for store in (self._data, self._indices, self._indptr):
            store.close()


def is_csr_folder(path: Path) -> bool:
    return (path / "indptr.npy").is_file()


def open_csr(path: Path, name: str, shape=None) -> CsrStore:
    """Address the rows of a CSR matrix in a folder."""
    data, indices, indptr = (
        open_npy(path / f"{part}.npy", name) for part in ("data", "indices", "indptr")
    )
    _check_types(data, indices, indptr, name, path)
    n_values = int(indptr.read(indptr.n_rows - 1, indptr.n_rows)[0])
    if not n_values == data.n_rows == indices.n_rows:
        raise ValueError(
            f"{name}={str(path)!r} does not fit together: indptr.npy ends at "
            f"{n_values:,}, data.npy has {data.n_rows:,} values and indices.npy "
            f"{indices.n_rows:,}. Write the three files again."
        )
    n_rows = indptr.n_rows - 1
    if shape is None:
        return CsrStore(data, indices, indptr, _find_columns(path, indices))
    if len(check_shape(shape)) != 2 or shape[0] != n_rows:
        raise ValueError(
            f"{name}={str(path)!r} has {n_rows:,} rows; give shape=({n_rows}, "
            f"n_columns). Got {shape!r}."
        )
    return CsrStore(data, indices, indptr, shape[1])


def _check_types(data, indices, indptr, name: str, path: Path) -> None:
    """Raise unless these are the arrays of a CSR matrix that scikit-learn takes."""
    is_flat = all(len(store.shape) == 1 for store in (data, indices, indptr))
    is_int = indices.dtype.kind in "iu" and indptr.dtype.kind in "iu"
    if not (is_flat and is_int and indptr.n_rows) or data.dtype.char not in _VALUES:
        found = ", ".join(
            f"{store.where}: {store.dtype}, shape {store.shape}"
            for store in (data, indices, indptr)
        )
        raise ValueError(
            f"{name}={str(path)!r} is no CSR matrix: its data must be numbers of NumPy "
            "and SciPy (not float16), indices and indptr integers, all "
            f"one-dimensional; found {found}."
        )


def _find_columns(path: Path, indices: MapStore) -> int:
    """Return the number of columns that shape.npy says, or else the indices."""
    if (path / "shape.npy").is_file():
        return int(open_npy(path / "shape.npy", "shape").read(1, 2)[0])
    step = _PIECE_NBYTES // indices.dtype.itemsize
    starts = range(0, indices.n_rows, step)
    pieces = (indices.read(i, min(i + step, indices.n_rows)) for i in starts)
    return max((int(piece.max()) for piece in pieces), default=-1) + 1
