"""An order with as many rows of each class as asked for, in runs of neighbours."""

from collections.abc import Iterator

import numpy as np

from skmmap.order.given_order import CountedOrder, OrderRows
from skmmap.order.selection import iter_pieces

# A class of an epoch comes from so many places of the file at least, if it has as many
# rows there, and from all slices of it alike.
_LEAST_RUNS = 64
_SLICES = 64
_MOST_BLOCKS = 2**22


class ClassOrder(CountedOrder):
    """Each epoch has ``sizes[code]`` rows of each class, as has every chunk its share.

    The rows of a class are used in turn, over all epochs: after any number of them, a
    row was used at most once more than another one of its class. They come in runs, the
    rows of the class in a block of neighbours, which are drawn from all slices of the
    file alike.

    >>> rows = OrderRows(8, 4, 4, 1, 0, y=np.array([0, 0, 0, 0, 0, 0, 1, 1], np.uint8))
    >>> order = ClassOrder([2, 2])
    >>> every = [np.concatenate(list(order.iter_rows(i, rows))) for i in range(3)]
    >>> np.bincount(np.concatenate(every)).tolist()
    [1, 1, 1, 1, 1, 1, 3, 3]
    """

    needs_y = True

    def __init__(self, sizes):
        self.sizes = [int(size) for size in sizes]

    def count_rows(self) -> int:
        return sum(self.sizes)

    def find_repeated(self, rows: OrderRows, most: int) -> np.ndarray:
        """Return all rows of the classes whose rows an epoch has most often."""
        counts = np.bincount(rows.y, minlength=len(self.sizes))
        times = self.sizes / np.maximum(counts, 1)
        often = np.argsort(-times, kind="stable")
        fits = (times[often] > 1) & (np.cumsum(counts[often]) <= most)
        is_kept = np.zeros(len(counts), dtype=bool)
        is_kept[often[fits]] = True
        return np.flatnonzero(is_kept[rows.y])

    def find_block_rows(self, rows: OrderRows) -> int:
        """Return the rows of a block, of which a run has those of its class."""
        least = min(size for size in self.sizes if size)
        fine = min(rows.block_rows, max(1, least // _LEAST_RUNS))
        return max(fine, -(-rows.n_rows // _MOST_BLOCKS))

    def iter_rows(self, epoch: int, rows: OrderRows) -> Iterator[np.ndarray]:
        block = self.find_block_rows(rows)
        counts = _count_blocks(rows.y, block, len(self.sizes))
        draws = [
            _Draw(rows, block, code, counts[:, code], size, epoch)
            for code, size in enumerate(self.sizes)
            if size
        ]
        left = np.array([size for size in self.sizes if size], dtype=np.int64)
        chunk, total = rows.chunk_size, int(left.sum())
        step = chunk * max(1, rows.buffer_rows // chunk)
        for number, start in enumerate(range(0, total, step)):
            # In proportion to what is left of each class, so that all come out even.
            here = np.cumsum(left) * min(step, total - start) // left.sum()
            share = np.diff(here, prepend=0)
            left = left - share
            parts = [draw.take(n) for draw, n in zip(draws, share, strict=True)]
            yield _mix(parts, chunk, rows.spawn(epoch, 0, number))


def _count_blocks(codes: np.ndarray, block: int, n_classes: int) -> np.ndarray:
    """Return how many rows of each class each block has."""
    counts = np.zeros((-(-len(codes) // block), n_classes), dtype=np.int32)
    for piece in iter_pieces(codes):
        start = piece.start // block
        at = np.arange(piece.start, piece.stop) // block - start
        at = at * n_classes + codes[piece.start : piece.stop]
        found = np.bincount(at).astype(np.int32)
        counts.reshape(-1)[start * n_classes :][: len(found)] += found
    return counts


class _Draw:
    """The rows of a class in an epoch, taken some at a time."""

    def __init__(self, rows: OrderRows, block: int, code: int, counts, size, epoch):
        self._codes, self._block, self._code = rows.y, block, code
        blocks = np.flatnonzero(counts)
        # One sequence for all epochs, in which each of them goes on.
        blocks = blocks[_spread(blocks, rows.spawn(code))]
        ends = np.cumsum(counts[blocks], dtype=np.int64)
        runs = _find_runs(blocks, ends, epoch * size % int(ends[-1]), size)
        order = _spread(runs[:, 0], rows.spawn(epoch, 1, code))
        self._runs = runs[order]
        self._ends = np.cumsum(self._runs[:, 2] - self._runs[:, 1])
        self._taken = 0

    def take(self, number: int) -> np.ndarray:
        start, stop = self._taken, self._taken + int(number)
        self._taken = stop
        parts, first = [], int(np.searchsorted(self._ends, start, side="right"))
        last = int(np.searchsorted(self._ends, stop, side="left"))
        for run in range(first, last + 1) if start < stop else ():
            block, low, high = self._runs[run].tolist()
            before = int(self._ends[run]) - (high - low)
            high = min(high, low + stop - before)
            low += max(0, start - before)
            begin = block * self._block
            here = self._codes[begin : begin + self._block] == self._code
            parts.append(begin + np.flatnonzero(here)[low:high])
        return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _find_runs(blocks, ends, start: int, size: int) -> np.ndarray:
    """Return blocks, and which of their rows of the class are among ``size`` rows.

    These begin at ``start`` of the sequence of blocks, which begins again at its end.
    """
    runs, total = [], int(ends[-1])
    while size:
        stop = min(total, start + size)
        first = int(np.searchsorted(ends, start, side="right"))
        last = int(np.searchsorted(ends, stop, side="left"))
        here = np.arange(first, last + 1)
        before = np.where(here > 0, ends[here - 1], 0)
        low = np.maximum(start - before, 0)
        high = np.minimum(ends[here], stop) - before
        runs.append(np.stack([blocks[here], low, high], axis=1))
        size, start = size - (stop - start), 0
    return np.concatenate(runs)


def _spread(blocks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a random order of blocks, in which all slices of them take turns."""
    ranks = np.empty(len(blocks), dtype=np.int64)
    ranks[np.argsort(blocks, kind="stable")] = np.arange(len(blocks))
    slices = ranks * _SLICES // len(blocks)
    grouped = np.lexsort((rng.random(len(blocks)), slices))
    sizes = np.bincount(slices, minlength=_SLICES)
    rounds = np.arange(len(blocks)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    # The same turns in each round: blocks that follow each other are of all slices.
    turns = rng.permutation(_SLICES)[slices[grouped]]
    return grouped[np.lexsort((turns, rounds))]


def _mix(parts: list, chunk: int, rng: np.random.Generator) -> np.ndarray:
    """Return rows in random order; each chunk has its share of each of the parts."""
    rows = np.concatenate([rng.permutation(part) for part in parts])
    evenly = [(np.arange(len(part)) + 0.5) / len(part) for part in parts if len(part)]
    rows = rows[np.argsort(np.concatenate(evenly), kind="stable")]
    return rows[np.argsort(np.arange(len(rows)) // chunk + rng.random(len(rows)))]
