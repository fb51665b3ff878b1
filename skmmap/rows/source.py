"""A store and a selection of its rows, read by slices of the selection."""

from typing import Any

import numpy as np

from skmmap._messages import describe_rows
from skmmap.disk import LOADED, allocate, explaining
from skmmap.order import (
    Runs,
    find_key,
    find_order,
    from_bytes,
    make_units,
    rows_at,
    select,
    select_units,
    to_bytes,
)
from skmmap.rows.array_stores import ArrayStore
from skmmap.rows.part_stores import ColumnStore, DenseStore
from skmmap.rows.store import Store

_LOAD_NBYTES = 2**24  # that are read at a time where all rows are loaded


class Source:
    """Some rows of a store, read by slices of them.

    ``order`` are their positions before they were moved to file order, ``cast`` is the
    type to which they are cast when they are read.
    """

    def __init__(self, store: Store, selection=None, order=None, cast=None):
        self.store, self.order, self.cast = store, order, cast
        self.selection = range(store.n_rows) if selection is None else selection

    @property
    def shared_key(self) -> Any:
        """What sources have in common that read the same rows."""
        return self.store.shared_key, find_key(self.selection), self.cast

    @property
    def shape(self) -> tuple:
        return len(self.selection), *self.store.shape[1:]

    @property
    def dtype(self) -> np.dtype:
        return self.store.dtype if self.cast is None else self.cast

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def n_rows(self) -> int:
        return len(self.selection)

    @property
    def row_values(self) -> int:
        return self.store.row_values

    @property
    def row_nbytes(self) -> int:
        """Bytes of a row as it is stored, or as it is cast if those are more."""
        stored = self.store.row_nbytes
        if self.cast is None:
            return stored
        return max(stored, self.row_values * self.cast.itemsize)

    @property
    def is_whole(self) -> bool:
        """Whether these are all rows of the store as they lie there."""
        return self.has_all and self.order is None

    @property
    def has_all(self) -> bool:
        """Whether these are all rows of the store, which maybe were moved."""
        is_range = isinstance(self.selection, range)
        return is_range and self.selection == range(self.store.n_rows)

    @property
    def is_sent_alone(self) -> bool:
        """Whether other processes get these rows without the others of the store."""
        return isinstance(self.store, ArrayStore) and self.store.mode == "r"

    @property
    def origin(self) -> "Source":
        """These rows of the store from which they were loaded, if they were."""
        return self.store.find_origin(self)

    @property
    def whole(self) -> "Source":
        """All rows of the store, as they are read."""
        return Source(self.store, cast=self.cast)

    def read(self, start: int, stop: int):
        """Return neighbouring rows for an estimator: native, and read-only."""
        rows = self.selection
        if type(rows) is range and rows.step == 1:
            read = self.store.read(rows.start + start, rows.start + stop)
        else:
            read = self._read(range(start, stop))
        return guard(read, self.cast)

    def read_mixed(self, blocks: list[tuple[int, int]], order: np.ndarray | None):
        """Return the rows of some blocks as one, in another order if one is given."""
        runs = [self.find_run(*block) for block in blocks]
        if None not in runs:
            return guard(self.store.read_mixed(runs, order), self.cast)
        parts = [self.read(*block) for block in blocks]
        rows = parts[0] if len(parts) == 1 else self.store.join(parts)
        return rows if order is None else self.store.pick(rows, order)

    def read_into(self, start: int, stop: int, out: np.ndarray) -> None:
        """Put neighbouring rows into an array, which may be of another type."""
        run = self.find_run(start, stop)
        if run is None or out.dtype != self.store.dtype:
            out[...] = self._read(range(start, stop))
        else:
            self.store.read_into(*run, out)

    def find_run(self, start: int, stop: int) -> tuple[int, int] | None:
        """Return where rows that are neighbours in the store lie, None if they are not.

        Only what is known without looking at row numbers counts.
        """
        rows = self.selection
        if isinstance(rows, range):
            first = rows.start + start
            return (first, first + stop - start) if rows.step == 1 else None
        if isinstance(rows, Runs) and start < stop:
            run, last = rows.find_runs([start, stop - 1]).tolist()
            first = (
                int(rows.starts[run]) + start - int(rows.stops[run - 1] if run else 0)
            )
            return (first, first + stop - start) if run == last else None
        return None

    def view(self, start: int, stop: int) -> np.ndarray | None:
        """Return a view of neighbouring rows, None if they have to be copied."""
        run = self.find_run(start, stop)
        if run is None or self.cast is not None or not self.dtype.isnative:
            return None
        rows = self.store.view(*run)
        return None if rows is None else guard(rows)

    @property
    def is_held(self) -> bool:
        """Whether the rows are in memory as they are handed to an estimator."""
        return self.store.held is not None and self.cast is None and self.dtype.isnative

    def gather(self, positions: np.ndarray, out: np.ndarray | None):
        """Return rows that are held, in any order; arrays are put into ``out``."""
        held, rows = self.store.held, rows_at(self.selection, positions)
        if out is None:
            return self.store.pick(held, rows)
        # NumPy's take would copy all of an array that is not contiguous.
        if held.flags.c_contiguous and held.dtype.kind not in "OTV":
            np.take(held, rows, axis=0, out=out, mode="clip")
        else:
            out[...] = held[rows]
        return out

    def pick(self, positions: np.ndarray):
        """Return rows by their ascending positions, some maybe twice, from anywhere."""
        return guard(self._gather(rows_at(self.selection, positions)), self.cast)

    def touch(self, start: int, stop: int) -> None:
        """Have the pages of a view brought to memory."""
        self.store.touch(*self.find_run(start, stop))

    def release(self, start: int, stop: int) -> None:
        """Release the pages of a view that is no longer used."""
        self.store.release(*self.find_run(start, stop))

    def check(self, start: int, stop: int) -> None:
        """Raise if the file of a view was truncated."""
        self.store.check(*self.find_run(start, stop))

    def for_run(self, read_mode: str) -> "Source":
        """Return the rows for a run, with files mapped or read by ``read_mode``."""
        store = self.store
        store.shared_key  # noqa: B018 - made here, so that the store of the run has it
        store = store.for_run(read_mode)
        return Source(store, self.selection, self.order, self.cast)

    def mark_missing(self) -> "Source":
        """Return the rows with missing strings marked, not read as empty ones."""
        return Source(self.store.mark_missing(), self.selection, self.order, self.cast)

    def to_dtype(self, dtype) -> "Source":
        """Return the rows as they are read in another type."""
        cast = None if dtype == self.store.dtype else dtype
        return Source(self.store, self.selection, self.order, cast)

    def _read(self, positions: range):
        rows = self.selection
        if isinstance(rows, range) and rows.step == 1:
            start = rows.start + positions.start
            return self.store.read(start, start + len(positions))
        return self._gather(rows_at(rows, positions))

    def _gather(self, rows: np.ndarray):
        """Return the rows of these numbers, each block of the store read once."""
        steps = np.diff(rows)
        if len(rows) and np.all(steps == 1):
            return self.store.read(int(rows[0]), int(rows[-1]) + 1)
        if np.all(steps >= 0):
            return self.store.take(rows)
        order = np.argsort(rows, kind="stable")
        ascending = self.store.take(rows[order])
        return self.store.pick(ascending, np.argsort(order))

    def find_units(self, least_rows: int) -> np.ndarray:
        """Return the positions at which units of the store end."""
        if self.find_file_order() is not None:  # they are read here and there
            return make_units(self.n_rows, least_rows)
        return select_units(self.selection, self.store.find_units(least_rows))

    def load(self):
        """Return all rows in memory."""
        if not self.store.is_array:
            with explaining(self.nbytes, LOADED):
                return guard(self._read(range(self.n_rows)), self.cast)
        out = allocate(self.shape, self.dtype, LOADED)
        step = max(1, _LOAD_NBYTES // max(1, self.row_nbytes))
        if self.n_rows > step:  # all pieces are of what the file is now
            self = self.for_run("map")
        order = self.find_file_order()
        for start in range(0, self.n_rows, step):
            piece = range(start, min(start + step, self.n_rows))
            if order is None:
                out[piece.start : piece.stop] = self._read(piece)
            else:
                positions = rows_at(order, piece)
                out[positions] = self._gather(rows_at(self.selection, positions))
            self.store.verify()
        return out

    def write(self, values) -> None:
        """Assign to all rows, as many at a time as are loaded."""
        step = max(1, _LOAD_NBYTES // max(1, self.row_nbytes))
        for start in range(0, self.n_rows, step):
            piece = range(start, min(start + step, self.n_rows))
            rows = rows_at(self.selection, piece)
            self.store.write(rows, values[piece.start : piece.stop])

    def select(self, picked) -> "Source":
        """Return a selection of these rows."""
        return Source(self.store, select(self.selection, picked), cast=self.cast)

    def find_file_order(self):
        """Return the positions by which rows ascend in the store; None if they do."""
        return find_order(self.selection)

    def reorder(self, order) -> "Source":
        """Return the rows in another order, with their positions kept."""
        return Source(self.store, select(self.selection, order), order, self.cast)

    def keep(self, picked) -> "Source":
        """Return some of the rows, ascending, with their positions kept."""
        order = picked if self.order is None else select(self.order, picked)
        return Source(self.store, select(self.selection, picked), order, self.cast)

    def ravel(self) -> "Source":
        """Return a column of shape (n_rows, 1) as one dimension."""
        return Source(ColumnStore(self.store), self.selection, self.order, self.cast)

    def to_dense(self) -> "Source":
        """Return sparse rows as arrays, made of some of them at a time."""
        return Source(DenseStore(self.store), self.selection, self.order, self.cast)

    def name_rows(self, positions) -> np.ndarray:
        """Return the positions of rows as the user gave them."""
        return (
            np.asarray(positions)
            if self.order is None
            else rows_at(self.order, np.asarray(positions))
        )

    def describe(self, start: int, stop: int) -> str:
        """Say which rows these are, for a note on an error."""
        if self.is_whole:
            return describe_rows(start, stop)
        rows = rows_at(self.selection, range(start, stop))
        among = describe_rows(int(rows.min()), int(rows.max()) + 1)
        if stop - start == 1:
            (row,) = self.name_rows([start])
            return f"row {row:,} of the selection ({among} of {self.store.where})"
        order = "" if self.order is None else ", in file order"
        text = describe_rows(start, stop)
        return f"{text} of the selection{order} (among {among} of {self.store.where})"

    def __getstate__(self):
        if self.is_sent_alone:
            # What is in memory has no address: no more of it than is selected.
            array = self.store.rows if self.is_whole else self.load()
            return ArrayStore(array), range(self.n_rows), None, self.cast
        order = None if self.order is None else to_bytes(self.order)
        return self.store, to_bytes(self.selection), order, self.cast

    def __setstate__(self, state):
        store, selection, order, cast = state
        order = None if order is None else from_bytes(order)
        self.__init__(store, from_bytes(selection), order, cast)

    @property
    def nbytes(self) -> int:
        """Bytes of all rows as what is read of them."""
        if self.cast is not None:
            return self.n_rows * self.row_values * self.cast.itemsize
        share = self.n_rows / max(1, self.store.n_rows)
        return round(share * self.store.nbytes)


def to_native(dtype: np.dtype) -> np.dtype:
    """Return ``dtype`` in the byte order of this machine, if it has any."""
    return dtype if dtype.isnative else dtype.newbyteorder("=")


def guard(rows, cast=None):
    """Return a read-only array in native byte order: no estimator writes to a file."""
    if cast is not None and hasattr(rows, "astype"):
        rows = rows.astype(cast)
    if not isinstance(rows, np.ndarray):
        return rows
    if type(rows) is np.ndarray and not rows.flags.writeable and rows.dtype.isnative:
        return rows
    if not rows.dtype.isnative:
        return rows.astype(to_native(rows.dtype))
    rows = np.asarray(rows).view()
    rows.flags.writeable = False
    return rows
