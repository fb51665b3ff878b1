"""Which rows, in which order, in which pieces: integers in, integers out.

An order is a function of the seed, the epoch and the shape alone, and its metadata is a
few integers for each block.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

# A block is read in one piece. From a megabyte on, disks read blocks anywhere in the
# file as fast as neighbouring ones; labels that are rare in the file need more blocks
# in a buffer than this gives, and smaller ones are still better than their absence.
_READ_NBYTES = 2**20
_LEAST_READ_NBYTES = 2**16
_MAX_SLICES = 256
_MIN_SLICES = 32
_SLICES_PER_CLASS = 4


@dataclass(eq=False, repr=False)
class Buffer:
    """Rows that are in memory together: blocks as they are read, and chunks of them.

    ``places`` says where in the buffer each row goes, in the order of reading; None
    leaves the rows of the one block as they lie.
    """

    blocks: list[tuple[int, int]]
    chunks: list[tuple[int, int]]
    places: np.ndarray | None = None

    @property
    def n_rows(self) -> int:
        return self.chunks[-1][1]

    @cached_property
    def order(self) -> np.ndarray:
        """Which row of those that are read is at each place."""
        order = np.empty_like(self.places)
        order[self.places] = np.arange(len(order))
        return order

    @cached_property
    def rows(self) -> np.ndarray:
        """The position in the file of the row at each place of a shuffled buffer."""
        rows = np.empty_like(self.places)
        rows[self.places] = np.concatenate([np.arange(*block) for block in self.blocks])
        return rows

    def find_rows(self, start: int, stop: int) -> np.ndarray:
        """Return the positions in the file of some rows of a shuffled buffer."""
        return self.rows[start:stop]


@dataclass(eq=False, repr=False)
class FileOrder:
    """Consecutive chunks of ``chunk_size`` rows; a short tail joins the last.

    >>> list(FileOrder(7, 3))
    [(0, 3), (3, 6), (6, 7)]
    >>> list(FileOrder(7, 3, min_rows=2))
    [(0, 3), (3, 7)]
    >>> list(FileOrder(6, 3, min_rows=2))
    [(0, 3), (3, 6)]
    >>> list(FileOrder(2, 3))
    [(0, 2)]
    >>> list(FileOrder(0, 3))
    []
    >>> list(FileOrder(7, 3)[1:])
    [(3, 6), (6, 7)]
    """

    n_rows: int
    chunk_size: int
    min_rows: int = 1
    only: range | None = field(default=None, kw_only=True)  # these of the chunks

    @property
    def key(self) -> tuple:
        """What equal orders have in common."""
        return type(self), *(getattr(self, each.name) for each in fields(self))

    @property
    def numbers(self) -> range:
        """The numbers of the chunks, from 0 on."""
        return range(self.n_chunks) if self.only is None else self.only

    @property
    def n_chunks(self) -> int:
        """All chunks, whichever ``only`` leaves."""
        whole, tail = divmod(self.n_rows, self.chunk_size)
        folded = 0 < tail < self.min_rows and whole > 0
        return whole + (tail > 0 and not folded)

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return map(self.find_chunk, self.numbers)

    def __getitem__(self, some: slice) -> "FileOrder":
        """Return neighbouring chunks alone."""
        return replace(self, only=self.numbers[some])

    def find_chunk(self, number: int) -> tuple[int, int]:
        """Return where a chunk begins and ends."""
        start, is_last = number * self.chunk_size, number == self.n_chunks - 1
        return start, self.n_rows if is_last else start + self.chunk_size

    @property
    def n_reads(self) -> int:
        """Number of seeks in an epoch."""
        return 1

    def iter_buffers(self, epoch: int, least_rows: int = 1) -> Iterator[Buffer]:
        """Yield each chunk by itself, or several if they have fewer rows together."""
        step = -(-least_rows // self.chunk_size)
        for first in range(0, len(self), step):
            some = self.numbers[first : first + step]
            chunks = [self.find_chunk(number) for number in some]
            begin, end = chunks[0][0], chunks[-1][1]
            yield Buffer([(begin, end)], [(a - begin, b - begin) for a, b in chunks])


@dataclass(eq=False, repr=False)
class ChunkOrder(FileOrder):
    """The chunks of a `FileOrder`, in another order each epoch; rows stay together."""

    seed: int = 0

    @property
    def n_reads(self) -> int:
        return len(self)

    def iter_buffers(self, epoch: int, least_rows: int = 1) -> Iterator[Buffer]:
        order = np.arange(len(self), dtype=np.uint32)
        _seed(self.seed, epoch).shuffle(order)
        for number in order:
            start, stop = self.find_chunk(int(number))
            yield Buffer([(start, stop)], [(0, stop - start)])


@dataclass(eq=False, repr=False)
class BlockOrder(FileOrder):
    """Rows shuffled in buffers of blocks from all over the file, at the cost of a scan.

    The file is cut into ``n_slices`` equal slices, and each slice into one block for
    each buffer. A buffer takes a random block of every slice, without replacement, and
    shuffles their rows. This is CorgiPile [1]_ with blocks drawn by slice: if rows are
    sorted by label, the share of a label differs between buffers only by the slices in
    which the label begins and ends. With blocks drawn from the whole file it would
    differ more. With a single buffer the order is a uniform permutation.

    References
    ----------
    .. [1] Xu et al., "In-Database Machine Learning with CorgiPile: Stochastic Gradient
       Descent without Full Data Shuffle", SIGMOD 2022.
    """

    seed: int = 0
    buffer_rows: int = 1
    n_slices: int = 1

    @cached_property
    def n_buffers(self) -> int:
        per_buffer = max(1, self.buffer_rows // self.chunk_size)
        return -(-len(self) // per_buffer)

    @property
    def n_reads(self) -> int:
        return self.n_buffers * self.n_slices if self.n_buffers > 1 else 1

    @property
    def parent(self) -> "BlockOrder":
        """The order of all rows from which this one is made: itself."""
        return self

    @property
    def rows_per_buffer(self) -> int:
        """The rows for which a buffer needs memory, in the mean of all."""
        return -(-self.n_rows // self.n_buffers)

    @cached_property
    def bounds(self) -> np.ndarray:
        """The first chunk of each buffer; buffers differ by one chunk at most."""
        return np.linspace(0, len(self), self.n_buffers + 1).astype(np.int64)

    def iter_buffers(self, epoch: int, least_rows: int = 1) -> Iterator[Buffer]:
        """Yield the buffers of an epoch, each with its blocks in file order."""
        if self.n_buffers == 1:
            places = _seed(self.seed, epoch, 0).permutation(self.n_rows)
            chunks = [self.find_chunk(number) for number in range(len(self))]
            yield Buffer([(0, self.n_rows)], chunks, places)
            return
        # Drawn anew in every epoch: to run every other epoch backwards would find the
        # last buffers in the page cache, but train on the same rows twice in a row.
        starts, sizes = self.draw_blocks(epoch)
        for number, (first, last) in enumerate(pairwise(self.bounds.tolist())):
            chunks = [self.find_chunk(i) for i in range(first, last)]
            begin = chunks[0][0]
            blocks = zip(starts[number], starts[number] + sizes[number], strict=True)
            n_rows = int(sizes[number].sum())
            yield Buffer(
                [(int(start), int(stop)) for start, stop in blocks if start < stop],
                [(start - begin, stop - begin) for start, stop in chunks],
                _seed(self.seed, epoch, number).permutation(n_rows),
            )

    def draw_blocks(self, epoch: int):
        """Return the start and the size of each buffer's block of each slice."""
        shape = self.n_buffers, self.n_slices
        edges = np.arange(self.n_slices + 1) * self.n_rows // self.n_slices
        left = np.diff(edges)  # rows of each slice that no buffer has
        sizes = np.empty(shape, dtype=np.int64)
        for number, (first, last) in enumerate(pairwise(self.bounds.tolist())):
            n_rows = self.find_chunk(last - 1)[1] - self.find_chunk(first)[0]
            # In proportion to what is left of each slice, so that buffers have whole
            # chunks, each row comes once, and no block is larger than its slice.
            share = np.cumsum(left) * n_rows
            sizes[number] = np.diff(share // left.sum(), prepend=0)
            left = left - sizes[number]
        # Which of its slice's blocks a buffer takes.
        ranks = np.tile(np.arange(self.n_buffers)[:, None], (1, self.n_slices))
        ranks = _seed(self.seed, epoch).permuted(ranks, axis=0)
        in_file = np.empty_like(sizes)
        np.put_along_axis(in_file, ranks, sizes, axis=0)
        before = np.cumsum(in_file, axis=0) - in_file
        return edges[:-1] + np.take_along_axis(before, ranks, axis=0), sizes


def skip_chunks(buffers: Iterable[Buffer], number: int) -> Iterator[Buffer]:
    """Yield the buffers without so many of the first chunks.

    >>> buffers = FileOrder(7, 2).iter_buffers(0, least_rows=4)
    >>> [buffer.chunks for buffer in skip_chunks(buffers, 1)]
    [[(2, 4)], [(0, 2), (2, 3)]]
    """
    for buffer in buffers:
        here = min(number, len(buffer.chunks))
        number -= here
        if here == 0:
            yield buffer
        elif here < len(buffer.chunks):
            yield replace(buffer, chunks=buffer.chunks[here:])


def _seed(seed: int, *key: int) -> np.random.Generator:
    """Return a random stream for an epoch, or for a buffer in an epoch.

    Spawned, not added: with ``seed + epoch``, epoch 1 of seed 0 were epoch 0 of seed 1.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def find_block_rows(row_nbytes: int) -> int:
    """Return the rows of a block that disks read as fast as anything larger."""
    return max(1, _READ_NBYTES // max(1, row_nbytes))


def find_slices(
    buffer_rows: int, row_nbytes: int, n_rows: int, n_classes: int = 1
) -> int:
    """Return the number of slices of a file: the blocks in each shuffled buffer.

    Blocks are a megabyte if that gives 32 to 256 slices, and smaller for four slices to
    a class, but never below 64 kB.

    >>> find_slices(64_000, 1_000, 10**9), find_slices(64_000, 1_000, 10**9, 50)
    (61, 200)
    >>> find_slices(6, 10_000_000, 10**9)
    6
    """
    nbytes = buffer_rows * max(1, row_nbytes)
    wanted = max(_MIN_SLICES, _SLICES_PER_CLASS * n_classes)
    small = min(wanted, nbytes // _LEAST_READ_NBYTES)
    slices = min(max(nbytes // _READ_NBYTES, small), max(_MAX_SLICES, small))
    return int(max(1, min(slices, buffer_rows, n_rows)))
