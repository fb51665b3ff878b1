"""Which rows are kept in memory for all epochs where not all of them fit."""

from dataclasses import dataclass, field

import numpy as np

from skmmap.order import choose_units
from skmmap.read.table import Table
from skmmap.rows import KeptRowsStore, PartlyLoadedStore, Source, StandIn


@dataclass(frozen=True, eq=False)
class RowCache:
    """The units of rows that are kept, by source; maybe none.

    They take ``room`` bytes at most, of ``total`` that all rows of these sources have.
    """

    room: int = 0
    total: int = 0
    units: dict = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of the rows that are kept."""
        return sum(map(self._find_nbytes, self.units))

    @property
    def share(self) -> float:
        """The part of the rows that is kept."""
        return self.nbytes / self.total

    def limit(self, table: Table, room: int) -> "RowCache":
        """Return which rows are kept in less room."""
        return find_cache(table, room)

    def _find_nbytes(self, source: Source) -> int:
        return _count_rows(self.units[source]) * source.row_nbytes

    def use_for(self, table: Table) -> Table:
        """Return the table that keeps these rows once they are read."""
        return table.map(self._stand_in) if self.units else table

    def _stand_in(self, source: Source) -> Source:
        if source not in self.units:
            return source
        room = self._find_nbytes(source)
        return StandIn(PartlyLoadedStore(source, self.units[source], room))


NO_CACHE = RowCache()


@dataclass(frozen=True, eq=False)
class PickedCache(RowCache):
    """Rows that an order has several times in an epoch: all of them, or none."""

    picked: np.ndarray | None = None

    def limit(self, table: Table, room: int) -> RowCache:
        return self if self.nbytes <= room else NO_CACHE

    def _stand_in(self, source: Source) -> Source:
        if source not in self.units:
            return source
        return StandIn(KeptRowsStore(source, self.picked))


def find_picked_cache(table: Table, room: int, picked: np.ndarray) -> RowCache:
    """Return the cache of these rows, which take no more than so many bytes."""
    costly = [source for source in table.sources if _is_compared(source)]
    units = {source: [(0, len(picked))] for source in costly}
    return PickedCache(room, sum(map(_find_nbytes, costly)), units, picked)


def find_cache(table: Table, room: int) -> RowCache:
    """Return which rows are kept in so many bytes.

    Columns such as y take little, and are kept first.
    """
    costly = [source for source in table.sources if _is_costly(source, table)]
    left, units = room, {}
    for number, source in enumerate(sorted(costly, key=_find_nbytes)):
        row_nbytes = max(1, source.row_nbytes)
        most = left // (len(costly) - number) // row_nbytes
        least = max(1, table.reading.piece_nbytes // row_nbytes)
        if chosen := most and choose_units(source.find_units(least), most):
            units[source] = chosen
            left -= _count_rows(chosen) * row_nbytes
    return RowCache(room, sum(map(_find_nbytes, costly)), units)


def _find_nbytes(source: Source) -> int:
    return source.n_rows * source.row_nbytes


def _is_costly(source: Source, table: Table) -> bool:
    """Whether to read rows again costs more than to copy them.

    They are decoded, or come from the disk. Rows that are read later must be of the
    files that the kept ones are of, so that only files that are compared count.
    """
    if not _is_compared(source):
        return False
    return source.store.is_decoded or _is_read_from_disk(source, table)


def _is_compared(source: Source) -> bool:
    """Whether rows come from files, and a file that changed is noticed."""
    store, identity = source.store, source.store.identity
    if not store.on_disk or store.is_thread_bound or not identity.is_watched:
        return False
    return identity.is_known and not identity.is_writer


def _is_read_from_disk(source: Source, table: Table) -> bool:
    """Whether the page cache does not have the rows when they are read again."""
    nbytes = sum(s.store.nbytes for s in table.sources if s.store.on_disk)
    if not table.reading.is_read_from_disk(nbytes):
        return False
    return source.view(0, source.n_rows) is None


def _count_rows(units: list) -> int:
    return sum(stop - start for start, stop in units)
