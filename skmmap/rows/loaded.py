"""Rows that were read once and stay in memory, in place of their source."""

from dataclasses import replace

import numpy as np

from skmmap.disk import Identity
from skmmap.rows.frames import is_frame
from skmmap.rows.source import Source
from skmmap.rows.store import Store


class StandInStore(Store):
    """Rows of a source, by their positions in it; its files are still compared."""

    on_disk = False

    def __init__(self, source: Source):
        self._source, self._origin = source, source.store
        store = source.store
        self.shape, self.dtype = source.shape, source.dtype
        self.kind, self.names, self.where = store.kind, store.names, store.where
        self.has_index, self.pick, self.join = store.has_index, store.pick, store.join

    def find_origin(self, source: Source) -> Source:
        return self._source.select(source.selection).origin

    @property
    def identity(self) -> Identity:
        return self._origin.identity

    def verify(self) -> None:
        self._origin.verify()

    def finish(self) -> None:
        self._origin.finish()
        # Most stores compare their files when they read them, which is no longer done
        # for all rows.
        identity = self._origin.identity
        # Of a list of rows of a map only the name of the file is known.
        known = {path: state for path, state in identity.states.items() if state}
        replace(identity, states=known).check(values=True)


class LoadedStore(StandInStore):
    """All rows of a source, as they were read."""

    def __init__(self, source: Source, rows):
        super().__init__(source)
        self.held = rows
        if not is_frame(rows):  # whose column may be called "dtype"
            self.dtype = getattr(rows, "dtype", source.dtype)

    @property
    def row_nbytes(self) -> int:
        if is_frame(self.held):
            return self._source.row_nbytes
        return self.row_values * np.dtype(self.dtype).itemsize

    def read(self, start: int, stop: int):
        rows = self.held
        return rows.iloc[start:stop] if self.has_index else rows[start:stop]

    def view(self, start: int, stop: int) -> np.ndarray | None:
        return self.held[start:stop] if self.is_array else None

    def is_viewed_by(self, array: np.ndarray) -> bool:
        return self.is_array and np.may_share_memory(array, self.held)


class StandIn(Source):
    """A store in place of a source; messages name rows as the source does."""

    def __init__(self, store: StandInStore):
        super().__init__(store)
        self._source = store._source

    def describe(self, start: int, stop: int) -> str:
        return self._source.describe(start, stop)

    def name_rows(self, positions) -> np.ndarray:
        return self._source.name_rows(positions)

    def for_run(self, read_mode: str) -> "StandIn":
        return self
