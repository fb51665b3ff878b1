"""Orders that users define: a class with one method, and the schedule made of it."""

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from skmmap.order.schedule import BlockOrder, Buffer


class OrderRows(NamedTuple):
    """What an order is told of the rows: numbers, and y if it needs it.

    Rows are counted as they lie in the file, without held-out ones and those that are
    not selected. ``chunk_size`` are those of a call of ``partial_fit``, ``buffer_rows``
    those that are read and held together, and ``block_rows`` as many neighbours as are
    read at the cost of one.
    """

    n_rows: int
    chunk_size: int
    buffer_rows: int
    block_rows: int
    seed: int
    y: Any = None

    def spawn(self, *key: int) -> np.random.Generator:
        """Return a random generator of its own for each key, such as the epoch."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))


class Order:
    """Which rows are trained on, and in which order: a base class for custom ones.

    Define `iter_rows`, and pass an instance as ``ChunkedFit(..., shuffle=MyOrder())``.
    Rows may be left out, and occur several times. `needs_y` asks for the labels.

    Notes
    -----
    Reads: only the rows of the order, with short gaps between them.
    Allocates: as shuffled rows do; and y, if the order needs it.
    Equals: calling ``partial_fit`` on slices of ``X[rows]``, where ``rows`` are those
    of an epoch, one array after the other.

    Examples
    --------
    >>> import numpy as np
    >>> from skmmap import Order
    >>> class EvenRows(Order):
    ...     def iter_rows(self, epoch, rows):
    ...         yield rows.spawn(epoch).permutation(np.arange(0, rows.n_rows, 2))
    >>> from sklearn.linear_model import SGDClassifier
    >>> from skmmap import ChunkedFit
    >>> X, y = np.eye(6), np.arange(6) % 3
    >>> model = ChunkedFit(SGDClassifier(), shuffle=EvenRows(), max_epochs=2)
    >>> model.fit(X, y).history_["rows"]
    [3, 3]
    >>> class LastRow(Order):
    ...     def iter_rows(self, epoch, rows):
    ...         yield np.array([rows.n_rows])
    >>> model.set_params(shuffle=LastRow()).fit(X, y)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: LastRow.iter_rows yielded row 6 in epoch 1; row numbers must be ...
    """

    needs_y = False
    __module__ = "skmmap"

    def iter_rows(self, epoch: int, rows: OrderRows) -> Iterator[np.ndarray]:
        """Yield the numbers of rows in the order in which they are trained on.

        It must be a function of its arguments alone: an epoch that is continued is
        drawn again. Arrays may be of any size; those of ``rows.buffer_rows`` are read
        together. Chunks of ``rows.chunk_size`` are cut regardless of arrays.

        Parameters
        ----------
        epoch : int
            The number of the epoch, from 0 on.

        rows : OrderRows
            ``n_rows``, ``chunk_size``, ``buffer_rows``, ``block_rows``, ``seed`` and
            ``y``, and ``spawn(epoch)``, which returns a random generator.

        Yields
        ------
        numbers : ndarray of int
            Row numbers from 0 to ``rows.n_rows - 1``.

        Raises
        ------
        NotImplementedError
            If a subclass does not define it.

        Notes
        -----
        Reads: nothing.
        Allocates: what a subclass does.
        Equals: the numbers of the rows that ``partial_fit`` gets, in order.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define iter_rows(epoch, rows)."
        )


@dataclass(eq=False, repr=False)
class PickedBuffer(Buffer):
    """Rows from anywhere: ``picked`` ascend, some maybe twice, each with its place."""

    picked: np.ndarray | None = None

    @cached_property
    def rows(self) -> np.ndarray:
        rows = np.empty_like(self.picked)
        rows[self.places] = self.picked
        return rows


class GivenOrder(BlockOrder):
    """The schedule of an `Order`: its rows in buffers of whole chunks.

    >>> class Every(Order):
    ...     def iter_rows(self, epoch, rows):
    ...         yield np.array([3, 1])
    ...         yield np.array([1, 0, 2])
    >>> order = GivenOrder(Every(), OrderRows(4, 2, 4, 1, 0))
    >>> [(b.rows.tolist(), b.chunks) for b in order.iter_buffers(0)]
    [([3, 1, 1, 0], [(0, 2), (2, 4)]), ([2], [(0, 1)])]
    """

    def __init__(self, order: Order, about: OrderRows, min_rows: int = 1):
        self.order, self.about = order, about
        n_rows = self._count(min_rows)
        shape = n_rows, about.chunk_size, min_rows, about.seed
        super().__init__(*shape, about.buffer_rows, 1)

    def _count(self, min_rows: int) -> int:
        if isinstance(self.order, CountedOrder):
            return self.order.count_rows()
        return sum(map(len, self._iter_checked(0)))

    @cached_property
    def key(self) -> tuple:
        try:
            order = type(self.order), pickle.dumps(self.order)
        except Exception:  # any, from pickling code of a third party
            order = type(self.order), id(self.order)
        return type(self), order, self.about._replace(y=None), self.min_rows

    @property
    def n_reads(self) -> int:
        return self.n_buffers

    def __getitem__(self, some: slice):
        raise TypeError("The chunks of a custom order are those of an epoch.")

    def iter_buffers(self, epoch: int, least_rows: int = 1) -> Iterator[PickedBuffer]:
        """Yield the buffers of an epoch."""
        size = self.chunk_size
        most = size * max(1, self.buffer_rows // size)
        # A short last chunk may join the one before it.
        behind = size if self.min_rows > 1 else 0
        held, n_held = [], 0
        for piece in self._iter_checked(epoch):
            while len(piece):
                here, piece = np.split(piece, [most + behind - n_held])
                held.append(here.copy())  # the next one may be in the same memory
                n_held += len(here)
                if n_held == most + behind:
                    rows = np.concatenate(held)
                    yield self._make(rows[:most])
                    held, n_held = [rows[most:]], behind
        if n_held:
            yield from self._end(np.concatenate(held), most)

    def count_read(self, gap: int, kept: np.ndarray | None = None) -> int:
        """Return the rows that the first epoch reads, with gaps of fewer than that.

        Those that are ``kept`` are read once.
        """
        picked = (np.unique(buffer.picked) for buffer in self.iter_buffers(0))
        if kept is None:
            return sum(_count_with_gaps(rows, gap) for rows in picked)
        others = (np.setdiff1d(rows, kept, assume_unique=True) for rows in picked)
        n_read = sum(_count_with_gaps(rows, gap) for rows in others)
        return n_read + _count_with_gaps(kept, gap)

    def find_repeated(self, most: int) -> np.ndarray:
        """Return rows that several buffers of an epoch have, as far as is known."""
        if self.n_buffers == 1 or not isinstance(self.order, CountedOrder):
            return np.empty(0, np.int64)
        return self.order.find_repeated(self.about, most)

    def _end(self, rows: np.ndarray, most: int) -> Iterator[PickedBuffer]:
        """Yield the buffers of the last rows: more than ``most`` only with a tail."""
        tail = len(rows) % self.chunk_size
        joins = 0 < tail < self.min_rows and len(rows) > self.chunk_size
        if len(rows) > most and not (joins and len(rows) - tail <= most):
            yield self._make(rows[:most])
            rows = rows[most:]
        yield self._make(rows)

    def _make(self, rows: np.ndarray) -> PickedBuffer:
        size, n_rows = self.chunk_size, len(rows)
        whole, tail = divmod(n_rows, size)
        ends = [size * number for number in range(whole + 1)]
        if 0 < tail < self.min_rows and whole:
            ends[-1] = n_rows
        elif tail:
            ends.append(n_rows)
        places = np.argsort(rows, kind="stable")
        chunks = list(pairwise(ends))
        return PickedBuffer([], chunks, places, rows[places])

    def _iter_checked(self, epoch: int) -> Iterator[np.ndarray]:
        """Yield the arrays of an order; raise unless they are numbers of rows."""
        name, n_rows, is_empty = type(self.order).__name__, self.about.n_rows, True
        arrays = self.order.iter_rows(epoch, self.about)
        if arrays is None:
            raise TypeError(f"{name}.iter_rows returned None; it must yield arrays.")
        for rows in arrays:
            kind = getattr(getattr(rows, "dtype", None), "kind", "")
            if not isinstance(rows, np.ndarray) or kind not in "iu" or rows.ndim != 1:
                said = f"{rows.dtype} of {rows.ndim} dimensions" if kind else type(rows)
                raise TypeError(
                    f"{name}.iter_rows must yield arrays of integers with one "
                    f"dimension; in epoch {epoch + 1:,} it yielded {said}."
                )
            if len(rows) and not 0 <= rows.min() <= rows.max() < n_rows:
                bad = rows.min() if rows.min() < 0 else rows.max()
                raise ValueError(
                    f"{name}.iter_rows yielded row {bad:,} in epoch {epoch + 1:,}; row "
                    f"numbers must be from 0 to {n_rows - 1:,} (rows.n_rows - 1)."
                )
            is_empty &= not len(rows)
            yield rows.astype(np.int64, copy=False)
        if is_empty:
            raise ValueError(
                f"{name}.iter_rows yielded no row in epoch {epoch + 1:,}; at least 1 "
                "is needed."
            )


class CountedOrder(Order):
    """An order that knows how many rows each epoch has."""

    def count_rows(self) -> int:
        raise NotImplementedError

    def find_repeated(self, rows: OrderRows, most: int) -> np.ndarray:
        """Return rows that an epoch has several times: ``most`` of them, ascending."""
        raise NotImplementedError


def _count_with_gaps(rows: np.ndarray, gap: int) -> int:
    steps = np.diff(rows)
    return min(1, len(rows)) + int(np.where(steps <= gap, steps, 1).sum())


# doctest takes only what says that it is of this module.
__test__ = {"Order": Order, "GivenOrder": GivenOrder}
