"""Folders with a CSR matrix in the files data.npy, indices.npy and indptr.npy."""

import os
from pathlib import Path

import numpy as np

from skmmap.disk import is_path
from skmmap.formats.numpy import npy
from skmmap.formats.shared import (
    CSR_VALUES,
    ArrayInfo,
    CsrStore,
    Format,
    MapStore,
    check_shape,
)

FORMAT = Format(options=("shape",))

_PIECE_NBYTES = 2**23  # of the indices, to look for the largest
_MOST = np.iinfo(np.int64).max  # of columns: indices of SciPy have no more bits


def is_mine(source, first: bytes = b"") -> bool:
    """Whether it is a folder with an indptr.npy."""
    return is_path(source) and os.path.isfile(os.path.join(source, "indptr.npy"))


def list_arrays(source) -> list[ArrayInfo]:
    """Return the one matrix in the folder."""
    return [ArrayInfo.of(open_store(source, "source"))]


def open_store(source, name: str, *, shape=None) -> CsrStore:
    """Return the store of the matrix; `shape` says how many columns it has."""
    path = Path(source)
    data, indices, indptr = (
        npy.open_store(path / f"{part}.npy", name)
        for part in ("data", "indices", "indptr")
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
    if not (is_flat and is_int and indptr.n_rows) or data.dtype.char not in CSR_VALUES:
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
    store = npy.open_store(path / "shape.npy", name)
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
