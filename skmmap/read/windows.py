"""Buffers of all rows of a store, each read once for several selections of it."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from skmmap.order import Buffer, FileOrder, SharedOrder, count_before, rows_at
from skmmap.read.chunk import Chunk
from skmmap.read.finite import look_once
from skmmap.read.table import Table
from skmmap.rows import Source
from skmmap.run import NOT_YET, find_sharing


def can_join(table: Table, order: FileOrder) -> bool:
    """Whether selections of a store can have their rows from the same buffers.

    All sources must be selected alike, of stores with as many rows. In file order it
    is of use if rows are copied or decoded.
    """
    n_rows, sources = table.X.store.n_rows, table.sources
    keys = {source.shared_key[1] for source in sources}
    sizes = {source.store.n_rows for source in sources}
    if len(keys) > 1 or sizes != {n_rows} or not table.X.n_rows:
        return False
    if isinstance(order, SharedOrder):
        kinds = {source.store.is_array or source.store.is_sparse for source in sources}
        return order.parent.n_rows == n_rows and kinds == {True}
    return type(order) is FileOrder and table.is_array and not table.is_viewed


def _find_parent(table: Table, order: FileOrder) -> FileOrder:
    """Return the order of all rows, of which each selection has some."""
    if isinstance(order, SharedOrder):
        return order.parent
    return FileOrder(table.X.store.n_rows, order.chunk_size)


def find_common(table: Table, order: FileOrder) -> tuple[tuple, Table]:
    """Return what fits have in common that read an epoch together, and the rows."""
    if can_join(table, order):
        parent = _find_parent(table, order)
        return ("windows", parent.key, table.shared_stores), _find_whole(table)
    return (table.key, order.key), table


def _find_whole(table: Table) -> Table:
    """Return the table of all rows of the stores."""
    whole = table.map(lambda source: Source(source.store, cast=source.cast))
    return replace(whole, whole={}, class_weight=None)


class Windows:
    """The buffers of an epoch, one at a time, until all parts are done with it.

    The next one is read meanwhile. ``places`` has the number of the buffer that each
    part needs next.
    """

    def __init__(self, whole: Table, order: FileOrder, epoch: int):
        self._whole, self._order, self._epoch = whole, order, epoch
        self.places: dict[Any, int] = {}
        self.number, self._now = -1, None
        self._chunks: Iterator[Chunk] | None = None

    def get(self, number: int) -> Chunk:
        """Return a buffer as one chunk: this one, or a later one than before."""
        if self._chunks is None:
            self.number = number - 1
            self._chunks = look_once(self._whole.iter_buffers(self._iter_raw(number)))
        while self.number < number:
            self._now = None
            try:
                self._now = next(self._chunks)
            except BaseException:
                # The next part reads it anew, for an error of its own: at its end,
                # an iterator only says that it is over.
                self._chunks = None
                raise
            self.number += 1
        return self._now

    def _iter_raw(self, first: int) -> Iterator[Buffer]:
        for buffer in islice(self._order.iter_buffers(self._epoch), first, None):
            n_rows = buffer.n_rows
            mixed = None if buffer.places is None else np.arange(n_rows)
            yield Buffer(buffer.blocks, [(0, n_rows)], mixed)

    def leave(self, part) -> None:
        del self.places[part]
        if not self.places:
            self._now = None
            if self._chunks is not None:
                self._chunks.close()
            self._whole.free()


class WindowChunks:
    """The chunks of a selection in an epoch, from windows of all rows, as an iterator.

    ``opened`` has the windows that were opened last, for the others that read with it.
    """

    def __init__(
        self, table: Table, order: FileOrder, epoch: int, skipped: int, opened: dict
    ):
        self._table, self._order, self._epoch = table, order, epoch
        self._parent = _find_parent(table, order)
        self._windows = self._join(opened)
        self._windows.places[self] = 0
        is_mixed = isinstance(order, SharedOrder)
        self._chunks = (self._iter_mixed if is_mixed else self._iter_in_order)(skipped)

    def _join(self, opened: dict) -> Windows:
        key = self._parent.key, self._epoch, self._table.shared_stores
        windows = opened.get(key)
        if windows is None or not windows.places or windows.number > 0:
            for other in [k for k, each in opened.items() if not each.places]:
                del opened[other]
            whole = _find_whole(self._table)
            windows = opened[key] = Windows(whole, self._parent, self._epoch)
        return windows

    def may_go(self) -> bool:
        """Whether no other selection needs a buffer before the next one of this."""
        return self._windows.places[self] == min(self._windows.places.values())

    def __iter__(self) -> "WindowChunks":
        return self

    def __next__(self) -> Chunk:
        return next(self._chunks)

    def close(self) -> None:
        self._chunks.close()
        if self in self._windows.places:
            self._windows.leave(self)
            self._table.free()

    def _iter_mixed(self, skipped: int) -> Iterator[Chunk]:
        """Yield the chunks of a shared order, each of which is in one window."""
        places, share = self._windows.places, self._order.begin(self._epoch)
        for number, parent in enumerate(self._parent.iter_buffers(self._epoch)):
            every, buffer = share.pick(number, parent), share.take(number, parent)
            here = min(skipped, len(every))
            skipped -= here
            if here == len(every):
                places[self] = number + 1
                continue
            while not self.may_go():
                yield NOT_YET
            window = self._windows.get(number)
            chunks = list(zip(every, buffer.chunks, strict=True))[here:]
            del every, parent
            for left, (index, (start, stop)) in enumerate(chunks, 1 - len(chunks)):
                rows = self._table.pick_from(window, index)
                chunk = self._table.make_chunk(buffer, start, stop, rows)
                chunk = chunk._replace(is_finite=window.is_finite, results={})
                del rows
                if left == 0:
                    places[self], window = number + 1, None
                yield chunk
                del chunk

    def _iter_in_order(self, skipped: int) -> Iterator[Chunk]:
        """Yield chunks in file order, of which a window may have only some rows."""
        places, selection = self._windows.places, self._table.X.selection
        windows = [buffer.blocks[0] for buffer in self._parent.iter_buffers(0)]
        ends = count_before(selection, np.array([last for _, last in windows]))
        number = 0
        for start, stop in list(self._order)[skipped:]:
            # Rows of a chunk that are in windows before the last are put aside.
            parts, is_finite, begin = [], True, start
            while begin < stop:
                number += int(np.searchsorted(ends[number:], begin, side="right"))
                places[self] = number
                while not self.may_go():
                    yield NOT_YET
                window = self._windows.get(number)
                end = min(stop, int(ends[number]))
                index = rows_at(selection, range(begin, end)) - windows[number][0]
                parts.append(self._table.pick_from(window, index))
                is_finite, begin = is_finite and window.is_finite, end
                del window
            if stop == ends[number]:
                places[self] = number + 1
            buffer = Buffer([(start, stop)], [(0, stop - start)])
            rows = self._table.join(parts)
            chunk = self._table.make_chunk(buffer, 0, stop - start, rows)
            del rows, parts
            yield chunk._replace(is_finite=is_finite, results={})
            del chunk


def iter_chunks(table: Table, chunks) -> Iterator[Chunk]:
    """Yield the chunk between the two ends of each of ``chunks``.

    Of fits that run side by side, those that ask for the same ones share them.
    """
    sharing = find_sharing()
    if not sharing.is_shared:
        return table.iter_chunks(chunks)
    in_order = isinstance(chunks, FileOrder)
    key = "chunks", table.key, chunks.key if in_order else tuple(chunks)
    start, stop = next(iter(chunks), (0, 0))
    nbytes = 0 if table.is_viewed else 2 * (stop - start) * table.row_nbytes
    make, is_joint = partial(_look_at, table, chunks), not nbytes
    if in_order and chunks.only is None and can_join(table, chunks):
        opened = sharing.remember("windows", dict)
        make, is_joint = partial(WindowChunks, table, chunks, 0, 0, opened), True
    return sharing.iter_items(key, make, nbytes, is_joint=is_joint)


def _look_at(table: Table, chunks) -> Iterator[Chunk]:
    return look_once(table.iter_chunks(chunks))
