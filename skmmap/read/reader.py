"""Carries out a schedule over the sources: X, y and all that goes row by row."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from numbers import Number
from threading import Event
from typing import Any

import numpy as np
from scipy import sparse

from skmmap.disk import (
    BUFFER,
    NPY,
    explaining,
    find_suffix,
    is_path,
)
from skmmap.formats import is_shards, open_source
from skmmap.order import (
    Buffer,
    FileOrder,
)
from skmmap.read.read_path import Reading
from skmmap.read.readahead import (
    Load,
    Memory,
    bring,
)
from skmmap.read.targets import (
    ClassWeight,
    check_finite,
    check_has_weight,
    open_array,
)
from skmmap.rows import (
    ArrayStore,
    Source,
    Store,
    to_native,
)


@dataclass(frozen=True)
class Chunk:
    """The rows of one call to the estimator.

    ``start`` and ``stop`` count rows in the order of reading. ``find_rows`` returns
    where they lie; it is None where that is the same.
    """

    start: int
    stop: int
    X: Any
    y: Any
    params: dict
    find_rows: Callable | None = None

    @property
    def n_rows(self) -> int:
        return self.stop - self.start

    def with_params(self, more: dict) -> "Chunk":
        """Return the chunk with further parameters."""
        return replace(self, params=self.params | more)


AS_GIVEN = Reading()
# Pieces that are brought together where that takes no memory: fewer threads to wake.
_SHOWN_PIECES = 4


@dataclass(frozen=True)
class Table:
    """X with what goes along with its rows, and the parameters that do not."""

    X: Source
    y: Source | None = None
    by_row: dict = field(default_factory=dict)
    whole: dict = field(default_factory=dict)
    class_weight: ClassWeight | None = None
    reading: Reading = AS_GIVEN
    # What rows are read into, by the number of their source.
    _memory: dict = field(default_factory=dict, init=False, repr=False)
    # Tables that were lent, and came back.
    _spare: deque = field(default_factory=deque, init=False, repr=False)

    @property
    def row_nbytes(self) -> int:
        """Bytes of a row as it is stored, in all sources together."""
        return sum(source.row_nbytes for source in self.sources)

    @property
    def group_rows(self) -> int:
        """Rows that are brought together, in chunks or not."""
        if not all(source.store.is_array for source in self.sources):
            return 1
        nbytes, n_rows = self.reading.piece_nbytes, self.X.n_rows
        # Of a selection with gaps, some would be gathered in memory.
        if n_rows and all(s.view(0, n_rows) is not None for s in self.sources):
            nbytes *= _SHOWN_PIECES
        return max(1, nbytes // max(1, self.row_nbytes))

    @property
    def files(self) -> dict:
        """Bytes of the rows in each file that is mapped or read."""
        return {p: n for source in self.sources for p, n in source.store.files.items()}

    @property
    def is_parallel(self) -> bool:
        """Whether several threads can each have a table of these rows."""
        return not any(source.store.is_bound for source in self.sources)

    @property
    def is_addressed(self) -> bool:
        """Whether other processes can open X themselves."""
        return self.X.store.is_addressed

    @contextmanager
    def lend(self) -> Iterator["Table"]:
        """Lend the table to a thread; others get another, and share nothing of it."""
        try:
            table = self._spare.pop()
        except IndexError:
            table = self.map(lambda source: source.by(self.reading.read))
        yield table
        self._spare.append(table)

    def divide(self, number: int) -> "Table":
        """Return the table for so many at a time, each of whom is lent one.

        They share the memory limit, and one reader is enough for each.
        """
        limit = max(1, self.reading.memory_limit // number)
        divided = self.reading._replace(memory_limit=limit, n_readers=1)
        how, _ = divided.choose(self.files)
        return replace(self, reading=divided._replace(read=how))

    def __getstate__(self) -> dict:
        # Elsewhere it keeps nothing, since nobody would let go of that.
        return vars(self) | {"_memory": {}, "_spare": deque(maxlen=0)}

    def holds(self, array: np.ndarray) -> bool:
        """Whether ``array`` is a view of X, y or anything else by row."""
        return any(source.store.holds(array) for source in self.sources) or any(
            memory.holds(array) for memory in self._memory.values()
        )

    def finish(self) -> None:
        """Raise if the rows are no longer those that a run began with."""
        for source in self.sources:
            source.store.finish()

    @property
    def stores(self) -> dict[str, Store]:
        """What all rows and other arrays are read from, by the names of the user's."""
        named = {"X": self.X, "y": self.y, **self.by_row}
        stores = {
            name: source.store for name, source in named.items() if source is not None
        }
        whole = self.whole.items()
        arrays = {k: ArrayStore(v) for k, v in whole if isinstance(v, np.ndarray)}
        return stores | arrays

    def in_file_order(self) -> "Table":
        """Return the table with its rows in the order in which those of X lie."""
        order = self.X.find_file_order()
        if order is None:
            return self
        return self.map(lambda source: source.reorder(order))

    def keep(self, picked) -> "Table":
        """Return the table with some of its rows, ascending."""
        return self.map(lambda source: source.keep(picked))

    def to_score(self) -> "Table":
        """Return what a score is computed of; one weight for all changes none."""
        weights = {k: v for k, v in self.by_row.items() if k == "sample_weight"}
        return Table(self.X, self.y, weights, reading=self.reading)

    def sample(self, picked):
        """Return X, y and the weights of some rows in memory; None for what is not."""
        sources = self.X, self.y, self.by_row.get("sample_weight")
        return [source and source.select(picked).load() for source in sources]

    def map(self, change) -> "Table":
        """Return the table with its sources changed."""
        y = None if self.y is None else change(self.y)
        by_row = {name: change(source) for name, source in self.by_row.items()}
        return replace(self, X=change(self.X), y=y, by_row=by_row)

    @property
    def sources(self) -> list[Source]:
        """X, y and all that goes along with the rows."""
        sources = [self.X, self.y, *self.by_row.values()]
        return [source for source in sources if source is not None]

    def iter_chunks(self, pieces) -> Iterator[Chunk]:
        """Yield the chunk between the two ends of each piece."""
        if isinstance(pieces, FileOrder):
            buffers = pieces.iter_buffers(0, self.group_rows)
        else:
            buffers = (Buffer([(a, b)], [(0, b - a)]) for a, b in pieces)
        return self.iter_buffers(buffers)

    def iter_buffers(self, buffers) -> Iterator[Chunk]:
        """Yield the chunks of each buffer, mixed if it says so.

        The next buffer is brought meanwhile, by threads that end with the iterator.
        """
        stopped = Event()
        loads = (self._prepare(buffer, stopped) for buffer in buffers)
        with (
            closing(bring(loads, self.reading.n_readers)) as brought,
            ExitStack() as at_end,
        ):
            # Before the threads are waited for, so that what they read ends early.
            at_end.callback(stopped.set)
            for (buffer, rows, looked_at), check in brought:
                for start, stop in buffer.chunks:
                    check()
                    chunk = self._make_chunk(buffer, rows, start, stop)
                    for source in looked_at:
                        source.check(chunk.start, chunk.stop)
                    yield chunk
                    del chunk
                for source in looked_at:
                    source.store.verify()
                # Or two buffers would be there while the next one is asked for.
                del buffer, rows, looked_at, check

    def _prepare(self, buffer: Buffer, stopped: Event) -> Load:
        """Return what brings the rows of a buffer, and where they will be."""
        rows, looked_at, tasks = {}, [], []
        nbytes = self.reading.piece_nbytes
        for number, source in enumerate(self.sources):
            view = None
            if buffer.places is None and source.store.is_array:
                view = source.view(*buffer.blocks[0])
            if view is not None:
                rows[id(source)] = view
                if source.store.on_disk:
                    looked_at.append(source)
                    tasks += _cut(source, buffer.blocks, nbytes, source.touch)
            elif source.store.is_array:
                memory = self._memory.setdefault(number, Memory())
                shape = buffer.n_rows, *source.shape[1:]
                out = memory.take(shape, to_native(source.dtype))
                rows[id(source)] = _lock_array(out)
                more = _fill(source, buffer, nbytes, out)
                tasks += self._arrange(source, more, stopped)
            else:
                task = partial(_collect, source, buffer, rows)
                tasks += self._arrange(source, [task], stopped)
        return Load((buffer, rows, looked_at), tasks)

    def _arrange(self, source: Source, tasks: Iterable, stopped: Event) -> list:
        """Return the tasks for threads: one for libraries that need one at a time.

        Objects of the user's may be bound to the thread that made them: they are read
        at once.
        """
        if source.store.is_parallel:
            return list(tasks)

        def run() -> None:
            for task in tasks:
                if not stopped.is_set():
                    task()

        if not source.store.is_bound:
            return [run]
        run()
        return []

    def _make_chunk(self, buffer: Buffer, rows: dict, start: int, stop: int) -> Chunk:
        def cut(source):
            return None if source is None else _slice(rows[id(source)], start, stop)

        params = {name: cut(source) for name, source in self.by_row.items()}
        X, y = cut(self.X), cut(self.y)
        if self.class_weight is not None:
            others = params.get("sample_weight", self.whole.get("sample_weight", 1))
            weights = self.class_weight.weigh(y)
            if np.ndim(others) > 1:  # in a column, as third parties may have them
                weights = weights.reshape(-1, *(1,) * (np.ndim(others) - 1))
            params["sample_weight"] = weights * others
        params = self.whole | params
        if buffer.places is not None:
            find_rows = partial(buffer.find_rows, start, stop)
            return Chunk(start, stop, X, y, params, find_rows)
        first = buffer.blocks[0][0]
        return Chunk(first + start, first + stop, X, y, params)


def _cut(source: Source, blocks: list, nbytes: int, do: Callable) -> Iterator[Callable]:
    """Yield ``do`` for the pieces of blocks, of so many bytes each."""
    step = max(1, nbytes // max(1, source.row_nbytes))
    for first, last in blocks:
        for start in range(first, last, step):
            yield partial(_note_rows, source, do, start, min(start + step, last))


def _note_rows(source: Source, do: Callable, start: int, stop: int) -> None:
    try:
        with explaining((stop - start) * source.row_nbytes, BUFFER):
            do(start, stop)
    except Exception as error:
        error.add_note(f"while reading {source.describe(start, stop)}")
        raise


def _fill(source: Source, buffer: Buffer, nbytes: int, out: np.ndarray):
    """Yield the tasks that put the rows of a buffer in their places."""
    done = 0
    for first, last in buffer.blocks:
        here = slice(done, done + last - first)
        if buffer.places is None:
            put = partial(_put_in_order, source, out[here], first)
        else:
            put = partial(_put_in_places, source, out, buffer.places[here], first)
        yield from _cut(source, [(first, last)], nbytes, put)
        done += last - first


def _put_in_order(source, out, first: int, start: int, stop: int) -> None:
    source.read_into(start, stop, out[start - first : stop - first])


def _put_in_places(source, out, places, first: int, start: int, stop: int) -> None:
    rows, places = source.read(start, stop), places[start - first : stop - first]
    same = (
        rows.dtype == out.dtype and not rows.dtype.hasobject and rows.dtype.kind != "T"
    )
    if same and rows.flags.c_contiguous and rows.ndim > 1 and rows.size:
        out, rows = _as_items(out), _as_items(rows)
    out[places] = rows
    source.store.verify()


def _collect(source: Source, buffer: Buffer, rows: dict) -> None:
    """Put the rows of a buffer that are in no array under their source's key."""
    with explaining(buffer.n_rows * source.row_nbytes, BUFFER):
        read = [source.read(start, stop) for start, stop in buffer.blocks]
        if buffer.places is None:
            (rows[id(source)],) = read
        else:
            rows[id(source)] = source.store.pick(source.store.join(read), buffer.order)


def _lock_array(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view


def _as_items(rows: np.ndarray) -> np.ndarray:
    """Return rows as single items, which NumPy copies faster than rows of numbers."""
    flat = rows.reshape(len(rows), -1)
    return flat.view(np.dtype((np.void, flat.strides[0])))[:, 0]


def _slice(rows, start: int, stop: int):
    return rows.iloc[start:stop] if hasattr(rows, "iloc") else rows[start:stop]


def open_table(
    X, y=None, params=None, reading=AS_GIVEN, *, is_checked: bool = True
) -> Table:
    """Return a table; whatever of ``params`` has a value for each row is sliced.

    Weights have to be numbers, one for each row, unless ``is_checked`` is False.
    """
    by_row, whole = {}, {}
    for name, value in (params or {}).items():
        if name == "sample_weight" and not isinstance(value, Number):
            weights = open_array(value, name)
            by_row[name] = _check_weights(weights, X.n_rows) if is_checked else weights
        elif _is_source(value) or _has_rows(value, X.n_rows):
            by_row[name] = open_source(value, name)
        else:
            whole[name] = value
    for name, source in {"y": y, **by_row}.items():
        _check_same_length(X, source, name)
    X, y, *others = reading.bring([reading.cast(X), y, *by_row.values()])
    by_row = dict(zip(by_row, others, strict=True))
    table = Table(X, y, by_row, whole, reading=reading).in_file_order()
    if "sample_weight" in by_row and is_checked:
        check_finite(table.by_row["sample_weight"], "sample_weight")
        check_has_weight(table.by_row["sample_weight"])
    return table


# Parameters of `fit` that have rows of their own, or else a number or None.
_OWN_ROWS = "y", "sample_weight", "X_val", "y_val", "sample_weight_val"
_LABELS = "classes", "class_weight"


def open_given(X, y, params: dict) -> Table:
    """Return a table of all that `fit` is given, to be asked where it is read from.

    Nothing else is checked, nor brought: the rows of X_val are others than those of X.
    """
    X, by_row, whole = open_source(X, "X"), {}, {}
    for name, value in {"y": y, **params}.items():
        is_rows = name in _OWN_ROWS and not isinstance(value, Number | None)
        is_other = name not in (*_OWN_ROWS, *_LABELS)
        if is_rows or (is_other and (_is_source(value) or _has_rows(value, X.n_rows))):
            by_row[name] = open_source(value, name)
        else:
            whole[name] = value
    return Table(X, by_row.pop("y", None), by_row, whole)


def _check_weights(source, n_rows: int):
    """Return the weights if there is one number for each row."""
    if source.ndim != 1:
        raise ValueError(
            f"Sample weights must be 1D array or scalar, got {source.ndim}D array: "
            f"sample_weight has the shape {source.shape}; expected ({n_rows},)."
        )
    return source


def _is_source(value) -> bool:
    """Whether ``value`` is a path, or a list of shards, and not itself a parameter."""
    if isinstance(value, str | bytes):  # which may be a text for the estimator
        return find_suffix(os.fsdecode(value)) in NPY
    return is_path(value) or is_shards(value, is_text=True)


def _has_rows(value, n_rows: int) -> bool:
    """Whether ``value`` is an array-like with one entry for each row of X."""
    if isinstance(value, str | bytes | dict | set):
        return False
    if sparse.issparse(value) or hasattr(value, "shape"):
        return len(value.shape) > 0 and value.shape[0] == n_rows
    return hasattr(value, "__len__") and len(value) == n_rows


def _check_same_length(X, source, name: str) -> None:
    if source is not None and source.n_rows != X.n_rows:
        raise ValueError(
            f"X has {X.n_rows:,} rows and {name} has {source.n_rows:,}; they must have "
            "the same number."
        )
