"""The order of a store's rows that several selections of it have in common."""

from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property
from itertools import count, pairwise
from typing import Any, NamedTuple

import numpy as np

from skmmap.order.schedule import BlockOrder, Buffer
from skmmap.order.selection import count_before, find_key, rows_at

# Buffers differ in their rows of a selection by some percent. With a twentieth more
# chunks than are needed, few are larger than those of the parent. Where there are few,
# one more would make all much smaller: they may be larger by up to a ninth.
_MORE, _LESS = 105, 17  # hundredths of the chunks that are needed, and of a chunk

_PIECE = 2**16  # row numbers that are worked on at a time


class SharedOrder(BlockOrder):
    """The order of all rows of a store, without those that a selection does not have.

    Selections with the same ``parent``, such as the training sets of a search, have
    their rows of a buffer at the same time, so that one reading can serve them all. The
    ``selection`` ascends; a row that it has twice comes twice, one after the other.

    Rows of a buffer are cut into chunks that differ by one row at most, and a chunk has
    rows of one buffer alone. Every epoch has ``n_chunks``, which the buffers share so
    that the largest chunk is as small as possible: a buffer in which the selection has
    no row has none, any other at least one. ``chunk_size`` is their mean. A chunk has
    fewer than ``min_rows`` only where the selection has fewer in a buffer, or less than
    twice as many in the mean of all buffers. It has at most a ninth more rows than
    those of the parent if the selection is evenly spread over the buffers, and at most
    2.1 times as many, wherever the selection lies, if that has as many as two of them
    in the mean of all buffers, and ``min_rows`` are at most half of one. All rows of
    the store have the chunks of the parent.

    >>> parent = BlockOrder(12, 3, seed=0, buffer_rows=6, n_slices=3)
    >>> order = SharedOrder(parent, range(2, 12))
    >>> for buffer, chunks in order.iter_shared(0):
    ...     print(buffer.blocks, [index.tolist() for index in chunks])
    [(2, 4), (4, 6), (10, 12)] [[0, 1, 3], [4, 5, 2]]
    [(0, 2), (6, 8), (8, 10)] [[2, 3], [4, 5]]
    """

    def __init__(self, parent: BlockOrder, selection, min_rows: int = 1):
        n_chunks = _count_chunks(parent, selection, min_rows)
        chunk_size = -(-len(selection) // max(1, n_chunks))
        shape = len(selection), max(1, chunk_size), min_rows
        super().__init__(*shape, parent.seed, parent.buffer_rows, parent.n_slices)
        self._parent, self.selection, self._n_chunks = parent, selection, n_chunks

    @property
    def parent(self) -> BlockOrder:
        return self._parent

    @cached_property
    def key(self) -> tuple:
        return type(self), self.parent.key, find_key(self.selection), self.min_rows

    @property
    def n_chunks(self) -> int:
        return self._n_chunks

    @cached_property
    def n_buffers(self) -> int:
        return self.parent.n_buffers

    @property
    def rows_per_buffer(self) -> int:
        # All of them may be selected in one buffer, and none in another.
        return min(self.n_rows, self.parent.rows_per_buffer)

    def find_chunk(self, number: int) -> tuple[int, int]:
        """Raise: where a chunk begins depends on the epoch."""
        raise TypeError(
            "The chunks of a SharedOrder differ between epochs: use "
            "iter_buffers(epoch)."
        )

    def __getitem__(self, some: slice):
        return self.find_chunk(some.start)

    def begin(self, epoch: int) -> "Share":
        """Return what the selection has of each of the parent's buffers."""
        if _is_all(self.selection, self.parent):
            return Share(self.selection, None)
        if self.n_buffers == 1:
            return Share(self.selection, np.array([self.n_chunks]))
        starts, sizes = self.parent.draw_blocks(epoch)
        first = count_before(self.selection, starts)
        n_rows = (count_before(self.selection, starts + sizes) - first).sum(axis=1)
        return Share(self.selection, share_out(n_rows, self.n_chunks, self.min_rows))

    def iter_buffers(self, epoch: int, least_rows: int = 1) -> Iterator[Buffer]:
        """Yield the parent's buffers as positions in the selection, without others."""
        # Without a name for the parent's buffer, which would keep its places.
        taken = map(self.begin(epoch).take, count(), self.parent.iter_buffers(epoch))
        return (buffer for buffer in taken if buffer is not None)

    def iter_shared(self, epoch: int) -> Iterator[tuple[Buffer, list[np.ndarray]]]:
        """Yield each buffer of the parent, and the rows in it of each chunk.

        They count rows of the buffer as they are read, block by block. The list is
        empty where the selection has no row in the buffer.
        """
        share = self.begin(epoch)
        for number, buffer in enumerate(self.parent.iter_buffers(epoch)):
            yield buffer, share.pick(number, buffer)


class Share(NamedTuple):
    """What a selection has of the parent's buffers in one epoch.

    ``n_chunks`` are those of each buffer; None where they are those of the parent.
    """

    selection: Any
    n_chunks: np.ndarray | None

    def pick(self, number: int, buffer: Buffer) -> list[np.ndarray]:
        """Return which rows of a buffer, as they are read, each chunk has, in order."""
        ends = self._find_ends(buffer)
        index = [rows for _, rows in self._iter_rows(buffer, ends)]
        ordered = np.empty(sum(map(len, index)), dtype=np.int64)
        ordered[self._find_places(buffer, ends)] = np.concatenate(index or [ordered])
        return [ordered[a:b] for a, b in self._cut(number, buffer, len(ordered))]

    def take(self, number: int, buffer: Buffer) -> Buffer | None:
        """Return a buffer as positions in the selection, None if it has none there."""
        ends = self._find_ends(buffer)
        blocks = [(first, last) for first, last in ends.tolist() if first < last]
        if not blocks:
            return None
        places = self._find_places(buffer, ends)
        return Buffer(blocks, self._cut(number, buffer, len(places)), places)

    def _find_ends(self, buffer: Buffer) -> np.ndarray:
        """Return the positions at which each block begins and ends."""
        return count_before(self.selection, np.array(buffer.blocks))

    def _iter_rows(self, buffer: Buffer, ends) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield some of the rows that are selected, by their numbers as they are read.

        They come with their own numbers among all of these.
        """
        n_rows = n_read = 0
        for (start, stop), (first, last) in zip(
            buffer.blocks, ends.tolist(), strict=True
        ):
            for begin in range(first, last, _PIECE):
                rows = rows_at(self.selection, range(begin, min(begin + _PIECE, last)))
                rows += n_read - start
                yield slice(n_rows, n_rows + len(rows)), rows
                n_rows += len(rows)
            n_read += stop - start

    def _find_places(self, buffer: Buffer, ends: np.ndarray) -> np.ndarray:
        """Return the place of each selected row among those of the buffer.

        Of short rows these numbers are most of a buffer: no more of them than needed.
        """
        places = np.empty(np.diff(ends).sum(), dtype=np.int64)
        for here, rows in self._iter_rows(buffer, ends):
            places[here] = buffer.places[rows]
        ranks = np.zeros(buffer.n_rows, dtype=np.uint32)
        ranks[places] = 1
        np.cumsum(ranks, out=ranks)
        if len(places) > ranks[-1]:  # some rows are selected twice
            places[np.argsort(places, kind="stable")] = np.arange(len(places))
            return places
        for start in range(0, len(places), _PIECE):
            here = slice(start, start + _PIECE)
            places[here] = ranks[places[here]] - 1
        return places

    def _cut(self, number: int, buffer: Buffer, n_rows: int) -> list[tuple[int, int]]:
        if self.n_chunks is None:
            return buffer.chunks
        n_chunks = int(self.n_chunks[number])
        ends = [n_rows * i // n_chunks for i in range(n_chunks + 1)] if n_rows else []
        return list(pairwise(ends))


def share_out(n_rows: np.ndarray, n_chunks: int, min_rows: int = 1) -> np.ndarray:
    """Return the chunks of each buffer: the largest chunk is as small as possible.

    Buffers with rows have one at least, and chunks ``min_rows``, if that can be.

    >>> share_out(np.array([12, 0, 31]), 5).tolist()
    [2, 0, 3]
    >>> share_out(np.array([12, 0, 31]), 5, min_rows=7).tolist()
    [1, 0, 4]
    """
    most = np.maximum(n_rows // min_rows, n_rows > 0)
    if most.sum() < n_chunks:
        most = n_rows

    def share(size: int) -> np.ndarray:
        return np.minimum(-(-n_rows // size), most)

    sizes = range(1, int(n_rows.max(initial=1)) + 1)
    size = bisect_left(sizes, x=True, key=lambda size: share(size).sum() <= n_chunks)
    chunks = share(sizes[size])
    while left := n_chunks - int(chunks.sum()):
        free = np.flatnonzero(chunks < most)
        largest = np.argsort(-n_rows[free] / chunks[free], kind="stable")
        chunks[free[largest[:left]]] += 1
    return chunks


def _count_chunks(parent: BlockOrder, selection, min_rows: int) -> int:
    """Return the chunks of every epoch: those of rows that are spread evenly.

    There are enough for one in each buffer, and so few that each can have ``min_rows``
    wherever they lie, if both can be.
    """
    if _is_all(selection, parent):
        return len(parent)
    n_rows, n_buffers, n_chunks = len(selection), parent.n_buffers, 0
    for first, last in pairwise(parent.bounds.tolist()):
        n_parent = parent.find_chunk(last - 1)[1] - parent.find_chunk(first)[0]
        n_here = n_parent * n_rows // parent.n_rows
        size = 100 * parent.chunk_size
        wanted = -(-(_MORE * n_here - _LESS * parent.chunk_size) // size)
        # Of a selection without repeated rows, chunks are never larger than these.
        enough = max(last - first, -(-n_here // parent.chunk_size))
        n_chunks += max(1, min(wanted, enough, n_here // min_rows))
    safe = (n_rows - n_buffers * (min_rows - 1)) // min_rows
    return min(n_chunks, max(safe, n_buffers), n_rows)


def _is_all(selection, parent: BlockOrder) -> bool:
    is_range = isinstance(selection, range)
    return is_range and selection == range(parent.n_rows)
