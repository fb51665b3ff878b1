"""Buffers of all rows of a store, each read once for several selections of it."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from skmmap.order import BlockOrder, Buffer, FileOrder, SharedOrder
from skmmap.read.chunk import Chunk
from skmmap.read.finite import look_once
from skmmap.read.table import Table
from skmmap.rows import Source


def can_join(table: Table, order: FileOrder) -> bool:
    """Whether selections of a store can have their rows from the same buffers.

    All sources must be selected alike, of stores with as many rows.
    """
    if not isinstance(order, SharedOrder):
        return False
    keys = {source.shared_key[1] for source in table.sources}
    sizes = {source.store.n_rows for source in table.sources}
    return len(keys) == 1 and sizes == {order.parent.n_rows}


def _find_whole(table: Table) -> Table:
    """Return the table of all rows of the stores."""
    whole = table.map(lambda source: Source(source.store, cast=source.cast))
    return replace(whole, whole={}, class_weight=None)


class Windows:
    """The buffers of an epoch, one at a time, until all parts are done with it.

    The next one is read meanwhile. ``places`` has the number of the buffer that each
    part needs next.
    """

    def __init__(self, whole: Table, order: BlockOrder, epoch: int):
        self._whole, self._order, self._epoch = whole, order, epoch
        self.places: dict[Any, int] = {}
        self._number, self._now = -1, None
        self._chunks: Iterator[Chunk] | None = None

    def get(self, number: int) -> Chunk:
        """Return a buffer as one chunk: this one, or a later one than before."""
        if self._chunks is None:
            self._number = number - 1
            self._chunks = look_once(self._whole.iter_buffers(self._iter_raw(number)))
        while self._number < number:
            self._now = None
            self._now = next(self._chunks)
            self._number += 1
        return self._now

    def _iter_raw(self, first: int) -> Iterator[Buffer]:
        for buffer in islice(self._order.iter_buffers(self._epoch), first, None):
            n_rows = buffer.n_rows
            yield Buffer(buffer.blocks, [(0, n_rows)], np.arange(n_rows))

    def leave(self, part) -> None:
        del self.places[part]
        if not self.places and self._chunks is not None:
            self._now = None
            self._chunks.close()
            self._whole.free()


class WindowChunks:
    """The chunks that a selection has in an epoch of a shared order, as an iterator.

    ``opened`` has the windows that were opened last, for the others that read with it.
    """

    def __init__(
        self, table: Table, order: SharedOrder, epoch: int, skipped: int, opened: dict
    ):
        self._table, self._order, self._epoch = table, order, epoch
        self._windows = self._join(opened)
        self._windows.places[self] = 0
        self._chunks = self._iter_chunks(skipped)

    def _join(self, opened: dict) -> Windows:
        parent = self._order.parent
        key = parent.key, self._epoch, self._table.shared_stores
        windows = opened.get(key)
        if windows is None or not windows.places or max(windows.places.values()) > 0:
            whole = _find_whole(self._table)
            opened.clear()
            windows = opened[key] = Windows(whole, parent, self._epoch)
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

    def _iter_chunks(self, skipped: int) -> Iterator[Chunk]:
        places, share = self._windows.places, self._order.begin(self._epoch)
        with closing(self._order.parent.iter_buffers(self._epoch)) as buffers:
            for number, parent in enumerate(buffers):
                every = share.pick(number, parent)
                buffer = share.take(number, parent)
                here = min(skipped, len(every))
                skipped -= here
                if here == len(every):
                    places[self] = number + 1
                    continue
                window = self._windows.get(number)
                pairs = list(zip(every, buffer.chunks, strict=True))[here:]
                del every, parent
                for left, (index, (start, stop)) in enumerate(pairs, 1 - len(pairs)):
                    chunk = self._table.pick_chunk(window, index, buffer, start, stop)
                    if left == 0:
                        places[self], window = number + 1, None
                    yield chunk
                    del chunk
