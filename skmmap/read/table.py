"""X, y and all else that has a value for each row, and the chunks of a schedule."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from threading import Event

import numpy as np

from skmmap.order import Buffer, ChunkNeed, FileOrder
from skmmap.read.buffers import BufferReader
from skmmap.read.chunk import Chunk
from skmmap.read.class_weight import ClassWeight
from skmmap.read.fill import lock_array
from skmmap.read.read_path import Reading
from skmmap.read.readahead import bring, iter_ahead
from skmmap.rows import ArrayStore, LoadedStore, Source, StandIn, Store
from skmmap.run import find_sharing

AS_GIVEN = Reading()
# Pieces of a map that are brought together, which takes no memory: fewer threads wake.
_MAPPED_PIECES = 4
# Gathering fewer bytes than this takes less time than to start a thread for it.
_AHEAD_NBYTES = 2**20


@dataclass(eq=False, repr=False)
class Table:
    """X, the sources with a value for each row, and the parameters without one."""

    X: Source
    y: Source | None = None
    by_row: dict = field(default_factory=dict)
    whole: dict = field(default_factory=dict)
    class_weight: ClassWeight | None = None
    reading: Reading = AS_GIVEN
    # Tables that were lent and returned.
    _spare: deque = field(default_factory=deque, init=False, repr=False)

    @property
    def key(self) -> tuple:
        """What tables have in common whose chunks are the same."""
        y = None if self.y is None else self.y.shared_key
        by_row = tuple(
            (name, source.shared_key) for name, source in self.by_row.items()
        )
        whole = tuple((name, _find_key(value)) for name, value in self.whole.items())
        weight = None if self.class_weight is None else self.class_weight.key
        return self.X.shared_key, y, by_row, whole, weight, self.reading.read

    @property
    def row_nbytes(self) -> int:
        """Bytes of a row as it is stored, in all sources together."""
        return sum(source.row_nbytes for source in self.sources)

    @cached_property
    def group_rows(self) -> int:
        """Rows that are read together, regardless of chunks."""
        if not self.is_array:
            return 1
        nbytes, n_rows = self.reading.piece_nbytes, self.X.n_rows
        # A selection with gaps has no views: its rows are gathered in memory.
        if n_rows and all(s.view(0, n_rows) is not None for s in self.sources):
            nbytes *= _MAPPED_PIECES
        return max(1, nbytes // max(1, self.row_nbytes))

    @property
    def files(self) -> dict:
        """Bytes of the rows in each file that is mapped or read."""
        return {p: n for source in self.sources for p, n in source.store.files.items()}

    @property
    def is_parallel(self) -> bool:
        """Whether several threads can read these rows at the same time."""
        return not any(source.store.is_thread_bound for source in self.sources)

    @property
    def can_reopen(self) -> bool:
        """Whether other processes can open X themselves."""
        return self.X.store.can_reopen

    @contextmanager
    def lend(self) -> Iterator["Table"]:
        """Lend the table to a thread.

        Each thread gets a table of its own, since reused memory and the windows of a
        map serve one thread.
        """
        try:
            table = self._spare.pop()
        except IndexError:
            table = self.map(lambda source: source.for_run(self.reading.read))
        yield table
        self._spare.append(table)

    @property
    def shared_stores(self) -> tuple:
        """What tables have in common that select rows of the same stores."""
        stores = tuple((s.store.shared_key, s.cast) for s in self.sources)
        return tuple(self.by_row), stores, self.reading.read

    def find_need(self, chunk_rows: int) -> ChunkNeed:
        """Return the bytes that chunks of so many rows need."""
        wide = max(8 * self.X.row_values, self.X.row_nbytes)
        return ChunkNeed(chunk_rows * self.row_nbytes, chunk_rows * wide)

    def limit(self, memory_limit: int) -> "Table":
        """Return the table that is read within so many bytes."""
        return replace(self, reading=self.reading._replace(memory_limit=memory_limit))

    def reads(self, *, ahead: bool) -> "Table":
        """Return the table that reads the next buffer ``ahead`` or in its turn."""
        if ahead == self.reading.reads_ahead:
            return self
        return replace(self, reading=self.reading._replace(reads_ahead=ahead))

    def divide(self, number: int) -> "Table":
        """Return the table for ``number`` workers, each of which is lent one.

        They share the memory limit, and one reader thread is enough for each.
        """
        limit = max(1, self.reading.memory_limit // number)
        divided = self.reading._replace(memory_limit=limit, n_readers=1)
        how, _ = divided.choose(self.files)
        return replace(self, reading=divided._replace(read=how))

    @cached_property
    def _reader(self) -> BufferReader:
        return BufferReader(self.sources, self.reading)

    def __getstate__(self) -> dict:
        # In another process nothing would ever free them.
        state = vars(self) | {"_spare": deque(maxlen=0)}
        return {k: v for k, v in state.items() if k not in ("_reader", "sources")}

    def holds(self, array: np.ndarray) -> bool:
        """Whether ``array`` is a view of X, y or anything else by row."""
        is_view = any(source.store.is_viewed_by(array) for source in self.sources)
        return is_view or self._reader.holds(array)

    def free(self) -> None:
        """Keep no memory for rows that are read later."""
        self._reader.free()

    def finish(self) -> None:
        """Raise if the rows have changed since the run began."""
        for source in self.sources:
            source.store.finish()

    @property
    def stores(self) -> dict[str, Store]:
        """The stores of all rows and arrays, by the names of the parameters."""
        named = {"X": self.X, "y": self.y, **self.by_row}
        stores = {
            name: source.store for name, source in named.items() if source is not None
        }
        whole = self.whole.items()
        arrays = {k: ArrayStore(v) for k, v in whole if isinstance(v, np.ndarray)}
        return stores | arrays

    def in_file_order(self) -> "Table":
        """Return the table with its rows in the order in which X has them on disk.

        Everything after it reads by slices, then, and only results have to be put back.
        """
        order = self.X.find_file_order()
        if order is None:
            return self
        return self.map(lambda source: source.reorder(order))

    def keep(self, picked) -> "Table":
        """Return the table with some of its rows, in ascending order."""
        return self.map(lambda source: source.keep(picked))

    def to_score(self) -> "Table":
        """Return the table of a score, in which one weight for all has no effect."""
        weights = {k: v for k, v in self.by_row.items() if k == "sample_weight"}
        return Table(self.X, self.y, weights, reading=self.reading)

    def sample(self, picked):
        """Return X, y and weights of some rows in memory; None if there are none."""
        sources = self.X, self.y, self.by_row.get("sample_weight")

        def load(source):
            some = source.select(picked)
            return find_sharing().remember(("load", some.shared_key), some.load)

        return [source and load(source) for source in sources]

    def map(self, change) -> "Table":
        """Return the table with ``change`` applied to its sources."""
        y = None if self.y is None else change(self.y)
        by_row = {name: change(source) for name, source in self.by_row.items()}
        return replace(self, X=change(self.X), y=y, by_row=by_row)

    @cached_property
    def sources(self) -> list[Source]:
        """X, y and all else with a value for each row."""
        sources = [self.X, self.y, *self.by_row.values()]
        return [source for source in sources if source is not None]

    def iter_chunks(self, chunks) -> Iterator[Chunk]:
        """Yield the chunk between the two ends of each of ``chunks``."""
        if isinstance(chunks, FileOrder):
            buffers = chunks.iter_buffers(0, self.group_rows)
        else:
            buffers = (Buffer([(a, b)], [(0, b - a)]) for a, b in chunks)
        return self.iter_buffers(buffers)

    def iter_buffers(self, buffers) -> Iterator[Chunk]:
        """Yield the chunks of each buffer, shuffled if it says so.

        The next buffer is read meanwhile, by threads that end with the iterator.
        """
        stopped, reading = Event(), self.reading
        n_readers, reads_ahead = reading.n_readers, reading.reads_ahead
        loads = (self._reader.prepare(buffer, stopped) for buffer in buffers)
        with (
            closing(bring(loads, n_readers, reads_ahead=reads_ahead)) as ready,
            ExitStack() as at_end,
        ):
            # Before waiting for the threads, so that their reads end early.
            at_end.callback(stopped.set)
            for brought, check in ready:
                for start, stop in brought.buffer.chunks:
                    check()
                    cut = {
                        k: slice_rows(r, start, stop) for k, r in brought.rows.items()
                    }
                    chunk = self.make_chunk(brought.buffer, start, stop, cut)
                    del cut
                    for source in brought.mapped:
                        source.check(chunk.start, chunk.stop)
                    yield chunk
                    del chunk
                for source in brought.mapped:
                    source.store.verify()
                    source.release(*brought.buffer.blocks[0])
                # Or there would be two buffers while the next one is read.
                del brought, check

    @property
    def is_held(self) -> bool:
        """Whether all rows are in the memory of this process."""
        return all(source.is_held for source in self.sources)

    @property
    def unheld_nbytes(self) -> int:
        """Bytes of the rows that are not in the memory of this process."""
        return self.X.n_rows * sum(s.row_nbytes for s in self.sources if not s.is_held)

    @property
    def is_viewed(self) -> bool:
        """Whether neighbouring rows need no copy: they are in memory or in a map."""
        n_rows = self.X.n_rows
        return all(s.is_held or s.view(0, n_rows) is not None for s in self.sources)

    @property
    def is_array(self) -> bool:
        """Whether all sources are arrays."""
        return all(source.store.is_array for source in self.sources)

    def load(self) -> "Table":
        """Return the table with its rows in memory, where they are not there yet."""
        rows = self._reader.load(self.X.n_rows)
        return self.map(
            lambda source: (
                source
                if source.is_held
                else StandIn(LoadedStore(source, rows[id(source)]))
            )
        )

    def iter_gathered(self, buffers: Iterable[Buffer]) -> Iterator[Chunk]:
        """Yield the chunks of shuffled buffers, gathered from rows in memory.

        The next chunk is gathered by a thread meanwhile. No buffer is filled.
        """
        gathered = self._gather(buffers)
        is_small = self.X.n_rows * self.row_nbytes < _AHEAD_NBYTES
        with closing(gathered):
            yield from gathered if is_small else iter_ahead(gathered)

    def _gather(self, buffers: Iterable[Buffer]) -> Iterator[Chunk]:
        for buffer in buffers:
            for start, stop in buffer.chunks:
                rows = self._reader.pick(buffer.find_rows(start, stop))
                chunk = self.make_chunk(buffer, start, stop, rows)
                del rows
                yield chunk
                del chunk

    def pick_from(self, window: Chunk, index: np.ndarray) -> dict:
        """Return some rows of a chunk that another table has read."""
        rows = {id(source): window.params[name] for name, source in self.by_row.items()}
        rows |= {id(self.X): window.X}
        rows |= {} if self.y is None else {id(self.y): window.y}
        return self._reader.pick_from(rows, index)

    def join(self, parts: list[dict]) -> dict:
        """Return the rows of several such parts, one after the other."""
        if len(parts) == 1:
            return parts[0]
        joined = {}
        for source in self.sources:
            rows = source.store.join([part[id(source)] for part in parts])
            joined[id(source)] = lock_array(rows) if source.store.is_array else rows
        return joined

    def make_chunk(self, buffer: Buffer, start: int, stop: int, rows: dict) -> Chunk:
        """Return a chunk of a buffer, given its rows by the id of their source."""
        params = {name: rows[id(source)] for name, source in self.by_row.items()}
        X, y = rows[id(self.X)], None if self.y is None else rows[id(self.y)]
        if self.class_weight is not None:
            given = params.get("sample_weight", self.whole.get("sample_weight", 1))
            params["sample_weight"] = self.class_weight.multiply(given, y)
        params = self.whole | params
        if buffer.places is not None:
            find_rows = partial(buffer.find_rows, start, stop)
            return Chunk(start, stop, X, y, params, find_rows)
        first = buffer.blocks[0][0]
        return Chunk(first + start, first + stop, X, y, params)


def _find_key(value):
    """Return what is the same for the same values; of others, the object itself."""
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return value.dtype.str, value.shape, value.tobytes()
    is_simple = isinstance(value, bool | int | float | str | bytes | type(None))
    return (type(value), value) if is_simple else id(value)


def slice_rows(rows, start: int, stop: int):
    """Return some rows of a chunk, of any kind."""
    return rows.iloc[start:stop] if hasattr(rows, "iloc") else rows[start:stop]
