"""What a store is: rows by their numbers, read in blocks of neighbours.

A store brings neighbouring rows, and picks ascending ones block by block, so that
what lies on a disk is read in sequence: never with a seek for each row.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from math import prod
from typing import Any

import numpy as np

from skmmap._messages import describe_rows
from skmmap.disk import BUFFER, Identity, allocate, find_memmap
from skmmap.order import make_units

# Reading up to so many bytes that are not needed costs less than a seek, and a block is
# large enough for any disk while it still fits in a processor's cache.
_GAP_NBYTES = 2**17
_BLOCK_NBYTES = 2**22
# A lone surrogate, which no text in a file can be.
MISSING = "\udfff"


class Store:
    """Rows of one kind, by their numbers.

    A subclass defines `shape`, `dtype` and `read`, and overrides what it can do better;
    ``rows/DESIGN.md`` has the contract.
    """

    shape: tuple
    dtype: np.dtype
    mode = "r"
    kind = "array"  # of chunks; shards must have the same
    is_slow_layout = False  # each slice reads from the whole file (Fortran order)
    has_index = False  # chunks are frames whose index results get
    on_disk = True
    is_parallel = True  # several threads can read at the same time
    is_thread_bound = False  # only the thread that opened it can read
    can_reopen = False  # another process can open it by its path
    has_fixed_size_rows = True  # all rows take the same number of bytes in files
    is_decoded = False  # to read rows again costs more than to copy them
    names = None  # of columns, if chunks are arrays, which have none
    column_types = None  # of frames, by name, where all chunks have them
    has_missing_strings = False  # missing strings are read as empty ones
    held = None  # all rows, where they are in memory
    selection = None  # of the rows that options of `open_rows` chose, None if all
    where = ""  # its name in messages and repr

    @property
    def shared_key(self) -> Any:
        """What this store and those that it returns for runs have in common."""
        return vars(self).setdefault("_shared_key", object())

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
        """Bytes of all rows as chunks have them."""
        return self.n_rows * self.row_values * self.dtype.itemsize

    @property
    def memory_nbytes(self) -> int:
        """Bytes of memory that the rows take before they are read."""
        return 0 if self.on_disk else self.nbytes

    def find_disk_nbytes(self) -> int | None:
        """Return the bytes that the rows take in files, None if that is not known."""
        return self.nbytes if self.on_disk else 0

    @property
    def row_extent(self) -> int:
        """Bytes from one row to the next, where it is stored."""
        return self.row_nbytes

    @property
    def block_rows(self) -> int:
        """Rows that are read together when some of them are picked."""
        return max(1, _BLOCK_NBYTES // max(1, self.row_extent))

    def find_units(self, least_rows: int) -> np.ndarray:
        """Return the rows at which units end: what is decoded together is in one.

        Units have so many rows at least.
        """
        return make_units(self.n_rows, least_rows)

    def find_origin(self, source):
        """Return rows of this store as those of the one from which it was loaded."""
        return source

    def view(self, start: int, stop: int) -> np.ndarray | None:
        """Return a view of neighbouring rows, None if they have to be read.

        Call `touch` or `check` before its values are accessed.
        """
        return None

    @property
    def files(self) -> dict:
        """Bytes of the rows in each file that can be read as well as mapped."""
        return {}

    @property
    def identity(self) -> Identity:
        """The files of the rows, and their state when they were opened."""
        return Identity()

    def for_run(self, read_mode: str) -> "Store":
        """Return the store for a run, its files mapped or read as ``read_mode`` says.

        From now on it is an error if they are written to.
        """
        return self

    def as_codes(self) -> "Store | None":
        """Return the store that reads its frames as `CodedFrame`, if that is sooner."""
        return None

    def mark_missing(self) -> "Store":
        """Return the store that reads a missing string as `MISSING`."""
        return self

    def in_turn(self) -> AbstractContextManager:
        """Return a context for several reads, between which no other thread reads."""
        return nullcontext()

    def open_once(self) -> AbstractContextManager:
        """Return a context in which files are open that each read would open."""
        return nullcontext()

    def verify(self) -> None:
        """Raise if a file has changed since the run began."""

    def finish(self) -> None:
        """Raise as `verify` does, after a whole pass: it may compare every file."""

    def sync(self) -> None:
        """Write what this process has changed to the files."""
        self.identity.sync()

    def read(self, start: int, stop: int):
        """Return neighbouring rows, as a view where that is possible."""
        raise NotImplementedError

    def read_runs(self, runs: list[tuple[int, int]]) -> list:
        """Return the rows of some runs, one after the other, in any pieces."""
        return [self.read(*run) for run in runs]

    def read_mixed(self, runs: list[tuple[int, int]], order: np.ndarray | None):
        """Return the rows of some runs as one, in another order if one is given."""
        parts = self.read_runs(runs)
        rows = parts[0] if len(parts) == 1 else self.join(parts)
        return rows if order is None else self.pick(rows, order)

    def read_into(self, start: int, stop: int, out: np.ndarray) -> None:
        """Read neighbouring rows into an array of their shape."""
        out[...] = self.read(start, stop)
        self.verify()

    def check(self, start: int, stop: int) -> None:
        """Raise if the file no longer has these rows: it was truncated."""

    def touch(self, start: int, stop: int) -> None:
        """Have the pages of neighbouring rows brought to memory, for a view."""

    def release(self, start: int, stop: int) -> None:
        """Release the pages of neighbouring rows that were touched, and are used."""

    def take(self, rows: np.ndarray):
        """Return a copy of the rows with these ascending numbers."""
        blocks = self._iter_blocks(rows)
        if not self.is_array:
            picked = [self.pick(self.read(*block), at) for block, at, _ in blocks]
            return self.join(picked or [self.read(0, 0)])
        out = allocate((len(rows), *self.shape[1:]), self.dtype, BUFFER)
        for block, at, place in blocks:
            _pick_into(out[place], self.read(*block), at)
        self.verify()
        return out

    def count_taken(self, rows: np.ndarray) -> int:
        """Return how many rows are read to take these, with short gaps in between."""
        steps = np.diff(rows)
        return len(rows) + int((steps - 1)[(steps > 1) & (steps <= self._gap)].sum())

    @property
    def _gap(self) -> int:
        """The largest step between two rows that are read together."""
        return max(1, _GAP_NBYTES // max(1, self.row_extent))

    @property
    def gap_rows(self) -> int:
        """The rows of a gap that is read rather than skipped, and one more."""
        return self._gap

    def _iter_blocks(self, rows: np.ndarray):
        """Yield blocks to read, the rows to pick of each, and where these go."""
        if not len(rows):
            return
        far = np.diff(rows) > self._gap
        next_block = np.diff(rows // self.block_rows) != 0
        cuts = np.flatnonzero(far | next_block) + 1
        for i, j in zip(np.r_[0, cuts], np.r_[cuts, len(rows)], strict=True):
            start, stop = int(rows[i]), int(rows[j - 1]) + 1
            yield (start, stop), rows[i:j] - start, slice(i, j)

    @staticmethod
    def pick(block, rows):
        """Return some rows of what `read` returned, in this order."""
        return block[rows]

    @staticmethod
    def join(parts: list):
        """Return several results of `read` as one."""
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def write(self, rows: np.ndarray, values) -> None:
        """Assign to the rows of these numbers."""
        raise ValueError(f"{self.where or 'This source'} is read only.")

    def is_viewed_by(self, array: np.ndarray) -> bool:
        """Whether ``array`` is a view of these rows."""
        return False

    def shares_memory(self, array: np.ndarray) -> bool:
        """Whether writing to ``array`` may change rows."""
        name = getattr(find_memmap(array), "filename", None)
        is_mapped = name is not None and self.identity.covers(name)
        is_view = is_mapped or self.is_viewed_by(array)
        return is_view or share_memory(array, self._arrays)

    def reads_from(self, path) -> bool:
        """Whether ``path`` names a file that rows come from, or is in such a folder."""
        return self.identity.covers(path)

    @property
    def _arrays(self) -> Iterable:
        """The arrays of this process in which rows are."""
        return ()

    def keep_open(self) -> None:
        """Keep files open that are otherwise opened for each read."""

    def close(self) -> None:
        """Close all files."""


def _pick_into(out: np.ndarray, block: np.ndarray, rows: np.ndarray) -> None:
    if block.flags.c_contiguous:
        # With any mode but "raise", NumPy writes to `out` without a buffer in between.
        np.take(block, rows, axis=0, out=out, mode="clip")
    else:  # take would copy the whole block
        out[...] = block[rows]


def check_read(store: Store, rows, start: int, stop: int) -> None:
    """Raise unless third-party code returned the rows that were asked for."""
    expected = (stop - start, *store.shape[1:])
    if rows.shape != expected:
        raise ValueError(
            f"{store.where} says that it has the shape {store.shape}, and "
            f"{describe_rows(start, stop)} of it have {rows.shape}, not {expected}."
        )


def share_memory(array: np.ndarray, others: Iterable) -> bool:
    """Whether writing to ``array`` may change one of the others."""
    return any(np.may_share_memory(array, other) for other in others)
