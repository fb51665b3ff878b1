"""dask arrays, computed block by block (needs dask); data frames are refused."""

from typing import NoReturn

import numpy as np
from scipy import sparse

from skmmap.formats.objects.unknown_store import UnknownStore
from skmmap.formats.shared import (
    ArrayInfo,
    ContainerStore,
    Format,
    check_type,
    choose_type,
    cut_blocks,
    fill_missing,
    is_instance,
    is_sparse,
    to_plain,
    to_rows,
)
from skmmap.rows import SparseStore, Store, check_read

FORMAT = Format()

_FRAMES = {
    (package, name)
    for package in ("dask", "dask_expr")
    for name in ("DataFrame", "Series", "Index")
}


def is_mine(source, first: bytes = b"") -> bool:
    """Whether it is an array of dask's, or a frame or a column of one."""
    return is_instance(source, _FRAMES | {("dask", "Array")})


def list_arrays(source) -> list[ArrayInfo]:
    """Return the one array that it is."""
    return [ArrayInfo.of(open_store(source, "source"))]


def open_store(source, name: str) -> Store:
    """Return the store of an array, by what its first block is."""
    if is_instance(source, _FRAMES):
        _refuse_frame(source)
    return open_dask(source)


def open_dask(array) -> Store:
    """Return the store of a dask array: sparse if its first block is."""
    _check_array(array, DaskStore.where)
    if not array.shape[0] or not array.numblocks[0]:
        return DaskStore(array)
    first = array.blocks[0].compute()
    if is_sparse(first):
        return DaskCsrStore(array, to_rows(first, DaskStore.where))
    return DaskStore(array, np.asarray(fill_missing(first, DaskStore.where, 0)))


def _refuse_frame(frame) -> NoReturn:
    """Say how a dask data frame, or a column of one, is read by parts."""
    text = (
        f"A dask {type(frame).__name__} has no known length, and would be loaded "
        "whole. Give frame.to_dask_array(lengths=True), which counts them and is "
        "computed partition by partition"
    )
    if hasattr(frame, "to_parquet"):
        text += ", or write it once, frame.to_parquet(folder), and give the folder"
    raise TypeError(f"{text}.")


class DaskStore(UnknownStore, ContainerStore):
    """Rows of a dask array, of the type that the first block has.

    The block that was computed last is kept: neighbouring chunks often share one, and
    each would compute it again.
    """

    where = "a dask array"
    can_reopen = False
    memory_nbytes = 0
    _last = None, None  # the number of a block, and its rows

    def __init__(self, array, first=None):
        _check_array(array, self.where)
        self._array, self._stops = array, np.cumsum(array.chunks[0])
        if first is None and array.shape[0]:
            first = self._take(array.blocks[0].compute(), 0)
        self.shape, dtype = array.shape, array.dtype if first is None else first.dtype
        self.dtype = choose_type(to_plain(array.dtype), to_plain(dtype))
        self._last = (None, None) if first is None else (0, first)

    @property
    def _object(self):
        return self._array

    def _check_files(self, cause: Exception | None = None) -> None:
        """Leave it to dask, which knows when they were opened."""

    def find_disk_nbytes(self) -> None:
        return None

    @property
    def block_rows(self) -> int:
        self._check_open()
        return max(1, *self._array.chunks[0])

    def _read(self, start, stop):
        first = int(np.searchsorted(self._stops, start, side="right"))
        last = int(np.searchsorted(self._stops, stop, side="left"))
        parts = []
        for number in range(first, min(last, len(self._stops) - 1) + 1):
            before = int(self._stops[number - 1]) if number else 0
            rows = self._compute(number, before)
            parts.append(rows[max(0, start - before) : stop - before])
        return self._copy(parts)

    def _copy(self, parts: list):
        """Return the parts as one; rows that are kept must not keep their block."""
        return np.concatenate(parts)

    def _compute(self, number: int, before: int):
        """Return a block of rows, computed if it is not the last one."""
        if self._last[0] != number:
            self._last = None, None  # or two would be there
            block = self._array.blocks[number].compute()
            self._last = number, self._take(block, before)
        return self._last[1]

    def _take(self, block, before: int):
        """Return a block as it is sliced; so many rows are before it."""
        return np.asarray(fill_missing(block, self.where, before))

    def _iter_blocks(self, rows: np.ndarray):
        self._check_open()
        blocks = np.searchsorted(self._stops, rows, side="right")
        yield from cut_blocks(rows, np.flatnonzero(np.diff(blocks)) + 1)

    def close(self) -> None:
        super().close()
        self._array, self._last = None, (None, None)

    def __getstate__(self) -> dict:
        return vars(self) | {"_last": (None, None)}


def _check_array(array, where: str) -> None:
    if np.isnan(array.shape).any():
        raise ValueError(
            f"{where} of the shape {array.shape} has no known length. Count its rows "
            "once with array.compute_chunk_sizes()."
        )
    if not array.shape:
        raise ValueError(f"{where!r} has no rows: its shape is ().")
    if array.dtype.hasobject:
        raise ValueError(
            f"{where!r} holds Python objects, which have no size. Give it a type, for "
            "example array.astype(float) or array.astype('U10')."
        )


class DaskCsrStore(DaskStore):
    """Rows of a dask array whose blocks are sparse, as CSR."""

    kind = SparseStore.kind
    has_fixed_size_rows = False
    join = staticmethod(SparseStore.join)

    def __init__(self, array, first):
        super().__init__(array, first)
        self._row_nnz = first.nnz / max(1, first.shape[0])

    @property
    def row_nbytes(self) -> int:
        return round(self._row_nnz * (self.dtype.itemsize + np.dtype("i4").itemsize))

    @property
    def row_values(self) -> int:
        return round(self._row_nnz)

    @property
    def nbytes(self) -> int:
        return self.n_rows * self.row_nbytes

    def _take(self, block, before: int):
        return to_rows(block, self.where)

    def _copy(self, parts: list):
        return sparse.vstack(parts, format="csr")

    def _make_empty(self):
        return sparse.csr_array((0, self.shape[1]), dtype=self.dtype)

    def _settle(self, rows, start: int, stop: int):
        check_read(self, rows, start, stop)
        check_type(self, rows.dtype, start, stop)
        return rows.astype(self.dtype, copy=False)
