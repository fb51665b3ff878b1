"""Rows of another store in another shape: one column, or dense instead of sparse."""

from contextlib import AbstractContextManager
from copy import copy
from math import prod
from typing import Any

import numpy as np

from skmmap.disk import Identity
from skmmap.rows.store import Store

_SAME = (
    *("dtype", "kind", "mode", "where", "on_disk", "has_index", "pick", "join"),
    *("is_slow_layout", "is_parallel", "is_thread_bound", "can_reopen"),
    *("has_missing_strings", "has_fixed_size_rows", "is_decoded"),
)


class PartStore(Store):
    """Rows of another store, of another shape."""

    def __init__(self, store: Store, shape: tuple):
        self._store, self.shape = store, shape
        for name in _SAME:
            setattr(self, name, getattr(store, name))
        self.names = store.names if shape[1:] == store.shape[1:] else None

    @property
    def shared_key(self) -> Any:
        return type(self), self._store.shared_key

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

    def find_units(self, least_rows: int) -> np.ndarray:
        return self._store.find_units(least_rows)

    @property
    def files(self) -> dict:
        return self._store.files

    @property
    def identity(self) -> Identity:
        return self._store.identity

    def in_turn(self) -> AbstractContextManager:
        return self._store.in_turn()

    def verify(self) -> None:
        self._store.verify()

    def finish(self) -> None:
        self._store.finish()

    def sync(self) -> None:
        self._store.sync()

    def for_run(self, read_mode: str) -> "Store":
        part = copy(self)
        part._store = self._store.for_run(read_mode)
        return part

    def mark_missing(self) -> "Store":
        part = copy(self)
        part._store = self._store.mark_missing()
        return part

    def check(self, start: int, stop: int) -> None:
        self._store.check(start, stop)

    def touch(self, start: int, stop: int) -> None:
        self._store.touch(start, stop)

    def release(self, start: int, stop: int) -> None:
        self._store.release(start, stop)

    def is_viewed_by(self, array: np.ndarray) -> bool:
        return self._store.is_viewed_by(array)

    def shares_memory(self, array: np.ndarray) -> bool:
        return self._store.shares_memory(array)

    def reads_from(self, path) -> bool:
        return self._store.reads_from(path)

    def keep_open(self) -> None:
        self._store.keep_open()

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
