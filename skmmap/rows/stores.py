"""What rows are read from: arrays, matrices, frames and lists in this process.

A store brings neighbouring rows, and picks ascending ones block by block, so that
what lies on a disk is read in sequence: never with a seek for each row.
"""

import sys
from collections.abc import Iterable
from copy import copy
from math import prod

import numpy as np
from scipy import sparse

from skmmap._messages import describe_rows
from skmmap.disk import (
    BUFFER,
    Identity,
    allocate,
    find_memmap,
)
from skmmap.rows.csr_check import (
    check_slice,
    to_csr,
)
from skmmap.rows.object_sizes import (
    find_array_nbytes,
    find_frame_nbytes,
    find_list_nbytes,
)

# What is skipped between two rows costs less than a seek up to here, and a block is
# large enough for any disk while it still fits in a processor's cache.
_GAP_NBYTES = 2**17
_BLOCK_NBYTES = 2**22
# No text of a file can be this: it is half of a character.
MISSING = "\udfff"


class Store:
    """Rows of one kind, by their numbers.

    A subclass has `shape`, `dtype` and `read`, and may know more about its rows.
    """

    shape: tuple
    dtype: np.dtype
    mode = "r"
    kind = "array"  # of chunks: what they are, and what tells them from others
    is_slow_layout = False  # each slice of rows touches the whole file
    has_index = False  # chunks carry an index that results are to have
    on_disk = True
    is_parallel = True  # several threads can read at the same time
    is_bound = False  # only the thread that has it can read at all
    is_addressed = False  # other processes can open it themselves
    has_equal_rows = True  # in files, each takes as many bytes as any other
    names = None  # of the columns, where chunks are arrays that do not have them
    has_gaps = False  # some strings are missing, and read as empty ones
    where = ""  # what messages and repr call it

    @property
    def is_array(self) -> bool:
        return self.kind == "array"

    @property
    def is_sparse(self) -> bool:
        return self.kind == "CSR matrix"

    @property
    def n_rows(self) -> int:
        return self.shape[0]

    @property
    def row_values(self) -> int:
        return prod(self.shape[1:])

    @property
    def row_nbytes(self) -> int:
        return self.row_values * self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all rows as what is handed out of them."""
        return self.n_rows * self.row_values * self.dtype.itemsize

    @property
    def memory_nbytes(self) -> int:
        """Bytes of memory that the rows take before they are read."""
        return 0 if self.on_disk else self.nbytes

    def find_disk_nbytes(self) -> int | None:
        """Return the bytes that the rows take in files, None if nobody knows."""
        return self.nbytes if self.on_disk else 0

    @property
    def row_extent(self) -> int:
        """Bytes from one row to the next, where it is stored."""
        return self.row_nbytes

    @property
    def block_rows(self) -> int:
        """Rows that are read together when some of them are picked."""
        return max(1, _BLOCK_NBYTES // max(1, self.row_extent))

    def view(self, start: int, stop: int) -> np.ndarray | None:
        """Return neighbouring rows where they lie, None if they have to be brought.

        To look at them is for after `touch` or `check`.
        """
        return None

    @property
    def files(self) -> dict:
        """Bytes of the rows in each file that can be read as well as mapped."""
        return {}

    @property
    def identity(self) -> Identity:
        """What the rows come from, and how that was when it was opened."""
        return Identity()

    def by(self, how: str) -> "Store":
        """Return the store for a run, its files mapped or read, as ``how`` says.

        From now on it is an error if somebody writes to them.
        """
        return self

    def marking(self) -> "Store":
        """Return the store whose missing strings are told from empty ones."""
        return self

    def verify(self) -> None:
        """Raise if rows that were looked at are not those that a run began with."""

    def finish(self) -> None:
        """Raise as `verify` does, after a pass; it can take a moment."""

    def sync(self) -> None:
        """Have what was written by this process reach the files."""
        self.identity.sync()

    def read(self, start: int, stop: int):
        """Return neighbouring rows, as a view where that is possible."""
        raise NotImplementedError

    def read_into(self, start: int, stop: int, out: np.ndarray) -> None:
        """Put neighbouring rows into an array of their shape."""
        out[...] = self.read(start, stop)
        self.verify()

    def check(self, start: int, stop: int) -> None:
        """Raise if neighbouring rows are no longer there to be looked at."""

    def touch(self, start: int, stop: int) -> None:
        """Have neighbouring rows brought to memory, for a view of them."""

    def take(self, rows: np.ndarray):
        """Return the rows of these ascending numbers, as a copy."""
        blocks = self._iter_blocks(rows)
        if not self.is_array:
            picked = [self.pick(self.read(*block), at) for block, at, _ in blocks]
            return self.join(picked or [self.read(0, 0)])
        out = allocate((len(rows), *self.shape[1:]), self.dtype, BUFFER)
        for block, at, place in blocks:
            _pick_into(out[place], self.read(*block), at)
        self.verify()
        return out

    def _iter_blocks(self, rows: np.ndarray):
        """Yield (start, stop), the rows to pick of these, and their place."""
        if not len(rows):
            return
        gap = max(1, _GAP_NBYTES // max(1, self.row_extent))
        far = np.diff(rows) > gap
        next_block = np.diff(rows // self.block_rows) != 0
        cuts = np.flatnonzero(far | next_block) + 1
        for i, j in zip(np.r_[0, cuts], np.r_[cuts, len(rows)], strict=True):
            start, stop = int(rows[i]), int(rows[j - 1]) + 1
            yield (start, stop), rows[i:j] - start, slice(i, j)

    @staticmethod
    def pick(block, rows):
        """Return some rows of what `read` returned, in the order given."""
        return block[rows]

    @staticmethod
    def join(parts: list):
        """Return what `read` returned, several times, as one."""
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def write(self, rows: np.ndarray, values) -> None:
        """Assign to the rows of these numbers."""
        raise ValueError(f"{self.where or 'This source'} is read only.")

    def holds(self, array: np.ndarray) -> bool:
        """Whether ``array`` is a view of these rows."""
        return False

    def shares(self, array: np.ndarray) -> bool:
        """Whether who writes to ``array`` may change rows; it can take a moment."""
        name = getattr(find_memmap(array), "filename", None)
        is_mapped = name is not None and self.identity.covers(name)
        return is_mapped or self.holds(array) or share(array, self._arrays)

    def is_at(self, path) -> bool:
        """Whether ``path`` names a file that rows come from, or is in such a folder."""
        return self.identity.covers(path)

    @property
    def _arrays(self) -> Iterable:
        """The arrays of this process in which rows are."""
        return ()

    def hold(self) -> None:
        """Keep open what is opened for each read otherwise."""

    def close(self) -> None:
        """Let go of all that is open."""


def _pick_into(out: np.ndarray, block: np.ndarray, rows: np.ndarray) -> None:
    if block.flags.c_contiguous:
        # Any mode but "raise" writes to `out` without a buffer between.
        np.take(block, rows, axis=0, out=out, mode="clip")
    else:  # which take would copy whole
        out[...] = block[rows]


class ArrayStore(Store):
    """Rows of an ndarray or a map that somebody else holds."""

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

    def write(self, rows, values) -> None:
        if self.mode == "r":
            super().write(rows, values)
        self._array[rows] = values

    @property
    def identity(self) -> Identity:
        return Identity.of_arrays([self.rows])

    def holds(self, array: np.ndarray) -> bool:
        return np.may_share_memory(array, self.rows)

    def __reduce__(self):
        # joblib would send the file of a map, which has not what was written to private
        # pages, or may be another one by now.
        array = np.array(self._array) if self.on_disk else self._array
        return ArrayStore, (array, self.mode)


def check_read(store: Store, rows, start: int, stop: int) -> None:
    """Raise unless somebody else's code returned the rows that were asked for."""
    expected = (stop - start, *store.shape[1:])
    if rows.shape != expected:
        raise ValueError(
            f"{store.where} says that it has the shape {store.shape}, and "
            f"{describe_rows(start, stop)} of it have {rows.shape}, not {expected}."
        )


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


class FrameStore(Store):
    """Rows of a pandas or polars data frame, or of a series; chunks stay that."""

    on_disk = False
    where = "a data frame"

    def __init__(self, frame):
        self.rows, self.shape = frame, frame.shape
        columns = list(frame.columns) if len(frame.shape) > 1 else []
        # As in scikit-learn, other names than texts are none.
        is_named = columns and all(isinstance(name, str) for name in columns)
        self.names = columns if is_named else None
        named = f"frame of {columns}" if len(frame.shape) > 1 else "series"
        self.kind = f"{_library(frame)} {named}"
        self.has_index = hasattr(frame, "iloc")

    @property
    def dtype(self) -> np.dtype:
        """The type of an array of these rows."""
        return self.rows[:0].to_numpy().dtype

    @property
    def row_nbytes(self) -> int:
        return 8 * self.row_values

    @property
    def memory_nbytes(self) -> int:
        if self.has_index:
            return find_frame_nbytes(self.rows)
        return int(self.rows.estimated_size())

    @property
    def _arrays(self) -> list:
        # Others are copied, by polars too.
        if not self.has_index:
            return []
        whole = (("", self.rows),) if self.rows.ndim == 1 else self.rows.items()
        return [c.to_numpy() for _, c in whole if isinstance(c.dtype, np.dtype)]

    @property
    def identity(self) -> Identity:
        return Identity.of_arrays(self._arrays)

    def read(self, start: int, stop: int):
        if self.has_index:
            # A copy: scikit-learn makes pandas' arrays writable where it needs to.
            return self.rows.iloc[start:stop].copy()
        return self.rows[start:stop]

    def take(self, rows):
        return self.pick(self.rows, rows)

    @staticmethod
    def pick(block, rows):
        return block.iloc[rows] if hasattr(block, "iloc") else block[rows]

    @staticmethod
    def join(parts: list):
        return concat_frames(parts, keep_index=True)


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


class PartStore(Store):
    """Rows of another store, of another shape."""

    def __init__(self, store: Store, shape: tuple):
        self._store, self.shape, self.dtype = store, shape, store.dtype
        self.kind, self.mode, self.on_disk = store.kind, store.mode, store.on_disk
        self.where, self.is_slow_layout = store.where, store.is_slow_layout
        self.is_parallel, self.is_bound = store.is_parallel, store.is_bound
        self.is_addressed, self.has_index = store.is_addressed, store.has_index
        self.has_gaps, self.has_equal_rows = store.has_gaps, store.has_equal_rows
        self.pick, self.join = store.pick, store.join
        self.names = store.names if shape[1:] == store.shape[1:] else None

    @property
    def row_nbytes(self) -> int:
        return self._store.row_nbytes

    @property
    def row_values(self) -> int:
        return self._store.row_values

    @property
    def _share(self) -> float:
        return self.n_rows / max(1, self._store.n_rows)

    @property
    def nbytes(self) -> int:
        return round(self._share * self._store.nbytes)

    @property
    def memory_nbytes(self) -> int:
        return round(self._share * self._store.memory_nbytes)

    def find_disk_nbytes(self) -> int | None:
        nbytes = self._store.find_disk_nbytes()
        return None if nbytes is None else round(self._share * nbytes)

    @property
    def files(self) -> dict:
        return self._store.files

    @property
    def identity(self) -> Identity:
        return self._store.identity

    def verify(self) -> None:
        self._store.verify()

    def finish(self) -> None:
        self._store.finish()

    def sync(self) -> None:
        self._store.sync()

    def by(self, how: str) -> "Store":
        part = copy(self)
        part._store = self._store.by(how)
        return part

    def marking(self) -> "Store":
        part = copy(self)
        part._store = self._store.marking()
        return part

    def check(self, start: int, stop: int) -> None:
        self._store.check(start, stop)

    def touch(self, start: int, stop: int) -> None:
        self._store.touch(start, stop)

    def holds(self, array: np.ndarray) -> bool:
        return self._store.holds(array)

    def shares(self, array: np.ndarray) -> bool:
        return self._store.shares(array)

    def is_at(self, path) -> bool:
        return self._store.is_at(path)

    def hold(self) -> None:
        self._store.hold()

    def close(self) -> None:
        self._store.close()


class ColumnStore(PartStore):
    """Rows of shape (1,) as one dimension."""

    def __init__(self, store: Store):
        super().__init__(store, store.shape[:1])

    def read(self, start: int, stop: int):
        return self._store.read(start, stop)[:, 0]

    def view(self, start: int, stop: int) -> np.ndarray | None:
        rows = self._store.view(start, stop)
        return None if rows is None else rows[:, 0]

    def read_into(self, start: int, stop: int, out: np.ndarray) -> None:
        self._store.read_into(start, stop, out[:, None])

    def take(self, rows: np.ndarray) -> np.ndarray:
        return self._store.take(rows)[:, 0]


class DenseStore(PartStore):
    """Rows of a sparse store, as arrays."""

    def __init__(self, store: Store):
        super().__init__(store, store.shape)
        self.kind, self.pick, self.join = Store.kind, Store.pick, Store.join

    @property
    def row_values(self) -> int:
        return prod(self.shape[1:])

    @property
    def row_nbytes(self) -> int:
        return self.row_values * self.dtype.itemsize

    def read(self, start: int, stop: int) -> np.ndarray:
        return self._store.read(start, stop).toarray()


class ShardStore(Store):
    """Rows of several stores, one after the other."""

    def __init__(self, shards: list[Store]):
        self._shards = shards
        self._stops = np.cumsum([shard.n_rows for shard in shards])
        first = shards[0]
        self.shape = (int(self._stops[-1]), *first.shape[1:])
        self.dtype, self.mode, self.kind = first.dtype, first.mode, first.kind
        self.has_index = first.has_index
        is_same = all(shard.names == first.names for shard in shards)
        self.names = first.names if is_same else None
        self.on_disk = any(shard.on_disk for shard in shards)
        self.is_parallel = all(shard.is_parallel for shard in shards)
        self.is_bound = any(shard.is_bound for shard in shards)
        self.has_gaps = any(shard.has_gaps for shard in shards)
        self.has_equal_rows = all(shard.has_equal_rows for shard in shards)
        self.is_addressed = all(shard.is_addressed for shard in shards)
        self.is_slow_layout = any(shard.is_slow_layout for shard in shards)
        self.where = f"{len(shards):,} shards, {first.where} to {shards[-1].where}"
        self.pick, self.join = first.pick, first.join

    @property
    def row_nbytes(self) -> int:
        """The most that a row takes in any shard."""
        return max(shard.row_nbytes for shard in self._shards)

    @property
    def row_values(self) -> int:
        return max(shard.row_values for shard in self._shards)

    @property
    def nbytes(self) -> int:
        return sum(shard.nbytes for shard in self._shards)

    @property
    def memory_nbytes(self) -> int:
        return sum(shard.memory_nbytes for shard in self._shards)

    def find_disk_nbytes(self) -> int | None:
        parts = [shard.find_disk_nbytes() for shard in self._shards]
        return None if None in parts else sum(parts)

    def read(self, start: int, stop: int):
        shards = list(self._iter_shards(start, stop))
        if self.is_array and len(shards) > 1:
            # Not all views first: each of a map keeps a file open.
            out = allocate((stop - start, *self.shape[1:]), self.dtype, BUFFER)
            self.read_into(start, stop, out)
            return out
        parts = [
            shard.read(max(start - before, 0), min(stop - before, shard.n_rows))
            for shard, before in shards
        ]
        return self.join(parts or [self._shards[0].read(0, 0)])

    def view(self, start: int, stop: int) -> np.ndarray | None:
        shards = list(self._iter_shards(start, stop))
        if len(shards) != 1:  # across an end, they are joined
            return None
        ((shard, before),) = shards
        return shard.view(start - before, stop - before)

    @property
    def files(self) -> dict:
        return {path: n for shard in self._shards for path, n in shard.files.items()}

    @property
    def identity(self) -> Identity:
        return sum((shard.identity for shard in self._shards), Identity())

    def verify(self) -> None:
        for shard in self._shards:
            shard.verify()

    def finish(self) -> None:
        for shard in self._shards:
            shard.finish()

    def sync(self) -> None:
        for shard in self._shards:
            shard.sync()

    def by(self, how: str) -> "Store":
        return ShardStore([shard.by(how) for shard in self._shards])

    def marking(self) -> "Store":
        return ShardStore([shard.marking() for shard in self._shards])

    def check(self, start: int, stop: int) -> None:
        for shard, before in self._iter_shards(start, stop):
            shard.check(max(start - before, 0), min(stop - before, shard.n_rows))

    def touch(self, start: int, stop: int) -> None:
        for shard, before in self._iter_shards(start, stop):
            shard.touch(max(start - before, 0), min(stop - before, shard.n_rows))

    def read_into(self, start: int, stop: int, out: np.ndarray) -> None:
        for shard, before in self._iter_shards(start, stop):
            begin, end = max(start, before), min(stop, before + shard.n_rows)
            shard.read_into(
                begin - before, end - before, out[begin - start : end - start]
            )

    def take(self, rows):
        if not len(rows):
            return self.read(0, 0)
        parts = []
        for shard, before in self._iter_shards(int(rows[0]), int(rows[-1]) + 1):
            here = slice(*np.searchsorted(rows, [before, before + shard.n_rows]))
            if here.start < here.stop:
                parts.append(shard.take(rows[here] - before))
        return self.join(parts)

    def write(self, rows, values) -> None:
        shards = np.searchsorted(self._stops, rows, side="right")
        order = np.argsort(shards, kind="stable")  # of equal rows the last one counts
        cuts = np.flatnonzero(np.diff(shards[order])) + 1
        for here in np.split(order, cuts):
            number = shards[here[0]]
            shard = self._shards[number]
            before = self._stops[number] - shard.n_rows
            shard.write(rows[here] - before, values[here])

    def _iter_shards(self, start: int, stop: int):
        """Yield the shards that hold these rows, with the rows before each."""
        first = np.searchsorted(self._stops, start, side="right")
        for shard, end in zip(self._shards[first:], self._stops[first:], strict=True):
            before = int(end) - shard.n_rows
            if before >= stop:
                return
            yield shard, before

    def holds(self, array: np.ndarray) -> bool:
        return any(shard.holds(array) for shard in self._shards)

    def shares(self, array: np.ndarray) -> bool:
        return any(shard.shares(array) for shard in self._shards)

    def is_at(self, path) -> bool:
        return any(shard.is_at(path) for shard in self._shards)

    def hold(self) -> None:
        for shard in self._shards:
            shard.hold()

    def close(self) -> None:
        for shard in self._shards:
            shard.close()


def share(array: np.ndarray, others: Iterable) -> bool:
    """Whether who writes to ``array`` may change one of the others."""
    return any(np.may_share_memory(array, other) for other in others)


def is_mapped(array) -> bool:
    """Whether ``array`` is, or is a view of, a memory map."""
    return find_memmap(array) is not None


def is_frame(value) -> bool:
    """Whether ``value`` is a pandas or polars frame."""
    return bool(_library(value)) and len(getattr(value, "shape", ())) == 2


def is_series(value) -> bool:
    """Whether ``value`` is of pandas or polars, frame or column."""
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
