"""CSR matrices in three files, by their addresses."""

import os
from copy import copy
from pathlib import Path

import numpy as np
from scipy import sparse

from skmmap.disk import Identity
from skmmap.formats.files.map_store import MapStore
from skmmap.formats.files.npy import open_npy
from skmmap.formats.files.raw import check_shape
from skmmap.rows import (
    SparseStore,
    check_ends,
    check_indices,
)

_PIECE_NBYTES = 2**23  # of the indices, to look for the largest
_MOST = np.iinfo(np.int64).max  # of columns: indices of SciPy have no more bits
VALUES = np.typecodes["AllInteger"] + "?fdFD"


class CsrStore(SparseStore):
    """Rows of a CSR matrix in the files data.npy, indices.npy and indptr.npy."""

    on_disk = is_addressed = True
    has_equal_rows = False
    todo = "Write the files again, or give shape=(n_rows, n_columns)."

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
        try:
            return self._read(start, stop)
        finally:  # or what is wrong would be told, and not why
            self.verify()

    def _read(self, start: int, stop: int):
        # Copies: what is looked at is to stay so, whatever happens to the files.
        indptr = np.array(self._indptr.read(start, stop + 1))
        n_values = self._data.n_rows
        begin, end = check_ends(indptr, start, n_values, self.where, self.todo)
        shape = stop - start, self.shape[1]
        # Estimators of scikit-learn refuse 64-bit indices where 32 bits will do.
        dtype = np.int32 if max(end - begin, *shape) < 2**31 else np.int64
        indices = np.array(self._indices.read(begin, end))
        check_indices(indices, self.shape[1], start, stop, self.where, self.todo)
        data = np.array(self._data.read(begin, end), self.dtype.newbyteorder("="))
        indptr = (indptr.astype(np.int64) - begin).astype(dtype)
        indices = indices.astype(dtype, copy=False)
        return sparse.csr_array((data, indices, indptr), shape=shape)

    @property
    def _parts(self) -> tuple:
        return self._data, self._indices, self._indptr

    @property
    def identity(self) -> Identity:
        shape = Identity.read([self._data.path.with_name("shape.npy")])
        return sum((part.identity for part in self._parts), shape)

    def verify(self) -> None:
        for part in self._parts:
            part.verify()

    def finish(self) -> None:
        for part in self._parts:
            part.finish()

    def sync(self) -> None:
        for part in self._parts:
            part.sync()

    def holds(self, array: np.ndarray) -> bool:
        return any(part.holds(array) for part in self._parts)

    @property
    def _arrays(self) -> tuple:
        return ()

    @property
    def files(self) -> dict:
        return self._data.files | self._indices.files | self._indptr.files

    def by(self, how: str) -> "CsrStore":
        store = copy(self)
        store._data, store._indices = self._data.by(how), self._indices.by(how)
        store._indptr = self._indptr.by(how)
        return store

    def hold(self) -> None:
        for part in self._parts:
            part.hold()

    def close(self) -> None:
        for part in self._parts:
            part.close()


def is_csr_folder(path: Path) -> bool:
    return (path / "indptr.npy").is_file()


def open_csr(path: Path, name: str, shape=None) -> CsrStore:
    """Address the rows of a CSR matrix in a folder."""
    data, indices, indptr = (
        open_npy(path / f"{part}.npy", name) for part in ("data", "indices", "indptr")
    )
    _check_types(data, indices, indptr, name, path)
    ends = np.r_[indptr.read(0, 1), indptr.read(indptr.n_rows - 1, indptr.n_rows)]
    if not (ends[0] == 0 and ends[1] == data.n_rows == indices.n_rows):
        raise ValueError(
            f"{name}={str(path)!r} does not fit together: indptr.npy goes from "
            f"{ends[0]:,} to {ends[1]:,}, which must be from 0 to the number of "
            f"values; data.npy has {data.n_rows:,} of them and indices.npy "
            f"{indices.n_rows:,}. Write the three files again."
        )
    n_rows = indptr.n_rows - 1
    if shape is None:
        shape = _read_shape(path, name, n_rows)
        return CsrStore(data, indices, indptr, _find_columns(path, shape, indices))
    if len(check_shape(shape)) != 2 or shape[0] != n_rows or shape[1] > _MOST:
        raise ValueError(
            f"{name}={str(path)!r} has {n_rows:,} rows; give shape=({n_rows}, "
            f"n_columns). Got {shape!r}."
        )
    return CsrStore(data, indices, indptr, shape[1])


def _check_types(data, indices, indptr, name: str, path: Path) -> None:
    """Raise unless these are the arrays of a CSR matrix that scikit-learn takes."""
    is_flat = all(len(store.shape) == 1 for store in (data, indices, indptr))
    is_int = indices.dtype.kind in "iu" and indptr.dtype.kind in "iu"
    if not (is_flat and is_int and indptr.n_rows) or data.dtype.char not in VALUES:
        found = ", ".join(
            f"{store.where}: {store.dtype}, shape {store.shape}"
            for store in (data, indices, indptr)
        )
        raise ValueError(
            f"{name}={str(path)!r} is no CSR matrix: its data must be numbers of NumPy "
            "and SciPy (not float16), indices and indptr integers, all "
            f"one-dimensional; found {found}."
        )


def _read_shape(path: Path, name: str, n_rows: int) -> tuple | None:
    """Return the shape that shape.npy says, None if it is not there."""
    if not os.path.lexists(path / "shape.npy"):
        return None
    store = open_npy(path / "shape.npy", name)
    said = f"has the shape {store.shape} and the dtype {store.dtype}"
    if store.shape == (2,) and store.dtype.kind in "iu":
        shape = tuple(store.read(0, 2).tolist())
        if shape[0] == n_rows and 0 <= shape[1] <= _MOST:
            return shape
        said = f"says {shape}"
    raise ValueError(
        f"{name}={str(path)!r} has {n_rows:,} rows, and its shape.npy {said}; it must "
        f"be two integers, {n_rows} and the number of columns. Write it again, or give "
        f"shape=({n_rows}, n_columns)."
    )


def _find_columns(path: Path, shape: tuple | None, indices: MapStore) -> int:
    """Return the number of columns that shape.npy says, or else the indices."""
    if shape is not None:
        return shape[1]
    step = _PIECE_NBYTES // indices.dtype.itemsize
    starts = range(0, indices.n_rows, step)
    pieces = (indices.read(i, min(i + step, indices.n_rows)) for i in starts)
    n_columns = max((int(piece.max()) for piece in pieces), default=-1) + 1
    if 0 <= n_columns <= _MOST:
        return n_columns
    raise ValueError(
        f"{path.name}{os.sep} has an index of {n_columns - 1:,}, which is no column. "
        f"{CsrStore.todo}"
    )
