"""Rows of which a part is read once and stays in memory: a cache of units."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from threading import Lock

import numpy as np

from skmmap.disk import BUFFER, allocate
from skmmap.rows.frames import FrameStore, is_frame
from skmmap.rows.loaded import StandInStore
from skmmap.rows.source import Source, to_native


class PartlyLoadedStore(StandInStore):
    """Rows of a source, of which ``units`` are kept once they are read.

    A unit is read as a whole when the first of its rows is, so that it is decoded once.
    Of ``room`` bytes all kept rows together take no more.
    """

    def __init__(self, source: Source, units: list[tuple[int, int]], room: int):
        super().__init__(source)
        self.dtype, self.is_parallel = to_native(source.dtype), source.store.is_parallel
        self._starts, self._stops = np.array(units, dtype=np.int64).reshape(-1, 2).T
        self._rows, self._room, self._refused = [None] * len(units), room, set()
        # One for each unit: threads read different ones at the same time.
        self._locks = [Lock() for _ in units]

    @property
    def files(self) -> dict:
        return self._origin.files

    def in_turn(self) -> AbstractContextManager:
        return self._origin.in_turn()

    def read_runs(self, runs: list[tuple[int, int]]) -> list:
        with self.in_turn():
            return super().read_runs(runs)

    @property
    def row_nbytes(self) -> int:
        return self._source.row_nbytes

    @property
    def row_values(self) -> int:
        return self._source.row_values

    def read(self, start: int, stop: int):
        parts = list(self._cut(start, stop)) or [(start, stop, None)]
        if self.is_array and len(parts) > 1:
            out = allocate((stop - start, *self.shape[1:]), self.dtype, BUFFER)
            self.read_into(start, stop, out)
            return out
        return self.join([self._read(*part) for part in parts])

    def read_into(self, start: int, stop: int, out: np.ndarray) -> None:
        for begin, end, unit in self._cut(start, stop):
            here = out[begin - start : end - start]
            if unit is None:
                self._source.read_into(begin, end, here)
            else:
                here[...] = self._read(begin, end, unit)

    def _read(self, start: int, stop: int, unit: int | None):
        """Return rows of one unit, or rows that are not kept."""
        if unit is None:
            return self._source.read(start, stop)
        first, rows = int(self._starts[unit]), self._hold(unit)
        if self.has_index:  # a copy, as of every frame: the rows stay what they are
            return rows.iloc[start - first : stop - first].copy()
        return rows[start - first : stop - first]

    def _cut(self, start: int, stop: int) -> Iterator[tuple]:
        """Yield parts of these rows, with the number of the unit, None without one."""
        unit = int(np.searchsorted(self._stops, start, side="right"))
        while start < stop:
            first, last = stop, stop
            if unit < len(self._starts):
                first = min(stop, int(self._starts[unit]))
                last = min(stop, int(self._stops[unit]))
            if start < first:
                yield start, first, None
            start = max(start, first)
            if start < last:
                yield start, last, None if unit in self._refused else unit
            start, unit = last, unit + 1

    def _hold(self, unit: int):
        """Return the rows of a unit, which are read the first time."""
        rows = self._rows[unit]
        if rows is not None:
            return rows
        # In turn first, as those do who read several blocks in turn.
        with self._origin.in_turn(), self._locks[unit]:
            rows = self._rows[unit]
            if rows is None:
                first, last = int(self._starts[unit]), int(self._stops[unit])
                rows = self._source.read(first, last)
                self._keep(unit, rows)
        return rows

    def _keep(self, unit: int, rows) -> None:
        # Sparse rows may take more bytes than the average, by which units were chosen.
        nbytes = _find_nbytes(rows)
        if nbytes > self._room:
            self._refused.add(unit)
            return
        self._rows[unit], self._room = rows, self._room - nbytes


class KeptRowsStore(PartlyLoadedStore):
    """Rows of a source, of which some are read now and stay in memory.

    They are ``numbers``, which ascend; rows that are picked are taken from there.
    """

    def __init__(self, source: Source, numbers: np.ndarray):
        super().__init__(source, [], 0)
        self._numbers, self._kept = numbers, source.pick(numbers)

    def read(self, start: int, stop: int):
        first, last = np.searchsorted(self._numbers, [start, stop])
        if last - first < stop - start:
            return self._source.read(start, stop)
        return self.pick(self._kept, np.arange(first, last))

    def take(self, rows: np.ndarray):
        places = np.searchsorted(self._numbers, rows)
        places = np.minimum(places, len(self._numbers) - 1)
        here = self._numbers[places] == rows
        parts = [self.pick(self._kept, places[here])]
        if not here.all():
            parts.append(self._source.pick(rows[~here]))
        order = np.concatenate([np.flatnonzero(here), np.flatnonzero(~here)])
        return self.pick(self.join(parts), np.argsort(order))


def _find_nbytes(rows) -> int:
    if isinstance(rows, np.ndarray):
        return rows.nbytes
    if is_frame(rows):
        return FrameStore(rows).memory_nbytes
    return sum(part.nbytes for part in (rows.data, rows.indices, rows.indptr))
