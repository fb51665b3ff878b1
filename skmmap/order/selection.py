"""Which rows of a store, in which order: integers in, integers out.

A selection is a ``range``, a `Runs`, or an array of row numbers, whichever says it
in the fewest bytes: a fold of a billion rows is two runs, not eight gigabytes.
"""

import operator
from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np

_PIECE = 2**20  # row numbers that are worked on at a time
_DENSE = 4  # bytes that a sort needs for each row, in numbers of 4 bytes
_WORTHWHILE = 8  # rows per run from which on runs are smaller than row numbers


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
        run = self.find_runs(positions)
        return (self.starts - self.stops + self.lengths)[run] + positions

    def find_runs(self, positions) -> np.ndarray:
        """Return in which run each position is."""
        return np.searchsorted(self.stops, positions, side="right")


def resolve(key, n_rows: int):
    """Return what ``key`` selects of so many rows, as NumPy would.

    An int stays an int; every other key becomes a selection.

    >>> resolve(-1, 5), resolve(slice(None, None, 2), 5), resolve([3, 4], 5)
    (4, range(0, 5, 2), range(3, 5))
    """
    key = _first_axis(key)
    if isinstance(key, slice):
        return range(n_rows)[key]
    if isinstance(key, range):
        return _resolve_range(key, n_rows)
    if isinstance(key, bool | np.bool_) or key is None:
        raise IndexError(_NOT_A_KEY.format(repr(key)))
    try:
        return _wrap(operator.index(key), n_rows)
    except TypeError:
        return _resolve_array(key, n_rows)


def _first_axis(key):
    """Return the key for the rows of one such as ``(key, ...)``."""
    if key is Ellipsis:
        return slice(None)
    if not isinstance(key, tuple):
        return key
    if len(key) == 1 or (len(key) == 2 and key[1] is Ellipsis):
        return _first_axis(key[0])
    raise IndexError(
        "Rows are selected by row, or by one key for columns beside a slice or a row; "
        "select others of the array that is read: np.asarray(rows[key])[:, columns]."
    )


_NOT_A_KEY = (
    "Rows are selected by an int, a slice, or a one-dimensional array of ints or "
    "booleans; got {}."
)


def _wrap(row: int, n_rows: int) -> int:
    if not -n_rows <= row < n_rows:
        raise IndexError(f"index {row} is out of bounds for axis 0 with size {n_rows}")
    return row + n_rows if row < 0 else row


def _resolve_range(key: range, n_rows: int):
    if not key:
        return range(0)
    first, last = _wrap(key[0], n_rows), _wrap(key[-1], n_rows)
    if (key[0] < 0) != (key[-1] < 0):
        return _compact(_wrap_array(at(key, piece), n_rows) for piece in _pieces(key))
    return range(first, last + (1 if key.step > 0 else -1), key.step)


def _resolve_array(key, n_rows: int):
    index = np.asarray(key)
    if index.ndim == 1 and index.size == 0 and isinstance(key, list):
        return range(0)
    if index.dtype.kind not in "biu":
        raise IndexError(
            "arrays used as indices must be of integer (or boolean) type; got "
            f"{index.dtype}."
        )
    if index.ndim != 1:
        raise IndexError(_NOT_A_KEY.format(f"an array of {index.ndim} dimensions"))
    if index.dtype.kind == "b":
        return _resolve_mask(index, n_rows)
    pieces = (index[piece.start : piece.stop] for piece in _pieces(index))
    return _compact(_wrap_array(piece.astype(np.int64), n_rows) for piece in pieces)


def _resolve_mask(mask: np.ndarray, n_rows: int):
    if len(mask) != n_rows:
        raise IndexError(
            "boolean index did not match indexed array along axis 0; size of axis is "
            f"{n_rows} but size of corresponding boolean axis is {len(mask)}"
        )
    return _compact(
        piece.start + np.flatnonzero(mask[piece.start : piece.stop])
        for piece in _pieces(mask)
    )


def _wrap_array(rows: np.ndarray, n_rows: int) -> np.ndarray:
    for row in (rows.min(), rows.max()):
        _wrap(int(row), n_rows)
    return np.where(rows < 0, rows + n_rows, rows)


def at(selection, positions) -> np.ndarray:
    """Return the row numbers at some positions of a selection.

    >>> at(range(10, 20, 2), np.array([3, 0])), at(range(5), range(1, 3))
    (array([16, 10]), array([1, 2]))
    """
    if isinstance(positions, range):
        positions = np.arange(positions.start, positions.stop, positions.step)
    if isinstance(selection, range):
        return selection.start + selection.step * positions
    if isinstance(selection, Runs):
        return selection.at(positions)
    return selection[positions].astype(np.int64)


def pick(selection, picked):
    """Return the selection of a selection.

    >>> pick(range(10, 20), range(5)[::-2])
    range(14, 9, -2)
    """
    if not len(picked):
        return range(0)
    if isinstance(selection, range) and isinstance(picked, range):
        # A stop below 0 would count from the end, in a slice.
        stop = picked.stop if picked.stop >= 0 else None
        return selection[picked.start : stop : picked.step]
    pieces = (at(picked, piece) for piece in _pieces(picked))
    return _compact(at(selection, positions) for positions in pieces)


def find_order(selection):
    """Return the positions, as a selection, by which rows ascend; None if they do.

    Equal rows keep their order.

    >>> find_order(range(5)[::-1]), find_order(np.array([7, 3, 7])).tolist()
    (range(4, -1, -1), [1, 0, 2])
    """
    if isinstance(selection, range):
        descends = selection.step < 0 and len(selection) > 1
        return range(len(selection))[::-1] if descends else None
    if isinstance(selection, Runs):
        return _find_order_of_runs(selection)
    if all(np.all(np.diff(piece) >= 0) for piece in _overlapping_pieces(selection)):
        return None
    return _sort(selection)


def _sort(rows: np.ndarray) -> np.ndarray:
    """Return the positions by which rows ascend; equal rows keep their order."""
    low, n_rows = rows.min(), len(rows)
    span = int(rows.max()) - int(low) + 1
    if span <= _DENSE * n_rows and n_rows < 2**32:
        # Each position is put where its row lies: no comparison, several times faster.
        places = np.zeros(span, dtype=np.uint32)
        for piece in _pieces(rows):
            numbers = np.arange(piece.start + 1, piece.stop + 1, dtype=np.uint32)
            places[rows[piece.start : piece.stop] - low] = numbers
        order = places[np.flatnonzero(places)]
        if len(order) == n_rows:  # otherwise some rows occur twice
            order -= 1
            return order
    return _narrow(np.argsort(rows, kind="stable"))


def _find_order_of_runs(runs: Runs):
    order = np.argsort(runs.starts, kind="stable")
    starts, lengths = runs.starts[order], runs.lengths[order]
    if np.any(starts[:-1] + lengths[:-1] > starts[1:]):  # some rows occur twice
        return find_order(np.concatenate([at(runs, piece) for piece in _pieces(runs)]))
    if np.all(order[:-1] < order[1:]):
        return None
    return Runs((runs.stops - runs.lengths)[order], lengths)


def _overlapping_pieces(index: np.ndarray) -> Iterator[np.ndarray]:
    # As int64, since the differences of unsigned numbers are never negative.
    for piece in _pieces(index):
        yield index[piece.start : piece.stop + 1].astype(np.int64)


def _pieces(of) -> Iterator[range]:
    """Yield the positions of a long selection, array or mask in pieces."""
    for start in range(0, len(of), _PIECE):
        yield range(start, min(start + _PIECE, len(of)))


def _compact(pieces: Iterable[np.ndarray]):
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
        return _narrow(rows)
    return Runs(rows[np.r_[0, breaks]], np.diff(np.r_[0, breaks, len(rows)]))


def _narrow(rows: np.ndarray) -> np.ndarray:
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
    rows = (at(part, range(len(part))) for part in parts)
    return _narrow(np.concatenate([_narrow(piece) for piece in rows]))


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


def pack(selection):
    """Return a selection without arrays, which joblib would write to files."""
    if isinstance(selection, range):
        return selection
    if isinstance(selection, Runs):
        return selection.starts.tobytes(), selection.lengths.tobytes()
    return selection.dtype.str, selection.tobytes()


def unpack(packed):
    """Return the selection that `pack` was given.

    >>> unpack(pack(range(5))), unpack(pack(np.array([3, 0, 7]))).tolist()
    (range(0, 5), [3, 0, 7])
    """
    if isinstance(packed, range):
        return packed
    first, second = packed
    if isinstance(first, bytes):
        return Runs(*(np.frombuffer(part, np.int64) for part in packed))
    return np.frombuffer(second, first)
