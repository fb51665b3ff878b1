"""Rows that were read once and stay in memory, in place of their source."""

from dataclasses import replace

import numpy as np

from skmmap.disk import Identity
from skmmap.rows.source import Source
from skmmap.rows.store import Store


class LoadedStore(Store):
    """All rows of a source, as they were read; its files are still compared."""

    on_disk = False

    def __init__(self, source: Source, rows):
        self._origin, self.held = source.store, rows
        store = source.store
        self.shape, self.dtype = source.shape, getattr(rows, "dtype", source.dtype)
        self.kind, self.names, self.where = store.kind, store.names, store.where
        self.has_index, self.pick, self.join = store.has_index, store.pick, store.join

    @property
    def row_nbytes(self) -> int:
        return self.row_values * np.dtype(self.dtype).itemsize

    def read(self, start: int, stop: int):
        rows = self.held
        return rows.iloc[start:stop] if self.has_index else rows[start:stop]

    def view(self, start: int, stop: int) -> np.ndarray | None:
        return self.held[start:stop] if self.is_array else None

    @property
    def identity(self) -> Identity:
        return self._origin.identity

    def verify(self) -> None:
        self._origin.verify()

    def finish(self) -> None:
        self._origin.finish()
        # Most stores compare their files when they read them, which ends here.
        identity = self._origin.identity
        # Of a list of rows of a map only the name of the file is known.
        known = {path: state for path, state in identity.states.items() if state}
        replace(identity, states=known).check(values=True)

    def is_viewed_by(self, array: np.ndarray) -> bool:
        return self.is_array and np.may_share_memory(array, self.held)


class LoadedSource(Source):
    """A source whose rows are in memory; messages name them as the source does."""

    def __init__(self, source: Source, rows):
        super().__init__(LoadedStore(source, rows))
        self._source = source

    def describe(self, start: int, stop: int) -> str:
        return self._source.describe(start, stop)

    def name_rows(self, positions) -> np.ndarray:
        return self._source.name_rows(positions)

    def for_run(self, read_mode: str) -> "LoadedSource":
        return self
