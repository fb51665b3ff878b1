"""Several stores, or selections of them, as one: shards."""

from collections.abc import Callable
from typing import Any

import numpy as np

from skmmap.disk import BUFFER, Identity, allocate, is_path, to_path
from skmmap.order import rows_at
from skmmap.remote import at_once, is_url, say_url
from skmmap.rows.part_stores import PartStore
from skmmap.rows.source import Source
from skmmap.rows.store import Store


class ShardStore(Store):
    """Rows of several stores, one after the other."""

    def __init__(self, shards: list[Store]):
        self._shards = shards
        self._stops = np.cumsum([shard.n_rows for shard in shards])
        first = shards[0]
        self.shape = (int(self._stops[-1]), *first.shape[1:])
        self.dtype, self.mode, self.kind = first.dtype, first.mode, first.kind
        self.has_index = first.has_index
        is_same = all(shard.names == first.names for shard in shards)
        self.names = first.names if is_same else None
        self.on_disk = any(shard.on_disk for shard in shards)
        self.is_parallel = all(shard.is_parallel for shard in shards)
        self.is_thread_bound = any(shard.is_thread_bound for shard in shards)
        self.has_missing_strings = any(shard.has_missing_strings for shard in shards)
        self.has_fixed_size_rows = all(shard.has_fixed_size_rows for shard in shards)
        self.can_reopen = all(shard.can_reopen for shard in shards)
        self.is_decoded = any(shard.is_decoded for shard in shards)
        self.is_slow_layout = any(shard.is_slow_layout for shard in shards)
        self.where = f"{len(shards):,} shards, {first.where} to {shards[-1].where}"
        self.pick, self.join = first.pick, first.join

    @property
    def shared_key(self) -> Any:
        return type(self), *(shard.shared_key for shard in self._shards)

    @property
    def row_nbytes(self) -> int:
        """The largest of all shards."""
        return max(shard.row_nbytes for shard in self._shards)

    @property
    def row_values(self) -> int:
        return max(shard.row_values for shard in self._shards)

    @property
    def nbytes(self) -> int:
        return sum(shard.nbytes for shard in self._shards)

    @property
    def memory_nbytes(self) -> int:
        return sum(shard.memory_nbytes for shard in self._shards)

    def find_disk_nbytes(self) -> int | None:
        parts = [shard.find_disk_nbytes() for shard in self._shards]
        return None if None in parts else sum(parts)

    def read(self, start: int, stop: int):
        shards = list(self._iter_shards(start, stop))
        if self.is_array and len(shards) > 1:
            # Not by joining views: each would keep the map of a file open.
            out = allocate((stop - start, *self.shape[1:]), self.dtype, BUFFER)
            self.read_into(start, stop, out)
            return out
        parts = [
            shard.read(max(start - before, 0), min(stop - before, shard.n_rows))
            for shard, before in shards
        ]
        return self.join(parts or [self._shards[0].read(0, 0)])

    def view(self, start: int, stop: int) -> np.ndarray | None:
        shards = list(self._iter_shards(start, stop))
        if len(shards) != 1:  # rows of several shards have to be joined
            return None
        ((shard, before),) = shards
        return shard.view(start - before, stop - before)

    def find_units(self, least_rows: int) -> np.ndarray:
        before = self._stops - [shard.n_rows for shard in self._shards]
        units = [shard.find_units(least_rows) for shard in self._shards]
        return np.concatenate([n + u for n, u in zip(before, units, strict=True)])

    @property
    def files(self) -> dict:
        return {path: n for shard in self._shards for path, n in shard.files.items()}

    @property
    def identity(self) -> Identity:
        return sum((shard.identity for shard in self._shards), Identity())

    def verify(self) -> None:
        for shard in self._shards:
            shard.verify()

    def finish(self) -> None:
        self._map(lambda shard: shard.finish())

    def sync(self) -> None:
        for shard in self._shards:
            shard.sync()

    def for_run(self, read_mode: str) -> "Store":
        return type(self)(self._map(lambda shard: shard.for_run(read_mode)))

    def _map(self, ask: Callable) -> list:
        """Return what is asked of each shard's files at the ends of a run."""
        return list(map(ask, self._shards))

    def mark_missing(self) -> "Store":
        return type(self)([shard.mark_missing() for shard in self._shards])

    def check(self, start: int, stop: int) -> None:
        for shard, before in self._iter_shards(start, stop):
            shard.check(max(start - before, 0), min(stop - before, shard.n_rows))

    def touch(self, start: int, stop: int) -> None:
        for shard, before in self._iter_shards(start, stop):
            shard.touch(max(start - before, 0), min(stop - before, shard.n_rows))

    def release(self, start: int, stop: int) -> None:
        for shard, before in self._iter_shards(start, stop):
            shard.release(max(start - before, 0), min(stop - before, shard.n_rows))

    def read_into(self, start: int, stop: int, out: np.ndarray) -> None:
        for shard, before in self._iter_shards(start, stop):
            begin, end = max(start, before), min(stop, before + shard.n_rows)
            shard.read_into(
                begin - before, end - before, out[begin - start : end - start]
            )

    def take(self, rows):
        if not len(rows):
            return self.read(0, 0)
        parts = []
        for shard, before in self._iter_shards(int(rows[0]), int(rows[-1]) + 1):
            here = slice(*np.searchsorted(rows, [before, before + shard.n_rows]))
            if here.start < here.stop:
                parts.append(shard.take(rows[here] - before))
        return self.join(parts)

    def write(self, rows, values) -> None:
        shards = np.searchsorted(self._stops, rows, side="right")
        order = np.argsort(shards, kind="stable")  # of equal rows the last counts
        cuts = np.flatnonzero(np.diff(shards[order])) + 1
        for here in np.split(order, cuts):
            number = shards[here[0]]
            shard = self._shards[number]
            before = self._stops[number] - shard.n_rows
            shard.write(rows[here] - before, values[here])

    def _iter_shards(self, start: int, stop: int):
        """Yield the shards that hold these rows, with the rows before each."""
        first = np.searchsorted(self._stops, start, side="right")
        for shard, end in zip(self._shards[first:], self._stops[first:], strict=True):
            before = int(end) - shard.n_rows
            if before >= stop:
                return
            yield shard, before

    def is_viewed_by(self, array: np.ndarray) -> bool:
        return any(shard.is_viewed_by(array) for shard in self._shards)

    def shares_memory(self, array: np.ndarray) -> bool:
        return any(shard.shares_memory(array) for shard in self._shards)

    def reads_from(self, path) -> bool:
        return any(shard.reads_from(path) for shard in self._shards)

    def keep_open(self) -> None:
        for shard in self._shards:
            shard.keep_open()

    def close(self) -> None:
        for shard in self._shards:
            shard.close()


class RemoteShardStore(ShardStore):
    """Rows of several stores behind URLs, whose files are asked for together."""

    def _map(self, ask: Callable) -> list:
        return at_once(ask, self._shards)


class SelectedStore(PartStore):
    """Selected rows as a store, to be a shard among others."""

    def __init__(self, source: Source):
        super().__init__(source.store, source.shape)
        self._source = source

    def read(self, start: int, stop: int):
        return self._source.select(range(start, stop)).read(0, stop - start)

    def take(self, rows):
        return self._source.select(rows).read(0, len(rows))

    def find_units(self, least_rows: int) -> np.ndarray:
        return self._source.find_units(least_rows)

    def write(self, rows, values) -> None:
        self._store.write(rows_at(self._source.selection, rows), values)

    @property
    def shared_key(self) -> Any:
        return type(self), self._source.shared_key

    def for_run(self, read_mode: str) -> "SelectedStore":
        return SelectedStore(self._source.for_run(read_mode))

    def mark_missing(self) -> "SelectedStore":
        return SelectedStore(self._source.mark_missing())


def join_shards(shards: list[Source], named: list) -> Store:
    """Return one store of all shards, which must have rows of one kind."""
    triples = zip(range(len(shards)), shards, named, strict=True)
    names = [_name_shard(*triple) for triple in triples]
    for shard, name in zip(shards, names, strict=True):
        for what, here in _find_kind(shard).items():
            first = _find_kind(shards[0]).get(what, here)
            if first != here:
                raise ValueError(
                    f"The shard {name} has the {what} {here}, and {names[0]} has "
                    f"{first}; they must be the same."
                )
    stores = [_make_shard(shard) for shard in shards]
    kind = RemoteShardStore if all(map(is_url, named)) else ShardStore
    return stores[0] if len(stores) == 1 else kind(stores)


def _find_kind(source: Source) -> dict:
    store = source.store
    facts = {"kind": store.kind, "dtype": store.dtype, "row shape": store.shape[1:]}
    if store.names is not None:
        facts["columns"] = store.names
    if store.column_types is not None:
        facts["column types"] = store.column_types
    return facts


def _name_shard(number: int, source: Source, given) -> str:
    if is_url(given):
        return repr(say_url(given))
    if is_path(given):
        return repr(str(to_path(given)))  # of NumPy's texts, too
    return f"number {number} ({source.store.where})"


def _make_shard(source: Source) -> Store:
    return source.store if source.is_whole else SelectedStore(source)
