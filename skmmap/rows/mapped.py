"""Rows that a function computes from other rows when they are read."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import sparse
from sklearn import config_context, get_config

from skmmap._messages import describe_rows
from skmmap.disk import Identity
from skmmap.order import rows_at
from skmmap.rows.array_stores import ArrayStore, SparseStore
from skmmap.rows.coded_frames import CodedFrame
from skmmap.rows.csr_check import to_csr
from skmmap.rows.frames import FrameStore, is_series
from skmmap.rows.keys import find_function_key
from skmmap.rows.part_stores import PartStore
from skmmap.rows.source import Source, guard
from skmmap.rows.store import Store

# Rows that a function is called for: what it allocates, in each thread that reads, is a
# multiple of that, and a call of a transformer takes some 0.1 ms, with frames 2 ms.
_CALL_NBYTES, _FRAME_NBYTES = 2**20, 2**23
# Their results say which kind, type and shape all have, and how dense they are.
_FIRST_ROWS = 100


class MappedStore(PartStore):
    """Rows of another store, each block of which goes through a function.

    ``first`` is what the function returns for some rows. All other results have the
    same kind, type and shape of a row, or it is an error. A function that
    ``takes_numbers`` is called with the rows and their numbers in the store.
    """

    mode = "r"
    is_slow_layout = False
    has_fixed_size_rows = False
    is_decoded = True

    def __init__(self, store: Store, function: Callable[[Any], Any], first, cast=None):
        super().__init__(store, (store.n_rows, *first.shape[1:]))
        like = _open_result(first)
        self._function, self._like, self.cast = function, like, cast
        self._config = get_config()  # which the threads that read do not have
        self.dtype, self.kind = like.dtype, like.kind
        self.names, self.has_index = like.names, like.has_index
        self.pick, self.join = like.pick, like.join
        self.has_missing_strings = False
        self.where = f"{name_function(function)} of {store.where}"

    @property
    def shared_key(self) -> Any:
        return super().shared_key, find_function_key(self._function), self.cast

    @property
    def row_nbytes(self) -> int:
        return self._like.row_nbytes

    @property
    def row_values(self) -> int:
        return self._like.row_values

    @property
    def nbytes(self) -> int:
        return self.n_rows * self.row_nbytes

    @property
    def row_extent(self) -> int:
        return max(self.row_nbytes, self._store.row_extent)

    @property
    def identity(self) -> Identity:
        identity = self._store.identity
        # A pickle, by which a run is resumed, has the name of a function, not its code.
        is_value = getattr(self._function, "is_value", False)
        return identity if is_value else replace(identity, has_code=True)

    @property
    def given(self) -> Store:
        """The rows that go through the function."""
        return self._store

    @property
    def takes_numbers(self) -> bool:
        return takes_numbers(self._function)

    @property
    def call_rows(self) -> int:
        """Rows of a call of the function."""
        if getattr(self._function, "goes_by_blocks", False):
            return max(1, self.n_rows)
        is_array = self._store.is_array or self._store.is_sparse
        nbytes = _CALL_NBYTES if is_array else _FRAME_NBYTES
        return max(1, nbytes // max(1, self.row_extent))

    def read(self, start: int, stop: int):
        # In pieces: the rows to compute from may take far more memory than the result.
        pieces = share_out(start, stop, self.call_rows)
        if len(pieces) == 1:
            numbers = np.arange(start, stop) if self.takes_numbers else None
            return self._compute(self._store.read(start, stop), start, stop, numbers)
        return self.join([self.read(*piece) for piece in pieces])

    def read_runs(self, runs: list[tuple[int, int]]) -> list:
        # A call takes long even for few rows: several short runs make one.
        pieces = [piece for run in runs for piece in share_out(*run, self.call_rows)]
        groups: list[list] = [[]]
        n_rows = 0
        for start, stop in pieces:
            n_rows += stop - start
            if groups[-1] and n_rows > self.call_rows:
                groups.append([])
                n_rows = stop - start
            groups[-1].append((start, stop))
        return [self._compute_group(group) for group in groups if group]

    def read_mixed(self, runs: list[tuple[int, int]], order: np.ndarray | None):
        if order is None or not getattr(self._function, "goes_by_blocks", False):
            return super().read_mixed(runs, order)
        # Codes are fewer bytes to move than what is computed of them.
        rows = self._store.read_mixed(runs, order)
        return self._compute(rows, runs[0][0], runs[-1][1], None)

    def _compute_group(self, runs: list[tuple[int, int]]):
        read = self._store.read_runs(runs)
        rows = read[0] if len(read) == 1 else self._store.join(read)
        every = [np.arange(*run) for run in runs] if self.takes_numbers else None
        numbers = None if every is None else np.concatenate(every)
        return self._compute(rows, runs[0][0], runs[-1][1], numbers)

    def read_into(self, start: int, stop: int, out: np.ndarray) -> None:
        for i, end in share_out(start, stop, self.call_rows):
            out[i - start : end - start] = self.read(i, end)
        self.verify()

    def take(self, rows: np.ndarray):
        pieces = share_out(0, len(rows), self.call_rows)
        if len(pieces) == 1:
            return self._take(rows) if len(rows) else self.read(0, 0)
        return self.join([self._take(rows[i:j]) for i, j in pieces])

    def _take(self, rows: np.ndarray):
        start, stop = int(rows[0]), int(rows[-1]) + 1
        return self._compute(self._store.take(rows), start, stop, rows)

    def write(self, rows: np.ndarray, values) -> None:
        Store.write(self, rows, values)

    def _compute(self, rows, start: int, stop: int, numbers):
        try:
            return self.compute(rows, numbers)
        except Exception as error:
            error.add_note(f"Called for {describe_rows(start, stop)} of {self.where}.")
            raise

    def compute(self, rows, numbers: np.ndarray | None = None):
        """Return what the function returns for some rows of the other store."""
        n_rows = rows.shape[0] if hasattr(rows, "shape") else len(rows)
        if not n_rows:  # which most functions refuse
            return self.pick(self._like.rows, np.arange(0))
        if isinstance(rows, CodedFrame) and not takes_codes(self._function):
            rows = rows.to_frame()
        with config_context(**self._config):
            given = guard(rows, self.cast)
            result = call(self._function, given, numbers)
            if isinstance(result, CodedFrame):  # some of its columns
                return result
            result = take_result(result, n_rows)
        self._check(_open_result(result))
        return result

    def _check(self, store: Store) -> None:
        """Raise unless a result is like the first one."""
        found, expected = (
            f"{_say_kind(each)} of {each.dtype} with rows of shape {each.shape[1:]}"
            for each in (store, self._like)
        )
        if found != expected:
            raise ValueError(
                f"{self.where} is {expected} for its first rows, and {found} for other "
                "ones. The function must return the same for all: astype with a type "
                "that holds every value, for texts astype(object)."
            )


def share_out(start: int, stop: int, most: int) -> list[tuple[int, int]]:
    """Return the ends of pieces of about the same size, and of ``most`` rows at most.

    >>> share_out(5, 15, 6)
    [(5, 10), (10, 15)]
    """
    number = max(1, -(-(stop - start) // most))
    ends = [start + (stop - start) * i // number for i in range(number + 1)]
    return list(pairwise(ends))


def map_rows(source: Source, function: Callable[[Any], Any]) -> Source:
    """Return the rows that ``function`` computes from those of ``source``."""
    if not callable(function):
        raise TypeError(f"function must be callable; got {function!r}.")
    n_rows = min(source.n_rows, _FIRST_ROWS)
    first = guard(source.select(range(n_rows)).load())
    result = call(function, first, rows_at(source.selection, range(n_rows)))
    store = MappedStore(
        source.store, function, take_result(result, n_rows), source.cast
    )
    return Source(store, source.selection, source.order)


def takes_numbers(function) -> bool:
    """Whether a function needs the numbers of rows in their store, beside them."""
    return getattr(function, "takes_numbers", False)


def takes_codes(function) -> bool:
    """Whether a function takes `CodedFrame` in place of the frames of a store."""
    return getattr(function, "takes_codes", False)


def call(function, rows, numbers: np.ndarray | None):
    return function(rows, numbers) if takes_numbers(function) else function(rows)


def take_result(result, n_rows: int):
    """Return what a function has returned for some rows, as rows of a store."""
    if sparse.issparse(result):
        result = to_csr(result, "what the function returns")
    elif np.ma.isMaskedArray(result):
        raise TypeError(
            "The function returned a masked array, whose mask would be lost; return "
            "its filled() values, of floats filled(np.nan)."
        )
    elif not is_series(result):
        result = np.asarray(result)
    if not result.shape or result.shape[0] != n_rows:
        raise ValueError(
            f"The function must return a row for each row: it was given {n_rows:,}, "
            f"and returned an object of shape {result.shape}."
        )
    return result


def _open_result(result) -> Store:
    if sparse.issparse(result):
        return SparseStore(result)
    return FrameStore(result) if is_series(result) else ArrayStore(result)


def _say_kind(store: Store) -> str:
    return f"an {store.kind}" if store.is_array else f"a {store.kind}"


def name_function(function) -> str:
    """Return what messages call a function."""
    return getattr(function, "__name__", None) or str(function)
