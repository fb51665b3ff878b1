"""The values at given ranks of all columns, exactly and in bounded memory.

The bits of a float, read as an integer, sort as the floats do, once those of negative
ones are inverted. A pass over the rows counts how many of these keys lie in each of the
equal parts of an interval; the part with the wanted rank is the next interval. As soon
as the keys of an interval fit in memory, they are gathered and sorted instead.
"""

from collections.abc import Callable, Iterable, Iterator
from math import prod
from typing import NamedTuple

import numpy as np
from scipy import sparse

from skmmap.rows import Source

_BYTES = 2**26  # of counts, and of gathered keys
_MOST_BITS = 20  # more parts than that are slower than another pass
_LEAST_BITS = 4


class Ranks:
    """Finds the values at the ranks of each column that ``find_ranks(n)`` returns.

    ``n`` is the number of the column's values. NaN is none, and -0.0 is 0.0. ``begin``
    is called once, ``add`` for each chunk, ``end_pass`` after each pass.
    """

    def __init__(
        self, find_ranks: Callable[[int], Iterable], n_bytes: int | None = None
    ):
        self._find_ranks, self._n_bytes = find_ranks, n_bytes or _BYTES
        self._columns: list[_Column] = []

    def begin(self, n_rows: int) -> None:
        self._n_rows = n_rows

    def add(self, X) -> None:
        """Count the values of a chunk of rows of floats, dense or CSR."""
        if not self._columns:
            self.dtype = X.dtype
            # Ranks of float16 are those of float32, which has all of its values.
            self._type = np.promote_types(X.dtype, np.float32)
            largest = to_keys(np.array([np.inf], self._type))[0]
            every = _Interval(0, int(largest), 0, self._n_rows)
            self._columns = [_Column([every]) for _ in range(X.shape[1])]
            self._plan()
        for column, (values, n_zeros) in zip(self._columns, _iter(X), strict=True):
            if column.intervals:
                column.add(to_keys(values.astype(self._type, copy=False)), n_zeros)

    def merge(self, other: "Ranks") -> None:
        """Add what another one, a copy before this pass, has counted in it."""
        for column, more in zip(self._columns, other._columns, strict=True):
            column.merge(more)

    def end_pass(self) -> bool:
        """Return whether the ranks need another pass."""
        for column in self._columns:
            column.end_pass(self._find_ranks)
        self._plan()
        return any(column.intervals for column in self._columns)

    def _plan(self) -> None:
        """Decide which keys the next pass gathers, the smallest intervals first."""
        sizes = self._find_sizes()
        n_counted, bits = self._share_out(sizes)
        least_counted = sizes[-n_counted] if n_counted else np.inf
        for column in self._columns:
            column.begin_pass(least_counted, bits)

    def _find_sizes(self) -> np.ndarray:
        """Return how many keys the intervals of the next pass have, in order."""
        intervals = (i for column in self._columns for i in column.intervals)
        return np.sort([interval.size for interval in intervals])

    def _share_out(self, sizes: np.ndarray) -> tuple[int, int]:
        """Return how many intervals are counted, and in how many parts, in bits."""
        n_gathered = np.searchsorted(8 * np.cumsum(sizes), self._n_bytes, side="right")
        n_counted = len(sizes) - int(n_gathered)
        n_parts = self._n_bytes // (8 * max(n_counted, 1))
        return n_counted, min(max(n_parts.bit_length() - 1, _LEAST_BITS), _MOST_BITS)

    def find_part_nbytes(self, source: Source) -> int:
        """Return the bytes of the counts of a pass: gathered keys are shared out."""
        sizes = np.full(prod(source.shape[1:]), source.n_rows)
        if self._columns:
            sizes = self._find_sizes()
        n_counted, bits = self._share_out(sizes)
        return 8 * n_counted << bits

    @property
    def counts(self) -> np.ndarray:
        """How many values there are in each column."""
        return np.array([column.n for column in self._columns], dtype=np.int64)

    def get(self, ranks: np.ndarray) -> np.ndarray:
        """Return the values at ranks of each column: NaN where it has none."""
        keys = np.empty(ranks.shape, np.uint64)
        for j, column in enumerate(self._columns):
            found = column.found if column.n else dict.fromkeys(ranks[:, j], _NAN)
            keys[:, j] = [found[rank] for rank in ranks[:, j]]
        return to_values(keys, self._type).astype(self.dtype, copy=False)


class _Interval(NamedTuple):
    """Keys from ``low`` to ``high``: how many are below these, and how many these."""

    low: int
    high: int
    below: int
    size: int


class _Column:
    """The intervals in which wanted values of a column lie, in order and apart."""

    def __init__(self, intervals: list[_Interval]):
        self.intervals, self.n = intervals, 0
        self.found: dict[int, int] = {}
        self._ranks: np.ndarray | None = None

    def begin_pass(self, least_counted: float, bits: int) -> None:
        gathered = [i for i in self.intervals if i.size < least_counted]
        counted = [i for i in self.intervals if i.size >= least_counted]
        self._parts = [
            part(intervals, bits)
            for part, intervals in ((_Gathered, gathered), (_Counted, counted))
            if intervals
        ]

    def add(self, keys: np.ndarray, n_zeros: int) -> None:
        for part in self._parts:
            part.add(keys, 1)
            if n_zeros:
                part.add(to_keys(np.zeros(1, _FLOATS[keys.dtype.itemsize])), n_zeros)

    def merge(self, other: "_Column") -> None:
        for part, more in zip(self._parts, other._parts, strict=True):
            part.merge(more)

    def end_pass(self, find_ranks: Callable[[int], Iterable]) -> None:
        if self._ranks is None:  # the first pass tells how many values there are
            self.n = int(self._parts[0].count())
            ranks = find_ranks(self.n) if self.n else ()
            self._ranks = np.unique(np.fromiter(ranks, np.int64))
        self.intervals = []
        for part in self._parts:
            found, intervals = part.find(self._ranks)
            self.found |= found
            self.intervals += intervals


class _Gathered:
    """Keeps all keys that lie in intervals."""

    def __init__(self, intervals: list[_Interval], bits: int):
        self._intervals = intervals
        self._lows, self._highs = _split(intervals)
        self._keys: list[np.ndarray] = []

    def add(self, keys: np.ndarray, times: int) -> None:
        keys, _ = _pick(keys, self._lows, self._highs)
        self._keys.append(keys if times == 1 else np.repeat(keys, times))

    def merge(self, other: "_Gathered") -> None:
        self._keys += other._keys

    def count(self) -> int:
        return sum(map(len, self._keys))

    def find(self, ranks: np.ndarray) -> tuple[dict, list]:
        keys, start, found = np.concatenate(self._keys), 0, {}
        self._keys = []
        keys.sort()
        for interval in self._intervals:
            wanted = _find_inside(ranks, interval.below, interval.size)
            inside = keys[start + wanted - interval.below]
            found |= dict(zip(wanted.tolist(), inside.tolist(), strict=True))
            start += interval.size
        return found, []


class _Counted:
    """Counts the keys in equal parts of intervals."""

    def __init__(self, intervals: list[_Interval], bits: int):
        self._intervals, self._bits = intervals, bits
        self._lows, self._highs = _split(intervals)
        widths = [(i.high - i.low).bit_length() for i in intervals]
        self._shifts = np.array([max(width - bits, 0) for width in widths], np.uint64)
        self._counts: np.ndarray | None = None  # of a copy for a worker too
        self._least, self._largest = self._highs.copy(), self._lows.copy()

    def add(self, keys: np.ndarray, times: int) -> None:
        keys, which = _pick(keys, self._lows, self._highs)
        parts = (keys - self._lows[which]) >> self._shifts[which]
        if self._counts is None:
            self._counts = np.zeros(len(self._intervals) << self._bits, np.int64)
        np.add.at(self._counts, (which << self._bits) + parts.astype(np.intp), times)
        np.minimum.at(self._least, which, keys)
        np.maximum.at(self._largest, which, keys)

    def merge(self, other: "_Counted") -> None:
        self._counts += other._counts
        np.minimum(self._least, other._least, out=self._least)
        np.maximum(self._largest, other._largest, out=self._largest)

    def count(self) -> int:
        return self._counts.sum()

    def find(self, ranks: np.ndarray) -> tuple[dict, list]:
        found, opened = {}, []
        counts = self._counts.reshape(len(self._intervals), -1)
        for k, interval in enumerate(self._intervals):
            least, largest = int(self._least[k]), int(self._largest[k])
            ends = interval.below + np.cumsum(counts[k])
            wanted = _find_inside(ranks, interval.below, ends[-1] - interval.below)
            parts = np.searchsorted(ends, wanted, side="right")
            for part in np.unique(parts).tolist():
                low = interval.low + (part << int(self._shifts[k]))
                high = low + (1 << int(self._shifts[k])) - 1
                low, high = max(low, least), min(high, largest)
                if low == high:
                    found |= dict.fromkeys(wanted[parts == part].tolist(), low)
                else:
                    size = int(counts[k, part])
                    opened.append(_Interval(low, high, int(ends[part]) - size, size))
        return found, opened


def _split(intervals: list[_Interval]) -> tuple[np.ndarray, np.ndarray]:
    lows, highs, *_ = zip(*intervals, strict=True)
    return np.array(lows, np.uint64), np.array(highs, np.uint64)


def _pick(keys: np.ndarray, lows: np.ndarray, highs: np.ndarray) -> tuple:
    """Return the keys that lie in an interval as uint64, and in which one each."""
    keys = keys.astype(np.uint64)
    which = np.searchsorted(lows, keys, side="right") - 1
    is_inside = (which >= 0) & (keys <= highs[which])
    return keys[is_inside], which[is_inside]


def _find_inside(ranks: np.ndarray, below: int, size: int) -> np.ndarray:
    return ranks[(ranks >= below) & (ranks < below + size)]


def _iter(X) -> Iterator[tuple[np.ndarray, int]]:
    """Yield the values of each column, and how many zeros are not among them."""
    if not sparse.issparse(X):
        yield from ((values, 0) for values in X.T)
        return
    columns = X.tocsc()
    for start, end in zip(columns.indptr[:-1], columns.indptr[1:], strict=True):
        yield columns.data[start:end], X.shape[0] - int(end - start)


_FLOATS = {4: np.float32, 8: np.float64}
_NAN = 2**64 - 1


def to_keys(values: np.ndarray) -> np.ndarray:
    """Return unsigned integers that sort as float32 or float64 do, NaN last."""
    values = values + values.dtype.type(0)  # of -0.0 this makes 0.0
    bits = values.view(f"u{values.dtype.itemsize}")
    sign = bits.dtype.type(1 << (8 * bits.dtype.itemsize - 1))
    keys = np.where(bits & sign, ~bits, bits | sign)
    keys[np.isnan(values)] = ~bits.dtype.type(0)  # of either sign
    return keys


def to_values(keys: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return the floats of which keys were made."""
    keys = keys.astype(f"u{dtype.itemsize}")
    sign = keys.dtype.type(1 << (8 * dtype.itemsize - 1))
    return np.where(keys & sign, keys & ~sign, ~keys).view(dtype)
