"""The only place that opens, checks and addresses inputs."""

import os
import sys
from math import prod
from pathlib import Path

import numpy as np
from scipy import sparse

_NPY_MAGIC = b"\x93NUMPY"


def open_source(value, name: str):
    """Return ``value`` as a source: rows that are read by slice, never whole.

    ``value`` is an array or map, a path to a ``.npy`` file, a CSR matrix, a
    pandas or polars frame, a list, or anything with ``shape`` and slicing.
    ``name`` is what the user calls it, for messages.
    """
    if isinstance(value, str | os.PathLike):
        value = open_npy(value, name)
    if isinstance(value, np.lib.npyio.NpzFile):
        raise TypeError(_NPZ.format(name=name, path="an .npz archive"))
    if sparse.issparse(value):
        return SparseSource(value)
    if is_frame(value):
        return FrameSource(value)
    if isinstance(value, list | tuple):
        return ListSource(value)
    if isinstance(value, np.matrix):
        raise TypeError(
            f"{name} is an np.matrix, which is not supported; pass np.asarray({name})."
        )
    lazy = all(hasattr(value, has) for has in ("shape", "dtype", "__getitem__"))
    array = value if lazy and not _is_series(value) else np.asarray(value)
    if not array.shape:
        raise TypeError(f"{name} must be rows; got {type(value).__name__}.")
    return ArraySource(array)


def open_npy(path, name: str) -> np.memmap:
    """Map the ``.npy`` file at ``path`` read-only; nothing is ever unpickled."""
    path = Path(path)
    with open(path, "rb") as file:
        magic = file.read(len(_NPY_MAGIC))
    if magic[:2] == b"PK":
        raise ValueError(_NPZ.format(name=name, path=path))
    if magic != _NPY_MAGIC:
        raise ValueError(
            f"{name}={str(path)!r} is not a .npy file. Save the array once with "
            "np.save(path, array)."
        )
    shape, dtype, offset = _read_header(path, name)
    if dtype.hasobject:
        raise ValueError(
            f"{name}={str(path)!r} holds pickled Python objects, which are never "
            "loaded: they could run any code. Save plain numbers or strings, for "
            "example np.save(path, array.astype(str))."
        )
    size, needed = path.stat().st_size, offset + prod(shape) * dtype.itemsize
    if size < needed:
        raise ValueError(
            f"{name}={str(path)!r} is truncated: its header says shape {shape} and "
            f"{needed:,} bytes, and the file has {size:,}. Write it again."
        )
    return np.lib.format.open_memmap(path, mode="r")


def is_mapped(array) -> bool:
    """Whether ``array`` is, or is a view of, a memory map."""
    while array is not None:
        if isinstance(array, np.memmap):
            return True
        array = getattr(array, "base", None)
    return False


def _read_header(path, name: str):
    """Return shape, dtype and the offset of the data of a ``.npy`` file."""
    fmt = np.lib.format
    with open(path, "rb") as file:
        try:
            old = fmt.read_magic(file) == (1, 0)
            # Version 3 differs from 2 in its encoding only.
            read = fmt.read_array_header_1_0 if old else fmt.read_array_header_2_0
            shape, _, dtype = read(file)
        except ValueError as error:
            raise ValueError(
                f"{name}={str(path)!r} has no readable header: {error}. Write it again."
            ) from error
        return shape, dtype, file.tell()


_NPZ = (
    "{name} is {path}: numpy reads an .npz archive whole into memory, whatever "
    "mmap_mode says. Save each of its arrays once as .npy with np.save(path, array)."
)


def is_frame(value) -> bool:
    return bool(_library(value)) and len(getattr(value, "shape", ())) == 2


def _is_series(value) -> bool:
    return bool(_library(value))


def _library(value) -> str:
    """Return "pandas" or "polars" if ``value`` is of a class from there."""
    modules = [cls.__module__.partition(".")[0] for cls in type(value).__mro__]
    return next((name for name in modules if name in ("pandas", "polars")), "")


def concat_frames(parts, *, keep_index: bool):
    """Join data frames of one library, row-wise."""
    library = sys.modules[_library(parts[0])]
    if library.__name__ == "pandas":
        return library.concat(parts, ignore_index=not keep_index)
    return library.concat(parts)


class ArraySource:
    """Rows of an ndarray, a map, or whatever has ``shape`` and slices to one."""

    has_index = False

    def __init__(self, array):
        if isinstance(array, np.ndarray):
            # A view: the map keeps its mode, and no estimator can write through.
            array = np.asarray(array).view()
            array.flags.writeable = False
        self.rows = array
        self.shape = tuple(array.shape)
        self.dtype = np.dtype(array.dtype)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def n_rows(self) -> int:
        return self.shape[0] if self.shape else 0

    @property
    def row_values(self) -> int:
        return prod(self.shape[1:])

    @property
    def row_nbytes(self) -> int:
        return self.row_values * self.dtype.itemsize

    @property
    def is_slow_layout(self) -> bool:
        """True for a column-by-column file, where a row slice touches all of it."""
        rows = self.rows
        return (
            isinstance(rows, np.ndarray)
            and rows.flags.fnc
            and self.n_rows > 1
            and is_mapped(rows)
        )

    def read(self, start: int, stop: int) -> np.ndarray:
        rows = np.asarray(self.rows[start:stop])
        if not rows.dtype.isnative:
            return rows.astype(rows.dtype.newbyteorder("="))
        return rows

    def ravel(self) -> "ArraySource":
        """Return a column of shape (n_rows, 1) as one dimension."""
        return ArraySource(self.rows[:, 0])

    def shares_memory(self, array: np.ndarray) -> bool:
        return isinstance(self.rows, np.ndarray) and np.may_share_memory(
            array, self.rows
        )


class SparseSource(ArraySource):
    """Rows of a sparse matrix or array, as CSR."""

    is_slow_layout = False

    def __init__(self, matrix):
        self.rows = matrix.tocsr()
        self.shape = self.rows.shape
        self.dtype = self.rows.dtype

    @property
    def row_nbytes(self) -> int:
        nnz = self.rows.nnz / max(1, self.n_rows)
        return round(nnz * (self.dtype.itemsize + self.rows.indices.itemsize))

    @property
    def row_values(self) -> int:
        return round(self.rows.nnz / max(1, self.n_rows))

    def read(self, start: int, stop: int):
        # SciPy copies what it slices, so nobody can write through it.
        return self.rows[start:stop]


class FrameSource(ArraySource):
    """Rows of a pandas or polars data frame; chunks stay frames."""

    is_slow_layout = False

    def __init__(self, frame):
        self.rows = frame
        self.shape = frame.shape
        self.has_index = hasattr(frame, "iloc")

    @property
    def row_nbytes(self) -> int:
        return 8 * self.row_values

    def read(self, start: int, stop: int):
        if self.has_index:
            # A copy: scikit-learn makes pandas' arrays writable where it needs to.
            return self.rows.iloc[start:stop].copy()
        return self.rows[start:stop]


class ListSource(ArraySource):
    """Rows of a list or tuple; chunks stay lists."""

    is_slow_layout = False

    def __init__(self, rows):
        self.rows = rows
        self.shape = (len(rows), *(np.shape(rows[0]) if len(rows) else ()))

    @property
    def row_nbytes(self) -> int:
        return 8 * self.row_values

    def read(self, start: int, stop: int):
        return list(self.rows[start:stop])
