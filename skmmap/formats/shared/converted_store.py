"""Rows of a file that are scaled, or put in other places, after they were read."""

from collections.abc import Callable
from copy import copy

import numpy as np

from skmmap.disk import Identity
from skmmap.formats.shared.map_store import MapStore
from skmmap.rows import Store


class ConvertedStore(Store):
    """Rows that a function makes of those of a file.

    ``convert`` gets rows as they are stored, and their numbers for its errors; its type
    and shape must not depend on values. It is pickled.
    """

    on_disk = can_reopen = True

    def __init__(self, stored: MapStore, convert: Callable, names=None):
        self._stored, self._convert, self.names = stored, convert, names
        empty = convert(np.empty((0, *stored.shape[1:]), stored.dtype), range(0))
        self.shape, self.dtype = (stored.n_rows, *empty.shape[1:]), empty.dtype
        self.where = stored.where
        self.is_slow_layout = stored.is_slow_layout

    @property
    def row_extent(self) -> int:
        return self._stored.row_extent

    def read(self, start: int, stop: int) -> np.ndarray:
        rows = self._stored.read(start, stop)
        self._stored.touch(start, stop)
        return self._finish(rows, range(start, stop))

    def take(self, rows: np.ndarray) -> np.ndarray:
        return self._finish(self._stored.take(rows), rows)

    def _finish(self, rows: np.ndarray, numbers) -> np.ndarray:
        try:
            return self._convert(rows, numbers)
        finally:  # a changed file is the reason of an error in its values
            self._stored.verify()

    def find_disk_nbytes(self) -> int:
        return self._stored.find_disk_nbytes()

    @property
    def files(self) -> dict:
        return self._stored.files

    @property
    def identity(self) -> Identity:
        return self._stored.identity

    def for_run(self, read_mode: str) -> "ConvertedStore":
        store = copy(self)
        store._stored = self._stored.for_run(read_mode)
        return store

    def verify(self) -> None:
        self._stored.verify()

    def is_viewed_by(self, array: np.ndarray) -> bool:
        return self._stored.is_viewed_by(array)

    def keep_open(self) -> None:
        self._stored.keep_open()

    def close(self) -> None:
        self._stored.close()
