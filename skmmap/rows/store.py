"""What a store is: rows by their numbers, read in blocks of neighbours.

A store brings neighbouring rows, and picks ascending ones block by block, so that
what lies on a disk is read in sequence: never with a seek for each row.
"""

from collections.abc import Iterable
from math import prod

import numpy as np

from skmmap._messages import describe_rows
from skmmap.disk import (
    BUFFER,
    Identity,
    allocate,
    find_memmap,
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
    is_thread_bound = False  # only the thread that has it can read at all
    can_reopen = False  # other processes can open it themselves
    has_fixed_size_rows = True  # in files, each takes as many bytes as any other
    names = None  # of the columns, where chunks are arrays that do not have them
    has_missing_strings = False  # some strings are missing, and read as empty ones
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

    def for_run(self, read_mode: str) -> "Store":
        """Return the store for a run, its files mapped or read, as ``read_mode`` says.

        From now on it is an error if somebody writes to them.
        """
        return self

    def mark_missing(self) -> "Store":
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

    def is_viewed_by(self, array: np.ndarray) -> bool:
        """Whether ``array`` is a view of these rows."""
        return False

    def shares_memory(self, array: np.ndarray) -> bool:
        """Whether who writes to ``array`` may change rows; it can take a moment."""
        name = getattr(find_memmap(array), "filename", None)
        is_mapped = name is not None and self.identity.covers(name)
        return (
            is_mapped or self.is_viewed_by(array) or share_memory(array, self._arrays)
        )

    def reads_from(self, path) -> bool:
        """Whether ``path`` names a file that rows come from, or is in such a folder."""
        return self.identity.covers(path)

    @property
    def _arrays(self) -> Iterable:
        """The arrays of this process in which rows are."""
        return ()

    def keep_open(self) -> None:
        """Keep open what is opened for each read otherwise."""

    def close(self) -> None:
        """Let go of all that is open."""


def _pick_into(out: np.ndarray, block: np.ndarray, rows: np.ndarray) -> None:
    if block.flags.c_contiguous:
        # Any mode but "raise" writes to `out` without a buffer between.
        np.take(block, rows, axis=0, out=out, mode="clip")
    else:  # which take would copy whole
        out[...] = block[rows]


def check_read(store: Store, rows, start: int, stop: int) -> None:
    """Raise unless somebody else's code returned the rows that were asked for."""
    expected = (stop - start, *store.shape[1:])
    if rows.shape != expected:
        raise ValueError(
            f"{store.where} says that it has the shape {store.shape}, and "
            f"{describe_rows(start, stop)} of it have {rows.shape}, not {expected}."
        )


def share_memory(array: np.ndarray, others: Iterable) -> bool:
    """Whether who writes to ``array`` may change one of the others."""
    return any(np.may_share_memory(array, other) for other in others)
