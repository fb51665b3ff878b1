"""Rows of whatever slices to arrays: netCDF4 variables, xarray, tensors, masked arrays.

What counts is what slices are. The type that a container says can be the stored one,
before values are scaled or made unsigned, and what is missing can be under a mask.
"""

from math import prod

import numpy as np
from scipy import sparse

from skmmap._messages import describe_rows
from skmmap.disk import (
    Identity,
    find_behind,
    find_memmap,
    is_named,
)
from skmmap.formats.files import open_npy
from skmmap.rows import (
    SparseStore,
    Store,
    check_read,
    check_slice,
    is_mapped,
    share_memory,
    to_csr,
)

_SAMPLED = 1_000  # rows, for the number of values that sparse rows have


class UnknownStore(Store):
    """Rows of an object of which nobody knows all that is behind it."""

    identity = Identity(is_known=False)

    @property
    def _object(self):
        return self.rows

    def shares(self, array: np.ndarray) -> bool:
        arrays, texts = find_behind(self._object)
        name = getattr(find_memmap(array), "filename", None)
        is_mapped = name is not None and _is_read_at(name, arrays, texts)
        return is_mapped or share_memory(array, arrays)

    def is_at(self, path) -> bool:
        arrays, texts = find_behind(self._object)
        return _is_read_at(path, arrays, texts) or _is_copied(path, arrays)


def _is_read_at(path, arrays: list, texts: set[str]) -> bool:
    return Identity.of_arrays(arrays).covers(path) or is_named(path, texts)


def _is_copied(path, arrays: list) -> bool:
    """Whether an array is the copy of a map of this file, as far as a few rows tell.

    Such a copy, which dask makes of what it is given, is of the type of maps, and has
    forgotten the file.
    """
    maps = [array for array in arrays if isinstance(array, np.memmap)]
    copies = [array for array in maps if find_memmap(array).filename is None]
    try:
        store = open_npy(path, "out") if copies else None
    except (OSError, ValueError):
        return False
    return any(_is_copy(array, store) for array in copies)


def _is_copy(array: np.ndarray, store: Store) -> bool:
    is_alike = (store.shape, store.dtype) == (array.shape, array.dtype)
    return is_alike and store.shows(array)


class LazyStore(UnknownStore):
    """Rows of anything that has a shape, and slices to an array."""

    is_parallel, is_bound = False, True

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
        if start >= stop:  # which not every container has slices for
            return np.empty((0, *self.shape[1:]), self.dtype)
        rows = self._take(self.rows[start:stop], start, stop)
        check_type(self, rows.dtype, start, stop)
        return rows.astype(self.dtype, copy=False)


def choose_type(said, found: np.dtype) -> np.dtype:
    """Return the type that was found; strings are as long as the container says."""
    is_text = isinstance(said, np.dtype) and found.kind == said.kind in "SU"
    return said if is_text and said.itemsize > found.itemsize else found


def _is_elsewhere(rows) -> bool:
    return not isinstance(rows, np.ndarray) or is_mapped(rows)


def check_type(store: Store, dtype: np.dtype, start: int, stop: int) -> None:
    """Raise unless the store's type keeps all values of one that came."""
    if not np.can_cast(dtype, store.dtype, "safe"):
        raise ValueError(
            f"{store.where} is of {store.dtype} by its first rows, and "
            f"{describe_rows(start, stop)} of it are of {dtype}, whose values that may "
            "not hold. Write it again with values of one type."
        )


def fill_missing(rows, where: str, start: int, *, is_stored: bool = False):
    """Return rows without a mask: NaN is for what is missing, if there is one.

    ``is_stored`` says that a value in the file stands for a missing one.
    """
    if not isinstance(rows, np.ma.MaskedArray):
        return rows
    is_missing = np.ma.getmaskarray(rows)
    if is_missing.dtype.names:  # a field may be missing without the others
        is_missing = is_missing.reshape(-1).view(bool).reshape(len(rows), -1)
    if not is_missing.any():
        return rows.data
    if rows.dtype.kind in _MISSING:
        return rows.filled(_MISSING[rows.dtype.kind])
    width = prod(is_missing.shape[1:])
    first = start + int(is_missing.reshape(len(rows), width).any(axis=1).argmax())
    stored, raw = "", ""
    if is_stored:
        stored = f" (stored as {rows.data[np.ma.getmaskarray(rows)][0]})"
        raw = "; or give the open dataset, whose values are taken as they are stored"
    raise ValueError(
        f"{where} has a missing value{stored} in row {first:,}, and {rows.dtype} has "
        "no NaN for it. Write the rows with a value for what is missing, such as "
        f"np.ma.filled(rows, -1), or as floats{raw}."
    )


_MISSING = {
    "f": np.nan,
    "c": np.nan,
    "m": np.timedelta64("NaT"),
    "M": np.datetime64("NaT"),
}


def is_masked(array) -> bool:
    """Whether an array has a mask, which NumPy's functions would drop."""
    return np.ma.getmask(array) is not np.ma.nomask


class LazyCsrStore(UnknownStore, SparseStore):
    """Rows of anything whose slices are sparse, as CSR."""

    is_parallel, is_bound, on_disk = False, True, True

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


def is_sparse(rows) -> bool:
    """Whether rows are sparse: of SciPy's, or an array of sparse's."""
    return sparse.issparse(rows) or hasattr(rows, "to_scipy_sparse")


def to_rows(rows, where: str):
    """Return sparse rows as a CSR matrix or array of SciPy's, which is looked at."""
    rows = rows if sparse.issparse(rows) else rows.to_scipy_sparse()
    rows = to_csr(rows, where)
    check_slice(rows, 0, rows.shape[0], where)
    return rows


def open_lazy(rows) -> Store:
    """Return the store of an object with a shape and slices, as its first row is."""
    if not len(rows.shape):
        raise ValueError(
            f"A {type(rows).__name__} of the shape () has no rows. Give an array of at "
            "least one dimension."
        )
    first = rows[0:1] if rows.shape[0] else None
    if first is not None and is_sparse(first):
        return LazyCsrStore(rows)
    return LazyStore(rows, first)


def check_loaded(value, name: str) -> None:
    """Raise for what NumPy would load whole, without a word.

    Of an object that has nothing but ``__array__`` the values are in memory, as in
    scikit-learn's own checks. One with slices, columns or a computation has them where
    nobody knows, and without a shape nobody can read them by slices.
    """
    is_lazy = any(hasattr(value, method) for method in _COMPUTES)
    is_hidden = any(hasattr(value, part) for part in ("__getitem__", "columns"))
    if not is_lazy and not (is_hidden and hasattr(value, "__array__")):
        return
    writers = [method for method in _WRITES if hasattr(value, method)]
    todo = "Write it to a file once"
    if writers:
        todo += f", {name}.{writers[0]}('{name}.parquet')"
    raise TypeError(
        f"{name} is of the type {type(value).__name__}, which would be loaded whole. "
        f"{todo}, and give the path{_say_array(value, name)}."
    )


def _say_array(value, name: str) -> str:
    is_array = hasattr(value, "__array__")
    return f"; or np.asarray({name}), where that fits in memory" if is_array else ""


_COMPUTES = "compute", "collect", "execute"  # of dask, polars, ibis
_WRITES = "to_parquet", "sink_parquet", "write_parquet"
