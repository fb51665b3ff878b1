"""Which rows of a store, in which order: integers in, integers out.

A selection is a ``range``, a `Runs`, or an array of row numbers, whichever takes the
fewest bytes: a fold of a billion rows is two runs, not eight gigabytes.
"""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import pairwise

import numpy as np

_PIECE = 2**20  # row numbers that are worked on at a time
_WORTHWHILE = 8  # rows per run from which on runs are smaller than row numbers
# So many rows of runs for each position are numbered faster than it is searched for.
_NUMBERED = 8


class Runs:
    """Neighbouring rows, one run after the other.

    >>> runs = Runs([7, 0], [3, 2])
    >>> len(runs), runs.at(np.arange(5)).tolist()
    (5, [7, 8, 9, 0, 1])
    """

    def __init__(self, starts, lengths):
        self.starts = np.asarray(starts, dtype=np.int64)
        self.stops = np.cumsum(np.asarray(lengths, dtype=np.int64))

    def __len__(self) -> int:
        return int(self.stops[-1])

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.stops, prepend=0)

    @property
    def nbytes(self) -> int:
        return self.starts.nbytes + self.stops.nbytes

    def at(self, positions: np.ndarray) -> np.ndarray:
        shifts = self.starts - self.stops + self.lengths
        if len(self) <= min(_NUMBERED * len(positions), _PIECE):
            return (np.repeat(shifts, self.lengths) + np.arange(len(self)))[positions]
        return shifts[self.find_runs(positions)] + positions

    def find_runs(self, positions) -> np.ndarray:
        """Return in which run each position is."""
        return np.searchsorted(self.stops, positions, side="right")


def rows_at(selection, positions) -> np.ndarray:
    """Return the row numbers at some positions of a selection.

    >>> rows_at(range(10, 20, 2), np.array([3, 0])), rows_at(range(5), range(1, 3))
    (array([16, 10]), array([1, 2]))
    """
    if isinstance(positions, range):
        positions = np.arange(positions.start, positions.stop, positions.step)
    if isinstance(selection, range):
        return selection.start + selection.step * positions
    if isinstance(selection, Runs):
        return selection.at(positions)
    return selection[positions].astype(np.int64)


def select(selection, positions):
    """Return the rows at some positions of a selection, which are a selection too.

    >>> select(range(10, 20), range(5)[::-2])
    range(14, 9, -2)
    """
    if not len(positions):
        return range(0)
    if isinstance(selection, range) and isinstance(positions, range):
        # A stop below 0 would count from the end, in a slice.
        stop = positions.stop if positions.stop >= 0 else None
        return selection[positions.start : stop : positions.step]
    pieces = (rows_at(positions, piece) for piece in iter_pieces(positions))
    return compact(rows_at(selection, piece) for piece in pieces)


def count_before(selection, rows: np.ndarray) -> np.ndarray:
    """Return how many rows of an ascending selection are before each of ``rows``.

    >>> ends = np.array([3, 6, 9])
    >>> count_before(range(1, 9, 2), ends), count_before(Runs([0, 7], [2, 2]), ends)
    (array([1, 3, 4]), array([2, 2, 4]))
    >>> count_before(np.array([3, 4, 8], dtype=np.uint32), ends)
    array([0, 2, 3])
    """
    if isinstance(selection, range):
        step = abs(selection.step)  # which is negative, maybe, if there is one row
        before = -(-(rows - selection.start) // step)
        return np.clip(before, 0, len(selection))
    if isinstance(selection, Runs):
        run = np.searchsorted(selection.starts, rows, side="left") - 1
        inside = np.minimum(rows - selection.starts[run], selection.lengths[run])
        before = (selection.stops - selection.lengths)[run] + inside
        return np.where(run < 0, 0, before)
    # In the type of the selection, of which searchsorted would make a copy otherwise.
    last = int(selection[-1])
    within = np.minimum(rows, last).astype(selection.dtype)
    before = np.searchsorted(selection, within)
    return np.where(rows > last, len(selection), before)


def iter_pieces(of) -> Iterator[range]:
    """Yield the positions of a long selection, array or mask in pieces."""
    for start in range(0, len(of), _PIECE):
        yield range(start, min(start + _PIECE, len(of)))


def compact(pieces: Iterable[np.ndarray]):
    """Return the row numbers of all pieces in the form that takes the fewest bytes."""
    return _join([_compress(piece) for piece in pieces if len(piece)])


def _compress(rows: np.ndarray):
    steps = np.diff(rows)
    if not len(steps):
        return range(int(rows[0]), int(rows[0]) + 1)
    if steps[0] != 0 and np.all(steps == steps[0]):
        step = int(steps[0])
        return range(int(rows[0]), int(rows[-1]) + (1 if step > 0 else -1), step)
    breaks = np.flatnonzero(steps != 1) + 1
    if len(breaks) * _WORTHWHILE > len(rows):
        return narrow(rows)
    return Runs(rows[np.r_[0, breaks]], np.diff(np.r_[0, breaks, len(rows)]))


def narrow(rows: np.ndarray) -> np.ndarray:
    """Return row numbers in half the bytes, where they are below 2**32."""
    return rows.astype(np.uint32) if rows.max() < 2**32 else rows


def _join(parts: list):
    if not parts:
        return range(0)
    if len(parts) == 1:
        return parts[0]
    if all(isinstance(part, range) for part in parts) and _is_one_range(parts):
        last = parts[-1][-1]
        step = parts[0].step
        return range(parts[0].start, last + (1 if step > 0 else -1), step)
    if all(_is_runs(part) for part in parts):
        return _join_runs(parts)
    rows = (rows_at(part, range(len(part))) for part in parts)
    return narrow(np.concatenate([narrow(piece) for piece in rows]))


def _is_one_range(parts: list) -> bool:
    step = parts[0].step
    return all(
        after.start == before[-1] + step and (len(after) == 1 or after.step == step)
        for before, after in pairwise(parts)
    )


def _is_runs(part) -> bool:
    return isinstance(part, Runs) or (isinstance(part, range) and part.step == 1)


def _join_runs(parts: list) -> Runs:
    starts = [part.starts if isinstance(part, Runs) else [part.start] for part in parts]
    lengths = [
        part.lengths if isinstance(part, Runs) else [len(part)] for part in parts
    ]
    starts, lengths = np.concatenate(starts), np.concatenate(lengths)
    apart = np.r_[True, starts[1:] != starts[:-1] + lengths[:-1]]
    return Runs(starts[apart], np.add.reduceat(lengths, np.flatnonzero(apart)))


def to_bytes(selection):
    """Return a selection as bytes: joblib writes arrays from a megabyte on to files."""
    if isinstance(selection, range):
        return selection
    if isinstance(selection, Runs):
        return selection.starts.tobytes(), selection.lengths.tobytes()
    return selection.dtype.str, selection.tobytes()


def find_key(selection):
    """Return what is equal for equal selections, and can be hashed.

    >>> find_key(np.array([1, 2])) == find_key(np.array([1, 2]))
    True
    """
    if isinstance(selection, range):
        return selection
    digest = blake2b()
    for part in to_bytes(selection):
        digest.update(part if isinstance(part, bytes) else part.encode())
    return type(selection), digest.digest()


def from_bytes(packed):
    """Return the selection that `to_bytes` was given.

    >>> from_bytes(to_bytes(range(5)))
    range(0, 5)
    >>> from_bytes(to_bytes(np.array([3, 0, 7]))).tolist()
    [3, 0, 7]
    """
    if isinstance(packed, range):
        return packed
    first, second = packed
    if isinstance(first, bytes):
        return Runs(*(np.frombuffer(part, np.int64) for part in packed))
    return np.frombuffer(second, first)
