"""Carries out a schedule over the sources: X, y and all that goes row by row."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from numbers import Number
from typing import Any
from weakref import ref

import numpy as np
from scipy import sparse

from skmmap._open import open_source
from skmmap._schedule import Buffer
from skmmap._source import Source
from skmmap._targets import (
    ClassWeight,
    check_finite,
    check_has_weight,
    open_array,
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


@dataclass(frozen=True)
class Table:
    """X with what goes along with its rows, and the parameters that do not."""

    X: Source
    y: Source | None = None
    by_row: dict = field(default_factory=dict)
    whole: dict = field(default_factory=dict)
    class_weight: ClassWeight | None = None
    # Weak references to the mixed buffers, of which an estimator may keep a view.
    _mixed: list = field(default_factory=list, init=False, repr=False)

    @property
    def row_nbytes(self) -> int:
        """Bytes of a row as it is stored, in all sources together."""
        return sum(source.row_nbytes for source in self._sources)

    def holds(self, array: np.ndarray) -> bool:
        """Whether ``array`` is a view of X, y or anything else by row."""
        if any(source.store.holds(array) for source in self._sources):
            return True
        alive = (ref() for ref in self._mixed)
        return any(
            rows is not None and np.may_share_memory(array, rows) for rows in alive
        )

    def in_file_order(self) -> "Table":
        """Return the table with its rows in the order in which those of X lie."""
        order = self.X.find_file_order()
        if order is None:
            return self
        return self._map(lambda source: source.reorder(order))

    def keep(self, picked) -> "Table":
        """Return the table with some of its rows, ascending."""
        return self._map(lambda source: source.keep(picked))

    def to_score(self) -> "Table":
        """Return what a score is computed of; one weight for all changes none."""
        weights = {k: v for k, v in self.by_row.items() if k == "sample_weight"}
        return Table(self.X, self.y, weights)

    def sample(self, picked):
        """Return X, y and the weights of some rows in memory; None for what is not."""
        sources = self.X, self.y, self.by_row.get("sample_weight")
        return [source and source.select(picked).load() for source in sources]

    def _map(self, change) -> "Table":
        y = None if self.y is None else change(self.y)
        by_row = {name: change(source) for name, source in self.by_row.items()}
        return replace(self, X=change(self.X), y=y, by_row=by_row)

    @property
    def _sources(self) -> list:
        sources = [self.X, self.y, *self.by_row.values()]
        return [source for source in sources if source is not None]

    def iter_chunks(self, pieces):
        """Yield the chunk between the two ends of each piece."""
        for start, stop in pieces:
            yield self._make_chunk(start, stop, Source.read)

    def iter_buffers(self, buffers):
        """Yield the chunks of each buffer, mixed if it says so."""
        for buffer in buffers:
            if buffer.places is None:
                (first, _), *_ = buffer.blocks
                yield from self.iter_chunks(
                    (first + a, first + b) for a, b in buffer.chunks
                )
            else:
                yield from self._iter_mixed(buffer)

    def _iter_mixed(self, buffer: Buffer):
        mixed = {id(source): _mix(source, buffer) for source in self._sources}
        arrays = [rows for rows in mixed.values() if isinstance(rows, np.ndarray)]
        self._mixed[:] = [ref for ref in self._mixed if ref() is not None]
        self._mixed.extend(map(ref, arrays))
        for start, stop in buffer.chunks:
            chunk = self._make_chunk(
                start, stop, lambda source, a, b: _slice(mixed[id(source)], a, b)
            )
            yield replace(chunk, find_rows=partial(buffer.find_rows, start, stop))

    def _make_chunk(self, start: int, stop: int, read: Callable) -> Chunk:
        params = {key: read(rows, start, stop) for key, rows in self.by_row.items()}
        y = None if self.y is None else read(self.y, start, stop)
        if self.class_weight is not None:
            others = params.get("sample_weight", self.whole.get("sample_weight", 1))
            params["sample_weight"] = self.class_weight.weigh(y) * others
        return Chunk(start, stop, read(self.X, start, stop), y, self.whole | params)


def _mix(source: Source, buffer: Buffer):
    """Return the rows of a buffer, each in its place."""
    source.prefetch(buffer.blocks)
    blocks = (source.read(start, stop) for start, stop in buffer.blocks)
    if not source.store.is_array:
        return source.store.pick(source.store.join(list(blocks)), buffer.order)
    dtype = source.dtype.newbyteorder("=")
    mixed, done = np.empty((len(buffer.places), *source.shape[1:]), dtype), 0
    for block in blocks:
        rows = buffer.places[done : done + len(block)]
        if (
            block.flags.c_contiguous
            and block.ndim > 1
            and not dtype.hasobject
            and block.size
        ):
            _as_items(mixed)[rows] = _as_items(block)
        else:
            mixed[rows] = block
        done += len(block)
    mixed.flags.writeable = False
    return mixed


def _as_items(rows: np.ndarray) -> np.ndarray:
    """Return rows as single items, which NumPy copies faster than rows of numbers."""
    flat = rows.reshape(len(rows), -1)
    return flat.view(np.dtype((np.void, flat.strides[0])))[:, 0]


def _slice(rows, start: int, stop: int):
    return rows.iloc[start:stop] if hasattr(rows, "iloc") else rows[start:stop]


def open_table(X, y=None, params=None) -> Table:
    """Return a table; whatever of ``params`` has a value for each row is sliced."""
    by_row, whole = {}, {}
    for name, value in (params or {}).items():
        if name == "sample_weight" and not isinstance(value, Number):
            by_row[name] = _open_weights(value, X.n_rows)
        elif _is_npy_path(value) or _has_rows(value, X.n_rows):
            by_row[name] = open_source(value, name)
        else:
            whole[name] = value
    for name, source in {"y": y, **by_row}.items():
        _check_same_length(X, source, name)
    table = Table(X, y, by_row, whole).in_file_order()
    if "sample_weight" in by_row:
        check_finite(table.by_row["sample_weight"], "sample_weight")
        check_has_weight(table.by_row["sample_weight"])
    return table


def _open_weights(weights, n_rows: int):
    """Return the weights as a source of one number for each row."""
    source = open_array(weights, "sample_weight")
    if source.ndim != 1:
        raise ValueError(
            f"Sample weights must be 1D array or scalar, got {source.ndim}D array: "
            f"sample_weight has the shape {source.shape}; expected ({n_rows},)."
        )
    return source


def _is_npy_path(value) -> bool:
    return hasattr(value, "__fspath__") or (
        isinstance(value, str) and value.endswith(".npy")
    )


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
